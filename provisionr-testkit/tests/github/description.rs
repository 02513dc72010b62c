//! The fake answers as the vendor describes: each operation it plays is called, and each answer held against its schema, which may
//! have no fields beside those described. The description is not part of this project; its place is told by `PROVISIONR_SPECS_DIR`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use base64::Engine;
use provisionr_testkit::GithubFake;
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

struct Description {
    document: Value,
    called: BTreeSet<String>,
}

impl Description {
    fn load() -> Option<Self> {
        let path = PathBuf::from(std::env::var_os("PROVISIONR_SPECS_DIR")?).join("github/github-org-access.openapi3.json");
        let mut document: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let schemas = document["components"]["schemas"].as_object_mut().unwrap();
        // Answers have it beside the rest, as other errors do.
        schemas["validation-error"]["properties"]["status"] = json!({ "type": "string" });
        schemas.values_mut().for_each(closed);
        Some(Self { document, called: BTreeSet::new() })
    }

    /// Calls an operation and holds the answer against its schema.
    async fn call(&mut self, client: &Client, operation: &str, params: &[(&str, &str)], query: &str, body: Option<Value>) -> Seen {
        self.call_as(client, GithubFake::TOKEN, operation, params, query, body).await
    }

    async fn call_as(&mut self, client: &Client, token: &str, operation: &str, params: &[(&str, &str)], query: &str, body: Option<Value>) -> Seen {
        let (method, pattern) = operation.split_once(' ').unwrap();
        let path = params.iter().fold(pattern.to_owned(), |path, (name, value)| path.replace(&format!("{{{name}}}"), value));
        let seen = client.send_as(token, method, &format!("{path}{query}"), body).await;
        self.called.insert(operation.to_owned());
        let mut answer = &self.document["paths"][pattern][method.to_lowercase()]["responses"][seen.status.to_string()];
        assert!(answer.is_object(), "{operation} answered {}, which is not described: {}", seen.status, seen.text);
        if let Some(name) = answer["$ref"].as_str() {
            answer = self.document.pointer(name.trim_start_matches('#')).unwrap();
        }
        let schema = &answer["content"]["application/json"]["schema"];
        if schema.is_null() {
            // Of refusals the description often has the status alone.
            assert!(seen.status >= 400 || seen.text.is_empty(), "{operation}: {}", seen.text);
            return seen;
        }
        let whole = json!({ "allOf": [schema], "components": self.document["components"] });
        let validator = jsonschema::options().should_validate_formats(true).build(&whole).unwrap();
        let errors: Vec<String> = validator.iter_errors(&seen.body).map(|error| format!("{} at {}", error, error.instance_path())).collect();
        assert!(errors.is_empty(), "{operation}: {errors:#?}\n{:#}", seen.body);
        seen
    }

    fn operations(&self) -> BTreeSet<String> {
        let paths = self.document["paths"].as_object().unwrap();
        let methods = ["get", "post", "put", "patch", "delete"];
        paths
            .iter()
            .flat_map(|(path, item)| methods.iter().filter(|method| item.get(method).is_some()).map(move |method| format!("{} {path}", method.to_uppercase())))
            .collect()
    }
}

/// Fields nobody described are errors; `nullable` is not of JSON Schema.
fn closed(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.values_mut().for_each(closed);
            if fields.get("nullable") == Some(&json!(true)) {
                let mut one = Value::Object(std::mem::take(fields));
                one.as_object_mut().unwrap().remove("nullable");
                *schema = json!({ "anyOf": [one, { "type": "null" }] });
            } else if fields.get("properties").is_some_and(|properties| properties.get("type") != Some(&json!("object")))
                && fields.get("type") == Some(&json!("object"))
                && !fields.contains_key("additionalProperties")
            {
                fields.insert("additionalProperties".to_owned(), false.into());
            }
        }
        Value::Array(all) => all.iter_mut().for_each(closed),
        _ => {}
    }
}

/// A token an app would sign; the fake holds no keys.
fn signed(now: i64) -> String {
    let part = |value: Value| base64::prelude::BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let claims = json!({ "iss": GithubFake::APP, "iat": now - 60, "exp": now + 540 });
    format!("{}.{}.c2lnbmVk", part(json!({ "alg": "RS256", "typ": "JWT" })), part(claims))
}

