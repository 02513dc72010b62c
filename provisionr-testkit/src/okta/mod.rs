//! Okta: users, groups, group rules, apps and the two kinds of credentials.
//!
//! Written after Okta's management API description (2026.06) and <https://developer.okta.com/docs/reference/>.
//! Where neither says for certain, [`OktaSettings`] has a default and says so.

mod answer;
mod apps;
mod auth;
mod expression;
mod groups;
mod lifecycle;
mod memberships;
mod seed;
mod state;
mod truth;
mod users;

use std::sync::OnceLock;
use std::time::Duration;

use provisionr_sdk::{Access, Timestamp};
use serde_json::{Value, json};

pub use expression::{Expression, ExpressionError};
pub use state::{
    AppGroup, AppScope, AppUser, DeactivatedGroups, DeactivatedPassword, GroupType, Membership, OktaApp, OktaGroup, OktaRule, OktaSettings, OktaUser,
    RepeatedAssignment, UserStatus,
};

use crate::fake::{self, Fake, FakeContext};
use crate::limit::{Limit, Limits};
use crate::link::{Act, ActError};
use crate::message::{FakeRequest, FakeResponse};
use crate::router::Router;
use crate::system::FakeSystem;

/// A fake of one Okta org.
///
/// A new org has the group `Everyone`, the administrator `admin@example.com`, the API token [`OktaFake::TOKEN`] of
/// that administrator and the service app [`OktaFake::CLIENT_ID`], both allowed everything.
///
/// Seeds, as JSON or by the builder's methods (every part may be left out):
///
/// ```json
/// {
///   "settings": { "page_size": 3, "search_lag_ms": 2000, "transition_ms": 0 },
///   "groups": [{ "name": "sales-team", "description": "…", "type": "OKTA_GROUP", "source": "app name" }],
///   "apps": [{ "name": "google", "label": "Google Workspace", "features": ["PUSH_NEW_USERS"], "groups": ["sales-team"] }],
///   "rules": [{ "name": "sales", "expression": "user.department==\"Sales\"", "groups": ["sales-team"] }],
///   "users": [{ "login": "sarah@company.com", "profile": { "department": "Sales" }, "status": "ACTIVE", "groups": [], "apps": [] }],
///   "tokens": [{ "token": "…", "owner": "admin@example.com", "scopes": ["okta.users.read"], "expires": "2030-01-01T00:00:00Z" }],
///   "clients": [{ "client_id": "0oa…", "scopes": ["okta.users.manage"] }],
///   "limits": [{ "on": { "method": "GET", "path": "/api/v1/users/**" }, "units": 600, "per_ms": 60000 }]
/// }
/// ```
///
/// Acts: `log_in {user}`, `open_app {user, app}` (by single sign-on, of an app that is assigned), `add_to_group {user, group}`, `remove_from_group {user, group}`, `assign_app {user, app}`,
/// `unassign_app {user, app}`, `assign_app_to_group {group, app}`, `set_status {user, status}`,
/// `set_profile {user, profile}`, `set_provider {user, provider}`, `delete_user {user}`, `set_group_type {group, type, source?}`,
/// `delete_group {group}`, `integrate_app {app, features?}`, `revoke_token {token}`, `expire_access_tokens`.
///
/// Events: `user.created`, `user.updated`, `user.password_set`, `user.status_changed`, `user.sessions_ended`,
/// `user.deleted`, `user.mail`, `user.logged_in`, `group.created`, `group.updated`, `group.deleted`,
/// `group.member_added`, `group.member_removed`, `rule.user_excluded`, `app.user_assigned`, `app.user_updated`,
/// `app.user_unassigned`, `app.user_signed_in`, `app.group_assigned`, `app.group_unassigned`, and for apps with `PUSH_NEW_USERS` and
/// `PUSH_USER_DEACTIVATION` `app.user_provisioned` and `app.user_deprovisioned`.
/// What becomes of them at the fake of the app is said by [`Federation`](crate::Federation).
#[derive(Clone, Debug)]
pub struct OktaFake {
    org: state::Org,
    auth: auth::Auth,
    limits: Limits,
}

impl Default for OktaFake {
    fn default() -> Self {
        Self::new()
    }
}

impl OktaFake {
    /// An API token of the administrator that a new org has.
    pub const TOKEN: &'static str = "00fake-okta-api-token";
    /// The client id of the service app that a new org has.
    pub const CLIENT_ID: &'static str = "0oaserviceapp0000001";
    /// The administrator that a new org has.
    pub const ADMIN: &'static str = "admin@example.com";

