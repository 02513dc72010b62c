//! The contract, case by case, against the fake of GitHub: people are invited, and accept; or an enterprise manages them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use async_trait::async_trait;
use provisionr_github::GithubConfig;
use provisionr_sdk::{
    Account, AccountId, AccountSpec, AccountState, Adapter, Descriptor, Entitlement, Grant, GrantState, KindName, Owner, Secret, Source, TargetId, Wait,
};
use provisionr_testkit::conformance::{Harness, Person};
use provisionr_testkit::github::{GithubFake, GithubUser};
use provisionr_testkit::{Act, FakeSystem};
use serde_json::{Value, json};

#[derive(Clone, Copy, PartialEq)]
enum Users {
    TheirOwn,
    Managed,
}

struct Org(FakeSystem<GithubFake>, Users);

fn login(person: &Person) -> String {
    person.login.split('@').next().unwrap().to_owned()
}

fn external_id(person: &Person) -> String {
    format!("idp-{}", person.login)
}

fn own_account(user: &GithubUser) -> Account {
    Account::new(user.id.to_string(), AccountState::Active).with_login(user.login.as_str())
}

/// None of who is not managed: the setup user.
fn managed_account(user: &GithubUser) -> Option<Account> {
    let scim = user.scim.as_ref()?;
    let state = if scim.is_active() { AccountState::Active } else { AccountState::Suspended };
    let mut account = Account::new(user.id.to_string(), state).with_login(scim.user_name()).with_email(scim.email()).with("email", scim.email());
    for name in ["displayName", "externalId"] {
        account = account.with(name, scim.text(name));
    }
    for part in ["givenName", "familyName"] {
        account.profile.extend(scim.attributes.get("name").and_then(|name| name.get(part)).map(|value| (part.to_owned(), value.clone())));
    }
    Some(account)
}

impl Org {
    fn new(users: Users) -> Self {
        let fake = GithubFake::new();
        Self(if users == Users::Managed { fake.with_enterprise() } else { fake }.start(), users)
    }

    fn seed_managed(&self, person: &Person, state: AccountState) -> Option<AccountId> {
        if !matches!(state, AccountState::Active | AccountState::Suspended) || self.0.user_id(&person.login).is_some() {
            return None;
        }
        let user = json!({ "user_name": person.login, "external_id": external_id(person), "email": person.email, "given_name": person.first_name,
            "family_name": person.last_name, "active": state == AccountState::Active });
        self.0.seed(&json!({ "managed": [user] })).unwrap();
        self.0.user_id(&person.login).map(AccountId::from)
    }

    fn act(&self, act: &str, args: Value) -> bool {
        self.0.act(Act::new(act, args)).is_ok()
    }
}

#[async_trait]
impl Harness for Org {
    fn adapter(&self) -> Box<dyn Adapter> {
        let config = GithubConfig::organization(GithubFake::ORG).token(Secret::new(GithubFake::TOKEN)).synced_teams();
        let setup_user = Secret::new(GithubFake::SETUP_USER_TOKEN);
        let config = if self.1 == Users::Managed { config.enterprise_managed(GithubFake::ENTERPRISE, setup_user) } else { config };
        Box::new(config.connect("github", &self.0.transport()).unwrap())
    }

    async fn seed_account(&self, person: &Person, state: AccountState) -> Option<AccountId> {
        if self.1 == Users::Managed {
            return self.seed_managed(person, state);
        }
        if state != AccountState::Active || self.0.user_id(&login(person)).is_some() {
            return None;
        }
        self.0.seed(&json!({ "users": [{ "login": login(person) }] })).unwrap();
        self.0.user_id(&login(person)).map(AccountId::from)
    }

