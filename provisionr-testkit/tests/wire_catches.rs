//! The cases that need a wire notice an adapter that reads answers too strictly, or not strictly enough.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeMap;

use async_trait::async_trait;
use provisionr_http::{Answer, HttpClient, by_status, path};
use provisionr_sdk::*;
use provisionr_testkit::conformance::{self, Harness, Person, Verdict};
use provisionr_testkit::{Fake, FakeContext, FakeRequest, FakeResponse, FakeSystem, JoinGroup, Router};
use serde_json::{Value, json};

/// People, each with the groups they are in.
#[derive(Clone, Debug, Default)]
struct People(BTreeMap<String, Vec<String>>);

fn nobody() -> FakeResponse {
    FakeResponse::json(404, &json!({ "message": "nobody" }))
}

impl Fake for People {
    fn system_type(&self) -> &'static str {
        "people"
    }

    fn handle(&mut self, request: &FakeRequest, cx: &mut FakeContext) -> FakeResponse {
        let routes = Router::<Self>::new()
            .get("/people/{id}", |people, call, _| {
                let groups = people.0.get(call.param("id")).ok_or_else(nobody)?;
                Ok(FakeResponse::json(200, &json!({ "id": call.param("id"), "state": "active", "profile": { "groups": groups } })))
            })
            .put("/people/{id}/groups/{group}", |people, call, _| {
                people.0.get_mut(call.param("id")).ok_or_else(nobody)?.push(call.param("group").to_owned());
                Ok(FakeResponse::empty(204))
            })
            .delete("/people/{id}", |people, call, _| people.0.remove(call.param("id")).map(|_| FakeResponse::empty(204)).ok_or_else(nobody))
            .delete("/people/{id}/groups/{group}", |people, call, _| {
                let groups = people.0.get_mut(call.param("id")).ok_or_else(nobody)?;
                groups.retain(|group| group != call.param("group"));
                Ok(FakeResponse::empty(204))
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
    AnyonesNotFound,
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
            Reading::NoFieldTooMany if body.as_object().is_some_and(|fields| fields.len() > 3) => return Err(answer.unreadable("a field too many")),
            _ => {}
        }
        let account: Account = answer.json()?;
        Ok(Found::One(account))
    }

    async fn observe(&self, cx: &CallContext, account: &Account, _scope: &Scope) -> Result<Observation> {
        let found = self.find_account(cx, &AccountQuery::known(account.id.clone())).await?;
        let account = found.one().ok_or_else(|| AdapterError::account_not_found("nobody"))?;
        let groups = account.profile.get("groups").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let grants = groups.map(|group| Grant::direct(account.id.clone(), Entitlement::new("join_group", group))).collect();
        Ok(Observation::new(account, grants, Coverage::none().kind("join_group")))
    }

    async fn apply(&self, cx: &CallContext, request: &Request) -> Result<Outcome> {
        let person = path!["people", request.account()?.id];
        let call = match &request.change {
            Change::Grant(wanted) => self.http.put(person.segment("groups").segment(&wanted.target)),
            Change::Revoke(unwanted) => self.http.delete(person.segment("groups").segment(&unwanted.target)),
            Change::SetState(AccountState::Deleted) => self.http.delete(person),
            other => return Err(AdapterError::unsupported(other)),
        };
        Ok(match call.send_if_found(cx).await? {
            Some(_) => Outcome::Applied(Receipt::new()),
            None => Outcome::Unchanged(Receipt::new()),
        })
    }
}

/// Takes every 404 for the vendor's word.
fn anyones_not_found(answer: &Answer) -> Option<AdapterError> {
    if answer.status() == 404 { Some(AdapterError::not_found_unclear("not found")) } else { by_status(answer) }
}

struct DirectoryHarness(FakeSystem<People>, Reading);

