//! Records, and what forbids them.

use provisionr_testkit::{Act, SalesforceFake};
use serde_json::{Value, json};

use crate::client::start;

#[tokio::test(start_paused = true)]
async fn a_slash_at_the_end_changes_nothing() {
    let (_, client) = start(SalesforceFake::new());
    for path in ["query/?q=SELECT Id FROM User", "limits/"] {
        assert_eq!(client.send_as(SalesforceFake::TOKEN, "GET", &format!("/services/data/v62.0/{path}"), None).await.status, 200, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn ids_have_the_vendors_form() {
    let (fake, _) = start(SalesforceFake::new().with_permission_set("CPQ").with_permission_set_group("Sales").with_group("Team").with_role("EMEA"));
    for (object, name, prefix) in [
        ("User", SalesforceFake::ADMIN, "005"),
        ("PermissionSet", "CPQ", "0PS"),
        ("PermissionSetGroup", "Sales", "0PG"),
        ("Group", "Team", "00G"),
        ("UserRole", "EMEA", "00E"),
        ("Profile", "Standard User", "00e"),
    ] {
        let id = fake.id(object, name).unwrap();
        assert!(id.starts_with(prefix) && id.len() == 18, "{object} {id}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_needs_nine_fields_a_name_of_its_own_and_a_seat() {
    let (fake, client) = start(SalesforceFake::new());
    fake.act(Act::new("set_seats", json!({ "license": "Salesforce", "total": 2 }))).unwrap();
    let user = |name: &str| {
        json!({ "Username": name, "LastName": "Chen", "Email": "s@x.com", "Alias": "schen", "ProfileId": fake.id("Profile", "Standard User"), "TimeZoneSidKey": "GMT",
                "LocaleSidKey": "en_US", "EmailEncodingKey": "UTF-8", "LanguageLocaleKey": "en_US" })
    };
    for name in user("s@x.com").as_object().unwrap().keys() {
        let mut without = user("s@x.com");
        without.as_object_mut().unwrap().remove(name);
        assert_eq!(client.create("User", without).await.code(), "REQUIRED_FIELD_MISSING", "{name}");
    }
    let with = |name: &str, value: Value| {
        let mut user = user("s@x.com");
        user[name] = value;
        user
    };
    assert_eq!(client.create("User", with("Alias", "much too long".into())).await.code(), "STRING_TOO_LONG");
    assert_eq!(client.create("User", with("Username", "no address".into())).await.code(), "INVALID_EMAIL_ADDRESS");
    assert_eq!(client.create("User", with("ProfileId", "00eDn0000099999AAA".into())).await.code(), "INVALID_CROSS_REFERENCE_KEY");
    assert_eq!(client.create("User", user("ADMIN@example.com")).await.code(), "DUPLICATE_USERNAME");
    assert_eq!(client.create("User", user("s@x.com")).await.status, 201);
    let full = client.create("User", user("t@x.com")).await;
    assert_eq!((full.code(), full.body[0]["message"].as_str()), ("LICENSE_LIMIT_EXCEEDED", Some("License Limit Exceeded - Salesforce")));
    assert_eq!((fake.effects("user.created"), fake.with(|fake| fake.seats_taken("Salesforce"))), (1, 2));
    // The inside of the profile came along, and a second user of nobody was not made.
    let mirrors = client.query(&format!("SELECT Id FROM PermissionSetAssignment WHERE AssigneeId = '{}'", fake.id("User", "s@x.com").unwrap())).await;
    assert_eq!(mirrors.body["totalSize"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_membership_that_is_there_is_answered_as_if_made() {
    let (fake, client) = start(SalesforceFake::new().with_group("Team").with_user("a@x.com"));
    let row = json!({ "GroupId": fake.id("Group", "Team"), "UserOrGroupId": fake.id("User", "a@x.com") });
    let (first, second) = (client.create("GroupMember", row.clone()).await, client.create("GroupMember", row).await);
    assert_eq!((first.status, second.status, first.id() == second.id(), fake.effects("member.added")), (201, 201, true, 1));
}

#[tokio::test(start_paused = true)]
async fn a_list_is_cut_into_pages_and_its_locators_age() {
    let (fake, client) = start(SalesforceFake::new().with_user("a@x.com").with_user("b@x.com").with_user("c@x.com"));
    let page = client.query("SELECT Id FROM User").await.body;
    assert_eq!((&page["totalSize"], &page["done"], page["records"].as_array().unwrap().len()), (&json!(4), &json!(false), 3));
    let next = page["nextRecordsUrl"].as_str().unwrap().strip_prefix("/services/data/v62.0").unwrap().to_owned();
    let rest = client.send("GET", &next, None).await.body;
    assert_eq!((&rest["done"], rest["records"].as_array().unwrap().len()), (&json!(true), 1));
    fake.act(Act::new("expire_cursors", json!({}))).unwrap();
    assert_eq!(client.send("GET", &next, None).await.code(), "INVALID_QUERY_LOCATOR");
}

#[tokio::test(start_paused = true)]
async fn conditions_compare_as_soql_does() {
    let org = SalesforceFake::new().seeded(&json!({ "users": [{ "username": "O'Neil@x.com", "fields": { "FederationIdentifier": "emp-7" } }] }));
    let (fake, client) = start(org);
    let count = async |condition: &str| client.query(&format!("SELECT Id FROM User WHERE {condition}")).await.body["totalSize"].clone();
    assert_eq!(count(r"Username = 'o\'neil@X.com'").await, 1);
    assert_eq!(count("FederationIdentifier = ''").await, 1);
    assert_eq!(count("FederationIdentifier != null AND IsActive = true").await, 1);
    let id = fake.id("User", "O'Neil@x.com").unwrap();
    assert_eq!(count(&format!("Id IN ('{}', '005Dn0000099999AAA')", &id[..15])).await, 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_played_fails_aloud() {
    let (fake, client) = start(SalesforceFake::new());
    for (method, target) in [("POST", "/composite/batch"), ("PATCH", "/sobjects/User/Ext__c/7"), ("PUT", "/sobjects/User/1")] {
        assert_eq!(client.send(method, target, Some(json!({}))).await.status, 501, "{target}");
    }
    assert_eq!(fake.take_problems().len(), 3);
}