    /// A new org.
    pub fn new() -> Self {
        let okta = Self { org: state::Org::default(), auth: auth::Auth::default(), limits: Limits::none() };
        okta.seeded(&json!({
            "groups": [{ "name": "Everyone", "description": "All users in your organization", "type": "BUILT_IN" }],
            "users": [{ "login": Self::ADMIN }],
            "tokens": [{ "token": Self::TOKEN, "owner": Self::ADMIN }],
            "clients": [{ "client_id": Self::CLIENT_ID }],
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

    /// Adds an active user.
    #[must_use]
    #[track_caller]
    pub fn with_user(self, login: &str) -> Self {
        self.seeded(&json!({ "users": [{ "login": login }] }))
    }

    /// Adds a rule that feeds a group by a condition such as `user.department=="Sales"`.
    #[must_use]
    #[track_caller]
    pub fn with_rule(self, name: &str, expression: &str, group: &str) -> Self {
        self.seeded(&json!({ "rules": [{ "name": name, "expression": expression, "groups": [group] }] }))
    }

    /// Adds an app that creates and deactivates accounts by itself.
    #[must_use]
    #[track_caller]
    pub fn with_provisioning_app(self, name: &str, label: &str) -> Self {
        self.seeded(&json!({ "apps": [{ "name": name, "label": label, "features": ["PUSH_NEW_USERS", "PUSH_USER_DEACTIVATION"] }] }))
    }

    /// Adds a rate limit; there is none otherwise.
    #[must_use]
    pub fn with_limit(mut self, limit: Limit) -> Self {
        self.limits.add(limit);
        self
    }

    /// Sets what is not the same for each org.
    #[must_use]
    pub fn with_settings(mut self, set: impl FnOnce(&mut OktaSettings)) -> Self {
        set(&mut self.org.settings);
        self
    }

    /// Runs it by a clock of its own.
    pub fn start(self) -> FakeSystem<Self> {
        FakeSystem::new(self)
    }
}

fn routes() -> &'static Router<OktaFake> {
    static ROUTES: OnceLock<Router<OktaFake>> = OnceLock::new();
    ROUTES.get_or_init(|| {
        Router::new()
            .post("/oauth2/v1/token", auth::token)
            .get("/api/v1/users", users::list)
            .post("/api/v1/users", users::create)
            .get("/api/v1/users/{id}", users::get)
            .post("/api/v1/users/{id}", users::update)
            .put("/api/v1/users/{id}", users::replace)
            .delete("/api/v1/users/{id}", users::delete)
            .get("/api/v1/users/{id}/groups", users::groups)
            .get("/api/v1/users/{id}/appLinks", users::app_links)
            .post("/api/v1/users/{id}/lifecycle/activate", lifecycle::post_activate)
            .post("/api/v1/users/{id}/lifecycle/reactivate", lifecycle::post_reactivate)
            .post("/api/v1/users/{id}/lifecycle/deactivate", lifecycle::post_deactivate)
            .post("/api/v1/users/{id}/lifecycle/suspend", lifecycle::post_suspend)
            .post("/api/v1/users/{id}/lifecycle/unsuspend", lifecycle::post_unsuspend)
            .post("/api/v1/users/{id}/lifecycle/unlock", lifecycle::post_unlock)
            .delete("/api/v1/users/{userId}/sessions", users::end_sessions)
            .get("/api/v1/groups", groups::list)
            .post("/api/v1/groups", groups::create)
            .get("/api/v1/groups/rules", groups::rules)
            .get("/api/v1/groups/rules/{groupRuleId}", groups::rule)
            .get("/api/v1/groups/{groupId}", groups::get)
            .put("/api/v1/groups/{groupId}", groups::replace)
            .delete("/api/v1/groups/{groupId}", groups::delete)
            .get("/api/v1/groups/{groupId}/users", groups::members)
            .put("/api/v1/groups/{groupId}/users/{userId}", groups::add_member)
            .delete("/api/v1/groups/{groupId}/users/{userId}", groups::remove_member)
            .get("/api/v1/groups/{groupId}/apps", groups::apps)
            .get("/api/v1/apps", apps::list)
            .get("/api/v1/apps/{appId}", apps::get)
            .get("/api/v1/apps/{appId}/users", apps::users)
            .post("/api/v1/apps/{appId}/users", apps::assign_user)
            .get("/api/v1/apps/{appId}/users/{userId}", apps::user)
            .post("/api/v1/apps/{appId}/users/{userId}", apps::update_user)
            .delete("/api/v1/apps/{appId}/users/{userId}", apps::unassign_user)
            .get("/api/v1/apps/{appId}/groups", apps::groups)
            .get("/api/v1/apps/{appId}/groups/{groupId}", apps::group)
            .put("/api/v1/apps/{appId}/groups/{groupId}", apps::assign_group)
            .delete("/api/v1/apps/{appId}/groups/{groupId}", apps::unassign_group)
    })
}

/// The limit told when no bucket matches.
const GENEROUS: u32 = 600;

fn whole_seconds(at: Timestamp) -> i64 {
    at.as_millis().div_euclid(1000) + i64::from(at.as_millis().rem_euclid(1000) > 0)
}

impl Fake for OktaFake {
    fn system_type(&self) -> &'static str {
        "okta"
    }

    fn access(&self, request: &FakeRequest) -> Option<Access> {
        match request.path.as_str() {
            "/oauth2/v1/token" => None,
            _ if request.is_read() => Some(Access::Read),
            _ => Some(Access::Write),
        }
    }

    fn admit(&mut self, request: &FakeRequest, cx: &mut FakeContext) -> Result<(), FakeResponse> {
        let bodyless = request.header("content-length").is_none() && request.header("transfer-encoding").is_none();
        if bodyless && (request.method == http::Method::POST || request.method == http::Method::PUT) {
            return Err(FakeResponse::empty(411));
        }
        if let Some(reading) = self.limits.count(request, cx.now()) {
            let (exceeded, pause) = (reading.exceeded, reading.reset.since(cx.now()));
            cx.set_limit(reading);
            if exceeded {
                return Err(self.throttle_response(request, pause, cx));
            }
        }
        auth::admit(self, request, cx)
    }

    fn handle(&mut self, request: &FakeRequest, cx: &mut FakeContext) -> FakeResponse {
        routes().dispatch(self, request, cx)
    }

    fn finish(&self, _request: &FakeRequest, response: &mut FakeResponse, cx: &FakeContext) {
        response.add_header("x-okta-request-id", format!("req{:0>21}", cx.request_number()));
        // Clients count from this date to the reset, not from their own clock.
        response.add_header("date", fake::http_date(cx.now()));
        if response.header("x-rate-limit-limit").is_some() {
            return;
        }
        let (limit, remaining, reset) = match cx.limit() {
            Some(reading) => (reading.units, reading.remaining, reading.reset),
            None => (GENEROUS, GENEROUS - 1, cx.now() + Duration::from_secs(60)),
        };
        response.add_header("x-rate-limit-limit", limit.to_string());
        response.add_header("x-rate-limit-remaining", remaining.to_string());
        response.add_header("x-rate-limit-reset", whole_seconds(reset).to_string());
    }

    fn seed(&mut self, seed: &Value, cx: &mut FakeContext) -> Result<(), ActError> {
        seed::seed(self, seed, cx)
    }

    fn state(&self) -> Value {
        json!({ "users": self.org.users, "groups": self.org.groups, "rules": self.org.rules, "apps": self.org.apps })
    }

    fn act(&mut self, act: &Act, cx: &mut FakeContext) -> Result<Value, ActError> {
        seed::act(self, act, cx)
    }

    fn snapshot(&self) -> Box<dyn Fake> {
        Box::new(self.clone())
    }

    fn lag(&self, request: &FakeRequest) -> Duration {
        let lists = request.path == "/api/v1/users" || request.path == "/api/v1/groups";
        let members = request.path.starts_with("/api/v1/groups/") && request.path.ends_with("/users");
        match (lists && request.query("search").is_some(), members) {
            (true, _) => self.org.settings.search_lag,
            (_, true) => self.org.settings.member_lag,
            _ => Duration::ZERO,
        }
    }

    fn longest_lag(&self) -> Duration {
        self.org.settings.search_lag.max(self.org.settings.member_lag)
    }

    fn throttle_response(&self, _request: &FakeRequest, pause: Duration, cx: &FakeContext) -> FakeResponse {
        let limit = cx.limit().map_or(GENEROUS, |reading| reading.units);
        answer::error(cx, 429, "E0000047", "API call exceeded rate limit due to too many requests.", &[])
            .with_header("x-rate-limit-limit", limit.to_string())
            .with_header("x-rate-limit-remaining", "0")
            .with_header("x-rate-limit-reset", whole_seconds(cx.now() + pause).to_string())
    }

    fn error_response(&self, status: u16, cx: &FakeContext) -> FakeResponse {
        let (code, summary) = match status {
            400 => ("E0000001", "Api validation failed"),
            401 => ("E0000011", "Invalid token provided"),
            403 => ("E0000006", "You do not have permission to perform the requested action"),
            404 => ("E0000007", "Not found: Resource not found"),
            429 => ("E0000047", "API call exceeded rate limit due to too many requests."),
            503 => ("E0000010", "Service is in read only mode"),
            _ => ("E0000009", "Internal Server Error"),
        };
        answer::error(cx, status, code, summary, &[])
    }
}
