//! What a host writes about a system into a file, and an adapter reads with serde: addresses, and where secrets are.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use provisionr_sdk::{Adapter, CallContext, Result, Secret, SystemName};
use serde::de::{DeserializeOwned, Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, de};
use url::{Host, Url};

use crate::credential::{Credential, CredentialFile, CredentialProvider, EnvironmentVariable};
use crate::transport::Transport;

/// What a file says about one system of a type, and the adapter that comes of it: a struct of serde, with
/// `deny_unknown_fields` so that a slip of the pen is told.
///
/// - Holds no secret: [`CredentialSource`] says where one is.
/// - `Debug` may show all of it.
pub trait SystemSettings: DeserializeOwned + fmt::Debug + Send + Sync + 'static {
    /// The adapter of these systems.
    type Adapter: Adapter;

    /// The adapter of this system. Nothing is sent; files of keys are read.
    ///
    /// # Errors
    /// `InvalidConfig` when the settings cannot be meant.
    fn connect(&self, system: SystemName, http: &Arc<dyn Transport>) -> Result<Self::Adapter>;
}

/// Where a secret is: `{ env: OKTA_TOKEN }` or `{ file: /run/secrets/okta }`. One that is written out itself is refused.
/// A relative path is taken from the working directory of the process.
///
/// As a [`CredentialProvider`] it reads anew whenever it is asked.
#[derive(Clone, Debug)]
pub struct CredentialSource(Source);

#[derive(Clone, Debug)]
enum Source {
    Env(EnvironmentVariable),
    File(CredentialFile),
}

const HOW: &str = "`{ env: NAME }` or `{ file: PATH }`";

impl CredentialSource {
    /// The secret as it is now.
    ///
    /// # Errors
    /// `InvalidConfig` when there is none.
    pub fn read(&self) -> Result<Secret> {
        match &self.0 {
            Source::Env(variable) => variable.read(),
            Source::File(file) => file.read(),
        }
    }
}

#[async_trait]
impl CredentialProvider for CredentialSource {
    async fn credential(&self, _cx: &CallContext) -> Result<Credential> {
        self.read().map(Credential::new)
    }
}

impl<'de> Deserialize<'de> for CredentialSource {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WhereItIs)
    }
}

struct WhereItIs;

/// No message here quotes what was found: it may be the secret.
impl<'de> Visitor<'de> for WhereItIs {
    type Value = CredentialSource;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HOW)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<CredentialSource, E> {
        Err(inline())
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<CredentialSource, E> {
        Err(inline())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<CredentialSource, E> {
        Err(inline())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<CredentialSource, E> {
        Err(inline())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<CredentialSource, A::Error> {
        let wrong = || A::Error::custom(format!("a secret is named by {HOW}, by one of them and nothing else"));
        let Some(key) = map.next_key::<String>()? else { return Err(wrong()) };
        let source = match key.as_str() {
            "env" => Source::Env(EnvironmentVariable::new(map.next_value::<Name>()?.0)),
            "file" => Source::File(CredentialFile::new(map.next_value::<Name>()?.0)),
            _ => return Err(wrong()),
        };
        if map.next_key::<de::IgnoredAny>()?.is_some() {
            return Err(wrong());
        }
        Ok(CredentialSource(source))
    }
}

fn inline<E: Error>() -> E {
    E::custom(format!("a secret does not belong into this file, where backups and reviews show it; say where it is: {HOW}"))
}

/// A text that is not empty.
struct Name(String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.trim().is_empty() { Err(D::Error::custom(format!("this is empty; a secret is named by {HOW}"))) } else { Ok(Self(text)) }
    }
}

/// Where an API is: `https://…`; `http://…` only on this machine (`localhost`, `127.0.0.0/8`, `::1`), where no wire carries
/// the credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrl(String);

impl BaseUrl {
    /// The address, as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for BaseUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        checked(&text).map_err(D::Error::custom)?;
        Ok(Self(text))
    }
}

/// No message quotes the address: a password may stand in it.
fn checked(text: &str) -> Result<(), String> {
    let url = Url::parse(text).map_err(|error| format!("this is no web address: {error}; one is `https://company.example`"))?;
    let here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a user or password does not belong into an address; use `credentials`".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("an address has host and path, and neither query nor fragment".to_owned());
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if here => Ok(()),
        "http" => Err("the credential would go over the network in clear; use `https://`, `http://` is for this machine alone".to_owned()),
        _ => Err("an address begins with `https://`".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn source(value: Value) -> Result<CredentialSource, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn a_secret_is_named_and_never_written_out() {
        let shown = format!("{:?}{:?}", source(json!({ "env": "OKTA_TOKEN" })).unwrap(), source(json!({ "file": "/run/secrets/okta" })).unwrap());
        assert!(shown.contains("OKTA_TOKEN") && shown.contains("/run/secrets/okta"), "{shown}");
        for value in [json!("s3cret"), json!(1234), json!({ "s3cret": null }), json!({ "env": "A", "s3cret": 1 }), json!(["s3cret"]), json!(1.5)] {
            let error = source(value.clone()).unwrap_err();
            assert!(error.contains("{ env: NAME }") && !error.contains("s3cret"), "{value}: {error}");
        }
        assert!(source(json!({ "env": " " })).unwrap_err().contains("empty"));
    }

    #[test]
    fn plain_http_is_for_this_machine_alone() {
        for good in ["https://company.okta.com", "https://git.company.example/gitlab", "http://127.0.0.1:9001", "http://localhost:9001", "http://[::1]:9001"] {
            assert_eq!(checked(good), Ok(()), "{good}");
        }
        for (bad, said) in [
            ("http://company.okta.com", "in clear"),
            ("http://127.0.0.1.evil.example", "in clear"),
            ("http://10.0.0.1", "in clear"),
            ("company.okta.com", "no web address"),
            ("ftp://company.okta.com", "begins with"),
            ("https://me:s3cret@company.okta.com", "use `credentials`"),
            ("https://company.okta.com?token=s3cret", "neither query"),
        ] {
            let error = checked(bad).unwrap_err();
            assert!(error.contains(said) && !error.contains("s3cret"), "{bad}: {error}");
        }
    }

    #[test]
    fn the_secret_is_read_where_it_is() {
        let file = std::env::temp_dir().join(format!("provisionr-settings-{}", std::process::id()));
        std::fs::write(&file, "00abc\n").unwrap();
        let read = source(json!({ "file": file })).unwrap().read();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(read.unwrap().expose(), "00abc");
        assert!(source(json!({ "file": file })).unwrap().read().is_err());
    }
}
