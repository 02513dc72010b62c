//! GitHub's form of answers: errors, objects, pages.

use provisionr_sdk::Timestamp;
use serde_json::{Map, Value, json};

use super::state::{GithubInvitation, GithubRepository, GithubTeam, GithubUser, Org, ROLES, node};
use crate::fake::FakeContext;
use crate::message::{FakeRequest, FakeResponse};

const DOCS: &str = "https://docs.github.com/rest";

pub(super) fn message(status: u16, text: &str) -> FakeResponse {
    FakeResponse::json(status, &json!({ "message": text, "documentation_url": DOCS, "status": status.to_string() }))
}

/// A refusal for a reason that has a code.
pub(super) fn invalid(text: &str, code: &str, field: &str) -> FakeResponse {
    let errors = json!([{ "resource": "Organization", "field": field, "code": code, "message": text }]);
    FakeResponse::json(422, &json!({ "message": text, "errors": errors, "documentation_url": DOCS, "status": "422" }))
}

pub(super) fn not_found() -> FakeResponse {
    message(404, "Not Found")
}

pub(super) fn fields(request: &FakeRequest) -> Result<Map<String, Value>, FakeResponse> {
    if request.body.is_empty() {
        return Ok(Map::new());
    }
    request.json().map_err(|_| message(400, "Problems parsing JSON"))
}

/// Times have whole seconds.
pub(super) fn time(at: Timestamp) -> String {
    let text = at.to_string();
    format!("{}Z", text.trim_end_matches('Z').split('.').next().unwrap_or_default())
}

fn put(object: &mut Value, name: &str, value: impl Into<Value>) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value.into());
    }
}

pub(super) fn user(user: &GithubUser, cx: &FakeContext) -> Value {
    let (url, login) = (format!("{}/users/{}", cx.base_url(), user.login), &user.login);
    json!({
        "login": login, "id": user.id, "node_id": node("U", user.id), "avatar_url": format!("https://avatars.githubusercontent.com/u/{}?v=4", user.id),
        "gravatar_id": "", "url": url, "html_url": format!("https://github.com/{login}"), "followers_url": format!("{url}/followers"),
        "following_url": format!("{url}/following{{/other_user}}"), "gists_url": format!("{url}/gists{{/gist_id}}"),
        "starred_url": format!("{url}/starred{{/owner}}{{/repo}}"), "subscriptions_url": format!("{url}/subscriptions"),
        "organizations_url": format!("{url}/orgs"), "repos_url": format!("{url}/repos"), "events_url": format!("{url}/events{{/privacy}}"),
        "received_events_url": format!("{url}/received_events"), "type": user.kind, "site_admin": false, "user_view_type": "public",
    })
}

pub(super) fn profile(of: &GithubUser, cx: &FakeContext) -> Value {
    let mut shown = user(of, cx);
    for name in ["name", "company", "location", "email", "hireable", "bio", "twitter_username"] {
        put(&mut shown, name, Value::Null);
    }
    put(&mut shown, "blog", "");
    for name in ["public_repos", "public_gists", "followers", "following"] {
        put(&mut shown, name, 0);
    }
    put(&mut shown, "created_at", "2020-01-01T00:00:00Z");
    put(&mut shown, "updated_at", "2020-01-01T00:00:00Z");
    shown
}

pub(super) fn organization(org: &Org, cx: &FakeContext) -> Value {
    let url = format!("{}/orgs/{}", cx.base_url(), org.login);
    json!({
        "login": org.login, "id": org.id, "node_id": node("O", org.id), "url": url, "repos_url": format!("{url}/repos"),
        "events_url": format!("{url}/events"), "hooks_url": format!("{url}/hooks"), "issues_url": format!("{url}/issues"),
        "members_url": format!("{url}/members{{/member}}"), "public_members_url": format!("{url}/public_members{{/member}}"),
        "avatar_url": "https://avatars.githubusercontent.com/u/1?v=4", "description": "",
    })
}

