//! The fake is asked and answers as the vendor describes: each operation it plays is called.

use base64::Engine;
use provisionr_testkit::GithubFake;
use provisionr_testkit::description::{Description, FOLDER};
use serde_json::{Value, json};

use crate::client::{Client, Seen, start};

/// What of the description the fake does not play: neither provisionr nor the clients in the tests ask for it.
const NOT_PLAYED: [&str; 22] = [
    "GET /app",
    "GET /app/installations",
    "GET /orgs/{org}/installation",
    "GET /orgs/{org}/invitations/{invitation_id}/teams",
    "DELETE /orgs/{org}/members/{username}",
    "GET /orgs/{org}/organization-roles",
    "PUT /orgs/{org}/organization-roles/teams/{team_slug}/{role_id}",
    "DELETE /orgs/{org}/organization-roles/teams/{team_slug}/{role_id}",
    "PUT /orgs/{org}/organization-roles/users/{username}/{role_id}",
    "DELETE /orgs/{org}/organization-roles/users/{username}/{role_id}",
    "GET /orgs/{org}/organization-roles/{role_id}/teams",
    "GET /orgs/{org}/organization-roles/{role_id}/users",
    "GET /orgs/{org}/outside_collaborators",
    "PUT /orgs/{org}/outside_collaborators/{username}",
    "DELETE /orgs/{org}/outside_collaborators/{username}",
    "POST /orgs/{org}/teams",
    "GET /orgs/{org}/teams/{team_slug}/repos",
    "GET /orgs/{org}/teams/{team_slug}/repos/{owner}/{repo}",
    "PUT /orgs/{org}/teams/{team_slug}/repos/{owner}/{repo}",
    "DELETE /orgs/{org}/teams/{team_slug}/repos/{owner}/{repo}",
    "GET /orgs/{org}/teams/{team_slug}/teams",
    "GET /repos/{owner}/{repo}/teams",
];

/// Calls an operation of the description.
async fn call(client: &Client, operation: &str, params: &[(&str, &str)], query: &str, body: Option<Value>) -> Seen {
    call_as(client, GithubFake::TOKEN, operation, params, query, body).await
}

async fn call_as(client: &Client, token: &str, operation: &str, params: &[(&str, &str)], query: &str, body: Option<Value>) -> Seen {
    let (method, pattern) = operation.split_once(' ').unwrap();
    let path = params.iter().fold(pattern.to_owned(), |path, (name, value)| path.replace(&format!("{{{name}}}"), value));
    client.send_as(token, method, &format!("{path}{query}"), body).await
}

/// A token an app would sign; the fake holds no keys.
fn signed(now: i64) -> String {
    let part = |value: Value| base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({ "iss": GithubFake::APP, "iat": now - 60, "exp": now + 540 });
    format!("{}.{}.c2lnbmVk", part(json!({ "alg": "RS256", "typ": "JWT" })), part(claims))
}

