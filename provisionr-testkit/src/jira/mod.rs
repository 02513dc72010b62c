//! Jira Cloud: users with their privacy, groups, projects with roles, licences, and the credentials of site and gateway.
//!
//! Written after Atlassian's description of the Jira Cloud platform REST API, version 3, and
//! <https://developer.atlassian.com/cloud/jira/platform/rate-limiting/>. Where neither says for certain, [`JiraSettings`] has a
//! default and says so.

mod answer;
mod auth;
mod groups;
mod projects;
mod seed;
mod state;
mod truth;
mod users;

use std::sync::OnceLock;
use std::time::Duration;

use provisionr_sdk::Timestamp;
use serde_json::{Value, json};

pub use auth::Permission;
pub use state::{AccountType, Actor, JiraGroup, JiraProduct, JiraProject, JiraRole, JiraSettings, JiraUser, ManagedBy, NothingToDo};

use crate::fake::{self, Fake, FakeContext};
use crate::limit::{Limit, Limits};
use crate::link::{Act, ActError};
use crate::message::{FakeRequest, FakeResponse};
use crate::router::Router;
use crate::system::FakeSystem;

/// A fake of one Jira Cloud site, with the Atlassian accounts its users have.
///
/// A new site has the administrator `admin@example.com` in the group `site-admins`, the roles `Administrators` and `Developers`,
/// and that administrator's API token [`JiraFake::TOKEN`], good with Basic at the site's own address. At the gateway,
/// `/ex/jira/{CLOUD_ID}/…`, it takes [`JiraFake::SCOPED_TOKEN`], which has all scopes.
///
/// Seeds, as JSON or by the builder's methods (every part may be left out):
///
/// ```json
/// {
///   "settings": { "page_size": 3, "member_again": "refused", "no_member": "not_found", "no_actor": "not_found", … },
///   "groups": [{ "name": "jira-software-users", "access": "user" }, { "name": "from-okta", "managed_by": "EXTERNAL" }],
///   "products": [{ "key": "jira-software", "seats": 10, "groups": ["jira-software-users"] }],
///   "roles": ["Viewers"],
///   "users": [{ "email": "sarah@company.com", "name": "Sarah Chen", "email_visible": false, "groups": ["jira-software-users"] },
///             { "id": "557058:…", "type": "app", "name": "Deploy bot" }],
///   "projects": [{ "key": "ENG", "actors": { "Developers": { "users": ["sarah@company.com"], "groups": [] } } },
///                { "key": "TEAM", "own_roles": ["Member"], "private": true }],
///   "tokens": [{ "token": "…", "owner": "admin@example.com", "scopes": ["read:jira-user"], "app": true, "permissions": ["USER_PICKER"] }],
///   "limits": [{ "on": { "method": "GET", "path": "/rest/api/3/user" }, "units": 150, "per_ms": 1000 }]
/// }
/// ```
///
/// Users may also be inactive (`"active": false`), off the site (`"on_site": false`), customers (`"type": "customer"`) and
/// administrators of the organization (`"org_admin": true`). A token without `scopes` is good at the site's address, one with them
/// at the gateway; with `app` it is an OAuth app's and counts on the hourly quota.
///
/// Acts: `provision_user {email, first_name?, last_name?, groups?}` (by the organization: made, or made active), `deprovision_user
/// {email}` (it is deactivated), `accept_invitation {user}`, `add_to_group {user, group}`, `remove_from_group {user, group}`, `delete_group {group}`,
/// `set_group_manager {group, managed_by}`, `add_actor` and `remove_actor {project, role, user | group}`, `rename_role {project, role, name}`,
/// `set_private {project, private}`, `set_active {user, active}`, `set_email_visible {user, visible}`, `set_org_admin {user, org_admin}`, `remove_user {user}`,
/// `revoke_token {token}`, `set_permissions {token, permissions}`, `exhaust_quota {for_ms, reason?}`.
///
/// Events: `user.created`, `user.mail`, `user.deactivated`, `user.removed`, `user.invitation_accepted`, `group.member_added`, `group.member_removed`,
/// `group.deleted`, `role.actor_added`, `role.actor_removed`, `role.actors_replaced`.
#[derive(Clone, Debug)]
pub struct JiraFake {
    site: state::Site,
    auth: auth::Auth,
    limits: Limits,
    /// Until when the hourly quota of apps is used up, and which.
    quota: Option<(Timestamp, String)>,
}