/// One organization by itself.
pub(super) fn full_organization(org: &Org, cx: &FakeContext) -> Value {
    let mut shown = organization(org, cx);
    for name in ["has_organization_projects", "has_repository_projects"] {
        put(&mut shown, name, true);
    }
    for name in ["public_repos", "public_gists", "followers", "following"] {
        put(&mut shown, name, 0);
    }
    put(&mut shown, "html_url", format!("https://github.com/{}", org.login));
    put(&mut shown, "type", "Organization");
    put(&mut shown, "default_repository_permission", org.settings.base_permission.as_str());
    for name in ["created_at", "updated_at"] {
        put(&mut shown, name, "2020-01-01T00:00:00Z");
    }
    put(&mut shown, "archived_at", Value::Null);
    if cx.caller().and_then(|key| org.user(key)).is_some_and(|user| org.is_admin(user.id)) {
        for name in ["total_private_repos", "owned_private_repos"] {
            put(&mut shown, name, org.repositories.len());
        }
    }
    if let Some(seats) = org.settings.seats {
        put(&mut shown, "plan", json!({ "name": "team", "space": 976_562_499, "private_repos": 999_999, "filled_seats": org.seats().len(), "seats": seats }));
    }
    shown
}

/// The membership of a person, or their invitation.
pub(super) fn membership(org: &Org, of: &GithubUser, cx: &FakeContext) -> Option<Value> {
    let member = org.members.get(&of.id);
    let pending = org.pending(of.id);
    let (state, role) = match (member, pending) {
        (Some(member), _) => ("active", &member.role),
        (None, Some(pending)) => ("pending", &pending.role),
        (None, None) => return None,
    };
    let url = format!("{}/orgs/{}", cx.base_url(), org.login);
    let mut shown = json!({
        "url": format!("{url}/memberships/{}", of.login), "state": state, "role": role, "organization_url": url,
        "direct_membership": member.is_none_or(|member| member.direct), "organization": organization(org, cx), "user": user(of, cx),
    });
    if let Some(member) = member.filter(|member| !member.enterprise_teams.is_empty()) {
        put(&mut shown, "enterprise_teams_providing_indirect_membership", json!(member.enterprise_teams));
    }
    Some(shown)
}

pub(super) fn invitation(org: &Org, of: &GithubInvitation, cx: &FakeContext) -> Value {
    let login = of.user.and_then(|user| org.users.get(&user)).map(|user| user.login.as_str());
    let inviter = cx.caller().and_then(|key| org.user(key)).or_else(|| org.users.values().next());
    let role = if of.role == "member" { "direct_member" } else { &of.role };
    let (at, why) = of.failed.clone().map_or((None, None), |(at, why)| (Some(time(at)), Some(why)));
    json!({
        "id": of.id, "node_id": node("OI", of.id), "login": login, "email": of.email, "role": role, "created_at": time(of.created), "failed_at": at,
        "failed_reason": why, "inviter": inviter.map(|inviter| user(inviter, cx)), "team_count": of.teams.len(), "invitation_source": "member",
        "invitation_teams_url": format!("{}/organizations/{}/invitations/{}/teams", cx.base_url(), org.id, of.id),
    })
}

pub(super) fn team(org: &Org, of: &GithubTeam, cx: &FakeContext) -> Value {
    let url = format!("{}/organizations/{}/team/{}", cx.base_url(), org.id, of.id);
    let mut shown = json!({
        "id": of.id, "node_id": node("T", of.id), "name": of.name, "slug": of.slug, "description": null, "privacy": "closed",
        "notification_setting": "notifications_enabled", "permission": "pull", "url": url,
        "html_url": format!("https://github.com/orgs/{}/teams/{}", org.login, of.slug), "members_url": format!("{url}/members{{/member}}"),
        "repositories_url": format!("{url}/repos"), "type": "organization", "organization_id": org.id, "parent": null,
    });
    if let Some(parent) = of.parent.and_then(|id| org.teams.get(&id)) {
        let mut above = team(org, parent, cx);
        if let Some(above) = above.as_object_mut() {
            above.remove("parent");
        }
        put(&mut shown, "parent", above);
    }
    shown
}

