//! A vendor's own description of its API, and what was exchanged held against it.
//!
//! A [`Description`] reads an OpenAPI 3.0 document, a Google discovery document or a service model of AWS, and says of an
//! [`Exchange`] what in it nobody described: the path, a parameter, the content type, a field of a body, a status.
//! The conformance suite does so with all that is exchanged in each of its cases, when the harness
//! [has a description](crate::conformance::Harness::description).
//!
//! Descriptions have faults, and leave things out. What is known of them is listed, each with its reason, and everything else
//! is a violation.
//!
//! ```
//! use provisionr_testkit::description::Description;
//! use provisionr_testkit::{Exchange, FakeRequest, FakeResponse};
//! use serde_json::json;
//!
//! let description = Description::openapi(json!({
//!     "openapi": "3.0.3",
//!     "paths": { "/doors/{id}": { "get": {
//!         "parameters": [{ "name": "floor", "in": "query", "schema": { "type": "integer" } }],
//!         "responses": { "200": { "content": { "application/json": { "schema": {
//!             "type": "object", "properties": { "id": { "type": "string" } }, "required": ["id"],
//!         } } } } },
//!     } } },
//! }))
//! .undescribed("POST /token", "tokens are described on a page of their own");
//!
//! let ask = |target: &str, answer| {
//!     let exchange = Exchange::new(FakeRequest::new(http::Method::GET, target), Some(FakeResponse::json(200, &answer)));
//!     description.violations(&exchange).iter().map(ToString::to_string).collect::<Vec<_>>()
//! };
//! assert_eq!(ask("/doors/lab?floor=2", json!({ "id": "lab" })), [""; 0]);
//! assert_eq!(ask("/doors/lab?flor=2", json!({ "id": "lab" })), ["GET /doors/{id}: request: query parameter `flor` is not described"]);
//! assert_eq!(ask("/doors/lab", json!({})), [r#"GET /doors/{id}: answer: 200: "id" is a required property"#]);
//! ```

mod answer;
mod discovery;
mod document;
mod known;
mod request;
mod schema;
mod service_model;
mod vendors;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::Ordering;

use serde_json::Value;

use self::document::{Document, Found};
use self::known::{Correction, Known};
use crate::message::Exchange;

/// The folder of the vendors' descriptions.
pub const FOLDER: &str = "PROVISIONR_SPECS_DIR";

/// What a vendor says of its API, and what is known to be wrong with that.
#[derive(Debug, Default)]
pub struct Description {
    documents: Vec<Document>,
    known: Vec<Known>,
    undescribed: Vec<Known>,
    corrections: Vec<Correction>,
}

/// Something in an exchange that the description does not have. Names fields and parameters, and shows no value of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Violation {
    /// The operation as the description names it, `GET /users/{id}`; for one that it does not have, the path as it was sent.
    pub operation: String,
    /// What is wrong with it: `request: query parameter `limit` is not described`.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, self.what)
    }
}

/// What became of many exchanges that were held against a description.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Held {
    /// What was not as described, each once.
    pub violations: BTreeSet<Violation>,
    /// The operations that were called.
    pub called: BTreeSet<String>,
    /// Those that were not.
    pub left: BTreeSet<String>,
}

impl Description {
    /// Reads an OpenAPI 3.0 document. Its operations are where its first server is.
    pub fn openapi(document: Value) -> Self {
        Self { documents: vec![Document::new(document)], ..Self::default() }
    }

    /// Reads a Google discovery document.
    pub fn discovery(document: &Value) -> Self {
        Self::openapi(discovery::openapi(document))
    }

    /// Reads a service model of AWS, protocol `json`: as botocore has it in `service-2.json`.
    pub fn service_model(model: &Value) -> Self {
        Self::openapi(service_model::openapi(model))
    }

