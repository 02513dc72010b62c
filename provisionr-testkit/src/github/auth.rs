//! Who may ask for what: tokens of people with scopes, and installations of an app with permissions.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use provisionr_sdk::Timestamp;
use serde_json::{Value, json};

use super::GithubFake;
use super::answer::{message, not_found, time};
use crate::fake::FakeContext;
use crate::message::{FakeRequest, FakeResponse};
use crate::router::{Call, Reply};

/// What a token allows.
#[derive(Clone, Debug)]
pub(super) enum Grantee {
    /// Of a person, with scopes.
    Person(String, BTreeSet<String>),
    /// Of an installation, until this time.
    Installation(u64, Timestamp),
}

/// An installation of an app in the organization.
#[derive(Clone, Debug)]
pub(super) struct Installation {
    pub(super) app: String,
    pub(super) permissions: BTreeMap<String, String>,
    /// `all` or `selected` repositories.
    pub(super) selection: String,
    pub(super) suspended: Option<Timestamp>,
}

/// `Debug` must not show the tokens.
#[derive(Clone, Default)]
pub(super) struct Auth {
    pub(super) tokens: BTreeMap<String, Grantee>,
    pub(super) installations: BTreeMap<u64, Installation>,
    issued: u64,
}

/// Installation tokens live an hour.
const LIFETIME: Duration = Duration::from_secs(3600);

/// Whatever the case of the scheme: Octokit writes `bearer` and `token`.
fn bearer(request: &FakeRequest) -> Option<&str> {
    let (scheme, token) = request.header("authorization")?.split_once(' ')?;
    ["bearer", "token"].iter().any(|known| scheme.eq_ignore_ascii_case(known)).then_some(token)
}

/// What an operation asks for: the permission of an app, and the scopes of a person's token.
fn needed(request: &FakeRequest) -> Option<(&'static str, &'static str, &'static [&'static str])> {
    let segments = request.segments();
    let level = if request.is_read() { "read" } else { "write" };
    match segments.first().map(String::as_str) {
        Some("orgs") if segments.len() > 2 && segments.get(2).is_some_and(|part| part == "repos") => Some(("metadata", "read", &["repo"])),
        // <https://docs.github.com/enterprise-cloud@latest/admin/managing-iam/provisioning-user-accounts-with-scim/provisioning-users-and-groups-with-scim-using-the-rest-api>
        Some("scim") => Some(("enterprise_scim", level, &["scim:enterprise", "admin:enterprise"])),
        Some("orgs" | "organizations") if segments.len() > 2 => {
            Some(("members", level, if level == "read" { &["read:org", "admin:org"] } else { &["admin:org"] }))
        }
        Some("repos") if segments.len() == 3 => Some(("metadata", "read", &["repo"])),
        Some("repos") => Some(("administration", level, &["repo"])),
        _ => None,
    }
}

pub(super) fn admit(fake: &GithubFake, request: &FakeRequest, cx: &mut FakeContext) -> Result<(), FakeResponse> {
    // <https://docs.github.com/rest/using-the-rest-api/troubleshooting-the-rest-api#user-agent-required>
    if request.header("user-agent").is_none() {
        return Err(message(403, "Request forbidden by administrative rules. Please make sure your request has a User-Agent header"));
    }
    if request.path.starts_with("/app") {
        return Ok(());
    }
    let grantee = bearer(request).and_then(|token| fake.auth.tokens.get(token)).ok_or_else(|| message(401, "Bad credentials"))?;
    match grantee {
        Grantee::Person(owner, scopes) => {
            cx.set_caller(owner);
            let allowed = needed(request).is_none_or(|(.., wanted)| wanted.iter().any(|scope| scopes.contains(*scope)));
            // What a credential may not do looks as if it were not there, or is refused in words.
            match fake.org.settings.unwritable_status {
                _ if allowed => Ok(()),
                status if !request.is_read() && status != 404 => Err(message(status, "Must have admin rights to Repository.")),
                _ => Err(not_found()),
            }
        }
        Grantee::Installation(_, expires) if *expires <= cx.now() => Err(message(401, "Bad credentials")),
        Grantee::Installation(id, _) => {
            let held = fake.auth.installations.get(id).map(|installation| &installation.permissions);
            let Some((permission, level, _)) = needed(request) else { return Ok(()) };
            let has = held.and_then(|held| held.get(permission)).is_some_and(|held| held == "write" || held == level);
            let answer = || message(403, "Resource not accessible by integration");
            if has { Ok(()) } else { Err(answer().with_header("x-accepted-github-permissions", format!("{permission}={level}"))) }
        }
    }
}

