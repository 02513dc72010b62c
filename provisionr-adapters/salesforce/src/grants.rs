//! Giving and taking, one at a time.

use provisionr_http::path;
use provisionr_sdk::{Account, AccountState, AdapterError, CallContext, Date, Entitlement, ErrorKind, Grant, Outcome, Receipt, Request, Result, RetryHint};
use serde_json::{Value, json};

use crate::adapter::Salesforce;
use crate::api::Person;
use crate::errors::{DUPLICATE_VALUE, MALFORMED_ID, NOT_WRITABLE, may_be_gone, still_there};
use crate::kinds::{Held, PROFILE, What, record, same_id, until};
use crate::soql::{Soql, is_id};
use crate::wire::{Row, Saved, end_of};

/// When a row went: by this call, or by somebody's who was faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Removed {
    Now,
    Before,
}

impl Salesforce {
    pub(crate) async fn grant(&self, cx: &CallContext, account: &Account, what: &What, wanted: &Entitlement) -> Result<Outcome> {
        let target = id_of(wanted)?;
        let day = until(wanted)?;
        let rows: Vec<Soql> = what.rows([account.id.as_str()]).into_iter().collect();
        let person = self.person_or_gone(cx, account.id.as_str(), &rows, None).await?;
        match self.account(&person).state {
            AccountState::Active => {}
            state => return Err(AdapterError::conflict(format!("the account is {state}")).with_hint(RetryHint::Replan)),
        }
        let user = person.user.id.as_str();
        let given = Grant::direct(account.id.clone(), wanted.clone());
        let receipt = Receipt::new().with_grant(given.clone());
        let (object, holder, field) = match what.held {
            Held::Row { object, holder, target } => (object, holder, target),
            Held::Field(field) => {
                let held = person.user.text(field);
                if held.is_some_and(|held| same_id(held, target)) {
                    return Ok(Outcome::Unchanged(receipt.before_grant(given)));
                }
                self.set(cx, "User", user, &json!({ (field): target })).await.map_err(no_target)?;
                let receipt = receipt.before_absent();
                return Ok(Outcome::Applied(match held {
                    Some(before) => receipt.and_changed(format!("{} {before} is no longer held", what.name)),
                    None => receipt,
                }));
            }
        };
        let record = record(holder, user, field, wanted)?;
        let Some(row) = what.row_on(&person.rows, target) else {
            let error = match self.insert(cx, object, &record).await {
                // A membership that somebody was faster to make is answered alike.
                Ok(()) => return Ok(Outcome::Applied(receipt.before_absent())),
                Err(error) if error.code() == Some(DUPLICATE_VALUE) => error,
                Err(error) => return Err(no_target(error)),
            };
            let rows = self.person_or_gone(cx, user, &rows, None).await?.rows;
            let same = what.row_on(&rows, target).is_some_and(|row| row.is_active && row.until() == day);
            return if same { Ok(Outcome::Unchanged(Receipt::new())) } else { Err(error) };
        };
        if row.is_active && row.until() == day {
            return Ok(Outcome::Unchanged(receipt.before_grant(given)));
        }
        self.change(cx, object, row, &record, day).await?;
        Ok(Outcome::Applied(match what.grant(row) {
            Some(before) => receipt.before_grant(Grant { account: account.id.clone(), ..before }),
            None => receipt.before_absent(),
        }))
    }

    async fn insert(&self, cx: &CallContext, object: &str, record: &Value) -> Result<()> {
        let answer = self.client.post(path!["sobjects", object]).json(record).send(cx).await?;
        if answer.json::<Saved>()?.success { Ok(()) } else { Err(answer.unreadable("the record is said to be created, and not to be saved")) }
    }

    /// Gives a row another end. `ExpirationDate` can be updated since version 52
    /// (<https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_permissionsetassignment.htm>);
    /// where an org refuses that, and where the old end has passed, the row is replaced.
    async fn change(&self, cx: &CallContext, object: &'static str, row: &Row, record: &Value, day: Option<Date>) -> Result<()> {
        if row.is_active {
            match self.set(cx, object, &row.id, &json!({ "ExpirationDate": day.map(end_of) })).await {
                Err(error) if error.code() == Some(NOT_WRITABLE) => {}
                done => return done,
            }
        }
        self.remove(cx, object, &row.id).await?;
        self.insert(cx, object, record).await.map_err(AdapterError::effect_unknown)
    }

