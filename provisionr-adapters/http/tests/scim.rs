//! SCIM: what is sent, whatever the service can do, and what is made of its answers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use provisionr_http::scim::{Key, MemberRemoval, Quirks, Scim, SwitchOff, classify};
use provisionr_http::{HttpClient, MemoryTransport};
use provisionr_sdk::{CallContext, Completeness, Effect, ErrorKind, PageRequest};
use serde_json::{Map, Value, json};

/// A request, its body and the version it is made under.
type Sent = (String, Value, Option<String>);

/// The beginning of a request, and what is answered.
type Answers = &'static [(&'static str, u16, &'static str)];

/// What is answered, and the error that it is: kind, words, code, effect.
type Case = (Answers, ErrorKind, &'static str, Option<&'static str>, Effect);

/// A service that answers by a table, and what it was sent.
fn service(quirks: Quirks, answers: Answers) -> (Scim, Arc<Mutex<Vec<Sent>>>) {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let log = sent.clone();
    let http = MemoryTransport::new(move |request: http::Request<Bytes>| {
        let what = format!("{} {}", request.method(), request.uri().path_and_query().unwrap());
        let version = request.headers().get("if-match").map(|version| version.to_str().unwrap().to_owned());
        log.lock().unwrap().push((what.clone(), serde_json::from_slice(request.body()).unwrap_or_default(), version));
        let (_, status, body) = answers.iter().find(|(known, ..)| what.starts_with(known)).unwrap_or_else(|| panic!("nobody expects {what}"));
        http::Response::builder().status(*status).body(Bytes::from_static(body.as_bytes())).unwrap()
    });
    (Scim::new(HttpClient::new("https://wiki.example/scim/v2", &http).unwrap().classifier(classify), quirks), sent)
}

fn cx() -> CallContext {
    CallContext::unlimited()
}

fn profile(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

const SARAH: &str = r#"{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "id": "u1", "userName": "sarah", "active": true, "nickName": "S",
    "name": {"givenName": "Sarah", "familyName": "Chen"}, "emails": [{"value": "old@x.com"}, {"value": "s@x.com", "primary": true}],
    "groups": [{"value": "g1", "type": "direct"}, {"value": "g2", "type": "indirect"}],
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "Sales", "manager": {"value": "u9"}},
    "meta": {"resourceType": "User", "version": "W/\"7\""}}"#;

const CREW: &str = r#"{"id": "g1", "displayName": "crew", "members": [{"value": "u1"}, {"value": "u2", "type": "User"}, {"value": "g2", "type": "Group"},
    {"value": "g3", "$ref": "https://wiki.example/scim/v2/Groups/g3"}], "meta": {"version": "W/\"3\""}}"#;

#[tokio::test]
async fn a_user_is_read_by_plain_names() {
    let (scim, _) = service(Quirks::new(), &[("GET /scim/v2/Users/u1", 200, SARAH)]);
    let user = scim.user(&cx(), "u1").await.unwrap().unwrap();
    assert_eq!((user.id(), user.user_name(), user.email().as_deref(), user.is_active()), ("u1", Some("sarah"), Some("s@x.com"), true));
    assert_eq!(
        ["givenName", "department", "nickName", "title", "email"].map(|name| user.attribute(name)),
        [Some("Sarah".into()), Some("Sales".into()), Some("S".into()), None, Some("s@x.com".into())]
    );
    let groups: Vec<_> = user.groups().map(|group| (group.is_indirect(), group.id)).collect();
    assert_eq!(groups, [(false, "g1".to_owned()), (true, "g2".to_owned())]);
}

