//! The contract, case by case, against services that differ.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use async_trait::async_trait;
use provisionr_scim::{Key, MemberRemoval, Memberships, Part, Quirks, ScimConfig, SwitchOff};
use provisionr_sdk::{Account, AccountId, AccountState, Adapter, Entitlement, Grant, GrantState, KindName, Secret, Source, TargetId};
use provisionr_testkit::conformance::{Harness, Person};
use provisionr_testkit::description::Description;
use provisionr_testkit::scim::{ActiveForm, Deletes, Discovery, Filters, Patches, ScimFake, ScimResource, ScimSettings, StatusForm};
use provisionr_testkit::{Act, FakeSystem};
use serde_json::{Value, json};

struct Service {
    fake: FakeSystem<ScimFake>,
    quirks: Quirks,
    /// Whether it writes flags and numbers otherwise than the RFCs.
    own_way: bool,
}

impl Service {
    fn new(settings: impl FnOnce(&mut ScimSettings), quirks: impl FnOnce(&mut Quirks)) -> Self {
        let mut set = Quirks::default();
        quirks(&mut set);
        let mut own_way = false;
        let fake = ScimFake::new().with_settings(|of| {
            settings(of);
            own_way = of.active == ActiveForm::Text;
        });
        Self { fake: fake.start(), quirks: set, own_way }
    }

    fn act(&self, act: &str, args: Value) -> bool {
        self.fake.act(Act::new(act, args)).is_ok()
    }
}

fn number(person: &Person) -> String {
    format!("E{:05}", person.number)
}

fn account(user: &ScimResource) -> Account {
    let state = if user.is_active() { AccountState::Active } else { AccountState::Suspended };
    let mut account = Account::new(user.id.as_str(), state).with_login(user.text("userName"));
    account.email = user.email().map(str::to_owned);
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let text = |value: Option<&Value>| value.and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let in_part = |part: &str, name: &str| text(user.attributes.get(part).and_then(|part| part.get(name)));
    let mut shown = vec![("email", account.email.clone()), ("givenName", in_part("name", "givenName")), ("familyName", in_part("name", "familyName"))];
    for name in ["displayName", "title", "nickName", "userType", "preferredLanguage", "locale", "timezone", "externalId"] {
        shown.push((name, text(user.attributes.get(name))));
    }
    for name in ["employeeNumber", "department", "division", "organization", "costCenter"] {
        shown.push((name, in_part(enterprise, name)));
    }
    account.profile = shown.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))).collect();
    account
}

#[async_trait]
impl Harness for Service {
    fn adapter(&self) -> Box<dyn Adapter> {
        let config = ScimConfig::new("https://wiki.test/scim/v2").bearer(Secret::new(ScimFake::TOKEN)).quirks(|quirks| quirks.clone_from(&self.quirks));
        Box::new(config.connect("wiki", &self.fake.transport()).unwrap())
    }

    async fn seed_account(&self, person: &Person, state: AccountState) -> Option<AccountId> {
        let active = match state {
            AccountState::Active => true,
            AccountState::Suspended => false,
            _ => return None,
        };
        let taken = self.fake.user(&person.login).is_some();
        let login = if taken { format!("other-{}", person.login) } else { person.login.clone() };
        let name = json!({ "givenName": person.first_name, "familyName": person.last_name });
        self.fake
            .seed(&json!({ "users": [{ "userName": login, "email": person.email, "active": active, "name": name, "externalId": number(person) }] }))
            .ok()?;
        self.fake.user_id(&login).map(AccountId::from)
    }

    async fn seed_target(&self, _kind: &KindName, name: &str) -> Option<TargetId> {
        let made = self.fake.act(Act::new("create_group", json!({ "name": name }))).unwrap();
        Some(made["group"].as_str().unwrap().into())
    }

    async fn seed_grant(&self, grant: &Grant) -> bool {
        let (user, group) = (grant.account.as_str(), grant.entitlement.target.as_str());
        match &grant.source {
            _ if grant.state != GrantState::Held => false,
            Source::Direct => self.act("add_to_group", json!({ "user": user, "group": group })),
            Source::Inherited(through) => {
                self.act("add_to_group", json!({ "member_group": through.as_str(), "group": group }))
                    && self.act("add_to_group", json!({ "user": user, "group": through.as_str() }))
            }
            _ => false,
        }
    }

    async fn accounts(&self) -> Vec<Account> {
        self.fake.with(|scim| scim.users().map(account).collect())
    }

    async fn grants(&self, user: &AccountId) -> Vec<Grant> {
        self.fake.with(|scim| {
            let holds = |group: &ScimResource| group.members().any(|member| member == user.as_str());
            let mut grants = Vec::new();
            for group in scim.groups() {
                let grant = Grant::direct(user.clone(), Entitlement::new("add_to_group", group.id.as_str()));
                let through = scim.groups().filter(|inner| group.members().any(|member| member == inner.id) && holds(inner));
                grants.extend(holds(group).then(|| grant.clone()));
                grants.extend(through.map(|inner| grant.clone().from_source(Source::Inherited(inner.id.as_str().into()))));
            }
            grants
        })
    }

