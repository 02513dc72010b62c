//! An answer held against its operation.

use super::document::{Found, Part, essence};
use super::schema::Side;
use crate::message::FakeResponse;

pub(super) fn violations(found: &Found<'_>, answer: &FakeResponse) -> Vec<String> {
    let status = answer.status;
    let described = found.operation().at("responses").and_then(|responses| {
        let names = [status.to_string(), format!("{}XX", status / 100), "default".to_owned()];
        names.into_iter().find_map(|name| responses.at(&name))
    });
    match described {
        Some(described) => body(&described, answer).into_iter().map(|what| format!("answer: {status}: {what}")).collect(),
        None => vec![format!("answer: {status} is not described")],
    }
}

fn body(described: &Part<'_>, answer: &FakeResponse) -> Vec<String> {
    let none_described = described.at("content").is_none_or(|content| content.json.as_object().is_none_or(serde_json::Map::is_empty));
    match (none_described, answer.body.is_empty()) {
        (true, true) => return Vec::new(),
        (true, false) => {
            let refusal = described.document.refusal().filter(|_| answer.status >= 400);
            return refusal.map_or_else(|| vec!["no body is described".to_owned()], |place| held(described, place, answer));
        }
        (false, true) => return vec!["the body is missing".to_owned()],
        (false, false) => {}
    }
    let content_type = answer.header("content-type").unwrap_or_default();
    let Some(content) = described.content(content_type) else {
        return vec![format!("the content type `{}` is not described", essence(content_type))];
    };
    content.place_of("schema").map_or_else(Vec::new, |place| held(&content, &place, answer))
}

fn held(part: &Part<'_>, schema: &str, answer: &FakeResponse) -> Vec<String> {
    match serde_json::from_slice(&answer.body) {
        Ok(value) => part.document.hold(Side::Answer, schema, &value),
        Err(_) => vec!["the body is no JSON".to_owned()],
    }
}
