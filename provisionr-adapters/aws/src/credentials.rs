//! Access keys: where they come from, and when they are asked for anew.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use provisionr_sdk::{CallContext, Result, Secret, Timestamp};
use tokio::sync::Mutex;

/// What AWS calls credentials: the id of an access key, the key, and the session's token where a role was assumed.
/// `Debug` shows none of them.
#[derive(Clone)]
pub struct AccessKeys {
    pub(crate) id: Secret,
    pub(crate) key: Secret,
    pub(crate) token: Option<Secret>,
    expires: Option<Timestamp>,
}

impl AccessKeys {
    /// Keys that last until AWS refuses them.
    pub fn new(id: impl Into<String>, key: Secret) -> Self {
        Self { id: Secret::new(id), key, token: None, expires: None }
    }

    /// With the token of a session.
    #[must_use]
    pub fn session(mut self, token: Secret) -> Self {
        self.token = Some(token);
        self
    }

    /// Good until this time.
    #[must_use]
    pub fn expiring(mut self, at: Timestamp) -> Self {
        self.expires = Some(at);
        self
    }

    /// The one secret that answers could quote: the token is among what is signed, the key never is.
    pub(crate) fn sent(&self) -> &Secret {
        self.token.as_ref().unwrap_or(&self.id)
    }

    fn fresh(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|at| now + EARLY < at)
    }
}

/// Sessions are renewed this long before they end.
const EARLY: Duration = Duration::from_secs(60);

impl fmt::Debug for AccessKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessKeys(…)")
    }
}

/// Hands out access keys: static ones ([`AccessKeys`] itself), or what the host's own chain of AWS finds (a profile, an
/// assumed role, the machine's role).
///
/// - Asked once, however many calls wait; what it hands out is kept until a minute before it expires, or until AWS refuses it.
/// - An error shows no secret.
#[async_trait]
pub trait AccessKeysProvider: Send + Sync + 'static {
    /// The keys as they are now.
    async fn access_keys(&self, cx: &CallContext) -> Result<AccessKeys>;
}

#[async_trait]
impl AccessKeysProvider for AccessKeys {
    async fn access_keys(&self, _cx: &CallContext) -> Result<AccessKeys> {
        Ok(self.clone())
    }
}

/// A provider, and what it handed out last.
pub(crate) struct Kept {
    provider: Arc<dyn AccessKeysProvider>,
    last: Mutex<Option<AccessKeys>>,
}

impl Kept {
    pub(crate) fn new(provider: Arc<dyn AccessKeysProvider>) -> Self {
        Self { provider, last: Mutex::new(None) }
    }

    /// The keys; with `refused`, others than those that were refused, if there are any.
    pub(crate) async fn get(&self, cx: &CallContext, refused: Option<&Secret>) -> Result<Option<AccessKeys>> {
        let other = |keys: &AccessKeys| refused.is_none_or(|refused| refused.expose() != keys.sent().expose());
        let mut last = self.last.lock().await;
        if let Some(keys) = last.as_ref().filter(|keys| keys.fresh(cx.now()) && other(keys)) {
            return Ok(Some(keys.clone()));
        }
        let keys = self.provider.access_keys(cx).await?;
        *last = Some(keys.clone());
        Ok(Some(keys).filter(other))
    }
}
