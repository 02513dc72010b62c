//! GitHub: one organization with its members, invitations, teams and repositories, over REST and, for bulk reads, GraphQL.
//!
//! Written after GitHub's API description (`rest-api-description`, api.github.com) and <https://docs.github.com/rest>. Where neither says
//! for certain, [`GithubSettings`] has a default and says so. An enterprise that manages its users is played as far as they go
//! ([`GithubFake::with_enterprise`]); its groups are not.

mod answer;
mod auth;
mod graphql;
mod managed;
mod orgs;
mod pace;
mod repos;
mod scim;
mod seed;
mod state;
mod teams;

use std::sync::OnceLock;
use std::time::Duration;

use provisionr_sdk::{Access, Timestamp};
use serde_json::{Value, json};

pub use managed::{GithubEnterprise, GithubIdentity};
pub use state::{GithubInvitation, GithubMember, GithubRepository, GithubSettings, GithubTeam, GithubUser};

use crate::fake::{self, Fake, FakeContext};
use crate::limit::{Limit, Limits};
use crate::link::{Act, ActError};
use crate::message::{FakeRequest, FakeResponse};
use crate::router::{Call, Reply, Router};
use crate::system::FakeSystem;

/// A fake of github.com with the organization [`GithubFake::ORG`].
///
/// A new one has the owner `octo-owner`, their token [`GithubFake::TOKEN`] with the scopes `admin:org` and `repo`, and the installation
/// [`GithubFake::INSTALLATION`] of the app [`GithubFake::APP`].
///
/// Seeds, as JSON or by the builder's methods (every part may be left out; what is named has to be there or to come before):
///
/// ```json
/// {
///   "settings": { "page_size": 3, "seats": 20, "base_permission": "read" },
///   "users": [{ "login": "sarah", "kind": "User", "blocking": false }],
///   "members": [{ "user": "sarah", "role": "member", "enterprise_teams": [] }],
///   "teams": [{ "name": "Platform", "parent": null, "members": { "sarah": "maintainer" }, "repositories": { "api": "write" }, "idp_groups": [] }],
///   "repositories": [{ "name": "api", "collaborators": { "sarah": "read" }, "invitations": { "guest": "write" } }],
///   "invitations": [{ "user": "new", "role": "member", "teams": { "platform": "member" }, "failed": "Invitation expired" },
///                   { "email": "new@company.com", "role": "billing_manager" }],
///   "tokens": [{ "token": "…", "owner": "octo-owner", "scopes": ["read:org"] }],
///   "installations": [{ "id": 7, "app": "Iv1.app", "permissions": { "members": "write", "administration": "write", "metadata": "read" },
///                       "selection": "all", "suspended": false }],
///   "enterprise": { "slug": "acme", "short_code": "acme", "oidc": false, "owners": ["acme_admin"] },
///   "managed": [{ "user_name": "sarah", "external_id": "E1", "email": "sarah@company.com", "given_name": "Sarah", "family_name": "Chen", "active": true }],
///   "limits": [{ "units": 5000, "per_ms": 3600000 }]
/// }
/// ```
///
/// Acts, on a `user`: `accept_invitation`, `decline_invitation`, `expire_invitation`, `invite_member {role?, team?}`, `set_member {role}`,
/// `remove_member`, `join_team {team, role?}`, `leave_team {team}`, `add_collaborator {repository, role}`, `invite_collaborator {repository,
/// role}`, `rename_user {to}`, `delete_user`; `set_active {active}`, `forget_user` (SCIM's deletion), `unlink_user`; further
/// `provision_user {login, email?, external_id?, first_name?, last_name?}` (a managed user: made, or let in again), `deprovision_user {login}` (suspended),
/// `link_idp_group {team, group}`, `hide {team | repository}`, `revoke_token {token}`.
///
/// Events: `invitation.sent`, `invitation.changed`, `invitation.withdrawn`, `invitation.accepted`, `invitation.failed`, `member.changed`,
/// `member.added`, `member.removed`, `team.joined`, `team.changed`, `team.left`, `collaborator.added`, `collaborator.changed`, `collaborator.removed`,
/// `user.created`, `user.updated`, `user.suspended`, `user.unsuspended`, `user.deprovisioned`.
#[derive(Clone)]
pub struct GithubFake {
    org: state::Org,
    auth: auth::Auth,
    limits: Limits,
    pace: pace::Pace,
    /// When invitations to the organization went out.
    sent: Vec<Timestamp>,
}

