//! Salesforce's form of answers.

use serde_json::{Value, json};

use super::SalesforceFake;
use crate::fake::FakeContext;
use crate::message::FakeResponse;
use crate::router::{Call, Reply};

/// Why something is not done: the same words in a whole answer and for one record of a collection.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    pub(super) status: u16,
    pub(super) code: String,
    pub(super) message: String,
    pub(super) fields: Vec<String>,
}

impl Problem {
    pub(super) fn new(code: &str, message: impl Into<String>) -> Self {
        let status = match code {
            "NOT_FOUND" | "ENTITY_IS_DELETED" => 404,
            "INSUFFICIENT_ACCESS_OR_READONLY" => 403,
            _ => 400,
        };
        Self { status, code: code.to_owned(), message: message.into(), fields: Vec::new() }
    }

    pub(super) fn on(mut self, fields: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.fields = fields.into_iter().map(Into::into).collect();
        self
    }

    /// As the result of one record.
    pub(super) fn result(&self) -> Value {
        json!({ "success": false, "errors": [{ "statusCode": self.code, "message": self.message, "fields": self.fields }] })
    }
}

impl From<Problem> for FakeResponse {
    fn from(problem: Problem) -> Self {
        let mut error = json!({ "message": problem.message, "errorCode": problem.code });
        if let Some(error) = error.as_object_mut().filter(|_| !problem.fields.is_empty()) {
            error.insert("fields".to_owned(), json!(problem.fields));
        }
        FakeResponse::json(problem.status, &json!([error]))
    }
}

pub(super) fn error(status: u16, code: &str, message: &str) -> FakeResponse {
    FakeResponse::json(status, &json!([{ "message": message, "errorCode": code }]))
}

pub(super) fn too_many_at_once() -> FakeResponse {
    error(403, "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (Concurrent API Requests) Limit exceeded.")
}

pub(super) fn not_found() -> Problem {
    Problem::new("NOT_FOUND", "The requested resource does not exist")
}

pub(super) fn saved(id: &str) -> Value {
    json!({ "id": id, "success": true, "errors": [] })
}

pub(super) fn versions(_: &mut SalesforceFake, _: &Call<'_>, _: &mut FakeContext) -> Reply {
    let all: Vec<Value> = (31..=68)
        .map(|number| json!({ "label": format!("API {number}"), "url": format!("/services/data/v{number}.0"), "version": format!("{number}.0") }))
        .collect();
    Ok(FakeResponse::json(200, &all.into()))
}

pub(super) fn limits(fake: &mut SalesforceFake, _: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let most = fake.org.settings.daily_calls as usize;
    let left = most.saturating_sub(fake.used(cx.now()));
    Ok(FakeResponse::json(200, &json!({ "DailyApiRequests": { "Max": most, "Remaining": left } })))
}
