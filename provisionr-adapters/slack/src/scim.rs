//! SCIM 2.0 (RFC 7644): users. Nothing in it is Slack's own; what differs from vendor to vendor is in [`Quirks`].

use http::StatusCode;
use provisionr_http::{Answer, HttpClient, Paging, by_status, by_status_saying, path, plain, throttled};
use provisionr_sdk::{AdapterError, CallContext, Result};
use serde::Deserialize;
use serde_json::{Map, Value, json};

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// How a vendor switches users off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SwitchOff {
    /// By `DELETE`: the user stays.
    Delete,
}

/// What differs from vendor to vendor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quirks {
    /// The most users of a page.
    pub(crate) page: u32,
    pub(crate) switch_off: SwitchOff,
}

/// <https://docs.slack.dev/reference/scim-api>: more than 1000 a page count as 1000, and `DELETE` deactivates.
pub(crate) const SLACK: Quirks = Quirks { page: 1000, switch_off: SwitchOff::Delete };

#[derive(Clone, Debug)]
pub(crate) struct Scim {
    pub(crate) client: HttpClient,
    pub(crate) quirks: Quirks,
}

/// A user, as far as it is read.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ScimUser {
    pub(crate) id: String,
}

impl Scim {
    pub(crate) async fn find(&self, cx: &CallContext, attribute: &str, value: &str) -> Result<Vec<ScimUser>> {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"");
        let paging = Paging::start_at("startIndex", "/itemsPerPage", "", "/totalResults").counting_from(1).items("/Resources").sized("count", self.quirks.page);
        self.client.get(path!["Users"]).query("filter", format!("{attribute} eq \"{value}\"")).all(cx, &paging).await
    }

    pub(crate) async fn create(&self, cx: &CallContext, login: &str, profile: &Map<String, Value>) -> Result<(ScimUser, Answer)> {
        let mut body = fields(profile);
        body.insert("schemas".to_owned(), json!([USER]));
        body.insert("userName".to_owned(), login.into());
        body.insert("active".to_owned(), true.into());
        let answer = self.client.post(path!["Users"]).json(&body).send(cx).await?;
        Ok((answer.json()?, answer))
    }

    /// Sets these attributes; null takes one away. Names only of whole attributes: paths into them are not taken everywhere.
    pub(crate) async fn update(&self, cx: &CallContext, id: &str, profile: &Map<String, Value>) -> Result<Answer> {
        let (gone, set): (Map<_, _>, Map<_, _>) = fields(profile).into_iter().partition(|(_, value)| value.is_null());
        let mut operations: Vec<Value> = gone.keys().map(|name| json!({ "op": "remove", "path": name })).collect();
        if !set.is_empty() {
            operations.push(json!({ "op": "replace", "value": set }));
        }
        self.patch(cx, id, operations).await
    }

    pub(crate) async fn switch_on(&self, cx: &CallContext, id: &str) -> Result<Answer> {
        self.patch(cx, id, vec![json!({ "op": "replace", "value": { "active": true } })]).await
    }

    pub(crate) async fn switch_off(&self, cx: &CallContext, id: &str) -> Result<Answer> {
        match self.quirks.switch_off {
            SwitchOff::Delete => self.client.delete(path!["Users", id]).send(cx).await,
        }
    }

    /// 200 with the user and 204 without are both in use; the caller looks at what came of it.
    async fn patch(&self, cx: &CallContext, id: &str, operations: Vec<Value>) -> Result<Answer> {
        self.client.patch(path!["Users", id]).json(&json!({ "schemas": [PATCH], "Operations": operations })).send(cx).await
    }
}

/// Attributes by their plain names, as SCIM nests them.
fn fields(profile: &Map<String, Value>) -> Map<String, Value> {
    let (mut fields, mut name) = (Map::new(), Map::new());
    for (attribute, value) in profile {
        match attribute.as_str() {
            "email" => fields.insert("emails".to_owned(), json!([{ "value": value, "primary": true }])),
            "givenName" | "familyName" => name.insert(attribute.clone(), if value.is_null() { "".into() } else { value.clone() }),
            _ => fields.insert(attribute.clone(), value.clone()),
        };
    }
    if !name.is_empty() {
        fields.insert("name".to_owned(), name.into());
    }
    fields
}

/// By status, with the vendor's words from either form of SCIM's errors: `detail`, or `Errors.description` as version 1 has it.
pub(crate) fn classify(answer: &Answer) -> Option<AdapterError> {
    if answer.status() == StatusCode::TOO_MANY_REQUESTS {
        return Some(throttled(answer));
    }
    let body = answer.value();
    let words = body.get("detail").or_else(|| body.pointer("/Errors/description")).and_then(Value::as_str).and_then(plain);
    match &words {
        Some(code) if !answer.status().is_success() => by_status_saying(answer, words.clone()).map(|error| error.with_code(code)),
        _ => by_status(answer),
    }
}
