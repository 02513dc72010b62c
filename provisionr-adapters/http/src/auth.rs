//! How a request shows that it may be made.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use provisionr_sdk::{AdapterError, CallContext, Result, Secret};

use crate::credential::{CredentialProvider, Kept};

/// Adds to a request what shows that it may be made. [`Auth`] serves the usual schemes; a vendor with a scheme of its own
/// (a signature over the request) implements it.
#[async_trait]
pub trait Authorize: fmt::Debug + Send + Sync + 'static {
    /// Sets the headers, over those an earlier call has set, and hands back the secret it used.
    /// - With `refused`: with another secret than the refused one. When there is none, `None`.
    /// - Called before and after the wait for a permit: cheap unless something has to be renewed.
    /// - Marks what it sets as sensitive.
    async fn authorize(&self, cx: &CallContext, request: &mut http::Request<Bytes>, refused: Option<&Secret>) -> Result<Option<Secret>>;
}

/// The usual schemes. Cheap to clone; clones share what was fetched.
#[derive(Clone)]
pub struct Auth {
    scheme: Scheme,
    kept: Option<Arc<Kept>>,
}

#[derive(Clone)]
enum Scheme {
    None,
    Prefix(HeaderName, &'static str),
    Basic(String),
}

impl Auth {
    /// Nothing is shown.
    pub fn none() -> Self {
        Self { scheme: Scheme::None, kept: None }
    }

    /// `Authorization: Bearer …`.
    pub fn bearer(provider: impl CredentialProvider) -> Self {
        Self::scheme("Bearer", provider)
    }

    /// `Authorization: SSWS …`, as Okta has it for API tokens.
    pub fn ssws(provider: impl CredentialProvider) -> Self {
        Self::scheme("SSWS", provider)
    }

    /// `Authorization: {word} …`.
    pub fn scheme(word: &'static str, provider: impl CredentialProvider) -> Self {
        Self { scheme: Scheme::Prefix(header::AUTHORIZATION, word), kept: Some(Arc::new(Kept::new(provider))) }
    }

    /// The secret alone, in a header of this name (in lower case).
    pub fn header(name: &'static str, provider: impl CredentialProvider) -> Self {
        Self { scheme: Scheme::Prefix(HeaderName::from_static(name), ""), kept: Some(Arc::new(Kept::new(provider))) }
    }

    /// `Authorization: Basic …`: this user, and the secret as password.
    pub fn basic(user: impl Into<String>, provider: impl CredentialProvider) -> Self {
        Self { scheme: Scheme::Basic(user.into()), kept: Some(Arc::new(Kept::new(provider))) }
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.scheme {
            Scheme::None => "Auth(none)",
            Scheme::Prefix(_, "Bearer") => "Auth(bearer)",
            Scheme::Prefix(_, "SSWS") => "Auth(ssws)",
            Scheme::Prefix(..) => "Auth(header)",
            Scheme::Basic(_) => "Auth(basic)",
        })
    }
}

#[async_trait]
impl Authorize for Auth {
    async fn authorize(&self, cx: &CallContext, request: &mut http::Request<Bytes>, refused: Option<&Secret>) -> Result<Option<Secret>> {
        let Some(kept) = &self.kept else { return Ok(None) };
        let Some(secret) = kept.get(cx, refused).await? else { return Ok(None) };
        let (name, text) = match &self.scheme {
            Scheme::None => return Ok(None),
            Scheme::Prefix(name, "") => (name.clone(), Secret::new(secret.expose())),
            Scheme::Prefix(name, word) => (name.clone(), Secret::new(format!("{word} {}", secret.expose()))),
            Scheme::Basic(user) => {
                let pair = Secret::new(format!("{user}:{}", secret.expose()));
                (header::AUTHORIZATION, Secret::new(format!("Basic {}", BASE64_STANDARD.encode(pair.expose()))))
            }
        };
        // The parser's error would quote nothing, and still it is left out: it is about a secret.
        let mut value = HeaderValue::from_str(text.expose()).map_err(|_| AdapterError::invalid_config("the credential cannot stand in a header"))?;
        value.set_sensitive(true);
        request.headers_mut().insert(name, value);
        Ok(Some(secret))
    }
}