/// The scopes a token has, as each answer to a person's token tells them.
pub(super) fn scopes(fake: &GithubFake, request: &FakeRequest) -> Option<String> {
    match fake.auth.tokens.get(bearer(request)?)? {
        Grantee::Person(_, scopes) => Some(scopes.iter().cloned().collect::<Vec<_>>().join(", ")),
        Grantee::Installation(..) => None,
    }
}

/// The app that signed the request. Shape, names and times of the token are checked; its signature is not, for the fake holds no keys.
/// <https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/generating-a-json-web-token-jwt-for-a-github-app>
fn app(request: &FakeRequest, cx: &FakeContext) -> Result<String, FakeResponse> {
    let claims = bearer(request).and_then(claims);
    let Some((header, claims)) = claims else { return Err(message(401, "A JSON web token could not be decoded")) };
    let (now, number) = (cx.now().as_millis() / 1000, |name: &str| claims.get(name).and_then(Value::as_i64).unwrap_or(i64::MAX));
    if header.get("alg").and_then(Value::as_str) != Some("RS256") {
        return Err(message(401, "A JSON web token could not be decoded"));
    }
    if number("iat") > now {
        return Err(message(401, "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"));
    }
    if number("exp") <= now || number("exp") > now + 600 {
        return Err(message(401, "'Expiration time' claim ('exp') is too far in the future"));
    }
    let issuer = claims.get("iss").cloned().unwrap_or_default();
    Ok(issuer.as_str().map_or_else(|| issuer.to_string(), str::to_owned))
}

fn installation(fake: &GithubFake, call: &Call<'_>, cx: &FakeContext) -> Result<(u64, Installation), FakeResponse> {
    let app = app(call.request, cx)?;
    let id = call.param("installation_id").parse().unwrap_or(0);
    let found = fake.auth.installations.get(&id).filter(|installation| installation.app == app).cloned();
    found.map(|installation| (id, installation)).ok_or_else(not_found)
}

pub(super) fn get(fake: &mut GithubFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let (id, installation) = installation(fake, call, cx)?;
    let owner = super::state::GithubUser::organization(&fake.org);
    let url = format!("{}/app/installations/{id}", cx.base_url());
    let page = format!("https://github.com/organizations/{}/settings/installations/{id}", fake.org.login);
    Ok(FakeResponse::json(
        200,
        &json!({
            "id": id, "account": super::answer::user(&owner, cx), "repository_selection": installation.selection, "access_tokens_url": format!("{url}/access_tokens"),
            "repositories_url": format!("{}/installation/repositories", cx.base_url()), "html_url": page,
            "app_id": 1, "client_id": installation.app, "target_id": fake.org.id, "target_type": "Organization", "permissions": installation.permissions,
            "events": [], "created_at": "2020-01-01T00:00:00Z", "updated_at": "2020-01-01T00:00:00Z", "single_file_name": null, "app_slug": "provisionr",
            "suspended_by": null, "suspended_at": installation.suspended.map(time), "has_multiple_single_files": false, "single_file_paths": [],
        }),
    ))
}

pub(super) fn access_token(fake: &mut GithubFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let (id, installation) = installation(fake, call, cx)?;
    if installation.suspended.is_some() {
        return Err(message(403, "This installation has been suspended"));
    }
    fake.auth.issued += 1;
    let (token, expires) = (format!("ghs_fake-installation-token-{}", fake.auth.issued), cx.now() + LIFETIME);
    fake.auth.tokens.insert(token.clone(), Grantee::Installation(id, expires));
    let body = json!({ "token": token, "expires_at": time(expires), "permissions": installation.permissions, "repository_selection": installation.selection });
    Ok(FakeResponse::json(201, &body))
}

/// Header and claims of a JWT.
fn claims(token: &str) -> Option<(Value, Value)> {
    let mut parts = token.split('.');
    let (header, claims, signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || signature.is_empty() {
        return None;
    }
    let read = |part: &str| serde_json::from_slice(&base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, part).ok()?).ok();
    Some((read(header)?, read(claims)?))
}
