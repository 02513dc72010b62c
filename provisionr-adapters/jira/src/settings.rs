//! A site as a systems file has it.

use std::sync::Arc;

use provisionr_http::{BaseUrl, CredentialSource, SystemSettings, Transport};
use provisionr_sdk::{Result, SystemName};
use serde::Deserialize;

use crate::adapter::Jira;
use crate::config::JiraConfig;

/// A site as a file has it. It holds no secret, only where one is.
///
/// ```
/// use provisionr_jira::Settings;
///
/// let token: Settings = serde_json::from_str(r#"{
///     "url": "https://company.atlassian.net",
///     "credentials": { "token": { "email": "ops@company.com", "secret": { "env": "JIRA_TOKEN" } } },
///     "products": ["jira-software", "jira-servicedesk"],
///     "managed_accounts": true
/// }"#)?;
/// let service_account: Settings = serde_json::from_str(r#"{
///     "url": "https://api.atlassian.com/ex/jira/11223344-a1b2-3b33-c444-def123456789",
///     "credentials": { "bearer": { "file": "/run/secrets/jira" } }
/// }"#)?;
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    url: BaseUrl,
    credentials: Credentials,
    #[serde(default)]
    products: Option<Vec<String>>,
    #[serde(default)]
    managed_accounts: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Credentials {
    Token { email: String, secret: CredentialSource },
    Bearer(CredentialSource),
}

impl SystemSettings for Settings {
    type Adapter = Jira;

    fn connect(&self, system: SystemName, http: &Arc<dyn Transport>) -> Result<Jira> {
        let config = JiraConfig::new(self.url.as_str());
        let config = match &self.credentials {
            Credentials::Token { email, secret } => config.credentials(email, secret.clone()),
            Credentials::Bearer(secret) => config.bearer(secret.clone()),
        };
        let config = if self.managed_accounts { config.managed_accounts() } else { config };
        let config = match &self.products {
            Some(products) => config.products(products),
            None => config,
        };
        config.connect(system, http)
    }
}
