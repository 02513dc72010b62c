//! Groups, members, and groups within groups.

use std::time::Duration;

use provisionr_testkit::GoogleFake;
use provisionr_testkit::google::MemberRole;
use serde_json::json;

use crate::client::start;

#[tokio::test(start_paused = true)]
async fn an_add_repeated_is_refused_and_changes_no_role() {
    let (google, client) = start(GoogleFake::new().with_user("a@example.com").with_group("crew@example.com", &[]));
    let add = async |role: &str| client.send("POST", "groups/crew@example.com/members", Some(json!({ "email": "a@example.com", "role": role }))).await;
    assert_eq!(add("MEMBER").await.status, 200);
    assert_eq!(add("OWNER").await.refusal(), (409, "duplicate", "Member already exists."));
    assert_eq!((google.role("a@example.com", "crew@example.com"), google.effects("group.member_updated")), (Some(MemberRole::Member), 0));
    let member = "groups/crew@example.com/members/a@example.com";
    assert_eq!(client.send("DELETE", member, None).await.status, 204);
    assert_eq!(client.send("DELETE", member, None).await.refusal(), (404, "notFound", "Resource Not Found: memberKey"));
    assert_eq!(client.send("DELETE", "groups/x@example.com/members/a@example.com", None).await.refusal().2, "Resource Not Found: groupKey");
}

#[tokio::test(start_paused = true)]
async fn groups_within_groups_count_for_people_of_the_customer_after_a_while() {
    let customer = GoogleFake::new()
        .with_user("a@example.com")
        .with_group("inner@example.com", &[])
        .with_group("outer@example.com", &["inner@example.com", "guest@elsewhere.org"])
        .with_settings(|settings| settings.nested_lag = Duration::from_secs(600));
    let (google, client) = start(customer);
    google.admin_adds_to_group("a@example.com", "inner@example.com", MemberRole::Owner).unwrap();
    let has = async |member: &str| client.get(&format!("groups/outer@example.com/hasMember/{member}")).await;
    assert_eq!(has("a@example.com").await.body["isMember"], false);
    tokio::time::advance(Duration::from_secs(601)).await;
    assert_eq!(has("a@example.com").await.body["isMember"], true);
    assert_eq!(client.get("groups/outer@example.com/members").await.each("members", "email"), ["inner@example.com", "guest@elsewhere.org"]);
    let derived = client.get("groups/outer@example.com/members?includeDerivedMembership=true").await;
    assert!(derived.each("members", "email").contains(&"a@example.com"));
    for member in ["inner@example.com", "guest@elsewhere.org", "other@elsewhere.org"] {
        assert_eq!(has(member).await.refusal(), (400, "invalid", "Invalid Input: memberKey"), "{member}");
    }
    let add = async |group: &str, member: &str, role: &str| {
        client.send("POST", &format!("groups/{group}@example.com/members"), Some(json!({ "email": format!("{member}@example.com"), "role": role }))).await
    };
    assert_eq!(add("inner", "outer", "MEMBER").await.refusal(), (412, "conditionNotMet", "Cyclic memberships not allowed"));
    google.admin_removes_from_group("inner@example.com", "outer@example.com").unwrap();
    assert_eq!(add("outer", "inner", "OWNER").await.refusal(), (400, "invalid", "Invalid Input: memberKey"));
}

#[tokio::test(start_paused = true)]
async fn a_list_goes_on_over_pages_and_an_empty_one_is_left_out() {
    let customer = (1..=7).fold(GoogleFake::new().with_group("crew@example.com", &[]), |customer, n| {
        customer.seeded(&json!({ "users": [{ "email": format!("u{n}@example.com") }] }))
    });
    let (google, client) = start(customer);
    assert_eq!(client.get("groups/crew@example.com/members").await.body.get("members"), None);
    for n in 1..=7 {
        google.admin_adds_to_group(&format!("u{n}@example.com"), "crew@example.com", MemberRole::Member).unwrap();
    }
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let page = client.get(&format!("groups/crew@example.com/members?maxResults=200{token}")).await;
        seen.extend(page.each("members", "email").into_iter().map(str::to_owned));
        let Some(next) = page.body["nextPageToken"].as_str() else { break };
        token = format!("&pageToken={next}");
        // A member that goes between two pages shifts nothing.
        google.admin_removes_from_group("u1@example.com", "crew@example.com").unwrap();
    }
    assert_eq!(seen.len(), 7);
    assert_eq!(client.get("groups/crew@example.com/members?maxResults=201").await.status, 400);
    tokio::time::advance(Duration::from_secs(3 * 24 * 3600 + 1)).await;
    assert_eq!(client.get(&format!("groups/crew@example.com/members?maxResults=200{token}")).await.refusal().2, "Invalid Input: pageToken");
}

#[tokio::test(start_paused = true)]
async fn a_new_group_is_not_there_for_a_while() {
    let (_google, client) = start(GoogleFake::new().with_settings(|settings| settings.creation_lag = Duration::from_secs(4)));
    assert_eq!(client.send("POST", "groups", Some(json!({ "email": "new@example.com" }))).await.status, 200);
    let add = async || client.send("POST", "groups/new@example.com/members", Some(json!({ "email": GoogleFake::ADMIN }))).await;
    assert_eq!(add().await.refusal(), (404, "notFound", "Resource Not Found: groupKey"));
    tokio::time::advance(Duration::from_secs(4)).await;
    assert_eq!(add().await.status, 200);
}
