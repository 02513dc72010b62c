//! The contract, case by case, against the fake of Jira Cloud.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use async_trait::async_trait;
use provisionr_jira::JiraConfig;
use provisionr_sdk::{
    Account, AccountId, AccountKind, AccountState, Adapter, Entitlement, Grant, GrantState, Kind, KindName, RoleName, Secret, Source, TargetId,
};
use provisionr_testkit::conformance::{Harness, Person};
use provisionr_testkit::jira::{AccountType, Actor, JiraFake, JiraUser};
use provisionr_testkit::{Act, FakeSystem};
use serde_json::{Value, json};

struct Site {
    fake: FakeSystem<JiraFake>,
    managed: bool,
}

impl Site {
    fn new() -> Self {
        let site = Self { fake: JiraFake::new().start(), managed: false };
        // The administrator is in it, and no case expects that; they administer the organization instead.
        assert!(site.act("set_org_admin", json!({ "user": JiraFake::ADMIN, "org_admin": true })));
        assert!(site.act("delete_group", json!({ "group": "site-admins" })));
        site
    }

    fn act(&self, act: &str, args: Value) -> bool {
        self.fake.act(Act::new(act, args)).is_ok()
    }
}

fn id_of(person: &Person) -> String {
    format!("712020:00000000-0000-4000-8000-{:012}", person.number)
}

fn account(user: &JiraUser) -> Account {
    let state = if user.active { AccountState::Active } else { AccountState::Deactivated };
    let account = Account::new(user.account_id.as_str(), state).with_kind(AccountKind::Human).with("displayName", user.display_name.as_str());
    match &user.email {
        Some(email) => account.with_email(email).with("emailAddress", email.as_str()),
        None => account,
    }
}

#[async_trait]
impl Harness for Site {
    fn adapter(&self) -> Box<dyn Adapter> {
        let config = JiraConfig::new("https://company.atlassian.test").api_token(JiraFake::ADMIN, Secret::new(JiraFake::TOKEN));
        // No product: with one, everybody who is invited would be in its group.
        let config = if self.managed { config.managed_accounts() } else { config };
        Box::new(config.products([""; 0]).connect("jira", &self.fake.transport()).unwrap())
    }

    async fn seed_account(&self, person: &Person, state: AccountState) -> Option<AccountId> {
        let active = match state {
            AccountState::Active => true,
            AccountState::Deactivated => false,
            _ => return None,
        };
        if self.fake.user(&person.email).is_some() {
            return None;
        }
        let named = format!("{} {}", person.first_name, person.last_name);
        self.fake.seed(&json!({ "users": [{ "id": id_of(person), "email": person.email, "name": named, "active": active }] })).unwrap();
        Some(id_of(person).into())
    }

    async fn seed_target(&self, kind: &KindName, name: &str) -> Option<TargetId> {
        let id = || if *kind == "add_to_group" { self.fake.group_id(name) } else { self.fake.project_id(name) };
        if id().is_none() {
            let seed = if *kind == "add_to_group" { json!({ "groups": [{ "name": name }] }) } else { json!({ "projects": [{ "key": name }] }) };
            self.fake.seed(&seed).unwrap();
        }
        id().map(TargetId::from)
    }

    async fn seed_grant(&self, grant: &Grant) -> bool {
        let (user, target) = (grant.account.as_str(), grant.entitlement.target.as_str());
        if grant.state != GrantState::Held {
            return false;
        }
        let role = grant.entitlement.role.as_ref().map(RoleName::as_str);
        match (&grant.source, grant.entitlement.kind.as_str()) {
            (Source::Direct, "add_to_group") => self.act("add_to_group", json!({ "user": user, "group": target })),
            (Source::Direct, _) => self.act("add_actor", json!({ "user": user, "project": target, "role": role })),
            (Source::Inherited(_), "add_to_project_role") => {
                let group = format!("in-{target}-{}", role.unwrap());
                self.fake.seed(&json!({ "groups": [{ "name": group }] })).unwrap();
                self.act("add_actor", json!({ "group": group, "project": target, "role": role }))
                    && self.act("add_to_group", json!({ "user": user, "group": group }))
            }
            _ => false,
        }
    }

    async fn accounts(&self) -> Vec<Account> {
        self.fake.with(|jira| jira.users().filter(|user| user.on_site && user.account_type == AccountType::Atlassian).map(account).collect())
    }

