//! AWS's form of answers: JSON 1.1, errors by type, pages by token.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::AwsFake;
use super::state::{AwsExternalId, AwsGroup, AwsUser, KeyService};
use crate::fake::FakeContext;
use crate::message::FakeResponse;

/// When everything was made, in the seconds AWS counts in.
const CREATED: f64 = 1_700_000_000.5;

/// What a handler answers.
pub(super) type Reply = Result<Value, FakeResponse>;

pub(super) fn whole(status: u16, body: &Value) -> FakeResponse {
    FakeResponse::bytes(status, "application/x-amz-json-1.1", body.to_string())
}

pub(super) fn request_id(cx: &FakeContext) -> String {
    format!("{:08x}-0000-4000-8000-000000000000", cx.request_number())
}

/// An error of this type, with these members.
pub(super) fn refuse(aws: &AwsFake, cx: &FakeContext, status: u16, code: &str, mut members: Value) -> FakeResponse {
    if let Value::Object(fields) = &mut members {
        fields.insert("__type".to_owned(), format!("{}{code}", aws.instance.settings.namespace).into());
        if cx.route().is_some_and(|route| route.starts_with("AWSIdentityStore.")) {
            fields.insert("RequestId".to_owned(), request_id(cx).into());
        }
    }
    whole(status, &members)
}

pub(super) fn invalid(aws: &AwsFake, cx: &FakeContext, why: &str) -> FakeResponse {
    refuse(aws, cx, 400, "ValidationException", json!({ "Message": why }))
}

/// `what` is a `ResourceType` of the identity store; the other service names none.
pub(super) fn missing(aws: &AwsFake, cx: &FakeContext, what: &str, id: &str) -> FakeResponse {
    let mut members = json!({ "Message": format!("{what} not found.") });
    if cx.route().is_some_and(|route| route.starts_with("AWSIdentityStore."))
        && let Value::Object(fields) = &mut members
    {
        fields.insert("ResourceType".to_owned(), what.into());
        // Who was looked for by a name has no id to tell.
        if self::id(id) {
            fields.insert("ResourceId".to_owned(), id.into());
        }
    }
    refuse(aws, cx, 400, "ResourceNotFoundException", members)
}

/// What comes of a key service that does not do its part. Each service has words of its own for the same.
pub(super) fn key_service(aws: &AwsFake, cx: &FakeContext, in_store: bool) -> Option<FakeResponse> {
    let (code, of_store, of_sso) = match aws.instance.settings.key_service {
        KeyService::Works => return None,
        KeyService::NotFound => ("ResourceNotFoundException", "KMS_KEY_NOT_FOUND", "KMS_NotFoundException"),
        KeyService::Disabled => ("ValidationException", "KMS_DISABLED", "KMS_DisabledException"),
        KeyService::Denied => ("AccessDeniedException", "KMS_ACCESS_DENIED", "KMS_AccessDeniedException"),
        KeyService::Throttled => ("ThrottlingException", "KMS_THROTTLING", "KMS_ThrottlingException"),
    };
    let reason = if in_store { of_store } else { of_sso };
    Some(refuse(aws, cx, 400, code, json!({ "Message": "The key service did not do its part.", "Reason": reason })))
}

/// A conflict of the identity store.
pub(super) fn conflict(aws: &AwsFake, cx: &FakeContext, why: &str) -> FakeResponse {
    let reason = aws.instance.settings.conflict_reason.as_ref();
    let members = reason.map_or_else(|| json!({ "Message": why }), |reason| json!({ "Message": why, "Reason": reason }));
    refuse(aws, cx, 400, "ConflictException", members)
}

