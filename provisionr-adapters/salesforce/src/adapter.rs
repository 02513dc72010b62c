//! The adapter: each method of the contract, and who does it.

use std::fmt;

use async_trait::async_trait;
use provisionr_http::HttpClient;
use provisionr_sdk::{
    Ability, Account, AccountQuery, Adapter, AdapterError, BatchOutcome, CallContext, Change, Check, Coverage, Descriptor, ErrorKind, Found, Grant, KindName,
    ListScope, Observation, Outcome, Page, PageRequest, Probe, Request, Resolved, Result, Scope, Target, TargetName,
};
use serde_json::Value;

use crate::api::read;
use crate::config::Facts;
use crate::kinds::{KINDS, SET, SET_GROUP, What};
use crate::soql::Soql;
use crate::wire::{User, UserLogin};

/// One Salesforce org. Made by [`SalesforceConfig::connect`](crate::SalesforceConfig::connect).
pub struct Salesforce {
    pub(crate) client: HttpClient,
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
        let licences = |name, object| Soql::select(&[name, "TotalLicenses", "UsedLicenses"], object);
        let mut queries = vec![
            licences("Name", "UserLicense"),
            licences("MasterLabel", "PermissionSetLicense"),
            UserLogin::query().one_row(),
            Soql::select(&["Id"], "PermissionSetAssignment").one_row(),
        ];
        // What is asked of every user: a custom field that is not there shows here.
        queries.push(match &self.facts.username {
            Some(name) => self.users().is("Username", name),
            None => self.users().one_row(),
        });
        let mut told = self.each(cx, &queries).await?.into_iter();
        let mut check = Check::new();
        for label in ["Name", "MasterLabel"] {
            for licence in seen(told.next())?.unwrap_or_default() {
                let count = |field| licence.get(field).and_then(Value::as_i64).and_then(|count| u32::try_from(count).ok());
                let pool = licence.get(label).and_then(Value::as_str).unwrap_or_default();
                check = check.seats(pool, count("TotalLicenses"), count("UsedLicenses").unwrap_or(0));
            }
        }
        let accounts = [Ability::CreateAccount, Ability::UpdateAccount, Ability::SetState, Ability::EndSessions, Ability::ListAccounts];
        if let Err(why) = seen(told.next())? {
            check = check.lacks_all(accounts.clone(), format!("the credential has not the permission \"Manage Users\": {why}"));
        }
        let all = |what: &What| [Ability::Manage, Ability::Observe, Ability::ListTargets, Ability::ListGrants].map(|ability| ability(what.name.into()));
        if let Err(why) = seen(told.next())? {
            let why = format!("the credential has not the permissions \"Assign Permission Sets\" and \"View Setup and Configuration\": {why}");
            check = check.lacks_all([&SET, &SET_GROUP].into_iter().flat_map(all), why);
        }
        let own = seen(told.next())?;
        match (&self.facts.username, own) {
            (_, Err(why)) => check = check.lacks_all(accounts, why),
            (Some(_), Ok(records)) => check = read::<User>(Some(records))?.into_iter().fold(check, |check, user| check.own(user.id)),
            (None, Ok(_)) => {}
        }
        Ok(check)
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

/// What a query of a check showed, or why it may not be asked. Any other failure says nothing of rights.
fn seen(told: Option<Result<Vec<Value>>>) -> Result<Result<Vec<Value>, String>> {
    match told.unwrap_or_else(|| Ok(Vec::new())) {
        Ok(records) => Ok(Ok(records)),
        Err(error) if *error.kind() == ErrorKind::PermissionDenied => Ok(Err(error.to_string())),
        Err(error) => Err(error),
    }
}
