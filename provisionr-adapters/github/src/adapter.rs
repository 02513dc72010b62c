//! The adapter: each method of the contract, and who does it.

use std::fmt;

use async_trait::async_trait;
use provisionr_http::{HttpClient, path};
use provisionr_sdk::{
    Ability, Account, AccountQuery, Adapter, AdapterError, CallContext, Change, Check, Descriptor, Found, Grant, KindName, ListScope, Observation, Outcome,
    Page, PageRequest, Probe, Request, Resolved, Result, Scope, Target, TargetName, probe_by_looking,
};

use crate::credential::Installation;
use crate::enterprise::Enterprise;
use crate::orgs::ADD_TO_ORG;
use crate::repositories::GRANT_REPOSITORY;
use crate::teams::ADD_TO_TEAM;
use crate::wire::{Membership, Organization, User};

/// One organization of GitHub. Made by [`GithubConfig::connect`](crate::GithubConfig::connect).
pub struct Github {
    pub(crate) client: HttpClient,
    pub(crate) descriptor: Descriptor,
    pub(crate) organization: String,
    /// Where the credential is an app's.
    pub(crate) installation: Option<Installation>,
    pub(crate) synced_teams: bool,
    /// Where it manages the users.
    pub(crate) enterprise: Option<Enterprise>,
}

impl fmt::Debug for Github {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Github").field("system", &self.descriptor.system).field("client", &self.client).finish_non_exhaustive()
    }
}

pub(crate) fn gone() -> AdapterError {
    AdapterError::account_not_found("the user is not on GitHub, or not to be seen")
}

impl Github {
    /// Logins change, and go to others then: whoever is changed is looked up by id first.
    /// <https://docs.github.com/rest/users/users#get-a-user-using-their-id>
    pub(crate) async fn user(&self, cx: &CallContext, id: &str) -> Result<Option<User>> {
        let Ok(id) = id.parse::<u64>() else { return Ok(None) };
        let Some(answer) = self.client.get(path!["user", id.to_string()]).send_if_found(cx).await? else {
            // That suspended users can be looked up is not said anywhere.
            return match &self.enterprise {
                Some(enterprise) => Ok(enterprise.by_id(cx, id).await?.and_then(|identity| identity.user())),
                None => Ok(None),
            };
        };
        let user: User = answer.json()?;
        if user.id != id {
            return Err(answer.unreadable("another user than the one asked for was answered"));
        }
        Ok(Some(user).filter(|user| user.kind != "Organization"))
    }

    pub(crate) async fn user_or_gone(&self, cx: &CallContext, account: &Account) -> Result<User> {
        self.user(cx, account.id.as_str()).await?.ok_or_else(gone)
    }

    pub(crate) async fn user_by_login(&self, cx: &CallContext, login: &str) -> Result<Option<User>> {
        let Some(answer) = self.client.get(path!["users", login]).send_if_found(cx).await? else { return Ok(None) };
        Ok(Some(answer.json::<User>()?).filter(|user| user.kind != "Organization"))
    }

    pub(crate) async fn find(&self, cx: &CallContext, who: &AccountQuery) -> Result<Found> {
        if let Some(id) = &who.known
            && let Some(user) = self.user(cx, id.as_str()).await?
            && let Some(account) = self.account(cx, &user).await?
        {
            return Ok(Found::One(account));
        }
        if let Some(enterprise) = &self.enterprise {
            return self.find_managed(cx, enterprise, who).await;
        }
        for key in who.keys.iter().filter(|key| key.name == "login") {
            let Some(user) = self.user_by_login(cx, &key.value).await? else { continue };
            // Logins are free for others once an account is gone.
            return Ok(match &who.known {
                Some(gone) => Found::CannotTell(format!("the account {gone} is gone from GitHub, and the login `{}` is another account's now", key.value)),
                None => Found::One(user.account()),
            });
        }
        if let Some(key) = who.keys.iter().find(|key| key.name != "login") {
            return Ok(Found::CannotTell(format!("users are not found by `{}`: map `login` to the attribute that has their login", key.name)));
        }
        Ok(Found::None)
    }