impl std::fmt::Debug for GithubFake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GithubFake").field("org", &self.org).finish_non_exhaustive()
    }
}

impl Default for GithubFake {
    fn default() -> Self {
        Self::new()
    }
}

impl GithubFake {
    /// The login of the organization.
    pub const ORG: &'static str = "company";
    /// A person's token: that of the owner `octo-owner`.
    pub const TOKEN: &'static str = "ghp_fake0github0token0";
    /// The client id of the app.
    pub const APP: &'static str = "Iv1.fake0app";
    /// Its installation in the organization.
    pub const INSTALLATION: u64 = 4242;

    /// A new organization.
    pub fn new() -> Self {
        let org = state::Org { login: Self::ORG.to_owned(), id: 900, last_id: 1000, ..state::Org::default() };
        Self { org, auth: auth::Auth::default(), limits: Limits::none(), pace: pace::Pace::default(), sent: Vec::new() }.seeded(&json!({
            "users": [{ "login": "octo-owner" }],
            "members": [{ "user": "octo-owner", "role": "admin" }],
            "tokens": [{ "token": Self::TOKEN, "owner": "octo-owner", "scopes": ["admin:org", "repo"] }],
            "installations": [{ "id": Self::INSTALLATION, "app": Self::APP,
                "permissions": { "members": "write", "administration": "write", "metadata": "read" } }],
        }))
    }

    /// The slug of the enterprise that [`with_enterprise`](Self::with_enterprise) adds; the logins of its users end in `_acme`.
    pub const ENTERPRISE: &'static str = "acme";
    /// The token of its setup user, with the scopes `scim:enterprise` and `read:enterprise`.
    pub const SETUP_USER_TOKEN: &'static str = "ghp_fake0setup0user0token0";

    /// The organization is one of an enterprise that manages its users.
    #[must_use]
    pub fn with_enterprise(self) -> Self {
        self.seeded(&json!({
            "users": [{ "login": "acme_admin" }],
            "enterprise": { "slug": Self::ENTERPRISE, "short_code": "acme", "owners": ["acme_admin"] },
            "tokens": [{ "token": Self::SETUP_USER_TOKEN, "owner": "acme_admin", "scopes": ["scim:enterprise", "read:enterprise"] }],
        }))
    }

    /// Adds a seed in its JSON form.
    ///
    /// # Panics
    /// When it is not of that form: an error of the test.
    #[must_use]
    #[track_caller]
    pub fn seeded(self, seed: &Value) -> Self {
        fake::seeded(self, seed)
    }

    /// Adds a person of GitHub who is in nothing.
    #[must_use]
    #[track_caller]
    pub fn with_user(self, login: &str) -> Self {
        self.seeded(&json!({ "users": [{ "login": login }] }))
    }

    /// Adds a person who is a member.
    #[must_use]
    #[track_caller]
    pub fn with_member(self, login: &str, role: &str) -> Self {
        self.seeded(&json!({ "users": [{ "login": login }], "members": [{ "user": login, "role": role }] }))
    }

    /// Adds a user that the enterprise manages.
    #[must_use]
    #[track_caller]
    pub fn with_managed_user(self, user_name: &str) -> Self {
        self.seeded(&json!({ "managed": [{ "user_name": user_name }] }))
    }

