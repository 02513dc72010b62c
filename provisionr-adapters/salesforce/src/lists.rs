//! Names, and lists of everything.

use provisionr_sdk::{Account, AdapterError, CallContext, Entitlement, Grant, ListScope, Page, PageRequest, Resolution, Resolved, Result, Target, TargetName};
use serde_json::Value;

use crate::adapter::Salesforce;
use crate::api::read;
use crate::kinds::{Held, What};
use crate::soql::is_id;
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

    /// A page of users, and all who are frozen: few at any time, and never more calls than pages.
    pub(crate) async fn user_page(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Account>> {
        let users = self.page::<User>(cx, &self.users(), page).await?;
        let frozen: Vec<UserLogin> = self.all(cx, &UserLogin::query().yes("IsFrozen")).await?;
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
                items.iter().filter_map(grant).collect()
            }
            // Groups are members of groups too.
            Held::Row { .. } => read::<Row>(Some(items))?.iter().filter(|row| row.holder.starts_with(USER)).filter_map(|row| what.grant(row)).collect(),
        };
        Ok(Page { items, next, completeness })
    }
}

/// With what the ids of users begin.
const USER: &str = "005";