/// A text the request must have, of a form.
pub(super) fn text(aws: &AwsFake, cx: &FakeContext, body: &Value, name: &str, fits: fn(&str) -> bool) -> Result<String, FakeResponse> {
    match body.get(name).and_then(Value::as_str) {
        Some(text) if fits(text) => Ok(text.to_owned()),
        Some(_) => Err(invalid(aws, cx, &format!("Value at '{name}' failed to satisfy constraint: Member must satisfy regular expression pattern"))),
        None => Err(invalid(aws, cx, &format!("Value null at '{name}' failed to satisfy constraint: Member must not be null"))),
    }
}

/// An id of a user, group, membership or job.
pub(super) fn id(text: &str) -> bool {
    let parts: Vec<&str> = text.rsplitn(6, '-').collect();
    let hex = parts.iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let lengths: Vec<usize> = parts.iter().rev().map(|part| part.len()).collect();
    hex && matches!(lengths.as_slice(), [8, 4, 4, 4, 12] | [10, 8, 4, 4, 4, 12])
}

pub(super) fn digits(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// One page of a list sorted by key.
pub(super) fn page(aws: &AwsFake, cx: &FakeContext, body: &Value, field: &str, items: Vec<(String, Value)>) -> Reply {
    let most = match body.get("MaxResults") {
        None => 100,
        Some(size) => match size.as_u64() {
            Some(size @ 1..=100) => usize::try_from(size).unwrap_or(100),
            _ => return Err(invalid(aws, cx, "Value at 'maxResults' failed to satisfy constraint")),
        },
    };
    let from = match body.get("NextToken").and_then(Value::as_str) {
        None => String::new(),
        Some(token) => {
            let read = BASE64_URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            read.and_then(|text| text.strip_prefix("at:").map(str::to_owned)).ok_or_else(|| invalid(aws, cx, "Invalid NextToken."))?
        }
    };
    let mut left = items.into_iter().filter(|(key, _)| *key >= from);
    let shown: Vec<Value> = left.by_ref().take(most.min(aws.instance.settings.page_size)).map(|(_, item)| item).collect();
    let mut answer = json!({ field: shown });
    if let (Some((key, _)), Value::Object(fields)) = (left.next(), &mut answer) {
        fields.insert("NextToken".to_owned(), BASE64_URL_SAFE_NO_PAD.encode(format!("at:{key}")).into());
    }
    Ok(answer)
}

fn external_ids(fields: &mut Map<String, Value>, ids: &[AwsExternalId]) {
    if !ids.is_empty() {
        let ids: Vec<Value> = ids.iter().map(|id| json!({ "Issuer": id.issuer, "Id": id.id })).collect();
        fields.insert("ExternalIds".to_owned(), ids.into());
    }
}

/// A user, as the API shows them.
pub(super) fn user(user: &AwsUser) -> Value {
    let mut fields = user.fields.clone();
    fields.extend(ids("User", &user.id));
    fields.insert("Revision".to_owned(), user.revision.to_string().into());
    fields.insert("UserStatus".to_owned(), if user.enabled { "ENABLED" } else { "DISABLED" }.into());
    fields.insert("CreatedAt".to_owned(), CREATED.into());
    external_ids(&mut fields, &user.external_ids);
    fields.into()
}

/// A group, as the API shows it.
pub(super) fn group(group: &AwsGroup) -> Value {
    let mut fields = ids("Group", &group.id);
    fields.insert("Revision".to_owned(), "1".into());
    fields.insert("DisplayName".to_owned(), group.name.as_str().into());
    fields.insert("CreatedAt".to_owned(), CREATED.into());
    external_ids(&mut fields, &group.external_ids);
    fields.into()
}

/// Id and ARN of a user, group or membership, and the store it is in.
pub(super) fn ids(what: &str, id: &str) -> Map<String, Value> {
    let arn = format!("arn:aws:identitystore:::{}/{id}", what.to_lowercase());
    Map::from_iter([("IdentityStoreId".to_owned(), AwsFake::IDENTITY_STORE.into()), (format!("{what}Id"), id.into()), (format!("{what}Arn"), arn.into())])
}