#[async_trait]
impl Harness for DirectoryHarness {
    fn adapter(&self) -> Box<dyn Adapter> {
        let http = HttpClient::new("https://people.test", &self.0.transport()).unwrap();
        let http = if self.1 == Reading::AnyonesNotFound { http.classifier(anyones_not_found) } else { http };
        let accounts = AccountFacts::new().transition(Transition::new([AccountState::Active], AccountState::Deleted).destroys("all").irreversible());
        let groups = Kind::per_target::<JoinGroup>("join_group").doc("Member of a group");
        Box::new(Directory { descriptor: Descriptor::new("people", "people").accounts(accounts).kind(groups), http, reading: self.1 })
    }

    fn fake(&self) -> Option<FakeSystem> {
        Some(self.0.erased())
    }

    async fn seed_account(&self, person: &Person, state: AccountState) -> Option<AccountId> {
        let id = format!("p-{}", person.number);
        self.0.change(|people, _| people.0.insert(id.clone(), Vec::new()));
        (state == AccountState::Active).then(|| id.into())
    }

    async fn seed_target(&self, _kind: &KindName, name: &str) -> Option<TargetId> {
        Some(name.into())
    }

    async fn seed_grant(&self, grant: &Grant) -> bool {
        let target = grant.entitlement.target.to_string();
        self.0.change(|people, _| people.0.get_mut(grant.account.as_str()).map(|groups| groups.push(target)).is_some())
    }

    async fn accounts(&self) -> Vec<Account> {
        self.0.with(|people| people.0.keys().map(|id| Account::new(id.as_str(), AccountState::Active)).collect())
    }

    async fn grants(&self, account: &AccountId) -> Vec<Grant> {
        let groups = self.0.with(|people| people.0.get(account.as_str()).cloned().unwrap_or_default());
        groups.iter().map(|group| Grant::direct(account.clone(), Entitlement::new("join_group", group.as_str()))).collect()
    }

    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }
}

#[tokio::test(start_paused = true)]
async fn answers_are_read_neither_too_strictly_nor_too_loosely() {
    let verdict = async |case, reading| conformance::run_case(case, async { DirectoryHarness(FakeSystem::new(People::default()), reading) }, &[]).await;
    for (case, wrong) in [
        ("unknown_fields_are_tolerated", Reading::NoFieldTooMany),
        ("a_page_of_html_is_a_protocol_error", Reading::AnythingGoes),
        ("a_gateways_404_is_no_absence", Reading::AnyonesNotFound),
        ("a_gateways_404_is_no_revocation", Reading::AnyonesNotFound),
        ("a_gateways_404_is_no_deletion", Reading::AnyonesNotFound),
    ] {
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
            let fields: serde_json::Map<_, _> = self.1.iter().map(|name| ((*name).to_owned(), json!({}))).collect();
            let content = json!({ "application/json": { "schema": { "type": "object", "properties": fields } } });
            let get = json!({ "responses": { "200": { "content": content }, "404": {} } });
            let description = Description::openapi(json!({ "paths": { "/people/{id}": { "get": get } } }));
            Some(Box::leak(Box::new(
                description.undescribed("P* /people*", "looks are described, and no changes").undescribed("GET /people/*/*", "nor groups"),
            )))
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
        assert_eq!(verdict(case, &["id", "state", "profile"]).await, Verdict::Passed);
        let Verdict::Failed(why) = verdict(case, &["id", "profile"]).await else { panic!("a field too many was passed over") };
        assert!(why.contains("GET /people/{id}: answer: 200: Unevaluated properties are not allowed ('state' was unexpected)"), "{why}");
        // Answers that a fault made up, or spoilt, are the fault's.
        for case in ["unknown_fields_are_tolerated", "a_page_of_html_is_a_protocol_error", "a_server_error_leaves_the_effect_of_a_write_open"] {
            let verdict = verdict(case, &["id", "state", "profile"]).await;
            assert!(!matches!(verdict, Verdict::Failed(_)), "{case}: {verdict:?}");
        }
    }
}
