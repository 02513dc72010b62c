//! Groups, members and group rules.

use std::time::Duration;

use provisionr_testkit::OktaFake;
use provisionr_testkit::okta::GroupType;
use serde_json::json;

use crate::client::start;

fn crowded() -> OktaFake {
    (1..=7).fold(OktaFake::new().with_group("crew"), |okta, n| okta.seeded(&json!({ "users": [{ "login": format!("u{n}@x.com"), "groups": ["crew"] }] })))
}

#[tokio::test(start_paused = true)]
async fn a_list_goes_on_over_pages_and_ends() {
    let (okta, client) = start(crowded());
    let group = okta.group_id("crew").unwrap();
    let mut next = Some(format!("/api/v1/groups/{group}/users?limit=200"));
    let (mut pages, mut logins) = (0, Vec::new());
    while let Some(target) = next {
        let page = client.get(&target).await;
        next = page.next();
        assert!(next.as_ref().is_none_or(|next| next.starts_with("https://acme.okta.com/") && next.contains("limit=200")));
        logins.extend(page.each("/profile/login").into_iter().map(str::to_owned));
        pages += 1;
    }
    assert_eq!((pages, logins.len()), (3, 7));
    // A member that goes between two pages shifts nothing.
    let first = client.get(&format!("/api/v1/groups/{group}/users")).await;
    okta.admin_removes_from_group("u1@x.com", "crew").unwrap();
    let second = client.get(&first.next().unwrap()).await;
    assert_eq!(second.each("/profile/login"), ["u4@x.com", "u5@x.com", "u6@x.com"]);
}

#[tokio::test(start_paused = true)]
async fn repeated_writes_answer_alike_and_change_once() {
    let (okta, client) = start(OktaFake::new().with_group("crew").with_user("a@x.com"));
    let member = format!("/api/v1/groups/{}/users/{}", okta.group_id("crew").unwrap(), okta.user_id("a@x.com").unwrap());
    for _ in 0..3 {
        assert_eq!(client.send("PUT", &member, None).await.status, 204);
    }
    assert_eq!((okta.effects("group.member_added"), okta.members("crew")), (1, vec!["a@x.com".to_owned()]));
    for _ in 0..2 {
        assert_eq!(client.send("DELETE", &member, None).await.status, 204);
    }
    assert_eq!(okta.effects("group.member_removed"), 1);
    let writes: Vec<bool> = okta.log().iter().map(|entry| !entry.changes.is_empty()).collect();
    assert_eq!(writes, [true, false, false, true, false]);
    let nobody = client.send("PUT", &format!("/api/v1/groups/{}/users/00u0", okta.group_id("crew").unwrap()), None).await;
    assert_eq!((nobody.status, nobody.code()), (404, "E0000007"));
}

#[tokio::test(start_paused = true)]
async fn groups_of_others_cannot_be_written() {
    let (okta, client) = start(OktaFake::new().with_user("a@x.com").seeded(&json!({ "groups": [{ "name": "ad-team", "type": "APP_GROUP" }] })));
    let user = okta.user_id("a@x.com").unwrap();
    for name in ["ad-team", "Everyone"] {
        let seen = client.send("PUT", &format!("/api/v1/groups/{}/users/{user}", okta.group_id(name).unwrap()), None).await;
        assert_eq!((seen.status, seen.code()), (403, "E0000006"));
    }
    assert_eq!(okta.with(|okta| okta.group("ad-team").unwrap().kind), GroupType::AppGroup);
}

#[tokio::test(start_paused = true)]
async fn rules_follow_attributes_and_pass_over_whom_the_api_removed() {
    let org = OktaFake::new().with_group("sales").with_user("a@x.com").with_rule("sales people", r#"user.department=="Sales""#, "sales");
    let (okta, client) = start(org);
    let user = okta.user_id("a@x.com").unwrap();
    client.post(&format!("/api/v1/users/{user}"), json!({ "profile": { "department": "Sales" } })).await;
    assert_eq!(okta.members("sales"), ["a@x.com"]);
    client.post(&format!("/api/v1/users/{user}"), json!({ "profile": { "department": "Legal" } })).await;
    assert_eq!(okta.members("sales"), [""; 0]);

    okta.admin_sets_profile("a@x.com", &json!({ "department": "Sales" })).unwrap();
    let member = format!("/api/v1/groups/{}/users/{user}", okta.group_id("sales").unwrap());
    assert_eq!(client.send("DELETE", &member, None).await.status, 204);
    let rules = client.get("/api/v1/groups/rules").await;
    assert_eq!(rules.body[0]["conditions"]["people"]["users"]["exclude"], json!([user]));
    okta.admin_sets_profile("a@x.com", &json!({ "department": "Legal" })).unwrap();
    okta.admin_sets_profile("a@x.com", &json!({ "department": "Sales" })).unwrap();
    assert_eq!(okta.members("sales"), [""; 0], "an excluded user is not added again");
    let named = client.get(&format!("/api/v1/groups/rules/{}?expand=groupIdToGroupNameMap", rules.each("/id")[0])).await;
    assert_eq!(named.body["_embedded"]["groupIdToGroupNameMap"][okta.group_id("sales").unwrap()], "sales");
}

#[tokio::test(start_paused = true)]
async fn search_is_behind_and_a_query_is_not() {
    let (okta, client) = start(OktaFake::new());
    assert_eq!(client.post("/api/v1/groups", json!({ "profile": { "name": "new team" } })).await.status, 200);
    let search = r#"/api/v1/groups?search=profile.name eq "new team""#;
    assert_eq!(client.get(search).await.each("/profile/name"), [""; 0]);
    assert_eq!(client.get("/api/v1/groups?q=New").await.each("/profile/name"), ["new team"]);
    tokio::time::advance(Duration::from_secs(2)).await;
    assert_eq!(client.get(search).await.each("/profile/name"), ["new team"]);
    assert_eq!(okta.group_id("new team").map(|id| id.len()), Some(20));
}
