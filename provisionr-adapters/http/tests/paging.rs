//! Lists in every common form, and what a bad next page can do: nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Response;
use provisionr_http::{HttpClient, MemoryTransport, Paging, path};
use provisionr_sdk::{CallContext, Completeness, Cursor, ErrorKind, Page, PageRequest, Result};

/// Answers by the whole of path and query; what it does not know fails the test.
fn pages(known: &'static [(&'static str, &'static str, &'static [&'static str])]) -> MemoryTransport {
    MemoryTransport::new(move |request| {
        let asked = request.uri().path_and_query().unwrap().as_str();
        let (_, body, links) = known.iter().find(|(address, ..)| *address == asked).unwrap_or_else(|| panic!("{asked} was asked for"));
        links.iter().fold(Response::builder(), |answer, link| answer.header("link", *link)).body(Bytes::from_static(body.as_bytes())).unwrap()
    })
}

async fn all(http: &MemoryTransport, paging: &Paging) -> Result<Vec<u32>> {
    let client = HttpClient::new("https://a.example/api", http).unwrap();
    client.get(path!["things"]).query("kind", "x").all(&CallContext::unlimited(), paging).await
}

async fn page(http: &MemoryTransport, paging: &Paging, page: PageRequest) -> Result<Page<u32>> {
    let client = HttpClient::new("https://a.example/api", http).unwrap();
    client.get(path!["things"]).query("kind", "x").page(&CallContext::unlimited(), &page, paging).await
}

#[tokio::test]
async fn links() {
    let http = pages(&[
        (
            "/api/things?kind=x&limit=2",
            "[1,2]",
            &[r#"<https://a.example/api/things?kind=x&limit=2>; rel="self""#, r#"<https://a.example/api/things?after=o%2B1,2&kind=x&limit=2>; rel="next""#],
        ),
        ("/api/things?after=o%2B1,2&kind=x&limit=2", "[3]", &[r#"</api/things?after=9>; title="a, b"; rel=next, <https://a.example/api/things>; rel="self""#]),
        ("/api/things?after=9", "[]", &[r#"<https://a.example/api/things?after=9>; rel="self""#]),
    ]);
    assert_eq!(all(&http, &Paging::link().sized("limit", 2)).await.unwrap(), [1, 2, 3]);
}

#[tokio::test]
async fn a_link_elsewhere_is_not_followed() {
    for link in [
        "<https://evil.example/api/things?after=1>; rel=\"next\"",
        "<http://a.example/api/things?after=1>; rel=\"next\"",
        "<https://a.example:8443/api/things?after=1>; rel=\"next\"",
        "<//evil.example/api/things?after=1>; rel=\"next\"",
        "<https://a.example@evil.example/api/things?after=1>; rel=\"next\"",
        "<https://a.example/api/admins?after=1>; rel=\"next\"",
    ] {
        let http = MemoryTransport::new(move |request| {
            assert!(!request.uri().to_string().contains("after"), "{link} was followed");
            Response::builder().header("link", link).body("[1]".into()).unwrap()
        });
        let error = all(&http, &Paging::link()).await.unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Protocol, "{link}");
        assert!(!error.to_string().contains("after"));
        let bodies = MemoryTransport::new(move |request| {
            assert!(!request.uri().to_string().contains("after"), "{link} was followed");
            let target = link.split(['<', '>']).nth(1).unwrap().replace("/api/admins", "/admins");
            Response::new(format!(r#"{{"items": [1], "next": "{target}"}}"#).into())
        });
        assert_eq!(all(&bodies, &Paging::next_url("/next").items("/items")).await.unwrap_err().kind(), &ErrorKind::Protocol, "{link}");
    }
}

#[tokio::test]
async fn a_link_by_another_path_changes_the_query_alone() {
    let http = pages(&[
        ("/api/things?kind=x&per_page=2", "[1,2]", &[r#"<https://a.example/organizations/900/things?kind=x&per_page=2&page=2>; rel="next""#]),
        ("/api/things?kind=x&per_page=2&page=2", "[3]", &[]),
    ]);
    assert_eq!(all(&http, &Paging::link_query().sized("per_page", 2)).await.unwrap(), [1, 2, 3]);
    assert_eq!(all(&http, &Paging::link().sized("per_page", 2)).await.unwrap_err().kind(), &ErrorKind::Protocol);
    let elsewhere = MemoryTransport::new(|_| {
        let link = "<https://evil.example/organizations/900/things?page=2>; rel=\"next\"";
        Response::builder().header("link", link).body("[1]".into()).unwrap()
    });
    assert_eq!(all(&elsewhere, &Paging::link_query()).await.unwrap_err().kind(), &ErrorKind::Protocol);
}

#[tokio::test]
async fn a_forged_cursor_stays_on_the_host_and_in_the_list() {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = seen.clone();
    let http = MemoryTransport::new(move |request| {
        log.lock().unwrap().push(request.uri().to_string());
        Response::new(r#"{"items": []}"#.into())
    });
    let forged = ["https://evil.example/x", "//evil.example/x", "/../../admin", "..%2f..%2fadmin", "a\r\nHost: evil", "@evil.example", "x#y", "%2e%2e/admin"];
    for cursor in forged {
        for paging in [Paging::link(), Paging::link_query(), Paging::token("/n", "t"), Paging::next_url("/n"), Paging::offset("o", None)] {
            let _ = page(&http, &paging.items("/items"), PageRequest::first().after(Cursor::from(cursor))).await;
        }
    }
    for asked in seen.lock().unwrap().iter() {
        assert!(asked.starts_with("https://a.example/api/"), "{asked}");
        let path = asked.split('?').next().unwrap().to_lowercase();
        assert!(!path.contains("/..") && !path.contains("/%2e%2e/"), "{asked}");
    }
    assert!(!seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn tokens() {
    let http = pages(&[
        ("/api/things?kind=x&max=500", r#"{"items": [1], "next": "a b="}"#, &[]),
        ("/api/things?kind=x&max=500&pageToken=a%20b%3D", r#"{"items": [], "next": "c"}"#, &[]),
        ("/api/things?kind=x&max=500&pageToken=c", r#"{"items": [2], "next": ""}"#, &[]),
    ]);
    assert_eq!(all(&http, &Paging::token("/next", "pageToken").items("/items").sized("max", 500)).await.unwrap(), [1, 2]);
}

#[tokio::test]
async fn cursors_in_bodies() {
    let http = MemoryTransport::new(|request| {
        let body: serde_json::Value = serde_json::from_slice(request.body()).unwrap();
        assert_eq!(body["InstanceArn"], "i");
        Response::new(if body["NextToken"] == "t" { r#"{"Users": [2]}"# } else { r#"{"Users": [1], "NextToken": "t"}"# }.into())
    });
    let client = HttpClient::new("https://a.example", &http).unwrap();
    let request = client.post(path![]).json(&serde_json::json!({"InstanceArn": "i"})).read();
    let users: Vec<u32> = request.all(&CallContext::unlimited(), &Paging::cursor_in_body("/NextToken", "NextToken").items("/Users")).await.unwrap();
    assert_eq!(users, [1, 2]);
}

#[tokio::test]
async fn addresses_in_bodies() {
    let http = pages(&[
        ("/api/things?kind=x", r#"{"records": [1], "nextRecordsUrl": "/api/query/01g%2Fx-2000"}"#, &[]),
        ("/api/query/01g%2Fx-2000", r#"{"records": [2], "nextRecordsUrl": "https://a.example/api/query/3?p=1"}"#, &[]),
        ("/api/query/3?p=1", r#"{"records": [3]}"#, &[]),
    ]);
    assert_eq!(all(&http, &Paging::next_url("/nextRecordsUrl").items("/records")).await.unwrap(), [1, 2, 3]);
}

#[tokio::test]
async fn offsets() {
    let http = pages(&[
        ("/api/things?kind=x&limit=2", r#"{"items": [1,2], "total": 3}"#, &[]),
        ("/api/things?kind=x&limit=2&offset=2", r#"{"items": [3], "total": 3}"#, &[]),
        ("/api/things?kind=x&limit=2&offset=3", r#"{"items": []}"#, &[]),
    ]);
    let paging = |total| Paging::offset("offset", total).items("/items").sized("limit", 2);
    assert_eq!(all(&http, &paging(Some("/total"))).await.unwrap(), [1, 2, 3]);
    assert_eq!(all(&http, &paging(None)).await.unwrap(), [1, 2, 3]);
}

#[tokio::test]
async fn an_empty_page_is_not_the_last_where_some_are_left_out() {
    // 50 were asked for; the vendor goes through 2 at a time.
    let http = pages(&[
        ("/api/things?kind=x&maxResults=50", r#"{"values": [1], "maxResults": 2, "isLast": false}"#, &[]),
        ("/api/things?kind=x&maxResults=50&startAt=2", r#"{"values": [], "maxResults": 2, "isLast": false}"#, &[]),
        ("/api/things?kind=x&maxResults=50&startAt=4", r#"{"values": [5], "maxResults": 2, "isLast": true}"#, &[]),
    ]);
    let paging = Paging::start_at("startAt", "/maxResults", "/isLast", "/total").items("/values").sized("maxResults", 50);
    assert_eq!(all(&http, &paging).await.unwrap(), [1, 5]);
    let scim = pages(&[
        ("/api/things?kind=x", r#"{"Resources": [1,2], "itemsPerPage": 2, "totalResults": 3}"#, &[]),
        ("/api/things?kind=x&startIndex=3", r#"{"Resources": [3], "itemsPerPage": 1, "totalResults": 3}"#, &[]),
    ]);
    let paging = Paging::start_at("startIndex", "/itemsPerPage", "/none", "/totalResults").counting_from(1).items("/Resources");
    assert_eq!(all(&scim, &paging).await.unwrap(), [1, 2, 3]);
}

#[tokio::test]
async fn sizes_are_the_callers_up_to_the_most() {
    let http = pages(&[("/api/things?kind=x&limit=5", "[]", &[]), ("/api/things?kind=x&limit=200", "[]", &[])]);
    let paging = Paging::link().sized("limit", 200);
    page(&http, &paging, PageRequest::first().sized(5)).await.unwrap();
    page(&http, &paging, PageRequest::first().sized(9000)).await.unwrap();
    page(&http, &paging, PageRequest::first()).await.unwrap();
}

#[tokio::test]
async fn a_capped_list_is_incomplete_and_a_circle_is_an_error() {
    let http = pages(&[("/api/things?kind=x", "[1,2,3]", &[])]);
    let whole = page(&http, &Paging::none().capped(4), PageRequest::first()).await.unwrap();
    assert_eq!((whole.completeness, whole.next), (Completeness::Complete, None));
    let cut = page(&http, &Paging::none().capped(3), PageRequest::first()).await.unwrap();
    assert!(matches!(cut.completeness, Completeness::Incomplete(_)));
    assert_eq!(all(&http, &Paging::none().capped(3)).await.unwrap_err().kind(), &ErrorKind::Protocol);
    let circle = MemoryTransport::new(|_| Response::new(r#"{"items": [1], "next": "same"}"#.into()));
    assert_eq!(all(&circle, &Paging::token("/next", "t").items("/items")).await.unwrap_err().kind(), &ErrorKind::Protocol);
}

#[tokio::test]
async fn a_page_that_is_none_is_an_error_and_never_empty() {
    for body in ["", "{}", "null", r#"{"items": {"a": 1}}"#, r#"{"items": ["x"]}"#, "<html>"] {
        let http = MemoryTransport::new(move |_| Response::new(body.into()));
        assert_eq!(all(&http, &Paging::none().items("/items")).await.unwrap_err().kind(), &ErrorKind::Protocol, "{body}");
    }
}

#[tokio::test]
async fn an_empty_list_that_is_left_out_is_empty_only_where_the_answer_says_what_it_is() {
    let paging = Paging::token("/next", "t").items("/items").left_out_when_empty("/kind", "list of doors");
    let read = async |body: &'static str| {
        let http = MemoryTransport::new(move |_| http::Response::new(body.into()));
        all(&http, &paging).await
    };
    assert_eq!(read(r#"{"kind": "list of doors"}"#).await.unwrap(), [0_u32; 0]);
    assert_eq!(read(r#"{"kind": "list of doors", "items": [1]}"#).await.unwrap(), [1]);
    for body in ["{}", r#"{"kind": "list of windows"}"#, r#"{"kind": "list of doors", "items": "none"}"#] {
        assert_eq!(read(body).await.unwrap_err().kind(), &provisionr_sdk::ErrorKind::Protocol, "{body}");
    }
}
