//! Credentials: where they come from, when they are renewed, and how often.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, Response};
use provisionr_http::{
    Auth, Credential, CredentialFile, CredentialProvider, EnvironmentVariable, HttpClient, Jwt, MemoryTransport, RsaSigner, ScopedSource, Signer, TokenSource,
    path,
};
use provisionr_sdk::{AdapterError, Call, CallContext, CallGate, Effect, ErrorKind, LaneId, LaneReading, Permit, Result, Secret, Timestamp};
use serde_json::Value;

/// Hands out `token-1`, `token-2` …, each after a moment in which others may come to wait.
#[derive(Default)]
struct Counting {
    asked: AtomicUsize,
    lifetime: Option<Duration>,
    failing: bool,
}

#[async_trait]
impl CredentialProvider for Counting {
    async fn credential(&self, cx: &CallContext) -> Result<Credential> {
        let count = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        tokio::task::yield_now().await;
        if self.failing {
            return Err(AdapterError::unavailable("the vault is sealed"));
        }
        let credential = Credential::new(Secret::new(format!("token-{count}")));
        Ok(match self.lifetime {
            Some(lifetime) => credential.expiring(cx.now() + lifetime),
            None => credential,
        })
    }
}

/// A clock that stands still until it is moved.
struct Clock(Arc<AtomicI64>);

