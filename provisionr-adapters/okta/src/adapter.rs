//! The adapter: each method of the contract, and who does it.

use std::fmt;

use async_trait::async_trait;
use provisionr_http::{HttpClient, path};
use provisionr_sdk::{
    Ability, Account, AccountQuery, AccountState, Adapter, AdapterError, CallContext, Change, Check, Coverage, Descriptor, Found, Grant, KindName, ListScope,
    Observation, Outcome, Page, PageRequest, Probe, Request, Resolved, Result, Scope, Target, TargetName, probe_by_looking,
};

use crate::apps::{ASSIGN_APP, assignable};
use crate::config::Facts;
use crate::errors::is_lacking;
use crate::groups::{ADD_TO_GROUP, no_such_kind};
use crate::wire::User;

/// One Okta org. Made by [`OktaConfig::connect`](crate::OktaConfig::connect).
pub struct Okta {
    pub(crate) client: HttpClient,
    pub(crate) descriptor: Descriptor,
    pub(crate) facts: Facts,
}

impl fmt::Debug for Okta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Okta").field("system", &self.descriptor.system).field("client", &self.client).finish_non_exhaustive()
    }
}

impl Okta {
    /// Whether something can be read. Only a refusal says that it cannot; any other failure says nothing of rights.
    async fn may_read(&self, cx: &CallContext, path: provisionr_http::Path) -> Result<Option<String>> {
        match self.client.get(path).query("limit", 1).send(cx).await {
            Ok(_) => Ok(None),
            Err(error) if is_lacking(&error) => Ok(Some(error.to_string())),
            Err(error) => Err(error),
        }
    }

    /// What a service app was not given the scope for.
    fn without_scope(&self, scope: &str) -> Option<String> {
        let given = self.facts.scopes.as_ref()?.given();
        (!given.iter().any(|given| given == scope)).then(|| format!("the service app is not given the scope `{scope}`"))
    }
}

