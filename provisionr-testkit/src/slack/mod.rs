//! Slack: a workspace with its channels and user groups, the organisation around it, and SCIM.
//!
//! Written after <https://docs.slack.dev/reference/methods> and <https://docs.slack.dev/reference/scim-api>.
//! Where neither says for certain, [`SlackSettings`] has a default and says so.

mod answer;
mod channels;
mod scim;
mod seed;
mod state;
mod truth;
mod usergroups;
mod users;

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::Duration;

use provisionr_sdk::Access;
use serde_json::{Value, json};

pub use state::{Invited, Plan, SlackChannel, SlackSettings, SlackTeam, SlackUser, SlackUsergroup};

use crate::fake::{self, Fake, FakeContext};
use crate::limit::{Limit, Limits};
use crate::link::{Act, ActError};
use crate::message::{FakeRequest, FakeResponse};
use crate::router::{Handler, Router};
use crate::system::FakeSystem;

/// A fake of one Slack workspace; with [`Plan::Enterprise`] of the organisation around it.
///
/// A new workspace ([`SlackFake::TEAM`]) has the app's bot ([`SlackFake::BOT`], with the token [`SlackFake::BOT_TOKEN`]) and its
/// primary owner ([`SlackFake::ADMIN`], with the user token [`SlackFake::ADMIN_TOKEN`]), both allowed everything their kind of
/// token can be. Methods are at `slack.com/api`, SCIM at `api.slack.com/scim/v2`; any host that begins with `api.` will do.
///
/// Seeds, as JSON or by the builder's methods (every part may be left out):
///
/// ```json
/// {
///   "settings": { "plan": "enterprise", "page_size": 3, "empty_pages": 0, "invited": "shown", "scim_written": 200, "scim_duplicate": 409 },
///   "users": [{ "email": "sarah@company.com", "name": "sarah", "deleted": false, "restricted": false, "role": "admin" }],
///   "channels": [{ "name": "sales", "private": true, "members": ["sarah"], "without_app": false, "host": "T0ACME", "idp_groups": [] }],
///   "usergroups": [{ "handle": "sales-team", "users": ["sarah"], "disabled": false, "auto_type": null, "auto_provision": false }],
///   "teams": [{ "name": "Labs" }],
///   "tokens": [{ "token": "xoxb-…", "user": "UBOT000001", "scopes": ["users:read"] }],
///   "limits": [{ "on": { "method": "*", "path": "/api/users.list" }, "units": 20, "per_ms": 60000 }]
/// }
/// ```
///
/// Acts: `join_channel {user, channel}`, `leave_channel {user, channel}`, `join_usergroup {user, usergroup}`,
/// `leave_usergroup {user, usergroup}`, `accept_invitation {user}`, `provision_user {email, first_name?, last_name?}` (over SCIM: made, or
/// activated), `deprovision_user {email}` (it is deactivated), `deactivate {user}`, `reactivate {user}`, `forget {user}`, `log_in {user}`,
/// `set_role {user, team, role}`, `archive_channel {channel}`, `hide_channel {channel}` (made private, the app's bot taken out),
/// `refuse_token {token, code}`.
///
/// Events: `user.created`, `user.invited`, `user.mail`, `user.joined`, `user.updated`, `user.deactivated`, `user.activated`,
/// `user.sessions_ended`, `user.role_changed`, `channel.member_joined`, `channel.member_left`, `usergroup.updated`,
/// `usergroup.disabled`, `usergroup.enabled`.
#[derive(Clone, Debug)]
pub struct SlackFake {
    workspace: state::Workspace,
    limits: Limits,
}

impl Default for SlackFake {
    fn default() -> Self {
        Self::new()
    }
}

impl SlackFake {
    /// The workspace.
    pub const TEAM: &'static str = "T0000000001";
    /// The app's bot user.
    pub const BOT: &'static str = "UBOT000001";
    /// The bot's token.
    pub const BOT_TOKEN: &'static str = "xoxb-fake-slack-bot-token";
    /// The primary owner of the workspace.
    pub const ADMIN: &'static str = "UADMIN0001";
    /// A token of the primary owner, with `admin` and all scopes of `admin.*`.
    pub const ADMIN_TOKEN: &'static str = "xoxp-fake-slack-admin-token";