    async fn seed_target(&self, kind: &KindName, name: &str) -> Option<TargetId> {
        match kind.as_str() {
            // There is one organization, whatever the suite would call it.
            "add_to_org" => name.starts_with("target-").then(|| GithubFake::ORG.into()),
            "add_to_team" if self.0.team_id(name).is_none() => {
                self.0.seed(&json!({ "teams": [{ "name": name }] })).unwrap();
                self.0.team_id(name).map(TargetId::from)
            }
            "grant_repository" if self.0.repository_id(name).is_none() => {
                self.0.seed(&json!({ "repositories": [{ "name": name }] })).unwrap();
                self.0.repository_id(name).map(TargetId::from)
            }
            _ => None,
        }
    }

    async fn seed_grant(&self, grant: &Grant) -> bool {
        if grant.source != Source::Direct || self.grants(&grant.account).await.iter().any(|held| held.entitlement == grant.entitlement) {
            return false;
        }
        let (user, target, role) = (grant.account.as_str(), grant.entitlement.target.as_str(), grant.entitlement.role.as_ref().unwrap().as_str());
        let open = grant.state == GrantState::Invited;
        if open && self.1 == Users::Managed {
            return false;
        }
        match grant.entitlement.kind.as_str() {
            "add_to_org" => self.act(if open { "invite_member" } else { "set_member" }, json!({ "user": user, "role": role })),
            // Who is in the organization joins at once.
            "add_to_team" if open => false,
            "add_to_team" => self.act("join_team", json!({ "user": user, "team": target, "role": role })),
            _ => {
                let act = if open { "invite_collaborator" } else { "add_collaborator" };
                self.act(act, json!({ "user": user, "repository": target, "role": role }))
            }
        }
    }

    async fn accounts(&self) -> Vec<Account> {
        self.0.with(|fake| match self.1 {
            Users::TheirOwn => fake.users().map(own_account).collect(),
            Users::Managed => fake.users().filter_map(managed_account).collect(),
        })
    }

    async fn grants(&self, account: &AccountId) -> Vec<Grant> {
        let id = account.as_str();
        self.0.with(|fake| {
            let grant = |kind: &str, target: &str, role: &str| Grant::direct(account.clone(), Entitlement::new(kind, target).with_role(role));
            let Some(user) = fake.user(id).map(|user| user.id) else { return Vec::new() };
            let mut grants: Vec<Grant> = fake.member(id).map(|member| grant("add_to_org", GithubFake::ORG, &member.role)).into_iter().collect();
            if let Some(open) = fake.invitation(id) {
                grants.push(grant("add_to_org", GithubFake::ORG, &open.role).in_state(GrantState::Invited));
                for (team, role) in &open.teams {
                    let slug = fake.teams().find(|one| one.id == *team).unwrap().slug.clone();
                    grants.push(grant("add_to_team", &fake.team_id(&slug).unwrap(), role).in_state(GrantState::Invited));
                }
            }
            for team in fake.teams() {
                grants.extend(team.members.get(&user).map(|role| grant("add_to_team", &fake.team_id(&team.slug).unwrap(), role)));
            }
            for one in fake.repositories() {
                let target = fake.repository_id(&one.name).unwrap();
                grants.extend(one.direct.get(&user).map(|role| grant("grant_repository", &target, role)));
                let open = one.invitations.values().filter(|(who, ..)| *who == user);
                grants.extend(open.map(|(_, role, _)| grant("grant_repository", &target, role).in_state(GrantState::Invited)));
            }
            grants
        })
    }

    fn secrets(&self) -> Vec<String> {
        vec![GithubFake::TOKEN.to_owned(), GithubFake::SETUP_USER_TOKEN.to_owned()]
    }

    fn key(&self, person: &Person, name: &str) -> Option<String> {
        match (self.1, name) {
            (Users::TheirOwn, "login") => Some(login(person)),
            (Users::Managed, "external_id") => Some(external_id(person)),
            (Users::Managed, "user_name" | "email") => Some(person.email.clone()),
            _ => None,
        }
    }