#[async_trait]
impl CallGate for Clock {
    async fn permit(&self, _call: &Call) -> Result<Permit> {
        Ok(Permit::free())
    }
    fn heard(&self, _lane: &LaneId, _reading: LaneReading) {}
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

fn sent(request: &Request<Bytes>) -> String {
    request.headers()["authorization"].to_str().unwrap().to_owned()
}

/// Accepts what `accepts` accepts, and notes what was shown.
fn guarded(accepts: impl Fn(&str) -> bool + Send + Sync + 'static) -> (MemoryTransport, Arc<Mutex<Vec<String>>>) {
    let shown: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = shown.clone();
    let http = MemoryTransport::new(move |request| {
        let authorization = sent(&request);
        let status = if accepts(&authorization) { 200 } else { 401 };
        log.lock().unwrap().push(authorization);
        Response::builder().status(status).body(Bytes::new()).unwrap()
    });
    (http, shown)
}

#[tokio::test]
async fn schemes() {
    let (http, shown) = guarded(|_| true);
    for auth in [Auth::bearer(Secret::new("a")), Auth::ssws(Secret::new("b")), Auth::basic("me", Secret::new("c")), Auth::scheme("token", Secret::new("d"))] {
        HttpClient::new("https://a.example", &http).unwrap().auth(auth).get(path!["x"]).send(&CallContext::unlimited()).await.unwrap();
    }
    assert_eq!(*shown.lock().unwrap(), ["Bearer a", "SSWS b", "Basic bWU6Yw==", "token d"]);
    let http = MemoryTransport::new(|request| {
        assert_eq!(request.headers()["private-token"], "e");
        assert!(request.headers()["private-token"].is_sensitive());
        Response::default()
    });
    let client = HttpClient::new("https://a.example", &http).unwrap().auth(Auth::header("private-token", Secret::new("e")));
    client.get(path!["x"]).send(&CallContext::unlimited()).await.unwrap();
}

#[tokio::test]
async fn concurrent_calls_ask_once_and_a_refusal_renews_once() {
    let provider = Arc::new(Counting::default());
    let (http, shown) = guarded(|shown| shown != "Bearer token-1");
    let client = HttpClient::new("https://a.example", &http).unwrap().auth(Auth::bearer(provider.clone()));
    let cx = CallContext::unlimited();
    let calls = || client.put(path!["x"]).send(&cx);
    let (a, b, c, d) = tokio::join!(calls(), calls(), calls(), calls());
    for answer in [a, b, c, d] {
        answer.unwrap();
    }
    assert_eq!(provider.asked.load(Ordering::SeqCst), 2, "once for all, and once more for all");
    assert_eq!(shown.lock().unwrap().iter().filter(|shown| *shown == "Bearer token-2").count(), 4);
}

#[tokio::test]
async fn what_is_refused_twice_is_an_error() {
    let provider = Arc::new(Counting::default());
    let (http, shown) = guarded(|_| false);
    let client = HttpClient::new("https://a.example", &http).unwrap().auth(Auth::bearer(provider));
    let error = client.put(path!["x"]).send(&CallContext::unlimited()).await.unwrap_err();
    assert_eq!((error.kind(), error.effect()), (&ErrorKind::Unauthenticated, Effect::None));
    assert_eq!(shown.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_secret_that_stays_the_same_is_not_sent_again() {
    let (http, shown) = guarded(|_| false);
    let client = HttpClient::new("https://a.example", &http).unwrap().auth(Auth::bearer(Secret::new("fixed")));
    assert!(client.get(path!["x"]).send(&CallContext::unlimited()).await.is_err());
    assert_eq!(shown.lock().unwrap().len(), 1);
}

/// Always the same secret, and counted.
#[derive(Default)]
struct Stubborn(AtomicUsize);

#[async_trait]
impl CredentialProvider for Stubborn {
    async fn credential(&self, _cx: &CallContext) -> Result<Credential> {
        self.0.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        Ok(Credential::new(Secret::new("fixed")))
    }
}

#[tokio::test]
async fn a_refused_secret_is_asked_for_once_more_for_all_who_wait() {
    let provider = Arc::new(Stubborn::default());
    let (http, shown) = guarded(|_| false);
    let client = HttpClient::new("https://a.example", &http).unwrap().auth(Auth::bearer(provider.clone()));
    let cx = CallContext::unlimited();
    let calls = || client.get(path!["x"]).send(&cx);
    let answers = tokio::join!(calls(), calls(), calls(), calls());
    assert!(answers.0.is_err() && answers.1.is_err() && answers.2.is_err() && answers.3.is_err());
    assert_eq!((provider.0.load(Ordering::SeqCst), shown.lock().unwrap().len()), (2, 4));
}

#[tokio::test]
async fn a_failed_renewal_is_shared_by_those_who_wait() {
    let provider = Arc::new(Counting { failing: true, ..Counting::default() });
    let (http, shown) = guarded(|_| true);
    let client = HttpClient::new("https://a.example", &http).unwrap().auth(Auth::bearer(provider.clone()));
    let cx = CallContext::unlimited();
    let calls = || client.put(path!["x"]).send(&cx);
    let (a, b, c) = tokio::join!(calls(), calls(), calls());
    for answer in [a, b, c] {
        let error = answer.unwrap_err();
        assert_eq!((error.kind(), error.effect(), error.message()), (&ErrorKind::Unavailable, Effect::None, "the vault is sealed"));
    }
    assert_eq!(provider.asked.load(Ordering::SeqCst), 1);
    assert!(shown.lock().unwrap().is_empty());
    assert!(calls().await.is_err());
    assert_eq!(provider.asked.load(Ordering::SeqCst), 2, "who comes later asks anew");
}

#[tokio::test]
async fn a_dropped_call_holds_nobody_up() {
    let provider = Arc::new(Counting::default());
    let (http, _) = guarded(|_| true);
    let client = HttpClient::new("https://a.example", &http).unwrap().auth(Auth::bearer(provider));
    let cx = CallContext::unlimited();
    {
        let mut dropped = Box::pin(client.get(path!["x"]).send(&cx));
        assert!(std::future::Future::poll(dropped.as_mut(), &mut std::task::Context::from_waker(std::task::Waker::noop())).is_pending());
    }
    client.get(path!["x"]).send(&cx).await.unwrap();
}

#[tokio::test]
async fn a_token_is_renewed_a_minute_before_its_end() {
    let time = Arc::new(AtomicI64::new(1_000_000));
    let cx = CallContext::new(Arc::new(Clock(time.clone())));
    let provider = Arc::new(Counting { lifetime: Some(Duration::from_secs(3600)), ..Counting::default() });
    let (http, shown) = guarded(|_| true);
    let client = HttpClient::new("https://a.example", &http).unwrap().auth(Auth::bearer(provider));
    for after in [0, 3_539_000, 1_000] {
        time.fetch_add(after, Ordering::SeqCst);
        client.get(path!["x"]).send(&cx).await.unwrap();
    }
    assert_eq!(*shown.lock().unwrap(), ["Bearer token-1", "Bearer token-1", "Bearer token-2"]);
}

#[tokio::test]
async fn files_are_read_anew_after_a_refusal() {
    let dir = std::env::temp_dir().join(format!("provisionr-credential-{}", std::process::id()));
    std::fs::write(&dir, "old\n").unwrap();
    let file = dir.clone();
    let (http, shown) = guarded(move |shown| {
        std::fs::write(&file, " new\n").unwrap();
        shown == "Bearer new"
    });
    let client = HttpClient::new("https://a.example", &http).unwrap().auth(Auth::bearer(CredentialFile::new(&dir)));
    client.get(path!["x"]).send(&CallContext::unlimited()).await.unwrap();
    std::fs::remove_file(&dir).unwrap();
    assert_eq!(*shown.lock().unwrap(), ["Bearer old", "Bearer new"]);
    let cx = CallContext::unlimited();
    for error in
        [CredentialFile::new(&dir).credential(&cx).await.unwrap_err(), EnvironmentVariable::new("PROVISIONR_NOT_SET").credential(&cx).await.unwrap_err()]
    {
        assert_eq!(error.kind(), &ErrorKind::InvalidConfig);
    }
    assert!(EnvironmentVariable::new("PATH").credential(&cx).await.is_ok());
}

fn pems() -> (KeyPair, [String; 4]) {
    let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&key).unwrap();
    // PKCS#8 of RSA is 26 bytes of framing around PKCS#1.
    let pem = |label: &str, der: &[u8]| {
        let lines: Vec<String> = BASE64_STANDARD.encode(der).as_bytes().chunks(64).map(|line| String::from_utf8(line.to_vec()).unwrap()).collect();
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
    };
    let (pkcs8, pkcs1) = (pem("PRIVATE KEY", der.as_ref()), pem("RSA PRIVATE KEY", &der.as_ref()[26..]));
    let forms = [pkcs8.clone(), pkcs1, pkcs8.replace('\n', "\\n"), pkcs8.replace('\n', " ")];
    (key, forms)
}

fn part(token: &str, at: usize) -> Value {
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(token.split('.').nth(at).unwrap()).unwrap()).unwrap()
}

fn verify(public: &[u8], token: &str) {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public).verify(signed.as_bytes(), &signature).unwrap();
}

