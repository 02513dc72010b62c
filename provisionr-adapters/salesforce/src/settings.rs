//! An org as a systems file has it.

use std::num::NonZeroU32;
use std::sync::Arc;

use provisionr_http::{BaseUrl, CredentialSource, RsaSigner, SystemSettings, Transport};
use provisionr_sdk::{Result, SystemName};
use serde::Deserialize;

use crate::adapter::Salesforce;
use crate::config::{Regional, SalesforceConfig};

/// An org as a file has it. It holds no secret, only where one is.
///
/// ```
/// use provisionr_salesforce::Settings;
///
/// let app: Settings = serde_json::from_str(r#"{
///     "url": "https://company.my.salesforce.com",
///     "credentials": { "jwt": {
///         "consumer_key": "3MVG9…",
///         "username": "provisionr@company.com",
///         "key": { "file": "/run/secrets/salesforce.pem" }
///     } },
///     "daily_calls": 105000,
///     "fallback_profile": "Minimum Access - Salesforce",
///     "regional": { "time_zone": "Europe/Berlin", "locale": "de_DE", "language": "de" }
/// }"#)?;
/// let sandbox: Settings = serde_json::from_str(r#"{
///     "url": "https://company--test.sandbox.my.salesforce.com",
///     "credentials": { "client": {
///         "consumer_key": "3MVG9…",
///         "username": "provisionr@company.com.test",
///         "secret": { "env": "SALESFORCE_SECRET" }
///     } },
///     "concurrency": 5
/// }"#)?;
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    url: BaseUrl,
    credentials: Credentials,
    /// Whom access tokens speak for, where these may not ask.
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    login_host: Option<BaseUrl>,
    #[serde(default)]
    api_version: Option<u32>,
    #[serde(default)]
    fallback_profile: Option<String>,
    #[serde(default)]
    regional: Option<Regional>,
    #[serde(default)]
    daily_calls: Option<NonZeroU32>,
    #[serde(default)]
    concurrency: Option<NonZeroU32>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Credentials {
    Jwt {
        consumer_key: String,
        username: String,
        key: CredentialSource,
    },
    Client {
        consumer_key: String,
        username: String,
        secret: CredentialSource,
    },
    /// Access tokens that somebody else keeps fresh.
    Token(CredentialSource),
}

impl SystemSettings for Settings {
    type Adapter = Salesforce;

    fn connect(&self, system: SystemName, http: &Arc<dyn Transport>) -> Result<Salesforce> {
        let mut config = SalesforceConfig::new(self.url.as_str());
        config = match &self.credentials {
            Credentials::Jwt { consumer_key, username, key } => config.jwt_bearer(consumer_key, username, RsaSigner::from_pem(&key.read()?)?),
            Credentials::Client { consumer_key, username, secret } => config.client_credentials(consumer_key, secret.clone(), username),
            Credentials::Token(source) => self.username.iter().fold(config.access_token(source.clone()), SalesforceConfig::username),
        };
        config = self.login_host.iter().fold(config, |config, host| config.login_host(host.as_str()));
        config = self.api_version.into_iter().fold(config, SalesforceConfig::api_version);
        config = self.fallback_profile.iter().fold(config, |config, name| config.fallback_profile(name.as_str()));
        config = self.regional.iter().fold(config, |config, regional| config.regional(regional.clone()));
        config = self.daily_calls.into_iter().fold(config, |config, calls| config.daily_calls(calls.get()));
        config = self.concurrency.into_iter().fold(config, |config, calls| config.concurrency(calls.get()));
        config.connect(system, http)
    }
}
