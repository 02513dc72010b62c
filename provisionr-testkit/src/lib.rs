//! What tests of adapters, and of hosts, are made of: stateful fakes of vendor APIs with faults on demand, and an
//! adapter in memory whose every effect is counted.

pub mod okta;

mod book;
mod clock;
pub mod conformance;
mod exchange;
mod fake;
mod fault;
mod limit;
mod link;
mod log;
mod memory_adapter;
mod message;
mod relay;
mod router;
mod server;
mod system;
mod transport;

pub use clock::FakeClock;
pub use fake::{Fake, FakeContext};
pub use fault::{EffectAt, Fault, FaultKind, RequestMatch};
pub use limit::{Limit, LimitReading, Limits};
pub use link::{Act, ActError, FakeEvent};
pub use log::{Ending, LogEntry};
pub use memory_adapter::{JoinGroup, JoinProject, MemoryAdapter, MemoryCall, MemoryEffect, MemoryFault, World};
pub use message::{FakeRequest, FakeResponse};
pub use okta::OktaFake;
pub use router::{Call, Handler, Reply, Router};
pub use server::FakeServer;
pub use system::FakeSystem;
pub use transport::MemoryTransport;
