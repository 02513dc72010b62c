//! An instance as a systems file has it.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use provisionr_http::{BaseUrl, CredentialSource, SystemSettings, Transport};
use provisionr_sdk::{AdapterError, Result, SystemName};
use serde::Deserialize;

use crate::adapter::Gitlab;
use crate::config::{GitlabConfig, Identities};

/// An instance, or a top-level group, as a file has it. It holds no secret, only where one is.
///
/// ```
/// use provisionr_gitlab::Settings;
///
/// let own: Settings = serde_json::from_str(r#"{
///     "url": "https://gitlab.company.com",
///     "credentials": { "token": { "file": "/run/secrets/gitlab" } },
///     "provider": "saml",
///     "requests_per_hour": 7200,
///     "user_reads": 0
/// }"#)?;
/// let group: Settings = serde_json::from_str(r#"{
///     "url": "https://gitlab.com",
///     "credentials": { "bearer": { "env": "GITLAB_TOKEN" } },
///     "group": "company",
///     "identities": "saml",
///     "invitations": true,
///     "enterprise_users": true
/// }"#)?;
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    url: BaseUrl,
    credentials: Credentials,
    /// The top-level group whose owner the credential is; without it, it is an administrator's.
    #[serde(default)]
    group: Option<String>,
    #[serde(default)]
    identities: Option<Identities>,
    #[serde(default)]
    invitations: Option<bool>,
    #[serde(default)]
    enterprise_users: Option<bool>,
    #[serde(default)]
    provider: Option<String>,
    #[serde(default)]
    requests_per_hour: Option<NonZeroU32>,
    /// Reads of a user by id in ten minutes; 0 where that limit is switched off.
    #[serde(default)]
    user_reads: Option<u32>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Credentials {
    Token(CredentialSource),
    Bearer(CredentialSource),
}

impl Settings {
    /// The first field that means nothing in this flavour.
    fn stray(&self) -> Option<&'static str> {
        if self.group.is_some() {
            return self.provider.as_ref().map(|_| "`provider` is of an instance entered as its administrator, not of a group");
        }
        let of_groups = [
            (self.identities.is_some(), "`identities` are of a group: name it in `group`"),
            (self.invitations.is_some(), "`invitations` are sent by the owner of a group: name it in `group`"),
            (self.enterprise_users.is_some(), "`enterprise_users` are of a group: name it in `group`"),
        ];
        of_groups.into_iter().find(|(given, _)| *given).map(|(_, why)| why)
    }
}

impl SystemSettings for Settings {
    type Adapter = Gitlab;

    fn connect(&self, system: SystemName, http: &Arc<dyn Transport>) -> Result<Gitlab> {
        if let Some(why) = self.stray() {
            return Err(AdapterError::invalid_config(why));
        }
        let config = match &self.group {
            None => self.provider.iter().fold(GitlabConfig::self_managed(self.url.as_str()), GitlabConfig::provider),
            Some(group) => {
                let config = GitlabConfig::group(self.url.as_str(), group).identities(self.identities.unwrap_or_default());
                let config = if self.invitations == Some(true) { config.invitations() } else { config };
                if self.enterprise_users == Some(true) { config.enterprise_users() } else { config }
            }
        };
        let config = match self.requests_per_hour {
            Some(requests) => config.rate_limit(requests.get(), Duration::from_secs(3600)),
            None => config,
        };
        let config = self.user_reads.iter().fold(config, |config, reads| config.user_reads(*reads));
        let config = match &self.credentials {
            Credentials::Token(source) => config.credentials(source.clone()),
            Credentials::Bearer(source) => config.bearer(source.clone()),
        };
        config.connect(system, http)
    }
}
