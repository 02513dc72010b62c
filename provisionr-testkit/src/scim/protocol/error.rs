//! Refusals.

use serde_json::json;

use crate::message::FakeResponse;

/// Why a request is refused, before it takes the form of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    /// RFC 7644, section 3.12, table 9.
    pub(crate) scim_type: Option<&'static str>,
    pub(crate) detail: String,
}

impl Refusal {
    pub(crate) fn new(status: u16, detail: impl Into<String>) -> Self {
        Self { status, scim_type: None, detail: detail.into() }
    }

    /// A 400 of one of the RFC's types.
    pub(crate) fn invalid(scim_type: &'static str, detail: impl Into<String>) -> Self {
        Self { status: 400, scim_type: Some(scim_type), detail: detail.into() }
    }

    pub(crate) fn not_found(id: &str) -> Self {
        Self::new(404, format!("Resource {id} not found"))
    }

    pub(crate) fn taken(detail: impl Into<String>) -> Self {
        Self { status: 409, scim_type: Some("uniqueness"), detail: detail.into() }
    }
}

/// In the RFC's form, where the status is a text.
impl From<Refusal> for FakeResponse {
    fn from(refusal: Refusal) -> Self {
        let mut body = json!({
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"],
            "status": refusal.status.to_string(),
            "detail": refusal.detail,
        });
        if let (Some(scim_type), Some(fields)) = (refusal.scim_type, body.as_object_mut()) {
            fields.insert("scimType".to_owned(), scim_type.into());
        }
        Self::bytes(refusal.status, "application/scim+json", body.to_string())
    }
}