#[tokio::test(start_paused = true)]
async fn every_operation_answers_as_described() {
    let Some(description) = Description::of("github") else {
        eprintln!("passed over: {FOLDER} does not say where the vendor's description is");
        return;
    };
    let world = GithubFake::new().with_member("sarah", "member").with_user("guest").with_user("new").seeded(&json!({
        "settings": { "seats": 20 },
        "teams": [{ "name": "Platform" }, { "name": "Platform API", "parent": "platform", "members": { "sarah": "maintainer" } }],
        "repositories": [{ "name": "api" }],
        "invitations": [{ "user": "guest", "failed": "Invitation expired" }],
    }));
    let (fake, client) = start(world);
    fake.record_exchanges();
    let client = &client;
    let org: &[(&str, &str)] = &[("org", "company"), ("username", "new"), ("team_slug", "platform"), ("owner", "company"), ("repo", "api")];
    let of = |user: &'static str| [&[("username", user)], org].concat();
    for user in ["sarah", "nobody"] {
        call(client, "GET /users/{username}", &of(user), "", None).await;
    }
    call(client, "GET /user", &[], "", None).await;
    call(client, "GET /rate_limit", &[], "", None).await;
    for user in ["sarah", "guest"] {
        call(client, "GET /orgs/{org}/members/{username}", &of(user), "", None).await;
    }
    call(client, "GET /orgs/{org}", org, "", None).await;
    for query in ["", "?role=admin", "?per_page=1&page=2"] {
        call(client, "GET /orgs/{org}/members", org, query, None).await;
    }
    let membership = "/orgs/{org}/memberships/{username}";
    call(client, &format!("GET {membership}"), org, "", None).await;
    let sent = call(client, &format!("PUT {membership}"), org, "", Some(json!({ "role": "member" }))).await;
    assert_eq!((sent.status, sent.body["state"].as_str()), (200, Some("pending")));
    let invitations = call(client, "GET /orgs/{org}/invitations", org, "", None).await;
    let failed = call(client, "GET /orgs/{org}/failed_invitations", org, "", None).await;
    assert_eq!((invitations.body.as_array().unwrap().len(), failed.body[0]["failed_reason"].as_str()), (1, Some("Invitation expired")));
    let id = invitations.body[0]["id"].to_string();
    let one = [&[("invitation_id", id.as_str())], org].concat();
    for _ in 0..2 {
        call(client, "DELETE /orgs/{org}/invitations/{invitation_id}", &one, "", None).await;
    }
    call(client, &format!("PUT {membership}"), org, "", Some(json!({ "role": "owner" }))).await;
    let (new, sarah) = (fake.user_id("new").unwrap().parse::<u64>().unwrap(), fake.user_id("sarah").unwrap().parse::<u64>().unwrap());
    for (invitee, status) in [(new, 201), (sarah, 422), (1, 404)] {
        assert_eq!(call(client, "POST /orgs/{org}/invitations", org, "", Some(json!({ "invitee_id": invitee }))).await.status, status);
    }
    let team = "/orgs/{org}/teams/{team_slug}";
    call(client, "GET /orgs/{org}/teams", org, "", None).await;
    call(client, &format!("GET {team}"), org, "", None).await;
    for user in ["new", "sarah"] {
        call(client, &format!("PUT {team}/memberships/{{username}}"), &of(user), "", Some(json!({ "role": "maintainer" }))).await;
        call(client, &format!("GET {team}/memberships/{{username}}"), &of(user), "", None).await;
    }
    call(client, &format!("GET {team}/members"), org, "", None).await;
    call(client, &format!("GET {team}/invitations"), org, "", None).await;
    call(client, &format!("DELETE {team}/memberships/{{username}}"), &of("sarah"), "", None).await;
    fake.act(provisionr_testkit::Act::new("link_idp_group", json!({ "team": "platform", "group": "g" }))).unwrap();
    call(client, &format!("PUT {team}/memberships/{{username}}"), &of("sarah"), "", None).await;
    call(client, &format!("DELETE {team}/memberships/{{username}}"), &of("sarah"), "", None).await;
    for _ in 0..2 {
        call(client, &format!("DELETE {membership}"), &of("sarah"), "", None).await;
    }
    call(client, &format!("DELETE {membership}"), &of("octo-owner"), "", None).await;

    let repository = "/repos/{owner}/{repo}";
    call(client, "GET /orgs/{org}/repos", org, "", None).await;
    let add = format!("PUT {repository}/collaborators/{{username}}");
    assert_eq!(call(client, &add, &of("guest"), "", Some(json!({ "permission": "pull" }))).await.status, 201);
    assert_eq!(call(client, &add, &of("octo-owner"), "", Some(json!({ "permission": "triage" }))).await.status, 204);
    call(client, &add, &of("guest"), "", Some(json!({ "permission": "all" }))).await;
    let open = call(client, &format!("GET {repository}/invitations"), org, "", None).await;
    let id = open.body[0]["id"].to_string();
    let one = [&[("invitation_id", id.as_str())], org].concat();
    call(client, &format!("PATCH {repository}/invitations/{{invitation_id}}"), &one, "", Some(json!({ "permissions": "write" }))).await;
    call(client, &format!("DELETE {repository}/invitations/{{invitation_id}}"), &one, "", None).await;
    for query in ["", "?affiliation=direct", "?affiliation=outside"] {
        call(client, &format!("GET {repository}/collaborators"), org, query, None).await;
    }
    for user in ["octo-owner", "guest"] {
        call(client, &format!("GET {repository}/collaborators/{{username}}"), &of(user), "", None).await;
    }
    call(client, &format!("GET {repository}/collaborators/{{username}}/permission"), &of("octo-owner"), "", None).await;
    call(client, &format!("DELETE {repository}/collaborators/{{username}}"), &of("octo-owner"), "", None).await;

    let (jwt, id) = (signed(fake.clock().now().as_millis() / 1000), GithubFake::INSTALLATION.to_string());
    let installation = [("installation_id", id.as_str())];
    call_as(client, &jwt, "GET /app/installations/{installation_id}", &installation, "", None).await;
    call_as(client, &jwt, "POST /app/installations/{installation_id}/access_tokens", &installation, "", None).await;
    let late = signed(0);
    call_as(client, &late, "POST /app/installations/{installation_id}/access_tokens", &installation, "", None).await;

    let groups = "/orgs/company/teams/platform/team-sync/group-mappings";
    for beyond in [groups, "/orgs/company/teams/platform/external-groups", "/user/1"] {
        client.get(beyond).await;
    }
    client.send("POST", "/graphql", Some(json!({ "query": "{ organization(login: \"company\") { id } }" }))).await;

    let mut held = description.hold(&fake.exchanges());
    let violations: Vec<String> = held.violations.iter().map(ToString::to_string).collect();
    assert_eq!(violations, ["PUT /orgs/{org}/memberships/{username}: request: body: /role: value is not one of \"admin\" or \"member\""]);
    // Enterprises and their people are another flavour.
    held.left.retain(|operation| !operation.contains("/enterprises/") && !operation.contains("/scim/"));
    assert_eq!(held.left, NOT_PLAYED.map(str::to_owned).into());
    assert_eq!(held.called.len(), 31);
    let unmet: Vec<_> = description.unmet().into_iter().filter(|known| !known.contains("/scim/")).collect();
    assert_eq!(unmet, [""; 0]);
}
