//! Who may ask: apps, and the sessions they get.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::SalesforceFake;
use super::answer::error;
use crate::fake::FakeContext;
use crate::message::{FakeRequest, FakeResponse};
use crate::router::{Call, Reply};

/// What the user of a session may do, as far as this fake asks.
pub(super) const PERMISSIONS: [&str; 3] = ["ManageUsers", "AssignPermissionSets", "ViewSetup"];

/// For whom a session speaks.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) username: String,
    pub(super) permissions: BTreeSet<String>,
}

#[derive(Clone)]
pub(super) struct Client {
    pub(super) secret: Option<String>,
    pub(super) username: String,
}

/// The credentials of an org. `Debug` must not show them.
#[derive(Clone, Default)]
pub(super) struct Auth {
    pub(super) sessions: BTreeMap<String, Session>,
    pub(super) clients: BTreeMap<String, Client>,
    issued: u64,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").field("clients", &self.clients.keys()).finish_non_exhaustive()
    }
}

pub(super) fn session<'f>(fake: &'f SalesforceFake, request: &FakeRequest) -> Option<&'f Session> {
    let (_, token) = request.header("authorization")?.split_once(' ').filter(|(scheme, _)| *scheme == "Bearer" || *scheme == "OAuth")?;
    fake.auth.sessions.get(token)
}

pub(super) fn admit(fake: &SalesforceFake, request: &FakeRequest, cx: &mut FakeContext) -> Result<(), FakeResponse> {
    let Some(session) = session(fake, request) else { return Err(error(401, "INVALID_SESSION_ID", "Session expired or invalid")) };
    cx.set_caller(&session.username);
    let version = request.segments().get(2).and_then(|version| version.strip_prefix('v')?.strip_suffix(".0")?.parse::<u32>().ok());
    if version.is_none_or(|version| !(31..=68).contains(&version)) {
        return Err(error(404, "NOT_FOUND", "The requested resource does not exist"));
    }
    Ok(())
}

/// Key and secret of an app that sends them as a header does.
/// <https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_client_credentials_flow.htm>
fn basic(request: &FakeRequest) -> Option<(String, String)> {
    let given = request.header("authorization")?.strip_prefix("Basic ")?;
    let plain = String::from_utf8(base64::Engine::decode(&base64::engine::general_purpose::STANDARD, given).ok()?).ok()?;
    plain.split_once(':').map(|(key, secret)| (key.to_owned(), secret.to_owned()))
}

/// Issues a session. The assertion's shape, names and times are checked; its signature is not, for the fake holds no keys.
pub(super) fn token(fake: &mut SalesforceFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let request = call.request;
    let refuse = |status: u16, code: &str, why: &str| FakeResponse::json(status, &json!({ "error": code, "error_description": why }));
    let username = match request.form("grant_type").as_deref() {
        Some("client_credentials") => {
            let (key, secret) = basic(request).or_else(|| Some((request.form("client_id")?, request.form("client_secret")?))).unwrap_or_default();
            let client = fake.auth.clients.get(&key).filter(|client| client.secret.as_ref() == Some(&secret));
            client.ok_or_else(|| refuse(401, "invalid_client", "invalid client credentials"))?.username.clone()
        }
        Some("urn:ietf:params:oauth:grant-type:jwt-bearer") => {
            let (header, claims) = request.form("assertion").and_then(|text| claims(&text)).ok_or_else(|| refuse(400, "invalid_grant", "invalid assertion"))?;
            let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
            if text(&header, "alg") != "RS256" {
                return Err(refuse(400, "invalid_grant", "invalid assertion"));
            }
            if !["https://login.salesforce.com", "https://test.salesforce.com"].contains(&text(&claims, "aud").as_str()) {
                return Err(refuse(400, "invalid_grant", "audience is invalid"));
            }
            let now = cx.now().as_millis() / 1000;
            // A text in Salesforce's own example, and in what clients send; three minutes from now, which may be rounded up.
            let expires = claims.get("exp").and_then(|exp| exp.as_i64().or_else(|| exp.as_str()?.parse().ok())).unwrap_or(0);
            if expires <= now || expires > now + 181 {
                return Err(refuse(400, "invalid_grant", "expired authorization code"));
            }
            let client = fake.auth.clients.get(&text(&claims, "iss"));
            let client = client.ok_or_else(|| refuse(400, "invalid_client_id", "client identifier invalid"))?;
            if !client.username.eq_ignore_ascii_case(&text(&claims, "sub")) {
                return Err(refuse(400, "invalid_grant", "user hasn't approved this consumer"));
            }
            client.username.clone()
        }
        _ => return Err(refuse(400, "unsupported_grant_type", "grant type not supported")),
    };
    fake.auth.issued += 1;
    let token = format!("00Dfake!issued-access-token-{}", fake.auth.issued);
    let user = user_of(fake, &username);
    fake.auth.sessions.insert(token.clone(), Session { username, permissions: PERMISSIONS.map(str::to_owned).into() });
    let base = cx.base_url();
    Ok(FakeResponse::json(
        200,
        &json!({ "access_token": token, "scope": "api", "instance_url": base, "id": format!("{base}/id/00D000000000001AAA/{user}"), "token_type": "Bearer" }),
    ))
}

/// Whom a token speaks for. <https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_using_userinfo_endpoint.htm&type=5>
pub(super) fn userinfo(fake: &mut SalesforceFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let Some(session) = session(fake, call.request).filter(|_| fake.org.settings.userinfo) else {
        return Err(FakeResponse::bytes(403, "text/html", "Bad_OAuth_Token"));
    };
    let user = user_of(fake, &session.username);
    let sub = format!("{}/id/00D000000000001AAA/{user}", cx.base_url());
    Ok(FakeResponse::json(
        200,
        &json!({ "sub": sub, "user_id": user, "organization_id": "00D000000000001AAA", "preferred_username": session.username, "active": true }),
    ))
}

fn user_of(fake: &SalesforceFake, username: &str) -> String {
    fake.org.user(username).map_or_else(|| "005000000000000AAA".to_owned(), |(id, _)| id.to_owned())
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
