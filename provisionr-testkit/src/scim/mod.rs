//! SCIM 2.0: a service provider as RFC 7643 and RFC 7644 have it, and what real ones do differently.
//!
//! Where the RFCs leave a choice, or services are known to depart from them, [`ScimSettings`] has it.

mod auth;
mod discovery;
pub(crate) mod protocol;
mod resources;
mod seed;
mod state;
mod truth;

use std::sync::OnceLock;
use std::time::Duration;

use provisionr_sdk::Access;
use serde_json::{Value, json};

pub use auth::Right;
pub use state::{ActiveForm, Deletes, Discovery, Filters, Patches, ScimResource, ScimSettings, StatusForm};

use self::protocol::Refusal;
use self::state::{Directory, Family};
use crate::fake::{self, Fake, FakeContext};
use crate::limit::{Limit, Limits};
use crate::link::{Act, ActError};
use crate::message::{FakeRequest, FakeResponse};
use crate::router::Router;
use crate::system::FakeSystem;

/// A fake of one service that speaks SCIM, below `/scim/v2` on any host.
///
/// It is entered with the bearer token [`ScimFake::TOKEN`], by Basic with [`ScimFake::USER`] and the token as password, or with a
/// token that the client [`ScimFake::CLIENT`] gets at `/oauth2/token` for the same secret.
///
/// Seeds, as JSON or by the builder's methods (every part may be left out):
///
/// ```json
/// {
///   "settings": { "page_size": 3, "patch": "rfc", "filter": "rfc", "deletes": "for_good" },
///   "users": [{ "userName": "sarah@company.com", "active": true, "externalId": "emp_0789", "title": "SE", "groups": ["crew"] }],
///   "groups": [{ "displayName": "crew", "users": ["sarah@company.com"], "groups": ["interns"] }],
///   "tokens": [{ "token": "reader", "rights": ["users.read", "groups.read"] }],
///   "limits": [{ "on": { "method": "*", "path": "/scim/v2/Users" }, "units": 20, "per_ms": 60000 }]
/// }
/// ```
///
/// A user has any of its attributes, a bare `email` besides, which becomes its address; without one, a user name that is an
/// address is it. Users of seeds and acts are named by id, user name or address, groups by id or name.
///
/// Acts: `provision_user {login, email?, external_id?, first_name?, last_name?}` (made, or let in again), `deprovision_user {login}` (switched
/// off), `create_user {email, userName?, ...}`, `set_active {user, active}`, `set_attribute {user, name, value}`, `delete_user {user}`,
/// `add_to_group {user | member_group, group}`, `remove_from_group {user, group}`, `create_group {name}`, `delete_group {group}`,
/// `hide_group {group}`, `revoke_token {token}`, `set_rights {token, rights}`.
///
/// Events: `user.created`, `user.updated`, `user.activated`, `user.deactivated`, `user.deleted`, `group.created`, `group.updated`,
/// `group.member_added`, `group.member_removed`, `group.deleted`.
#[derive(Clone, Debug)]
pub struct ScimFake {
    directory: Directory,
    auth: auth::Auth,
    limits: Limits,
}

impl Default for ScimFake {
    fn default() -> Self {
        Self::new()
    }
}

impl ScimFake {
    /// A token that may do everything; the password of [`USER`](Self::USER) and the secret of [`CLIENT`](Self::CLIENT) too.
    pub const TOKEN: &'static str = "fake-scim-token";
    /// The user of Basic.
    pub const USER: &'static str = "provisionr";
    /// The client of OAuth.
    pub const CLIENT: &'static str = "provisionr-client";

