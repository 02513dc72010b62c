//! Access tokens with as many of the wanted scopes as the vendor gives.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use provisionr_sdk::{AdapterError, CallContext, ErrorKind, Result};

use crate::credential::{Credential, CredentialProvider};
use crate::token::TokenSource;

type Ask = dyn Fn(&[String]) -> Result<TokenSource> + Send + Sync;

/// A provider of tokens for some scopes. Where the vendor gives no token at all because of one of them, each is asked for by itself,
/// and the token has those that are given: a scope that is missing switches off what needs it, and nothing else.
///
/// Each renewal asks for all of them first, so that what is granted later is had later. Clones share what was given.
#[derive(Clone)]
pub struct ScopedSource {
    scopes: Vec<String>,
    ask: Arc<Ask>,
    given: Arc<Mutex<Vec<String>>>,
}

impl ScopedSource {
    /// A provider for these scopes; `ask` makes the source of a token for some of them.
    ///
    /// # Errors
    /// Those of `ask`, which is tried once. Nothing is sent.
    pub fn new(scopes: impl IntoIterator<Item = String>, ask: impl Fn(&[String]) -> Result<TokenSource> + Send + Sync + 'static) -> Result<Self> {
        let scopes: Vec<String> = scopes.into_iter().collect();
        ask(&scopes)?;
        Ok(Self { given: Arc::new(Mutex::new(scopes.clone())), scopes, ask: Arc::new(ask) })
    }

    /// The scopes of the last token; before the first one, all that will be asked for.
    pub fn given(&self) -> Vec<String> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn token(&self, cx: &CallContext, scopes: &[String]) -> Result<Credential> {
        let token = (self.ask)(scopes)?.credential(cx).await?;
        *self.given.lock().unwrap_or_else(PoisonError::into_inner) = scopes.to_vec();
        Ok(token)
    }
}

impl fmt::Debug for ScopedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedSource").field("scopes", &self.scopes).finish_non_exhaustive()
    }
}

#[async_trait]
impl CredentialProvider for ScopedSource {
    async fn credential(&self, cx: &CallContext) -> Result<Credential> {
        let refusal = match self.token(cx, &self.scopes).await {
            Err(error) if is_about_scopes(&error) && self.scopes.len() > 1 => error,
            token => return token,
        };
        let mut given = Vec::new();
        for scope in &self.scopes {
            match (self.ask)(std::slice::from_ref(scope))?.credential(cx).await {
                Ok(_) => given.push(scope.clone()),
                Err(error) if is_about_scopes(&error) => {}
                Err(error) => return Err(error),
            }
        }
        if given.is_empty() { Err(refusal) } else { self.token(cx, &given).await }
    }
}

/// RFC 6749, section 5.2, has `invalid_scope`; Google says `unauthorized_client` of a scope that is not delegated.
fn is_about_scopes(error: &AdapterError) -> bool {
    *error.kind() == ErrorKind::PermissionDenied && matches!(error.code(), Some("invalid_scope" | "unauthorized_client"))
}