#[tokio::test]
async fn keys_are_read_in_every_common_form_and_sign() {
    use aws_lc_rs::signature::KeyPair as _;
    let (key, forms) = pems();
    for form in forms {
        let signer = RsaSigner::from_pem(&Secret::new(form)).unwrap().with_key_id("k1");
        let claims = Jwt::new("me", "https://a.example/token").claim("sub", "me");
        let token = claims.sign(&signer, Timestamp::from_millis(1_700_000_000_000)).await.unwrap();
        verify(key.public_key().as_ref(), token.expose());
        assert_eq!(part(token.expose(), 0), serde_json::json!({"alg": "RS256", "typ": "JWT", "kid": "k1"}));
        let claims = part(token.expose(), 1);
        assert_eq!((claims["iss"].as_str(), claims["exp"].as_i64()), (Some("me"), Some(1_700_000_300)));
        assert_eq!(format!("{signer:?}"), r#"RsaSigner { key_id: Some("k1"), .. }"#);
    }
    for broken in ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\n!hush!\n-----END PRIVATE KEY-----"] {
        let error = RsaSigner::from_pem(&Secret::new(broken)).unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::InvalidConfig);
        assert!(!format!("{error} {error:?}").contains("hush"));
    }
}

struct Fixed;

#[async_trait]
impl Signer for Fixed {
    async fn sign(&self, _message: &[u8]) -> Result<Vec<u8>> {
        Ok(vec![1, 2, 3])
    }
}

