//! Names, and lists of everything.

use provisionr_sdk::{Account, AdapterError, CallContext, Entitlement, Grant, ListScope, Page, PageRequest, Resolution, Resolved, Result, Target, TargetName};
use serde_json::Value;

use crate::adapter::Salesforce;
use crate::api::{MOST_QUERIES, read};
use crate::batch::MOST_RECORDS;
use crate::kinds::{Held, What};
use crate::soql::{Soql, is_id};
use crate::wire::{Row, User, UserLogin};

fn named(record: &Value, field: &str) -> Option<Target> {
    Some(Target::new(record.get("Id")?.as_str()?, record.get(field)?.as_str()?))
}

impl Salesforce {
    /// One list serves any number of names, and what is near them.
    pub(crate) async fn names(&self, cx: &CallContext, what: &What, names: &[TargetName]) -> Result<Vec<Resolved>> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let records: Vec<Value> = self.all(cx, &what.targets()).await?;
        let [by_label, by_api_name] =
            what.names.map(|field| Resolved::among(names, &records.iter().filter_map(|record| named(record, field)).collect::<Vec<_>>()));
        let either = |(label, api): (Resolved, Resolved)| match (&label.resolution, &api.resolution) {
            (Resolution::None(_), Resolution::One(_) | Resolution::Several(_)) => api,
            // The label of one is the API name of another: whose it is meant to be nobody knows.
            (Resolution::One(one), Resolution::One(other)) if one.id != other.id => {
                Resolved { resolution: Resolution::Several(vec![one.clone(), other.clone()]), ..label }
            }
            _ => label,
        };
        Ok(by_label.into_iter().zip(by_api_name).map(either).collect())
    }

    pub(crate) async fn targets(&self, cx: &CallContext, what: &What, page: &PageRequest) -> Result<Page<Target>> {
        let [label, _] = what.names;
        let Page { items, next, completeness } = self.page::<Value>(cx, &what.targets(), page).await?;
        let items = items.iter().map(|record| named(record, label).ok_or_else(|| AdapterError::protocol("a record has no id or no name")));
        Ok(Page { items: items.collect::<Result<_>>()?, next, completeness })
    }

    /// A page of users, and who of them is frozen. Nobody thaws whom they have switched off, so that those who were ever frozen grow
    /// with the years: only active ones are asked about.
    pub(crate) async fn user_page(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Account>> {
        let users = self.page::<User>(cx, &self.users(), page).await?;
        let active: Vec<&str> = users.items.iter().filter(|user| user.is_active).map(|user| user.id.as_str()).collect();
        let queries: Vec<Soql> = active.chunks(MOST_RECORDS).map(|some| UserLogin::query().yes("IsFrozen").among("UserId", some.iter().copied())).collect();
        let mut frozen = Vec::new();
        for queries in queries.chunks(MOST_QUERIES) {
            for records in self.together(cx, queries).await? {
                frozen.extend(read::<UserLogin>(Some(records))?);
            }
        }
        Ok(users.map(|user| self.account_among(&user, &frozen)))
    }

    pub(crate) async fn grants(&self, cx: &CallContext, scope: &ListScope, page: &PageRequest) -> Result<Page<Grant>> {
        let what = What::of(scope.kind())?;
        let (all, holder, target) = what.sweep();
        let query = match scope {
            ListScope::Kind(_) => all,
            ListScope::Target(_, id) if is_id(id.as_str()) => all.is(target, id.as_str()),
            ListScope::Account(_, id) if is_id(id.as_str()) => all.is(holder, id.as_str()),
            ListScope::Target(_, id) => return Err(AdapterError::target_not_found(format!("`{id}` is no id of Salesforce"))),
            ListScope::Account(_, id) => return Err(AdapterError::account_not_found(format!("`{id}` is no id of Salesforce"))),
            other => return Err(AdapterError::unsupported(other)),
        };
        let Page { items, next, completeness } = self.page::<Value>(cx, &query, page).await?;
        let items = match what.held {
            Held::Field(field) => {
                let grant = |user: &Value| Some(Grant::direct(user.get("Id")?.as_str()?, Entitlement::new(what.name, user.get(field)?.as_str()?)));
                let strange = || AdapterError::protocol(format!("a user has no id or no {field}"));
                items.iter().map(|user| grant(user).ok_or_else(strange)).collect::<Result<_>>()?
            }
            // Groups are members of groups too.
            Held::Row { .. } => read::<Row>(Some(items))?.iter().filter(|row| row.holder.starts_with(USER)).filter_map(|row| what.grant(row)).collect(),
        };
        Ok(Page { items, next, completeness })
    }
}

/// With what the ids of users begin.
const USER: &str = "005";
