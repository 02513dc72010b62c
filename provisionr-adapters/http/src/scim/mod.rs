//! SCIM 2.0 (RFC 7643, RFC 7644): users and groups, over an [`HttpClient`](crate::HttpClient).
//!
//! What differs from service to service is data, in [`Quirks`]; the rest is here once, for every adapter whose vendor speaks
//! SCIM beside its own API.
//!
//! ```
//! use provisionr_http::scim::{Key, Quirks, Scim, classify};
//! use provisionr_http::{Auth, HttpClient, MemoryTransport};
//! use provisionr_sdk::{CallContext, Secret};
//!
//! // A service that ignores filters answers everybody.
//! let http = MemoryTransport::new(|_| http::Response::new(r#"{
//!     "totalResults": 2, "itemsPerPage": 2, "startIndex": 1,
//!     "Resources": [{"id": "1", "userName": "adam", "active": false}, {"id": "2", "userName": "Sarah", "name": {"givenName": "Sarah"}}]
//! }"#.into()));
//! let client = HttpClient::new("https://wiki.example/scim/v2", &http)?.auth(Auth::bearer(Secret::new("s3cret"))).classifier(classify);
//! let scim = Scim::new(client, Quirks::new());
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let found = scim.find_users(&CallContext::unlimited(), Key::UserName, "sarah").await?;
//! assert_eq!((found.len(), found[0].id(), found[0].is_active()), (1, "2", true));
//! assert_eq!(found[0].attribute("givenName"), Some("Sarah".into()));
//! # Ok::<_, provisionr_sdk::AdapterError>(())
//! # }).unwrap();
//! # Ok::<_, provisionr_sdk::AdapterError>(())
//! ```

mod attribute;
mod client;
mod error;
mod quirks;
mod resource;

pub use client::{Key, Scim};
pub use error::classify;
pub use quirks::{MemberRemoval, Quirks, SwitchOff};
pub use resource::{Group, Member, Service, User};
