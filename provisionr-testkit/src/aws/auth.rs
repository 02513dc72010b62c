//! Whether a request is signed, by whom, and whether they may do what they ask for.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use aws_lc_rs::{digest, hmac};
use provisionr_sdk::Timestamp;
use serde_json::json;

use super::answer::refuse;
use super::{AwsFake, Operation};
use crate::fake::FakeContext;
use crate::message::{FakeRequest, FakeResponse};

pub(super) fn admit(aws: &AwsFake, request: &FakeRequest, operation: &Operation, cx: &mut FakeContext) -> Result<(), FakeResponse> {
    let no = |code: &str, why: &str| refuse(aws, cx, 400, code, json!({ "Message": why }));
    let Some(given) = request.header("authorization") else { return Err(no("MissingAuthenticationTokenException", "Missing Authentication Token")) };
    let Some(claims) = Claims::read(given) else { return Err(no("IncompleteSignatureException", "The Authorization header is not whole.")) };
    let Some(key) = aws.instance.keys.get(claims.key_id) else {
        return Err(no("UnrecognizedClientException", "The security token included in the request is invalid."));
    };
    if let Some(code) = &key.refused {
        return Err(no(code, "The security token included in the request is refused."));
    }
    if request.header("x-amz-security-token") != key.token.as_deref() {
        return Err(no("UnrecognizedClientException", "The security token included in the request is invalid."));
    }
    if claims.service != operation.service() || claims.region != operation.region() {
        return Err(no("InvalidSignatureException", "Credential should be scoped to a valid region and service."));
    }
    let at = request.header("x-amz-date").unwrap_or_default();
    let off = point_in_time(at).map(|at| cx.now().since(at).max(at.since(cx.now())).as_secs());
    if !at.starts_with(claims.day) || off.is_none_or(|off| off > aws.instance.settings.skew) {
        return Err(no("InvalidSignatureException", "Signature expired, or not yet current."));
    }
    let unsigned = request.headers.keys().find(|name| name.as_str().starts_with("x-amz-") && !claims.signs(name.as_str()));
    if unsigned.is_some() || !claims.signs("host") || signature(request, &claims, at, &key.secret).as_deref() != Some(claims.signature) {
        let quoted = format!("The request signature we calculated does not match. Its token was '{}'.", key.token.as_deref().unwrap_or_default());
        return Err(no("InvalidSignatureException", &quoted));
    }
    if key.denied.contains(&operation.action()) {
        return Err(no("AccessDeniedException", &format!("User is not authorized to perform: {}", operation.action())));
    }
    cx.set_caller(claims.key_id);
    Ok(())
}

struct Claims<'a> {
    key_id: &'a str,
    day: &'a str,
    region: &'a str,
    service: &'a str,
    signed: Vec<&'a str>,
    signature: &'a str,
}

impl<'a> Claims<'a> {
    fn read(header: &'a str) -> Option<Self> {
        let rest = header.strip_prefix("AWS4-HMAC-SHA256 ")?;
        let field = |name: &str| rest.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
        let mut scope = field("Credential")?.split('/');
        let (key_id, day, region, service) = (scope.next()?, scope.next()?, scope.next()?, scope.next()?);
        if scope.next() != Some("aws4_request") || scope.next().is_some() {
            return None;
        }
        Some(Self { key_id, day, region, service, signed: field("SignedHeaders")?.split(';').collect(), signature: field("Signature")? })
    }

    fn signs(&self, name: &str) -> bool {
        self.signed.contains(&name)
    }
}

fn point_in_time(text: &str) -> Option<Timestamp> {
    let part = |range: std::ops::Range<usize>| text.get(range);
    let (day, time) = (format!("{}-{}-{}", part(0..4)?, part(4..6)?, part(6..8)?), format!("{}:{}:{}", part(9..11)?, part(11..13)?, part(13..15)?));
    format!("{day}T{time}Z").parse().ok()
}

fn signature(request: &FakeRequest, claims: &Claims<'_>, at: &str, secret: &str) -> Option<String> {
    let mut canonical = format!("{}\n{}\n{}\n", request.method, request.path, request.query);
    for name in &claims.signed {
        canonical += &format!("{name}:{}\n", request.header(name)?.trim());
    }
    canonical += &format!("\n{}\n{}", claims.signed.join(";"), hex(digest::digest(&digest::SHA256, &request.body).as_ref()));
    let scope = [claims.day, claims.region, claims.service, "aws4_request"];
    let hash = hex(digest::digest(&digest::SHA256, canonical.as_bytes()).as_ref());
    let text = format!("AWS4-HMAC-SHA256\n{at}\n{}\n{hash}", scope.join("/"));
    let mac = |key: &[u8], text: &str| hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec();
    let key = scope.iter().fold(format!("AWS4{secret}").into_bytes(), |key, part| mac(&key, part));
    Some(hex(&mac(&key, &text)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