    /// The abilities that rest on managing and seeing a kind.
    fn about(kind: &str) -> [Ability; 3] {
        [Ability::Observe(kind.into()), Ability::ListTargets(kind.into()), Ability::ListGrants(kind.into())]
    }

    async fn check_installation(&self, cx: &CallContext, installation: &Installation, check: Check) -> Result<Check> {
        let facts = installation.facts(cx).await?;
        if !facts.account.login.as_deref().is_some_and(|login| login.eq_ignore_ascii_case(&self.organization)) {
            return Err(AdapterError::invalid_config(format!("the app's installation is in another organization than `{}`", self.organization)));
        }
        if facts.suspended_at.is_some() {
            return Err(AdapterError::permission_denied("the app's installation is suspended"));
        }
        let level = |name: &str| match facts.permissions.get(name).map(String::as_str) {
            Some("write" | "admin") => 2,
            Some("read") => 1,
            _ => 0,
        };
        Ok(lacking(check, [level("members"), level("administration")], "the app's installation lacks the permission"))
    }

    async fn check_token(&self, cx: &CallContext, check: Check) -> Result<Check> {
        let answer = self.client.get(path!["user"]).send(cx).await?;
        let me: User = answer.json()?;
        let check = check.own(me.id.to_string());
        // Fine-grained tokens tell no scopes.
        let told = answer.header("x-oauth-scopes").filter(|scopes| !scopes.is_empty());
        let check = match told {
            None => check,
            Some(scopes) => {
                let has = |wanted: &str| scopes.split(',').any(|scope| scope.trim() == wanted);
                let members = if has("admin:org") { 2 } else { u8::from(has("write:org") || has("read:org")) };
                lacking(check, [members, if has("repo") { 2 } else { 0 }], "the token lacks the scope")
            }
        };
        let membership = self.client.get(path!["orgs", self.organization, "memberships", me.login]).send_if_found(cx).await?;
        let role = membership.map(|answer| answer.json::<Membership>()).transpose()?.map(|membership| membership.role);
        if role.as_deref() == Some("admin") {
            return Ok(check);
        }
        let all = [Ability::Manage(ADD_TO_ORG.into()), Ability::Manage(ADD_TO_TEAM.into()), Ability::Manage(GRANT_REPOSITORY.into()), Ability::Withdraw];
        Ok(check.lacks_all(all, format!("the token's user does not own `{}`", self.organization)))
    }
}

/// What is lacking where so much may be done with members and with repositories: 2 to change them, 1 to see them.
fn lacking(check: Check, [members, repositories]: [u8; 2], why: &str) -> Check {
    let mut check = check;
    for (kind, level, name) in [
        (ADD_TO_ORG, members, "members / admin:org"),
        (ADD_TO_TEAM, members, "members / admin:org"),
        (GRANT_REPOSITORY, repositories.min(members + 1), "administration and members / repo and admin:org"),
    ] {
        if level < 2 {
            check = check.lacks(Ability::Manage(kind.into()), format!("{why} {name}"));
        }
        if level < 1 {
            let about = Github::about(kind).into_iter().filter(|ability| kind != ADD_TO_ORG || *ability != Ability::ListTargets(kind.into()));
            check = check.lacks_all(about, format!("{why} {name}"));
        }
    }
    if members < 2 { check.lacks(Ability::Withdraw, format!("{why} members / admin:org")) } else { check }
}

/// Only classic tokens work here, and they tell their scopes.
async fn check_enterprise(cx: &CallContext, enterprise: &Enterprise, check: Check) -> Result<Check> {
    let answer = enterprise.client.get(path!["user"]).send(cx).await?;
    let check = check.own(answer.json::<User>()?.id.to_string());
    let scopes: Vec<&str> = answer.header("x-oauth-scopes").unwrap_or_default().split(',').map(str::trim).collect();
    let has = |wanted: [&str; 2]| wanted.iter().any(|scope| scopes.contains(scope));
    let missing = match (has(["scim:enterprise", "admin:enterprise"]), has(["read:enterprise", "admin:enterprise"])) {
        (true, true) => return Ok(check),
        (false, _) => "scim:enterprise",
        (true, false) => "read:enterprise",
    };
    let abilities = [Ability::CreateAccount, Ability::UpdateAccount, Ability::SetState, Ability::ListAccounts];
    Ok(check.lacks_all(abilities, format!("the token of the setup user lacks the scope {missing}")))
}

