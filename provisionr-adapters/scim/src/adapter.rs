//! The adapter: each method of the contract, and who does it.

use std::fmt;

use async_trait::async_trait;
use provisionr_http::scim::Scim;
use provisionr_sdk::{
    Account, AccountQuery, AccountState, Adapter, AdapterError, CallContext, Change, Check, Coverage, Descriptor, Found, Grant, KindName, ListScope,
    Observation, Outcome, Page, PageRequest, Request, Resolved, Result, Scope, Target, TargetName,
};

use crate::config::{Part, Quirks};
use crate::groups::ADD_TO_GROUP;

/// One service that speaks SCIM 2.0. Made by [`ScimConfig::connect`](crate::ScimConfig::connect).
pub struct ScimService {
    pub(crate) scim: Scim,
    pub(crate) descriptor: Descriptor,
    pub(crate) quirks: Quirks,
}

impl fmt::Debug for ScimService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScimService").field("system", &self.descriptor.system).field("quirks", &self.quirks).finish_non_exhaustive()
    }
}

impl ScimService {
    fn has(&self, kind: &KindName) -> Result<()> {
        if *kind == *ADD_TO_GROUP && !self.quirks.lacks(Part::Groups) { Ok(()) } else { Err(AdapterError::unsupported(format_args!("the kind `{kind}`"))) }
    }
}

#[async_trait]
impl Adapter for ScimService {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    async fn find_account(&self, cx: &CallContext, who: &AccountQuery) -> Result<Found> {
        self.find(cx, who).await
    }

    async fn observe(&self, cx: &CallContext, account: &Account, scope: &Scope) -> Result<Observation> {
        let user = self.user_or_gone(cx, account.id.as_str()).await?;
        if !scope.wants_kind(ADD_TO_GROUP) || self.quirks.lacks(Part::Groups) {
            return Ok(Observation::new(self.account(&user), Vec::new(), Coverage::none()));
        }
        let (grants, coverage) = match scope.targets(ADD_TO_GROUP) {
            Some(targets) => self.held_among(cx, user.id(), targets).await?,
            None => self.held(cx, &user).await?,
        };
        Ok(Observation::new(self.account(&user), grants, coverage))
    }

    async fn apply(&self, cx: &CallContext, request: &Request) -> Result<Outcome> {
        match &request.change {
            Change::EnsureAccount(spec) => self.ensure(cx, request, spec).await,
            Change::UpdateAccount(delta) => self.update(cx, request.account()?, delta).await,
            Change::SetState(state) => self.set_state(cx, request.account()?, *state).await,
            Change::Grant(wanted) if self.has(&wanted.kind).is_ok() => self.join(cx, request.account()?, wanted).await,
            Change::Revoke(unwanted) if self.has(&unwanted.kind).is_ok() => self.leave(cx, request, request.account()?, unwanted).await,
            other => Err(AdapterError::unsupported(format_args!("{other}"))),
        }
    }

    async fn check(&self, cx: &CallContext) -> Result<Check> {
        self.check_service(cx).await
    }

    async fn resolve(&self, cx: &CallContext, kind: &KindName, names: &[TargetName]) -> Result<Vec<Resolved>> {
        self.has(kind)?;
        self.resolve_groups(cx, names).await
    }

    async fn list_accounts(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Account>> {
        Ok(self.scim.users(cx, page).await?.map(|user| self.account(&user)))
    }

    async fn list_targets(&self, cx: &CallContext, kind: &KindName, page: &PageRequest) -> Result<Page<Target>> {
        self.has(kind)?;
        Ok(self.scim.group_names(cx, page).await?.map(|group| Target::new(group.id(), group.name())))
    }

    async fn list_grants(&self, cx: &CallContext, scope: &ListScope, page: &PageRequest) -> Result<Page<Grant>> {
        self.has(scope.kind())?;
        match scope {
            ListScope::Kind(_) => self.list_memberships(cx, page).await,
            ListScope::Target(_, group) => self.list_members(cx, group.as_str()).await,
            ListScope::Account(kind, account) => {
                let account = Account::new(account.clone(), AccountState::Active);
                let seen = self.observe(cx, &account, &Scope::Kinds(vec![kind.clone()])).await?;
                let gap = seen.coverage.gaps().next().map(|(_, _, why)| why.to_owned());
                Ok(gap.into_iter().fold(Page::last(seen.grants), Page::incomplete))
            }
            other => Err(AdapterError::unsupported(other)),
        }
    }
}