    async fn grants(&self, user: &AccountId) -> Vec<Grant> {
        let mut grants = Vec::new();
        self.fake.with(|jira| {
            let mine: Vec<String> = jira.groups().filter(|group| group.members.contains(user.as_str())).map(|group| group.id.clone()).collect();
            grants.extend(mine.iter().map(|group| Grant::direct(user.clone(), Entitlement::new("add_to_group", group.as_str()))));
            for project in jira.projects() {
                for (role, actors) in &project.actors {
                    let held = Entitlement::new("add_to_project_role", project.id.as_str()).with_role(role.to_string());
                    let grant = Grant::direct(user.clone(), held);
                    grants.extend(actors.iter().filter_map(|actor| match actor {
                        Actor::User(id) => (*id == *user.as_str()).then(|| grant.clone()),
                        Actor::Group(id) => mine.contains(id).then(|| grant.clone().from_source(Source::Inherited(id.as_str().into()))),
                    }));
                }
            }
        });
        grants
    }

    fn secrets(&self) -> Vec<String> {
        vec![JiraFake::TOKEN.to_owned()]
    }

    fn key(&self, person: &Person, name: &str) -> Option<String> {
        match name {
            "account_id" => Some(id_of(person)),
            // A search by address shows active users only.
            "email" if !self.managed && self.fake.user(&person.email).is_some_and(|user| !user.active) => None,
            _ => person.key(name),
        }
    }

    fn roles(&self, kind: &Kind) -> Vec<RoleName> {
        if kind.name != *"add_to_project_role" {
            return Vec::new();
        }
        self.fake.with(|jira| jira.roles().filter(|role| role.project.is_none()).map(|role| role.id.to_string().into()).collect())
    }

    fn mails(&self) -> Option<usize> {
        Some(self.fake.events().iter().filter(|event| event.kind == "user.mail").count())
    }

    fn fake(&self) -> Option<FakeSystem> {
        Some(self.fake.erased())
    }

    async fn hide_target(&self, kind: &KindName, target: &TargetId) -> bool {
        // Nothing is hidden from who may administer Jira.
        *kind == "add_to_project_role"
            && self.act("set_private", json!({ "project": target.as_str(), "private": true }))
            && self.act("set_permissions", json!({ "token": JiraFake::TOKEN, "permissions": ["USER_PICKER", "ADMINISTER_PROJECTS"] }))
    }

    async fn blind_searches(&self) -> bool {
        self.act("set_permissions", json!({ "token": JiraFake::TOKEN, "permissions": ["ADMINISTER"] }))
    }
}

macro_rules! cases {
    ($site:expr) => {
        provisionr_testkit::conformance_tests! {
            $site,
            skips = [
        ("find_sees_invited_accounts observe_shows_open_invitations_as_such withdraw_*", "who is invited is an active user at once; the API does not say more"),
        ("find_sees_suspended_accounts suspension_keeps_what_is_held", "Jira Cloud suspends nobody; organizations deactivate accounts they manage"),
        ("find_tells_several_apart_from_one", "an address belongs to one Atlassian account"),
        ("ensure_passes_over_a_login_another_person_has", "accounts have an address and no login"),
        ("update_* an_account_owned_elsewhere_names_its_owner", "profiles are their owners', and are not changed here"),
        ("end_sessions_ends_all_and_can_be_repeated", "sessions are Atlassian's, and cannot be ended here"),
        ("a_batch_answers_each_of_its_requests", "one who is in a role already fails the whole call, so each has its own"),
        ("grant_of_another_role_changes_the_role", "another role is another grant"),
        ("grant_of_another_value_changes_the_value", "kinds have no values"),
        ("grant_of_the_one_allowed_replaces_the_other", "a person is in any number of groups and roles"),
        ("grant_on_a_target_owned_elsewhere_names_the_owner resolve_names_the_owner_of_a_target", "Jira does not name the directory; see hard_cases"),
        ("resolve_tells_several_apart_from_one", "names of groups and keys of projects are unique"),
        ("list_tells_a_stale_cursor", "cursors count items, and do not age"),
                ]
        }
    };
}

mod people_may_hide_their_addresses {
    use super::*;

    cases!(Site::new());
}

mod the_organization_manages_its_accounts {
    use super::*;

    cases!(Site { managed: true, ..Site::new() });
}