#[async_trait]
impl Adapter for Github {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    async fn find_account(&self, cx: &CallContext, who: &AccountQuery) -> Result<Found> {
        self.find(cx, who).await
    }

    async fn observe(&self, cx: &CallContext, account: &Account, scope: &Scope) -> Result<Observation> {
        self.look(cx, account, scope).await
    }

    async fn apply(&self, cx: &CallContext, request: &Request) -> Result<Outcome> {
        match &request.change {
            Change::EnsureAccount(spec) => self.provision(cx, request, spec).await,
            Change::UpdateAccount(delta) => self.update(cx, request.account()?, delta).await,
            Change::SetState(state) => self.set_state(cx, request.account()?, *state).await,
            Change::Grant(wanted) if wanted.kind == ADD_TO_ORG => self.invite(cx, request, wanted).await,
            Change::Grant(wanted) if wanted.kind == ADD_TO_TEAM => self.join_team(cx, request, wanted).await,
            Change::Grant(wanted) if wanted.kind == GRANT_REPOSITORY => self.add_collaborator(cx, request, wanted).await,
            Change::Revoke(unwanted) | Change::Withdraw(unwanted) if unwanted.kind == ADD_TO_ORG => self.leave_org(cx, request, unwanted).await,
            Change::Revoke(unwanted) | Change::Withdraw(unwanted) if unwanted.kind == ADD_TO_TEAM => self.leave_team(cx, request, unwanted).await,
            Change::Revoke(unwanted) | Change::Withdraw(unwanted) if unwanted.kind == GRANT_REPOSITORY => self.remove_collaborator(cx, request, unwanted).await,
            other => Err(AdapterError::unsupported(format_args!("{other}"))),
        }
    }

    async fn check(&self, cx: &CallContext) -> Result<Check> {
        let organization: Organization = self.client.get(path!["orgs", self.organization]).send(cx).await?.json()?;
        let check = match organization.plan {
            Some(plan) => check_seats(plan.seats, plan.filled_seats),
            None => Check::new(),
        };
        let check = match &self.installation {
            Some(installation) => self.check_installation(cx, installation, check).await?,
            None => self.check_token(cx, check).await?,
        };
        match &self.enterprise {
            Some(enterprise) => check_enterprise(cx, enterprise, check).await,
            None => Ok(check),
        }
    }

    async fn resolve(&self, cx: &CallContext, kind: &KindName, names: &[TargetName]) -> Result<Vec<Resolved>> {
        self.resolve_names(cx, kind.as_str(), names).await
    }

    async fn probe(&self, cx: &CallContext, request: &Request) -> Result<Probe> {
        match (probe_by_looking(self, cx, request).await?, &request.change) {
            (Probe::Absent, Change::Grant(wanted)) if request.ticket.is_some() => self.why_absent(cx, request, wanted).await,
            (probe, _) => Ok(probe),
        }
    }

    async fn list_accounts(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Account>> {
        self.list_managed(cx, page).await
    }

    async fn list_targets(&self, cx: &CallContext, kind: &KindName, page: &PageRequest) -> Result<Page<Target>> {
        self.targets(cx, kind.as_str(), page).await
    }

    async fn list_grants(&self, cx: &CallContext, scope: &ListScope, page: &PageRequest) -> Result<Page<Grant>> {
        self.grants(cx, scope, page).await
    }
}

fn check_seats(total: Option<u32>, taken: Option<u32>) -> Check {
    match taken {
        Some(taken) => Check::new().seats("organization", total, taken),
        None => Check::new(),
    }
}