    /// A new workspace.
    pub fn new() -> Self {
        let slack = Self { workspace: state::Workspace::new(Self::TEAM), limits: Limits::none() };
        let scopes: BTreeSet<&str> = METHODS.iter().flat_map(|method| method.scopes).copied().chain(["groups:read", "groups:write"]).collect();
        let bot: Vec<_> = scopes.iter().filter(|scope| !scope.starts_with("admin")).collect();
        let admin: Vec<_> = scopes.iter().chain([&"admin"]).collect();
        slack.seeded(&json!({
            "users": [
                { "id": Self::BOT, "email": "", "name": "provisionr", "bot": true },
                { "id": Self::ADMIN, "email": "admin@example.com", "name": "admin", "role": "owner" },
            ],
            "tokens": [
                { "token": Self::BOT_TOKEN, "user": Self::BOT, "scopes": bot },
                { "token": Self::ADMIN_TOKEN, "user": Self::ADMIN, "scopes": admin },
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

    /// Adds an active member.
    #[must_use]
    #[track_caller]
    pub fn with_user(self, email: &str) -> Self {
        self.seeded(&json!({ "users": [{ "email": email }] }))
    }

    /// Adds a public channel that the app's bot is in.
    #[must_use]
    #[track_caller]
    pub fn with_channel(self, name: &str) -> Self {
        self.seeded(&json!({ "channels": [{ "name": name }] }))
    }

    /// Adds a private channel that the app's bot is in.
    #[must_use]
    #[track_caller]
    pub fn with_private_channel(self, name: &str) -> Self {
        self.seeded(&json!({ "channels": [{ "name": name, "private": true }] }))
    }

    /// Adds a user group with these users.
    #[must_use]
    #[track_caller]
    pub fn with_usergroup(self, handle: &str, users: &[&str]) -> Self {
        self.seeded(&json!({ "usergroups": [{ "handle": handle, "users": users }] }))
    }

    /// Sets the plan.
    #[must_use]
    pub fn with_plan(self, plan: Plan) -> Self {
        self.with_settings(|settings| settings.plan = plan)
    }

    /// Sets what is not the same for each workspace.
    #[must_use]
    pub fn with_settings(mut self, set: impl FnOnce(&mut SlackSettings)) -> Self {
        set(&mut self.workspace.settings);
        self
    }

    /// Adds a rate limit; there is none otherwise.
    #[must_use]
    pub fn with_limit(mut self, limit: Limit) -> Self {
        self.limits.add(limit);
        self
    }

    /// Adds Slack's limits: each method's own by its tier, and those of SCIM. So many requests more are let through at once, for
    /// every tier tolerates a burst that Slack gives no number of.
    #[must_use]
    pub fn with_tiers(mut self, burst: u32) -> Self {
        let minute = Duration::from_secs(60);
        for method in METHODS {
            self.limits.add(Limit::new(method.tier + burst, minute).on("*", method.path));
        }
        for (verb, path, units) in
            [("GET", "/scim/v2/Users", 1000), ("GET", "/scim/v2/Users/*", 300), ("POST", "/scim/v2/Users", 180), ("*", "/scim/v2/Users/*", 180)]
        {
            self.limits.add(Limit::new(units + burst, minute).on(verb, path));
        }
        self
    }

    /// The methods it plays.
    pub fn methods() -> impl Iterator<Item = &'static str> {
        METHODS.iter().filter_map(|method| method.path.strip_prefix("/api/"))
    }

    /// Runs it by a clock of its own.
    pub fn start(self) -> FakeSystem<Self> {
        FakeSystem::new(self)
    }

    /// The user whose token the request came with.
    fn caller<'a>(&'a self, cx: &FakeContext) -> &'a str {
        cx.caller().and_then(|token| self.workspace.tokens.get(token)).map_or("", |token| &token.user)
    }

    /// Whether the caller's token has one of these scopes.
    fn allows(&self, cx: &FakeContext, scopes: &[&str]) -> Result<(), FakeResponse> {
        let Some(token) = cx.caller().and_then(|token| self.workspace.tokens.get(token)) else { return Err(answer::refuse("not_authed")) };
        if scopes.is_empty() || scopes.iter().any(|scope| token.scopes.contains(*scope)) {
            return Ok(());
        }
        let provided: Vec<_> = token.scopes.iter().map(String::as_str).collect();
        Err(FakeResponse::json(200, &json!({ "ok": false, "error": "missing_scope", "needed": scopes.first(), "provided": provided.join(",") })))
    }

    /// Puts a user into a channel; whether that is new.
    fn enter(&mut self, channel: &str, user: &str, cx: &mut FakeContext) -> bool {
        let new = self.workspace.channels.get_mut(channel).is_some_and(|channel| channel.members.insert(user.to_owned()));
        if new {
            cx.emit("channel.member_joined", json!({ "channel": channel, "user": user }));
        }
        new
    }

    /// Takes a user out of a channel; whether they were in it.
    fn leave(&mut self, channel: &str, user: &str, cx: &mut FakeContext) -> bool {
        let gone = self.workspace.channels.get_mut(channel).is_some_and(|channel| channel.members.remove(user));
        if gone {
            cx.emit("channel.member_left", json!({ "channel": channel, "user": user }));
        }
        gone
    }

    fn is_primary_owner(&self, user: &str) -> bool {
        self.workspace.teams.get(&self.workspace.team).is_some_and(|team| team.owners.first().is_some_and(|owner| owner == user))
    }

    /// Deactivates a user. Memberships in channels do not come back:
    /// <https://slack.com/help/articles/360002061747-Reactivate-a-members-account>
    fn deactivate(&mut self, id: &str, cx: &mut FakeContext) {
        let Some(user) = self.workspace.users.get_mut(id).filter(|user| !user.deleted) else { return };
        (user.deleted, user.invited, user.sessions) = (true, false, 0);
        cx.emit("user.deactivated", json!({ "user": id }));
        let channels: Vec<String> = self.workspace.channels.keys().cloned().collect();
        for channel in channels {
            self.leave(&channel, id, cx);
        }
        for group in self.workspace.usergroups.values_mut() {
            group.users.remove(id);
        }
    }

    fn activate(&mut self, id: &str, cx: &mut FakeContext) {
        if let Some(user) = self.workspace.users.get_mut(id)
            && user.deleted
        {
            user.deleted = false;
            cx.emit("user.activated", json!({ "user": id }));
        }
    }
}

/// One method: any of the scopes lets a token in, and so many calls a minute count as its tier.
struct Method {
    path: &'static str,
    scopes: &'static [&'static str],
    tier: u32,
    access: Access,
    handler: Handler<SlackFake>,
}

const fn method(path: &'static str, scopes: &'static [&'static str], tier: u32, access: Access, handler: Handler<SlackFake>) -> Method {
    Method { path, scopes, tier, access, handler }
}

/// Tiers and scopes as docs.slack.dev gives them with each method.
const METHODS: &[Method] = {
    use Access::{Read, Write};
    &[
        method("/api/auth.test", &[], 600, Read, users::auth_test),
        method("/api/users.info", &["users:read"], 100, Read, users::info),
        method("/api/users.lookupByEmail", &["users:read.email"], 50, Read, users::lookup_by_email),
        method("/api/users.list", &["users:read"], 20, Read, users::list),
        method("/api/users.conversations", &["channels:read", "groups:read"], 50, Read, channels::of_user),
        method("/api/conversations.list", &["channels:read", "groups:read"], 20, Read, channels::list),
        method("/api/conversations.info", &["channels:read", "groups:read"], 50, Read, channels::info),
        method("/api/conversations.members", &["channels:read", "groups:read"], 100, Read, channels::members),
        method(
            "/api/conversations.invite",
            &["channels:write.invites", "groups:write.invites", "channels:manage", "channels:write", "groups:write"],
            50,
            Write,
            channels::invite,
        ),
        method("/api/conversations.kick", &["channels:manage", "channels:write", "groups:write"], 50, Write, channels::kick),
        method("/api/conversations.join", &["channels:join", "channels:write"], 50, Write, channels::join),
        method("/api/usergroups.list", &["usergroups:read"], 20, Read, usergroups::list),
        method("/api/usergroups.users.list", &["usergroups:read"], 20, Read, usergroups::users),
        method("/api/usergroups.users.update", &["usergroups:write"], 20, Write, usergroups::update),
        method("/api/usergroups.disable", &["usergroups:write"], 20, Write, usergroups::disable),
        method("/api/usergroups.enable", &["usergroups:write"], 20, Write, usergroups::enable),
        method("/api/admin.users.invite", &["admin.users:write"], 20, Write, users::admin_invite),
        method("/api/admin.users.assign", &["admin.users:write"], 20, Write, users::admin_assign),
        method("/api/admin.users.remove", &["admin.users:write"], 20, Write, users::admin_remove),
        method("/api/admin.users.session.reset", &["admin.users:write"], 20, Write, users::session_reset),
        method("/api/admin.users.setAdmin", &["admin.users:write"], 20, Write, users::set_admin),
        method("/api/admin.users.setOwner", &["admin.users:write"], 20, Write, users::set_owner),
        method("/api/admin.users.setRegular", &["admin.users:write"], 20, Write, users::set_regular),
        method("/api/admin.teams.list", &["admin.teams:read"], 50, Read, users::teams),
        method("/api/admin.teams.admins.list", &["admin.teams:read"], 50, Read, users::admins),
        method("/api/admin.teams.owners.list", &["admin.teams:read"], 50, Read, users::owners),
        method("/api/admin.conversations.restrictAccess.listGroups", &["admin.conversations:read"], 20, Read, channels::idp_groups),
    ]
};

/// Every method takes both verbs: the reference and the older description disagree about many.
fn routes() -> &'static Router<SlackFake> {
    static ROUTES: OnceLock<Router<SlackFake>> = OnceLock::new();
    ROUTES.get_or_init(|| {
        let scim = Router::new()
            .get("/scim/v2/ServiceProviderConfig", scim::service_provider_config)
            .get("/scim/v2/Users", scim::list)
            .post("/scim/v2/Users", scim::create)
            .get("/scim/v2/Users/{id}", scim::get)
            .patch("/scim/v2/Users/{id}", scim::patch)
            .delete("/scim/v2/Users/{id}", scim::delete);
        METHODS.iter().fold(scim, |router, method| router.get(method.path, method.handler).post(method.path, method.handler))
    })
}

fn is_scim(request: &FakeRequest) -> bool {
    request.path.starts_with("/scim/")
}

impl Fake for SlackFake {
    fn system_type(&self) -> &'static str {
        "slack"
    }

