//! Access orchestration for hosts: rules in, ordered plans, durable runs, report and audit out.
//!
#![doc = include_str!("../docs/embedding.md")]

pub use provisionr_sdk as sdk;
pub use provisionr_sdk::*;

mod audit;
mod clock;
mod desired;
mod diff;
mod digest;
mod directory;
mod driver;
mod event;
mod executor;
mod explain;
mod forecast;
mod observer;
pub mod plan;
mod plan_set;
mod planner;
mod provisioner;
mod rate;
mod record;
mod report;
mod retry;
pub mod rules;
pub mod run;
pub mod store;

pub use audit::{AuditEntry, AuditLog, Chain, ChainCheck};
pub use clock::{Clock, SystemClock, TokioClock};
pub use desired::{Clash, Contradiction, Covered, DesiredAccess, DesiredEntitlement, Reason, SystemAccess, desired};
pub use digest::{Digest, DigestError};
pub use directory::{Directory, DirectoryError, FileDirectory, MemoryDirectory};
pub use driver::Driver;
pub use event::{Event, EventError, EventKind, Occasion};
pub use executor::{Limits, MoveError};
pub use explain::{ExplainedOperation, Explanation, Happened, Related};
pub use forecast::{Forecast, Irreversible, SystemForecast};
pub use observer::{Observer, Progress};
pub use plan::{Blocked, Operation, OperationId, Plan};
pub use plan_set::{PlanSet, Planned};
pub use provisioner::{AccessError, BuildError, Provisioner, ProvisionerBuilder, Submitted, SystemCheck};
pub use report::{Brief, Report, ReportLine, Standing, Status, waiting_for};
pub use retry::RetryPolicy;
pub use rules::{CheckedRules, Diagnostic, DiagnosticCode, Rules, RulesError, Topology};
pub use store::{Actor, MemoryStore, RunId, Store, StoreError, Verdict};
