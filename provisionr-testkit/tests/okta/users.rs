//! Users and their lifecycle.

use provisionr_testkit::OktaFake;
use provisionr_testkit::okta::UserStatus;
use serde_json::json;

use crate::client::start;

#[tokio::test(start_paused = true)]
async fn a_user_is_created_with_groups_and_waits_for_the_person() {
    let (okta, client) = start(OktaFake::new().with_group("sales-team"));
    let group = okta.group_id("sales-team").unwrap();
    let profile = json!({ "login": "sarah@company.com", "email": "sarah@company.com", "firstName": "Sarah", "lastName": "Chen" });
    let made = client.post("/api/v1/users?activate=true", json!({ "profile": profile, "groupIds": [group] })).await;
    assert_eq!((made.status, &made.body["status"]), (200, &json!("PROVISIONED")));
    let id = made.body["id"].as_str().unwrap();
    assert!(id.starts_with("00u") && id.len() == 20, "{id}");
    assert_eq!(made.body["_links"]["self"]["href"], format!("https://acme.okta.com/api/v1/users/{id}"));
    assert_eq!(okta.members("sales-team"), ["sarah@company.com"]);
    assert_eq!(okta.mails_to("sarah@company.com"), 1);
    okta.log_in("sarah@company.com").unwrap();
    assert_eq!(client.get("/api/v1/users/sarah%40company.com").await.body["status"], "ACTIVE");

    let again = client.post("/api/v1/users", json!({ "profile": profile })).await;
    assert_eq!((again.status, again.code()), (400, "E0000001"));
    assert_eq!(again.body["errorCauses"][0]["errorSummary"], "login: An object with this field already exists in the current organization");
    assert_eq!(okta.effects("user.created"), 1);
}

#[tokio::test(start_paused = true)]
async fn wrong_states_have_their_own_answers() {
    let (okta, client) = start(OktaFake::new().with_user("a@x.com"));
    let id = okta.user_id("a@x.com").unwrap();
    let post = async |verb: &str| {
        let seen = client.send("POST", &format!("/api/v1/users/{id}/lifecycle/{verb}"), None).await;
        (seen.status, seen.code().to_owned())
    };
    let ok = (200, String::new());
    let refused = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(post("activate").await, refused(403, "E0000016"));
    assert_eq!(post("unsuspend").await, refused(400, "E0000001"));
    assert_eq!(post("suspend").await, ok);
    assert_eq!(post("suspend").await, refused(400, "E0000001"));
    assert_eq!(post("activate").await, refused(403, "E0000038"));
    assert_eq!(post("unlock").await, refused(403, "E0000032"));
    assert_eq!(post("unsuspend").await, ok);
    assert_eq!(post("reactivate").await, refused(403, "E0000038"));
    assert_eq!(post("deactivate").await, ok);
    assert_eq!(post("deactivate").await, refused(403, "E0000038"));
    assert_eq!(okta.status("a@x.com"), Some(UserStatus::Deprovisioned));
}
