//! An instance as a systems file has it.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use provisionr_http::{BaseUrl, CredentialSource, SystemSettings, Transport};
use provisionr_sdk::{CallContext, Result, SystemName};
use serde::Deserialize;

use crate::adapter::IdentityCenter;
use crate::config::{IdentityCenterConfig, IdentitySource};
use crate::credentials::{AccessKeys, AccessKeysProvider};

/// An instance as a file has it. It holds no secret, only where one is. Keys are read again when AWS refuses them.
///
/// ```
/// use provisionr_aws::Settings;
///
/// let settings: Settings = serde_json::from_str(r#"{
///     "region": "eu-west-1",
///     "instance_arn": "arn:aws:sso:::instance/ssoins-1234567890abcdef",
///     "identity_store_id": "d-1234567890",
///     "credentials": {
///         "access_key_id": { "env": "AWS_ACCESS_KEY_ID" },
///         "secret_access_key": { "env": "AWS_SECRET_ACCESS_KEY" },
///         "session_token": { "env": "AWS_SESSION_TOKEN" }
///     },
///     "accounts": { "production": "111111111111", "staging": "222222222222" },
///     "organization_names": true,
///     "identity_source": "scim",
///     "scim": "Okta"
/// }"#)?;
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The home region of the instance.
    region: String,
    instance_arn: String,
    identity_store_id: String,
    credentials: Credentials,
    /// One address for both services; the region's own unless given.
    #[serde(default)]
    url: Option<BaseUrl>,
    /// AWS accounts, by the names policies have for them.
    #[serde(default)]
    accounts: BTreeMap<String, String>,
    /// Policies may call AWS accounts by the organization's names too.
    #[serde(default)]
    organization_names: bool,
    /// Where users and groups come from: `store`, `scim` or `active_directory`.
    #[serde(default)]
    identity_source: IdentitySource,
    /// What that is called, or who provisions some users and groups over SCIM.
    #[serde(default)]
    scim: Option<String>,
    /// The issuer of external ids people are found by.
    #[serde(default)]
    issuer: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    access_key_id: CredentialSource,
    secret_access_key: CredentialSource,
    #[serde(default)]
    session_token: Option<CredentialSource>,
}

#[async_trait]
impl AccessKeysProvider for Credentials {
    async fn access_keys(&self, _cx: &CallContext) -> Result<AccessKeys> {
        let keys = AccessKeys::new(self.access_key_id.read()?.expose(), self.secret_access_key.read()?);
        Ok(match &self.session_token {
            Some(token) => keys.session(token.read()?),
            None => keys,
        })
    }
}

impl SystemSettings for Settings {
    type Adapter = IdentityCenter;

    fn connect(&self, system: SystemName, http: &Arc<dyn Transport>) -> Result<IdentityCenter> {
        let config = IdentityCenterConfig::new(&self.region, &self.instance_arn, &self.identity_store_id)
            .access_keys(self.credentials.clone())
            .identity_source(self.identity_source);
        let config = self.url.iter().fold(config, |config, url| config.url(url.as_str()));
        let config = self.accounts.iter().fold(config, |config, (name, id)| config.account(name, id));
        let config = if self.organization_names { config.organization_names() } else { config };
        let config = self.scim.iter().fold(config, IdentityCenterConfig::scim);
        self.issuer.iter().fold(config, IdentityCenterConfig::issuer).connect(system, http)
    }
}