    async fn remove(&self, cx: &CallContext, object: &'static str, row: &str) -> Result<Removed> {
        match self.client.delete(path!["sobjects", object, row]).send(cx).await {
            Ok(answer) => answer.empty().map(|()| Removed::Now),
            Err(error) if may_be_gone(&error) => {
                let left: Vec<Value> = self.all(cx, &Soql::select(&["Id"], object).is("Id", row)).await?;
                if left.is_empty() { Ok(Removed::Before) } else { Err(still_there(&error)) }
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn revoke(&self, cx: &CallContext, request: &Request, what: &What, unwanted: &Entitlement) -> Result<Outcome> {
        let (account, target) = (request.account()?, id_of(unwanted)?);
        let rows: Vec<Soql> = what.rows([account.id.as_str()]).into_iter().collect();
        // A user without a profile cannot be: another one takes its place.
        let fallback = self.facts.fallback.as_ref().filter(|_| what == &PROFILE).map(|name| what.targets().is("Name", name.as_str()));
        let person = self.person_or_gone(cx, account.id.as_str(), &rows, fallback).await?;
        let held = what.grants(&person.user, &person.rows).into_iter().find(|grant| same_id(grant.entitlement.target.as_str(), target));
        // Lists of rows hide nothing from who may read them: what is not among them is not held.
        let Some(before) = held else { return Ok(Outcome::Unchanged(Receipt::new().before_absent())) };
        request.check_expected(Some(&before))?;
        let mut receipt = Receipt::new().before_grant(before);
        match (what.held, what.row_on(&person.rows, target)) {
            (Held::Row { object, .. }, Some(row)) => {
                if self.remove(cx, object, &row.id).await? == Removed::Before {
                    return Ok(Outcome::Unchanged(Receipt::new()));
                }
            }
            (Held::Row { .. }, None) => return Err(AdapterError::protocol("a grant was read without its row")),
            (Held::Field(field), _) => {
                let now = if what == &PROFILE { Some(self.instead(&person, target)?) } else { None };
                self.set(cx, "User", &person.user.id, &json!({ (field): now })).await?;
                receipt = now.into_iter().fold(receipt, |receipt, now| receipt.with_grant(Grant::direct(account.id.clone(), Entitlement::new(what.name, now))));
            }
        }
        Ok(Outcome::Applied(receipt))
    }

    /// The profile that takes the place of this one.
    fn instead<'p>(&self, person: &'p Person, taken: &str) -> Result<&'p str> {
        let Some(fallback) = &self.facts.fallback else {
            return Err(AdapterError::refused("a user always has a profile: grant another one, or configure the one to fall back to"));
        };
        let named = |profile: &&Value| profile.get("Name").and_then(Value::as_str) == Some(fallback.as_str());
        match person.more.iter().find(named).and_then(|profile| profile.get("Id")?.as_str()) {
            None => Err(AdapterError::invalid_config(format!("there is no profile `{fallback}` to fall back to"))),
            Some(profile) if same_id(profile, taken) => Err(AdapterError::refused("this is the profile that users fall back to")),
            Some(profile) => Ok(profile),
        }
    }
}

/// The target's id. One without the form of an id can be nothing in Salesforce.
pub(crate) fn id_of(entitlement: &Entitlement) -> Result<&str> {
    let id = entitlement.target.as_str();
    if is_id(id) { Ok(id) } else { Err(AdapterError::target_not_found(format!("`{id}` is no id of Salesforce"))) }
}

/// The account has been seen: what a write does not find is the target.
pub(crate) fn no_target(error: AdapterError) -> AdapterError {
    let code = error.code().unwrap_or_default();
    // An id of another object's form is malformed.
    if matches!(error.kind(), ErrorKind::NotFound(_)) || code == MALFORMED_ID {
        return AdapterError::target_not_found(error.message()).with_code(code);
    }
    error
}