impl Default for JiraFake {
    fn default() -> Self {
        Self::new()
    }
}

impl JiraFake {
    /// The API token of the administrator that a new site has; the user of Basic is [`ADMIN`](Self::ADMIN).
    pub const TOKEN: &'static str = "ATATT3-fake-api-token";
    /// The administrator's token with all scopes, for the gateway.
    pub const SCOPED_TOKEN: &'static str = "ATATT3-fake-scoped-token";
    /// The administrator that a new site has.
    pub const ADMIN: &'static str = "admin@example.com";
    /// The site's id at the gateway.
    pub const CLOUD_ID: &'static str = "11223344-a1b2-3b33-c444-def123456789";
    /// Where the site is at the gateway.
    pub const GATEWAY: &'static str = "/ex/jira/11223344-a1b2-3b33-c444-def123456789";

    /// A new site.
    pub fn new() -> Self {
        let jira = Self { site: state::Site::default(), auth: auth::Auth::default(), limits: Limits::none(), quota: None };
        jira.seeded(&json!({
            "groups": [{ "name": "site-admins", "access": "site-admin" }],
            "roles": ["Administrators", "Developers"],
            "users": [{ "email": Self::ADMIN, "name": "Admin", "groups": ["site-admins"] }],
            "tokens": [
                { "token": Self::TOKEN, "owner": Self::ADMIN },
                { "token": Self::SCOPED_TOKEN, "owner": Self::ADMIN, "scopes": auth::SCOPES },
            ],
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

    /// Adds a group.
    #[must_use]
    #[track_caller]
    pub fn with_group(self, name: &str) -> Self {
        self.seeded(&json!({ "groups": [{ "name": name }] }))
    }

    /// Adds an active user of the site whose address can be seen.
    #[must_use]
    #[track_caller]
    pub fn with_user(self, email: &str) -> Self {
        self.seeded(&json!({ "users": [{ "email": email }] }))
    }

    /// Adds a company-managed project.
    #[must_use]
    #[track_caller]
    pub fn with_project(self, key: &str) -> Self {
        self.seeded(&json!({ "projects": [{ "key": key }] }))
    }

    /// Adds a product with so many seats, and the group that gives access to it.
    #[must_use]
    #[track_caller]
    pub fn with_product(self, key: &str, seats: usize, group: &str) -> Self {
        self.seeded(&json!({ "groups": [{ "name": group, "access": "user" }], "products": [{ "key": key, "seats": seats, "groups": [group] }] }))
    }

    /// Adds a rate limit of a second; there is none otherwise.
    #[must_use]
    pub fn with_limit(mut self, limit: Limit) -> Self {
        self.limits.add(limit);
        self
    }

    /// Sets what is not the same for each site.
    #[must_use]
    pub fn with_settings(mut self, set: impl FnOnce(&mut JiraSettings)) -> Self {
        set(&mut self.site.settings);
        self
    }

    /// Runs it by a clock of its own.
    pub fn start(self) -> FakeSystem<Self> {
        FakeSystem::new(self)
    }

    /// Too much: for one endpoint and method in a second, or for an app in an hour.
    fn too_many(&self, pause: Duration, reason: &str, cx: &FakeContext) -> FakeResponse {
        let limit = cx.limit().map_or(GENEROUS, |reading| reading.units);
        let seconds = pause.as_secs() + u64::from(pause.subsec_nanos() > 0);
        answer::error(429, "Rate limit exceeded.")
            .with_header("retry-after", seconds.to_string())
            .with_header("x-ratelimit-limit", limit.to_string())
            .with_header("x-ratelimit-remaining", "0")
            .with_header("x-ratelimit-reset", reset(cx.now() + Duration::from_secs(seconds)))
            .with_header("ratelimit-reason", reason)
    }
}

fn routes() -> &'static Router<JiraFake> {
    static ROUTES: OnceLock<Router<JiraFake>> = OnceLock::new();
    ROUTES.get_or_init(|| {
        Router::new()
            .get(auth::OPEN, answer::server_info)
            .get("/rest/api/3/myself", users::myself)
            .get("/rest/api/3/mypermissions", users::my_permissions)
            .get("/rest/api/3/applicationrole", users::application_roles)
            .get("/rest/api/3/user", users::get)
            .post("/rest/api/3/user", users::create)
            .delete("/rest/api/3/user", users::remove)
            .get("/rest/api/3/user/search", users::search)
            .get("/rest/api/3/user/groups", users::groups)
            .get("/rest/api/3/users/search", users::list)
            .get("/rest/api/3/group/bulk", groups::bulk)
            .get("/rest/api/3/group/member", groups::members)
            .post("/rest/api/3/group/user", groups::add_member)
            .delete("/rest/api/3/group/user", groups::remove_member)
            .get("/rest/api/3/groups/picker", groups::picker)
            .get("/rest/api/3/project/search", projects::search)
            .get("/rest/api/3/project/{projectIdOrKey}/role", projects::roles)
            .get("/rest/api/3/project/{projectIdOrKey}/role/{id}", projects::get_role)
            .post("/rest/api/3/project/{projectIdOrKey}/role/{id}", projects::add_actors)
            .put("/rest/api/3/project/{projectIdOrKey}/role/{id}", projects::set_actors)
            .delete("/rest/api/3/project/{projectIdOrKey}/role/{id}", projects::remove_actor)
    })
}

/// The limit told when no bucket matches.
const GENEROUS: u32 = 100;

/// ISO 8601, in whole seconds.
fn reset(at: Timestamp) -> String {
    Timestamp::from_millis(at.as_millis().div_euclid(1000) * 1000).to_string()
}

/// The request as Jira sees it behind the gateway; none when it came to the site itself.
fn behind_gateway(request: &FakeRequest) -> Option<FakeRequest> {
    let path = request.path.strip_prefix(JiraFake::GATEWAY)?;
    Some(FakeRequest { path: path.to_owned(), ..request.clone() })
}

impl Fake for JiraFake {
    fn system_type(&self) -> &'static str {
        "jira"
    }

    fn admit(&mut self, request: &FakeRequest, cx: &mut FakeContext) -> Result<(), FakeResponse> {
        let inner = behind_gateway(request);
        let (seen, gateway) = (inner.as_ref().unwrap_or(request), inner.is_some());
        if let Some(reading) = self.limits.count(seen, cx.now()) {
            let (exceeded, pause) = (reading.exceeded, reading.reset.since(cx.now()));
            cx.set_limit(reading);
            if exceeded {
                return Err(self.throttle_response(seen, pause, cx));
            }
        }
        auth::admit(self, seen, gateway, cx)
    }

    fn handle(&mut self, request: &FakeRequest, cx: &mut FakeContext) -> FakeResponse {
        let inner = behind_gateway(request);
        routes().dispatch(self, inner.as_ref().unwrap_or(request), cx)
    }

    fn finish(&self, _request: &FakeRequest, response: &mut FakeResponse, cx: &FakeContext) {
        response.add_header("atl-traceid", format!("{:032x}", cx.request_number()));
        response.add_header("date", fake::http_date(cx.now()));
        if response.header("x-ratelimit-limit").is_some() {
            return;
        }
        // The end of a window shows in refusals only.
        let (limit, remaining) = cx.limit().map_or((GENEROUS, GENEROUS - 1), |reading| (reading.units, reading.remaining));
        response.add_header("x-ratelimit-limit", limit.to_string());
        response.add_header("x-ratelimit-remaining", remaining.to_string());
        if remaining * 5 < limit {
            response.add_header("x-ratelimit-nearlimit", "true");
        }
    }

    fn seed(&mut self, seed: &Value, cx: &mut FakeContext) -> Result<(), ActError> {
        seed::seed(self, seed, cx)
    }

    fn state(&self) -> Value {
        let Self { site, .. } = self;
        json!({ "users": site.users, "groups": site.groups, "projects": site.projects, "roles": site.roles, "products": site.products })
    }

    fn act(&mut self, act: &Act, cx: &mut FakeContext) -> Result<Value, ActError> {
        seed::act(self, act, cx)
    }

    fn snapshot(&self) -> Box<dyn Fake> {
        Box::new(self.clone())
    }

    fn throttle_response(&self, _request: &FakeRequest, pause: Duration, cx: &FakeContext) -> FakeResponse {
        self.too_many(pause, "jira-burst-based", cx)
    }

    fn error_response(&self, status: u16, _cx: &FakeContext) -> FakeResponse {
        let text = match status {
            400 => "The request is not valid.",
            401 => "Client must be authenticated to access this resource.",
            403 => "You do not have permission to do this",
            404 => "Not found",
            409 => "The request took longer than 10 seconds or was interrupted.",
            _ => "The service is not available.",
        };
        let response = answer::error(status, text);
        if status == 503 { response.with_header("retry-after", "5") } else { response }
    }
}
