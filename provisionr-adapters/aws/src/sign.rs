//! Signature Version 4: how a request to AWS shows that it may be made.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>
//!
//! Only what these services need: every request is a POST to `/`, without a query.

use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use async_trait::async_trait;
use aws_lc_rs::{digest, hmac};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use provisionr_http::Authorize;
use provisionr_sdk::{AdapterError, CallContext, Result, Secret, Timestamp};

use crate::credentials::{AccessKeys, Kept};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// Signs the requests to one service in one region.
pub(crate) struct Signature {
    pub(crate) keys: Arc<Kept>,
    pub(crate) region: String,
    pub(crate) service: &'static str,
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signature").field("region", &self.region).field("service", &self.service).finish_non_exhaustive()
    }
}

#[async_trait]
impl Authorize for Signature {
    async fn authorize(&self, cx: &CallContext, request: &mut http::Request<Bytes>, refused: Option<&Secret>) -> Result<Option<Secret>> {
        let Some(keys) = self.keys.get(cx, refused).await? else { return Ok(None) };
        sign(request, &keys, &self.region, self.service, &stamp(cx.now()))?;
        Ok(Some(keys.sent().clone()))
    }
}

/// `20150830T123600Z`.
fn stamp(now: Timestamp) -> String {
    let text = now.to_string();
    let seconds = text.split(['.', 'Z']).next().unwrap_or_default();
    format!("{}Z", seconds.replace(['-', ':'], ""))
}

fn sign(request: &mut http::Request<Bytes>, keys: &AccessKeys, region: &str, service: &str, at: &str) -> Result<()> {
    let secret = |text: &str| {
        let mut value = HeaderValue::from_str(text).map_err(|_| AdapterError::invalid_config("the access keys cannot stand in a header"))?;
        value.set_sensitive(true);
        Ok::<_, AdapterError>(value)
    };
    request.headers_mut().insert(DATE, secret(at)?);
    request.headers_mut().remove(TOKEN);
    if let Some(token) = &keys.token {
        request.headers_mut().insert(TOKEN, secret(token.expose())?);
    }
    let host = request.uri().authority().map(|authority| authority.as_str().to_owned()).unwrap_or_default();
    let signed = |name: &HeaderName| *name == header::CONTENT_TYPE || name.as_str().starts_with("x-amz-");
    let mut lines = vec![("host".to_owned(), host)];
    for (name, value) in request.headers().iter().filter(|(name, _)| signed(name)) {
        lines.push((name.as_str().to_owned(), value.to_str().unwrap_or_default().trim().to_owned()));
    }
    lines.sort();
    let names = lines.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
    let mut canonical = format!("{}\n{}\n{}\n", request.method(), request.uri().path(), request.uri().query().unwrap_or_default());
    for (name, value) in &lines {
        canonical.push_str(&format!("{name}:{value}\n"));
    }
    canonical.push_str(&format!("\n{names}\n{}", hash(request.body())));
    let day = at.get(..8).unwrap_or_default();
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let text = format!("{ALGORITHM}\n{at}\n{scope}\n{}", hash(canonical.as_bytes()));
    let first = Secret::new(format!("AWS4{}", keys.key.expose()));
    let key = [day, region, service, "aws4_request"].iter().fold(first.expose().as_bytes().to_vec(), |key, part| mac(&key, part));
    let signature = hex(&mac(&key, &text));
    let value = format!("{ALGORITHM} Credential={}/{scope}, SignedHeaders={names}, Signature={signature}", keys.id.expose());
    request.headers_mut().insert(header::AUTHORIZATION, secret(&value)?);
    Ok(())
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

fn hash(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(method: &str, content_type: Option<&str>, body: &'static str, token: Option<&str>) -> String {
        let mut request = http::Request::builder().method(method).uri("https://example.amazonaws.com/").body(Bytes::from(body)).unwrap();
        if let Some(content_type) = content_type {
            request.headers_mut().insert(header::CONTENT_TYPE, content_type.parse().unwrap());
        }
        let keys = AccessKeys::new("AKIDEXAMPLE", Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"));
        let keys = token.map(Secret::new).into_iter().fold(keys, AccessKeys::session);
        sign(&mut request, &keys, "us-east-1", "service", "20150830T123600Z").unwrap();
        request.headers()[header::AUTHORIZATION].to_str().unwrap().to_owned()
    }

    /// The vectors AWS publishes: get-vanilla, post-vanilla, post-x-www-form-urlencoded, post-sts-header-before.
    #[test]
    fn the_published_vectors() {
        let token = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/\
                     qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz\
                     +scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";
        let form = "application/x-www-form-urlencoded";
        for (request, names, signature) in [
            (signed("GET", None, "", None), "host;x-amz-date", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            (signed("POST", None, "", None), "host;x-amz-date", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
            (
                signed("POST", Some(form), "Param1=value1", None),
                "content-type;host;x-amz-date",
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
            (signed("POST", None, "", Some(token)), "host;x-amz-date;x-amz-security-token", "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead"),
        ] {
            let credential = "AKIDEXAMPLE/20150830/us-east-1/service/aws4_request";
            assert_eq!(request, format!("AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"));
        }
    }

    #[test]
    fn a_time_is_written_to_the_second() {
        assert_eq!(stamp(Timestamp::from_millis(1_440_938_160_000)), "20150830T123600Z");
        assert_eq!(stamp(Timestamp::from_millis(1_440_938_160_999)), "20150830T123600Z");
    }

    #[test]
    fn nothing_secret_shows() {
        let keys = AccessKeys::new("AKIDEXAMPLE", Secret::new("s3cret")).session(Secret::new("t0ken"));
        let signature = Signature { keys: Arc::new(Kept::new(Arc::new(keys.clone()))), region: "eu-west-1".to_owned(), service: "sso" };
        let shown = format!("{keys:?} {signature:?}");
        assert!(!["AKIDEXAMPLE", "s3cret", "t0ken"].iter().any(|secret| shown.contains(secret)), "{shown}");
    }
}
