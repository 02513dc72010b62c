//! One document: which operations it has, where, and which of them a request is for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::schema::{self, Side, Validator};
use crate::clock::lock;
use crate::message::FakeRequest;
use crate::router;

const METHODS: [&str; 6] = ["get", "head", "post", "put", "patch", "delete"];

#[derive(Debug)]
pub(super) struct Document {
    json: Value,
    operations: Vec<Operation>,
    open_answers: bool,
    /// Where the schema of refusals is that have none of their own.
    refusal: Option<String>,
    /// By where the schema is; compiled when it is needed for the first time.
    validators: Mutex<HashMap<(String, Side), Arc<Validator>>>,
}

#[derive(Debug)]
struct Operation {
    /// `GET /users/{id}`.
    name: String,
    method: &'static str,
    /// With the path of the server, and with the target where operations are told apart by a header.
    pattern: String,
    /// Its key beneath `paths`.
    path: String,
}

impl Document {
    pub(super) fn new(json: Value) -> Self {
        let server = json.pointer("/servers/0/url").and_then(Value::as_str).unwrap_or_default();
        let base = server.split_once("://").map_or(server, |(_, rest)| rest.find('/').map_or("", |at| rest.split_at(at).1)).trim_end_matches('/');
        let paths = json.get("paths").and_then(Value::as_object).into_iter().flatten();
        let operations = paths.flat_map(|(path, item)| {
            METHODS.into_iter().filter(|method| item.get(method).is_some()).map(move |method| Operation {
                name: format!("{} {path}", method.to_uppercase()),
                method,
                pattern: format!("{base}{path}"),
                path: path.clone(),
            })
        });
        Self { operations: operations.collect(), json, open_answers: false, refusal: None, validators: Mutex::default() }
    }

    pub(super) fn open_answers(&mut self) {
        self.open_answers = true;
    }

    pub(super) fn refused_with(&mut self, schema: &str) {
        self.refusal = Some(schema.to_owned());
    }

    pub(super) fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.operations.iter().map(|operation| operation.name.as_str())
    }

    /// Puts a value in its place. Whether that changed anything.
    pub(super) fn correct(&mut self, place: &str, value: &Value) -> bool {
        let Some((parent, last)) = place.rsplit_once('/') else { return false };
        match self.json.pointer_mut(parent) {
            Some(Value::Object(fields)) => fields.insert(last.replace("~1", "/").replace("~0", "~"), value.clone()).as_ref() != Some(value),
            Some(Value::Array(items)) => match last.parse::<usize>().ok().and_then(|at| items.get_mut(at)) {
                Some(item) => std::mem::replace(item, value.clone()) != *value,
                None => false,
            },
            _ => false,
        }
    }

    /// What is at a place, or where it refers to.
    fn resolved<'a>(&'a self, mut place: String, mut at: &'a Value) -> Option<(String, &'a Value)> {
        while let Some(reference) = at.get("$ref").and_then(Value::as_str) {
            place = reference.strip_prefix('#')?.to_owned();
            at = self.json.pointer(&place)?;
        }
        Some((place, at))
    }

    /// What a schema says against a value, secrets left out: empty when it fits.
    pub(super) fn hold(&self, side: Side, place: &str, value: &Value) -> Vec<String> {
        let key = (place.to_owned(), side);
        let validator = lock(&self.validators).get(&key).cloned();
        let validator = validator.unwrap_or_else(|| {
            let closed = side == Side::Request || !self.open_answers;
            let made = Arc::new(schema::compile(&self.json, place, side, closed));
            lock(&self.validators).insert(key, made.clone());
            made
        });
        validator.errors(value)
    }
}

/// The operation that a request is for.
pub(super) struct Found<'a> {
    document: &'a Document,
    operation: &'a Operation,
    params: Vec<(String, String)>,
}

/// One part of a document and its place there.
#[derive(Clone)]
pub(super) struct Part<'a> {
    pub(super) document: &'a Document,
    pub(super) place: String,
    pub(super) json: &'a Value,
}

