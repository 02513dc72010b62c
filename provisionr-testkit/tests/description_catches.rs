//! Each way to describe an API notices what is not as described, in requests and in answers.
#![cfg(feature = "descriptions")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use http::Method;
use provisionr_testkit::description::Description;
use provisionr_testkit::{Exchange, FakeRequest, FakeResponse};
use serde_json::{Value, json};

/// A request with a body of some content type, and its answer.
fn exchange(method: Method, target: &str, (content_type, body): (&str, &str), answer: FakeResponse) -> Exchange {
    let mut request = FakeRequest::new(method, target);
    if !body.is_empty() {
        request.headers.insert("content-type", content_type.parse().unwrap());
        request.body = body.to_owned().into();
    }
    Exchange::new(request, Some(answer))
}

fn told(description: &Description, exchange: &Exchange) -> Vec<String> {
    description.violations(exchange).into_iter().map(|violation| violation.what).collect()
}

/// Nothing is said of the first exchange, and these words of each other.
fn catches(description: &Description, right: &Exchange, wrong: &[(Exchange, &str)]) {
    assert_eq!(told(description, right), [""; 0]);
    for (exchange, words) in wrong {
        let told = told(description, exchange);
        assert!(told.iter().any(|told| told.contains(words)), "{words:?} was expected, and there is {told:?}");
    }
}

fn person() -> Value {
    json!({ "type": "object", "required": ["name"], "properties": {
        "name": { "type": "string" }, "role": { "type": "string", "enum": ["member", "owner"] },
    } })
}

fn openapi() -> Description {
    let content = json!({ "application/json": { "schema": { "$ref": "#/components/schemas/Person" } } });
    Description::openapi(json!({
        "openapi": "3.0.3",
        "servers": [{ "url": "https://people.test/api" }],
        "components": { "schemas": { "Person": person() } },
        "paths": { "/people/{number}": {
            "parameters": [{ "name": "number", "in": "path", "required": true, "schema": { "type": "integer" } }],
            "put": {
                "parameters": [
                    { "name": "mail", "in": "query", "required": true, "schema": { "type": "boolean" } },
                    { "name": "tags", "in": "query", "schema": { "type": "array", "items": { "enum": ["a", "b"] } } },
                ],
                "requestBody": { "required": true, "content": content },
                "responses": { "200": { "content": content }, "404": {} },
            },
        } },
    }))
}

