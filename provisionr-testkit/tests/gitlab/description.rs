//! The fake is asked and answers as the vendor describes: each operation it plays is called.

use provisionr_testkit::GitlabFake;
use provisionr_testkit::description::{Description, FOLDER};
use serde_json::{Value, json};

use crate::client::{Client, Seen, start};

/// What of the description the fake does not play: nothing of provisionr asks for it.
const NOT_PLAYED: [&str; 6] = [
    "DELETE /api/v4/users/{id}/identities/{provider}",
    "GET /api/v4/groups/{id}/users",
    "GET /api/v4/projects/{id}/users",
    "DELETE /api/v4/groups/{id}/billable_members/{user_id}",
    "POST /api/v4/groups/{id}/saml_group_links",
    "GET /api/v4/groups/{id}/billable_members",
];

/// Calls an operation of the description.
async fn call(client: &Client, operation: &str, params: &[(&str, &str)], query: &str, body: Option<Value>) -> Seen {
    let (method, pattern) = operation.split_once(' ').unwrap();
    let path = params.iter().fold(pattern.to_owned(), |path, (name, value)| path.replace(&format!("{{{name}}}"), &value.replace('/', "%2F")));
    client.send(method, &format!("{path}{query}"), body).await
}

#[tokio::test(start_paused = true)]
async fn every_operation_answers_as_described() {
    let Some(description) = Description::of("gitlab") else {
        eprintln!("passed over: {FOLDER} does not say where the vendor's description is");
        return;
    };
    let links = json!({ "groups": [{ "path": "linked", "ldap_links": { "eng": 30 }, "saml_links": { "eng": 30 }, "shared_with": { "crew": 30 } }] });
    let instance = GitlabFake::new().with_group("crew/sub").with_project("crew/sub/api").with_group("spare").seeded(&links).with_settings(|settings| {
        settings.plan = provisionr_testkit::gitlab::Plan::Ultimate;
        settings.page_size = 20;
    });
    let (fake, client) = start(instance);
    fake.record_exchanges();
    let client = &client;
    call(client, "GET /api/v4/user", &[], "", None).await;
    let body = json!({ "email": "s@x.com", "name": "S", "username": "s", "force_random_password": true, "provider": "saml", "extern_uid": "e" });
    let made = call(client, "POST /api/v4/users", &[], "", Some(body)).await;
    let id = made.body["id"].to_string();
    let user: &[(&str, &str)] = &[("id", &id), ("user_id", &id)];
    for query in [
        "",
        "?username=S",
        "?search=s@x.com",
        "?extern_uid=e&provider=saml",
        "?pagination=keyset&order_by=id&sort=asc",
        "?pagination=keyset&order_by=id&sort=asc&cursor=e30",
    ] {
        call(client, "GET /api/v4/users", &[], query, None).await;
    }
    call(client, "GET /api/v4/users/{id}", user, "", None).await;
    call(client, "GET /api/v4/users/{id}", &[("id", "99999")], "", None).await;
    call(client, "PUT /api/v4/users/{id}", user, "", Some(json!({ "location": "Paris" }))).await;
    for verb in ["deactivate", "activate", "block", "unblock", "ban", "unban"] {
        call(client, &format!("POST /api/v4/users/{{id}}/{verb}"), user, "", None).await;
    }
    for query in ["", "?search=cre", "?all_available=true&order_by=id&sort=asc"] {
        call(client, "GET /api/v4/groups", &[], query, None).await;
    }
    call(client, "POST /api/v4/groups", &[], "", Some(json!({ "name": "New", "path": "new" }))).await;
    for group in ["crew", "crew/sub", "linked"] {
        call(client, "GET /api/v4/groups/{id}", &[("id", group)], "", None).await;
    }
    let crew: &[(&str, &str)] = &[("id", "crew")];
    for list in ["subgroups", "descendant_groups", "projects"] {
        call(client, &format!("GET /api/v4/groups/{{id}}/{list}"), crew, "", None).await;
    }
    call(client, "GET /api/v4/groups/{id}/saml_group_links", &[("id", "linked")], "", None).await;
    call(client, "GET /api/v4/projects/{id}", &[("id", "crew/sub/api")], "", None).await;

    for (sort, path) in [("projects", "crew/sub/api"), ("groups", "crew/sub")] {
        let all = format!("/api/v4/{sort}/{{id}}");
        let here: &[(&str, &str)] = &[("id", path), ("user_id", &id), ("email", "n@x.com")];
        call(client, &format!("POST {all}/members"), here, "", Some(json!({ "user_id": made.body["id"], "access_level": 30 }))).await;
        let edit = json!({ "access_level": 40, "expires_at": "2031-01-31", "member_role_id": 7 });
        call(client, &format!("PUT {all}/members/{{user_id}}"), here, "", Some(edit)).await;
        for query in ["", "?query=s", "?per_page=1"] {
            call(client, &format!("GET {all}/members"), here, query, None).await;
            call(client, &format!("GET {all}/members/all"), here, query, None).await;
        }
        call(client, &format!("GET {all}/members/{{user_id}}"), here, "", None).await;
        call(client, &format!("GET {all}/members/all/{{user_id}}"), here, "", None).await;
        let invitation =
            client.post(&format!("/api/v4/{sort}/{}/invitations", path.replace('/', "%2F")), json!({ "email": "n@x.com", "access_level": 30 })).await;
        assert_eq!((invitation.status, invitation.body), (201, json!({ "status": "success" })));
        for query in ["", "?query=n@x.com"] {
            call(client, &format!("GET {all}/invitations"), here, query, None).await;
        }
        call(client, &format!("PUT {all}/invitations/{{email}}"), here, "", Some(json!({ "access_level": 20 }))).await;
        call(client, &format!("DELETE {all}/invitations/{{email}}"), here, "", None).await;
        call(client, &format!("DELETE {all}/invitations/{{email}}"), here, "", None).await;
    }
    call(client, "GET /api/v4/users/{user_id}/memberships", user, "", None).await;
    call(client, "PUT /api/v4/groups/{id}/members/{user_id}/state", &[("id", "crew/sub"), ("user_id", &id)], "", Some(json!({ "state": "active" }))).await;
    for (sort, path) in [("projects", "crew/sub/api"), ("groups", "crew/sub")] {
        let here: &[(&str, &str)] = &[("id", path), ("user_id", &id)];
        call(client, &format!("DELETE /api/v4/{sort}/{{id}}/members/{{user_id}}"), here, "?skip_subresources=true", None).await;
    }
    for provider in ["saml", "scim"] {
        let kind = if provider == "saml" { "group_saml" } else { "scim" };
        let args = json!({ "group": "crew", "extern_uid": "u-1", "email": format!("{provider}@x.com"), "provider": kind });
        fake.act(provisionr_testkit::Act::new("saml_login", args)).unwrap();
        let here: &[(&str, &str)] = &[("id", "crew"), ("uid", "u-1")];
        let (list, one) = (format!("/api/v4/groups/{{id}}/{provider}/identities"), format!("/api/v4/groups/{{id}}/{provider}/{{uid}}"));
        call(client, &format!("GET {list}"), here, "", None).await;
        call(client, &format!("GET {one}"), here, "", None).await;
        call(client, &format!("PATCH {one}"), here, "", Some(json!({ "extern_uid": "u-2" }))).await;
        call(client, &format!("GET {one}"), here, "", None).await;
        call(client, &format!("DELETE {one}"), &[("id", "crew"), ("uid", "u-2")], "", None).await;
    }
    call(client, "GET /api/v4/groups/{id}/provisioned_users", crew, "", None).await;
    call(client, "DELETE /api/v4/users/{id}", user, "", None).await;

    for beyond in ["groups/crew/pending_members", "groups/crew/billable_members/1/memberships", "personal_access_tokens/self", "projects"] {
        client.get(&format!("/api/v4/{beyond}")).await;
    }

    let held = description.hold(&fake.exchanges());
    assert_eq!(held.violations, [].into());
    assert_eq!(held.left, NOT_PLAYED.map(str::to_owned).into());
    assert_eq!(held.called.len(), 53);
    assert_eq!(description.unmet(), [""; 0]);
}
