//! A request held against its operation.

use serde_json::{Map, Value};

use super::document::{Found, Part, essence};
use super::schema::Side;
use crate::message::FakeRequest;

pub(super) fn violations(found: &Found<'_>, request: &FakeRequest) -> Vec<String> {
    let parameters = found.parameters();
    let mut all = Vec::new();
    for parameter in &parameters {
        let name = parameter.text("name");
        let values: Vec<String> = match parameter.text("in") {
            "query" => fields(request.query.as_bytes()).filter(|(given, _)| given == name).map(|(_, value)| value).collect(),
            "path" => found.params().iter().filter(|(given, _)| given == name).map(|(_, value)| value.clone()).collect(),
            "header" => request.header(name).map(str::to_owned).into_iter().collect(),
            _ => continue,
        };
        let what = format!("request: {} parameter `{name}`", parameter.text("in"));
        if !values.is_empty() {
            all.extend(parameter.place_of("schema").and_then(|place| told(parameter, &place, &values)).map(|error| format!("{what}: {error}")));
        } else if parameter.is("required") {
            all.push(format!("{what} is missing"));
        }
    }
    let known = |name: &str| parameters.iter().any(|parameter| parameter.text("in") == "query" && parameter.text("name") == name);
    let mut strange: Vec<String> = fields(request.query.as_bytes()).map(|(name, _)| name).filter(|name| !known(name)).collect();
    strange.dedup();
    all.extend(strange.into_iter().map(|name| format!("request: query parameter `{name}` is not described")));
    all.extend(body(found, request).into_iter().map(|what| format!("request: {what}")));
    all
}

/// The names and values of a query or form, decoded.
fn fields(encoded: &[u8]) -> impl Iterator<Item = (String, String)> {
    url::form_urlencoded::parse(encoded).map(|(name, value)| (name.into_owned(), value.into_owned()))
}

/// What a text may stand for: the schema says which.
fn readings(text: &str) -> impl Iterator<Item = Value> {
    let other = serde_json::from_str::<Value>(text).ok().filter(|value| value.is_number() || value.is_boolean());
    [Value::from(text)].into_iter().chain(other)
}

/// What is said against the values of a parameter, if no way to read them fits.
fn told(parameter: &Part<'_>, place: &str, values: &[String]) -> Option<String> {
    let mut least: Option<Vec<String>> = None;
    let mut fits = |value: &Value| {
        let errors = parameter.document.hold(Side::Request, place, value);
        let fits = errors.is_empty();
        if least.as_ref().is_none_or(|least| errors.len() < least.len()) {
            least = Some(errors);
        }
        fits
    };
    let list = |parts: &[&str]| -> Vec<Value> {
        let [strings, others] = [0, 1].map(|reading| Value::from_iter(parts.iter().map(|part| readings(part).take(reading + 1).last().unwrap_or_default())));
        vec![strings, others]
    };
    let all: Vec<&str> = values.iter().map(String::as_str).collect();
    let separate: Vec<&str> = values.iter().flat_map(|value| value.split(',')).collect();
    let single = if let [value] = values { readings(value).collect() } else { Vec::new() };
    let fitting = single.iter().any(&mut fits) || list(&all).iter().any(&mut fits) || list(&separate).iter().any(&mut fits);
    if fitting { None } else { least.map(|errors| errors.join("; ")) }
}

fn body(found: &Found<'_>, request: &FakeRequest) -> Vec<String> {
    let described = found.operation().at("requestBody");
    let Some(described) = described else {
        return if request.body.is_empty() { Vec::new() } else { vec!["no body is described".to_owned()] };
    };
    if request.body.is_empty() {
        return if described.is("required") { vec!["the body is missing".to_owned()] } else { Vec::new() };
    }
    let content_type = request.header("content-type").unwrap_or_default();
    let Some(content) = described.content(content_type) else {
        return vec![format!("the content type `{}` is not described", essence(content_type))];
    };
    let Some(place) = content.place_of("schema") else { return Vec::new() };
    let value = if essence(content_type).ends_with("x-www-form-urlencoded") {
        form(&content, &request.body)
    } else if let Ok(value) = request.json::<Value>() {
        value
    } else {
        return vec!["the body is no JSON".to_owned()];
    };
    content.document.hold(Side::Request, &place, &value).into_iter().map(|error| format!("body: {error}")).collect()
}

/// A form as the object it stands for: each text read as its field is described.
fn form(content: &Part<'_>, body: &[u8]) -> Value {
    let schema = content.at("schema");
    let mut object = Map::new();
    for (name, text) in fields(body) {
        let described = schema.as_ref().and_then(|schema| schema.at("properties")?.place_of(&name));
        let fits = |value: &Value| described.as_ref().is_none_or(|place| content.document.hold(Side::Request, place, value).is_empty());
        let list = || Value::from_iter(text.split(',').map(Value::from));
        let value = readings(&text).find(fits).or_else(|| Some(list()).filter(fits)).unwrap_or_else(|| text.clone().into());
        object.insert(name, value);
    }
    object.into()
}
