//! The adapter: each method of the contract, and who does it.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use provisionr_http::{HttpClient, Path, ScopedSource, path};
use provisionr_sdk::{
    Ability, Account, AccountQuery, AccountState, Adapter, AdapterError, CallContext, Change, Check, Coverage, Descriptor, Found, Grant, KindName, ListScope,
    Observation, Outcome, Page, PageRequest, Probe, Request, Resolved, Result, Scope, Target, TargetName, probe_by_looking,
};

use crate::config::{ConflictingAccounts, FirstPasswords, full};
use crate::errors::is_lacking;
use crate::groups::ADD_TO_GROUP;
use crate::org_units::{MOVE_TO_ORG_UNIT, no_such_kind, placement};

const UNSEEN: &str = "the group is not to be seen";

/// One Google Workspace customer. Made by [`GoogleConfig::connect`](crate::GoogleConfig::connect).
pub struct Google {
    pub(crate) client: HttpClient,
    pub(crate) descriptor: Descriptor,
    pub(crate) admin: Option<String>,
    /// The domain of the administrator.
    pub(crate) domain: Option<String>,
    /// The scopes of a service account; none for an access token, which has those it was made with.
    pub(crate) scopes: Option<ScopedSource>,
    /// How much of a user is asked for.
    pub(crate) projection: &'static str,
    pub(crate) conflicting: ConflictingAccounts,
    pub(crate) passwords: Option<Arc<dyn FirstPasswords>>,
}

impl fmt::Debug for Google {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Google").field("system", &self.descriptor.system).field("client", &self.client).finish_non_exhaustive()
    }
}

impl Google {
    /// What a service account was not delegated: any of these scopes would do.
    fn without_scope(&self, scopes: &[&str]) -> Option<String> {
        let given = self.scopes.as_ref()?.given();
        let lacking = !scopes.iter().any(|scope| given.contains(&full(scope)));
        lacking.then(|| format!("the service account is not delegated the scope {}", full(scopes.first().copied().unwrap_or_default())))
    }

