//! The HTTP kit on which the adapters of provisionr, and those of other teams, are built.
//!
//! An adapter says where its vendor is, how it is entered, which request counts on which limit, and what the vendor's errors
//! mean. The kit does the rest: safe paths, permits, credentials and their renewal, rate headers, classification, paging; and it
//! keeps secrets out of errors and logs.
//!
//! ```
//! use http::Method;
//! use provisionr_http::{Auth, HttpClient, MemoryTransport, Paging, Routes, path};
//! use provisionr_sdk::{AccountId, CallContext, ErrorKind, PageRequest, Result, Secret};
//!
//! struct Doors(HttpClient);
//!
//! #[derive(serde::Deserialize)]
//! struct Door { name: String }
//!
//! impl Doors {
//!     async fn open_to(&self, cx: &CallContext, person: &AccountId, door: &str) -> Result<()> {
//!         // Segments are encoded one by one; a permit of lane `writes` is awaited first.
//!         self.0.put(path!["people", person, "doors", door]).send(cx).await?;
//!         Ok(())
//!     }
//!
//!     async fn doors(&self, cx: &CallContext, page: &PageRequest) -> Result<Vec<Door>> {
//!         let paging = Paging::token("/next", "cursor").items("/doors").sized("limit", 100);
//!         Ok(self.0.get(path!["doors"]).page(cx, page, &paging).await?.items)
//!     }
//! }
//!
//! // Tests need no network; in production it is `ReqwestTransport`.
//! let http = MemoryTransport::new(|request| match (request.method(), request.uri().path()) {
//!     (&Method::PUT, "/v1/people/p-7/doors/lab%2F2") => http::Response::default(),
//!     (&Method::GET, "/v1/doors") => http::Response::new(r#"{"doors": [{"name": "lab"}]}"#.into()),
//!     _ => http::Response::builder().status(404).body(r#"{"message": "no such door"}"#.into()).unwrap(),
//! });
//! let routes = Routes::new().any("/**", "reads").on(Method::PUT, "/people/**", "writes");
//! let doors = Doors(HttpClient::new("https://doors.example/v1", &http)?.auth(Auth::bearer(Secret::new("s3cret"))).routes(routes));
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let cx = CallContext::unlimited();
//! doors.open_to(&cx, &"p-7".into(), "lab/2").await?;
//! assert_eq!(doors.doors(&cx, &PageRequest::first()).await?[0].name, "lab");
//! let error = doors.open_to(&cx, &"p-7".into(), "cellar").await.unwrap_err();
//! assert!(matches!(error.kind(), ErrorKind::NotFound(_)));
//! assert_eq!(error.to_string(), "the system answered 404: no such door");
//! assert_eq!(doors.open_to(&cx, &"p-7".into(), "..").await.unwrap_err().kind(), &ErrorKind::InvalidRequest);
//! # Ok::<_, provisionr_sdk::AdapterError>(())
//! # }).unwrap();
//! # Ok::<_, provisionr_sdk::AdapterError>(())
//! ```

mod answer;
mod auth;
mod classify;
mod client;
mod credential;
mod memory;
mod network;
mod paging;
mod path;
mod random;
mod rate;
mod request;
mod route;
pub mod scim;
mod scopes;
mod settings;
mod signer;
mod token;
mod transport;

pub use answer::Answer;
pub use auth::{Auth, Authorize};
pub use classify::{Classify, by_status, by_status_saying, plain, throttled};
pub use client::HttpClient;
pub use credential::{Credential, CredentialFile, CredentialProvider, EnvironmentVariable};
pub use memory::MemoryTransport;
pub use network::ReqwestTransport;
pub use paging::Paging;
pub use path::Path;
pub use random::random_secret;
pub use rate::{RateHeaders, ReadRate, retry_after};
pub use request::RequestBuilder;
pub use route::Routes;
pub use scopes::ScopedSource;
pub use settings::{BaseUrl, CredentialSource, SystemSettings};
pub use signer::{Jwt, RsaSigner, Signer};
pub use token::TokenSource;
pub use transport::{Sent, Transport, TransportError, TransportFailure};
