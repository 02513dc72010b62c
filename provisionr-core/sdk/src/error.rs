//! What can go wrong at a vendor, in the terms that decide what happens next.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::id::{LaneId, VendorRequestId};

/// A result of an adapter.
pub type Result<T, E = AdapterError> = std::result::Result<T, E>;

/// What was not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Missing {
    /// The account.
    Account,
    /// The target.
    Target,
    /// One of them, or only the right to see it: nothing follows.
    Unclear,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorKind {
    /// The adapter's own configuration cannot work.
    InvalidConfig,
    /// The request cannot work as it is, however often it is sent.
    InvalidRequest,
    /// Something is not there.
    NotFound(Missing),
    /// The present state is in the way, or another write is under way.
    Conflict,
    /// The credential is not accepted.
    Unauthenticated,
    /// The credential may not do this.
    PermissionDenied,
    /// Too much at once, on this lane.
    RateLimited(LaneId),
    /// The API budget of a longer time (a day) is used up.
    QuotaExhausted,
    /// No licence is free in this pool.
    NoSeat(String),
    /// A rule of the vendor forbids it: the last owner, the general channel.
    Refused,
    /// An invitation has expired or failed.
    Lapsed,
    /// More than one thing answers to the name.
    Ambiguous,
    /// Another party owns it; the message names them.
    OwnedElsewhere,
    /// A page cursor is too old: begin the list again.
    StaleCursor,
    /// The vendor is down, or cannot be reached.
    Unavailable,
    /// No answer in time.
    TimedOut,
    /// The vendor is still working on something this needs.
    NotReady,
    /// The adapter cannot do this.
    Unsupported,
    /// The answer is not what the vendor describes.
    Protocol,
    /// None of the above.
    Other,
}

/// When another try makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RetryHint {
    /// Never: it will fail again.
    Never,
    /// Later, and ever later.
    Backoff,
    /// Not before this long; the vendor said so.
    After(Duration),
    /// At once, outside the batch it sank.
    Alone,
    /// When something happens outside.
    OnEvent,
    /// With a new plan: the world is not what this one expects.
    Replan,
}

/// Whether the vendor's state may have changed all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It cannot have: refused, or never sent.
    None,
    /// It may have: a write was cut off or timed out.
    Unknown,
}

/// An error of an adapter: a kind, a hint, an effect, the vendor's code and the request id.
///
/// `Display` is one sentence without secret, query string or source; the source is for the log, once.
#[derive(Debug)]
pub struct AdapterError {
    kind: ErrorKind,
    hint: RetryHint,
    effect: Effect,
    message: String,
    code: Option<String>,
    request_id: Option<VendorRequestId>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $kind:expr, $hint:expr;)+) => {$(
        $(#[$doc])*
        pub fn $name(message: impl Into<String>) -> Self {
            Self::new($kind, $hint, message)
        }
    )+};
}

impl AdapterError {
    /// An error that certainly changed nothing.
    pub fn new(kind: ErrorKind, hint: RetryHint, message: impl Into<String>) -> Self {
        Self { kind, hint, effect: Effect::None, message: message.into(), code: None, request_id: None, source: None }
    }

    constructors! {
        /// `InvalidConfig`: never again.
        invalid_config => ErrorKind::InvalidConfig, RetryHint::Never;
        /// `InvalidRequest`: never again.
        invalid_request => ErrorKind::InvalidRequest, RetryHint::Never;
        /// `NotFound(Account)`: with a new plan.
        account_not_found => ErrorKind::NotFound(Missing::Account), RetryHint::Replan;
        /// `NotFound(Target)`: never again.
        target_not_found => ErrorKind::NotFound(Missing::Target), RetryHint::Never;
        /// `NotFound(Unclear)`: later.
        not_found_unclear => ErrorKind::NotFound(Missing::Unclear), RetryHint::Backoff;
        /// `Conflict`: later.
        conflict => ErrorKind::Conflict, RetryHint::Backoff;
        /// `Unauthenticated`: later, for a credential may be renewed.
        unauthenticated => ErrorKind::Unauthenticated, RetryHint::Backoff;
        /// `PermissionDenied`: never again.
        permission_denied => ErrorKind::PermissionDenied, RetryHint::Never;
        /// `QuotaExhausted`: later.
        quota_exhausted => ErrorKind::QuotaExhausted, RetryHint::Backoff;
        /// `Refused`: never again.
        refused => ErrorKind::Refused, RetryHint::Never;
        /// `Lapsed`: with a new plan.
        lapsed => ErrorKind::Lapsed, RetryHint::Replan;
        /// `Ambiguous`: never again.
        ambiguous => ErrorKind::Ambiguous, RetryHint::Never;
        /// `OwnedElsewhere`: never again.
        owned_elsewhere => ErrorKind::OwnedElsewhere, RetryHint::Never;
        /// `StaleCursor`: at once, from the first page.
        stale_cursor => ErrorKind::StaleCursor, RetryHint::Replan;
        /// `Unavailable`: later.
        unavailable => ErrorKind::Unavailable, RetryHint::Backoff;
        /// `TimedOut`: later.
        timed_out => ErrorKind::TimedOut, RetryHint::Backoff;
        /// `NotReady`: later.
        not_ready => ErrorKind::NotReady, RetryHint::Backoff;
        /// `Protocol`: later, for it may be a broken proxy.
        protocol => ErrorKind::Protocol, RetryHint::Backoff;
        /// `Other`: later.
        other => ErrorKind::Other, RetryHint::Backoff;
    }

    /// `Unsupported`: what the adapter cannot do, in words or as its `Debug`.
    pub fn unsupported(what: impl fmt::Debug) -> Self {
        Self::new(ErrorKind::Unsupported, RetryHint::Never, format!("not supported: {what:?}"))
    }

    /// `RateLimited`: after the pause the vendor asks for, or later.
    pub fn rate_limited(lane: impl Into<LaneId>, pause: Option<Duration>) -> Self {
        let lane = lane.into();
        let message = format!("the vendor's limit of lane `{lane}` is reached");
        Self::new(ErrorKind::RateLimited(lane), pause.map_or(RetryHint::Backoff, RetryHint::After), message)
    }

    /// `NoSeat`: later, for a licence may be freed or bought.
    pub fn no_seat(pool: impl Into<String>) -> Self {
        let pool = pool.into();
        let message = format!("no seat is free in `{pool}`");
        Self::new(ErrorKind::NoSeat(pool), RetryHint::Backoff, message)
    }

    /// Sets when another try makes sense.
    #[must_use]
    pub fn with_hint(mut self, hint: RetryHint) -> Self {
        self.hint = hint;
        self
    }

    /// It may have changed something all the same.
    #[must_use]
    pub fn effect_unknown(mut self) -> Self {
        self.effect = Effect::Unknown;
        self
    }

    /// Sets the vendor's own code.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Sets the vendor's id of the request.
    #[must_use]
    pub fn with_request_id(mut self, id: impl Into<VendorRequestId>) -> Self {
        self.request_id = Some(id.into());
        self
    }

    /// Sets what lies beneath.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// When another try makes sense.
    pub fn hint(&self) -> RetryHint {
        self.hint
    }

    /// Whether the vendor's state may have changed.
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// What went wrong, in words.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The vendor's own code.
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// The vendor's id of the request.
    pub fn request_id(&self) -> Option<&VendorRequestId> {
        self.request_id.as_ref()
    }
}

impl fmt::Display for AdapterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(code) = &self.code {
            write!(f, " ({code})")?;
        }
        Ok(())
    }
}

impl StdError for AdapterError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn StdError + 'static))
    }
}
