//! Giving and taking, one at a time.

use provisionr_http::path;
use provisionr_sdk::{
    Account, AccountState, AdapterError, CallContext, Date, Entitlement, ErrorKind, Grant, Outcome, Receipt, Request, Result, RetryHint, TargetName,
};
use serde_json::{Value, json};

use crate::adapter::Salesforce;
use crate::api::Person;
use crate::errors::{DUPLICATE_VALUE, NOT_WRITABLE, is_gone};
use crate::kinds::{Table, What, same_id, until};
use crate::soql::{Soql, is_id};
use crate::wire::{Row, Saved, end_of};

impl Salesforce {
    pub(crate) async fn grant(&self, cx: &CallContext, account: &Account, what: What, wanted: &Entitlement) -> Result<Outcome> {
        let target = id_of(wanted)?;
        let day = until(wanted)?;
        let rows: Vec<Soql> = what.rows([account.id.as_str()]).into_iter().collect();
        let person = self.person_or_gone(cx, account.id.as_str(), &rows, None).await?;
        self.must_be_active(&person)?;
        let user = person.user.id.as_str();
        let given = Grant::direct(account.id.clone(), wanted.clone());
        let receipt = Receipt::new().with_grant(given.clone());
        let Some(field) = what.field() else {
            let Some(table) = what.table() else { return Err(AdapterError::unsupported(wanted)) };
            return match what.row_on(&person.rows, target) {
                Some(row) if row.is_active && row.until() == day => Ok(Outcome::Unchanged(receipt.before_grant(given))),
                Some(row) => {
                    let receipt = match what.grant(row) {
                        Some(before) => receipt.before_grant(Grant { account: account.id.clone(), ..before }),
                        None => receipt.before_absent(),
                    };
                    self.change(cx, table, row, &what.record(user, wanted)?, day).await?;
                    Ok(Outcome::Applied(receipt))
                }
                None => self.add(cx, what, table, &person, wanted, receipt.before_absent()).await,
            };
        };
        let held = person.user.text(field);
        if held.is_some_and(|held| same_id(held, target)) {
            return Ok(Outcome::Unchanged(receipt.before_grant(given)));
        }
        self.set(cx, "User", user, &json!({ (field): target })).await.map_err(no_target)?;
        let receipt = receipt.before_absent();
        Ok(Outcome::Applied(match held {
            Some(before) => receipt.and_changed(format!("{} {before} is no longer held", what.name())),
            None => receipt,
        }))
    }

    fn must_be_active(&self, person: &Person) -> Result<()> {
        match self.account(person).state {
            AccountState::Active => Ok(()),
            state => Err(AdapterError::conflict(format!("the account is {state}")).with_hint(RetryHint::Replan)),
        }
    }

    async fn insert(&self, cx: &CallContext, table: Table, record: &Value) -> Result<()> {
        let answer = self.client.post(path!["sobjects", table.object]).json(record).send(cx).await?;
        if answer.json::<Saved>()?.success { Ok(()) } else { Err(answer.unreadable("the record is said to be created, and not to be saved")) }
    }

    async fn add(&self, cx: &CallContext, what: What, table: Table, person: &Person, wanted: &Entitlement, receipt: Receipt) -> Result<Outcome> {
        let user = person.user.id.as_str();
        let error = match self.insert(cx, table, &what.record(user, wanted)?).await {
            // Of a membership that somebody was faster to make the answer is the same: the row that is there.
            Ok(()) => return Ok(Outcome::Applied(receipt)),
            Err(error) if error.code() == Some(DUPLICATE_VALUE) => error,
            Err(error) => return Err(no_target(error)),
        };
        let rows: Vec<Row> = match what.rows([user]) {
            Some(rows) => self.all(cx, &rows).await?,
            None => Vec::new(),
        };
        match what.row_on(&rows, wanted.target.as_str()) {
            Some(row) if row.is_active && row.until() == until(wanted)? => Ok(Outcome::Unchanged(Receipt::new())),
            _ => Err(error),
        }
    }

