//! A customer as a systems file has it.

use std::num::NonZeroU32;
use std::sync::Arc;

use provisionr_http::{BaseUrl, CredentialSource, RsaSigner, SystemSettings, Transport};
use provisionr_sdk::{Result, SystemName};
use serde::Deserialize;

use crate::adapter::Google;
use crate::config::{ConflictingAccounts, GoogleConfig};

/// A customer as a file has it. It holds no secret, only where one is. `admin` may be left out with an access token, which acts as
/// somebody already; `url` is for fakes, whose token endpoint is at `/token` below it.
///
/// ```
/// use provisionr_google::Settings;
///
/// let key_file: Settings = serde_json::from_str(r#"{
///     "admin": "admin@company.com",
///     "credentials": { "key_file": { "file": "/run/secrets/google.json" } },
///     "scopes": ["admin.directory.user", "admin.directory.group.member", "admin.directory.group.readonly"],
///     "conflicting_accounts": "resolve"
/// }"#)?;
/// let key: Settings = serde_json::from_str(r#"{
///     "admin": "admin@company.com",
///     "credentials": { "service_account": {
///         "email": "provisionr@project.iam.gserviceaccount.com", "key": { "file": "/run/secrets/google.pem" }, "key_id": "k-2026"
///     } },
///     "queries_per_minute": 4800
/// }"#)?;
/// let token: Settings = serde_json::from_str(r#"{ "url": "http://127.0.0.1:9001", "credentials": { "access_token": { "env": "GOOGLE_TOKEN" } } }"#)?;
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    #[serde(default)]
    admin: Option<String>,
    credentials: Credentials,
    #[serde(default)]
    url: Option<BaseUrl>,
    #[serde(default)]
    scopes: Option<Vec<String>>,
    #[serde(default)]
    queries_per_minute: Option<NonZeroU32>,
    #[serde(default)]
    concurrency: Option<NonZeroU32>,
    #[serde(default)]
    conflicting_accounts: ConflictingAccounts,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Credentials {
    AccessToken(CredentialSource),
    KeyFile(CredentialSource),
    ServiceAccount {
        email: String,
        key: CredentialSource,
        #[serde(default)]
        key_id: Option<String>,
    },
}

impl SystemSettings for Settings {
    type Adapter = Google;

    fn connect(&self, system: SystemName, http: &Arc<dyn Transport>) -> Result<Google> {
        let config = self.admin.as_ref().map_or_else(GoogleConfig::without_admin, GoogleConfig::new);
        let mut config = config.conflicting_accounts(self.conflicting_accounts);
        if let Some(url) = &self.url {
            config = config.at(url.as_str(), format!("{}/token", url.as_str().trim_end_matches('/')));
        }
        if let Some(scopes) = &self.scopes {
            config = config.scopes(scopes);
        }
        if let Some(queries) = self.queries_per_minute {
            config = config.queries_per_minute(queries.get());
        }
        if let Some(requests) = self.concurrency {
            config = config.concurrency(requests.get());
        }
        let config = match &self.credentials {
            Credentials::AccessToken(source) => config.credentials(source.clone()),
            Credentials::KeyFile(source) => config.key_file(&source.read()?)?,
            Credentials::ServiceAccount { email, key, key_id } => {
                let signer = RsaSigner::from_pem(&key.read()?)?;
                config.service_account(email, key_id.iter().fold(signer, RsaSigner::with_key_id))
            }
        };
        config.connect(system, http)
    }
}