    fn secrets(&self) -> Vec<String> {
        vec![ScimFake::TOKEN.to_owned()]
    }

    fn key(&self, person: &Person, name: &str) -> Option<String> {
        if name == "external_id" { Some(number(person)) } else { person.key(name) }
    }

    fn spec(&self, person: &Person, _: &provisionr_sdk::Descriptor) -> provisionr_sdk::AccountSpec {
        let spec = provisionr_sdk::AccountSpec::new(person.login.clone()).with("email", person.email.as_str()).with("externalId", number(person));
        spec.with("givenName", person.first_name.as_str()).with("familyName", person.last_name.as_str()).with("department", "Sales")
    }

    fn fake(&self) -> Option<FakeSystem> {
        Some(self.fake.erased())
    }

    /// A service that writes numbers and flags its own way is not as the RFCs describe it.
    fn description(&self) -> Option<&'static Description> {
        if self.own_way { None } else { Description::of("scim") }
    }
}

macro_rules! cases {
    ($name:ident, $service:expr $(, $skip:expr)*) => {
        mod $name {
            use super::*;

            provisionr_testkit::conformance_tests! {
                $service,
                skips = [
                    (
                        "find_sees_deactivated_accounts find_sees_invited_accounts observe_shows_open_invitations_as_such withdraw_*",
                        "a user is active or not"
                    ),
                    ("find_that_cannot_see_everything_cannot_tell", "a list shows all users, or is an error"),
                    ("end_sessions_ends_all_and_can_be_repeated", "SCIM has no sessions"),
                    ("an_account_owned_elsewhere_names_its_owner", "SCIM does not say whose a user is"),
                    ("grant_on_a_target_owned_elsewhere_names_the_owner resolve_names_the_owner_of_a_target", "nor whose a group is"),
                    ("grant_of_another_role_changes_the_role grant_above_what_is_inherited_is_made revoke_of_another_role_*", "members have no roles"),
                    ("grant_of_another_value_changes_the_value", "the kind has no values"),
                    ("grant_of_the_one_allowed_replaces_the_other", "a user is in any number of groups"),
                    ("revoke_on_a_hidden_target_is_unclear resolve_never_takes_hidden_for_found observe_never_takes_unseen_*", "a service hides no group"),
                    ("list_tells_a_stale_cursor", "cursors count items, and do not age"),
                    ("a_batch_answers_each_of_its_requests", "bulk requests are not sent"),
                    $($skip,)*
                ]
            }
        }
    };
}

cases!(as_the_rfc_has_it, Service::new(|_| {}, |_| {}));

cases!(
    answers_say_little,
    Service::new(
        |settings| {
            settings.patched = 204;
            settings.status = StatusForm::Number;
            settings.active = ActiveForm::Text;
            settings.empty_members = true;
            settings.discovery = Discovery::Missing;
        },
        |_| {}
    )
);

cases!(
    without_patch_or_versions,
    Service::new(
        |settings| {
            settings.patch = Patches::Missing;
            settings.versions = false;
        },
        |quirks| quirks.without = [Part::Patch].into()
    )
);

// Pages are large where everybody is read to find one: a case that makes one more person each time would else never come to its end.
cases!(
    filters_are_passed_over_and_members_are_not_listed,
    Service::new(
        |settings| {
            settings.filter = Filters::Ignored;
            settings.page_size = 100;
            settings.listed_members = false;
        },
        |quirks| quirks.without = [Part::Filter].into()
    )
);

cases!(
    deletes_deactivate_and_there_are_no_filters,
    Service::new(
        |settings| {
            settings.deletes = Deletes::Deactivates;
            settings.filter = Filters::Missing;
            settings.page_size = 100;
        },
        |quirks| {
            quirks.switch_off = SwitchOff::Delete;
            quirks.without = [Part::Filter].into();
        }
    ),
    ("a_gateways_404_is_no_deletion", "a DELETE switches off, and nothing deletes")
);

cases!(
    plain_paths_and_users_that_show_their_groups,
    Service::new(
        |settings| settings.patch = Patches::Plain,
        |quirks| {
            quirks.member_removal = MemberRemoval::ByValue;
            quirks.memberships = Memberships::Users;
        }
    )
);

cases!(
    found_by_the_user_name_alone,
    Service::new(|settings| settings.filter = Filters::NamesAlone, |quirks| quirks.found_by = [Key::UserName].into()),
    ("find_tells_several_apart_from_one ensure_passes_over_a_login_another_person_has", "user names are unique, and there is no other key")
);
