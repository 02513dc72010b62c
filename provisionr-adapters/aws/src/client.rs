//! The services: one address each, the operation in a header.

use provisionr_http::{Answer, HttpClient, Path};
use provisionr_sdk::{Access, AdapterError, CallContext, Completeness, Cursor, ErrorKind, Page, PageRequest, Result};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// Lanes, all of one pool: what AWS gives is for all of IAM Identity Center's APIs together.
pub(crate) const STORE: &str = "identitystore";
pub(crate) const READ: &str = "sso";
pub(crate) const ASSIGN: &str = "sso.assign";
pub(crate) const LANES: [&str; 3] = [STORE, READ, ASSIGN];
/// Requests a second. AWS gives 20, to everybody who uses the instance
/// (<https://docs.aws.amazon.com/singlesignon/latest/userguide/limits.html>).
pub(crate) const REQUESTS: u32 = 15;

/// AWS Organizations has limits of its own.
pub(crate) const ORGANIZATIONS: &str = "organizations";

/// The most items a page has, in both services.
const LARGEST_PAGE: u32 = 100;
/// The most AWS accounts a page has.
/// <https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListAccounts.html>
const LARGEST_PAGE_OF_ACCOUNTS: u32 = 20;
/// More pages than any list has that is read as a whole.
const MOST_PAGES: usize = 10_000;

/// An operation of one of the services.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation {
    name: &'static str,
    lane: &'static str,
    access: Access,
}

/// One that looks, in the identity store.
pub(crate) const fn look(name: &'static str) -> Operation {
    Operation { name, lane: STORE, access: Access::Read }
}

/// One that changes the identity store.
pub(crate) const fn change(name: &'static str) -> Operation {
    Operation { name, lane: STORE, access: Access::Write }
}

/// One that looks at permission sets and assignments.
pub(crate) const fn look_sso(name: &'static str) -> Operation {
    Operation { name, lane: READ, access: Access::Read }
}

/// One that makes or takes an assignment.
pub(crate) const fn assign(name: &'static str) -> Operation {
    Operation { name, lane: ASSIGN, access: Access::Write }
}

/// One that looks at the organization.
pub(crate) const fn look_organization(name: &'static str) -> Operation {
    Operation { name, lane: ORGANIZATIONS, access: Access::Read }
}

impl Operation {
    fn largest_page(&self) -> u32 {
        if self.lane == ORGANIZATIONS { LARGEST_PAGE_OF_ACCOUNTS } else { LARGEST_PAGE }
    }
}

/// The services, and which instance and store are meant.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) sso: HttpClient,
    pub(crate) store: HttpClient,
    pub(crate) organizations: HttpClient,
    pub(crate) instance: String,
    pub(crate) identity_store: String,
}

impl Client {
    pub(crate) async fn call(&self, cx: &CallContext, operation: Operation, mut body: Value) -> Result<Answer> {
        let (http, prefix, scope) = match operation.lane {
            STORE => (&self.store, "AWSIdentityStore", Some(("IdentityStoreId", &self.identity_store))),
            ORGANIZATIONS => (&self.organizations, "AWSOrganizationsV20161128", None),
            _ => (&self.sso, "SWBExternalService", Some(("InstanceArn", &self.instance))),
        };
        if let Some((name, id)) = scope {
            put(&mut body, name, id.as_str());
        }
        let target = format!("{prefix}.{}", operation.name);
        let request = http.post(Path::new()).json(&body).header("content-type", "application/x-amz-json-1.1").header("x-amz-target", target);
        let request = match operation.access {
            Access::Read => request.read(),
            Access::Write => request,
        };
        request.lane(operation.lane).send(cx).await
    }

    /// One page. Fewer items than were asked for are not the end, nor are none: only a missing token is.
    pub(crate) async fn page<T: DeserializeOwned>(
        &self,
        cx: &CallContext,
        operation: Operation,
        items: &str,
        mut body: Value,
        page: &PageRequest,
    ) -> Result<Page<T>> {
        put(&mut body, "MaxResults", page.size.unwrap_or(operation.largest_page()).clamp(1, operation.largest_page()));
        if let Some(cursor) = &page.cursor {
            put(&mut body, "NextToken", cursor.as_str());
        }
        let answer = match self.call(cx, operation, body).await {
            Err(error) if page.cursor.is_some() && *error.kind() == ErrorKind::InvalidRequest => return Err(AdapterError::stale_cursor(error.message())),
            answer => answer?,
        };
        let mut fields: Map<String, Value> = answer.json()?;
        let next = fields.get("NextToken").and_then(Value::as_str).filter(|token| !token.is_empty()).map(Cursor::from);
        if next.is_some() && next == page.cursor {
            return Err(answer.unreadable("the next page is the page itself"));
        }
        let Some(listed) = fields.remove(items) else { return Err(answer.unreadable("the answer holds no list where AWS describes one")) };
        let items = serde_json::from_value(listed).map_err(|_| answer.unreadable("an item of the list is not what AWS describes"))?;
        Ok(Page { items, next, completeness: Completeness::Complete })
    }

    /// All pages.
    pub(crate) async fn all<T: DeserializeOwned>(&self, cx: &CallContext, operation: Operation, items: &str, body: &Value) -> Result<Vec<T>> {
        let (mut all, mut at) = (Vec::new(), PageRequest::first());
        for _ in 0..MOST_PAGES {
            let page = self.page(cx, operation, items, body.clone(), &at).await?;
            all.extend(page.items);
            match page.next {
                Some(next) => at.cursor = Some(next),
                None => return Ok(all),
            }
        }
        Err(AdapterError::protocol("the list has no end"))
    }
}

fn put(body: &mut Value, name: &str, value: impl Into<Value>) {
    if let Value::Object(fields) = body {
        fields.insert(name.to_owned(), value.into());
    }
}
