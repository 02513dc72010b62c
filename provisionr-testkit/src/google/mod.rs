//! Google Workspace: users, groups with nested ones, organizational units, and service accounts with domain-wide delegation.
//!
//! Written after the discovery document of the Admin SDK's Directory API (`admin:directory_v1`, revision 20261104) and
//! <https://developers.google.com/workspace/admin/directory/v1/guides>. Where neither says for certain, [`GoogleSettings`] has a
//! default and says so.

mod answer;
mod auth;
mod groups;
mod org_units;
mod seed;
mod state;
mod truth;
mod users;

use std::sync::OnceLock;
use std::time::Duration;

use provisionr_sdk::Access;
use serde_json::{Value, json};

pub use state::{
    GoogleGroup, GoogleMember, GoogleOrgUnit, GoogleSettings, GoogleUser, GroupsOfUser, MemberRole, MemberType, NothingToShow, RetryAfter, TooManyAtOnce,
};

use crate::fake::{self, Fake, FakeContext};
use crate::limit::{Limit, Limits};
use crate::link::{Act, ActError};
use crate::message::{FakeRequest, FakeResponse};
use crate::router::Router;
use crate::system::FakeSystem;

/// A fake of one Google Workspace customer. It answers both for the Directory API and, at `/token`, for Google's token endpoint.
///
/// A new one has the domains `example.com` and `company.com`, the super administrator `admin@example.com`, the access token
/// [`GoogleFake::TOKEN`] that acts as that administrator, and the service account [`GoogleFake::SERVICE_ACCOUNT`], both
/// allowed everything.
///
/// Seeds, as JSON or by the builder's methods (every part may be left out):
///
/// ```json
/// {
///   "settings": { "page_size": 3, "search_lag_ms": 2000, "creation_lag_ms": 0, "unmanaged": ["old@example.com"] },
///   "org_units": ["/corp/sales"],
///   "users": [{ "email": "sarah@example.com", "aliases": [], "fields": { "organizations": [] }, "org_unit": "/corp/sales",
///               "suspended": false, "suspension_reason": "ADMIN", "archived": false, "admin": false }],
///   "groups": [{ "email": "sales@example.com", "name": "Sales", "aliases": [],
///                "members": ["sarah@example.com", { "member": "all@example.com", "role": "MEMBER" }] }],
///   "tokens": [{ "token": "…", "admin": "admin@example.com", "scopes": ["admin.directory.user.readonly"], "expires": "2030-01-01T00:00:00Z" }],
///   "service_accounts": [{ "email": "…@….iam.gserviceaccount.com", "scopes": ["admin.directory.user"] }],
///   "limits": [{ "units": 2400, "per_ms": 60000 }]
/// }
/// ```
///
/// Acts: `log_in {user}`, `provision_user {email, first_name?, last_name?, fields?, org_unit?}` (another system makes the account, or
/// changes it and lifts its suspension), `deprovision_user {email}` (it is suspended), `set_user {user, fields}`, `suspend_user {user, reason?}`, `delete_user {user}`, `add_to_group {member, group, role?}`,
/// `remove_from_group {member, group}`, `delete_group {group}`, `add_org_unit {path}`, `revoke_token {token}`, `expire_access_tokens`.
/// A member is a user, a group, a person of another domain, or the customer (`C01fake23`).
///
/// Events: `user.created`, `user.updated`, `user.moved`, `user.suspended`, `user.restored`, `user.signed_out`, `user.deleted`,
/// `user.undeleted`, `user.mail`, `user.logged_in`, `group.created`, `group.updated`, `group.deleted`, `group.member_added`,
/// `group.member_updated`, `group.member_removed`, `org_unit.created`, `org_unit.updated`, `org_unit.deleted`.
#[derive(Clone, Debug)]
pub struct GoogleFake {
    customer: state::Customer,
    auth: auth::Auth,
    limits: Limits,
}

impl Default for GoogleFake {
    fn default() -> Self {
        Self::new()
    }
}

