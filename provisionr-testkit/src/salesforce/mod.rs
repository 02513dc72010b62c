//! Salesforce: users, profiles, permission sets and their groups, public groups, roles and licences.
//!
//! Written after Salesforce's REST and object reference (<https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/>,
//! <https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/>). Where neither says for certain,
//! [`SalesforceSettings`] has a default and says so.

mod answer;
mod auth;
mod composite;
mod records;
mod schema;
mod seed;
mod soql;
mod state;
mod truth;
mod write;

use std::collections::VecDeque;
use std::sync::OnceLock;
use std::time::Duration;

use http::Method;
use provisionr_sdk::{Access, Timestamp};
use serde_json::{Value, json};

pub use state::SalesforceSettings;

use crate::fake::{self, Fake, FakeContext};
use crate::link::{Act, ActError};
use crate::message::{FakeRequest, FakeResponse};
use crate::router::Router;
use crate::system::FakeSystem;

/// A fake of one Salesforce org.
///
/// A new org has the licence `Salesforce` with 1000 seats, the profiles `System Administrator`, `Standard User` and
/// `Minimum Access - Salesforce`, the administrator [`SalesforceFake::ADMIN`], an app [`SalesforceFake::CONSUMER_KEY`] with the
/// secret [`SalesforceFake::SECRET`] that runs as them, and the access token [`SalesforceFake::TOKEN`].
///
/// Seeds, as JSON or by the builder's methods (every part may be left out):
///
/// ```json
/// {
///   "settings": { "page_size": 3, "daily_calls": 100000, "email_confirmation": true },
///   "licenses": [{ "name": "Salesforce Platform", "total": 5 }],
///   "permission_set_licenses": [{ "name": "Sales Cloud User", "total": 5 }],
///   "profiles": [{ "name": "Sales Engineer", "license": "Salesforce" }],
///   "roles": [{ "name": "Sales EMEA" }],
///   "permission_sets": [{ "label": "CPQ User", "name": "CPQ_User", "license": "Sales Cloud User" }],
///   "permission_set_groups": [{ "label": "Sales", "name": "Sales" }],
///   "groups": [{ "name": "Sales Team", "type": "Regular" }],
///   "users": [{ "username": "sarah@company.com", "profile": "Standard User", "role": "Sales EMEA", "state": "active",
///               "fields": { "Department": "Sales" }, "permission_sets": ["CPQ User"], "permission_set_groups": [], "groups": [] }],
///   "clients": [{ "consumer_key": "3MVG9…", "secret": "…", "username": "admin@example.com" }],
///   "tokens": [{ "token": "…", "username": "admin@example.com", "permissions": ["ManageUsers", "AssignPermissionSets", "ViewSetup"] }]
/// }
/// ```
///
/// The state of a user is `active`, `frozen` or `inactive`.
///
/// Acts; a user goes by id or username, anything else by id or name: `provision_user {login, email?, first_name?,
/// last_name?, profile?, fields?}` (another system makes the account, with the profile `Standard User` unless another is named, or makes it
/// active again), `deprovision_user {login}` (it is deactivated), `set_fields {user, fields}`, `set_state {user, state}`,
/// `set_profile {user, profile}`, `set_role {user, role?}`, `assign {user, permission_set | permission_set_group, expires?}`,
/// `unassign {user, permission_set | permission_set_group}`, `add_to_group {user, group}`, `remove_from_group {user, group}`,
/// `confirm_email {user}`, `take_username {username}` (by an org elsewhere), `set_seats {license, total}`,
/// `long_calls {running}` (of others), `expire_sessions`, `expire_cursors`.
///
/// Events: `user.created`, `user.updated`, `user.activated`, `user.deactivated`, `user.frozen`, `user.unfrozen`, `user.mail`,
/// `assignment.created`, `assignment.updated`, `assignment.deleted`, `member.added`, `member.removed`.
#[derive(Clone, Debug)]
pub struct SalesforceFake {
    org: state::Org,
    auth: auth::Auth,
    /// When each call of the last 24 hours came.
    calls: VecDeque<Timestamp>,
    /// Calls of others that take long.
    long_calls: u32,
}

