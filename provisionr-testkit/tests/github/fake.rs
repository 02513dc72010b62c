//! What the description does not say: credentials, limits, pages, GraphQL, and who is dropped with a membership.

use std::time::Duration;

use provisionr_http::Transport;
use provisionr_testkit::{GithubFake, Limit};
use serde_json::{Value, json};

use crate::client::start;

#[tokio::test(start_paused = true)]
async fn tokens_keep_to_their_scopes_and_apps_to_their_permissions() {
    let tokens = json!({ "tokens": [{ "token": "ghp_read", "owner": "octo-owner", "scopes": ["read:org"] }] });
    let (fake, client) = start(GithubFake::new().with_user("sarah").seeded(&tokens));
    let put = async |token: &str| client.send_as(token, "PUT", "/orgs/company/memberships/sarah", None).await.status;
    assert_eq!((put("ghp_none").await, put("ghp_read").await, put(GithubFake::TOKEN).await), (401, 403, 200));
    let read = client.send_as("ghp_read", "GET", "/orgs/company/invitations", None).await;
    assert_eq!((read.status, read.header("x-oauth-scopes")), (200, "read:org"));
    // What may not be seen looks as if it were not there.
    assert_eq!(client.send_as("ghp_read", "GET", "/repos/company/api/invitations", None).await.status, 404);
    assert!(!format!("{:?}", fake.with(Clone::clone)).contains(GithubFake::TOKEN));
}

#[tokio::test(start_paused = true)]
async fn the_scheme_of_a_token_may_be_written_as_clients_do() {
    let fake = GithubFake::new().start();
    let ask = async |scheme: &str| {
        let request = http::Request::get("https://api.github.test/user").header("user-agent", "test");
        let request = request.header("authorization", format!("{scheme} {}", GithubFake::TOKEN)).body(bytes::Bytes::new()).unwrap();
        fake.transport().send(request).await.unwrap().status().as_u16()
    };
    assert_eq!((ask("Bearer").await, ask("bearer").await, ask("token").await, ask("Basic").await), (200, 200, 200, 401));
}

#[tokio::test(start_paused = true)]
async fn the_primary_limit_is_a_refusal_of_rights_by_its_status() {
    let (_fake, client) = start(GithubFake::new().with_limit(Limit::new(1, Duration::from_secs(3600))));
    let first = client.get("/users/octo-owner").await;
    assert_eq!((first.status, first.header("x-ratelimit-limit"), first.header("x-ratelimit-resource")), (200, "1", "core"));
    let second = client.get("/users/octo-owner").await;
    assert_eq!((second.status, second.header("x-ratelimit-remaining"), second.header("retry-after")), (403, "0", ""));
}