#[tokio::test]
async fn a_token_may_be_for_nobody_in_particular_and_made_out_to_a_while_ago() {
    let now = Timestamp::from_millis(1_700_000_000_000);
    let claims = async |jwt: Jwt| {
        let token = jwt.sign(&Fixed, now).await.unwrap();
        let part = BASE64_URL_SAFE_NO_PAD.decode(token.expose().split('.').nth(1).unwrap()).unwrap();
        serde_json::from_slice::<serde_json::Value>(&part).unwrap()
    };
    let of = claims(Jwt::of("app").backdated(Duration::from_secs(60)).lifetime(Duration::from_secs(540))).await;
    assert_eq!(of, serde_json::json!({ "iss": "app", "iat": 1_699_999_940, "exp": 1_700_000_540 }));
    let new = claims(Jwt::new("app", "them")).await;
    assert_eq!(new, serde_json::json!({ "iss": "app", "aud": "them", "iat": 1_699_999_970, "exp": 1_700_000_300 }));
}

type Forms = Arc<Mutex<Vec<Vec<(String, String)>>>>;

/// A token endpoint at `/token`, an API elsewhere.
fn oauth(answer: &'static str, status: u16) -> (MemoryTransport, Forms) {
    let forms: Forms = Arc::default();
    let log = forms.clone();
    let http = MemoryTransport::new(move |request| {
        if request.uri().path() == "/oauth2/v1/token" {
            log.lock().unwrap().push(url::form_urlencoded::parse(request.body()).into_owned().collect());
            return Response::builder().status(status).body(answer.into()).unwrap();
        }
        assert_eq!(sent(&request), "Bearer at-1");
        Response::default()
    });
    (http, forms)
}

const TOKEN: &str = "https://a.example/oauth2/v1/token";

