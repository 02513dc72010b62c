//! The contract, case by case, against the fake of GitLab: self-managed with an administrator, and a group of gitlab.com whose owner
//! invites.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use async_trait::async_trait;
use provisionr_gitlab::{Gitlab, GitlabConfig};
use provisionr_sdk::{
    Account, AccountId, AccountKind, AccountQuery, AccountSpec, AccountState, Adapter, CallContext, Descriptor, Entitlement, Found, Grant, GrantState, Kind,
    KindName, ListScope, Observation, Outcome, Owner, Page, PageRequest, Probe, Request, Resolution, Resolved, Result, RoleName, Roles, Scope, Secret, Source,
    Target, TargetId, TargetName, Wait,
};
use provisionr_testkit::conformance::{Harness, Person};
use provisionr_testkit::gitlab::{GitlabFake, GitlabUser, Sort};
use provisionr_testkit::{Act, FakeSystem};
use serde_json::{Value, json};

/// The instance, and the group all of it is in; none where it is one's own.
struct Instance(FakeSystem<GitlabFake>, Option<&'static str>);

fn own() -> Instance {
    let fake = GitlabFake::new().start();
    // An administrator who is a member of nothing.
    Instance(fake, None)
}

fn com() -> Instance {
    Instance(GitlabFake::gitlab_com("company").with_group("company/welcome").start(), Some("company"))
}

fn sort(kind: &str) -> Sort {
    if kind == "add_to_group" { Sort::Group } else { Sort::Project }
}

fn place(sort: Sort) -> &'static str {
    if sort == Sort::Group { "group" } else { "project" }
}

fn role(level: u64) -> &'static str {
    match level {
        5 => "minimal_access",
        10 => "guest",
        15 => "planner",
        20 => "reporter",
        30 => "developer",
        40 => "maintainer",
        _ => "owner",
    }
}

fn level(entitlement: &Entitlement) -> u64 {
    let named = |level: &u64| entitlement.role.as_ref().is_some_and(|wanted| wanted.as_str() == role(*level));
    [5, 10, 15, 20, 30, 40, 50].into_iter().find(named).unwrap()
}

impl Instance {
    fn act(&self, act: &str, args: Value) -> bool {
        self.0.act(Act::new(act, args)).is_ok()
    }

    fn path(&self, name: &str) -> String {
        self.1.map_or_else(|| name.to_owned(), |group| format!("{group}/{name}"))
    }

    fn account(&self, user: &GitlabUser) -> Account {
        let state = match user.state.as_str() {
            "active" => AccountState::Active,
            "deactivated" => AccountState::Deactivated,
            _ => AccountState::Suspended,
        };
        let mut account = Account::new(user.id.to_string(), state).with_email(user.email.as_str());
        if self.1.is_none() {
            // The suite's logins are shaped like addresses; usernames are the local part. Who is invited chooses one.
            account = account.with_login(format!("{}@example.com", user.username));
            account.profile = user.profile.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
            account = account.with("username", user.username.as_str()).with("name", user.name.as_str());
        }
        account.with("email", user.email.as_str()).with_kind(AccountKind::Unknown)
    }

    fn email(&self, account: &AccountId) -> Option<String> {
        account.as_str().strip_prefix("invitation:").map(str::to_owned).or_else(|| self.0.user(account.as_str()).map(|user| user.email))
    }
}

