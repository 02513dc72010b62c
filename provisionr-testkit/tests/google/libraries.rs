//! What Google's own libraries send beside what the Directory API's methods describe.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use provisionr_http::Transport;
use provisionr_testkit::{FakeSystem, GoogleFake};
use serde_json::{Value, json};

use crate::client::start;

#[tokio::test(start_paused = true)]
async fn parameters_of_every_method_are_taken() {
    let (_google, client) = start(GoogleFake::new());
    for target in ["users?customer=my_customer&alt=json", "users/admin@example.com?alt=json&prettyPrint=false&quotaUser=me"] {
        assert_eq!(client.get(target).await.status, 200, "{target}");
    }
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "query parameter `alt`")]
async fn answers_in_another_format_are_not_played() {
    let (google, client) = start(GoogleFake::new());
    let _ = client.get("users?customer=my_customer&alt=media").await;
    google.verify();
}

async fn token(google: &FakeSystem<GoogleFake>, audience: &str) -> u16 {
    let part = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let now = google.clock().now().as_millis() / 1000;
    let scope = "https://www.googleapis.com/auth/admin.directory.user";
    let claims = json!({ "iss": GoogleFake::SERVICE_ACCOUNT, "sub": GoogleFake::ADMIN, "scope": scope, "aud": audience, "iat": now, "exp": now + 3600 });
    let assertion = format!("{}.{}.c2ln", part(json!({ "alg": "RS256" })), part(claims));
    let form = format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}");
    let request = http::Request::post("http://127.0.0.1:9004/token").header("content-type", "application/x-www-form-urlencoded").body(Bytes::from(form));
    google.transport().send(request.unwrap()).await.unwrap().status().as_u16()
}

#[tokio::test(start_paused = true)]
async fn an_assertion_is_for_google_or_for_the_endpoint_that_was_called() {
    let google = GoogleFake::new().start();
    for (audience, status) in [("https://oauth2.googleapis.com/token", 200), ("http://127.0.0.1:9004/token", 200), ("https://example.com/token", 400)] {
        assert_eq!(token(&google, audience).await, status, "{audience}");
    }
}
