//! GitLab: users, groups and projects with their members, invitations, identities of a group's provider.
//!
//! Written after GitLab's API description (2025-03) and <https://docs.gitlab.com/api/rest/>. Where neither says for certain,
//! [`GitlabSettings`] has a default and says so.

mod answer;
mod groups;
mod members;
mod seed;
mod state;
mod users;

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};

pub use state::{GitlabIdentity, GitlabInvitation, GitlabMember, GitlabSettings, GitlabSource, GitlabUser, Offering, Plan, Sort};

use crate::fake::{self, Fake, FakeContext};
use crate::limit::{Limit, Limits};
use crate::link::{Act, ActError};
use crate::message::{FakeRequest, FakeResponse};
use crate::router::Router;
use crate::system::FakeSystem;

/// A fake of one GitLab instance, self-managed or gitlab.com.
///
/// A new instance has the administrator `root` and their token [`GitlabFake::TOKEN`]; one of gitlab.com
/// ([`GitlabFake::gitlab_com`]) has a top-level group and its owner `owner`, whose token it is.
///
/// Seeds, as JSON or by the builder's methods (every part may be left out; groups above a path are made):
///
/// ```json
/// {
///   "settings": { "offering": "gitlab_com", "plan": "ultimate", "page_size": 3, "approve_promotions": false },
///   "groups": [{ "path": "company/eng", "ldap_links": { "engineers": 30 }, "saml_links": {}, "shared_with": { "other": 30 }, "membership_lock": false }],
///   "projects": [{ "path": "company/eng/api", "name": "API" }],
///   "users": [{ "username": "sarah", "email": "sarah@company.com", "state": "active", "admin": false, "enterprise_group": "company",
///               "identities": [{ "provider": "group_saml", "extern_uid": "emp-7", "group": "company" }], "profile": { "location": "Paris" } }],
///   "members": [{ "group": "company/eng", "user": "sarah", "access_level": 30, "expires_at": "2031-01-31", "member_role_id": 7, "awaiting": false }],
///   "invitations": [{ "project": "company/eng/api", "email": "new@company.com", "access_level": 30 }],
///   "tokens": [{ "token": "…", "owner": "root", "scopes": ["read_api"] }],
///   "limits": [{ "units": 7200, "per_ms": 3600000 }],
///   "application_limits": [{ "on": { "method": "GET", "path": "/api/v4/users/*" }, "units": 300, "per_ms": 600000 }]
/// }
/// ```
///
/// `limits` are told in the headers of each answer, `application_limits` are not.
///
/// Acts: `saml_login {extern_uid, email, username?, name?, group?, provider?, access_level?}` (the first login),
/// `provision_user {email, external_id, first_name?, last_name?, group?, provider?}` (over SCIM: made, or let in again), `deprovision_user {email,
/// group?}` (blocked; with a group of gitlab.com out of it and all below), `accept_invitation {email, as?, username?, enterprise_group?}`, `log_in {user}`, `set_user {user, state?, email?, provider?}`,
/// `delete_user {user}`, and on a `group` or `project`: `set_member {user, access_level, expires_at?, member_role_id?}`,
/// `remove_member {user}`, `link_ldap {cn, access_level?}`, `link_saml {name, access_level?}`, `hide`, `move {to}` (into a group); `revoke_token {token}`.
///
/// Events: `user.created`, `user.updated`, `user.state_changed`, `user.deleted`, `user.mail`, `group.created`, `member.added`,
/// `member.changed`, `member.removed`, `member.mail`, `invitation.sent`, `invitation.changed`, `invitation.withdrawn`,
/// `invitation.accepted`, `identity.changed`, `identity.deleted`.
#[derive(Clone)]
pub struct GitlabFake {
    instance: state::Instance,
    tokens: BTreeMap<String, state::Grantee>,
    limits: Limits,
    application_limits: Limits,
}

impl std::fmt::Debug for GitlabFake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GitlabFake").field("instance", &self.instance).finish_non_exhaustive()
    }
}

impl Default for GitlabFake {
    fn default() -> Self {
        Self::new()
    }
}

impl GitlabFake {
    /// The token of the administrator, or of the owner of the top-level group.
    pub const TOKEN: &'static str = "glpat-fake-gitlab-token0";

    fn empty() -> Self {
        Self { instance: state::Instance::default(), tokens: BTreeMap::new(), limits: Limits::none(), application_limits: Limits::none() }
    }