/// One team by itself.
pub(super) fn full_team(org: &Org, of: &GithubTeam, cx: &FakeContext) -> Value {
    let mut shown = team(org, of, cx);
    let above = full_organization(org, cx);
    put(&mut shown, "members_count", of.members.len());
    put(&mut shown, "repos_count", of.repositories.len());
    put(&mut shown, "created_at", "2020-01-01T00:00:00Z");
    put(&mut shown, "updated_at", "2020-01-01T00:00:00Z");
    put(&mut shown, "organization", above);
    shown
}

/// What of a repository is there whoever looks. Addresses are left to the one list that has them all.
pub(super) fn repository(org: &Org, of: &GithubRepository, cx: &FakeContext) -> Value {
    let owner = GithubUser::organization(org);
    let (url, full) = (format!("{}/repos/{}/{}", cx.base_url(), org.login, of.name), format!("{}/{}", org.login, of.name));
    let mut shown = json!({
        "id": of.id, "node_id": node("R", of.id), "name": of.name, "full_name": full, "owner": user(&owner, cx), "private": true,
        "html_url": format!("https://github.com/{full}"), "description": null, "fork": false, "url": url,
    });
    for (name, path) in ADDRESSES {
        put(&mut shown, &format!("{name}_url"), format!("{url}/{path}"));
    }
    shown
}

const ADDRESSES: [(&str, &str); 36] = [
    ("archive", "{archive_format}{/ref}"),
    ("assignees", "assignees{/user}"),
    ("blobs", "git/blobs{/sha}"),
    ("branches", "branches{/branch}"),
    ("collaborators", "collaborators{/collaborator}"),
    ("comments", "comments{/number}"),
    ("commits", "commits{/sha}"),
    ("compare", "compare/{base}...{head}"),
    ("contents", "contents/{+path}"),
    ("contributors", "contributors"),
    ("deployments", "deployments"),
    ("downloads", "downloads"),
    ("events", "events"),
    ("forks", "forks"),
    ("git_commits", "git/commits{/sha}"),
    ("git_refs", "git/refs{/sha}"),
    ("git_tags", "git/tags{/sha}"),
    ("issue_comment", "issues/comments{/number}"),
    ("issue_events", "issues/events{/number}"),
    ("issues", "issues{/number}"),
    ("keys", "keys{/key_id}"),
    ("labels", "labels{/name}"),
    ("languages", "languages"),
    ("merges", "merges"),
    ("milestones", "milestones{/number}"),
    ("notifications", "notifications{?since,all,participating}"),
    ("pulls", "pulls{/number}"),
    ("releases", "releases{/id}"),
    ("stargazers", "stargazers"),
    ("statuses", "statuses/{sha}"),
    ("subscribers", "subscribers"),
    ("subscription", "subscription"),
    ("tags", "tags"),
    ("teams", "teams"),
    ("trees", "git/trees{/sha}"),
    ("hooks", "hooks"),
];

pub(super) fn repository_invitation(org: &Org, of: &GithubRepository, id: u64, cx: &FakeContext) -> Option<Value> {
    let (who, role, created) = of.invitations.get(&id)?;
    let inviter = org.users.values().next()?;
    Some(json!({
        "id": id, "node_id": node("RI", id), "repository": repository(org, of, cx), "invitee": user(org.users.get(who)?, cx), "inviter": user(inviter, cx),
        "permissions": role, "created_at": time(*created), "expired": false, "url": format!("{}/user/repository_invitations/{id}", cx.base_url()),
        "html_url": format!("https://github.com/{}/{}/invitations", org.login, of.name),
    }))
}

/// What a role comes to.
pub(super) fn permissions(role: &str) -> Map<String, Value> {
    let rank = ROLES.iter().position(|(_, name)| *name == role).unwrap_or(0);
    ROLES.iter().enumerate().map(|(at, (name, _))| ((*name).to_owned(), (at <= rank).into())).collect()
}

