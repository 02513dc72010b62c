//! Many users in one call: sObject collections, up to 200 records of one object, each with a result of its own.
//! <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_sobjects_collections.htm>

use std::collections::BTreeSet;

use provisionr_http::path;
use provisionr_sdk::{AdapterError, BatchOutcome, CallContext, Change, Entitlement, ErrorKind, Grant, Outcome, Receipt, Request, Result, RetryHint};
use serde_json::{Value, json};

use crate::adapter::Salesforce;
use crate::api::read;
use crate::errors::{DUPLICATE_VALUE, is_gone, of_part};
use crate::grants::id_of;
use crate::kinds::{Table, What, same_id, until};
use crate::soql::{Soql, is_id};
use crate::wire::{Row, Saved};

/// Records of a collection.
pub(crate) const MOST_RECORDS: usize = 200;

/// What is left to send for one request.
struct Left<'r> {
    request: &'r Request,
    /// The record to insert, or the id of the one to delete.
    record: Value,
    receipt: Receipt,
}

impl Salesforce {
    pub(crate) async fn batch(&self, cx: &CallContext, requests: &[Request]) -> Result<BatchOutcome> {
        let Some(first) = requests.first() else { return Ok(BatchOutcome::new()) };
        let (what, table, verb) = sort_of(first)?;
        // Objects of the setup may not be mixed in a collection, and a call is either of inserts or of deletes.
        let same = requests.iter().all(|request| sort_of(request).is_ok_and(|(other, _, way)| other == what && way == verb));
        if requests.len() > MOST_RECORDS || !same {
            return Err(AdapterError::invalid_request(format!("a batch is of up to {MOST_RECORDS} grants, or revocations, of one kind")));
        }
        let ids = requests.iter().filter_map(|request| request.account.as_ref()).map(|account| account.id.as_str()).filter(|id| is_id(id));
        let ids: BTreeSet<&str> = ids.collect();
        let (mut outcomes, mut left) = (BatchOutcome::new(), Vec::new());
        let (mut active, mut rows) = (Vec::new(), Vec::new());
        if !ids.is_empty() {
            let users = Soql::select(&["Id"], "User").is_true("IsActive").is_any("Id", ids.iter().copied());
            let mut told = self.together(cx, &[users].into_iter().chain(what.rows(ids.iter().copied())).collect::<Vec<_>>()).await?.into_iter();
            active = told.next().unwrap_or_default();
            rows = read::<Row>(told.next())?;
        }
        for request in requests {
            match begin(what, verb, request, &active, &rows) {
                Ok(Begun::Done(outcome)) => drop(outcomes.insert(request.key.clone(), Ok(outcome))),
                Ok(Begun::Left(record, receipt)) => left.push(Left { request, record, receipt }),
                Err(error) => drop(outcomes.insert(request.key.clone(), Err(error))),
            }
        }
        if left.is_empty() {
            return Ok(outcomes);
        }
        let answer = match verb {
            Verb::Grant => {
                let records: Vec<Value> = left.iter().map(|left| with_type(&left.record, table)).collect();
                self.client.post(path!["composite", "sobjects"]).json(&json!({ "allOrNone": false, "records": records }))
            }
            Verb::Revoke => {
                let ids: Vec<&str> = left.iter().filter_map(|left| left.record.as_str()).collect();
                self.client.delete(path!["composite", "sobjects"]).query("ids", ids.join(",")).query("allOrNone", "false")
            }
        };
        let answer = answer.send(cx).await?;
        let saved: Vec<Saved> = answer.json()?;
        if saved.len() != left.len() {
            return Err(answer.unreadable("the answer has not as many results as the call has records"));
        }
        for (Left { request, receipt, .. }, saved) in left.into_iter().zip(saved) {
            let error = (!saved.success).then(|| of_part(&saved.errors));
            let result = match error {
                None => Ok(Outcome::Applied(receipt)),
                Some(error) if verb == Verb::Revoke && is_gone(&error) => Ok(Outcome::Unchanged(Receipt::new())),
                // Somebody was faster; with what, a look will tell.
                Some(error) if error.code() == Some(DUPLICATE_VALUE) => Err(error.with_hint(RetryHint::Alone)),
                Some(error) if matches!(error.kind(), ErrorKind::NotFound(_)) => Err(AdapterError::target_not_found(error.message())),
                Some(error) => Err(error),
            };
            outcomes.insert(request.key.clone(), result);
        }
        Ok(outcomes)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verb {
    Grant,
    Revoke,
}

fn sort_of(request: &Request) -> Result<(What, Table, Verb)> {
    let (entitlement, verb) = match &request.change {
        Change::Grant(wanted) => (wanted, Verb::Grant),
        Change::Revoke(unwanted) => (unwanted, Verb::Revoke),
        other => return Err(AdapterError::unsupported(format_args!("batches of `{other}`"))),
    };
    let what = What::of(&entitlement.kind).and_then(|what| Some((what, what.table()?)));
    what.map(|(what, table)| (what, table, verb)).ok_or_else(|| AdapterError::unsupported(format_args!("batches of `{}`", entitlement.kind)))
}

enum Begun {
    Done(Outcome),
    Left(Value, Receipt),
}

/// What one request comes to, after the look.
fn begin(what: What, verb: Verb, request: &Request, active: &[Value], rows: &[Row]) -> Result<Begun> {
    let account = request.account()?;
    let entitlement: &Entitlement = request.change.entitlement().ok_or_else(|| AdapterError::unsupported(&request.change))?;
    let target = id_of(entitlement)?;
    let theirs: Vec<Row> = rows.iter().filter(|row| same_id(&row.holder, account.id.as_str())).cloned().collect();
    let row = what.row_on(&theirs, target);
    let held = row.and_then(|row| what.grant(row)).map(|grant| Grant { account: account.id.clone(), ..grant });
    if verb == Verb::Revoke {
        let (Some(row), Some(before)) = (row, held) else { return Ok(Begun::Done(Outcome::Unchanged(Receipt::new().before_absent()))) };
        request.check_expected(Some(&before))?;
        return Ok(Begun::Left(row.id.clone().into(), Receipt::new().before_grant(before)));
    }
    if !active.iter().any(|user| user.get("Id").and_then(Value::as_str).is_some_and(|id| same_id(id, account.id.as_str()))) {
        return Err(AdapterError::conflict("the account is not there, or is deactivated").with_hint(RetryHint::Replan));
    }
    let given = Grant::direct(account.id.clone(), entitlement.clone());
    let receipt = Receipt::new().with_grant(given.clone());
    match (row, held) {
        (None, _) => Ok(Begun::Left(what.record(account.id.as_str(), entitlement)?, receipt.before_absent())),
        (Some(row), Some(_)) if row.until() == until(entitlement)? => Ok(Begun::Done(Outcome::Unchanged(receipt.before_grant(given)))),
        _ => Err(AdapterError::conflict("it is held with another end, or has expired").with_hint(RetryHint::Alone)),
    }
}

fn with_type(record: &Value, table: Table) -> Value {
    let mut record = record.clone();
    if let Some(fields) = record.as_object_mut() {
        fields.insert("attributes".to_owned(), json!({ "type": table.object }));
    }
    record
}
