//! What the fake's settings and acts do.

use provisionr_testkit::scim::{ActiveForm, Deletes, Filters, Patches, StatusForm};
use provisionr_testkit::{Act, ScimFake};
use serde_json::{Value, json};

use crate::client::start;

#[tokio::test(start_paused = true)]
async fn a_service_departs_from_the_rfc_as_its_settings_say() {
    let seeded = || ScimFake::new().with_user("a@x.com").with_group("crew", &["a@x.com"]);
    let (scim, client) = start(seeded().with_settings(|settings| {
        settings.patch = Patches::Missing;
        settings.filter = Filters::Ignored;
        settings.deletes = Deletes::Deactivates;
        settings.status = StatusForm::Number;
        settings.active = ActiveForm::Text;
        settings.versions = false;
        settings.listed_members = false;
    }));
    let id = scim.user_id("a@x.com").unwrap();
    let refused = client.patch(&format!("Users/{id}"), json!([])).await;
    assert_eq!((refused.status, &refused.body["status"]), (501, &json!(501)));
    let list = client.get("Users?filter=userName eq \"nobody\"").await;
    assert_eq!((&list.body["totalResults"], &list.body["Resources"][0]["active"]), (&json!(1), &json!("True")));
    assert!(list.body["Resources"][0]["meta"].get("version").is_none());
    assert_eq!(client.under("W/\"9\"").send("DELETE", &format!("Users/{id}"), None).await.status, 204);
    assert!(!scim.user("a@x.com").unwrap().is_active());
    assert_eq!((scim.members("crew"), scim.effects("user.deactivated")), (vec!["a@x.com".to_owned()], 1));
    assert!(client.get("Groups").await.body["Resources"][0].get("members").is_none());
    for (filter, status) in [(Filters::Refused, 400), (Filters::Missing, 501), (Filters::NamesAlone, 400)] {
        let (_scim, client) = start(seeded().with_settings(|settings| settings.filter = filter));
        assert_eq!(client.get("Users?filter=emails.value eq \"a@x.com\"").await.status, status, "{filter:?}");
    }
    let (_scim, client) = start(seeded().with_settings(|settings| settings.groups = false));
    assert_eq!(client.get("Groups").await.status, 501);
}

#[tokio::test(start_paused = true)]
async fn a_write_under_an_old_version_changes_nothing() {
    let (scim, client) = start(ScimFake::new().with_user("a@x.com"));
    let target = format!("Users/{}", scim.user_id("a@x.com").unwrap());
    let old = client.get(&target).await;
    let title = |title: &str| json!([{ "op": "replace", "value": { "title": title } }]);
    assert_eq!(client.under(old.version()).patch(&target, title("SE")).await.status, 200);
    for (method, body) in [("PATCH", json!({})), ("PUT", json!({ "userName": "a@x.com" })), ("DELETE", Value::Null)] {
        assert_eq!(client.under(old.version()).send(method, &target, Some(body)).await.status, 412, "{method}");
    }
    assert_eq!(scim.user("a@x.com").unwrap().text("title"), "SE");
    // A repeat has no effect, and no new version.
    let events = scim.events().len();
    client.patch(&target, title("SE")).await;
    assert_eq!(scim.events().len(), events);
}

#[tokio::test(start_paused = true)]
async fn people_and_other_systems_act_past_the_api() {
    let (scim, client) = start(ScimFake::new().with_group("crew", &[]));
    let act = |name: &str, args: Value| scim.act(Act::new(name, args)).unwrap();
    act("create_user", json!({ "email": "a@x.com", "externalId": "E1" }));
    let id = scim.user_id("a@x.com").unwrap();
    act("add_to_group", json!({ "user": "a@x.com", "group": "crew" }));
    let shown = client.get(&format!("Users/{id}")).await.body;
    assert_eq!((&shown["userName"], &shown["groups"][0]["type"]), (&json!("a@x.com"), &json!("direct")));
    act("set_active", json!({ "user": "a@x.com", "active": false }));
    act("delete_user", json!({ "user": "a@x.com" }));
    assert!(scim.members("crew").is_empty());
    let told: Vec<_> = scim.events().iter().map(|event| event.kind.clone()).collect();
    assert_eq!(told, ["user.created", "group.member_added", "user.deactivated", "user.deleted", "group.member_removed"]);
    act("hide_group", json!({ "group": "crew" }));
    assert_eq!(client.get("Groups").await.body["totalResults"], 0);
    let reader = client.with("reader");
    act("set_rights", json!({ "token": "reader", "rights": ["groups.read"] }));
    assert_eq!((reader.get("Groups").await.status, reader.get("Users").await.status), (200, 403));
    assert!(scim.act(Act::new("create_user", json!({ "title": "nobody" }))).is_err());
}
