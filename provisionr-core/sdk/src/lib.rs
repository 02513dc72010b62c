//! The vocabulary of provisionr and the contract an adapter fulfils: all that the author of an adapter depends on.
//!
//! An adapter speaks to one system (a vendor's API, an internal tool). It finds accounts, looks at what they hold,
//! and makes one change at a time; whoever moves runs decides what is tried when, and remembers what came of it.
//! How an adapter is written, step by step, is told in the `guide` module.
//!
//! ```
//! use async_trait::async_trait;
//! use provisionr_sdk::*;
//!
//! #[derive(serde::Serialize, serde::Deserialize)]
//! struct OpenDoor { target: String }
//!
//! #[derive(Debug)]
//! struct Doors(Descriptor);
//!
//! impl Doors {
//!     fn new(system: &str) -> Self {
//!         Self(Descriptor::new(system, "doors").kind(Kind::per_target::<OpenDoor>("open_door").doc("May open one door")))
//!     }
//! }
//!
//! #[async_trait]
//! impl Adapter for Doors {
//!     fn descriptor(&self) -> &Descriptor { &self.0 }
//!
//!     async fn find_account(&self, _cx: &CallContext, _who: &AccountQuery) -> Result<Found> {
//!         Ok(Found::One(Account::new("badge-1", AccountState::Active)))
//!     }
//!
//!     async fn observe(&self, _cx: &CallContext, account: &Account, _scope: &Scope) -> Result<Observation> {
//!         Ok(Observation::new(account.clone(), vec![], Coverage::none().kind("open_door")))
//!     }
//!
//!     async fn apply(&self, _cx: &CallContext, request: &Request) -> Result<Outcome> {
//!         match &request.change {
//!             Change::Grant(_) => Ok(Outcome::Applied(Receipt::new().before_absent())),
//!             other => Err(AdapterError::unsupported(other)),
//!         }
//!     }
//! }
//!
//! let doors = Doors::new("office-doors");
//! let line = [("target".to_owned(), "lab".into())].into();
//! assert!(doors.descriptor().kinds.parse("open_door", &line).is_ok());
//! let problems = doors.descriptor().kinds.parse("open_doors", &line).unwrap_err();
//! assert_eq!(problems[0].help.as_deref(), Some("did you mean `open_door`?"));
//! ```

// Its code is the door-badge adapter's own: compiled, tried and compared with this text where that adapter is.
#[cfg(not(doctest))]
#[doc = include_str!("../docs/writing-an-adapter.md")]
pub mod guide {}

mod account;
mod adapter;
mod change;
mod context;
mod descriptor;
mod entitlement;
mod error;
mod facts;
mod id;
mod kind;
mod kinds;
mod lane;
mod level;
mod outcome;
mod page;
mod secret;
mod subject;
mod sweep;
mod time;

pub use account::{Account, AccountKind, AccountQuery, AccountState, Found, IdentityKey, Owner};
pub use adapter::{Adapter, probe_by_looking};
pub use change::{AccountAccess, AccountSpec, Change, Expect, ProfileDelta, Request};
pub use context::{Access, Call, CallContext, CallGate, Permit};
pub use descriptor::{Ability, AccountFacts, Attribute, Descriptor, KeyFacts, Search, Suspension, Transition};
pub use entitlement::{Entitlement, Grant, GrantKey, GrantState, Source, Target};
pub use error::{AdapterError, Effect, ErrorKind, Missing, Result, RetryHint};
pub use facts::{Calls, ChangeFacts, Mail, Repeat, Undo, Visibility};
pub use id::{
    AccountId, Cursor, EventId, EventKey, IdempotencyKey, KindName, LaneId, RoleName, SubjectId, SystemName, SystemType, TargetId, TargetName, Ticket,
    VendorRequestId,
};
pub use kind::{AccountNeed, BatchRule, Cardinality, Cascade, Contention, Kind, OnCreate, Param, ParamType, Part, Role, Roles};
pub use kinds::{KindProblem, Kinds, Wanted, did_you_mean, suggestion};
pub use lane::{Lane, LaneReading, Window};
pub use level::Level;
pub use outcome::{BatchOutcome, Before, Bound, Check, Coverage, Observation, Outcome, Probe, Receipt, Resolution, Resolved, Scope, Seats, Wait, WaitReason};
pub use page::{Completeness, ListScope, Page, PageRequest};
pub use secret::Secret;
pub use subject::{Lifecycle, Subject};
pub use sweep::Sweep;
pub use time::{Date, TimeError, Timestamp};