/// The suite names targets without a path; a group's own are below it.
#[derive(Debug)]
struct Below(Gitlab, &'static str);

#[async_trait]
impl Adapter for Below {
    fn descriptor(&self) -> &Descriptor {
        self.0.descriptor()
    }

    async fn find_account(&self, cx: &CallContext, who: &AccountQuery) -> Result<Found> {
        self.0.find_account(cx, who).await
    }

    async fn observe(&self, cx: &CallContext, account: &Account, scope: &Scope) -> Result<Observation> {
        self.0.observe(cx, account, scope).await
    }

    async fn apply(&self, cx: &CallContext, request: &Request) -> Result<Outcome> {
        self.0.apply(cx, request).await
    }

    async fn check(&self, cx: &CallContext) -> Result<provisionr_sdk::Check> {
        self.0.check(cx).await
    }

    async fn resolve(&self, cx: &CallContext, kind: &KindName, names: &[TargetName]) -> Result<Vec<Resolved>> {
        let (before, full): (String, Vec<TargetName>) =
            (format!("{}/", self.1), names.iter().map(|name| TargetName::from(format!("{}/{name}", self.1))).collect());
        let short = |name: &TargetName| TargetName::from(name.as_str().strip_prefix(&before).unwrap_or(name.as_str()));
        let resolved = self.0.resolve(cx, kind, &full).await?;
        Ok(resolved
            .into_iter()
            .map(|one| Resolved {
                name: short(&one.name),
                resolution: match one.resolution {
                    Resolution::None(near) => Resolution::None(near.iter().map(short).collect()),
                    other => other,
                },
            })
            .collect())
    }

    async fn probe(&self, cx: &CallContext, request: &Request) -> Result<Probe> {
        self.0.probe(cx, request).await
    }

    async fn list_accounts(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Account>> {
        self.0.list_accounts(cx, page).await
    }

    async fn list_targets(&self, cx: &CallContext, kind: &KindName, page: &PageRequest) -> Result<Page<Target>> {
        self.0.list_targets(cx, kind, page).await
    }

    async fn list_grants(&self, cx: &CallContext, scope: &ListScope, page: &PageRequest) -> Result<Page<Grant>> {
        self.0.list_grants(cx, scope, page).await
    }
}

#[async_trait]
impl Harness for Instance {
    fn adapter(&self) -> Box<dyn Adapter> {
        let token = Secret::new(GitlabFake::TOKEN);
        match self.1 {
            None => {
                let config = GitlabConfig::self_managed("https://gitlab.test").private_token(token).provider("saml");
                Box::new(config.connect("gitlab", &self.0.transport()).unwrap())
            }
            Some(group) => {
                let config = GitlabConfig::group("https://gitlab.com", group).private_token(token).invitations();
                Box::new(Below(config.connect("gitlab", &self.0.transport()).unwrap(), group))
            }
        }
    }

    async fn seed_account(&self, person: &Person, state: AccountState) -> Option<AccountId> {
        let username = person.login.split('@').next().unwrap();
        if self.0.user(username).is_some() {
            return None;
        }
        let state = match state {
            AccountState::Active => "active",
            AccountState::Suspended => "blocked",
            AccountState::Deactivated => "deactivated",
            _ => return None,
        };
        let identity = match self.1 {
            Some(group) => json!({ "provider": "group_saml", "extern_uid": format!("emp-{}", person.number), "group": group }),
            None => json!({ "provider": "saml", "extern_uid": format!("emp-{}", person.number) }),
        };
        let name = format!("{} {}", person.first_name, person.last_name);
        self.0
            .seed(&json!({ "users": [{
                "username": username, "email": person.email, "name": name, "state": state, "identities": [identity],
                "enterprise_group": self.1, "provisioned_by": self.1,
            }] }))
            .unwrap();
        self.0.user(username).map(|user| user.id.to_string().into())
    }

    async fn seed_target(&self, kind: &KindName, name: &str) -> Option<TargetId> {
        let (sort, path) = (sort(kind.as_str()), self.path(name));
        if self.0.id_of(sort, &path).is_none() {
            let part = if sort == Sort::Group { "groups" } else { "projects" };
            self.0.seed(&json!({ part: [{ "path": path }] })).unwrap();
        }
        self.0.id_of(sort, &path).map(TargetId::from)
    }

    async fn seed_grant(&self, grant: &Grant) -> bool {
        let (entitlement, user) = (&grant.entitlement, grant.account.as_str());
        let (sort, target, level) = (sort(entitlement.kind.as_str()), entitlement.target.as_str(), level(entitlement));
        let place = place(sort);
        match (&grant.source, grant.state) {
            (Source::Direct, GrantState::Held) => {
                let args = json!({ place: target, "user": user, "access_level": level, "expires_at": entitlement.params.get("expires_at") });
                self.act("set_member", args)
            }
            (Source::Direct, GrantState::Invited) if self.1.is_some() => {
                let invitation = json!({ place: target, "email": self.email(&grant.account), "access_level": level });
                self.0.seed(&json!({ "invitations": [invitation] })).is_ok()
            }
            (Source::Inherited(parent), GrantState::Held) => {
                // Groups above give to what is below; a project is above nothing.
                let parent = if sort == Sort::Group {
                    parent.as_str().to_owned()
                } else {
                    self.0.seed(&json!({ "groups": [{ "path": self.path("above-projects") }] })).unwrap();
                    self.0.id_of(Sort::Group, &self.path("above-projects")).unwrap()
                };
                self.act("move", json!({ place: target, "to": parent }))
                    && self.act("set_member", json!({ "group": parent, "user": user, "access_level": level }))
            }
            _ => false,
        }
    }

    async fn accounts(&self) -> Vec<Account> {
        // The owner of the group is the credential's own account, who inherits each new target: no case's business.
        self.0.with(|fake| {
            let mut accounts: Vec<Account> = fake.users().filter(|user| user.username != "owner").map(|user| self.account(user)).collect();
            let sources = [Sort::Group, Sort::Project].into_iter().flat_map(|sort| fake.all(sort));
            let mut invited: Vec<&String> = sources.flat_map(|source| source.invitations.keys()).filter(|email| fake.user(email).is_none()).collect();
            invited.sort();
            invited.dedup();
            accounts.extend(invited.into_iter().map(|email| Account::new(format!("invitation:{email}"), AccountState::Invited).with_email(email.as_str())));
            accounts
        })
    }

    async fn grants(&self, account: &AccountId) -> Vec<Grant> {
        let email = self.email(account);
        self.0.with(|fake| {
            let mut grants = Vec::new();
            for sort in [Sort::Group, Sort::Project] {
                let kind = if sort == Sort::Group { "add_to_group" } else { "add_to_project" };
                for source in fake.all(sort) {
                    let held = |level: u64, expires: Option<&String>| {
                        let entitlement = Entitlement::new(kind, source.id.to_string()).with_role(role(level));
                        Grant::direct(account.clone(), expires.iter().fold(entitlement, |held, day| held.with_param("expires_at", day.as_str())))
                    };
                    let user = account.as_str().parse::<u64>().unwrap_or_default();
                    grants.extend(source.members.get(&user).map(|member| held(member.level, member.expires.as_ref())));
                    let open = email.as_ref().and_then(|email| source.invitations.get(email));
                    grants.extend(open.map(|open| held(open.level, open.expires.as_ref()).in_state(GrantState::Invited)));
                    for group in fake.above(source) {
                        let inherited = group.members.get(&user).map(|member| held(member.level, member.expires.as_ref()));
                        grants.extend(inherited.map(|grant| grant.from_source(Source::Inherited(group.id.to_string().into()))));
                    }
                }
            }
            grants
        })
    }

    fn secrets(&self) -> Vec<String> {
        vec![GitlabFake::TOKEN.to_owned()]
    }

    fn spec(&self, person: &Person, _descriptor: &Descriptor) -> AccountSpec {
        let spec = AccountSpec::new(person.login.clone());
        if self.1.is_none() {
            return spec.with("email", person.email.clone()).with("name", format!("{} {}", person.first_name, person.last_name)).with("location", "Paris");
        }
        let welcome = Entitlement::new("add_to_group", self.0.id_of(Sort::Group, "company/welcome").unwrap()).with_role("developer");
        AccountSpec { entitlements: vec![welcome], ..spec }
    }

    fn key(&self, person: &Person, name: &str) -> Option<String> {
        match name {
            "extern_uid" => Some(format!("emp-{}", person.number)),
            "login" => Some(person.login.split('@').next().unwrap().to_owned()),
            _ => person.key(name),
        }
    }

    fn roles(&self, kind: &Kind) -> Vec<RoleName> {
        // Minimal Access is for top-level groups, and the only owner of one stays (see own.rs).
        let not = if self.1.is_none() { ["minimal_access", "owner"] } else { ["minimal_access", ""] };
        let Roles::Closed(roles) = &kind.roles else { panic!() };
        roles.iter().map(|role| role.name.clone()).filter(|role| !not.contains(&role.as_str())).collect()
    }

    fn mails(&self) -> Option<usize> {
        Some(self.0.mails())
    }

    fn fake(&self) -> Option<FakeSystem> {
        Some(self.0.erased())
    }

    async fn finish(&self, account: &AccountId, _wait: &Wait) -> bool {
        // An accepted invitation ends this account and begins another (see group.rs). What the cases ask for is there with the invitation.
        account.as_str().starts_with("invitation:")
    }

    async fn hide_target(&self, kind: &KindName, target: &TargetId) -> bool {
        self.act("hide", json!({ place(sort(kind.as_str())): target.as_str() }))
    }

    async fn own_target(&self, kind: &KindName, target: &TargetId, owner: &Owner) -> bool {
        *kind == "add_to_group" && self.act("link_ldap", json!({ "group": target.as_str(), "cn": owner.as_str() }))
    }

    async fn own_account(&self, account: &AccountId, owner: &Owner) -> bool {
        // An LDAP server is named in the provider: `ldapmain`.
        self.1.is_none() && self.act("set_user", json!({ "user": account.as_str(), "provider": format!("ldap{owner}") }))
    }

    async fn blind_searches(&self) -> bool {
        self.1.is_some()
    }
}

mod self_managed {
    provisionr_testkit::conformance_tests! {
        super::own(),
        skips = [
            ("find_sees_invited_accounts", "an administrator makes accounts, and invites nobody"),
            ("observe_shows_open_invitations_as_such withdraw_takes_back_an_invitation_and_nothing_else", "an administrator makes accounts, and invites nobody"),
            ("find_that_cannot_see_everything_cannot_tell", "an administrator sees every account"),
            ("find_tells_several_apart_from_one", "usernames, addresses and identities are unique"),
            ("resolve_tells_several_apart_from_one", "full paths are unique"),
            ("end_sessions_ends_all_and_can_be_repeated", "no call ends the sessions of a user"),
            ("grant_of_the_one_allowed_replaces_the_other", "a person is in any number of groups and projects"),
            ("a_batch_answers_each_of_its_requests", "a list of users in one call answers for all of them at once, not for each"),
            ("list_tells_a_stale_cursor", "pages are counted, and cursors do not age"),
        ]
    }
}

mod group {
    provisionr_testkit::conformance_tests! {
        super::com(),
        skips = [
            ("each_declared_transition_happens set_state_repeated_has_no_second_effect", "an owner of a group has no say over the state of accounts"),
            ("a_gateways_404_is_no_deletion", "an owner of a group deletes nobody"),
            ("set_state_with_a_lost_answer_is_found_by_a_probe suspension_keeps_what_is_held", "an owner of a group has no say over the state of accounts"),
            ("update_leaves_other_attributes_alone update_repeated_has_no_second_effect", "profiles are the people's own"),
            ("an_account_owned_elsewhere_names_its_owner ensure_fills_the_profile", "profiles are the people's own"),
            ("ensure_passes_over_a_login_another_person_has", "who is invited chooses the username"),
            ("find_sees_invited_accounts", "an invitation has no other key than its address; see group.rs"),
            ("list_accounts_shows_all_once", "GitLab has no list of all people of a hierarchy"),
            ("find_tells_several_apart_from_one", "usernames, addresses and identities are unique"),
            ("resolve_tells_several_apart_from_one", "full paths are unique"),
            ("end_sessions_ends_all_and_can_be_repeated", "no call ends the sessions of a user"),
            ("grant_of_the_one_allowed_replaces_the_other", "a person is in any number of groups and projects"),
            ("a_batch_answers_each_of_its_requests", "a list of users in one call answers for all of them at once, not for each"),
            ("list_tells_a_stale_cursor", "pages are counted, and cursors do not age"),
        ]
    }
}