impl GoogleFake {
    /// An access token that acts as the administrator.
    pub const TOKEN: &'static str = "ya29.fake-google-access-token";
    /// The service account that a new customer delegates everything to.
    pub const SERVICE_ACCOUNT: &'static str = "provisionr@fake-project.iam.gserviceaccount.com";
    /// The administrator that a new customer has.
    pub const ADMIN: &'static str = "admin@example.com";

    /// A new customer.
    pub fn new() -> Self {
        let google = Self { customer: state::Customer::default(), auth: auth::Auth::default(), limits: Limits::none() };
        google.seeded(&json!({
            "users": [{ "email": Self::ADMIN, "admin": true }],
            "tokens": [{ "token": Self::TOKEN, "admin": Self::ADMIN }],
            "service_accounts": [{ "email": Self::SERVICE_ACCOUNT }],
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

    /// Adds an active user in the top-level organizational unit.
    #[must_use]
    #[track_caller]
    pub fn with_user(self, email: &str) -> Self {
        self.seeded(&json!({ "users": [{ "email": email }] }))
    }

    /// Adds a group with these members, each with the role `MEMBER`.
    #[must_use]
    #[track_caller]
    pub fn with_group(self, email: &str, members: &[&str]) -> Self {
        self.seeded(&json!({ "groups": [{ "email": email, "members": members }] }))
    }

    /// Adds an organizational unit, and those above it.
    #[must_use]
    #[track_caller]
    pub fn with_org_unit(self, path: &str) -> Self {
        self.seeded(&json!({ "org_units": [path] }))
    }

    /// Adds a rate limit; there is none otherwise.
    #[must_use]
    pub fn with_limit(mut self, limit: Limit) -> Self {
        self.limits.add(limit);
        self
    }

    /// Sets what is not the same for each customer.
    #[must_use]
    pub fn with_settings(mut self, set: impl FnOnce(&mut GoogleSettings)) -> Self {
        set(&mut self.customer.settings);
        self
    }

    /// Runs it by a clock of its own.
    pub fn start(self) -> FakeSystem<Self> {
        FakeSystem::new(self)
    }
}

fn routes() -> &'static Router<GoogleFake> {
    static ROUTES: OnceLock<Router<GoogleFake>> = OnceLock::new();
    ROUTES.get_or_init(|| {
        let router = Router::new()
            .post("/token", auth::token)
            .get("/admin/directory/v1/users", users::list)
            .post("/admin/directory/v1/users", users::insert)
            .get("/admin/directory/v1/users/{userKey}", users::get)
            .put("/admin/directory/v1/users/{userKey}", users::update)
            .patch("/admin/directory/v1/users/{userKey}", users::update)
            .delete("/admin/directory/v1/users/{userKey}", users::delete)
            .post("/admin/directory/v1/users/{userKey}/undelete", users::undelete)
            .post("/admin/directory/v1/users/{userKey}/makeAdmin", users::make_admin)
            .post("/admin/directory/v1/users/{userKey}/signOut", users::sign_out)
            .get("/admin/directory/v1/users/{userKey}/aliases", users::aliases)
            .get("/admin/directory/v1/groups", groups::list)
            .post("/admin/directory/v1/groups", groups::insert)
            .get("/admin/directory/v1/groups/{groupKey}", groups::get)
            .patch("/admin/directory/v1/groups/{groupKey}", groups::patch)
            .delete("/admin/directory/v1/groups/{groupKey}", groups::delete)
            .get("/admin/directory/v1/groups/{groupKey}/members", groups::members)
            .post("/admin/directory/v1/groups/{groupKey}/members", groups::add)
            .get("/admin/directory/v1/groups/{groupKey}/members/{memberKey}", groups::member)
            .put("/admin/directory/v1/groups/{groupKey}/members/{memberKey}", groups::update_member)
            .patch("/admin/directory/v1/groups/{groupKey}/members/{memberKey}", groups::update_member)
            .delete("/admin/directory/v1/groups/{groupKey}/members/{memberKey}", groups::remove_member)
            .get("/admin/directory/v1/groups/{groupKey}/hasMember/{memberKey}", groups::has_member)
            .get("/admin/directory/v1/customer/{customerId}/orgunits", org_units::list)
            .post("/admin/directory/v1/customer/{customerId}/orgunits", org_units::insert);
        // The path of a unit is no single segment.
        let depths = [
            "/admin/directory/v1/customer/{customerId}/orgunits/{p1}",
            "/admin/directory/v1/customer/{customerId}/orgunits/{p1}/{p2}",
            "/admin/directory/v1/customer/{customerId}/orgunits/{p1}/{p2}/{p3}",
            "/admin/directory/v1/customer/{customerId}/orgunits/{p1}/{p2}/{p3}/{p4}",
        ];
        depths.into_iter().fold(router, |router, unit| {
            router.get(unit, org_units::get).put(unit, org_units::update).patch(unit, org_units::update).delete(unit, org_units::delete)
        })
    })
}

impl Fake for GoogleFake {
    fn system_type(&self) -> &'static str {
        "google"
    }

    fn access(&self, request: &FakeRequest) -> Option<Access> {
        match request.path.as_str() {
            "/token" => None,
            _ if request.is_read() => Some(Access::Read),
            _ => Some(Access::Write),
        }
    }

    fn admit(&mut self, request: &FakeRequest, cx: &mut FakeContext) -> Result<(), FakeResponse> {
        let settings = &self.customer.settings;
        if settings.concurrency.is_some_and(|most| cx.at_once() > most) {
            return Err(match settings.too_many_at_once {
                TooManyAtOnce::QuotaExceeded => answer::error(403, "quotaExceeded", "Quota exceeded."),
                TooManyAtOnce::RateLimitExceeded => answer::error(429, "rateLimitExceeded", "Rate Limit Exceeded"),
            });
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

    fn finish(&self, request: &FakeRequest, response: &mut FakeResponse, _cx: &FakeContext) {
        let settings = &self.customer.settings;
        if response.status == 409 && settings.duplicate_reason != "duplicate" {
            *response = answer::error(409, &settings.duplicate_reason, "Entity already exists.");
        }
        if response.status == 204 && settings.nothing_to_show == NothingToShow::EmptyObject && !request.is_read() {
            *response = FakeResponse::json(200, &json!({}));
        }
    }

    fn seed(&mut self, seed: &Value, cx: &mut FakeContext) -> Result<(), ActError> {
        seed::seed(self, seed, cx)
    }

    fn state(&self) -> Value {
        json!({ "users": self.customer.users, "groups": self.customer.groups, "org_units": self.customer.units })
    }

    fn act(&mut self, act: &Act, cx: &mut FakeContext) -> Result<Value, ActError> {
        seed::act(self, act, cx)
    }

    fn snapshot(&self) -> Box<dyn Fake> {
        Box::new(self.clone())
    }

    fn lag(&self, request: &FakeRequest) -> Duration {
        let settings = &self.customer.settings;
        match (request.query("query").is_some(), groups::is_nested_read(request)) {
            (true, _) => settings.search_lag,
            (_, true) => settings.nested_lag,
            _ => Duration::ZERO,
        }
    }

    fn longest_lag(&self) -> Duration {
        self.customer.settings.search_lag.max(self.customer.settings.nested_lag)
    }

    /// <https://developers.google.com/workspace/admin/directory/v1/limits>
    fn throttle_response(&self, _request: &FakeRequest, pause: Duration, _cx: &FakeContext) -> FakeResponse {
        let answer = answer::error(403, "userRateLimitExceeded", "User Rate Limit Exceeded");
        match self.customer.settings.retry_after {
            RetryAfter::Left => answer,
            RetryAfter::Sent => answer.with_header("retry-after", pause.as_secs().to_string()),
        }
    }

    fn error_response(&self, status: u16, _cx: &FakeContext) -> FakeResponse {
        let (reason, message) = match status {
            400 => ("badRequest", "Bad Request"),
            401 => ("authError", "Invalid Credentials"),
            403 => ("forbidden", "Not Authorized to access this resource/api"),
            404 => ("notFound", "Resource Not Found"),
            429 => ("rateLimitExceeded", "Rate Limit Exceeded"),
            503 => ("backendError", "Service unavailable. Please try again"),
            _ => ("internalError", "Internal Error"),
        };
        answer::error(status, reason, message)
    }
}
