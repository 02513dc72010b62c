//! Who may ask for what: bearer tokens, Basic, and a client of OAuth.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::ScimFake;
use super::protocol::Refusal;
use crate::fake::FakeContext;
use crate::message::{FakeRequest, FakeResponse};
use crate::router::{Call, Reply};

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Right {
    /// To look at users.
    #[serde(rename = "users.read")]
    ReadUsers,
    /// To make, change and delete users.
    #[serde(rename = "users.write")]
    WriteUsers,
    /// To look at groups.
    #[serde(rename = "groups.read")]
    ReadGroups,
    /// To make, change and delete groups.
    #[serde(rename = "groups.write")]
    WriteGroups,
}

pub(super) const RIGHTS: [Right; 4] = [Right::ReadUsers, Right::WriteUsers, Right::ReadGroups, Right::WriteGroups];

/// Tokens, and what they allow. `Debug` must not show them.
#[derive(Clone, Default)]
pub(super) struct Auth {
    pub(super) tokens: BTreeMap<String, BTreeSet<Right>>,
    issued: u64,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").field("tokens", &self.tokens.len()).finish_non_exhaustive()
    }
}

fn pair(encoded: &str) -> Option<(String, String)> {
    let plain = String::from_utf8(BASE64_STANDARD.decode(encoded).ok()?).ok()?;
    plain.split_once(':').map(|(user, secret)| (user.to_owned(), secret.to_owned()))
}

fn secret(request: &FakeRequest) -> Option<String> {
    match request.header("authorization")?.split_once(' ')? {
        ("Bearer", token) => Some(token.to_owned()),
        ("Basic", encoded) => pair(encoded).filter(|(user, _)| user == ScimFake::USER).map(|(_, secret)| secret),
        _ => None,
    }
}

pub(super) fn admit(scim: &ScimFake, request: &FakeRequest, cx: &mut FakeContext) -> Result<(), Refusal> {
    if request.path == "/oauth2/token" {
        return Ok(());
    }
    let known = secret(request).and_then(|secret| scim.auth.tokens.get(&secret).map(|rights| (secret, rights)));
    let Some((secret, rights)) = known else { return Err(Refusal::new(401, "the credential is not accepted")) };
    cx.set_caller(secret);
    let right = match (request.path.strip_prefix("/scim/v2/").and_then(|path| path.split('/').next()), request.is_read()) {
        (Some("Users"), true) => Right::ReadUsers,
        (Some("Users"), false) => Right::WriteUsers,
        (Some("Groups"), true) => Right::ReadGroups,
        (Some("Groups"), false) => Right::WriteGroups,
        _ => return Ok(()),
    };
    if rights.contains(&right) { Ok(()) } else { Err(Refusal::new(403, "the credential may not do this")) }
}

/// `client_credentials`: RFC 6749, section 4.4. The client shows its secret by Basic or in the form.
pub(super) fn token(scim: &mut ScimFake, call: &Call<'_>, _: &mut FakeContext) -> Reply {
    let request = call.request;
    if request.form("grant_type").as_deref() != Some("client_credentials") {
        return Err(FakeResponse::json(400, &json!({ "error": "unsupported_grant_type" })));
    }
    let shown = request.header("authorization").and_then(|value| pair(value.strip_prefix("Basic ")?));
    let client = shown.or_else(|| Some((request.form("client_id")?, request.form("client_secret")?)));
    let rights = client.filter(|(client, _)| client == ScimFake::CLIENT).and_then(|(_, secret)| scim.auth.tokens.get(&secret).cloned());
    let Some(rights) = rights else { return Err(FakeResponse::json(401, &json!({ "error": "invalid_client" }))) };
    scim.auth.issued += 1;
    let token = format!("fake-scim-access-token-{}", scim.auth.issued);
    scim.auth.tokens.insert(token.clone(), rights);
    Ok(FakeResponse::json(200, &json!({ "access_token": token, "token_type": "Bearer", "expires_in": 3600 })))
}
