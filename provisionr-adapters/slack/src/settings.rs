//! A workspace as a systems file has it.

use std::sync::Arc;

use provisionr_http::{BaseUrl, CredentialSource, SystemSettings, Transport};
use provisionr_sdk::{Result, SystemName};
use serde::Deserialize;

use crate::adapter::Slack;
use crate::config::SlackConfig;

/// A workspace as a file has it. It holds no secret, only where one is.
///
/// ```
/// use provisionr_slack::Settings;
///
/// let plain: Settings = serde_json::from_str(r#"{ "credentials": { "token": { "env": "SLACK_TOKEN" } } }"#)?;
/// let organisation: Settings = serde_json::from_str(r#"{
///     "workspace": "T0123456789",
///     "credentials": {
///         "token": { "env": "SLACK_TOKEN" },
///         "enterprise": { "file": "/run/secrets/slack-admin" },
///         "scim": { "file": "/run/secrets/slack-admin" }
///     },
///     "scim_pool": "company"
/// }"#)?;
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The Web API; that of slack.com unless given.
    #[serde(default)]
    url: Option<BaseUrl>,
    /// SCIM; that of slack.com unless given.
    #[serde(default)]
    scim_url: Option<BaseUrl>,
    #[serde(default)]
    workspace: Option<String>,
    credentials: Credentials,
    #[serde(default)]
    scim_pool: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    /// Of a bot or a user.
    token: CredentialSource,
    /// Of an org admin, with `admin.*` scopes.
    #[serde(default)]
    enterprise: Option<CredentialSource>,
    /// Of an owner or admin, with the scope `admin`.
    #[serde(default)]
    scim: Option<CredentialSource>,
}

impl SystemSettings for Settings {
    type Adapter = Slack;

    fn connect(&self, system: SystemName, http: &Arc<dyn Transport>) -> Result<Slack> {
        let config = SlackConfig::new().credentials(self.credentials.token.clone());
        let config = self.url.iter().fold(config, |config, url| config.base_url(url.as_str()));
        let config = self.scim_url.iter().fold(config, |config, url| config.scim_url(url.as_str()));
        let config = self.workspace.iter().fold(config, SlackConfig::workspace);
        let config = self.scim_pool.iter().fold(config, SlackConfig::scim_pool);
        let config = self.credentials.enterprise.iter().cloned().fold(config, SlackConfig::enterprise);
        self.credentials.scim.iter().cloned().fold(config, SlackConfig::scim).connect(system, http)
    }
}
