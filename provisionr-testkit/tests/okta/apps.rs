//! Apps, their users and their groups.

use provisionr_testkit::OktaFake;
use provisionr_testkit::okta::AppScope;
use serde_json::json;

use crate::client::start;

#[tokio::test(start_paused = true)]
async fn an_app_is_assigned_by_hand_or_by_group_and_not_taken_while_a_group_gives_it() {
    let org = OktaFake::new().with_group("crew").with_user("a@x.com").with_provisioning_app("google", "Google Workspace");
    let (okta, client) = start(org);
    let (app, user, group) = (okta.app_id("google").unwrap(), okta.user_id("a@x.com").unwrap(), okta.group_id("crew").unwrap());
    let users = format!("/api/v1/apps/{app}/users");
    let mine = format!("{users}/{user}");
    assert_eq!(client.get(&mine).await.status, 404);
    let made = client.post(&users, json!({ "id": user, "scope": "USER" })).await;
    assert_eq!((made.status, &made.body["scope"], &made.body["credentials"]["userName"]), (200, &json!("USER"), &json!("a@x.com")));
    let again = client.post(&users, json!({ "id": user, "scope": "USER" })).await;
    assert_eq!((again.status, again.code()), (409, "E0000062"));
    assert_eq!((okta.effects("app.user_assigned"), okta.effects("app.user_provisioned")), (1, 1));

    assert_eq!(client.send("PUT", &format!("/api/v1/apps/{app}/groups/{group}"), Some(json!({}))).await.status, 200);
    okta.admin_adds_to_group("a@x.com", "crew").unwrap();
    let refused = client.send("DELETE", &mine, None).await;
    assert_eq!((refused.status, refused.code()), (403, "E0000046"));
    okta.admin_removes_from_group("a@x.com", "crew").unwrap();
    assert_eq!(client.send("DELETE", &mine, None).await.status, 204);
    assert_eq!(client.send("DELETE", &mine, None).await.status, 404);

    okta.admin_adds_to_group("a@x.com", "crew").unwrap();
    assert_eq!(okta.app_users("google"), [("a@x.com".to_owned(), AppScope::Group)]);
    assert_eq!(client.send("DELETE", &format!("/api/v1/apps/{app}/groups/{group}"), None).await.status, 204);
    assert_eq!(okta.app_users("google"), []);
}

#[tokio::test(start_paused = true)]
async fn deactivation_takes_apps_and_keeps_groups_and_the_way_back_restores_what_groups_give() {
    let org = OktaFake::new()
        .with_group("crew")
        .seeded(&json!({ "apps": [{ "name": "box", "groups": ["crew"] }, { "name": "zoom" }], "users": [{ "login": "a@x.com", "groups": ["crew"], "apps": ["zoom"] }] }));
    let (okta, client) = start(org);
    let user = format!("/api/v1/users/{}", okta.user_id("a@x.com").unwrap());
    assert_eq!(client.get(&format!("{user}/appLinks")).await.each("/appName"), ["box", "zoom"]);
    assert_eq!(client.send("POST", &format!("{user}/lifecycle/deactivate"), None).await.status, 200);
    assert_eq!(client.get(&format!("{user}/appLinks")).await.each("/appName"), [""; 0]);
    assert_eq!(okta.groups_of("a@x.com"), ["crew"]);
    assert_eq!(client.send("POST", &format!("{user}/lifecycle/activate?sendEmail=false"), None).await.status, 200);
    assert_eq!(client.get(&format!("{user}/appLinks")).await.each("/appName"), ["box"]);
}
