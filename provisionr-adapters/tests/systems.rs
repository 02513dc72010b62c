//! Systems from a file: what is read, and what is told when it cannot be.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use provisionr_adapters::http::{BaseUrl, MemoryTransport, SystemSettings, Transport};
use provisionr_adapters::okta::{Okta, OktaConfig};
use provisionr_adapters::systems::{SystemTypes, Systems};
use provisionr_core::sdk::{AccountQuery, CallContext, Found, Result, Secret, SystemName};
use provisionr_core::{MemoryDirectory, MemoryStore, Provisioner};
use provisionr_testkit::OktaFake;
use serde::Deserialize;

const SECRET: &str = "s3cret";

fn told(text: &str) -> Vec<String> {
    let error = Systems::parse("s.yaml", text).unwrap_err();
    assert!(!error.to_string().contains(SECRET), "{error}");
    error.problems().iter().map(ToString::to_string).collect()
}

fn nowhere() -> MemoryTransport {
    MemoryTransport::new(|_| http::Response::default())
}

#[test]
fn a_file_says_which_systems_there_are() {
    let text = "
systems:
  okta:
    url: https://company.okta.com
    credentials: { token: { env: OKTA_TOKEN } }
    sign_in: identity_provider
    concurrency: 35
  okta-eu:
    type: okta
    url: http://127.0.0.1:9001
    credentials: { token: { file: /run/secrets/okta } }
";
    let systems = Systems::parse("s.yaml", text).unwrap();
    assert_eq!(systems.names().collect::<Vec<_>>(), ["okta", "okta-eu"]);
    let adapters = systems.connect(&nowhere()).unwrap();
    let descriptors: Vec<_> = adapters.iter().map(|adapter| (adapter.descriptor().system.as_str(), adapter.descriptor().system_type.as_str())).collect();
    assert_eq!(descriptors, [("okta", "okta"), ("okta-eu", "okta")]);
    let lanes = |at: usize| adapters[at].descriptor().lanes.iter().map(|lane| lane.concurrency.unwrap_or(0)).sum::<u32>();
    assert!(lanes(0) <= 35 && lanes(1) > 35, "{} {}", lanes(0), lanes(1));
    Provisioner::builder(MemoryStore::new(), MemoryDirectory::default()).adapters(adapters).build().unwrap();
}

#[test]
fn json_is_read_as_well() {
    let text = r#"{"systems": {"okta": {"url": "https://company.okta.com", "credentials": {"token": {"env": "OKTA_TOKEN"}}}}}"#;
    assert_eq!(Systems::parse("s.json", text).unwrap().names().count(), 1);
}

#[tokio::test]
async fn the_credential_is_read_where_the_file_says() {
    let fake = OktaFake::new().with_user("sarah@company.com").start();
    let folder = tempfile::tempdir().unwrap();
    let (token, file) = (folder.path().join("token"), folder.path().join("systems.yaml"));
    std::fs::write(&token, OktaFake::TOKEN).unwrap();
    let text = format!("systems:\n  okta:\n    url: https://company.okta.com\n    credentials: {{ token: {{ file: {} }} }}\n", token.display());
    std::fs::write(&file, text).unwrap();
    let systems = Systems::load(&file).unwrap();
    assert!(!format!("{systems:?}").contains(OktaFake::TOKEN));
    let okta = systems.connect(&fake.transport()).unwrap().remove(0);
    let found = okta.find_account(&CallContext::unlimited(), &AccountQuery::by("login", "sarah@company.com")).await.unwrap();
    assert!(matches!(found, Found::One(_)), "{found:?}");
}