#[tokio::test]
async fn whoever_does_not_fit_is_not_found() {
    const EVERYBODY: &str = r#"{"totalResults": 3, "itemsPerPage": 3, "startIndex": 1, "Resources": [
        {"id": "1", "userName": "sarah.chen", "externalId": "E1", "emails": [{"value": "a@x.com"}]},
        {"id": "2", "userName": "SARAH", "externalId": "e1", "emails": [{"value": "b@x.com"}, {"value": "S@x.com"}]}, {"id": "3"}]}"#;
    let (scim, sent) = service(Quirks::new(), &[("GET /scim/v2/Users", 200, EVERYBODY)]);
    for (key, value, id) in [(Key::UserName, "sarah", "2"), (Key::ExternalId, "E1", "1"), (Key::Email, "s@x.com", "2")] {
        let found: Vec<_> = scim.find_users(&cx(), key, value).await.unwrap().iter().map(|user| user.id().to_owned()).collect();
        assert_eq!(found, [id], "{key:?}");
    }
    scim.find_users(&cx(), Key::UserName, r#"a" or userName pr or userName eq "b\"#).await.unwrap();
    let filters: Vec<_> = sent.lock().unwrap().iter().map(|(what, ..)| what.split("filter=").nth(1).unwrap().split('&').next().unwrap().to_owned()).collect();
    assert_eq!(filters[2], "emails.value%20eq%20%22s%40x.com%22");
    let quoted = url::form_urlencoded::parse(format!("f={}", filters[3]).as_bytes()).next().unwrap().1.into_owned();
    assert_eq!(quoted, r#"userName eq "a\" or userName pr or userName eq \"b\\""#);
}

#[tokio::test]
async fn without_filters_the_list_of_all_is_gone_through() {
    let (scim, sent) = service(
        Quirks::new().without_filter().page(2),
        &[
            (
                "GET /scim/v2/Users?startIndex=3",
                200,
                r#"{"totalResults": 3, "startIndex": 3, "itemsPerPage": 1, "Resources": [{"id": "3", "userName": "sarah"}]}"#,
            ),
            (
                "GET /scim/v2/Users?count=2&startIndex=3",
                200,
                r#"{"totalResults": 3, "startIndex": 3, "itemsPerPage": 1, "Resources": [{"id": "3", "userName": "sarah"}]}"#,
            ),
            ("GET /scim/v2/Users", 200, r#"{"totalResults": 3, "startIndex": 1, "itemsPerPage": 2, "Resources": [{"id": "1", "userName": "a"}, {"id": "2"}]}"#),
        ],
    );
    assert_eq!(scim.find_users(&cx(), Key::UserName, "sarah").await.unwrap()[0].id(), "3");
    assert!(sent.lock().unwrap().iter().all(|(what, ..)| !what.contains("filter")));
}

#[tokio::test]
async fn without_a_filter_by_address_that_list_alone_is_gone_through() {
    const EVERYBODY: &str = r#"{"totalResults": 2, "itemsPerPage": 2, "startIndex": 1,
        "Resources": [{"id": "1", "userName": "sarah"}, {"id": "2", "emails": [{"value": "S@x.com"}]}]}"#;
    let (scim, sent) = service(Quirks::new().without_email_filter(), &[("GET /scim/v2/Users", 200, EVERYBODY)]);
    assert_eq!(scim.find_users(&cx(), Key::Email, "s@x.com").await.unwrap()[0].id(), "2");
    assert_eq!(scim.find_users(&cx(), Key::UserName, "sarah").await.unwrap()[0].id(), "1");
    let filtered: Vec<_> = sent.lock().unwrap().iter().map(|(what, ..)| what.contains("filter")).collect();
    assert_eq!(filtered, [false, true]);
}

#[tokio::test]
async fn a_list_without_matches_may_leave_its_resources_out_and_an_answer_without_a_list_is_none() {
    const LIST: &str = r#"{"schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"], "totalResults": 0}"#;
    let (scim, _) = service(Quirks::new(), &[("GET /scim/v2/Users", 200, LIST), ("GET /scim/v2/Groups", 200, r#"{"message": "maintenance"}"#)]);
    assert!(scim.find_users(&cx(), Key::UserName, "sarah").await.unwrap().is_empty());
    assert_eq!(scim.groups(&cx(), &PageRequest::first()).await.unwrap_err().kind(), &ErrorKind::Protocol);
    let (scim, _) = service(Quirks::new(), &[("GET /scim/v2/Users", 200, r#"{"totalResults": 1, "Resources": [{"userName": "sarah"}]}"#)]);
    assert_eq!(scim.users(&cx(), &PageRequest::first()).await.unwrap_err().kind(), &ErrorKind::Protocol, "a user without an id");
}

#[tokio::test]
async fn changes_are_patches() {
    const DONE: Answers = &[("PATCH", 204, ""), ("POST", 201, SARAH), ("DELETE", 204, "")];
    let (scim, sent) = service(Quirks::new(), DONE);
    let cx = cx();
    scim.create(&cx, "sarah", &profile(&json!({ "email": "s@x.com", "givenName": "Sarah", "department": "Sales", "title": null }))).await.unwrap();
    scim.update(&cx, "u1", &profile(&json!({ "title": "SE", "department": null, "familyName": null, "email": "t@x.com" }))).await.unwrap();
    scim.switch_off(&cx, "u1").await.unwrap();
    scim.switch_on(&cx, "u1").await.unwrap();
    scim.add_member(&cx, "g1", "u1").await.unwrap();
    scim.remove_member(&cx, "g1", "u1").await.unwrap();
    scim.delete(&cx, "u1").await.unwrap();
    let sent: Vec<_> = sent.lock().unwrap().iter().map(|(what, body, _)| (what.clone(), body.get("Operations").unwrap_or(body).clone())).collect();
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let expected = [
        (
            "POST /scim/v2/Users",
            json!({ "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", enterprise], "userName": "sarah", "active": true, "name": { "givenName": "Sarah" },
                "emails": [{ "value": "s@x.com", "type": "work", "primary": true }], enterprise: { "department": "Sales" } }),
        ),
        (
            "PATCH /scim/v2/Users/u1",
            json!([{ "op": "remove", "path": format!("{enterprise}:department") }, { "op": "replace", "value": {
                "title": "SE", "name": { "familyName": "" }, "emails": [{ "value": "t@x.com", "type": "work", "primary": true }] } }]),
        ),
        ("PATCH /scim/v2/Users/u1", json!([{ "op": "replace", "value": { "active": false } }])),
        ("PATCH /scim/v2/Users/u1", json!([{ "op": "replace", "value": { "active": true } }])),
        ("PATCH /scim/v2/Groups/g1", json!([{ "op": "add", "path": "members", "value": [{ "value": "u1" }] }])),
        ("PATCH /scim/v2/Groups/g1", json!([{ "op": "remove", "path": "members[value eq \"u1\"]" }])),
        ("DELETE /scim/v2/Users/u1", Value::Null),
    ];
    assert_eq!(sent, expected.map(|(what, body)| (what.to_owned(), body)));

    let (scim, sent) = service(Quirks::new().member_removal(MemberRemoval::ByValue).switch_off(SwitchOff::Delete), DONE);
    scim.remove_member(&cx, "g1", "u1").await.unwrap();
    scim.switch_off(&cx, "u1").await.unwrap();
    assert_eq!(scim.delete(&cx, "u1").await.unwrap_err().kind(), &ErrorKind::Unsupported, "it would be switched off, and called deleted");
    let sent = sent.lock().unwrap();
    assert_eq!(sent[0].1["Operations"], json!([{ "op": "remove", "path": "members", "value": [{ "value": "u1" }] }]));
    assert_eq!((sent[1].0.as_str(), sent.len()), ("DELETE /scim/v2/Users/u1", 2));
}

#[tokio::test]
async fn without_patch_a_resource_is_put_back_whole_under_its_version() {
    let (scim, sent) = service(
        Quirks::new().without_patch(),
        &[
            ("GET /scim/v2/Users/u1", 200, SARAH),
            ("GET /scim/v2/Groups/g1", 200, CREW),
            ("GET /scim/v2/Groups/g2", 200, r#"{"id": "g2", "displayName": "new"}"#),
            ("PUT", 200, "{}"),
        ],
    );
    let cx = cx();
    scim.update(&cx, "u1", &profile(&json!({ "department": "Engineering", "nickName": null }))).await.unwrap();
    scim.switch_off(&cx, "u1").await.unwrap();
    scim.add_member(&cx, "g1", "u3").await.unwrap();
    scim.remove_member(&cx, "g1", "u2").await.unwrap();
    scim.add_member(&cx, "g2", "u3").await.unwrap();
    let puts: Vec<_> = sent.lock().unwrap().iter().filter(|(what, ..)| what.starts_with("PUT")).cloned().collect();
    assert_eq!(
        puts.iter().map(|(_, _, version)| version.as_deref()).collect::<Vec<_>>(),
        [Some("W/\"7\""), Some("W/\"7\""), Some("W/\"3\""), Some("W/\"3\""), None]
    );
    let enterprise = &puts[0].1["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"];
    assert_eq!(*enterprise, json!({ "department": "Engineering", "manager": { "value": "u9" } }), "what is not named stays");
    assert_eq!((&puts[0].1["nickName"], &puts[0].1["active"], &puts[0].1["emails"].as_array().unwrap().len()), (&Value::Null, &json!(true), &2));
    assert!(["id", "meta", "groups"].iter().all(|name| puts[0].1.get(name).is_none()), "{:#}", puts[0].1);
    assert_eq!((&puts[1].1["active"], &puts[1].1["nickName"]), (&json!(false), &json!("S")));
    let members = |put: &Sent| put.1["members"].as_array().unwrap().iter().map(|member| member["value"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(
        (members(&puts[2]), members(&puts[3]), members(&puts[4])),
        (["u1", "u2", "g2", "g3", "u3"].map(str::to_owned).to_vec(), ["u1", "g2", "g3"].map(str::to_owned).to_vec(), vec!["u3".to_owned()])
    );
}

#[tokio::test]
async fn groups_in_groups_are_no_users() {
    let (scim, _) = service(Quirks::new(), &[("GET /scim/v2/Groups/g1", 200, CREW)]);
    let group = scim.group(&cx(), "g1").await.unwrap().unwrap();
    assert_eq!(group.members().map(|member| member.is_user()).collect::<Vec<_>>(), [true, true, false, false]);
    assert!(group.holds("u2") && !group.holds("g2") && !group.holds("u3"));
}

#[tokio::test]
async fn what_a_service_can_do_it_has_to_say() {
    let (scim, _) = service(Quirks::new(), &[("GET /scim/v2/ServiceProviderConfig", 200, r#"{"patch": {"supported": true}, "filter": {"maxResults": 5}}"#)]);
    let service = scim.service(&cx()).await.unwrap();
    assert!(service.has_patch() && !service.has_filter() && !service.has_versions());
}

#[tokio::test]
async fn only_scims_own_404_says_that_somebody_is_gone() {
    for (body, gone) in [
        (r#"{"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "status": "404"}"#, true),
        (r#"{"detail": "Resource u1 not found", "status": 404}"#, true),
        (r#"{"Errors": [{"code": 404, "description": "user_not_found"}]}"#, true),
        ("<html><h1>404</h1></html>", false),
        (r#"{"message": "Not Found", "status": "404"}"#, false),
        ("", false),
    ] {
        let http = MemoryTransport::new(move |_| http::Response::builder().status(404).body(Bytes::from_static(body.as_bytes())).unwrap());
        let scim = Scim::new(HttpClient::new("https://wiki.example/scim/v2", &http).unwrap().classifier(classify), Quirks::new());
        match scim.user(&cx(), "u1").await {
            Ok(user) => assert!(user.is_none() && gone, "{body}"),
            Err(error) => assert!(*error.kind() == ErrorKind::Protocol && !gone, "{body}: {error}"),
        }
        let error = scim.delete(&cx(), "u1").await.unwrap_err();
        assert_eq!(error.effect(), if gone { Effect::None } else { Effect::Unknown }, "{body}");
    }
}

#[tokio::test]
async fn a_list_that_shifts_while_it_is_read_is_incomplete() {
    let page = |total: u32, ids: &[u32]| {
        let resources: Vec<Value> = ids.iter().map(|id| json!({ "id": id.to_string(), "userName": format!("u{id}") })).collect();
        json!({ "totalResults": total, "itemsPerPage": 2, "Resources": resources })
    };
    let read = async |pages: [Value; 2]| {
        let http = MemoryTransport::new(move |request: http::Request<Bytes>| {
            let first = !request.uri().query().unwrap().contains("startIndex");
            http::Response::new(pages[usize::from(!first)].to_string().into())
        });
        let scim = Scim::new(HttpClient::new("https://wiki.example/scim/v2", &http).unwrap().classifier(classify), Quirks::new().without_filter());
        let first = scim.users(&cx(), &PageRequest::first()).await.unwrap();
        let next = first.next.clone().map(|next| PageRequest::first().after(next));
        let second = match next {
            Some(next) => Some(scim.users(&cx(), &next).await.unwrap()),
            None => None,
        };
        (first.completeness, second.map(|page| (page.completeness, page.next)), scim.find_users(&cx(), Key::UserName, "u3").await)
    };
    let complete = Completeness::Complete;
    let (first, second, found) = read([page(3, &[1, 2]), page(3, &[3])]).await;
    assert_eq!((first, second, found.unwrap().len()), (complete.clone(), Some((complete.clone(), None)), 1));
    // Somebody left: the third is the second now, and on neither page. Or somebody came. Or the list ends early.
    for second in [page(2, &[]), page(4, &[3]), page(3, &[])] {
        let (_, after, found) = read([page(3, &[1, 2]), second.clone()]).await;
        assert!(matches!(after, Some((Completeness::Incomplete(_), _))), "{second}");
        assert_eq!(found.unwrap_err().kind(), &ErrorKind::Protocol, "{second}: nobody is told to be absent");
    }
    let again = json!({ "totalResults": 3, "startIndex": 1, "Resources": [{ "id": "1" }, { "id": "2" }] });
    assert!(matches!(read([page(3, &[1, 2]), again]).await.1, Some((Completeness::Incomplete(_), _))), "the first page once more");
    // A page shorter than it says is gone on from where it ends.
    let (first, second, _) = read([page(3, &[1]), page(3, &[2, 3])]).await;
    assert_eq!((first, second), (complete.clone(), Some((complete, None))));
}

#[tokio::test]
async fn errors_have_the_words_and_the_code_of_the_service() {
    let cases: [Case; 6] = [
        (
            &[(
                "DELETE",
                409,
                r#"{"schemas": ["urn:ietf:params:scim:api:messages:2.0:Error"], "scimType": "uniqueness", "detail": "userName is taken", "status": "409"}"#,
            )],
            ErrorKind::Conflict,
            "userName is taken",
            Some("uniqueness"),
            Effect::None,
        ),
        (
            &[("DELETE", 401, r#"{"Errors": {"code": 401, "description": "invalid_authentication"}}"#)],
            ErrorKind::Unauthenticated,
            "invalid_auth",
            Some("invalid_authentication"),
            Effect::None,
        ),
        (&[("DELETE", 400, r#"{"Errors": [{"code": 400, "description": "bad"}]}"#)], ErrorKind::InvalidRequest, "bad", Some("bad"), Effect::None),
        (&[("DELETE", 412, r#"{"detail": "resource has changed"}"#)], ErrorKind::Conflict, "has changed", None, Effect::None),
        (&[("DELETE", 501, r#"{"detail": "no DELETE here"}"#)], ErrorKind::Unsupported, "no DELETE here", None, Effect::None),
        (&[("DELETE", 500, "<html>")], ErrorKind::Unavailable, "500", None, Effect::Unknown),
    ];
    for (answers, kind, words, code, effect) in cases {
        let (scim, _) = service(Quirks::new(), answers);
        let error = scim.delete(&cx(), "u1").await.unwrap_err();
        assert_eq!((error.kind(), error.code(), error.effect()), (&kind, code, effect), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}
