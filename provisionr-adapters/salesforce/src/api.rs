//! The ways to ask: one query, several queries in one call, records by their ids.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use provisionr_http::{Paging, RequestBuilder, path};
use provisionr_sdk::{AdapterError, CallContext, Page, PageRequest, Result};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::adapter::Salesforce;
use crate::errors::of_part;
use crate::soql::{Soql, is_id};
use crate::wire::{Row, User, UserLogin};

/// Queries that go into one composite call.
/// <https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_composite.htm>
pub(crate) const MOST_QUERIES: usize = 5;

fn paging() -> Paging {
    Paging::next_url("/nextRecordsUrl").items("/records")
}

/// A user with what was asked for beside it.
pub(crate) struct Person {
    pub(crate) user: User,
    /// Not every user has login settings.
    pub(crate) login: Option<UserLogin>,
    pub(crate) rows: Vec<Row>,
    pub(crate) more: Vec<Value>,
}

impl Salesforce {
    fn query(&self, soql: &Soql) -> RequestBuilder<'_> {
        self.client.get(path!["query"]).query("q", soql)
    }

    /// All records of a query.
    pub(crate) async fn all<T: DeserializeOwned>(&self, cx: &CallContext, soql: &Soql) -> Result<Vec<T>> {
        self.query(soql).all(cx, &paging()).await
    }

    /// One page. Salesforce takes a size from 200 to 2000 for advice.
    pub(crate) async fn page<T: DeserializeOwned>(&self, cx: &CallContext, soql: &Soql, page: &PageRequest) -> Result<Page<T>> {
        let request = match page.size {
            Some(size) => self.query(soql).header("sforce-query-options", format!("batchSize={}", size.clamp(200, 2000))),
            None => self.query(soql),
        };
        request.page(cx, page, &paging()).await
    }

    /// What came of each of several queries, in one call.
    pub(crate) async fn each(&self, cx: &CallContext, queries: &[Soql]) -> Result<Vec<Result<Vec<Value>>>> {
        let parts: Vec<Value> = queries
            .iter()
            .enumerate()
            .map(|(number, soql)| {
                // Everything is encoded, for `@{…}` in the address would be a reference to another part.
                let soql = utf8_percent_encode(&soql.to_string(), NON_ALPHANUMERIC).to_string();
                json!({ "method": "GET", "url": format!("{}/query?q={soql}", self.facts.root), "referenceId": format!("query{number}") })
            })
            .collect();
        let request = self.client.post(path!["composite"]).json(&json!({ "allOrNone": false, "compositeRequest": parts })).read();
        let answer = request.send(cx).await?;
        let told: Value = answer.json()?;
        let told = told.get("compositeResponse").and_then(Value::as_array).filter(|told| told.len() == queries.len());
        let Some(told) = told else { return Err(answer.unreadable("the answer has not as many parts as the call")) };
        let mut results = Vec::with_capacity(queries.len());
        for part in told {
            let body = part.get("body").unwrap_or(&Value::Null);
            results.push(match part.get("httpStatusCode").and_then(Value::as_u64) {
                Some(200) => self.records(cx, body).await,
                _ => Err(of_part(body)),
            });
        }
        Ok(results)
    }

    /// All records of a query whose first page is there.
    async fn records(&self, cx: &CallContext, body: &Value) -> Result<Vec<Value>> {
        let strange = || AdapterError::protocol("a part of the answer is not what the vendor describes");
        let mut records = body.get("records").and_then(Value::as_array).cloned().ok_or_else(strange)?;
        if body.get("done").and_then(Value::as_bool) != Some(true) {
            let next = body.get("nextRecordsUrl").and_then(Value::as_str).and_then(|url| url.rsplit('/').next()).ok_or_else(strange)?;
            records.extend(self.client.get(path!["query", next]).all::<Value>(cx, &paging()).await?);
        }
        Ok(records)
    }

    /// Several queries in one call; one that fails fails all.
    pub(crate) async fn together(&self, cx: &CallContext, queries: &[Soql]) -> Result<Vec<Vec<Value>>> {
        self.each(cx, queries).await?.into_iter().collect()
    }

    pub(crate) fn users(&self) -> Soql {
        Soql::select(User::FIELDS.iter().chain(self.facts.attributes.iter()), "User")
    }

    /// A user by id, in one call with the rows that give something to it and one more query.
    pub(crate) async fn person(&self, cx: &CallContext, id: &str, rows: &[Soql], more: Option<Soql>) -> Result<Option<Person>> {
        if !is_id(id) {
            return Ok(None);
        }
        let mut queries = vec![self.users().is("Id", id), UserLogin::query().is("UserId", id)];
        queries.extend(rows.iter().cloned());
        let last = more.is_some();
        queries.extend(more);
        let mut told = self.together(cx, &queries).await?;
        let more = if last { told.pop().unwrap_or_default() } else { Vec::new() };
        let mut told = told.into_iter();
        let Some(user) = read::<User>(told.next())?.pop() else { return Ok(None) };
        let login = read::<UserLogin>(told.next())?.pop();
        let mut rows = Vec::new();
        for part in told {
            rows.extend(read::<Row>(Some(part))?);
        }
        Ok(Some(Person { user, login, rows, more }))
    }

    pub(crate) async fn person_or_gone(&self, cx: &CallContext, id: &str, rows: &[Soql], more: Option<Soql>) -> Result<Person> {
        self.person(cx, id, rows, more).await?.ok_or_else(|| AdapterError::account_not_found("the user is not there, or not to be seen"))
    }

    /// Sets fields of one record. Success has no body.
    pub(crate) async fn set(&self, cx: &CallContext, object: &str, id: &str, fields: &Value) -> Result<()> {
        self.client.patch(path!["sobjects", object, id]).json(fields).send(cx).await?.empty()
    }
}

pub(crate) fn read<T: DeserializeOwned>(records: Option<Vec<Value>>) -> Result<Vec<T>> {
    let records = records.unwrap_or_default().into_iter().map(T::deserialize).collect::<Result<_, _>>();
    records.map_err(|_| AdapterError::protocol("a record is not what the vendor describes"))
}
