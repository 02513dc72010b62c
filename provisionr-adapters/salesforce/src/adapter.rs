//! The adapter: each method of the contract, and who does it.

use std::fmt;

use async_trait::async_trait;
use provisionr_http::HttpClient;
use provisionr_sdk::{
    Account, AccountQuery, Adapter, AdapterError, BatchOutcome, CallContext, Change, Check, Coverage, Descriptor, Found, Grant, KindName, ListScope,
    Observation, Outcome, Page, PageRequest, Probe, Request, Resolved, Result, Scope, Target, TargetName,
};

use crate::config::Facts;
use crate::kinds::{KINDS, What};
use crate::soql::Soql;

/// One Salesforce org. Made by [`SalesforceConfig::connect`](crate::SalesforceConfig::connect).
pub struct Salesforce {
    pub(crate) client: HttpClient,
    /// The org's own address, above that of the API.
    pub(crate) site: HttpClient,
    pub(crate) descriptor: Descriptor,
    pub(crate) facts: Facts,
}

impl fmt::Debug for Salesforce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Salesforce").field("system", &self.descriptor.system).field("client", &self.client).finish_non_exhaustive()
    }
}

#[async_trait]
impl Adapter for Salesforce {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    async fn find_account(&self, cx: &CallContext, who: &AccountQuery) -> Result<Found> {
        self.find(cx, who).await
    }

    async fn observe(&self, cx: &CallContext, account: &Account, scope: &Scope) -> Result<Observation> {
        let kinds: Vec<&What> = KINDS.into_iter().filter(|what| scope.wants_kind(what.name)).collect();
        let mut rows: Vec<Soql> = kinds.iter().filter_map(|what| what.rows([account.id.as_str()])).collect();
        // Both kinds of assignments are one list.
        rows.dedup();
        let person = self.person_or_gone(cx, account.id.as_str(), &rows, None).await?;
        let mut grants: Vec<Grant> = kinds.iter().flat_map(|what| what.grants(&person.user, &person.rows)).collect();
        grants.retain(|grant| scope.wants(&grant.entitlement));
        let coverage = kinds.iter().fold(Coverage::none(), |coverage, what| coverage.kind(what.name));
        Ok(Observation::new(self.account(&person), grants, coverage))
    }

    async fn apply(&self, cx: &CallContext, request: &Request) -> Result<Outcome> {
        match &request.change {
            Change::EnsureAccount(spec) => self.ensure(cx, request, spec).await,
            Change::UpdateAccount(delta) => self.update(cx, request.account()?, delta).await,
            Change::SetState(state) => self.set_state(cx, request.account()?, *state).await,
            Change::EndSessions => self.end_sessions(cx, request.account()?).await,
            Change::Grant(wanted) => self.grant(cx, request.account()?, What::of(&wanted.kind)?, wanted).await,
            Change::Revoke(unwanted) => self.revoke(cx, request, What::of(&unwanted.kind)?, unwanted).await,
            other => Err(AdapterError::unsupported(format_args!("{other}"))),
        }
    }

    async fn check(&self, cx: &CallContext) -> Result<Check> {
        self.check_all(cx).await
    }

    async fn resolve(&self, cx: &CallContext, kind: &KindName, names: &[TargetName]) -> Result<Vec<Resolved>> {
        self.names(cx, What::of(kind)?, names).await
    }

    async fn probe(&self, cx: &CallContext, request: &Request) -> Result<Probe> {
        self.look_at(cx, request).await
    }

    async fn apply_batch(&self, cx: &CallContext, requests: &[Request]) -> Result<BatchOutcome> {
        self.batch(cx, requests).await
    }

    async fn list_accounts(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Account>> {
        self.user_page(cx, page).await
    }

    async fn list_targets(&self, cx: &CallContext, kind: &KindName, page: &PageRequest) -> Result<Page<Target>> {
        self.targets(cx, What::of(kind)?, page).await
    }

    async fn list_grants(&self, cx: &CallContext, scope: &ListScope, page: &PageRequest) -> Result<Page<Grant>> {
        self.grants(cx, scope, page).await
    }
}
