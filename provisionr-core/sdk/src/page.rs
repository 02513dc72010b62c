//! Lists, page by page, with a word on how much they show.

use serde::{Deserialize, Serialize};

use crate::id::{AccountId, Cursor, KindName, TargetId};

/// Which page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageRequest {
    /// Where the page before ended; none for the first.
    pub cursor: Option<Cursor>,
    /// How many items are wanted at most; the vendor's own default where none is given.
    pub size: Option<u32>,
}

impl PageRequest {
    /// The first page.
    pub fn first() -> Self {
        Self::default()
    }

    /// The page after `cursor`.
    #[must_use]
    pub fn after(mut self, cursor: Cursor) -> Self {
        self.cursor = Some(cursor);
        self
    }

    /// At most so many items.
    #[must_use]
    pub fn sized(mut self, size: u32) -> Self {
        self.size = Some(size);
        self
    }
}

/// Whether a list shows all there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Completeness {
    /// All that there is, so far as this page goes.
    Complete,
    /// Something may be missing; why. Nothing may be concluded from what is not in it.
    Incomplete(String),
}

/// One page of a list. An error is never an empty page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next one begins, if there is one.
    pub next: Option<Cursor>,
    /// Whether it shows all.
    pub completeness: Completeness,
}

impl<T> Page<T> {
    /// A complete page.
    pub fn new(items: Vec<T>, next: Option<Cursor>) -> Self {
        Self { items, next, completeness: Completeness::Complete }
    }

    /// The one page there is.
    pub fn last(items: Vec<T>) -> Self {
        Self::new(items, None)
    }

    /// Says that something may be missing.
    #[must_use]
    pub fn incomplete(mut self, why: impl Into<String>) -> Self {
        self.completeness = Completeness::Incomplete(why.into());
        self
    }

    /// The page with each item turned into another.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(f).collect(), next: self.next, completeness: self.completeness }
    }
}

/// Which grants are listed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListScope {
    /// Every grant of a kind, in the order that suits the vendor.
    Kind(KindName),
    /// The grants on one target.
    Target(KindName, TargetId),
    /// The grants of one kind an account holds.
    Account(KindName, AccountId),
}

impl ListScope {
    /// The kind that is listed.
    pub fn kind(&self) -> &KindName {
        match self {
            Self::Kind(kind) | Self::Target(kind, _) | Self::Account(kind, _) => kind,
        }
    }
}
