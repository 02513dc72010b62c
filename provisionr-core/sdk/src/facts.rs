//! What is known of one sort of write at a vendor: declared once, and read by planner, executor and forecast.

use std::time::Duration;

use serde::Serialize;

use crate::id::LaneId;

/// How often a change may be sent when it is not known whether it took effect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Repeat {
    /// Sets a state: may be sent again at once (the same change, never its inverse).
    Set,
    /// The vendor honours our idempotency key: may be sent again with the same key.
    Keyed,
    /// The vendor refuses a second one; this look-up tells whether the first arrived.
    UniqueByVendor(&'static str),
    /// A second one would do harm: never repeated without a person.
    Unsafe,
}

/// When a read shows what a write did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Visibility {
    /// At once.
    ReadYourWrites,
    /// After a while: an "absent" is believed only after `max`, seen `agree` times in a row.
    Lag {
        /// The longest time the vendor is known to take.
        max: Duration,
        /// How many looks in a row must agree.
        agree: u32,
    },
}

/// Whether a change can be taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Undo {
    /// The inverse change restores what was.
    Inverse,
    /// Something is lost that no call brings back.
    Never,
}

/// Whether the vendor writes to the person because of a change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mail {
    /// No.
    #[default]
    None,
    /// Yes, each time it is made.
    Sent,
}

/// How many calls of a lane something takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Calls {
    /// The lane they count on.
    pub lane: LaneId,
    /// How many.
    pub count: u32,
}

/// What is known of one sort of write at a vendor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangeFacts {
    /// How often it may be sent.
    pub repeat: Repeat,
    /// When it shows.
    pub visibility: Visibility,
    /// Whether it can be taken back.
    pub undo: Undo,
    /// Whether the person gets a mail.
    pub mail: Mail,
    /// The calls of an attempt that meets no trouble, lane by lane, beside those that find the account: as many as there
    /// may be, and no more than twice as many as there usually are. A forecast rests on them; where none are given it
    /// counts one, on no lane.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<Calls>,
}

impl Default for ChangeFacts {
    /// The careful ones: never repeated without a look, visible at once, can be taken back, no mail.
    fn default() -> Self {
        Self { repeat: Repeat::Unsafe, visibility: Visibility::ReadYourWrites, undo: Undo::Inverse, mail: Mail::None, calls: Vec::new() }
    }
}

impl ChangeFacts {
    /// A write that sets a state and may be sent again at once.
    pub fn set() -> Self {
        Self { repeat: Repeat::Set, ..Self::default() }
    }

    /// A write the vendor refuses the second time; `lookup` says by what the first is found.
    pub fn unique(lookup: &'static str) -> Self {
        Self { repeat: Repeat::UniqueByVendor(lookup), ..Self::default() }
    }

    /// Sets the class of repeats.
    #[must_use]
    pub fn repeat(mut self, repeat: Repeat) -> Self {
        self.repeat = repeat;
        self
    }

    /// The write shows after at most `max`; an absence is believed when seen `agree` times in a row.
    #[must_use]
    pub fn lag(mut self, max: Duration, agree: u32) -> Self {
        self.visibility = Visibility::Lag { max, agree };
        self
    }

    /// No call brings back what it destroys.
    #[must_use]
    pub fn irreversible(mut self) -> Self {
        self.undo = Undo::Never;
        self
    }

    /// The vendor writes to the person each time.
    #[must_use]
    pub fn mails(mut self) -> Self {
        self.mail = Mail::Sent;
        self
    }

    /// An attempt that meets no trouble takes so many calls of a lane, beside those that find the account.
    #[must_use]
    pub fn calls(mut self, lane: impl Into<LaneId>, count: u32) -> Self {
        self.calls.push(Calls { lane: lane.into(), count });
        self
    }
}