    /// Our fakes' vendors by type of system, `okta`: read from the folder that `PROVISIONR_SPECS_DIR` tells, once in a process.
    /// None when it is not set, or the vendor of another type.
    ///
    /// # Panics
    /// When a file is not there or no JSON: how a test fails.
    pub fn of(system_type: &str) -> Option<&'static Self> {
        vendors::load(system_type)
    }

    /// Adds what another description has.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.documents.extend(other.documents);
        self.known.extend(other.known);
        self.undescribed.extend(other.undescribed);
        self.corrections.extend(other.corrections);
        self
    }

    /// Lets answers have fields that are not described. Requests may not.
    #[must_use]
    pub fn open_answers(mut self) -> Self {
        self.documents.iter_mut().for_each(Document::open_answers);
        self
    }

    /// Puts something else where the document is wrong. `place` is a JSON pointer; the last step of it need not be there yet.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "it is written where it is handed in")]
    pub fn corrected(mut self, place: &str, value: Value, why: &'static str) -> Self {
        let changed = self.documents.iter_mut().any(|document| document.correct(place, &value));
        self.corrections.push(Correction { place: place.to_owned(), why, changed });
        self
    }

    /// Holds refusals of which only the status is described against the schema at a JSON pointer.
    #[must_use]
    pub fn refused_with(mut self, schema: &str) -> Self {
        self.documents.iter_mut().for_each(|document| document.refused_with(schema));
        self
    }

    /// Passes over violations, for the document is wrong or says too little: those of an operation that say so, where `*` stands for
    /// anything in both.
    #[must_use]
    pub fn known(mut self, operation: &str, what: &str, why: &'static str) -> Self {
        self.known.push(Known::new(operation, what, why));
        self
    }

    /// Passes over all exchanges with an operation that the document does not have: `POST /oauth/token`, where `*` stands for anything.
    #[must_use]
    pub fn undescribed(mut self, operation: &str, why: &'static str) -> Self {
        self.undescribed.push(Known::new(operation, "*", why));
        self
    }

    /// What in an exchange is not as described, known faults of the description apart.
    pub fn violations(&self, exchange: &Exchange) -> Vec<Violation> {
        let request = &exchange.request;
        let Some(found) = Found::among(&self.documents, request) else {
            let operation = document::as_sent(request);
            let what = "request: no such operation is described".to_owned();
            return if self.undescribed.iter().any(|known| known.meets(&operation, &what)) { Vec::new() } else { vec![Violation { operation, what }] };
        };
        let mut all = request::violations(&found, request);
        if let Some(answer) = &exchange.answer {
            all.extend(answer::violations(&found, answer));
        }
        all.retain(|what| !self.known.iter().any(|known| known.meets(found.name(), what)));
        all.into_iter().map(|what| Violation { operation: found.name().to_owned(), what }).collect()
    }

    /// Holds all that was exchanged against the description, and tells which operations that were.
    pub fn hold(&self, exchanges: &[Exchange]) -> Held {
        let named = exchanges.iter().filter_map(|exchange| Some(Found::among(&self.documents, &exchange.request)?.name().to_owned()));
        let called: BTreeSet<String> = named.collect();
        let left: BTreeSet<String> = self.operations().map(str::to_owned).filter(|operation| !called.contains(operation)).collect();
        let violations = exchanges.iter().flat_map(|exchange| self.violations(exchange)).collect();
        Held { violations, called, left }
    }

    /// The names of all operations.
    pub fn operations(&self) -> impl Iterator<Item = &str> {
        self.documents.iter().flat_map(Document::names)
    }

    /// What is listed and was not met so far, and corrections that correct nothing: each may be wrong by now.
    pub fn unmet(&self) -> Vec<String> {
        let known = self.known.iter().chain(&self.undescribed).filter(|known| known.met.load(Ordering::Relaxed) == 0).map(ToString::to_string);
        let idle = self.corrections.iter().filter(|correction| !correction.changed).map(ToString::to_string);
        known.chain(idle).collect()
    }
}
