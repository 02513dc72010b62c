//! Signatures with a private key, and the tokens they make.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use provisionr_sdk::{AdapterError, Result, Secret, Timestamp};
use serde_json::{Map, Value, json};

/// Signs with a private key: one in memory ([`RsaSigner`]), or one that never leaves a key service.
#[async_trait]
pub trait Signer: Send + Sync + 'static {
    /// The algorithm's name in a token's header; `RS256` unless it says otherwise.
    fn algorithm(&self) -> &str {
        "RS256"
    }

    /// By what the vendor knows the key (`kid`), if it has to be told.
    fn key_id(&self) -> Option<&str> {
        None
    }

    /// The signature of these bytes.
    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>>;
}

#[async_trait]
impl<S: Signer + ?Sized> Signer for std::sync::Arc<S> {
    fn algorithm(&self) -> &str {
        (**self).algorithm()
    }

    fn key_id(&self) -> Option<&str> {
        (**self).key_id()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        (**self).sign(message).await
    }
}

/// Signs with an RSA key in memory (`RS256`).
pub struct RsaSigner {
    key: KeyPair,
    key_id: Option<String>,
}

impl RsaSigner {
    /// Reads a PEM: `PRIVATE KEY` (PKCS#8) or `RSA PRIVATE KEY` (PKCS#1), its lines ended by line breaks, by `\n` written
    /// out (as environment variables and JSON files often have it), or by blanks.
    ///
    /// # Errors
    /// `InvalidConfig` when it is not such a key; the message says nothing of its content.
    pub fn from_pem(pem: &Secret) -> Result<Self> {
        let wrong = |why: &str| AdapterError::invalid_config(format!("the private key {why}"));
        let text = Secret::new(pem.expose().replace("\\r", "").replace("\\n", "\n"));
        let block = |label: &str| {
            let (_, rest) = text.expose().split_once(&format!("-----BEGIN {label}-----"))?;
            let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
            Some(Secret::new(body.split_whitespace().collect::<String>()))
        };
        let der = |body: &Secret| BASE64_STANDARD.decode(body.expose()).map_err(|_| wrong("is broken: it is no Base64"));
        let key = if let Some(body) = block("PRIVATE KEY") {
            KeyPair::from_pkcs8(&der(&body)?)
        } else if let Some(body) = block("RSA PRIVATE KEY") {
            KeyPair::from_der(&der(&body)?)
        } else {
            return Err(wrong("is no PEM of a private key (`PRIVATE KEY` or `RSA PRIVATE KEY`)"));
        };
        // The reason the library gives is about the key's content.
        key.map(|key| Self { key, key_id: None }).map_err(|_| wrong("is no usable RSA key"))
    }

    /// Sets by what the vendor knows the key.
    #[must_use]
    pub fn with_key_id(mut self, id: impl Into<String>) -> Self {
        self.key_id = Some(id.into());
        self
    }

    /// The public key, as DER of PKCS#1: for a check of signatures.
    pub fn public_key(&self) -> &[u8] {
        self.key.public_key().as_ref()
    }
}

impl fmt::Debug for RsaSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RsaSigner").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

#[async_trait]
impl Signer for RsaSigner {
    fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| AdapterError::invalid_config("nothing can be signed with the private key"))?;
        Ok(signature)
    }
}

/// The claims of a signed token (a JSON Web Token).
#[derive(Clone, Debug)]
pub struct Jwt {
    claims: Map<String, Value>,
    lifetime: Duration,
    backdated: Duration,
}

impl Jwt {
    /// A token of this issuer for this audience, good for 5 minutes.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self::of(issuer).claim("aud", audience.into())
    }

    /// A token of this issuer, for nobody in particular, good for 5 minutes.
    pub fn of(issuer: impl Into<String>) -> Self {
        // A vendor whose clock is behind ours would refuse a token from the future.
        Self { claims: Map::new(), lifetime: Duration::from_secs(300), backdated: Duration::from_secs(30) }.claim("iss", issuer.into())
    }

    /// Sets a claim: `sub`, `scope`, whatever the vendor asks for.
    #[must_use]
    pub fn claim(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.claims.insert(name.into(), value.into());
        self
    }

    /// Sets how long it is good for.
    #[must_use]
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Sets how long ago it says it was made; 30 seconds unless set.
    #[must_use]
    pub fn backdated(mut self, backdated: Duration) -> Self {
        self.backdated = backdated;
        self
    }

    /// The token, signed.
    ///
    /// # Errors
    /// Those of the signer.
    pub async fn sign(&self, signer: &(impl Signer + ?Sized), now: Timestamp) -> Result<Secret> {
        let mut head = json!({ "alg": signer.algorithm(), "typ": "JWT" });
        if let (Some(head), Some(id)) = (head.as_object_mut(), signer.key_id()) {
            head.insert("kid".to_owned(), id.into());
        }
        let now = now.as_millis() / 1000;
        let mut claims = self.claims.clone();
        claims.insert("iat".to_owned(), (now - i64::try_from(self.backdated.as_secs()).unwrap_or(30)).into());
        claims.insert("exp".to_owned(), (now + i64::try_from(self.lifetime.as_secs()).unwrap_or(300)).into());
        let encode = |part: &Value| BASE64_URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(&head), encode(&Value::Object(claims)));
        let signature = signer.sign(signed.as_bytes()).await?;
        Ok(Secret::new(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))))
    }
}