/// A collaborator with the role that counts.
pub(super) fn collaborator(of: &GithubUser, role: &str, cx: &FakeContext) -> Value {
    let mut shown = user(of, cx);
    put(&mut shown, "permissions", permissions(role));
    put(&mut shown, "role_name", role);
    shown
}

/// One page of items, with `Link`, which names the list by ids. <https://docs.github.com/rest/using-the-rest-api/using-pagination-in-the-rest-api>
pub(super) fn page(org: &Org, request: &FakeRequest, cx: &FakeContext, items: impl IntoIterator<Item = Value>) -> FakeResponse {
    let items: Vec<Value> = items.into_iter().collect();
    let whole = |name: &str| request.query(name).and_then(|text| text.parse::<usize>().ok());
    let size = whole("per_page").unwrap_or(30).clamp(1, 100).min(org.settings.page_size);
    let number = whole("page").unwrap_or(1).max(1);
    let shown: Vec<&Value> = items.iter().skip((number - 1) * size).take(size).collect();
    let link = |value: usize, rel: &str| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(url::form_urlencoded::parse(request.query.as_bytes()).filter(|(known, _)| known != "page"));
        format!("<{}{}?{}>; rel=\"{rel}\"", cx.base_url(), by_ids(org, &request.segments()), query.append_pair("page", &value.to_string()).finish())
    };
    let last = items.len().div_ceil(size).max(1);
    let mut links = Vec::new();
    if number > 1 {
        links.extend([link(number - 1, "prev"), link(1, "first")]);
    }
    if number < last {
        links.extend([link(number + 1, "next"), link(last, "last")]);
    }
    let answer = FakeResponse::json(200, &json!(shown));
    if links.is_empty() { answer } else { answer.with_header("link", links.join(", ")) }
}

/// The path of a list as links have it.
fn by_ids(org: &Org, segments: &[String]) -> String {
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["orgs", _, "teams", slug, rest @ ..] => match org.teams.values().find(|team| team.slug == *slug) {
            Some(team) => format!("/organizations/{}/team/{}/{}", org.id, team.id, rest.join("/")),
            None => format!("/{}", path.join("/")),
        },
        ["orgs", _, rest @ ..] => format!("/organizations/{}/{}", org.id, rest.join("/")),
        ["repos", _, name, rest @ ..] => match org.repositories.values().find(|one| one.name.eq_ignore_ascii_case(name)) {
            Some(one) => format!("/repositories/{}/{}", one.id, rest.join("/")),
            None => format!("/{}", path.join("/")),
        },
        _ => format!("/{}", path.join("/")),
    }
}

/// The request by names, where it is one of a link's.
pub(super) fn by_names(org: &Org, request: &FakeRequest) -> Option<FakeRequest> {
    let segments = request.segments();
    let path: Vec<&str> = segments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u64>().ok();
    let path = match path.as_slice() {
        ["organizations", id, "team", team, rest @ ..] if number(id) == Some(org.id) => {
            format!("/orgs/{}/teams/{}/{}", org.login, org.teams.get(&number(team)?)?.slug, rest.join("/"))
        }
        ["organizations", id, rest @ ..] if number(id) == Some(org.id) => format!("/orgs/{}/{}", org.login, rest.join("/")),
        ["repositories", id, rest @ ..] => format!("/repos/{}/{}/{}", org.login, org.repositories.get(&number(id)?)?.name, rest.join("/")),
        _ => return None,
    };
    Some(FakeRequest { path: path.trim_end_matches('/').to_owned(), ..request.clone() })
}

/// Reports parameters the fake would ignore: a test must not pass because of them.
pub(super) fn known_parameters(request: &FakeRequest, cx: &mut FakeContext, known: &[&str]) -> Result<(), FakeResponse> {
    let mut names = url::form_urlencoded::parse(request.query.as_bytes()).map(|(name, _)| name.into_owned());
    match names.find(|name| !known.contains(&name.as_str()) && !["page", "per_page"].contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(cx.unsupported(request, &format!("query parameter `{name}`"))),
    }
}
