//! Who may ask for what: access tokens, and service accounts with domain-wide delegation.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use provisionr_sdk::Timestamp;
use serde_json::{Value, json};

use super::GoogleFake;
use super::answer::error;
use crate::fake::FakeContext;
use crate::message::{FakeRequest, FakeResponse};
use crate::router::{Call, Reply};

/// All scopes this fake's operations ask for, below [`PREFIX`].
pub(super) const SCOPES: [&str; 11] = [
    "admin.directory.user",
    "admin.directory.user.readonly",
    "admin.directory.user.security",
    "admin.directory.user.alias",
    "admin.directory.user.alias.readonly",
    "admin.directory.group",
    "admin.directory.group.readonly",
    "admin.directory.group.member",
    "admin.directory.group.member.readonly",
    "admin.directory.orgunit",
    "admin.directory.orgunit.readonly",
];

/// Before each scope.
pub(super) const PREFIX: &str = "https://www.googleapis.com/auth/";

/// What an access token allows.
#[derive(Clone, Debug)]
pub(super) struct Grantee {
    /// The administrator it acts as.
    pub(super) admin: String,
    pub(super) scopes: BTreeSet<String>,
    pub(super) expires: Option<Timestamp>,
}

/// The credentials of a customer. `Debug` must not show them.
#[derive(Clone, Default)]
pub(super) struct Auth {
    pub(super) tokens: BTreeMap<String, Grantee>,
    /// Service accounts by address, with the scopes delegated to them.
    pub(super) delegated: BTreeMap<String, BTreeSet<String>>,
    issued: u64,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").field("delegated", &self.delegated.keys()).finish_non_exhaustive()
    }
}

/// How long an access token lives.
const LIFETIME: Duration = Duration::from_secs(3599);

/// The scopes of which one is needed, as the discovery document lists them.
fn needed(request: &FakeRequest) -> &'static [&'static str] {
    let segments = request.segments();
    let part = |at: usize| segments.get(at).map_or("", String::as_str);
    match (part(3), part(5), request.is_read()) {
        ("users", "signOut", _) => &["admin.directory.user.security"],
        ("users", "aliases", _) => {
            &["admin.directory.user", "admin.directory.user.alias", "admin.directory.user.alias.readonly", "admin.directory.user.readonly"]
        }
        ("users", _, true) => &["admin.directory.user", "admin.directory.user.readonly"],
        ("users", ..) => &["admin.directory.user"],
        ("groups", "members" | "hasMember", true) => {
            &["admin.directory.group", "admin.directory.group.member", "admin.directory.group.member.readonly", "admin.directory.group.readonly"]
        }
        ("groups", "members", false) => &["admin.directory.group", "admin.directory.group.member"],
        ("groups", _, true) => &["admin.directory.group", "admin.directory.group.readonly"],
        ("groups", ..) => &["admin.directory.group"],
        (_, "orgunits", true) => &["admin.directory.orgunit", "admin.directory.orgunit.readonly"],
        _ => &["admin.directory.orgunit"],
    }
}

pub(super) fn admit(google: &GoogleFake, request: &FakeRequest, cx: &mut FakeContext) -> Result<(), FakeResponse> {
    if !request.path.starts_with("/admin/directory/v1/") {
        return Ok(());
    }
    let token = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let grantee = token.and_then(|token| google.auth.tokens.get(token)).filter(|grantee| grantee.expires.is_none_or(|expires| cx.now() < expires));
    let Some(grantee) = grantee else {
        return Err(match token {
            None => error(401, "required", "Login Required"),
            Some(_) => error(401, "authError", "Invalid Credentials"),
        });
    };
    cx.set_caller(&grantee.admin);
    if needed(request).iter().any(|scope| grantee.scopes.contains(&format!("{PREFIX}{scope}"))) {
        return Ok(());
    }
    Err(error(403, "insufficientPermissions", "Request had insufficient authentication scopes."))
}

/// Issues an access token to a service account that acts as an administrator. The assertion's shape, names and times are
/// checked; its signature is not, for the fake holds no keys. <https://developers.google.com/identity/protocols/oauth2/service-account>
pub(super) fn token(google: &mut GoogleFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let refuse = |status: u16, code: &str, why: &str| FakeResponse::json(status, &json!({ "error": code, "error_description": why }));
    if call.request.form("grant_type").as_deref() != Some("urn:ietf:params:oauth:grant-type:jwt-bearer") {
        return Err(refuse(400, "unsupported_grant_type", "Invalid grant_type"));
    }
    let read = call.request.form("assertion").and_then(|assertion| claims(&assertion));
    let Some((header, claims)) = read else { return Err(refuse(400, "invalid_grant", "Invalid JWT")) };
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
    if text(&header, "alg") != "RS256" {
        return Err(refuse(400, "invalid_grant", "Invalid JWT: only RS256 is accepted"));
    }
    // Google's libraries write its own address whatever the token endpoint is set to.
    let audience = text(&claims, "aud");
    if audience != "https://oauth2.googleapis.com/token" && audience != format!("{}/token", cx.base_url()) {
        return Err(refuse(400, "invalid_grant", "Invalid JWT: the audience is wrong"));
    }
    let now = cx.now().as_millis() / 1000;
    let second = |name: &str| claims.get(name).and_then(Value::as_i64).unwrap_or(0);
    if second("exp") <= now || second("exp") - second("iat") > 3600 || second("iat") > now {
        return Err(refuse(400, "invalid_grant", "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe."));
    }
    let Some(delegated) = google.auth.delegated.get(&text(&claims, "iss")) else {
        return Err(refuse(400, "invalid_grant", "Invalid grant: account not found"));
    };
    let admin = google.customer.user(&text(&claims, "sub")).filter(|user| !user.suspended);
    let Some(admin) = admin else { return Err(refuse(400, "invalid_grant", "Invalid email or User ID")) };
    let asked: BTreeSet<String> = text(&claims, "scope").split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect();
    if asked.is_empty() || !asked.is_subset(delegated) {
        let why = "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the scopes requested.";
        return Err(refuse(401, "unauthorized_client", why));
    }
    google.auth.issued += 1;
    let token = format!("ya29.fake-access-token-{}", google.auth.issued);
    google.auth.tokens.insert(token.clone(), Grantee { admin: admin.id.clone(), scopes: asked, expires: Some(cx.now() + LIFETIME) });
    Ok(FakeResponse::json(200, &json!({ "access_token": token, "expires_in": LIFETIME.as_secs(), "token_type": "Bearer" })))
}

/// Header and claims of a JWT.
fn claims(assertion: &str) -> Option<(Value, Value)> {
    let mut parts = assertion.split('.');
    let (header, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || signature.is_empty() {
        return None;
    }
    let read = |part: &str| serde_json::from_slice(&base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, part).ok()?).ok();
    Some((read(header)?, read(claims)?))
}
