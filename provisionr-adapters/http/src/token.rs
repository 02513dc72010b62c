//! Access tokens from an OAuth 2.0 token endpoint.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::StatusCode;
use provisionr_sdk::{AdapterError, CallContext, Result, Secret};
use serde::Deserialize;

use crate::answer::Answer;
use crate::classify::{by_status, plain};
use crate::client::HttpClient;
use crate::credential::{Credential, CredentialProvider};
use crate::path::Path;
use crate::signer::{Jwt, Signer};
use crate::transport::Transport;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A provider that posts a form to a token endpoint, over the same transport as everything else.
///
/// Used as the provider of [`Auth::bearer`](crate::Auth::bearer), it is asked once for all concurrent calls, shortly before the
/// token expires, and once more when the vendor refuses the token. Its requests ask for a permit without a lane.
#[derive(Clone)]
pub struct TokenSource {
    endpoint: HttpClient,
    fields: Vec<(&'static str, Field)>,
}

#[derive(Clone)]
enum Field {
    Text(String),
    Secret(Arc<dyn CredentialProvider>),
    Assertion(Jwt, Arc<dyn Signer>),
}

#[derive(Deserialize)]
struct Issued {
    access_token: Secret,
    #[serde(default)]
    expires_in: Option<Lifetime>,
}

/// Some vendors write the number as a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Lifetime {
    Seconds(u64),
    Text(String),
}

impl TokenSource {
    /// A source of this grant type at this endpoint; the other fields of the form are yet to be added.
    ///
    /// # Errors
    /// `InvalidConfig` when the endpoint is no web address.
    pub fn new(endpoint: impl AsRef<str>, transport: &(impl Transport + Clone), grant_type: impl Into<String>) -> Result<Self> {
        let endpoint = HttpClient::new(endpoint, transport)?.classifier(classify);
        Ok(Self { endpoint, fields: vec![("grant_type", Field::Text(grant_type.into()))] })
    }

    /// The client's own right, shown by a secret.
    ///
    /// # Errors
    /// `InvalidConfig` when the endpoint is no web address.
    pub fn client_secret(
        endpoint: impl AsRef<str>,
        transport: &(impl Transport + Clone),
        client_id: impl Into<String>,
        secret: impl CredentialProvider,
    ) -> Result<Self> {
        Ok(Self::new(endpoint, transport, "client_credentials")?.field("client_id", client_id).secret_field("client_secret", secret))
    }

    /// The client's own right, shown by a token signed with its key (`private_key_jwt`, RFC 7523 section 2.2).
    ///
    /// # Errors
    /// `InvalidConfig` when the endpoint is no web address.
    pub fn private_key_jwt(endpoint: impl AsRef<str>, transport: &(impl Transport + Clone), client_id: impl Into<String>, signer: impl Signer) -> Result<Self> {
        let client_id = client_id.into();
        let claims = Jwt::new(client_id.clone(), endpoint.as_ref()).claim("sub", client_id);
        let source = Self::new(endpoint, transport, "client_credentials")?;
        Ok(source.field("client_assertion_type", ASSERTION_TYPE).assertion_field("client_assertion", claims, signer))
    }

    /// The right a signed token speaks of (JWT bearer, RFC 7523 section 2.1).
    ///
    /// # Errors
    /// `InvalidConfig` when the endpoint is no web address.
    pub fn jwt_bearer(endpoint: impl AsRef<str>, transport: &(impl Transport + Clone), claims: Jwt, signer: impl Signer) -> Result<Self> {
        Ok(Self::new(endpoint, transport, "urn:ietf:params:oauth:grant-type:jwt-bearer")?.assertion_field("assertion", claims, signer))
    }

    /// The right a person has passed on. A vendor that changes the refresh token at each use is not served: nothing here
    /// could keep the new one.
    ///
    /// # Errors
    /// `InvalidConfig` when the endpoint is no web address.
    pub fn refresh_token(
        endpoint: impl AsRef<str>,
        transport: &(impl Transport + Clone),
        client_id: impl Into<String>,
        refresh_token: impl CredentialProvider,
    ) -> Result<Self> {
        Ok(Self::new(endpoint, transport, "refresh_token")?.field("client_id", client_id).secret_field("refresh_token", refresh_token))
    }

    /// Asks for these scopes, separated by blanks.
    #[must_use]
    pub fn scope(self, scopes: impl Into<String>) -> Self {
        self.field("scope", scopes)
    }

    /// Adds a field to the form.
    #[must_use]
    pub fn field(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, Field::Text(value.into())));
        self
    }

    /// Adds a secret to the form; its provider is asked each time.
    #[must_use]
    pub fn secret_field(mut self, name: &'static str, provider: impl CredentialProvider) -> Self {
        self.fields.push((name, Field::Secret(Arc::new(provider))));
        self
    }

    /// Adds a token to the form, signed each time.
    #[must_use]
    pub fn assertion_field(mut self, name: &'static str, claims: Jwt, signer: impl Signer) -> Self {
        self.fields.push((name, Field::Assertion(claims, Arc::new(signer))));
        self
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSource").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

#[async_trait]
impl CredentialProvider for TokenSource {
    async fn credential(&self, cx: &CallContext) -> Result<Credential> {
        let mut form = Vec::new();
        for (name, field) in &self.fields {
            let value = match field {
                Field::Text(text) => Secret::new(text.as_str()),
                Field::Secret(provider) => provider.credential(cx).await?.secret().clone(),
                Field::Assertion(claims, signer) => claims.sign(signer.as_ref(), cx.now()).await?,
            };
            form.push((*name, value));
        }
        let asked_at = cx.now();
        let request = self.endpoint.post(Path::new()).form(form.iter().map(|(name, value)| (*name, value.expose()))).read();
        let issued: Issued = request.send(cx).await?.json()?;
        let credential = Credential::new(issued.access_token);
        let seconds = issued.expires_in.and_then(|lifetime| match lifetime {
            Lifetime::Seconds(seconds) => Some(seconds),
            Lifetime::Text(text) => text.parse().ok(),
        });
        Ok(match seconds {
            Some(seconds) => credential.expiring(asked_at + Duration::from_secs(seconds)),
            None => credential,
        })
    }
}

/// RFC 6749, section 5.2: the code says what is wrong, the status says little.
fn classify(answer: &Answer) -> Option<AdapterError> {
    if !matches!(answer.status(), StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return by_status(answer);
    }
    let body = answer.value();
    let code = body.get("error").and_then(|code| code.as_str()).unwrap_or("unknown");
    let words = body.get("error_description").and_then(|text| text.as_str()).and_then(plain);
    let message = format!("no access token: {}", words.as_deref().unwrap_or("the token endpoint refused"));
    let error = match code {
        "invalid_scope" | "unauthorized_client" | "access_denied" => AdapterError::permission_denied(message),
        "unsupported_grant_type" | "invalid_request" => AdapterError::invalid_config(message),
        _ => AdapterError::unauthenticated(message),
    };
    Some(error.with_code(plain(code).unwrap_or_default()))
}
