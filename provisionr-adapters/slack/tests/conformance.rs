//! The contract, case by case, against the fake of Slack: a plain workspace, one of an organisation, and one with SCIM.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use async_trait::async_trait;
use provisionr_sdk::{
    Account, AccountId, AccountSpec, AccountState, Adapter, Cursor, Descriptor, Entitlement, Grant, GrantState, KindName, Secret, Source, TargetId, Wait,
};
use provisionr_slack::SlackConfig;
use provisionr_testkit::conformance::{Harness, Person};
use provisionr_testkit::slack::{Plan, SlackFake, SlackUser};
use provisionr_testkit::{Act, FakeSystem};
use serde_json::{Value, json};

#[derive(Clone, Copy, PartialEq)]
enum Setup {
    Plain,
    Grid,
    Scim,
}

struct Workspace(FakeSystem<SlackFake>, Setup);

impl Workspace {
    fn new(setup: Setup) -> Self {
        let plan = if setup == Setup::Grid { Plan::Enterprise } else { Plan::Paid };
        let workspace = Self(SlackFake::new().with_channel("welcome").with_plan(plan).start(), setup);
        // Roles are counted, and no case expects one before it begins.
        assert!(workspace.act("set_role", json!({ "user": SlackFake::ADMIN, "team": SlackFake::TEAM, "role": "regular" })));
        workspace
    }

    fn act(&self, act: &str, args: Value) -> bool {
        self.0.act(Act::new(act, args)).is_ok()
    }
}

fn account(user: &SlackUser, known: &[&str]) -> Account {
    let state = match user {
        user if user.deleted => AccountState::Deactivated,
        user if user.invited => AccountState::Invited,
        _ => AccountState::Active,
    };
    let real_name = format!("{} {}", user.first_name, user.last_name);
    let profile = [
        ("email", &user.email),
        ("real_name", &real_name),
        ("givenName", &user.first_name),
        ("familyName", &user.last_name),
        ("displayName", &user.display_name),
        ("title", &user.title),
    ];
    let mut account = Account::new(user.id.as_str(), state).with_login(&user.name).with_email(&user.email);
    let shown = profile.into_iter().filter(|(name, value)| known.contains(name) && !value.trim().is_empty());
    account.profile = shown.map(|(name, value)| (name.to_owned(), value.as_str().into())).collect();
    account
}

#[async_trait]
impl Harness for Workspace {
    fn adapter(&self) -> Box<dyn Adapter> {
        let (http, admin) = (self.0.transport(), Secret::new(SlackFake::ADMIN_TOKEN));
        let config = SlackConfig::new().base_url("https://slack.test/api").scim_url("https://api.slack.test/scim/v2").token(Secret::new(SlackFake::BOT_TOKEN));
        let config = match self.1 {
            Setup::Plain => config,
            Setup::Grid => config.workspace(SlackFake::TEAM).enterprise(admin),
            Setup::Scim => config.scim(admin),
        };
        Box::new(config.connect("slack", &http).unwrap())
    }

    async fn seed_account(&self, person: &Person, state: AccountState) -> Option<AccountId> {
        if self.0.user(&person.email).is_some() {
            return None;
        }
        let mut user = json!({ "email": person.email, "name": person.login, "first_name": person.first_name, "last_name": person.last_name });
        match state {
            AccountState::Active => {}
            AccountState::Deactivated => user["deleted"] = true.into(),
            AccountState::Invited if self.1 != Setup::Scim => user["invited"] = true.into(),
            _ => return None,
        }
        self.0.seed(&json!({ "users": [user] })).unwrap();
        self.0.user_id(&person.email).map(AccountId::from)
    }

    async fn seed_target(&self, kind: &KindName, name: &str) -> Option<TargetId> {
        let (part, field, named) = match kind.as_str() {
            "invite_to_channel" => ("channels", "name", json!({ "name": name })),
            "add_to_usergroup" => ("usergroups", "handle", json!({ "handle": name })),
            _ => ("teams", "name", json!({ "name": name })),
        };
        let with = |state: &Value| state[part].as_object().unwrap().values().find(|one| one[field] == name).map(|one| one["id"].as_str().unwrap().to_owned());
        if with(&self.0.state()).is_some() {
            return None;
        }
        self.0.seed(&json!({ part: [named] })).unwrap();
        with(&self.0.state()).map(TargetId::from)
    }

    async fn seed_grant(&self, grant: &Grant) -> bool {
        let (user, target) = (grant.account.as_str(), grant.entitlement.target.as_str());
        if grant.state != GrantState::Held || grant.source != Source::Direct {
            return false;
        }
        match grant.entitlement.kind.as_str() {
            "invite_to_channel" => self.act("join_channel", json!({ "user": user, "channel": target })),
            "add_to_usergroup" => self.act("join_usergroup", json!({ "user": user, "usergroup": target })),
            _ => self.act("set_role", json!({ "user": user, "team": target, "role": grant.entitlement.role.as_ref().unwrap() })),
        }
    }

    async fn accounts(&self) -> Vec<Account> {
        let adapter = self.adapter();
        let known: Vec<_> = adapter.descriptor().accounts.attributes.iter().map(|attribute| attribute.name).collect();
        let mut accounts: Vec<_> = self.0.with(|slack| slack.users().map(|user| account(user, &known)).collect());
        if self.1 == Setup::Grid {
            // Who is invited chooses a name later.
            accounts.iter_mut().for_each(|account| account.login = None);
        }
        accounts
    }