    /// Adds a team.
    #[must_use]
    #[track_caller]
    pub fn with_team(self, name: &str) -> Self {
        self.seeded(&json!({ "teams": [{ "name": name }] }))
    }

    /// Adds a repository.
    #[must_use]
    #[track_caller]
    pub fn with_repository(self, name: &str) -> Self {
        self.seeded(&json!({ "repositories": [{ "name": name }] }))
    }

    /// Adds a primary rate limit, which headers tell; there is none otherwise.
    #[must_use]
    pub fn with_limit(mut self, limit: Limit) -> Self {
        self.limits.add(limit);
        self
    }

    /// Sets what is not the same for each organization.
    #[must_use]
    pub fn with_settings(mut self, set: impl FnOnce(&mut GithubSettings)) -> Self {
        set(&mut self.org.settings);
        self
    }

    /// Runs it by a clock of its own.
    pub fn start(self) -> FakeSystem<Self> {
        FakeSystem::new(self)
    }

    /// A person by login, id or node id.
    pub fn user(&self, key: &str) -> Option<&GithubUser> {
        self.org.user(key)
    }

    /// All people, by id.
    pub fn users(&self) -> impl Iterator<Item = &GithubUser> {
        self.org.users.values()
    }

    /// A member of the organization.
    pub fn member(&self, key: &str) -> Option<&GithubMember> {
        self.org.members.get(&self.org.user(key)?.id)
    }

    /// The open invitation of a person to the organization.
    pub fn invitation(&self, key: &str) -> Option<&GithubInvitation> {
        self.org.pending(self.org.user(key)?.id)
    }

    /// All teams, by id.
    pub fn teams(&self) -> impl Iterator<Item = &GithubTeam> {
        self.org.teams.values()
    }

    /// All repositories, by id.
    pub fn repositories(&self) -> impl Iterator<Item = &GithubRepository> {
        self.org.repositories.values()
    }

    /// The node id of a team by slug, name or node id.
    pub fn team_id(&self, key: &str) -> Option<String> {
        self.org.team(key).map(|team| state::node("T", team.id))
    }

    /// The node id of a repository by name or node id.
    pub fn repository_id(&self, key: &str) -> Option<String> {
        self.org.repository(key).map(|repository| state::node("R", repository.id))
    }
}

impl FakeSystem<GithubFake> {
    /// The id of a person, as a text.
    pub fn user_id(&self, login: &str) -> Option<String> {
        self.with(|fake| fake.user(login).map(|user| user.id.to_string()))
    }

    /// The node id of a team by slug or name.
    pub fn team_id(&self, key: &str) -> Option<String> {
        self.with(|fake| fake.team_id(key))
    }

    /// The node id of a repository by name.
    pub fn repository_id(&self, key: &str) -> Option<String> {
        self.with(|fake| fake.repository_id(key))
    }

    /// How many invitations went out.
    pub fn mails(&self) -> usize {
        self.events().iter().filter(|event| event.kind == "invitation.sent").count()
    }
}