    fn access(&self, request: &FakeRequest) -> Option<Access> {
        let method = METHODS.iter().find(|method| method.path == request.path);
        Some(method.map_or(if request.is_read() { Access::Read } else { Access::Write }, |method| method.access))
    }

    fn admit(&mut self, request: &FakeRequest, cx: &mut FakeContext) -> Result<(), FakeResponse> {
        if let Some(reading) = self.limits.count(request, cx.now())
            && reading.exceeded
        {
            return Err(self.throttle_response(request, reading.reset.since(cx.now()), cx));
        }
        let refuse = |status: u16, code: &str| if is_scim(request) { scim::refuse(status, code) } else { answer::refuse(code) };
        let Some(given) = request.header("authorization").and_then(|value| value.strip_prefix("Bearer ")) else { return Err(refuse(401, "not_authed")) };
        let Some(token) = self.workspace.tokens.get(given) else {
            return Err(refuse(401, if is_scim(request) { "invalid_authentication" } else { "invalid_auth" }));
        };
        if let Some(code) = &token.refused {
            return Err(refuse(401, code));
        }
        cx.set_caller(given);
        if is_scim(request) {
            return if token.scopes.contains("admin") { Ok(()) } else { Err(scim::refuse(403, "missing_scope")) };
        }
        if request.path.starts_with("/api/admin.") && given.starts_with("xoxb-") {
            return Err(answer::refuse("not_allowed_token_type"));
        }
        match METHODS.iter().find(|method| method.path == request.path) {
            Some(method) => self.allows(cx, method.scopes),
            None => Ok(()),
        }
    }