#[tokio::test(start_paused = true)]
async fn what_is_left_of_a_limit_costs_nothing_to_ask() {
    let (_fake, client) = start(GithubFake::new().with_limit(Limit::new(2, Duration::from_secs(3600))));
    client.get("/users/octo-owner").await;
    for _ in 0..3 {
        let core = &client.get("/rate_limit").await.body["resources"]["core"];
        assert_eq!((&core["limit"], &core["used"], &core["remaining"]), (&json!(2), &json!(1), &json!(1)));
    }
    assert_eq!(client.get("/users/octo-owner").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_team_is_where_its_url_says() {
    let (_fake, client) = start(GithubFake::new().with_member("sarah", "member").with_team("Platform"));
    let url = client.get("/orgs/company/teams/platform").await.body["url"].as_str().unwrap().to_owned();
    let membership = format!("{url}/memberships/sarah");
    assert_eq!(client.get(&url).await.body["slug"], "platform");
    assert_eq!(client.send("PUT", &membership, Some(json!({ "role": "maintainer" }))).await.body["role"], "maintainer");
    assert_eq!(client.get(&membership).await.body["url"], json!(membership));
    assert_eq!(client.send_as("ghp_none", "GET", &membership, None).await.status, 401);
    assert_eq!(client.get(&url.replace("organizations/900", "organizations/901")).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_repository_says_what_the_caller_may_do() {
    let tokens = json!([{ "token": "ghp_sarah", "owner": "sarah", "scopes": ["repo"] }, { "token": "ghp_guest", "owner": "guest", "scopes": ["repo"] }]);
    let world = GithubFake::new()
        .with_member("sarah", "member")
        .with_user("guest")
        .with_repository("api")
        .seeded(&json!({ "tokens": tokens, "settings": { "base_permission": "read" } }));
    let (_fake, client) = start(world);
    let mine = client.send_as("ghp_sarah", "GET", "/repos/company/api", None).await.body;
    assert_eq!((&mine["full_name"], &mine["permissions"]["admin"], &mine["permissions"]["pull"]), (&json!("company/api"), &json!(false), &json!(true)));
    assert_eq!(client.send_as("ghp_guest", "GET", "/repos/company/api", None).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn pages_lead_on_by_links_of_the_host_that_was_called_and_by_ids() {
    let world = (0..5).fold(GithubFake::new(), |world, number| world.with_team(&format!("team-{number}")));
    let (_fake, client) = start(world);
    let (mut at, mut names) = ("/orgs/company/teams?per_page=2".to_owned(), Vec::new());
    loop {
        let seen = client.get(&at).await;
        names.extend(seen.body.as_array().unwrap().iter().map(|team| team["slug"].as_str().unwrap().to_owned()));
        let Some(next) = seen.next() else { break };
        assert!(next.starts_with("https://api.github.test/organizations/900/teams?"), "{next}");
        at = next;
    }
    assert_eq!(names, ["team-0", "team-1", "team-2", "team-3", "team-4"]);
}

#[tokio::test(start_paused = true)]
async fn graphql_shows_what_is_asked_for_and_nulls_with_errors() {
    let (fake, client) = start(GithubFake::new().with_member("sarah", "member").seeded(&json!({
        "repositories": [{ "name": "api", "collaborators": { "sarah": "triage" } }],
        "teams": [{ "name": "Platform", "members": { "sarah": "member" }, "repositories": { "api": "write" } }],
    })));
    let ask = async |query: &str, variables: Value| client.send("POST", "/graphql", Some(json!({ "query": query, "variables": variables }))).await.body;
    let query = "query Q($id: ID!) { found: node(id: $id) { __typename ... on Team { slug } ... on Repository { \
                 collaborators(first: 9, login: SARAH) { edges { permissionSources { roleName permission source { __typename } } } } } } }";
    let seen = ask(query, json!({ "id": fake.repository_id("api") })).await;
    let sources = json!([
        { "roleName": "triage", "permission": "READ", "source": { "__typename": "Repository" } },
        { "roleName": "write", "permission": "WRITE", "source": { "__typename": "Team" } },
    ]);
    assert_eq!(seen, json!({ "data": { "found": { "__typename": "Repository", "collaborators": { "edges": [{ "permissionSources": sources }] } } } }));
    let gone = ask(query, json!({ "id": "R_gone" })).await;
    assert_eq!((&gone["data"]["found"], gone["errors"][0]["type"].as_str()), (&Value::Null, Some("NOT_FOUND")));
    // A field nobody described is loud.
    assert!(ask("{ organization(login: company) { billing } }", json!({})).await["fake"].is_string());
    assert!(fake.take_problems()[0].contains("field billing of Organization"));
}

#[tokio::test(start_paused = true)]
async fn leaving_takes_teams_and_repositories_along() {
    let (fake, client) = start(GithubFake::new().with_member("sarah", "member").seeded(&json!({
        "teams": [{ "name": "Platform", "members": { "sarah": "member" } }],
        "repositories": [{ "name": "api", "collaborators": { "sarah": "admin" } }],
    })));
    assert_eq!(client.send("DELETE", "/orgs/company/memberships/sarah", None).await.status, 204);
    assert!(fake.with(|fake| fake.teams().all(|team| team.members.is_empty()) && fake.repositories().all(|one| one.direct.is_empty())));
    assert_eq!(client.send("DELETE", "/orgs/company/memberships/sarah", None).await.status, 404);
}
