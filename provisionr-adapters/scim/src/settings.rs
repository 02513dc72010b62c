//! A service as a systems file has it.

use std::sync::Arc;

use provisionr_http::{BaseUrl, CredentialSource, SystemSettings, Transport};
use provisionr_sdk::{Result, SystemName};
use serde::Deserialize;

use crate::adapter::ScimService;
use crate::config::{Quirks, ScimConfig};

/// A service as a file has it. It holds no secret, only where one is.
///
/// ```
/// use provisionr_scim::Settings;
///
/// let wiki: Settings = serde_json::from_str(r#"{
///     "url": "https://wiki.example/scim/v2",
///     "credentials": { "token": { "env": "WIKI_TOKEN" } }
/// }"#)?;
/// let desk: Settings = serde_json::from_str(r#"{
///     "url": "https://desk.example/scim/v2",
///     "credentials": { "client": {
///         "id": "provisionr", "secret": { "file": "/run/secrets/desk" }, "token_url": "https://login.desk.example/token", "scope": "scim"
///     } },
///     "quirks": {
///         "without": ["patch", "filter"],
///         "found_by": ["user_name", "external_id"],
///         "switch_off": "delete",
///         "memberships": "users",
///         "page": 50,
///         "requests_per_minute": 300
///     }
/// }"#)?;
/// let old: Settings = serde_json::from_str(r#"{
///     "url": "https://old.example/scim",
///     "credentials": { "basic": { "user": "provisionr", "password": { "env": "OLD_PASSWORD" } } },
///     "quirks": { "member_removal": "value" }
/// }"#)?;
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    url: BaseUrl,
    credentials: Credentials,
    #[serde(default)]
    quirks: Quirks,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Credentials {
    Token(CredentialSource),
    Basic {
        user: String,
        password: CredentialSource,
    },
    Client {
        id: String,
        secret: CredentialSource,
        token_url: BaseUrl,
        #[serde(default)]
        scope: Option<String>,
    },
}

impl SystemSettings for Settings {
    type Adapter = ScimService;

    fn connect(&self, system: SystemName, http: &Arc<dyn Transport>) -> Result<ScimService> {
        let config = ScimConfig::new(self.url.as_str());
        let config = match &self.credentials {
            Credentials::Token(source) => config.bearer(source.clone()),
            Credentials::Basic { user, password } => config.basic(user, password.clone()),
            Credentials::Client { id, secret, token_url, scope } => config.client(token_url.as_str(), id, secret.clone(), scope.clone()),
        };
        config.quirks(|quirks| quirks.clone_from(&self.quirks)).connect(system, http)
    }
}