#[test]
fn openapi_notices() {
    let put = |target: &str, body: &str, answer: FakeResponse| exchange(Method::PUT, target, ("application/json; charset=utf-8", body), answer);
    let (good, at) = (r#"{"name":"a","role":"owner"}"#, "/api/people/1?mail=true");
    let fine = || FakeResponse::json(200, &json!({ "name": "a" }));
    catches(
        &openapi(),
        &put("/api/people/1?mail=true&tags=a,b", good, fine()),
        &[
            (put("/people/1?mail=true", good, fine()), "no such operation is described"),
            (put("/api/people/one?mail=true", good, fine()), "request: path parameter `number`"),
            (put("/api/people/1", good, fine()), "query parameter `mail` is missing"),
            (put("/api/people/1?mail=yes", good, fine()), "query parameter `mail`"),
            (put("/api/people/1?mail=true&tags=a&tags=c", good, fine()), "query parameter `tags`"),
            (put("/api/people/1?mail=true&male=true", good, fine()), "query parameter `male` is not described"),
            (put(at, "", fine()), "request: the body is missing"),
            (put(at, "{", fine()), "request: the body is no JSON"),
            (put(at, r#"{"role":"owner"}"#, fine()), r#"request: body: "name" is a required property"#),
            (put(at, r#"{"name":"a","role":"ownr"}"#, fine()), "request: body: /role"),
            (put(at, r#"{"name":"a","roles":"owner"}"#, fine()), "'roles' was unexpected"),
            (exchange(Method::PUT, at, ("text/plain", good), fine()), "content type `text/plain` is not described"),
            (put(at, good, FakeResponse::empty(204)), "answer: 204 is not described"),
            (put(at, good, FakeResponse::empty(200)), "answer: 200: the body is missing"),
            (put(at, good, FakeResponse::json(404, &json!({}))), "answer: 404: no body is described"),
            (put(at, good, FakeResponse::json(200, &json!({ "name": 1 }))), "answer: 200: /name"),
            (put(at, good, FakeResponse::json(200, &json!({ "name": "a", "nick": "b" }))), "'nick' was unexpected"),
        ],
    );
}

#[test]
fn openapi_notices_in_forms() {
    let described = Description::openapi(json!({ "paths": { "/people": { "post": {
        "requestBody": { "content": { "application/x-www-form-urlencoded": { "schema": {
            "type": "object", "required": ["name"], "properties": { "name": { "type": "string" }, "age": { "type": "integer" } },
        } } } },
        "responses": { "204": {} },
    } } } }));
    let post = |form: &str| exchange(Method::POST, "/people", ("application/x-www-form-urlencoded", form), FakeResponse::empty(204));
    let wrong = [
        (post("age=30"), r#""name" is a required property"#),
        (post("name=a&age=old"), "request: body: /age"),
        (post("name=a&agee=30"), "'agee' was unexpected"),
    ];
    catches(&described, &post("name=30&age=30"), &wrong);
}

#[test]
fn a_discovery_document_notices() {
    let described = Description::discovery(&json!({
        "rootUrl": "https://directory.test/",
        "servicePath": "v1/",
        "parameters": { "fields": { "type": "string", "location": "query" } },
        "schemas": { "Person": { "id": "Person", "type": "object", "properties": {
            "name": { "type": "string" }, "boss": { "$ref": "Person" }, "more": { "type": "any" }, "etag": { "type": "string", "readOnly": true },
        } } },
        "resources": { "people": { "resources": { "units": { "methods": { "move": {
            "httpMethod": "POST",
            "path": "people/{name}/units/{+unit}",
            "parameters": {
                "name": { "type": "string", "location": "path", "required": true },
                "unit": { "type": "string", "location": "path", "required": true },
                "limit": { "type": "integer", "location": "query", "maximum": "5", "required": true },
                "order": { "type": "string", "location": "query", "enum": ["up", "down"] },
            },
            "request": { "$ref": "Person" },
            "response": { "$ref": "Person" },
        } } } } } },
    }));
    let post = |query: &str, body: &str, answer: &Value| {
        exchange(Method::POST, &format!("/v1/people/a/units/b/c?{query}"), ("application/json", body), FakeResponse::json(200, answer))
    };
    let (good, fine) = (r#"{"name":"a","boss":{"name":"b","more":[1]}}"#, json!({ "name": "a", "etag": "x" }));
    catches(
        &described,
        &post("limit=5&order=up&fields=name", good, &fine),
        &[
            (post("limit=6", good, &fine), "query parameter `limit`"),
            (post("order=up", good, &fine), "query parameter `limit` is missing"),
            (post("limit=1&order=upp", good, &fine), "query parameter `order`"),
            (post("limit=1&ordr=up", good, &fine), "query parameter `ordr` is not described"),
            (post("limit=1", r#"{"boss":{"nam":"b"}}"#, &fine), "body: /boss"),
            (post("limit=1", r#"{"etag":"x"}"#, &fine), "'etag' was unexpected"),
            (post("limit=1", good, &json!({ "name": 1 })), "answer: 200: /name"),
            (post("limit=1", good, &json!({ "nam": "a" })), "'nam' was unexpected"),
        ],
    );
}

#[test]
fn a_service_model_notices() {
    let described = Description::service_model(&json!({
        "metadata": { "jsonVersion": "1.1", "targetPrefix": "People" },
        "operations": { "MakePerson": { "input": { "shape": "Person" }, "output": { "shape": "Made" }, "errors": [{ "shape": "Conflict" }] } },
        "shapes": {
            "Person": { "type": "structure", "required": ["Name"], "members": { "Name": { "shape": "Name" }, "Roles": { "shape": "Roles" } } },
            "Name": { "type": "string", "min": 1, "max": 3, "pattern": "[a-z]+" },
            "Roles": { "type": "list", "member": { "shape": "Role" } },
            "Role": { "type": "string", "enum": ["MEMBER", "OWNER"] },
            "Made": { "type": "structure", "members": { "At": { "shape": "Time" } } },
            "Time": { "type": "timestamp" },
            "Conflict": { "type": "structure", "exception": true, "members": { "Message": { "shape": "Text" } } },
            "Text": { "type": "string" },
        },
    }));
    let post = |target: &'static str, body: &str, status: u16, answer: &Value| {
        let answer = FakeResponse::bytes(status, "application/x-amz-json-1.1", answer.to_string());
        let mut exchange = exchange(Method::POST, "/", ("application/x-amz-json-1.1", body), answer);
        exchange.request.headers.insert("x-amz-target", target.parse().unwrap());
        exchange
    };
    let (make, good, fine) = ("People.MakePerson", r#"{"Name":"a","Roles":["OWNER"]}"#, json!({ "At": 1.5 }));
    let conflict = json!({ "__type": "Conflict", "Message": "m" });
    catches(
        &described,
        &post(make, good, 200, &fine),
        &[
            (post("People.MakeCat", good, 200, &fine), "no such operation is described"),
            (post(make, r#"{"Roles":[]}"#, 200, &fine), r#""Name" is a required property"#),
            (post(make, r#"{"Name":"abcd"}"#, 200, &fine), "body: /Name"),
            (post(make, r#"{"Name":"a1"}"#, 200, &fine), "body: /Name"),
            (post(make, r#"{"Name":"a","Roles":["BOSS"]}"#, 200, &fine), "body: /Roles/0"),
            (post(make, r#"{"Name":"a","Role":"OWNER"}"#, 200, &fine), "'Role' was unexpected"),
            (post(make, good, 200, &json!({ "At": "now" })), "answer: 200: /At"),
            (post(make, good, 400, &json!({ "__type": "Strange" })), "answer: 400"),
            (post(make, good, 400, &json!({ "__type": "Conflict", "Code": 1 })), "answer: 400"),
        ],
    );
    assert_eq!(told(&described, &post(make, good, 400, &conflict)), [""; 0]);
}

#[test]
fn what_is_known_is_passed_over_and_missed_when_it_is_gone() {
    let described = openapi()
        .known("PUT /people/{number}", "answer: 2?? *", "a pattern with nothing to match")
        .known("PUT /people/{number}", "answer: 204 is not described", "the page says so")
        .undescribed("POST /token", "another page")
        .corrected("/components/schemas/Person/properties/role", person()["properties"]["role"].clone(), "there was a typo")
        .corrected("/components/schemas/Cat/properties", json!({}), "there was a cat");
    let put = exchange(Method::PUT, "/api/people/1?mail=true", ("application/json", r#"{"name":"a"}"#), FakeResponse::empty(204));
    assert_eq!(told(&described, &put), [""; 0]);
    assert_eq!(told(&described, &exchange(Method::POST, "/token", ("", ""), FakeResponse::empty(200))), [""; 0]);
    let unmet = described.unmet();
    assert!(unmet.len() == 3 && unmet[0].contains("2??") && unmet[1].contains("/role") && unmet[2].contains("/Cat"), "{unmet:?}");
}

#[test]
fn violations_show_no_values() {
    let (secret, at) = ("hunter2", "/api/people/hunter2?mail=hunter2&tags=hunter2");
    let body = json!({ "role": secret }).to_string();
    let all = openapi().violations(&exchange(Method::PUT, at, ("application/json", &body), FakeResponse::json(200, &json!({ "name": [secret] }))));
    let shown = format!("{all:?}");
    assert!(all.len() == 6 && !shown.contains(secret), "{shown}");
}
