//! How an app enters: a token it signs, and with it one of its installation.
//! <https://docs.github.com/apps/creating-github-apps/authenticating-with-a-github-app/authenticating-as-a-github-app-installation>

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use provisionr_http::{Auth, Credential, CredentialProvider, HttpClient, Jwt, Signer, path};
use provisionr_sdk::{CallContext, Result, Secret, Timestamp};
use serde::Deserialize;

use crate::wire::InstallationFacts;

/// GitHub takes at most ten minutes; one is left to clocks that differ.
const SIGNED: Duration = Duration::from_secs(540);

struct AppToken {
    app: String,
    signer: Arc<dyn Signer>,
}

#[async_trait]
impl CredentialProvider for AppToken {
    async fn credential(&self, cx: &CallContext) -> Result<Credential> {
        let now = cx.now();
        let token = Jwt::of(self.app.as_str()).backdated(Duration::from_secs(60)).lifetime(SIGNED).sign(&self.signer, now).await?;
        Ok(Credential::new(token).expiring(now + SIGNED))
    }
}

/// The installation of an app in the organization: hands out its tokens, and knows what it may do.
#[derive(Clone)]
pub(crate) struct Installation {
    client: HttpClient,
    id: u64,
}

impl fmt::Debug for Installation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Installation").field("id", &self.id).finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
struct Issued {
    token: Secret,
    expires_at: Timestamp,
}

impl Installation {
    /// `client` is one without credential and lanes.
    pub(crate) fn new(client: HttpClient, app: String, id: u64, signer: Arc<dyn Signer>) -> Self {
        Self { client: client.auth(Auth::bearer(AppToken { app, signer })), id }
    }

    pub(crate) async fn facts(&self, cx: &CallContext) -> Result<InstallationFacts> {
        self.client.get(path!["app", "installations", self.id.to_string()]).send(cx).await?.json()
    }
}

#[async_trait]
impl CredentialProvider for Installation {
    async fn credential(&self, cx: &CallContext) -> Result<Credential> {
        let request = self.client.post(path!["app", "installations", self.id.to_string(), "access_tokens"]).read();
        let issued: Issued = request.send(cx).await?.json()?;
        Ok(Credential::new(issued.token).expiring(issued.expires_at))
    }
}
