//! An org as a systems file has it.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use provisionr_http::{BaseUrl, CredentialSource, RsaSigner, SystemSettings, Transport};
use provisionr_sdk::{AdapterError, Result, SystemName};
use serde::Deserialize;

use crate::adapter::Okta;
use crate::config::{OktaConfig, SignIn};

/// An org as a file has it. It holds no secret, only where one is.
///
/// ```
/// use provisionr_okta::Settings;
///
/// let token: Settings = serde_json::from_str(r#"{
///     "url": "https://company.okta.com",
///     "credentials": { "token": { "env": "OKTA_TOKEN" } },
///     "sign_in": "identity_provider",
///     "concurrency": 35,
///     "limits": { "users.id": 600, "groups.id": 600 },
///     "share": 75
/// }"#)?;
/// let app: Settings = serde_json::from_str(r#"{
///     "url": "https://company.okta.com",
///     "credentials": { "service_app": {
///         "client_id": "0oa1client",
///         "key": { "file": "/run/secrets/okta.pem" },
///         "key_id": "k-2026",
///         "scopes": ["okta.users.manage", "okta.groups.manage", "okta.apps.manage"]
///     } }
/// }"#)?;
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    url: BaseUrl,
    credentials: Credentials,
    #[serde(default)]
    sign_in: SignIn,
    #[serde(default)]
    concurrency: Option<NonZeroU32>,
    /// Requests a minute, by lane.
    #[serde(default)]
    limits: BTreeMap<String, NonZeroU32>,
    /// Of each limit, in per cent.
    #[serde(default)]
    share: Option<NonZeroU32>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Credentials {
    Token(CredentialSource),
    ServiceApp {
        client_id: String,
        key: CredentialSource,
        #[serde(default)]
        key_id: Option<String>,
        scopes: Vec<String>,
    },
}

impl SystemSettings for Settings {
    type Adapter = Okta;

    fn connect(&self, system: SystemName, http: &Arc<dyn Transport>) -> Result<Okta> {
        let config = OktaConfig::new(self.url.as_str()).sign_in(self.sign_in);
        let config = match self.concurrency {
            Some(requests) => config.concurrency(requests.get()),
            None => config,
        };
        let config = self.share.iter().fold(config, |config, percent| config.share(percent.get()));
        let config = self.limits.iter().fold(config, |config, (lane, requests)| config.limit(lane, requests.get()));
        let config = match &self.credentials {
            Credentials::Token(source) => config.credentials(source.clone()),
            Credentials::ServiceApp { scopes, .. } if scopes.is_empty() => {
                return Err(AdapterError::invalid_config("a service app without scopes may do nothing; name them in `scopes`"));
            }
            Credentials::ServiceApp { client_id, key, key_id, scopes } => {
                let signer = RsaSigner::from_pem(&key.read()?)?;
                let signer = key_id.iter().fold(signer, RsaSigner::with_key_id);
                config.private_key(client_id, signer, scopes)
            }
        };
        config.connect(system, http)
    }
}
