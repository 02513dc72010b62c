//! A list within a list: all grants of a kind, target by target.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::{AdapterError, Result};
use crate::id::Cursor;
use crate::page::{Completeness, Page, PageRequest};

/// Where a list of all grants of a kind stands, for vendors that list grants by target alone.
///
/// The targets that are left are part of the cursor. So one that goes meanwhile shifts none of the others, a cursor within a target's
/// list is only ever used on that target, and each page of targets is read once.
///
/// ```
/// use provisionr_sdk::{Cursor, Page, PageRequest, Sweep};
///
/// // The members of one group a page.
/// fn page_of(request: &PageRequest) -> provisionr_sdk::Result<Page<String>> {
///     let mut sweep = Sweep::<u32>::read(request)?;
///     if let Some(targets) = sweep.targets() {
///         assert_eq!(targets, PageRequest::first());
///         sweep.add(Page::last(vec![1, 2]));
///     }
///     let Some(group) = sweep.target() else { return Ok(sweep.page(Vec::new())) };
///     let members = Page::last(vec![format!("a member of {group}")]);
///     Ok(sweep.go_on(members))
/// }
/// let first = page_of(&PageRequest::first())?;
/// let second = page_of(&PageRequest::first().after(first.next.unwrap()))?;
/// assert_eq!((first.items, second.items, second.next), (vec!["a member of 1".to_owned()], vec!["a member of 2".to_owned()], None));
/// # Ok::<_, provisionr_sdk::AdapterError>(())
/// ```
#[derive(Debug, Serialize, Deserialize)]
pub struct Sweep<T> {
    /// The targets of this page that are left, the next one last.
    left: Vec<T>,
    /// Where in the list of the next one.
    within: Option<Cursor>,
    /// The next page of targets.
    then: Option<Cursor>,
    #[serde(skip)]
    missing: Option<String>,
}

impl<T: Serialize + DeserializeOwned> Sweep<T> {
    /// Where the page before ended.
    ///
    /// # Errors
    /// `StaleCursor` when the cursor is none of such a list.
    pub fn read(page: &PageRequest) -> Result<Self> {
        match &page.cursor {
            None => Ok(Self { left: Vec::new(), within: None, then: None, missing: None }),
            Some(cursor) => serde_json::from_str(cursor.as_str()).map_err(|_| AdapterError::stale_cursor("the cursor is none of this list")),
        }
    }

    /// The page of targets to be read first, and to be [added](Self::add); none while some are left.
    pub fn targets(&mut self) -> Option<PageRequest> {
        self.left.is_empty().then(|| PageRequest { cursor: self.then.take(), size: None })
    }

    /// Adds a page of targets.
    pub fn add(&mut self, mut targets: Page<T>) {
        targets.items.reverse();
        targets.items.append(&mut self.left);
        self.left = targets.items;
        self.then = targets.next;
        if let Completeness::Incomplete(why) = targets.completeness {
            self.incomplete(why);
        }
    }

    /// The target at work; none when all that were read are done.
    pub fn target(&self) -> Option<&T> {
        self.left.last()
    }

    /// The page of its list that is next.
    pub fn within(&self, size: Option<u32>) -> PageRequest {
        PageRequest { cursor: self.within.clone(), size }
    }

    /// Goes on to the next page of the target's list; without one, to the next target.
    pub fn advance(&mut self, next: Option<Cursor>) {
        if next.is_none() {
            self.left.pop();
        }
        self.within = next;
    }

    /// Says that something may be missing from this page.
    pub fn incomplete(&mut self, why: impl Into<String>) {
        self.missing = Some(why.into());
    }

    /// A page of the target's list as a page of the whole list.
    pub fn go_on<U>(mut self, found: Page<U>) -> Page<U> {
        if let Completeness::Incomplete(why) = found.completeness {
            self.incomplete(why);
        }
        self.advance(found.next);
        self.page(found.items)
    }

    /// These items as a page of the whole list.
    pub fn page<U>(mut self, items: Vec<U>) -> Page<U> {
        let missing = self.missing.take();
        let more = !self.left.is_empty() || self.then.is_some();
        let next = Some(self).filter(|_| more).and_then(|place| serde_json::to_string(&place).ok()).map(Cursor::from);
        missing.into_iter().fold(Page::new(items, next), Page::incomplete)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_once_and_a_cursor_stays_with_its_target() {
        let mut sweep = Sweep::<String>::read(&PageRequest::first()).unwrap();
        assert_eq!(sweep.targets(), Some(PageRequest::first()));
        sweep.add(Page::new(vec!["a".to_owned(), "b".to_owned()], Some("targets-2".into())).incomplete("hidden"));
        assert_eq!(sweep.target().unwrap(), "a");
        sweep.advance(Some("members-2".into()));
        let page = sweep.page(vec![1]);
        assert_eq!(page.completeness, Completeness::Incomplete("hidden".to_owned()));
        let mut sweep = Sweep::<String>::read(&PageRequest::first().after(page.next.unwrap())).unwrap();
        assert_eq!((sweep.targets(), sweep.target().unwrap().as_str()), (None, "a"));
        assert_eq!(sweep.within(Some(5)), PageRequest { cursor: Some("members-2".into()), size: Some(5) });
        sweep.advance(None);
        assert_eq!((sweep.target().unwrap().as_str(), sweep.within(None)), ("b", PageRequest::first()));
        sweep.advance(None);
        let page = sweep.page(vec![2]);
        let mut sweep = Sweep::<String>::read(&PageRequest::first().after(page.next.unwrap())).unwrap();
        assert_eq!(sweep.targets(), Some(PageRequest::first().after("targets-2".into())));
        sweep.add(Page::last(Vec::new()));
        assert!(sweep.target().is_none());
        assert_eq!(sweep.page(Vec::<u32>::new()), Page::last(Vec::new()));
        assert!(Sweep::<String>::read(&PageRequest::first().after("nonsense".into())).is_err());
    }
}