    /// A new instance of one's own.
    pub fn new() -> Self {
        Self::empty().seeded(&json!({ "users": [{ "username": "root", "admin": true }], "tokens": [{ "token": Self::TOKEN, "owner": "root" }] }))
    }

    /// gitlab.com, with a top-level group and its owner.
    #[must_use]
    #[track_caller]
    pub fn gitlab_com(group: &str) -> Self {
        Self::empty().seeded(&json!({
            "settings": { "offering": "gitlab_com" },
            "groups": [{ "path": group }],
            "users": [{ "username": "owner", "enterprise_group": group }],
            "members": [{ "group": group, "user": "owner", "access_level": 50 }],
            "tokens": [{ "token": Self::TOKEN, "owner": "owner" }],
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

    /// Adds a group by its full path.
    #[must_use]
    #[track_caller]
    pub fn with_group(self, path: &str) -> Self {
        self.seeded(&json!({ "groups": [{ "path": path }] }))
    }

    /// Adds a project by its full path.
    #[must_use]
    #[track_caller]
    pub fn with_project(self, path: &str) -> Self {
        self.seeded(&json!({ "projects": [{ "path": path }] }))
    }

    /// Adds an active user with the address `{username}@example.com`.
    #[must_use]
    #[track_caller]
    pub fn with_user(self, username: &str) -> Self {
        self.seeded(&json!({ "users": [{ "username": username }] }))
    }

    /// Adds a direct member of a group.
    #[must_use]
    #[track_caller]
    pub fn with_member(self, group: &str, user: &str, access_level: u64) -> Self {
        self.seeded(&json!({ "members": [{ "group": group, "user": user, "access_level": access_level }] }))
    }

    /// Adds a rate limit that headers tell; there is none otherwise.
    #[must_use]
    pub fn with_limit(mut self, limit: Limit) -> Self {
        self.limits.add(limit);
        self
    }

    /// Adds the limits of gitlab.com: <https://docs.gitlab.com/user/gitlab_com/#rate-limits-on-gitlabcom>
    #[must_use]
    pub fn with_limits_of_gitlab_com(mut self) -> Self {
        let minute = Duration::from_secs(60);
        self.limits.add(Limit::new(2000, minute).on("*", "/api/v4/**"));
        for (path, units, per) in [
            ("/api/v4/users/*", 300, 10 * minute),
            ("/api/v4/groups", 200, minute),
            ("/api/v4/groups/*", 400, minute),
            ("/api/v4/groups/*/projects", 600, minute),
        ] {
            self.application_limits.add(Limit::new(units, per).on("GET", path));
        }
        self
    }

    /// Sets what is not the same for each instance.
    #[must_use]
    pub fn with_settings(mut self, set: impl FnOnce(&mut GitlabSettings)) -> Self {
        set(&mut self.instance.settings);
        self
    }

    /// Runs it by a clock of its own.
    pub fn start(self) -> FakeSystem<Self> {
        FakeSystem::new(self)
    }

    /// A user by id, username or address.
    pub fn user(&self, key: &str) -> Option<&GitlabUser> {
        self.instance.user(key)
    }

    /// All users, by id.
    pub fn users(&self) -> impl Iterator<Item = &GitlabUser> {
        self.instance.users.values()
    }

    /// A group or project by id or full path.
    pub fn source_at(&self, sort: Sort, key: &str) -> Option<&GitlabSource> {
        self.instance.source(sort, key)
    }

    /// All groups, or all projects, by id.
    pub fn all(&self, sort: Sort) -> impl Iterator<Item = &GitlabSource> {
        self.instance.sources(sort).values()
    }

    /// The groups above a group or project, nearest first.
    pub fn above(&self, source: &GitlabSource) -> Vec<&GitlabSource> {
        self.instance.ancestors(source)
    }
}

impl FakeSystem<GitlabFake> {
    /// A user by id, username or address.
    pub fn user(&self, key: &str) -> Option<GitlabUser> {
        self.with(|fake| fake.user(key).cloned())
    }

    /// The id of a group or project, as a text.
    pub fn id_of(&self, sort: Sort, path: &str) -> Option<String> {
        self.with(|fake| fake.source_at(sort, path).map(|source| source.id.to_string()))
    }

    /// A direct membership.
    pub fn member(&self, sort: Sort, path: &str, user: &str) -> Option<GitlabMember> {
        self.with(|fake| fake.source_at(sort, path)?.members.get(&fake.user(user)?.id).cloned())
    }

    /// How many mails went to people, invitations included.
    pub fn mails(&self) -> usize {
        self.events().iter().filter(|event| matches!(event.kind.as_str(), "user.mail" | "member.mail" | "invitation.sent")).count()
    }
}

fn routes() -> &'static Router<GitlabFake> {
    static ROUTES: OnceLock<Router<GitlabFake>> = OnceLock::new();
    ROUTES.get_or_init(|| {
        Router::new()
            .get("/api/v4/user", users::me)
            .get("/api/v4/personal_access_tokens/self", users::token)
            .get("/api/v4/users", users::list)
            .post("/api/v4/users", users::create)
            .get("/api/v4/users/{id}", users::get)
            .put("/api/v4/users/{id}", users::update)
            .delete("/api/v4/users/{id}", users::delete)
            .post("/api/v4/users/{id}/{verb}", users::moderate)
            .get("/api/v4/users/{user_id}/memberships", users::memberships)
            .get("/api/v4/groups", groups::list)
            .post("/api/v4/groups", groups::create)
            .get("/api/v4/groups/{id}/subgroups", groups::below)
            .get("/api/v4/groups/{id}/descendant_groups", groups::below)
            .get("/api/v4/groups/{id}/projects", groups::below)
            .get("/api/v4/groups/{id}/provisioned_users", groups::provisioned)
            .get("/api/v4/groups/{id}/pending_members", groups::pending)
            .get("/api/v4/groups/{id}/billable_members", groups::billable)
            .get("/api/v4/groups/{id}/billable_members/{user_id}/memberships", groups::billable_memberships)
            .get("/api/v4/groups/{id}/saml_group_links", groups::saml_links)
            .put("/api/v4/groups/{id}/members/{user_id}/state", members::set_state)
            .get("/api/v4/projects", groups::list)
            .get("/api/v4/groups/{id}/saml/identities", groups::identities)
            .get("/api/v4/groups/{id}/saml/{uid}", groups::get_identity)
            .patch("/api/v4/groups/{id}/saml/{uid}", groups::change_identity)
            .delete("/api/v4/groups/{id}/saml/{uid}", groups::delete_identity)
            .get("/api/v4/groups/{id}/scim/identities", groups::identities)
            .get("/api/v4/groups/{id}/scim/{uid}", groups::get_identity)
            .patch("/api/v4/groups/{id}/scim/{uid}", groups::change_identity)
            .delete("/api/v4/groups/{id}/scim/{uid}", groups::delete_identity)
            .get("/api/v4/groups/{id}", groups::get)
            .get("/api/v4/groups/{id}/members", members::list)
            .post("/api/v4/groups/{id}/members", members::add)
            .get("/api/v4/groups/{id}/members/all", members::list)
            .get("/api/v4/groups/{id}/members/all/{user_id}", members::get)
            .get("/api/v4/groups/{id}/members/{user_id}", members::get)
            .put("/api/v4/groups/{id}/members/{user_id}", members::edit)
            .delete("/api/v4/groups/{id}/members/{user_id}", members::remove)
            .get("/api/v4/groups/{id}/invitations", members::invitations)
            .post("/api/v4/groups/{id}/invitations", members::invite)
            .put("/api/v4/groups/{id}/invitations/{email}", members::edit_invitation)
            .delete("/api/v4/groups/{id}/invitations/{email}", members::withdraw)
            .get("/api/v4/projects/{id}", groups::get)
            .get("/api/v4/projects/{id}/members", members::list)
            .post("/api/v4/projects/{id}/members", members::add)
            .get("/api/v4/projects/{id}/members/all", members::list)
            .get("/api/v4/projects/{id}/members/all/{user_id}", members::get)
            .get("/api/v4/projects/{id}/members/{user_id}", members::get)
            .put("/api/v4/projects/{id}/members/{user_id}", members::edit)
            .delete("/api/v4/projects/{id}/members/{user_id}", members::remove)
            .get("/api/v4/projects/{id}/invitations", members::invitations)
            .post("/api/v4/projects/{id}/invitations", members::invite)
            .put("/api/v4/projects/{id}/invitations/{email}", members::edit_invitation)
            .delete("/api/v4/projects/{id}/invitations/{email}", members::withdraw)
    })
}

impl GitlabFake {
    /// Who is asking, by a personal, group or project token in either header. <https://docs.gitlab.com/api/rest/authentication/>
    fn enter(&self, request: &FakeRequest, cx: &mut FakeContext) -> Result<(), FakeResponse> {
        let bearer = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        let token = request.header("private-token").or(bearer);
        let grantee = token.and_then(|token| self.tokens.get(token)).ok_or_else(|| answer::message(401, "401 Unauthorized"))?;
        let has = |scope: &str| grantee.scopes.contains(scope);
        let allowed = has("api") || (request.is_read() && has("read_api"));
        if !allowed {
            let text = "The request requires higher privileges than provided by the access token.";
            return Err(FakeResponse::json(403, &json!({ "error": "insufficient_scope", "error_description": text, "scope": "api read_api" })));
        }
        cx.set_caller(grantee.owner.to_string());
        Ok(())
    }
}

/// The throttle that counts users of the API.
const THROTTLE: &str = "throttle_authenticated_api";

impl Fake for GitlabFake {
    fn system_type(&self) -> &'static str {
        "gitlab"
    }

    fn admit(&mut self, request: &FakeRequest, cx: &mut FakeContext) -> Result<(), FakeResponse> {
        if let Some(reading) = self.limits.count(request, cx.now()) {
            let (exceeded, pause) = (reading.exceeded, reading.reset.since(cx.now()));
            cx.set_limit(reading);
            if exceeded {
                return Err(self.throttle_response(request, pause, cx));
            }
        }
        self.enter(request, cx)?;
        // These never show in headers. <https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/>
        if self.application_limits.count(request, cx.now()).is_some_and(|reading| reading.exceeded) {
            return Err(answer::message(429, json!({ "error": "This endpoint has been requested too many times. Try again later." })));
        }
        Ok(())
    }

    fn handle(&mut self, request: &FakeRequest, cx: &mut FakeContext) -> FakeResponse {
        routes().dispatch(self, request, cx)
    }

    fn finish(&self, _request: &FakeRequest, response: &mut FakeResponse, cx: &FakeContext) {
        response.add_header("x-request-id", format!("01FAKE{:0>20}", cx.request_number()));
        response.add_header("date", fake::http_date(cx.now()));
        let Some(reading) = cx.limit().filter(|_| response.header("ratelimit-limit").is_none()) else { return };
        response.add_header("ratelimit-name", THROTTLE);
        response.add_header("ratelimit-limit", reading.units.to_string());
        response.add_header("ratelimit-observed", (reading.units - reading.remaining).to_string());
        response.add_header("ratelimit-remaining", reading.remaining.to_string());
        response.add_header("ratelimit-reset", (reading.reset.as_millis().div_euclid(1000) + 1).to_string());
    }

    fn seed(&mut self, seed: &Value, cx: &mut FakeContext) -> Result<(), ActError> {
        seed::seed(self, seed, cx)
    }

    fn state(&self) -> Value {
        json!({ "users": self.instance.users, "groups": self.instance.groups, "projects": self.instance.projects })
    }

    fn act(&mut self, act: &Act, cx: &mut FakeContext) -> Result<Value, ActError> {
        seed::act(self, act, cx)
    }

    fn snapshot(&self) -> Box<dyn Fake> {
        Box::new(self.clone())
    }

    fn throttle_response(&self, _request: &FakeRequest, pause: Duration, cx: &FakeContext) -> FakeResponse {
        let limit = cx.limit().map_or(2000, |reading| reading.units);
        let reset = cx.now() + pause;
        let seconds = pause.as_secs() + u64::from(pause.subsec_nanos() > 0);
        FakeResponse::bytes(429, "text/plain", "Retry later\n")
            .with_header("ratelimit-name", THROTTLE)
            .with_header("ratelimit-limit", limit.to_string())
            .with_header("ratelimit-observed", (limit + 1).to_string())
            .with_header("ratelimit-remaining", "0")
            .with_header("ratelimit-reset", reset.as_millis().div_euclid(1000).to_string())
            .with_header("ratelimit-resettime", fake::http_date(reset))
            .with_header("retry-after", seconds.to_string())
    }

    fn error_response(&self, status: u16, _cx: &FakeContext) -> FakeResponse {
        match status {
            401 => answer::message(401, "401 Unauthorized"),
            403 => answer::forbidden(),
            404 => answer::not_found(""),
            400 => answer::message(400, "400 Bad request"),
            500 => answer::message(500, "500 Internal Server Error"),
            _ => FakeResponse::bytes(status, "text/html", "<html><body>GitLab is not responding</body></html>"),
        }
    }
}
