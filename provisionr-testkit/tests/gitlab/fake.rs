//! What the descriptions do not say of answers: headers, pages, words, and what stands in a success.

use std::time::Duration;

use provisionr_testkit::{GitlabFake, Limit};
use serde_json::json;

use crate::client::start;

#[tokio::test(start_paused = true)]
async fn tokens_are_taken_from_both_headers_and_keep_to_their_scopes() {
    let tokens = json!({ "tokens": [{ "token": "reads", "owner": "root", "scopes": ["read_api"] }] });
    let (fake, client) = start(GitlabFake::new().seeded(&tokens));
    let bearer = format!("Bearer {}", GitlabFake::TOKEN);
    assert_eq!(client.send_as(("authorization", &bearer), "GET", "/api/v4/user", None).await.status, 200);
    let stranger = client.send_as(("private-token", "glpat-none"), "GET", "/api/v4/user", None).await;
    assert_eq!((stranger.status, stranger.body), (401, json!({ "message": "401 Unauthorized" })));
    assert_eq!(client.send_as(("private-token", "reads"), "GET", "/api/v4/groups", None).await.status, 200);
    let write = client.send_as(("private-token", "reads"), "POST", "/api/v4/groups", Some(json!({}))).await;
    assert_eq!((write.status, &write.body["error"]), (403, &json!("insufficient_scope")));
    assert!(!format!("{:?}", fake.with(Clone::clone)).contains(GitlabFake::TOKEN));
}

#[tokio::test(start_paused = true)]
async fn limits_show_in_headers_and_refuse_in_plain_text() {
    let (_fake, client) = start(GitlabFake::new().with_limit(Limit::new(2, Duration::from_secs(60))));
    let first = client.get("/api/v4/user").await;
    let told = ["ratelimit-name", "ratelimit-limit", "ratelimit-observed", "ratelimit-remaining"].map(|name| first.header(name));
    assert_eq!(told, ["throttle_authenticated_api", "2", "1", "1"]);
    client.get("/api/v4/user").await;
    let refused = client.get("/api/v4/user").await;
    assert_eq!((refused.status, refused.text.as_str(), refused.header("retry-after")), (429, "Retry later\n", "60"));
    assert!(refused.header("content-type") == "text/plain" && !refused.header("ratelimit-resettime").is_empty());
    // An endpoint's own limit is in no header.
    let (_fake, client) = start(GitlabFake::gitlab_com("acme").with_limits_of_gitlab_com());
    for _ in 0..400 {
        assert_eq!(client.get("/api/v4/groups/acme").await.status, 200);
    }
    let refused = client.get("/api/v4/groups/acme").await;
    assert_eq!((refused.status, refused.header("retry-after"), refused.header("ratelimit-remaining")), (429, "", "1599"));
    assert!(refused.body["message"]["error"].is_string());
}

#[tokio::test(start_paused = true)]
async fn pages_lead_on_by_links_of_the_host_that_was_called() {
    let fake = (0..7).fold(GitlabFake::new(), |fake, number| fake.with_user(&format!("user-{number}")));
    let (_fake, client) = start(fake);
    for target in ["/api/v4/users?per_page=50", "/api/v4/users?pagination=keyset&order_by=id&sort=asc&per_page=50"] {
        let (mut target, mut ids) = (target.to_owned(), Vec::new());
        loop {
            let page = client.get(&target).await;
            ids.extend(page.body.as_array().unwrap().iter().map(|user| user["id"].as_u64().unwrap()));
            // Totals are told by page, and not by keyset.
            assert_eq!(page.header("x-total").is_empty(), target.contains("keyset"));
            let Some(next) = page.next() else { break };
            assert!(next.starts_with("https://gitlab.acme.test/api/v4/users?"), "{next}");
            target = next;
        }
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!((all, ids.len()), (8, 8));
    }
}

#[tokio::test(start_paused = true)]
async fn members_answer_to_repeats_and_to_levels_above_in_the_vendors_words() {
    let (fake, client) = start(GitlabFake::new().with_group("acme/eng").with_user("sarah").with_member("acme", "sarah", 30));
    let id = fake.user("sarah").unwrap().id;
    let add = async |level: u64| client.post("/api/v4/groups/acme%2Feng/members", json!({ "user_id": id, "access_level": level })).await;
    let below = add(20).await;
    let words = "should be greater than or equal to Developer inherited membership from group acme";
    assert_eq!((below.status, below.body), (400, json!({ "message": { "access_level": [words] } })));
    assert_eq!(add(30).await.status, 201);
    let again = add(40).await;
    assert_eq!((again.status, again.body), (409, json!({ "message": "Member already exists" })));
    assert_eq!(add(33).await.status, 400);
    // Direct rows alone, and the highest of all.
    let [direct, all] = ["members", "members/all"].map(|list| format!("/api/v4/groups/acme%2Feng/{list}"));
    assert_eq!((client.get(&direct).await.body[0]["access_level"].as_u64(), client.get(&all).await.body.as_array().unwrap().len()), (Some(30), 1));
    // Leaving the group above takes what is direct below along, unless that is passed over.
    assert_eq!(client.send("DELETE", &format!("/api/v4/groups/acme/members/{id}"), None).await.status, 204);
    let gone = client.get(&format!("/api/v4/groups/acme%2Feng/members/{id}")).await;
    assert_eq!((gone.status, fake.effects("member.removed")), (404, 2));
    assert_eq!(client.send("DELETE", &format!("/api/v4/groups/acme/members/{id}"), None).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn invitations_fail_in_a_success() {
    let (fake, client) = start(GitlabFake::gitlab_com("acme").with_user("sarah").with_member("acme", "sarah", 30));
    let invite = async |email: &str| client.post("/api/v4/groups/acme/invitations", json!({ "email": email, "access_level": 30 })).await;
    assert_eq!(invite("new@acme.com").await.body, json!({ "status": "success" }));
    let again = invite("new@acme.com").await;
    assert_eq!((again.status, again.body["message"]["new@acme.com"].as_str()), (201, Some("Invite email has already been taken")));
    let member = invite("sarah@example.com").await;
    assert_eq!((member.status, member.body["message"]["sarah@example.com"].as_str()), (201, Some("User already exists in source")));
    assert_eq!(fake.mails(), 1);
}

#[tokio::test(start_paused = true)]
async fn owners_of_a_group_are_no_administrators_and_see_less() {
    let (fake, client) = start(GitlabFake::gitlab_com("acme").with_group("other").with_user("sarah"));
    let id = fake.user("sarah").unwrap().id;
    assert_eq!(client.post(&format!("/api/v4/users/{id}/block"), json!({})).await.status, 403);
    assert_eq!(client.get("/api/v4/groups/other").await.body, json!({ "message": "404 Group Not Found" }));
    let shown = client.get(&format!("/api/v4/users/{id}")).await.body;
    assert!(shown["username"] == "sarah" && shown.get("email").is_none());
    assert_eq!(client.get("/api/v4/users?search=sarah@example.com").await.body, json!([]));
    // What is not played is refused aloud.
    assert_eq!(client.get("/api/v4/groups?statistics=true").await.status, 501);
    assert_eq!(fake.take_problems().len(), 1);
}
