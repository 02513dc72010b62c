//! An organization as a systems file has it.

use std::sync::Arc;

use provisionr_http::{BaseUrl, CredentialSource, RsaSigner, SystemSettings, Transport};
use provisionr_sdk::{Result, SystemName};
use serde::Deserialize;

use crate::adapter::Github;
use crate::config::GithubConfig;

/// An organization as a file has it. It holds no secret, only where one is.
///
/// ```
/// use provisionr_github::Settings;
///
/// let token: Settings = serde_json::from_str(r#"{
///     "organization": "company",
///     "credentials": { "token": { "env": "GITHUB_TOKEN" } }
/// }"#)?;
/// let app: Settings = serde_json::from_str(r#"{
///     "url": "https://api.company.ghe.com",
///     "organization": "company",
///     "credentials": { "app": { "client_id": "Iv1.abc", "installation": 4242, "key": { "file": "/run/secrets/github.pem" } } },
///     "synced_teams": true
/// }"#)?;
/// let managed: Settings = serde_json::from_str(r#"{
///     "organization": "company",
///     "credentials": { "token": { "env": "GITHUB_TOKEN" } },
///     "enterprise": { "slug": "acme", "setup_user": { "env": "GITHUB_SETUP_USER_TOKEN" } }
/// }"#)?;
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The API; that of github.com unless given.
    #[serde(default)]
    url: Option<BaseUrl>,
    organization: String,
    credentials: Credentials,
    #[serde(default)]
    synced_teams: Option<bool>,
    #[serde(default)]
    enterprise: Option<ManagedBy>,
}

/// The enterprise that manages the users.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ManagedBy {
    slug: String,
    setup_user: CredentialSource,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Credentials {
    Token(CredentialSource),
    App { client_id: String, installation: u64, key: CredentialSource },
}

impl SystemSettings for Settings {
    type Adapter = Github;

    fn connect(&self, system: SystemName, http: &Arc<dyn Transport>) -> Result<Github> {
        let config = GithubConfig::organization(&self.organization);
        let config = self.url.iter().fold(config, |config, url| config.url(url.as_str()));
        let config = if self.synced_teams == Some(true) { config.synced_teams() } else { config };
        let config = match &self.enterprise {
            Some(enterprise) => config.enterprise_managed(&enterprise.slug, enterprise.setup_user.clone()),
            None => config,
        };
        let config = match &self.credentials {
            Credentials::Token(source) => config.credentials(source.clone()),
            Credentials::App { client_id, installation, key } => config.app(client_id, *installation, RsaSigner::from_pem(&key.read()?)?),
        };
        config.connect(system, http)
    }
}
