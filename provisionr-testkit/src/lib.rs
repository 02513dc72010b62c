//! What tests of adapters, and of hosts, are made of: stateful fakes of vendor APIs with faults on demand, an adapter
//! in memory whose every effect is counted, and the suite every adapter is held to.
//!
//! A fake is a state model behind a router. [`FakeSystem`] runs it: with a clock, a request log, faults and links to
//! other fakes. A client reaches it through [`MemoryTransport`], in virtual time, or through [`FakeServer`], over real
//! HTTP; a test sets it up with seeds, does with acts what people do, and asks for the truth past the API.
//!
//! ```
//! use std::time::Duration;
//!
//! use bytes::Bytes;
//! use provisionr_http::{Sent, Transport};
//! use provisionr_testkit::{Fault, OktaFake};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! let okta = OktaFake::new().with_group("sales-team").with_user("sarah@company.com").start();
//! let (group, user) = (okta.group_id("sales-team").unwrap(), okta.user_id("sarah@company.com").unwrap());
//! let add = || {
//!     let request = http::Request::put(format!("https://acme.okta.com/api/v1/groups/{group}/users/{user}"));
//!     request.header("authorization", format!("SSWS {}", OktaFake::TOKEN)).body(Bytes::new()).unwrap()
//! };
//!
//! // The first answer is lost, the second says that there were too many requests.
//! okta.fault(Fault::reset_after().on("PUT", "/api/v1/groups/*/users/*"));
//! okta.fault(Fault::throttle(Duration::from_secs(30)).on("PUT", "/api/v1/groups/*/users/*"));
//! assert_eq!(okta.transport().send(add()).await.unwrap_err().sent(), Sent::Maybe);
//! assert_eq!(okta.transport().send(add()).await.unwrap().headers()["x-rate-limit-remaining"], "0");
//! assert_eq!(okta.transport().send(add()).await.unwrap().status(), 204);
//!
//! // Past the API: she is a member, and became one once.
//! assert_eq!(okta.members("sales-team"), ["sarah@company.com"]);
//! assert_eq!(okta.effects("group.member_added"), 1);
//! # }
//! ```
//!
//! The program `provisionr-fakes` (feature `server`) serves them from a process of their own.
//!
//! # A fake of your own
//!
//! Implement [`Fake`], with a [`Router`] for its routes. What a fake does not play it refuses aloud: a request that
//! no route answers gets 501 and fails the test.
//!
//! ```
//! use std::collections::BTreeSet;
//! use std::time::Duration;
//!
//! use provisionr_testkit::{Act, ActError, Fake, FakeContext, FakeRequest, FakeResponse, FakeSystem, Router};
//! use serde_json::{Value, json};
//!
//! /// Who may open the door.
//! #[derive(Clone, Default)]
//! struct Door(BTreeSet<String>);
//!
//! impl Fake for Door {
//!     fn system_type(&self) -> &'static str { "door" }
//!
//!     fn handle(&mut self, request: &FakeRequest, cx: &mut FakeContext) -> FakeResponse {
//!         Router::<Self>::new()
//!             .get("/people", |door, _, _| Ok(FakeResponse::json(200, &json!(door.0))))
//!             .put("/people/{name}", |door, call, cx| {
//!                 let name = call.param("name");
//!                 // An event tells of an effect; a repeated write has none.
//!                 if door.0.insert(name.to_owned()) {
//!                     cx.emit("door.opened_to", json!({ "name": name }));
//!                 }
//!                 Ok(FakeResponse::empty(204))
//!             })
//!             .dispatch(self, request, cx)
//!     }
//!
//!     fn seed(&mut self, seed: &Value, _: &mut FakeContext) -> Result<(), ActError> {
//!         self.0 = serde_json::from_value(seed.clone())?;
//!         Ok(())
//!     }
//!
//!     fn state(&self) -> Value { json!(self.0) }
//!
//!     fn act(&mut self, act: &Act, _: &mut FakeContext) -> Result<Value, ActError> { Err(act.unknown()) }
//!
//!     fn snapshot(&self) -> Box<dyn Fake> { Box::new(self.clone()) }
//!
//!     fn throttle_response(&self, _: &FakeRequest, pause: Duration, _: &FakeContext) -> FakeResponse {
//!         FakeResponse::empty(429).with_header("retry-after", pause.as_secs().to_string())
//!     }
//!
//!     fn error_response(&self, status: u16, _: &FakeContext) -> FakeResponse { FakeResponse::empty(status) }
//! }
//!
//! let door = FakeSystem::new(Door::default());
//! door.seed(&json!(["sarah"])).unwrap();
//! assert_eq!(door.state(), json!(["sarah"]));
//! ```

pub mod aws;
pub mod conformance;
#[cfg(feature = "server")]
pub mod fakes;
pub mod github;
pub mod gitlab;
pub mod google;
pub mod jira;
pub mod okta;
pub mod salesforce;
pub mod scim;
pub mod slack;

mod accept;
mod book;
mod clock;
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

pub use aws::AwsFake;
pub use clock::FakeClock;
pub use fake::{Fake, FakeContext};
pub use fault::{EffectAt, Fault, FaultKind, RequestMatch};
pub use github::GithubFake;
pub use gitlab::GitlabFake;
pub use google::GoogleFake;
pub use jira::JiraFake;
pub use limit::{Limit, LimitReading, Limits};
pub use link::{Act, ActError, FakeEvent};
pub use log::{Ending, LogEntry};
pub use memory_adapter::{JoinGroup, JoinProject, MemoryAdapter, MemoryCall, MemoryEffect, MemoryFault, World};
pub use message::{FakeRequest, FakeResponse};
pub use okta::OktaFake;
pub use router::{Call, Handler, Reply, Router};
pub use salesforce::SalesforceFake;
pub use scim::ScimFake;
pub use server::FakeServer;
pub use slack::SlackFake;
pub use system::FakeSystem;
pub use transport::MemoryTransport;