impl<'a> Found<'a> {
    /// Among the operations of these documents: where several match, the more literal one.
    pub(super) fn among(documents: &'a [Document], request: &FakeRequest) -> Option<Self> {
        let segments = target(request).map_or_else(|| request.segments(), |target| vec![target]);
        let all = documents.iter().flat_map(|document| document.operations.iter().map(move |operation| (document, operation)));
        all.filter(|(_, operation)| operation.method.eq_ignore_ascii_case(request.method.as_str()))
            .filter_map(|(document, operation)| Some(Self { document, operation, params: params(&operation.pattern, &segments)? }))
            .min_by_key(|found| found.params.len())
    }

    pub(super) fn name(&self) -> &str {
        &self.operation.name
    }

    /// What the path says, decoded.
    pub(super) fn params(&self) -> &[(String, String)] {
        &self.params
    }

    fn item(&self) -> Part<'a> {
        let place = format!("/paths/{}", escaped(&self.operation.path));
        let json = self.document.json.pointer(&place).unwrap_or(&Value::Null);
        Part { document: self.document, place, json }
    }

    pub(super) fn operation(&self) -> Part<'a> {
        let item = self.item();
        item.at(self.operation.method).unwrap_or(item)
    }

    /// Its parameters, those of all operations of its path included.
    pub(super) fn parameters(&self) -> Vec<Part<'a>> {
        let mut all = self.operation().at("parameters").map_or_else(Vec::new, |list| list.items());
        for one in self.item().at("parameters").map_or_else(Vec::new, |list| list.items()) {
            // Those of the operation itself go first.
            if !all.iter().any(|known| known.text("name") == one.text("name") && known.text("in") == one.text("in")) {
                all.push(one);
            }
        }
        all
    }
}

impl<'a> Part<'a> {
    /// A field, references followed.
    pub(super) fn at(&self, field: &str) -> Option<Self> {
        let json = self.json.get(field)?;
        let place = format!("{}/{}", self.place, escaped(field));
        let (place, json) = self.document.resolved(place, json)?;
        Some(Self { document: self.document, place, json })
    }

    fn items(&self) -> Vec<Self> {
        let items = self.json.as_array().into_iter().flatten().enumerate();
        items
            .filter_map(|(number, item)| {
                let (place, json) = self.document.resolved(format!("{}/{number}", self.place), item)?;
                Some(Self { document: self.document, place, json })
            })
            .collect()
    }

    /// A field's place, its references not followed: for schemas, which follow them by themselves.
    pub(super) fn place_of(&self, field: &str) -> Option<String> {
        self.json.get(field).map(|_| format!("{}/{}", self.place, escaped(field)))
    }

    pub(super) fn text(&self, field: &str) -> &'a str {
        self.json.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn is(&self, field: &str) -> bool {
        self.json.get(field) == Some(&Value::Bool(true))
    }

    /// The part of `content` for a content type, its parameters left out.
    pub(super) fn content(&self, content_type: &str) -> Option<Self> {
        let content = self.at("content")?;
        let essence = essence(content_type);
        let named = content.json.as_object()?.keys().find(|name| name.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(essence));
        named.map(String::as_str).or_else(|| content.json.get("*/*").map(|_| "*/*")).and_then(|name| content.at(name))
    }
}

/// One step of a JSON pointer.
fn escaped(step: &str) -> String {
    step.replace('~', "~0").replace('/', "~1")
}

/// A content type without its parameters.
pub(super) fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

/// The parameters of a path that fits a pattern, where `{+name}` at the end takes all that is left.
fn params(pattern: &str, segments: &[String]) -> Option<Vec<(String, String)>> {
    let owned = |params: Vec<(&str, String)>| params.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let Some((head, last)) = pattern.rsplit_once("/{+") else { return router::matches(pattern, segments).map(owned) };
    let (start, rest) = segments.split_at_checked(head.trim_start_matches('/').split('/').count())?;
    let mut params: Vec<_> = router::matches(head, start).map(owned)?;
    if rest.is_empty() {
        return None;
    }
    params.push((last.trim_end_matches('}').to_owned(), rest.join("/")));
    Some(params)
}

/// How AWS tells operations apart that all have one path.
fn target(request: &FakeRequest) -> Option<String> {
    Some(format!("#{}", request.header("x-amz-target")?))
}

/// How a request is named that is for none of the operations.
pub(super) fn as_sent(request: &FakeRequest) -> String {
    format!("{} {}", request.method, target(request).unwrap_or_else(|| request.path.clone()))
}
