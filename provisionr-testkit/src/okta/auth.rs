//! Who may ask for what: API tokens, and service apps with scopes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use provisionr_sdk::Timestamp;
use serde_json::{Value, json};

use super::OktaFake;
use super::answer::{error, forbidden};
use crate::fake::FakeContext;
use crate::message::{FakeRequest, FakeResponse};
use crate::router::{Call, Reply};

/// All scopes this fake's operations ask for.
pub(super) const SCOPES: [&str; 6] = ["okta.users.read", "okta.users.manage", "okta.groups.read", "okta.groups.manage", "okta.apps.read", "okta.apps.manage"];

/// What a token allows.
#[derive(Clone, Debug)]
pub(super) struct Grantee {
    /// The user or client it speaks for.
    pub(super) owner: String,
    /// Okta has roles for API tokens and scopes for service apps; this fake plays both as scopes.
    pub(super) scopes: BTreeSet<String>,
    pub(super) expires: Option<Timestamp>,
}

/// The credentials of an org. `Debug` must not show them.
#[derive(Clone, Default)]
pub(super) struct Auth {
    pub(super) api_tokens: BTreeMap<String, Grantee>,
    pub(super) access_tokens: BTreeMap<String, Grantee>,
    /// Service apps by client id, with the scopes they are granted.
    pub(super) clients: BTreeMap<String, BTreeSet<String>>,
    issued: u64,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").field("clients", &self.clients.keys()).finish_non_exhaustive()
    }
}

/// How long an access token lives; Okta fixes it at an hour for its own scopes.
const LIFETIME: Duration = Duration::from_secs(3600);

pub(super) fn admit(okta: &OktaFake, request: &FakeRequest, cx: &mut FakeContext) -> Result<(), FakeResponse> {
    let Some(area) = request.segments().get(2).cloned().filter(|_| request.path.starts_with("/api/v1/")) else { return Ok(()) };
    let invalid = |cx: &FakeContext| error(cx, 401, "E0000011", "Invalid token provided", &[]);
    let given = request.header("authorization").unwrap_or_default();
    // Okta's SDK for Python leaves the space out (3.4.6, `Configuration.auth_settings`), and is let in.
    let api_token = given.strip_prefix("SSWS").map(str::trim_start);
    let grantee = match api_token {
        Some(token) => okta.auth.api_tokens.get(token),
        None => given.strip_prefix("Bearer ").and_then(|token| okta.auth.access_tokens.get(token)),
    };
    let Some(grantee) = grantee.filter(|grantee| grantee.expires.is_none_or(|expires| cx.now() < expires)) else { return Err(invalid(cx)) };
    cx.set_caller(&grantee.owner);
    let has = |verb: &str| grantee.scopes.contains(&format!("okta.{area}.{verb}"));
    let allowed = !matches!(area.as_str(), "users" | "groups" | "apps") || has("manage") || (request.is_read() && has("read"));
    if allowed { Ok(()) } else { Err(forbidden(cx)) }
}

/// Issues an access token to a service app. The assertion's shape, names and times are checked; its signature is not,
/// for the fake holds no keys.
pub(super) fn token(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let request = call.request;
    let refuse = |status: u16, code: &str, why: &str| FakeResponse::json(status, &json!({ "error": code, "error_description": why }));
    if request.form("grant_type").as_deref() != Some("client_credentials") {
        return Err(refuse(400, "unsupported_grant_type", "The grant type must be client_credentials."));
    }
    if request.form("client_assertion_type").as_deref() != Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer") {
        return Err(refuse(401, "invalid_client", "Only private_key_jwt is accepted for Okta scopes."));
    }
    let claims = request.form("client_assertion").and_then(|assertion| claims(&assertion));
    let Some((header, claims)) = claims else { return Err(refuse(401, "invalid_client", "The client_assertion is not a JWT.")) };
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
    if !matches!(text(&header, "alg").as_str(), "RS256" | "RS384" | "RS512" | "ES256" | "ES384" | "ES512") {
        return Err(refuse(401, "invalid_client", "The algorithm of the client_assertion is not accepted."));
    }
    let client = text(&claims, "iss");
    if client != text(&claims, "sub") || text(&claims, "aud") != format!("{}/oauth2/v1/token", cx.base_url()) {
        return Err(refuse(401, "invalid_client", "iss and sub must be the client id, and aud the token endpoint."));
    }
    let now = cx.now().as_millis() / 1000;
    let expires = claims.get("exp").and_then(Value::as_i64).unwrap_or(0);
    if expires <= now || expires > now + 3600 {
        return Err(refuse(401, "invalid_client", "The client_assertion is expired, or lives for more than an hour."));
    }
    let Some(granted) = okta.auth.clients.get(&client) else { return Err(refuse(401, "invalid_client", "Invalid value for 'client_id' parameter.")) };
    let asked: BTreeSet<String> = request.form("scope").unwrap_or_default().split(' ').filter(|scope| !scope.is_empty()).map(str::to_owned).collect();
    if asked.is_empty() || !asked.is_subset(granted) {
        return Err(refuse(400, "invalid_scope", "One or more scopes are not configured for the client."));
    }
    okta.auth.issued += 1;
    let token = format!("eyJ-fake-access-token-{}", okta.auth.issued);
    let scope = asked.iter().cloned().collect::<Vec<_>>().join(" ");
    okta.auth.access_tokens.insert(token.clone(), Grantee { owner: client, scopes: asked, expires: Some(cx.now() + LIFETIME) });
    Ok(FakeResponse::json(200, &json!({ "token_type": "Bearer", "expires_in": LIFETIME.as_secs(), "access_token": token, "scope": scope })))
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