fn routes() -> &'static Router<GithubFake> {
    static ROUTES: OnceLock<Router<GithubFake>> = OnceLock::new();
    ROUTES.get_or_init(|| {
        Router::new()
            .get("/rate_limit", rate_limit)
            .get("/user", orgs::me)
            .get("/user/{account_id}", orgs::user_by_id)
            .get("/users/{username}", orgs::user)
            .get("/app/installations/{installation_id}", auth::get)
            .post("/app/installations/{installation_id}/access_tokens", auth::access_token)
            .post("/graphql", graphql::query)
            .get("/orgs/{org}", orgs::get)
            .get("/orgs/{org}/members", orgs::members)
            .get("/orgs/{org}/members/{username}", orgs::is_member)
            .get("/orgs/{org}/memberships/{username}", orgs::membership)
            .put("/orgs/{org}/memberships/{username}", orgs::set_membership)
            .delete("/orgs/{org}/memberships/{username}", orgs::remove_membership)
            .get("/orgs/{org}/invitations", orgs::invitations)
            .post("/orgs/{org}/invitations", orgs::create_invitation)
            .get("/orgs/{org}/failed_invitations", orgs::invitations)
            .delete("/orgs/{org}/invitations/{invitation_id}", orgs::cancel_invitation)
            .get("/orgs/{org}/teams", teams::list)
            .get("/orgs/{org}/teams/{team_slug}", teams::get)
            .get("/orgs/{org}/teams/{team_slug}/team-sync/group-mappings", teams::idp_groups)
            .get("/orgs/{org}/teams/{team_slug}/external-groups", teams::external_groups)
            .get("/orgs/{org}/teams/{team_slug}/members", teams::members)
            .get("/orgs/{org}/teams/{team_slug}/invitations", teams::invitations)
            .get("/orgs/{org}/teams/{team_slug}/memberships/{username}", teams::membership)
            .put("/orgs/{org}/teams/{team_slug}/memberships/{username}", teams::set_membership)
            .delete("/orgs/{org}/teams/{team_slug}/memberships/{username}", teams::remove_membership)
            // Where the `url` of a team leads.
            .get("/organizations/{org_id}/team/{team_id}", teams::get)
            .get("/organizations/{org_id}/team/{team_id}/members", teams::members)
            .get("/organizations/{org_id}/team/{team_id}/invitations", teams::invitations)
            .get("/organizations/{org_id}/team/{team_id}/memberships/{username}", teams::membership)
            .put("/organizations/{org_id}/team/{team_id}/memberships/{username}", teams::set_membership)
            .delete("/organizations/{org_id}/team/{team_id}/memberships/{username}", teams::remove_membership)
            .get("/orgs/{org}/repos", repos::list)
            .get("/repos/{owner}/{repo}", repos::get)
            .get("/repos/{owner}/{repo}/collaborators", repos::collaborators)
            .get("/repos/{owner}/{repo}/collaborators/{username}", repos::is_collaborator)
            .get("/repos/{owner}/{repo}/collaborators/{username}/permission", repos::permission)
            .put("/repos/{owner}/{repo}/collaborators/{username}", repos::add)
            .delete("/repos/{owner}/{repo}/collaborators/{username}", repos::remove)
            .get("/repos/{owner}/{repo}/invitations", repos::invitations)
            .patch("/repos/{owner}/{repo}/invitations/{invitation_id}", repos::change_invitation)
            .delete("/repos/{owner}/{repo}/invitations/{invitation_id}", repos::cancel_invitation)
            .get("/scim/v2/enterprises/{enterprise}/Users", scim::list)
            .post("/scim/v2/enterprises/{enterprise}/Users", scim::create)
            .get("/scim/v2/enterprises/{enterprise}/Users/{scim_user_id}", scim::get)
            .put("/scim/v2/enterprises/{enterprise}/Users/{scim_user_id}", scim::replace)
            .patch("/scim/v2/enterprises/{enterprise}/Users/{scim_user_id}", scim::patch)
            .delete("/scim/v2/enterprises/{enterprise}/Users/{scim_user_id}", scim::delete)
    })
}

/// Where there is no limit: that of a person's token. <https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api>
const GENEROUS: u32 = 5000;

/// What is left, which costs nothing to ask. <https://docs.github.com/rest/rate-limit/rate-limit>
fn rate_limit(fake: &mut GithubFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let reading = fake.limits.look(call.request, cx.now());
    let (limit, remaining, reset) =
        reading.map_or((GENEROUS, GENEROUS, cx.now() + Duration::from_secs(3600)), |reading| (reading.units, reading.remaining, reading.reset));
    let core = json!({ "limit": limit, "used": limit - remaining, "remaining": remaining, "reset": reset.as_millis().div_euclid(1000) + 1 });
    let search = json!({ "limit": 30, "used": 0, "remaining": 30, "reset": cx.now().as_millis().div_euclid(1000) + 60 });
    Ok(FakeResponse::json(200, &json!({ "resources": { "core": core, "search": search, "graphql": core }, "rate": core })))
}

