//! Who may ask for what: API tokens at the site's own address; scoped tokens and apps at the gateway.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::JiraFake;
use super::answer::error;
use crate::fake::FakeContext;
use crate::message::{FakeRequest, FakeResponse};

/// The classic scopes this fake's operations ask for.
pub(super) const SCOPES: [&str; 4] = ["read:jira-user", "read:jira-work", "manage:jira-project", "manage:jira-configuration"];

/// What a permission of Jira allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Permission {
    /// Administer Jira.
    Administer,
    /// Browse users and groups.
    UserPicker,
    /// Administer projects; here of all of them.
    AdministerProjects,
}

pub(super) const PERMISSIONS: [Permission; 3] = [Permission::Administer, Permission::UserPicker, Permission::AdministerProjects];

/// A token and what it is good for.
#[derive(Clone, Debug)]
pub(super) struct Grantee {
    /// The account it speaks for.
    pub(super) owner: String,
    /// Its scopes; none for a token without scopes, which is good at the site's own address only.
    pub(super) scopes: Option<BTreeSet<String>>,
    /// Whether it is an app's: then it counts on the hourly quota.
    pub(super) app: bool,
    pub(super) permissions: BTreeSet<Permission>,
}

/// The credentials of a site. `Debug` must not show them.
#[derive(Clone, Default)]
pub(super) struct Auth(pub(super) BTreeMap<String, Grantee>);

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").field("tokens", &self.0.len()).finish()
    }
}

fn secret(request: &FakeRequest) -> Option<(Option<String>, String)> {
    match request.header("authorization")?.split_once(' ')? {
        ("Bearer", token) => Some((None, token.to_owned())),
        ("Basic", pair) => {
            let pair = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, pair).ok()?;
            let (email, token) = std::str::from_utf8(&pair).ok()?.split_once(':')?;
            Some((Some(email.to_owned()), token.to_owned()))
        }
        _ => None,
    }
}

/// Scopes by operation, from the vendor's description.
fn scope_of(method: &Method, path: &str) -> &'static str {
    let below = path.trim_start_matches("/rest/api/3/");
    match (method, below.split('/').collect::<Vec<_>>().as_slice()) {
        (&Method::GET, ["myself" | "user" | "users", ..] | ["group", "bulk"] | ["groups", "picker"]) => "read:jira-user",
        (&Method::GET, ["project" | "mypermissions", ..]) => "read:jira-work",
        (&Method::PUT | &Method::DELETE, ["project", ..]) => "manage:jira-project",
        _ => "manage:jira-configuration",
    }
}

/// What anybody may ask, without a token and without a scope.
pub(super) const OPEN: &str = "/rest/api/3/serverInfo";

/// Finds out who asks. The gateway answers a missing scope before Jira is asked.
pub(super) fn admit(jira: &JiraFake, request: &FakeRequest, gateway: bool, cx: &mut FakeContext) -> Result<(), FakeResponse> {
    if request.path == OPEN && (!gateway || secret(request).is_some_and(|(_, token)| jira.auth.0.contains_key(&token))) {
        return Ok(());
    }
    let Some((email, token)) = secret(request) else { return Err(error(401, "Client must be authenticated to access this resource.")) };
    let known = jira.auth.0.get(&token).filter(|grantee| {
        let theirs = jira.site.users.get(&grantee.owner).and_then(|user| user.email.as_ref());
        email.as_ref().is_none_or(|email| theirs == Some(email)) && (email.is_some() || grantee.scopes.is_some())
    });
    let Some(grantee) = known.filter(|grantee| grantee.scopes.is_some() == gateway) else {
        return Err(if gateway {
            FakeResponse::json(401, &json!({ "code": 401, "message": "Unauthorized" }))
        } else {
            error(401, "Client must be authenticated to access this resource.")
        });
    };
    cx.set_caller(&token);
    if grantee.app
        && let Some((until, reason)) = &jira.quota
        && *until > cx.now()
    {
        return Err(jira.too_many(until.since(cx.now()), reason, cx));
    }
    match &grantee.scopes {
        Some(scopes) if !scopes.contains(scope_of(&request.method, &request.path)) => {
            Err(FakeResponse::json(401, &json!({ "code": 401, "message": "Unauthorized; scope does not match" })))
        }
        _ => Ok(()),
    }
}

impl JiraFake {
    fn grantee(&self, cx: &FakeContext) -> Option<&Grantee> {
        self.auth.0.get(cx.caller()?)
    }

    /// The account that asks.
    pub(super) fn caller(&self, cx: &FakeContext) -> String {
        self.grantee(cx).map(|grantee| grantee.owner.clone()).unwrap_or_default()
    }

    pub(super) fn may(&self, permission: Permission, cx: &FakeContext) -> bool {
        self.grantee(cx).is_some_and(|grantee| grantee.permissions.contains(&permission))
    }

    pub(super) fn demand(&self, permission: Permission, cx: &FakeContext) -> Result<(), FakeResponse> {
        if self.may(permission, cx) { Ok(()) } else { Err(error(403, "You do not have permission to do this")) }
    }

    pub(super) fn demand_site_admin(&self, cx: &FakeContext) -> Result<(), FakeResponse> {
        if self.site.is_site_admin(&self.caller(cx)) { Ok(()) } else { Err(error(403, "Only site administrators can do this")) }
    }
}