    /// A service with nobody in it.
    pub fn new() -> Self {
        let scim = Self { directory: Directory::default(), auth: auth::Auth::default(), limits: Limits::none() };
        scim.seeded(&json!({ "tokens": [{ "token": Self::TOKEN }] }))
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

    /// Adds an active user.
    #[must_use]
    #[track_caller]
    pub fn with_user(self, user_name: &str) -> Self {
        self.seeded(&json!({ "users": [{ "userName": user_name }] }))
    }

    /// Adds a group with these users.
    #[must_use]
    #[track_caller]
    pub fn with_group(self, name: &str, users: &[&str]) -> Self {
        self.seeded(&json!({ "groups": [{ "displayName": name, "users": users }] }))
    }

    /// Sets what is not the same for each service.
    #[must_use]
    pub fn with_settings(mut self, set: impl FnOnce(&mut ScimSettings)) -> Self {
        set(&mut self.directory.settings);
        self
    }

    /// Adds a rate limit; there is none otherwise.
    #[must_use]
    pub fn with_limit(mut self, limit: Limit) -> Self {
        self.limits.add(limit);
        self
    }

    /// Runs it by a clock of its own.
    pub fn start(self) -> FakeSystem<Self> {
        FakeSystem::new(self)
    }
}

fn routes() -> &'static Router<ScimFake> {
    static ROUTES: OnceLock<Router<ScimFake>> = OnceLock::new();
    ROUTES.get_or_init(|| {
        use Family::{Groups, Users};
        let read_only = ["/scim/v2/ServiceProviderConfig", "/scim/v2/ResourceTypes", "/scim/v2/Schemas"];
        let fixed = read_only.into_iter().fold(Router::new(), |router, path| {
            router.post(path, discovery::fixed).put(path, discovery::fixed).patch(path, discovery::fixed).delete(path, discovery::fixed)
        });
        fixed
            .post("/oauth2/token", auth::token)
            .get("/scim/v2/ServiceProviderConfig", discovery::service_provider_config)
            .get("/scim/v2/ResourceTypes", discovery::resource_types)
            .get("/scim/v2/ResourceTypes/{id}", discovery::resource_type)
            .get("/scim/v2/Schemas", discovery::schemas)
            .get("/scim/v2/Schemas/{id}", discovery::schema)
            .get("/scim/v2/Users", |scim, call, _| resources::list(scim, Users, call))
            .post("/scim/v2/Users", |scim, call, cx| resources::create(scim, Users, call, cx))
            .get("/scim/v2/Users/{id}", |scim, call, cx| resources::get(scim, Users, call, cx))
            .put("/scim/v2/Users/{id}", |scim, call, cx| resources::replace(scim, Users, call, cx))
            .patch("/scim/v2/Users/{id}", |scim, call, cx| resources::patch(scim, Users, call, cx))
            .delete("/scim/v2/Users/{id}", |scim, call, cx| resources::delete(scim, Users, call, cx))
            .get("/scim/v2/Groups", |scim, call, _| resources::list(scim, Groups, call))
            .post("/scim/v2/Groups", |scim, call, cx| resources::create(scim, Groups, call, cx))
            .get("/scim/v2/Groups/{id}", |scim, call, cx| resources::get(scim, Groups, call, cx))
            .put("/scim/v2/Groups/{id}", |scim, call, cx| resources::replace(scim, Groups, call, cx))
            .patch("/scim/v2/Groups/{id}", |scim, call, cx| resources::patch(scim, Groups, call, cx))
            .delete("/scim/v2/Groups/{id}", |scim, call, cx| resources::delete(scim, Groups, call, cx))
    })
}

impl Fake for ScimFake {
    fn system_type(&self) -> &'static str {
        "scim"
    }

    fn access(&self, request: &FakeRequest) -> Option<Access> {
        match request.path.as_str() {
            "/oauth2/token" => None,
            _ => Some(if request.is_read() { Access::Read } else { Access::Write }),
        }
    }

    fn admit(&mut self, request: &FakeRequest, cx: &mut FakeContext) -> Result<(), FakeResponse> {
        if let Some(reading) = self.limits.count(request, cx.now())
            && reading.exceeded
        {
            return Err(self.throttle_response(request, reading.reset.since(cx.now()), cx));
        }
        Ok(auth::admit(self, request, cx)?)
    }

    fn handle(&mut self, request: &FakeRequest, cx: &mut FakeContext) -> FakeResponse {
        routes().dispatch(self, request, cx)
    }

    fn finish(&self, _request: &FakeRequest, response: &mut FakeResponse, cx: &FakeContext) {
        response.add_header("x-request-id", format!("scim-{}", cx.request_number()));
        if self.directory.settings.status == StatusForm::Number && response.status >= 400 {
            let mut body = response.to_json();
            if let Some(status) = body.get_mut("status") {
                *status = response.status.into();
                response.body = body.to_string().into();
            }
        }
    }

    fn seed(&mut self, seed: &Value, cx: &mut FakeContext) -> Result<(), ActError> {
        seed::seed(self, seed, cx)
    }

    fn state(&self) -> Value {
        json!({ "users": self.directory.users, "groups": self.directory.groups })
    }

    fn act(&mut self, act: &Act, cx: &mut FakeContext) -> Result<Value, ActError> {
        seed::act(self, act, cx)
    }

    fn snapshot(&self) -> Box<dyn Fake> {
        Box::new(self.clone())
    }

    fn throttle_response(&self, _request: &FakeRequest, pause: Duration, _cx: &FakeContext) -> FakeResponse {
        let seconds = pause.as_secs() + u64::from(pause.subsec_nanos() > 0);
        FakeResponse::from(Refusal::new(429, "too many requests")).with_header("retry-after", seconds.to_string())
    }

    fn error_response(&self, status: u16, _cx: &FakeContext) -> FakeResponse {
        Refusal::new(status, format!("status {status}")).into()
    }
}
