//! The adapter keeps its promises, tried on the fake.

use async_trait::async_trait;
use provisionr_http::{Auth, HttpClient};
use provisionr_sdk::{Account, AccountId, AccountState, Adapter, Grant, GrantState, KindName, Secret, Source, TargetId};
use provisionr_testkit::FakeSystem;
use provisionr_testkit::conformance::{Harness, Person};
use serde_json::{Value, json};

use crate::fake::BadgeFake;
use crate::{Badge, Holder, OpenDoor};

struct BadgeHarness(FakeSystem<BadgeFake>);

fn holder(value: &Value) -> Holder {
    serde_json::from_value(value.clone()).unwrap()
}

#[async_trait]
impl Harness for BadgeHarness {
    fn adapter(&self) -> Box<dyn Adapter> {
        let http = HttpClient::new("https://badge.test", &self.0.transport()).unwrap();
        Box::new(Badge::new("badge", http.auth(Auth::bearer(Secret::new(BadgeFake::TOKEN)))))
    }

    fn fake(&self) -> Option<FakeSystem> {
        Some(self.0.erased())
    }

    async fn seed_account(&self, person: &Person, state: AccountState) -> Option<AccountId> {
        if !matches!(state, AccountState::Active | AccountState::Suspended) {
            return None;
        }
        let (email, name) = (json!(person.email), json!(person.first_name));
        self.0.change(|fake, _| Some(fake.add_holder(&email, &name, &state.to_string()).ok()?["id"].as_str()?.into()))
    }

    async fn seed_target(&self, _kind: &KindName, name: &str) -> Option<TargetId> {
        Some(self.0.change(|fake, _| fake.add_door(name)).into())
    }

    async fn seed_grant(&self, grant: &Grant) -> bool {
        let Grant { account, entitlement, source: Source::Direct, state: GrantState::Held } = grant else { return false };
        let opening = json!(entitlement.to::<OpenDoor>().unwrap());
        self.0.change(|fake, _| fake.openings(account.as_str()).map(|openings| openings.push(opening)).is_ok())
    }

    async fn accounts(&self) -> Vec<Account> {
        self.0.with(|fake| fake.holders.values().map(|value| holder(value).account()).collect())
    }

    async fn grants(&self, account: &AccountId) -> Vec<Grant> {
        self.0.with(|fake| fake.holders.get(account.as_str()).map_or(vec![], |value| holder(value).grants().unwrap()))
    }

    fn secrets(&self) -> Vec<String> {
        vec![BadgeFake::TOKEN.to_owned()]
    }
}

provisionr_testkit::conformance_tests! {
    BadgeHarness(FakeSystem::new(BadgeFake::default())),
    skips = [
        ("a_batch_* list_grants_* list_targets_* list_tells_a_stale_cursor end_sessions_* withdraw_*", "the API has no such call"),
        ("find_sees_deactivated_accounts find_sees_invited_accounts", "a badge is active or suspended"),
        ("find_tells_several_* find_that_cannot_* ensure_passes_over_*", "an address is unique, always found, and the only login"),
        ("grant_above_* grant_that_is_inherited_* observe_shows_all_sources revoke_never_* revoke_shows_*", "nothing is inherited"),
        ("*_elsewhere_* resolve_names_the_owner_of_a_target", "nothing has another owner"),
        ("observe_never_takes_unseen_* resolve_never_takes_hidden_* revoke_on_a_hidden_*", "every door can be seen"),
        ("*_take_the_calls_they_declare", "it declares none: a forecast counts one each"),
        ("grant_of_the_one_allowed_* observe_shows_open_invitations_*", "openings are many, and need no invitation"),
    ]
}