    /// Whether something can be read. Only a refusal says that it cannot; any other failure says nothing of rights.
    async fn may_read(&self, cx: &CallContext, path: Path, parameter: (&str, &str)) -> Result<Option<String>> {
        match self.client.get(path).query(parameter.0, parameter.1).send(cx).await {
            Ok(_) => Ok(None),
            Err(error) if is_lacking(&error) => Ok(Some(error.to_string())),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Adapter for Google {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    async fn find_account(&self, cx: &CallContext, who: &AccountQuery) -> Result<Found> {
        self.find(cx, who).await
    }

    async fn observe(&self, cx: &CallContext, account: &Account, scope: &Scope) -> Result<Observation> {
        let user = self.user_or_gone(cx, account.id.as_str()).await?;
        let (mut grants, mut coverage) = (Vec::new(), Coverage::none());
        if scope.wants_kind(ADD_TO_GROUP) {
            let targets = scope.targets(ADD_TO_GROUP);
            let (held, unseen) = self.memberships(cx, &user.id, targets.as_ref()).await?;
            coverage = unseen.into_iter().fold(coverage, |coverage, group| coverage.unseen(ADD_TO_GROUP, Some(group.into()), UNSEEN));
            match targets {
                None => coverage = coverage.kind(ADD_TO_GROUP),
                Some(groups) => {
                    for group in groups {
                        // A list leaves out what is not to be seen.
                        let seen = held.iter().any(|grant| grant.entitlement.target == group) || self.group(cx, group.as_str()).await?.is_some();
                        coverage = if seen { coverage.target(ADD_TO_GROUP, group) } else { coverage.unseen(ADD_TO_GROUP, Some(group), UNSEEN) };
                    }
                }
            }
            grants.extend(held);
        }
        if scope.wants_kind(MOVE_TO_ORG_UNIT) {
            grants.push(placement(&user));
            coverage = coverage.kind(MOVE_TO_ORG_UNIT);
        }
        grants.retain(|grant| scope.wants(&grant.entitlement));
        Ok(Observation::new(self.account(&user), grants, coverage))
    }

    async fn apply(&self, cx: &CallContext, request: &Request) -> Result<Outcome> {
        match &request.change {
            Change::EnsureAccount(spec) => self.ensure(cx, request, spec).await,
            Change::UpdateAccount(delta) => self.update(cx, request.account()?, delta).await,
            Change::SetState(state) => self.set_state(cx, request.account()?, *state).await,
            Change::EndSessions => self.end_sessions(cx, request.account()?).await,
            Change::Grant(wanted) if wanted.kind == *ADD_TO_GROUP => self.join(cx, request.account()?, wanted).await,
            Change::Revoke(unwanted) if unwanted.kind == *ADD_TO_GROUP => self.leave(cx, request, request.account()?, unwanted).await,
            Change::Grant(wanted) if wanted.kind == *MOVE_TO_ORG_UNIT => self.move_to(cx, request.account()?, wanted).await,
            Change::Revoke(unwanted) if unwanted.kind == *MOVE_TO_ORG_UNIT => self.fall_back(cx, request, request.account()?, unwanted).await,
            other => Err(AdapterError::unsupported(format_args!("{other}"))),
        }
    }

    async fn check(&self, cx: &CallContext) -> Result<Check> {
        let (groups, units) = (KindName::from(ADD_TO_GROUP), KindName::from(MOVE_TO_ORG_UNIT));
        let root = |part: &str| path!["admin", "directory", "v1", part];
        // First, for the answer to the first request tells which scopes are given.
        let unseen = self.may_read(cx, root("users"), ("customer", "my_customer")).await?;
        let own = self.own_account(cx).await?;
        let mut check = own.into_iter().fold(Check::new(), |check, user| check.own(user.id));
        let accounts = [Ability::CreateAccount, Ability::UpdateAccount, Ability::SetState, Ability::Manage(units.clone())];
        check = check.lacks_all(accounts, self.without_scope(&["admin.directory.user"]));
        check = check.lacks_all([Ability::EndSessions], self.without_scope(&["admin.directory.user.security"]));
        let writes = self.without_scope(&["admin.directory.group.member", "admin.directory.group"]);
        check = check.lacks_all([Ability::Manage(groups.clone())], writes);
        // Who is looked at, or let into a group, is looked up first.
        let of_users = [Ability::ListAccounts, Ability::Observe(units.clone()), Ability::ListGrants(units.clone()), Ability::Observe(groups.clone())];
        check = check.lacks_all(of_users, unseen);
        let hidden = self.may_read(cx, root("groups"), ("customer", "my_customer")).await?;
        let of_groups = [Ability::Observe, Ability::ListTargets, Ability::ListGrants, Ability::Manage].map(|ability| ability(groups.clone()));
        check = check.lacks_all(of_groups, hidden);
        let hidden = self.may_read(cx, root("customer").segment("my_customer").segment("orgunits"), ("type", "children")).await?;
        Ok(check.lacks_all([Ability::ListTargets(units.clone()), Ability::Manage(units)], hidden))
    }

    async fn resolve(&self, cx: &CallContext, kind: &KindName, names: &[TargetName]) -> Result<Vec<Resolved>> {
        match kind.as_str() {
            ADD_TO_GROUP => {
                let mut resolved = Vec::with_capacity(names.len());
                for name in names {
                    resolved.push(Resolved { name: name.clone(), resolution: self.resolve_group(cx, name).await? });
                }
                Ok(resolved)
            }
            MOVE_TO_ORG_UNIT => self.resolve_units(cx, names).await,
            _ => Err(no_such_kind(kind)),
        }
    }

    async fn probe(&self, cx: &CallContext, request: &Request) -> Result<Probe> {
        match &request.change {
            Change::EnsureAccount(spec) => self.probe_ensure(cx, request, spec).await,
            Change::SetState(AccountState::Deleted) => self.probe_deleted(cx, request).await,
            _ => probe_by_looking(self, cx, request).await,
        }
    }

    async fn list_accounts(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Account>> {
        Ok(self.list_users(cx, page).await?.map(|user| self.account(&user)))
    }

    async fn list_targets(&self, cx: &CallContext, kind: &KindName, page: &PageRequest) -> Result<Page<Target>> {
        match kind.as_str() {
            ADD_TO_GROUP => Ok(self.list_groups(cx, page).await?.map(|group| group.target())),
            MOVE_TO_ORG_UNIT => Ok(Page::last(self.list_units(cx).await?)),
            _ => Err(no_such_kind(kind)),
        }
    }

    async fn list_grants(&self, cx: &CallContext, scope: &ListScope, page: &PageRequest) -> Result<Page<Grant>> {
        match (scope, scope.kind().as_str()) {
            (ListScope::Account(kind, account), ADD_TO_GROUP | MOVE_TO_ORG_UNIT) => {
                let account = Account::new(account.clone(), AccountState::Active);
                Ok(Page::last(self.observe(cx, &account, &Scope::Kinds(vec![kind.clone()])).await?.grants))
            }
            (ListScope::Kind(_), ADD_TO_GROUP) => self.list_all_members(cx, page).await,
            (ListScope::Target(_, group), ADD_TO_GROUP) => self.list_members(cx, group.as_str(), page).await,
            (ListScope::Kind(_), MOVE_TO_ORG_UNIT) => Ok(self.list_users(cx, page).await?.map(|user| placement(&user))),
            (ListScope::Target(_, unit), MOVE_TO_ORG_UNIT) => Ok(self.users_in(cx, unit.as_str(), page).await?.map(|user| placement(&user))),
            (other, _) => Err(AdapterError::unsupported(other)),
        }
    }
}