#[tokio::test]
async fn a_signed_token_is_exchanged_once_for_an_access_token() {
    let (http, forms) = oauth(r#"{"access_token": "at-1", "expires_in": 3600, "token_type": "Bearer"}"#, 200);
    let source = TokenSource::private_key_jwt(TOKEN, &http, "client-1", Fixed).unwrap().scope("okta.users.manage okta.groups.manage");
    let client = HttpClient::new("https://a.example", &http).unwrap().auth(Auth::bearer(source));
    let cx = CallContext::unlimited();
    for _ in 0..3 {
        client.get(path!["x"]).send(&cx).await.unwrap();
    }
    let forms = forms.lock().unwrap();
    assert_eq!(forms.len(), 1);
    let field = |name: &str| forms[0].iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str()).unwrap();
    assert_eq!(field("grant_type"), "client_credentials");
    assert_eq!(field("client_assertion_type"), "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    assert_eq!(field("scope"), "okta.users.manage okta.groups.manage");
    let claims = part(field("client_assertion"), 1);
    assert_eq!((&claims["iss"], &claims["sub"], &claims["aud"]), (&"client-1".into(), &"client-1".into(), &TOKEN.into()));
}

#[tokio::test]
async fn the_other_grants_have_the_same_form() {
    let (http, forms) = oauth(r#"{"access_token": "at-1", "expires_in": "3600"}"#, 200);
    let cx = CallContext::unlimited();
    TokenSource::client_secret(TOKEN, &http, "c", Secret::new("s")).unwrap().credential(&cx).await.unwrap();
    TokenSource::refresh_token(TOKEN, &http, "c", Secret::new("r")).unwrap().credential(&cx).await.unwrap();
    let claims = Jwt::new("sa@p.example", TOKEN).claim("scope", "directory").claim("sub", "admin@c.example").lifetime(Duration::from_secs(3600));
    TokenSource::jwt_bearer(TOKEN, &http, claims, Fixed).unwrap().credential(&cx).await.unwrap();
    let forms = forms.lock().unwrap();
    let names = |at: usize| forms[at].iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>();
    assert_eq!(names(0), ["grant_type", "client_id", "client_secret"]);
    assert_eq!(names(1), ["grant_type", "client_id", "refresh_token"]);
    assert_eq!(forms[2][0].1, "urn:ietf:params:oauth:grant-type:jwt-bearer");
    assert_eq!(part(&forms[2][1].1, 1)["scope"], "directory");
}

#[tokio::test]
async fn a_refused_grant_says_why_and_changes_nothing() {
    for (status, body, kind) in [
        (400, r#"{"error": "invalid_client", "error_description": "no"}"#, ErrorKind::Unauthenticated),
        (401, r#"{"error": "invalid_client"}"#, ErrorKind::Unauthenticated),
        (400, r#"{"error": "invalid_scope"}"#, ErrorKind::PermissionDenied),
        (503, "", ErrorKind::Unavailable),
        (200, r#"{"token": 1}"#, ErrorKind::Protocol),
    ] {
        let (http, _) = oauth(body, status);
        let source = TokenSource::client_secret(TOKEN, &http, "c", Secret::new("hush-hush")).unwrap();
        assert!(!format!("{source:?}").contains("hush"));
        let client = HttpClient::new("https://a.example", &http).unwrap().auth(Auth::bearer(source));
        let error = client.put(path!["x"]).send(&CallContext::unlimited()).await.unwrap_err();
        assert_eq!((error.kind(), error.effect()), (&kind, Effect::None), "{body}");
        assert!(!format!("{error:?}").contains("hush"));
    }
}

#[tokio::test]
async fn a_scope_that_is_not_given_costs_no_other() {
    // Gives tokens for `a` and `c`; what `down` is asked for finds the endpoint out of order.
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let log = asked.clone();
    let http = MemoryTransport::new(move |request| {
        let form: Vec<(String, String)> = url::form_urlencoded::parse(request.body()).into_owned().collect();
        let scope = form.into_iter().find(|(name, _)| name == "scope").unwrap().1;
        log.lock().unwrap().push(scope.clone());
        let (status, body) = match scope.as_str() {
            "down" => (503, "{}".to_owned()),
            scope if scope.split(' ').all(|scope| ["a", "c"].contains(&scope)) => (200, format!(r#"{{"access_token": "for {scope}"}}"#)),
            _ => (400, r#"{"error": "invalid_scope"}"#.to_owned()),
        };
        Response::builder().status(status).body(body.into()).unwrap()
    });
    let source = |scopes: &[&str]| {
        let http = http.clone();
        ScopedSource::new(scopes.iter().map(|scope| (*scope).to_owned()), move |scopes| {
            Ok(TokenSource::client_secret("https://a.example/token", &http, "client", Secret::new("hush"))?.scope(scopes.join(" ")))
        })
        .unwrap()
    };
    let cx = CallContext::unlimited();
    let narrowed = source(&["a", "b", "c"]);
    assert_eq!(narrowed.clone().given(), ["a", "b", "c"]);
    assert_eq!(narrowed.credential(&cx).await.unwrap().secret().expose(), "for a c");
    assert_eq!(narrowed.given(), ["a", "c"]);
    assert_eq!(*asked.lock().unwrap(), ["a b c", "a", "b", "c", "a c"]);
    // One that is given whole is asked for once.
    asked.lock().unwrap().clear();
    source(&["a", "c"]).credential(&cx).await.unwrap();
    assert_eq!(asked.lock().unwrap().len(), 1);
    // Where nothing is given the first refusal stands; a failure of another kind narrows nothing.
    assert_eq!(source(&["b", "d"]).credential(&cx).await.unwrap_err().code(), Some("invalid_scope"));
    let failing = source(&["a", "b", "down"]);
    assert_eq!((failing.credential(&cx).await.unwrap_err().kind(), failing.given().len()), (&ErrorKind::Unavailable, 3));
}