    async fn grants(&self, user: &AccountId) -> Vec<Grant> {
        // The app's own place in channels is nobody's grant.
        if *user == *SlackFake::BOT {
            return Vec::new();
        }
        let id = user.as_str();
        let direct = |kind: &str, target: &str| Grant::direct(user.clone(), Entitlement::new(kind, target));
        self.0.with(|slack| {
            let channels = slack.channels().filter(|channel| channel.members.contains(id)).map(|channel| direct("invite_to_channel", &channel.id));
            let groups = slack.usergroups().filter(|group| !group.disabled && group.users.contains(id)).map(|group| direct("add_to_usergroup", &group.id));
            let role = |team: &str, role: &str| Grant::direct(user.clone(), Entitlement::new("assign_workspace_role", team).with_role(role));
            let roles = slack.teams().filter(|_| self.1 == Setup::Grid).flat_map(|team| {
                let (admin, owner) = (team.admins.contains(id), team.owners.contains(id));
                [(admin, "admin"), (owner, "owner")].into_iter().filter(|(held, _)| *held).map(|(_, name)| role(&team.id, name)).collect::<Vec<_>>()
            });
            channels.chain(groups).chain(roles).collect()
        })
    }

    fn secrets(&self) -> Vec<String> {
        vec![SlackFake::BOT_TOKEN.to_owned(), SlackFake::ADMIN_TOKEN.to_owned()]
    }

    fn spec(&self, person: &Person, _descriptor: &Descriptor) -> AccountSpec {
        let spec = AccountSpec::new(person.login.clone()).with("email", person.email.clone());
        if self.1 == Setup::Scim {
            return spec.with("givenName", person.first_name.clone()).with("familyName", person.last_name.clone()).with("title", "Engineer");
        }
        let mut spec = spec.with("real_name", format!("{} {}", person.first_name, person.last_name));
        // Who is there already was asked into channels when they came.
        if self.0.user(&person.email).is_none() {
            spec.entitlements.push(Entitlement::new("invite_to_channel", self.0.channel_id("welcome").unwrap()));
        }
        spec
    }

    fn mails(&self) -> Option<usize> {
        Some(self.0.events().iter().filter(|event| event.kind == "user.mail").count())
    }

    fn fake(&self) -> Option<FakeSystem> {
        Some(self.0.erased())
    }

    async fn finish(&self, account: &AccountId, _wait: &Wait) -> bool {
        self.0.accept_invitation(account.as_str()).is_ok()
    }

    async fn log_in(&self, account: &AccountId) -> bool {
        self.act("log_in", json!({ "user": account.as_str() }))
    }

    async fn sessions(&self, account: &AccountId) -> usize {
        self.0.user(account.as_str()).map_or(0, |user| user.sessions as usize)
    }

    async fn hide_target(&self, kind: &KindName, target: &TargetId) -> bool {
        *kind == "invite_to_channel" && self.act("hide_channel", json!({ "channel": target.as_str() }))
    }

    async fn age_cursor(&self, _cursor: Option<Cursor>) -> Option<Cursor> {
        Some("dXNlcjpnb25l".into())
    }
}

/// What is the same in each setup.
macro_rules! workspace_tests {
    ($module:ident, $setup:expr, [$($skip:expr),* $(,)?]) => {
        mod $module {
            use super::{Setup, Workspace};

            provisionr_testkit::conformance_tests! {
                Workspace::new($setup),
                skips = [
                    ("find_sees_suspended_accounts", "Slack knows no suspension beside deactivation"),
                    ("find_tells_several_apart_from_one", "no two active users share an address or name"),
                    ("find_that_cannot_see_everything_cannot_tell", "the list of all people shows who a look-up passes over"),
                    ("suspension_keeps_what_is_held", "deactivation loses the channels"),
                    ("a_gateways_404_is_no_deletion", "Slack deletes nobody"),
                    ("grant_of_another_value_changes_the_value", "kinds have no values"),
                    ("grant_that_is_inherited_is_unchanged grant_above_what_is_inherited_is_made", "nothing is inherited"),
                    ("revoke_never_touches_what_is_inherited revoke_shows_what_stays_in_force observe_shows_all_sources", "nothing is inherited"),
                    ("grant_on_a_target_owned_elsewhere_names_the_owner resolve_names_the_owner_of_a_target", "Slack gives owners by id; see hard_cases"),
                    ("an_account_owned_elsewhere_names_its_owner", "people of other companies have no owner by name"),
                    ("grant_of_the_one_allowed_replaces_the_other", "a person holds any number"),
                    ("withdraw_takes_back_an_invitation_and_nothing_else observe_shows_open_invitations_as_such", "nobody is invited into a channel: they are put there"),
                    ("resolve_tells_several_apart_from_one", "no two channels, handles or workspaces share a name"),
                    $($skip),*
                ]
            }
        }
    };
}

workspace_tests!(
    plain,
    Setup::Plain,
    [
        ("ensure_* a_dropped_account_is_finished_by_the_next probe_of_an_account_tells_absent_from_there", "a plain workspace makes no accounts by API"),
        ("update_* each_declared_transition_happens set_state_*", "a plain workspace changes no accounts by API"),
        ("end_sessions_ends_all_and_can_be_repeated", "only an organisation ends sessions"),
        ("grant_of_another_role_changes_the_role revoke_of_another_role_than_expected_is_a_conflict", "channels and user groups have no roles"),
    ]
);

workspace_tests!(
    grid,
    Setup::Grid,
    [
        ("ensure_passes_over_a_login_another_person_has", "people are invited by address, and choose their name"),
        ("update_*", "profiles are changed over SCIM alone"),
    ]
);

workspace_tests!(
    scim,
    Setup::Scim,
    [
        ("find_sees_invited_accounts", "over SCIM nobody is invited"),
        ("end_sessions_ends_all_and_can_be_repeated", "only an organisation ends sessions"),
        ("grant_of_another_role_changes_the_role revoke_of_another_role_than_expected_is_a_conflict", "channels and user groups have no roles"),
    ]
);
