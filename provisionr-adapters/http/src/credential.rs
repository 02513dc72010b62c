//! Where secrets come from, and when they are fetched anew.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use provisionr_sdk::{AdapterError, CallContext, ErrorKind, Result, RetryHint, Secret, Timestamp};
use tokio::sync::Mutex;

/// A secret, and how long it is good for.
#[derive(Clone, Debug)]
pub struct Credential {
    secret: Secret,
    expires: Option<Timestamp>,
}

impl Credential {
    /// Good until a vendor refuses it.
    pub fn new(secret: Secret) -> Self {
        Self { secret, expires: None }
    }

    /// Good until this time.
    #[must_use]
    pub fn expiring(mut self, at: Timestamp) -> Self {
        self.expires = Some(at);
        self
    }

    /// The secret.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }
}

/// Hands out a secret: a static one ([`Secret`] itself), an [`EnvironmentVariable`], a [`CredentialFile`], an OAuth
/// [`TokenSource`](crate::TokenSource), or the host's vault behind an implementation of its own.
///
/// - Asked once, however many calls wait for it; what it hands out is kept until shortly before it expires, or until the
///   vendor refuses it. Then it is asked again, and should hand out the newest there is.
/// - An error is the error of every call that waits; it shows no secret.
#[async_trait]
pub trait CredentialProvider: Send + Sync + 'static {
    /// The secret as it is now.
    async fn credential(&self, cx: &CallContext) -> Result<Credential>;
}

#[async_trait]
impl CredentialProvider for Secret {
    async fn credential(&self, _cx: &CallContext) -> Result<Credential> {
        Ok(Credential::new(self.clone()))
    }
}

#[async_trait]
impl<P: CredentialProvider + ?Sized> CredentialProvider for Arc<P> {
    async fn credential(&self, cx: &CallContext) -> Result<Credential> {
        (**self).credential(cx).await
    }
}

/// A secret in an environment variable.
#[derive(Clone, Debug)]
pub struct EnvironmentVariable(String);

impl EnvironmentVariable {
    /// The variable of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }
}

impl EnvironmentVariable {
    pub(crate) fn read(&self) -> Result<Secret> {
        match std::env::var(&self.0) {
            Ok(text) if !text.trim().is_empty() => Ok(Secret::new(text.trim())),
            _ => Err(AdapterError::invalid_config(format!("the environment variable `{}` holds no secret", self.0))),
        }
    }
}

#[async_trait]
impl CredentialProvider for EnvironmentVariable {
    async fn credential(&self, _cx: &CallContext) -> Result<Credential> {
        self.read().map(Credential::new)
    }
}

/// A secret in a file, such as one a vault's agent keeps fresh; white space around it is dropped.
#[derive(Clone, Debug)]
pub struct CredentialFile(PathBuf);

impl CredentialFile {
    /// The file at this path.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }
}

impl CredentialFile {
    pub(crate) fn read(&self) -> Result<Secret> {
        let wrong = |why: &str| AdapterError::invalid_config(format!("the credential file `{}` {why}", self.0.display()));
        let text = std::fs::read_to_string(&self.0).map_err(|error| wrong("cannot be read").with_source(error))?;
        match text.trim() {
            "" => Err(wrong("is empty")),
            secret => Ok(Secret::new(secret)),
        }
    }
}

#[async_trait]
impl CredentialProvider for CredentialFile {
    async fn credential(&self, _cx: &CallContext) -> Result<Credential> {
        self.read().map(Credential::new)
    }
}

/// A provider, and what it handed out last.
pub(crate) struct Kept {
    provider: Arc<dyn CredentialProvider>,
    asked: AtomicU64,
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    credential: Option<(Secret, Option<Timestamp>)>,
    failure: Option<(ErrorKind, RetryHint, String)>,
}

impl Kept {
    pub(crate) fn new(provider: impl CredentialProvider) -> Self {
        Self { provider: Arc::new(provider), asked: AtomicU64::new(0), last: Mutex::default() }
    }

    /// The secret. With `refused`, one that is another than the refused one, if there is one.
    pub(crate) async fn get(&self, cx: &CallContext, refused: Option<&Secret>) -> Result<Option<Secret>> {
        let asked = self.asked.load(Ordering::Acquire);
        let same = |secret: &Secret| refused.is_some_and(|refused| refused.expose() == secret.expose());
        let mut last = self.last.lock().await;
        if let Some((secret, renew_at)) = &last.credential
            && renew_at.is_none_or(|at| cx.now() < at)
            && !same(secret)
        {
            return Ok(Some(secret.clone()));
        }
        if self.asked.load(Ordering::Acquire) != asked {
            // Who waited for an answer shares it, whatever it was: a hundred waiters are not a hundred questions.
            if let Some((kind, hint, message)) = &last.failure {
                return Err(AdapterError::new(kind.clone(), *hint, message.clone()));
            }
            if last.credential.as_ref().is_some_and(|(secret, _)| same(secret)) {
                return Ok(None);
            }
        }
        let now = cx.now();
        let answer = self.provider.credential(cx).await;
        self.asked.fetch_add(1, Ordering::Release);
        match answer {
            Ok(Credential { secret, expires }) => {
                last.failure = None;
                last.credential = Some((secret.clone(), expires.map(|at| renew_at(now, at))));
                Ok((!same(&secret)).then_some(secret))
            }
            Err(error) => {
                last.credential = None;
                last.failure = Some((error.kind().clone(), error.hint(), error.message().to_owned()));
                Err(error)
            }
        }
    }
}

/// A minute before the end, but never in the first four fifths of a short life.
fn renew_at(now: Timestamp, expires: Timestamp) -> Timestamp {
    expires - Duration::from_secs(60).min(expires.since(now) / 5)
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Kept")
    }
}