    /// Gives a row another end. `ExpirationDate` can be updated since version 52
    /// (<https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_permissionsetassignment.htm>);
    /// where an org refuses that, and where the old end has passed, the row is replaced.
    async fn change(&self, cx: &CallContext, table: Table, row: &Row, record: &Value, day: Option<Date>) -> Result<()> {
        if row.is_active {
            match self.set(cx, table.object, &row.id, &json!({ "ExpirationDate": day.map(end_of) })).await {
                Err(error) if error.code() == Some(NOT_WRITABLE) => {}
                done => return done,
            }
        }
        self.remove(cx, table, &row.id).await?;
        self.insert(cx, table, record).await.map_err(AdapterError::effect_unknown)
    }

    async fn remove(&self, cx: &CallContext, table: Table, row: &str) -> Result<()> {
        match self.client.delete(path!["sobjects", table.object, row]).send(cx).await {
            Ok(answer) => answer.empty(),
            // The row was read a moment ago. Which of three codes tells that it has gone since is not documented.
            Err(error) if is_gone(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn revoke(&self, cx: &CallContext, request: &Request, account: &Account, what: What, unwanted: &Entitlement) -> Result<Outcome> {
        let target = id_of(unwanted)?;
        let id = account.id.as_str();
        if what == What::Profile {
            return self.fall_back(cx, request, account, unwanted).await;
        }
        let rows: Vec<Soql> = what.rows([id]).into_iter().collect();
        let person = self.person_or_gone(cx, id, &rows, None).await?;
        let held = what.grants(&person.user, &person.rows).into_iter().find(|grant| same_id(grant.entitlement.target.as_str(), target));
        // The lists of rows hide nothing from who may read them: what is not among them is not held.
        let Some(before) = held else { return Ok(Outcome::Unchanged(Receipt::new().before_absent())) };
        request.check_expected(Some(&before))?;
        match (what.field(), what.table(), what.row_on(&person.rows, target)) {
            (Some(field), ..) => self.set(cx, "User", &person.user.id, &json!({ (field): null })).await?,
            (None, Some(table), Some(row)) => self.remove(cx, table, &row.id).await?,
            _ => return Err(AdapterError::unsupported(unwanted)),
        }
        Ok(Outcome::Applied(Receipt::new().before_grant(before)))
    }

    /// A user without a profile cannot be: another one takes its place.
    async fn fall_back(&self, cx: &CallContext, request: &Request, account: &Account, unwanted: &Entitlement) -> Result<Outcome> {
        let Some(fallback) = &self.facts.fallback else {
            return Err(AdapterError::refused("a user always has a profile: grant another one, or configure the one to fall back to"));
        };
        let query = What::Profile.targets().is("Name", fallback.as_str());
        let person = self.person_or_gone(cx, account.id.as_str(), &[], Some(query)).await?;
        let held = What::Profile.grants(&person.user, &[]).into_iter().find(|grant| same_id(grant.entitlement.target.as_str(), unwanted.target.as_str()));
        let Some(before) = held else { return Ok(Outcome::Unchanged(Receipt::new().before_absent())) };
        request.check_expected(Some(&before))?;
        let named = |profile: &&Value| profile.get("Name").and_then(Value::as_str).map(TargetName::from).as_ref() == Some(fallback);
        let Some(profile) = person.more.iter().find(named).and_then(|profile| profile.get("Id")?.as_str()) else {
            return Err(AdapterError::invalid_config(format!("there is no profile `{fallback}` to fall back to")));
        };
        if same_id(profile, unwanted.target.as_str()) {
            return Err(AdapterError::refused("this is the profile that users fall back to"));
        }
        self.set(cx, "User", &person.user.id, &json!({ "ProfileId": profile })).await?;
        let now = Grant::direct(account.id.clone(), Entitlement::new(What::Profile.name(), profile));
        Ok(Outcome::Applied(Receipt::new().before_grant(before).with_grant(now)))
    }
}

/// The target's id. One without the form of an id can be nothing in Salesforce.
pub(crate) fn id_of(entitlement: &Entitlement) -> Result<&str> {
    let id = entitlement.target.as_str();
    if is_id(id) { Ok(id) } else { Err(AdapterError::target_not_found(format!("`{id}` is no id of Salesforce"))) }
}

/// The account has been seen: what a write does not find is the target.
fn no_target(error: AdapterError) -> AdapterError {
    match error.kind() {
        ErrorKind::NotFound(_) => AdapterError::target_not_found(error.message()).with_code(error.code().unwrap_or_default()),
        _ => error,
    }
}