impl Fake for GithubFake {
    fn system_type(&self) -> &'static str {
        "github"
    }

    fn admit(&mut self, request: &FakeRequest, cx: &mut FakeContext) -> Result<(), FakeResponse> {
        if self.org.settings.secondary_limits && !request.path.starts_with("/app/") && !self.pace.count(request, cx.now()) {
            return Err(self.throttle_response(request, Duration::from_secs(60), cx));
        }
        if request.path != "/rate_limit"
            && let Some(reading) = self.limits.count(request, cx.now())
        {
            let exceeded = reading.exceeded;
            cx.set_limit(reading);
            if exceeded {
                // <https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit>
                return Err(answer::message(403, "API rate limit exceeded for user ID 1000."));
            }
        }
        let named = answer::by_names(&self.org, request);
        auth::admit(self, named.as_ref().unwrap_or(request), cx)
    }

    fn handle(&mut self, request: &FakeRequest, cx: &mut FakeContext) -> FakeResponse {
        let named = answer::by_names(&self.org, request);
        routes().dispatch(self, named.as_ref().unwrap_or(request), cx)
    }

    fn access(&self, request: &FakeRequest) -> Option<Access> {
        match request.path.as_str() {
            path if path.starts_with("/app/") => None,
            "/graphql" => Some(Access::Read),
            _ => Some(if request.is_read() { Access::Read } else { Access::Write }),
        }
    }

    fn finish(&self, request: &FakeRequest, response: &mut FakeResponse, cx: &FakeContext) {
        response.add_header("x-github-request-id", format!("FAKE:{:04X}:{:08X}", cx.request_number(), cx.now().as_millis() % 0xFFFF_FFFF));
        if let Some(scopes) = auth::scopes(self, request) {
            response.add_header("x-oauth-scopes", scopes);
        }
        let Some(reading) = cx.limit() else { return };
        let resource = if request.path == "/graphql" { "graphql" } else { "core" };
        for (name, value) in [
            ("x-ratelimit-limit", reading.units.to_string()),
            ("x-ratelimit-remaining", reading.remaining.to_string()),
            ("x-ratelimit-used", reading.units.saturating_sub(reading.remaining).to_string()),
            ("x-ratelimit-reset", (reading.reset.as_millis().div_euclid(1000) + 1).to_string()),
            ("x-ratelimit-resource", resource.to_owned()),
        ] {
            response.add_header(name, value);
        }
    }

    fn seed(&mut self, seed: &Value, cx: &mut FakeContext) -> Result<(), ActError> {
        seed::seed(self, seed, cx)
    }

    fn state(&self) -> Value {
        json!(self.org)
    }

    fn act(&mut self, act: &Act, cx: &mut FakeContext) -> Result<Value, ActError> {
        seed::act(self, act, cx)
    }

    fn snapshot(&self) -> Box<dyn Fake> {
        Box::new(self.clone())
    }

    /// A secondary limit, which shows in no header but `Retry-After`.
    fn throttle_response(&self, _request: &FakeRequest, pause: Duration, _cx: &FakeContext) -> FakeResponse {
        let text = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
        let seconds = pause.as_secs() + u64::from(pause.subsec_nanos() > 0);
        answer::message(self.org.settings.secondary_status, text).with_header("retry-after", seconds.to_string())
    }

    fn error_response(&self, status: u16, _cx: &FakeContext) -> FakeResponse {
        let text = match status {
            401 => "Bad credentials",
            403 => "Resource not accessible by integration",
            404 => "Not Found",
            _ => "Server Error",
        };
        if status < 500 { answer::message(status, text) } else { FakeResponse::bytes(status, "text/html", "<html><body>Unicorn!</body></html>") }
    }
}