#[tokio::test(start_paused = true)]
async fn every_operation_answers_as_described() {
    let Some(mut api) = Description::load() else {
        eprintln!("passed over: PROVISIONR_SPECS_DIR does not say where the vendor's description is");
        return;
    };
    let world = GithubFake::new().with_member("sarah", "member").with_user("guest").with_user("new").seeded(&json!({
        "settings": { "seats": 20 },
        "teams": [{ "name": "Platform" }, { "name": "Platform API", "parent": "platform", "members": { "sarah": "maintainer" } }],
        "repositories": [{ "name": "api" }],
        "invitations": [{ "user": "guest", "failed": "Invitation expired" }],
    }));
    let (fake, client) = start(world);
    let (api, client) = (&mut api, &client);
    let org: &[(&str, &str)] = &[("org", "company"), ("username", "new"), ("team_slug", "platform"), ("owner", "company"), ("repo", "api")];
    let of = |user: &'static str| [&[("username", user)], org].concat();
    for user in ["sarah", "nobody"] {
        api.call(client, "GET /users/{username}", &of(user), "", None).await;
    }
    api.call(client, "GET /user", &[], "", None).await;
    api.call(client, "GET /rate_limit", &[], "", None).await;
    for user in ["sarah", "guest"] {
        api.call(client, "GET /orgs/{org}/members/{username}", &of(user), "", None).await;
    }
    api.call(client, "GET /orgs/{org}", org, "", None).await;
    for query in ["", "?role=admin", "?per_page=1&page=2"] {
        api.call(client, "GET /orgs/{org}/members", org, query, None).await;
    }
    let membership = "/orgs/{org}/memberships/{username}";
    api.call(client, &format!("GET {membership}"), org, "", None).await;
    let sent = api.call(client, &format!("PUT {membership}"), org, "", Some(json!({ "role": "member" }))).await;
    assert_eq!((sent.status, sent.body["state"].as_str()), (200, Some("pending")));
    let invitations = api.call(client, "GET /orgs/{org}/invitations", org, "", None).await;
    let failed = api.call(client, "GET /orgs/{org}/failed_invitations", org, "", None).await;
    assert_eq!((invitations.body.as_array().unwrap().len(), failed.body[0]["failed_reason"].as_str()), (1, Some("Invitation expired")));
    let id = invitations.body[0]["id"].to_string();
    let one = [&[("invitation_id", id.as_str())], org].concat();
    for _ in 0..2 {
        api.call(client, "DELETE /orgs/{org}/invitations/{invitation_id}", &one, "", None).await;
    }
    api.call(client, &format!("PUT {membership}"), org, "", Some(json!({ "role": "owner" }))).await;
    let (new, sarah) = (fake.user_id("new").unwrap().parse::<u64>().unwrap(), fake.user_id("sarah").unwrap().parse::<u64>().unwrap());
    for (invitee, status) in [(new, 201), (sarah, 422), (1, 404)] {
        assert_eq!(api.call(client, "POST /orgs/{org}/invitations", org, "", Some(json!({ "invitee_id": invitee }))).await.status, status);
    }
    let team = "/orgs/{org}/teams/{team_slug}";
    api.call(client, "GET /orgs/{org}/teams", org, "", None).await;
    api.call(client, &format!("GET {team}"), org, "", None).await;
    for user in ["new", "sarah"] {
        api.call(client, &format!("PUT {team}/memberships/{{username}}"), &of(user), "", Some(json!({ "role": "maintainer" }))).await;
        api.call(client, &format!("GET {team}/memberships/{{username}}"), &of(user), "", None).await;
    }
    api.call(client, &format!("GET {team}/members"), org, "", None).await;
    api.call(client, &format!("GET {team}/invitations"), org, "", None).await;
    api.call(client, &format!("DELETE {team}/memberships/{{username}}"), &of("sarah"), "", None).await;
    fake.act(provisionr_testkit::Act::new("link_idp_group", json!({ "team": "platform", "group": "g" }))).unwrap();
    api.call(client, &format!("PUT {team}/memberships/{{username}}"), &of("sarah"), "", None).await;
    api.call(client, &format!("DELETE {team}/memberships/{{username}}"), &of("sarah"), "", None).await;
    for _ in 0..2 {
        api.call(client, &format!("DELETE {membership}"), &of("sarah"), "", None).await;
    }
    api.call(client, &format!("DELETE {membership}"), &of("octo-owner"), "", None).await;

    let repository = "/repos/{owner}/{repo}";
    api.call(client, "GET /orgs/{org}/repos", org, "", None).await;
    let add = format!("PUT {repository}/collaborators/{{username}}");
    assert_eq!(api.call(client, &add, &of("guest"), "", Some(json!({ "permission": "pull" }))).await.status, 201);
    assert_eq!(api.call(client, &add, &of("octo-owner"), "", Some(json!({ "permission": "triage" }))).await.status, 204);
    api.call(client, &add, &of("guest"), "", Some(json!({ "permission": "all" }))).await;
    let open = api.call(client, &format!("GET {repository}/invitations"), org, "", None).await;
    let id = open.body[0]["id"].to_string();
    let one = [&[("invitation_id", id.as_str())], org].concat();
    api.call(client, &format!("PATCH {repository}/invitations/{{invitation_id}}"), &one, "", Some(json!({ "permissions": "write" }))).await;
    api.call(client, &format!("DELETE {repository}/invitations/{{invitation_id}}"), &one, "", None).await;
    for query in ["", "?affiliation=direct", "?affiliation=outside"] {
        api.call(client, &format!("GET {repository}/collaborators"), org, query, None).await;
    }
    for user in ["octo-owner", "guest"] {
        api.call(client, &format!("GET {repository}/collaborators/{{username}}"), &of(user), "", None).await;
    }
    api.call(client, &format!("GET {repository}/collaborators/{{username}}/permission"), &of("octo-owner"), "", None).await;
    api.call(client, &format!("DELETE {repository}/collaborators/{{username}}"), &of("octo-owner"), "", None).await;

    let (jwt, id) = (signed(fake.clock().now().as_millis() / 1000), GithubFake::INSTALLATION.to_string());
    let installation = [("installation_id", id.as_str())];
    api.call_as(client, &jwt, "GET /app/installations/{installation_id}", &installation, "", None).await;
    api.call_as(client, &jwt, "POST /app/installations/{installation_id}/access_tokens", &installation, "", None).await;
    let late = signed(0);
    api.call_as(client, &late, "POST /app/installations/{installation_id}/access_tokens", &installation, "", None).await;

    api.called.extend(NOT_PLAYED.map(str::to_owned));
    assert_eq!(api.operations().difference(&api.called).collect::<Vec<_>>(), [""; 0]);
    let tried = api.called.len() - NOT_PLAYED.len();
    assert_eq!(tried, 31);
}
