//! Many users in one call: sObject collections, up to 200 records of one object, each with a result of its own.
//! <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_sobjects_collections.htm>

use std::collections::BTreeSet;

use provisionr_http::path;
use provisionr_sdk::{AdapterError, BatchOutcome, CallContext, Change, Grant, Outcome, Receipt, Request, Result, RetryHint};
use serde_json::{Value, json};

use crate::adapter::Salesforce;
use crate::api::read;
use crate::errors::{DUPLICATE_VALUE, may_be_gone, of_part, still_there};
use crate::grants::{id_of, no_target};
use crate::kinds::{Held, What, record, same_id, until};
use crate::soql::{Soql, is_id};
use crate::wire::{Row, Saved, UserLogin};

/// Records of a collection.
pub(crate) const MOST_RECORDS: usize = 200;

impl Salesforce {
    pub(crate) async fn batch(&self, cx: &CallContext, requests: &[Request]) -> Result<BatchOutcome> {
        let Some(first) = requests.first() else { return Ok(BatchOutcome::new()) };
        let (what, verb) = sort_of(first)?;
        let Held::Row { object, holder, target } = what.held else { return Err(AdapterError::unsupported(format_args!("batches of `{}`", what.name))) };
        // Objects of the setup may not be mixed in a collection, and a call is either of inserts or of deletes.
        let same = requests.iter().all(|request| sort_of(request).is_ok_and(|sort| sort == (what, verb)));
        if requests.len() > MOST_RECORDS || !same {
            return Err(AdapterError::invalid_request(format!("a batch is of up to {MOST_RECORDS} grants, or revocations, of one kind")));
        }
        let ids = requests.iter().filter_map(|request| request.account.as_ref()).map(|account| account.id.as_str()).filter(|id| is_id(id));
        let ids: BTreeSet<&str> = ids.collect();
        let (mut outcomes, mut left) = (BatchOutcome::new(), Vec::new());
        let targets: BTreeSet<&str> = requests.iter().filter_map(|request| id_of(request.change.entitlement()?).ok()).collect();
        let (mut active, mut rows) = (Vec::new(), Vec::new());
        if !ids.is_empty() && !targets.is_empty() {
            let users = Soql::select(&["Id"], "User").yes("IsActive").among("Id", ids.iter().copied());
            let frozen = UserLogin::query().yes("IsFrozen").among("UserId", ids.iter().copied());
            let queries: Vec<Soql> = [users, frozen].into_iter().chain(what.rows_on(ids.iter().copied(), targets)).collect();
            let mut told = self.together(cx, &queries).await?.into_iter();
            active = told.next().unwrap_or_default();
            let frozen = read::<UserLogin>(told.next())?;
            active.retain(|user| user.get("Id").and_then(Value::as_str).is_some_and(|id| !frozen.iter().any(|login| same_id(&login.user_id, id))));
            rows = read::<Row>(told.next())?;
        }
        for request in requests {
            match begin(what, verb, request, &active, &rows) {
                Ok(Begun::Left(row, receipt)) => left.push((request, row, receipt)),
                Ok(Begun::Done(receipt)) => drop(outcomes.insert(request.key.clone(), Ok(Outcome::Unchanged(receipt)))),
                Err(error) => drop(outcomes.insert(request.key.clone(), Err(error))),
            }
        }
        if left.is_empty() {
            return Ok(outcomes);
        }
        let call = if verb == Verb::Grant {
            let mut records = Vec::with_capacity(left.len());
            for (request, ..) in &left {
                let (Some(account), Some(wanted)) = (&request.account, request.change.entitlement()) else { continue };
                let mut record = record(holder, account.id.as_str(), target, wanted)?;
                record.as_object_mut().map(|fields| fields.insert("attributes".to_owned(), json!({ "type": object })));
                records.push(record);
            }
            self.client.post(path!["composite", "sobjects"]).json(&json!({ "allOrNone": false, "records": records }))
        } else {
            let ids: Vec<&str> = left.iter().filter_map(|(_, row, _)| row.as_deref()).collect();
            self.client.delete(path!["composite", "sobjects"]).query("ids", ids.join(",")).query("allOrNone", "false")
        };
        let answer = call.send(cx).await?;
        let saved: Vec<Saved> = answer.json()?;
        if saved.len() != left.len() {
            return Err(answer.unreadable("the answer has not as many results as the call has records"));
        }
        let mut in_doubt = Vec::new();
        for ((request, row, receipt), saved) in left.into_iter().zip(saved) {
            let result = match (!saved.success).then(|| of_part(&saved.errors)) {
                None => Ok(Outcome::Applied(receipt)),
                Some(error) if verb == Verb::Revoke && may_be_gone(&error) => {
                    in_doubt.push((request.key.clone(), row.unwrap_or_default(), error));
                    continue;
                }
                // Somebody was faster; with what, a look will tell.
                Some(error) if error.code() == Some(DUPLICATE_VALUE) => Err(error.with_hint(RetryHint::Alone)),
                Some(error) => Err(no_target(error)),
            };
            outcomes.insert(request.key.clone(), result);
        }
        if !in_doubt.is_empty() {
            let ids = in_doubt.iter().map(|(_, row, _)| row.as_str());
            let there = self.all::<Value>(cx, &Soql::select(&["Id"], object).among("Id", ids)).await;
            for (key, row, error) in in_doubt {
                let is_there = |there: &Vec<Value>| there.iter().filter_map(|record| record.get("Id")?.as_str()).any(|id| same_id(id, &row));
                outcomes.insert(
                    key,
                    match &there {
                        Ok(there) if is_there(there) => Err(still_there(&error)),
                        Ok(_) => Ok(Outcome::Unchanged(Receipt::new())),
                        Err(why) => Err(AdapterError::unavailable(format!("whether the row is gone could not be seen: {why}"))),
                    },
                );
            }
        }
        Ok(outcomes)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Grant,
    Revoke,
}

fn sort_of(request: &Request) -> Result<(&'static What, Verb)> {
    match &request.change {
        Change::Grant(wanted) => Ok((What::of(&wanted.kind)?, Verb::Grant)),
        Change::Revoke(unwanted) => Ok((What::of(&unwanted.kind)?, Verb::Revoke)),
        other => Err(AdapterError::unsupported(format_args!("batches of `{other}`"))),
    }
}

/// What the look leaves to do for one request.
enum Begun {
    Done(Receipt),
    /// A record to make, or the row of this id to delete.
    Left(Option<String>, Receipt),
}

fn begin(what: &What, verb: Verb, request: &Request, active: &[Value], rows: &[Row]) -> Result<Begun> {
    let account = request.account()?;
    let entitlement = request.change.entitlement().ok_or_else(|| AdapterError::unsupported(&request.change))?;
    let (target, day) = (id_of(entitlement)?, until(entitlement)?);
    let theirs = |row: &&Row| same_id(&row.holder, account.id.as_str()) && what.target(row).is_some_and(|held| same_id(held, target));
    let row = rows.iter().find(theirs);
    let held = row.and_then(|row| what.grant(row)).map(|grant| Grant { account: account.id.clone(), ..grant });
    if verb == Verb::Revoke {
        let (Some(row), Some(before)) = (row, held) else { return Ok(Begun::Done(Receipt::new().before_absent())) };
        request.check_expected(Some(&before))?;
        return Ok(Begun::Left(Some(row.id.clone()), Receipt::new().before_grant(before)));
    }
    if !active.iter().any(|user| user.get("Id").and_then(Value::as_str).is_some_and(|id| same_id(id, account.id.as_str()))) {
        return Err(AdapterError::conflict("the account is not there, or is deactivated or frozen").with_hint(RetryHint::Replan));
    }
    let given = Grant::direct(account.id.clone(), entitlement.clone());
    let receipt = Receipt::new().with_grant(given.clone());
    match (row, held) {
        (None, _) => Ok(Begun::Left(None, receipt.before_absent())),
        (Some(row), Some(_)) if row.until() == day => Ok(Begun::Done(receipt.before_grant(given))),
        _ => Err(AdapterError::conflict("it is held with another end, or has expired").with_hint(RetryHint::Alone)),
    }
}