impl Default for SalesforceFake {
    fn default() -> Self {
        Self::new()
    }
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl SalesforceFake {
    /// An access token of the administrator.
    pub const TOKEN: &'static str = "00Dfake!salesforce-access-token";
    /// The consumer key of an app.
    pub const CONSUMER_KEY: &'static str = "3MVG9fakeconsumerkey";
    /// The consumer secret of that app.
    pub const SECRET: &'static str = "8A2Ffakeconsumersecret";
    /// The administrator, for whom the app runs.
    pub const ADMIN: &'static str = "admin@example.com";

    /// A new org.
    pub fn new() -> Self {
        Self::without_users().seeded(&json!({ "users": [{ "username": Self::ADMIN, "profile": "System Administrator" }] }))
    }

    /// An org in which the administrator is no user of its own: for tests that count users.
    pub fn without_users() -> Self {
        let org = Self { org: state::Org::default(), auth: auth::Auth::default(), calls: VecDeque::new(), long_calls: 0 };
        org.seeded(&json!({
            "licenses": [{ "name": "Salesforce", "total": 1000 }],
            "profiles": [{ "name": "System Administrator" }, { "name": "Standard User" }, { "name": "Minimum Access - Salesforce" }],
            "clients": [{ "consumer_key": Self::CONSUMER_KEY, "secret": Self::SECRET, "username": Self::ADMIN }],
            "tokens": [{ "token": Self::TOKEN, "username": Self::ADMIN }],
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

    /// Adds an active user with the profile `Standard User`.
    #[must_use]
    #[track_caller]
    pub fn with_user(self, username: &str) -> Self {
        self.seeded(&json!({ "users": [{ "username": username }] }))
    }

    /// Adds a profile.
    #[must_use]
    #[track_caller]
    pub fn with_profile(self, name: &str) -> Self {
        self.seeded(&json!({ "profiles": [{ "name": name }] }))
    }

    /// Adds a permission set.
    #[must_use]
    #[track_caller]
    pub fn with_permission_set(self, label: &str) -> Self {
        self.seeded(&json!({ "permission_sets": [{ "label": label }] }))
    }

    /// Adds a permission set group.
    #[must_use]
    #[track_caller]
    pub fn with_permission_set_group(self, label: &str) -> Self {
        self.seeded(&json!({ "permission_set_groups": [{ "label": label }] }))
    }

    /// Adds a public group.
    #[must_use]
    #[track_caller]
    pub fn with_group(self, name: &str) -> Self {
        self.seeded(&json!({ "groups": [{ "name": name }] }))
    }

    /// Adds a role.
    #[must_use]
    #[track_caller]
    pub fn with_role(self, name: &str) -> Self {
        self.seeded(&json!({ "roles": [{ "name": name }] }))
    }

    /// Sets what is not the same for each org.
    #[must_use]
    pub fn with_settings(mut self, set: impl FnOnce(&mut SalesforceSettings)) -> Self {
        set(&mut self.org.settings);
        self
    }

    /// Runs it by a clock of its own.
    pub fn start(self) -> FakeSystem<Self> {
        FakeSystem::new(self)
    }

    /// Calls of the last 24 hours.
    fn used(&self, now: Timestamp) -> usize {
        self.calls.iter().filter(|at| now.since(**at) < DAY).count()
    }
}

fn routes() -> &'static Router<SalesforceFake> {
    static ROUTES: OnceLock<Router<SalesforceFake>> = OnceLock::new();
    ROUTES.get_or_init(|| {
        Router::new()
            .post("/services/oauth2/token", auth::token)
            .get("/services/data", answer::versions)
            .get("/services/data/{version}/limits", answer::limits)
            .get("/services/data/{version}/query", records::query)
            .get("/services/data/{version}/query/{locator}", records::query_more)
            .get("/services/data/{version}/sobjects/{sobject}/describe", records::describe)
            .post("/services/data/{version}/sobjects/{sobject}", records::create)
            .get("/services/data/{version}/sobjects/{sobject}/{id}", records::get)
            .patch("/services/data/{version}/sobjects/{sobject}/{id}", records::update)
            .delete("/services/data/{version}/sobjects/{sobject}/{id}", records::delete)
            .post(composite::COLLECTIONS, composite::create)
            .patch(composite::COLLECTIONS, composite::update)
            .delete(composite::COLLECTIONS, composite::delete)
            .post(composite::COMPOSITE, composite::composite)
    })
}

impl Fake for SalesforceFake {
    fn system_type(&self) -> &'static str {
        "salesforce"
    }

    fn access(&self, request: &FakeRequest) -> Option<Access> {
        match request.path.as_str() {
            "/services/oauth2/token" => None,
            path if request.is_read() || (path.ends_with("/composite") && composite::only_looks(request)) => Some(Access::Read),
            _ => Some(Access::Write),
        }
    }

    fn admit(&mut self, request: &FakeRequest, cx: &mut FakeContext) -> Result<(), FakeResponse> {
        if !request.path.starts_with("/services/data/") {
            return Ok(());
        }
        auth::admit(self, request, cx)?;
        let now = cx.now();
        while self.calls.front().is_some_and(|at| now.since(*at) >= DAY) {
            self.calls.pop_front();
        }
        if self.calls.len() >= self.org.settings.daily_calls as usize {
            return Err(answer::error(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."));
        }
        if self.long_calls >= self.org.settings.concurrency {
            return Err(answer::too_many_at_once());
        }
        self.calls.push_back(now);
        Ok(())
    }

    fn handle(&mut self, request: &FakeRequest, cx: &mut FakeContext) -> FakeResponse {
        routes().dispatch(self, request, cx)
    }

    fn finish(&self, request: &FakeRequest, response: &mut FakeResponse, cx: &FakeContext) {
        if request.path.starts_with("/services/data/") {
            response.add_header("sforce-limit-info", format!("api-usage={}/{}", self.used(cx.now()), self.org.settings.daily_calls));
        }
    }

    fn seed(&mut self, seed: &Value, cx: &mut FakeContext) -> Result<(), ActError> {
        seed::seed(self, seed, cx)
    }

    fn state(&self) -> Value {
        json!(self.org.tables)
    }

    fn act(&mut self, act: &Act, cx: &mut FakeContext) -> Result<Value, ActError> {
        seed::act(self, act, cx)
    }

    fn snapshot(&self) -> Box<dyn Fake> {
        Box::new(self.clone())
    }

    /// Salesforce names no pause.
    fn throttle_response(&self, _request: &FakeRequest, _pause: Duration, _cx: &FakeContext) -> FakeResponse {
        answer::too_many_at_once()
    }

    fn error_response(&self, status: u16, _cx: &FakeContext) -> FakeResponse {
        let (code, message) = match status {
            400 => ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "A validation rule of the org forbids it"),
            401 => ("INVALID_SESSION_ID", "Session expired or invalid"),
            403 => ("INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on object id"),
            404 => ("NOT_FOUND", "The requested resource does not exist"),
            503 => ("SERVER_UNAVAILABLE", "Server unavailable"),
            _ => ("UNKNOWN_EXCEPTION", "An unexpected error occurred"),
        };
        answer::error(status, code, message)
    }
}

/// Whether a request would write.
fn writes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD)
}