#[async_trait]
impl Adapter for Okta {
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
            grants.extend(self.memberships(cx, &user).await?);
            match scope.targets(ADD_TO_GROUP) {
                None => coverage = coverage.kind(ADD_TO_GROUP),
                Some(groups) => {
                    for group in groups {
                        let held = grants.iter().any(|grant| grant.entitlement.target == group);
                        // A list leaves out what is not to be seen.
                        coverage = if held || self.group(cx, group.as_str()).await?.is_some() {
                            coverage.target(ADD_TO_GROUP, group)
                        } else {
                            coverage.unseen(ADD_TO_GROUP, Some(group), "the group is not to be seen")
                        };
                    }
                }
            }
        }
        match scope.targets(ASSIGN_APP) {
            None if scope.wants_kind(ASSIGN_APP) => {
                grants.extend(self.assignments(cx, &user.id).await?);
                coverage = coverage.kind(ASSIGN_APP);
            }
            None => {}
            Some(apps) => {
                for app in apps {
                    let assigned = self.assignment(cx, app.as_str(), &user.id).await?;
                    // "Not assigned" and "not to be seen" are one answer.
                    coverage = if assigned.is_some() || self.app(cx, app.as_str()).await?.is_some() {
                        coverage.target(ASSIGN_APP, app)
                    } else {
                        coverage.unseen(ASSIGN_APP, Some(app), "the app is not to be seen")
                    };
                    grants.extend(assigned);
                }
            }
        }
        grants.retain(|grant| scope.wants(&grant.entitlement));
        Ok(Observation::new(user.account(&self.facts)?, grants, coverage))
    }

    async fn apply(&self, cx: &CallContext, request: &Request) -> Result<Outcome> {
        match &request.change {
            Change::EnsureAccount(spec) => self.ensure(cx, request, spec).await,
            Change::UpdateAccount(delta) => self.update(cx, request.account()?, delta).await,
            Change::SetState(state) => self.set_state(cx, request.account()?, *state).await,
            Change::EndSessions => self.end_sessions(cx, request.account()?).await,
            Change::Grant(wanted) if wanted.kind == *ADD_TO_GROUP => self.join(cx, request.account()?, wanted).await,
            Change::Revoke(unwanted) if unwanted.kind == *ADD_TO_GROUP => self.leave(cx, request, request.account()?, unwanted).await,
            Change::Grant(wanted) if wanted.kind == *ASSIGN_APP => self.assign(cx, request.account()?, wanted).await,
            Change::Revoke(unwanted) if unwanted.kind == *ASSIGN_APP => self.unassign(cx, request, request.account()?, unwanted).await,
            other => Err(AdapterError::unsupported(format_args!("{other}"))),
        }
    }

    async fn check(&self, cx: &CallContext) -> Result<Check> {
        let (groups, apps) = (KindName::from(ADD_TO_GROUP), KindName::from(ASSIGN_APP));
        let mut check = Check::new();
        // A service app is no user, and has no account of its own.
        if self.facts.scopes.is_none() {
            let me: User = self.client.get(path!["api", "v1", "users", "me"]).send(cx).await?.json()?;
            check = check.own(me.id);
        }
        // First, for the answer to the first request tells which scopes are given.
        let unseen = self.may_read(cx, path!["api", "v1", "users"]).await?;
        let accounts = [Ability::CreateAccount, Ability::UpdateAccount, Ability::SetState, Ability::EndSessions];
        check = check.lacks_all(accounts, self.without_scope("okta.users.manage"));
        check = check.lacks_all([Ability::Manage(groups.clone())], self.without_scope("okta.groups.manage"));
        check = check.lacks_all([Ability::Manage(apps.clone())], self.without_scope("okta.apps.manage"));
        // What somebody holds is asked below the user, and who is changed is looked at first.
        let of_users = [&groups, &apps].into_iter().flat_map(|kind| [Ability::Observe(kind.clone()), Ability::Manage(kind.clone())]);
        check = check.lacks_all(of_users.chain([Ability::ListAccounts]), unseen);
        // Without its rules nobody knows who may be taken out of a group.
        let hidden = match self.may_read(cx, path!["api", "v1", "groups"]).await? {
            None => self.may_read(cx, path!["api", "v1", "groups", "rules"]).await?,
            hidden => hidden,
        };
        let all = |kind: &KindName| [Ability::Manage, Ability::Observe, Ability::ListTargets, Ability::ListGrants].map(|ability| ability(kind.clone()));
        check = check.lacks_all(all(&groups), hidden);
        Ok(check.lacks_all(all(&apps), self.may_read(cx, path!["api", "v1", "apps"]).await?))
    }

    async fn resolve(&self, cx: &CallContext, kind: &KindName, names: &[TargetName]) -> Result<Vec<Resolved>> {
        let mut resolved = Vec::with_capacity(names.len());
        for name in names {
            let resolution = match kind.as_str() {
                ADD_TO_GROUP => self.resolve_group(cx, name).await?,
                ASSIGN_APP => self.resolve_app(cx, name).await?,
                _ => return Err(no_such_kind(kind)),
            };
            resolved.push(Resolved { name: name.clone(), resolution });
        }
        Ok(resolved)
    }

    async fn probe(&self, cx: &CallContext, request: &Request) -> Result<Probe> {
        match &request.change {
            Change::EnsureAccount(spec) => self.probe_ensure(cx, request, spec).await,
            Change::SetState(AccountState::Deleted) => self.probe_deleted(cx, request.account()?).await,
            _ => probe_by_looking(self, cx, request).await,
        }
    }

    async fn list_accounts(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Account>> {
        let Page { items, next, completeness } = self.list_users(cx, page).await?;
        let items = items.iter().map(|user| user.account(&self.facts)).collect::<Result<_>>()?;
        Ok(Page { items, next, completeness })
    }

    async fn list_targets(&self, cx: &CallContext, kind: &KindName, page: &PageRequest) -> Result<Page<Target>> {
        match kind.as_str() {
            ADD_TO_GROUP => Ok(self.list_groups(cx, page).await?.map(|group| group.target())),
            ASSIGN_APP => Ok(assignable(self.list_apps(cx, page).await?)),
            _ => Err(no_such_kind(kind)),
        }
    }

    async fn list_grants(&self, cx: &CallContext, scope: &ListScope, page: &PageRequest) -> Result<Page<Grant>> {
        match (scope, scope.kind().as_str()) {
            (_, kind) if ![ADD_TO_GROUP, ASSIGN_APP].contains(&kind) => Err(no_such_kind(scope.kind())),
            (ListScope::Account(kind, account), _) => {
                let account = Account::new(account.clone(), AccountState::Active);
                Ok(Page::last(self.observe(cx, &account, &Scope::Kinds(vec![kind.clone()])).await?.grants))
            }
            (ListScope::Target(_, app), ASSIGN_APP) => self.list_assignments(cx, app.as_str(), page).await,
            (ListScope::Target(_, group), _) => match self.group(cx, group.as_str()).await? {
                Some(group) => self.list_members(cx, &group, page).await,
                None => Err(AdapterError::target_not_found("the group is not there, or not to be seen")),
            },
            (ListScope::Kind(_), ASSIGN_APP) => self.list_all_assignments(cx, page).await,
            (ListScope::Kind(_), _) => self.list_all_members(cx, page).await,
            (other, _) => Err(AdapterError::unsupported(other)),
        }
    }
}