    fn handle(&mut self, request: &FakeRequest, cx: &mut FakeContext) -> FakeResponse {
        routes().dispatch(self, request, cx)
    }

    fn finish(&self, _request: &FakeRequest, response: &mut FakeResponse, cx: &FakeContext) {
        response.add_header("x-slack-req-id", format!("{:0>32x}", cx.request_number()));
        if let Some(token) = cx.caller().and_then(|token| self.workspace.tokens.get(token)) {
            response.add_header("x-oauth-scopes", token.scopes.iter().map(String::as_str).collect::<Vec<_>>().join(","));
        }
    }

    fn seed(&mut self, seed: &Value, cx: &mut FakeContext) -> Result<(), ActError> {
        seed::seed(self, seed, cx)
    }

    fn state(&self) -> Value {
        let workspace = &self.workspace;
        json!({ "users": workspace.users, "channels": workspace.channels, "usergroups": workspace.usergroups, "teams": workspace.teams })
    }

    fn act(&mut self, act: &Act, cx: &mut FakeContext) -> Result<Value, ActError> {
        seed::act(self, act, cx)
    }

    fn snapshot(&self) -> Box<dyn Fake> {
        Box::new(self.clone())
    }

    fn throttle_response(&self, request: &FakeRequest, pause: Duration, _cx: &FakeContext) -> FakeResponse {
        let seconds = pause.as_secs() + u64::from(pause.subsec_nanos() > 0);
        let mut answer = if is_scim(request) { scim::refuse(429, "ratelimited") } else { answer::refuse("ratelimited") };
        answer.status = 429;
        answer.with_header("retry-after", seconds.to_string())
    }

    /// Slack answers 200 to everything but too much at once; SCIM has the status itself.
    fn error_response(&self, status: u16, cx: &FakeContext) -> FakeResponse {
        if cx.base_url().contains("://api.") {
            return scim::refuse(status, "refused");
        }
        match status {
            400 => answer::refuse("invalid_arguments"),
            401 => answer::refuse("invalid_auth"),
            403 => FakeResponse::json(200, &json!({ "ok": false, "error": "missing_scope", "needed": "users:read", "provided": "" })),
            404 => answer::refuse("channel_not_found"),
            429 => FakeResponse { status: 429, ..answer::refuse("ratelimited") },
            503 => answer::refuse("service_unavailable"),
            _ => answer::refuse("internal_error"),
        }
    }
}