#[tokio::test]
async fn a_service_app_enters_with_its_key() {
    let fake = OktaFake::new().with_user("sarah@company.com").start();
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("okta.pem");
    let der = BASE64_STANDARD.encode(AsDer::<Pkcs8V1Der<'_>>::as_der(&KeyPair::generate(KeySize::Rsa2048).unwrap()).unwrap().as_ref());
    std::fs::write(&key, format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n")).unwrap();
    let text = format!(
        "
systems:
  okta:
    url: https://company.okta.com
    credentials:
      service_app:
        client_id: {}
        key: {{ file: {} }}
        key_id: k-2026
        scopes: [okta.users.read]
",
        OktaFake::CLIENT_ID,
        key.display()
    );
    let okta = Systems::parse("s.yaml", &text).unwrap().connect(&fake.transport()).unwrap().remove(0);
    let found = okta.find_account(&CallContext::unlimited(), &AccountQuery::by("login", "sarah@company.com")).await.unwrap();
    assert!(matches!(found, Found::One(_)), "{found:?}");
    let asked = fake.requests("POST", "/oauth2/v1/token");
    assert_eq!((asked.len(), asked[0].body["scope"].as_str()), (1, Some("okta.users.read")));
}

#[test]
fn all_mistakes_are_told_at_once_with_their_place() {
    let text = "
system: {}
systems:
  okta:
    ulr: https://company.okta.com
    url: https://company.okta.com
    credentials: { tokn: { env: A } }
  okta-eu:
    url: https://company.okta.com
  okta-us:
    type: otka
  okta-asia:
    type: okta
    url: http://company.okta.com
  okta-asia: {}
  7: {}
  okta-mars: s3cret
";
    assert_eq!(
        told(text),
        [
            "s.yaml:2:1: a systems file has no key `system`; did you mean `systems`?",
            "s.yaml:5:5: okta has no key `ulr`; did you mean `url`?",
            "s.yaml:7:20: okta.credentials has no `tokn`; did you mean `token`?",
            "s.yaml:8:3: okta-eu needs a `type`; did you mean `okta`?",
            "s.yaml:11:11: okta-us: there is no type `otka`; did you mean `okta`?",
            "s.yaml:14:10: okta-asia.url: the credential would go over the network in clear; use `https://`, `http://` is for this machine alone",
            "s.yaml:15:3: systems: `okta-asia` stands there twice",
            "s.yaml:16:3: systems: a key must be a text, and this is a number; put it in quotes",
            "s.yaml:17:14: okta-mars should be a mapping with `url` and what else its type has, and this is a text",
        ]
    );
}

#[test]
fn a_secret_in_the_file_is_refused_and_not_repeated() {
    for (credentials, said) in [
        ("{ token: s3cret }", "a secret does not belong into this file"),
        ("{ token: { env: A, s3cret: B } }", "by one of them and nothing else"),
        ("{ token: { s3cret } }", "by one of them and nothing else"),
        ("{ token: 1234 }", "a secret does not belong into this file"),
        ("s3cret", "should be `token` or `service_app`"),
        ("[ s3cret ]", "should be `token` or `service_app`, and this is a list"),
        ("{ token: *s3cret }", "this cannot be read as YAML or JSON"),
        ("{ token: \"s3cret }", "this cannot be read as YAML or JSON"),
        ("{ token: { env: [s3cret] } }", "this is a list"),
        ("{ service_app: { client_id: 0oa1, key: s3cret, scopes: [a] } }", "a secret does not belong into this file"),
    ] {
        let text = format!("systems:\n  okta: {{ url: https://company.okta.com, credentials: {credentials} }}\n");
        let problems = told(&text);
        assert!(problems.len() == 1 && problems[0].contains(said), "{credentials}: {problems:?}");
    }
}

#[test]
fn what_is_missing_or_of_another_sort_is_told() {
    for (fields, said) in [
        ("{}", "s.yaml:1:18: okta: `url` is missing; add `url:`"),
        ("{ url: https://company.okta.com }", "`credentials` is missing"),
        ("{ url: 7, credentials: { token: { env: A } } }", "okta.url: this is a number, and should be a string"),
        ("{ url: https://a.example, credentials: { token: { env: A } }, sign_in: s3cret }", "okta.sign_in should be `okta` or `identity_provider`"),
        ("{ url: https://a.example, credentials: { token: { env: A } }, concurrency: 0 }", "okta.concurrency: this should be a nonzero u32"),
        ("{ type: okta, type: okta, url: https://a.example, credentials: { token: { env: A } } }", "okta: `type` stands there twice"),
        ("{ type: [okta] }", "a type is a text, and this is a list"),
    ] {
        let problems = told(&format!("systems: {{ okta: {fields} }}"));
        assert!(problems.iter().any(|problem| problem.contains(said)), "{fields}: {problems:?}");
    }
    assert!(told("")[0].contains("a systems file is a mapping"));
    assert!(told("{}")[0].contains("`systems` is missing"));
    assert!(told("systems: [okta]")[0].contains("should be a mapping from names to systems"));
    assert!(Systems::load("/nowhere/systems.yaml").unwrap_err().to_string().contains("/nowhere/systems.yaml: the file cannot be read"));
}

#[test]
fn what_cannot_be_connected_is_told_with_its_place() {
    let text = "
systems:
  okta:
    url: https://company-admin.okta.com
    credentials: { token: { env: A } }
  okta-eu:
    type: okta
    url: https://company.okta.com
    credentials: { service_app: { client_id: 0oa1, key: { file: /nowhere/key.pem }, scopes: [okta.users.manage] } }
";
    let error = Systems::parse("s.yaml", text).unwrap().connect(&nowhere()).unwrap_err();
    let problems: Vec<_> = error.problems().iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 2);
    assert!(problems[0].starts_with("s.yaml:3:3: okta: ") && problems[0].contains("without `-admin`"), "{problems:?}");
    assert!(problems[1].starts_with("s.yaml:6:3: okta-eu: ") && problems[1].contains("/nowhere/key.pem"), "{problems:?}");
}

/// What another team would write for an adapter of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Door {
    url: BaseUrl,
}

impl SystemSettings for Door {
    type Adapter = Okta;

    fn connect(&self, system: SystemName, http: &Arc<dyn Transport>) -> Result<Okta> {
        OktaConfig::new(self.url.as_str()).api_token(Secret::new(SECRET)).connect(system, http)
    }
}

#[test]
fn a_host_adds_types_of_its_own() {
    let types = SystemTypes::default().with::<Door>("door");
    let systems = types.parse("s.yaml", "systems: { door: { url: https://door.example } }").unwrap();
    assert_eq!(systems.connect(&nowhere()).unwrap()[0].descriptor().system.as_str(), "door");
    let error = types.parse("s.yaml", "systems: { door: { uri: https://door.example } }").unwrap_err();
    assert!(error.to_string().contains("door has no key `uri`; did you mean `url`?"), "{error}");
}