    fn spec(&self, person: &Person, _descriptor: &Descriptor) -> AccountSpec {
        let spec = AccountSpec::new(person.login.clone()).with("email", person.email.clone()).with("externalId", external_id(person));
        spec.with("displayName", login(person)).with("givenName", person.first_name.clone()).with("familyName", person.last_name.clone())
    }

    fn mails(&self) -> Option<usize> {
        Some(self.0.mails())
    }

    fn fake(&self) -> Option<FakeSystem> {
        Some(self.0.erased())
    }

    async fn finish(&self, account: &AccountId, _wait: &Wait) -> bool {
        self.act("accept_invitation", json!({ "user": account.as_str() }))
    }

    async fn hide_target(&self, kind: &KindName, target: &TargetId) -> bool {
        match kind.as_str() {
            "add_to_team" => self.act("hide", json!({ "team": target.as_str() })),
            "grant_repository" => self.act("hide", json!({ "repository": target.as_str() })),
            _ => false,
        }
    }

    async fn own_target(&self, kind: &KindName, target: &TargetId, owner: &Owner) -> bool {
        *kind == "add_to_team" && self.act("link_idp_group", json!({ "team": target.as_str(), "group": owner.as_str() }))
    }
}

/// What is the same whoever the users are.
macro_rules! org_tests {
    ($module:ident, $users:expr, [$($skip:expr),* $(,)?]) => {
        mod $module {
            use super::{Org, Users};

            provisionr_testkit::conformance_tests! {
                Org::new($users),
                skips = [
                    ("an_account_owned_elsewhere_names_its_owner", "accounts have no owner by name"),
                    ("find_sees_deactivated_accounts find_sees_invited_accounts", "there is neither"),
                    ("end_sessions_ends_all_and_can_be_repeated", "no call ends the sessions of a person"),
                    ("find_tells_several_apart_from_one", "whatever people are found by is unique"),
                    ("find_that_cannot_see_everything_cannot_tell", "everybody can be seen"),
                    ("resolve_tells_several_apart_from_one", "the suite's names are slugs, which are unique"),
                    ("grant_of_another_value_changes_the_value", "kinds have no values"),
                    ("grant_of_the_one_allowed_replaces_the_other", "a person is in any number of teams and repositories"),
                    ("grant_that_is_inherited_is_unchanged grant_above_what_is_inherited_is_made", "repositories inherit from teams, and not from each other; see hard_cases"),
                    ("revoke_never_touches_what_is_inherited revoke_shows_what_stays_in_force", "repositories inherit from teams, and not from each other; see hard_cases"),
                    ("observe_shows_all_sources", "repositories inherit from teams, and not from each other; see hard_cases"),
                    ("a_batch_answers_each_of_its_requests", "no write takes several people"),
                    ("list_tells_a_stale_cursor", "pages are counted, and cursors do not age"),
                    $($skip),*
                ]
            }
        }
    };
}

org_tests!(
    their_own,
    Users::TheirOwn,
    [
        (
            "ensure_* probe_of_an_account_tells_absent_from_there a_dropped_account_is_finished_by_the_next",
            "logins are the people's own, and nobody makes them"
        ),
        ("update_*", "profiles are the people's own"),
        ("each_declared_transition_happens set_state_* suspension_keeps_what_is_held", "an organization has no say over the state of accounts"),
        ("a_gateways_404_is_no_deletion", "an organization deletes nobody"),
        ("find_sees_suspended_accounts", "to an organization an account is there or not"),
        ("grant_needs_the_account_it_says_it_needs", "to an organization an account is there or not"),
        ("list_accounts_shows_all_once", "nobody lists everybody on GitHub"),
    ]
);

org_tests!(
    managed,
    Users::Managed,
    [(
        "withdraw_takes_back_an_invitation_and_nothing_else observe_shows_open_invitations_as_such",
        "managed users are members and collaborators at once; see managed"
    ),]
);
