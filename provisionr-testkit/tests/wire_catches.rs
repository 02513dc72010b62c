//! The cases that need a wire notice an adapter that reads answers too strictly, or not strictly enough.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use async_trait::async_trait;
use provisionr_http::{HttpClient, path};
use provisionr_sdk::*;
use provisionr_testkit::conformance::{self, Harness, Person, Verdict};
use provisionr_testkit::{Fake, FakeContext, FakeRequest, FakeResponse, FakeSystem, Router};
use serde_json::{Value, json};

#[derive(Clone, Debug, Default)]
struct People(Vec<String>);

impl Fake for People {
    fn system_type(&self) -> &'static str {
        "people"
    }

    fn handle(&mut self, request: &FakeRequest, cx: &mut FakeContext) -> FakeResponse {
        let routes = Router::<Self>::new().get("/people/{id}", |people, call, _| {
            let there = people.0.iter().any(|id| id == call.param("id"));
            Ok(if there { FakeResponse::json(200, &json!({ "id": call.param("id"), "state": "active" })) } else { FakeResponse::empty(404) })
        });
        routes.dispatch(self, request, cx)
    }

    fn state(&self) -> Value {
        json!(self.0)
    }

    fn snapshot(&self) -> Box<dyn Fake> {
        Box::new(self.clone())
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Reading {
    AsItShould,
    NoFieldTooMany,
    AnythingGoes,
}

#[derive(Debug)]
struct Directory {
    descriptor: Descriptor,
    http: HttpClient,
    reading: Reading,
}

#[async_trait]
impl Adapter for Directory {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    async fn find_account(&self, cx: &CallContext, who: &AccountQuery) -> Result<Found> {
        let Some(id) = &who.known else { return Ok(Found::None) };
        let Some(answer) = self.http.get(path!["people", id]).send_if_found(cx).await? else { return Ok(Found::None) };
        let body = answer.value();
        match self.reading {
            Reading::AnythingGoes if !body.is_object() => return Ok(Found::None),
            Reading::NoFieldTooMany if body.as_object().is_some_and(|fields| fields.len() > 2) => return Err(answer.unreadable("a field too many")),
            _ => {}
        }
        let account: Account = answer.json()?;
        Ok(Found::One(account))
    }

    async fn observe(&self, cx: &CallContext, account: &Account, _scope: &Scope) -> Result<Observation> {
        let found = self.find_account(cx, &AccountQuery::known(account.id.clone())).await?;
        let account = found.one().ok_or_else(|| AdapterError::account_not_found("nobody"))?;
        Ok(Observation::new(account, Vec::new(), Coverage::none()))
    }

    async fn apply(&self, _cx: &CallContext, request: &Request) -> Result<Outcome> {
        Err(AdapterError::unsupported(&request.change))
    }
}

struct DirectoryHarness(FakeSystem<People>, Reading);

#[async_trait]
impl Harness for DirectoryHarness {
    fn adapter(&self) -> Box<dyn Adapter> {
        let http = HttpClient::new("https://people.test", &self.0.transport()).unwrap();
        Box::new(Directory { descriptor: Descriptor::new("people", "people"), http, reading: self.1 })
    }

    fn fake(&self) -> Option<FakeSystem> {
        Some(self.0.erased())
    }

    async fn seed_account(&self, person: &Person, state: AccountState) -> Option<AccountId> {
        let id = format!("p-{}", person.number);
        self.0.change(|people, _| people.0.push(id.clone()));
        (state == AccountState::Active).then(|| id.into())
    }

    async fn seed_target(&self, _kind: &KindName, _name: &str) -> Option<TargetId> {
        None
    }

    async fn seed_grant(&self, _grant: &Grant) -> bool {
        false
    }

    async fn accounts(&self) -> Vec<Account> {
        self.0.with(|people| people.0.iter().map(|id| Account::new(id.as_str(), AccountState::Active)).collect())
    }

    async fn grants(&self, _account: &AccountId) -> Vec<Grant> {
        Vec::new()
    }

    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }
}

#[tokio::test(start_paused = true)]
async fn answers_are_read_neither_too_strictly_nor_too_loosely() {
    let verdict = async |case, reading| conformance::run_case(case, async { DirectoryHarness(FakeSystem::new(People::default()), reading) }, &[]).await;
    for (case, wrong) in [("unknown_fields_are_tolerated", Reading::NoFieldTooMany), ("a_page_of_html_is_a_protocol_error", Reading::AnythingGoes)] {
        assert_eq!(verdict(case, Reading::AsItShould).await, Verdict::Passed, "{case}");
        assert!(matches!(verdict(case, wrong).await, Verdict::Failed(_)), "{case}");
    }
}

#[cfg(feature = "descriptions")]
mod described {
    use provisionr_testkit::description::Description;

    use super::*;

    /// The directory, whose vendor describes answers with these fields.
    struct Described(DirectoryHarness, &'static [&'static str]);

    #[async_trait]
    impl Harness for Described {
        fn adapter(&self) -> Box<dyn Adapter> {
            self.0.adapter()
        }

        fn fake(&self) -> Option<FakeSystem> {
            self.0.fake()
        }

        fn description(&self) -> Option<&'static Description> {
            let fields: serde_json::Map<_, _> = self.1.iter().map(|name| ((*name).to_owned(), json!({ "type": "string" }))).collect();
            let content = json!({ "application/json": { "schema": { "type": "object", "properties": fields } } });
            let get = json!({ "responses": { "200": { "content": content }, "404": {} } });
            Some(Box::leak(Box::new(Description::openapi(json!({ "paths": { "/people/{id}": { "get": get } } })))))
        }

        async fn seed_account(&self, person: &Person, state: AccountState) -> Option<AccountId> {
            self.0.seed_account(person, state).await
        }

        async fn seed_target(&self, kind: &KindName, name: &str) -> Option<TargetId> {
            self.0.seed_target(kind, name).await
        }

        async fn seed_grant(&self, grant: &Grant) -> bool {
            self.0.seed_grant(grant).await
        }

        async fn accounts(&self) -> Vec<Account> {
            self.0.accounts().await
        }

        async fn grants(&self, account: &AccountId) -> Vec<Grant> {
            self.0.grants(account).await
        }

        fn secrets(&self) -> Vec<String> {
            self.0.secrets()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_described_fails_a_case() {
        let verdict = async |case, fields| {
            let harness = async { Described(DirectoryHarness(FakeSystem::new(People::default()), Reading::AsItShould), fields) };
            conformance::run_case(case, harness, &[]).await
        };
        let case = "find_takes_the_known_id_first";
        assert_eq!(verdict(case, &["id", "state"]).await, Verdict::Passed);
        let Verdict::Failed(why) = verdict(case, &["id"]).await else { panic!("a field too many was passed over") };
        assert!(why.contains("GET /people/{id}: answer: 200: Unevaluated properties are not allowed ('state' was unexpected)"), "{why}");
        // Answers that a fault made up, or spoilt, are the fault's.
        for case in ["unknown_fields_are_tolerated", "a_page_of_html_is_a_protocol_error", "a_server_error_leaves_the_effect_of_a_write_open"] {
            assert!(!matches!(verdict(case, &["id", "state"]).await, Verdict::Failed(_)), "{case}");
        }
    }
}
