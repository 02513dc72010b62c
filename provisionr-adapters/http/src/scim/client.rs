//! The calls.

use http::Method;
use provisionr_sdk::{AdapterError, CallContext, Page, PageRequest, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::attribute;
use super::quirks::{MemberRemoval, Quirks, SwitchOff};
use super::resource::{Group, Service, User};
use crate::answer::Answer;
use crate::client::HttpClient;
use crate::paging::Paging;
use crate::path;
use crate::path::Path;
use crate::request::RequestBuilder;

const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// What users are found by: `user_name`, `external_id` or `email`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Key {
    /// What they log in with; capitals do not count.
    UserName,
    /// The id that was given to them from outside, to the letter.
    ExternalId,
    /// Any of their addresses; capitals do not count.
    Email,
}

impl Key {
    /// All of them, best first.
    pub const ALL: [Self; 3] = [Self::UserName, Self::ExternalId, Self::Email];

    /// Its name, as identity keys and systems files have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::UserName => "user_name",
            Self::ExternalId => "external_id",
            Self::Email => "email",
        }
    }

    /// The key of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
    }
}

/// A SCIM service.
#[derive(Clone, Debug)]
pub struct Scim {
    client: HttpClient,
    quirks: Quirks,
}

impl Scim {
    /// The service below the client's address. The client needs a classifier that knows its errors: [`classify`](super::classify), or the vendor's own.
    pub fn new(client: HttpClient, quirks: Quirks) -> Self {
        Self { client: client.header("accept", "application/scim+json, application/json"), quirks }
    }

    /// What the service says it can do.
    ///
    /// # Errors
    /// Those of [`send`](RequestBuilder::send).
    pub async fn service(&self, cx: &CallContext) -> Result<Service> {
        self.client.get(path!["ServiceProviderConfig"]).send(cx).await?.json()
    }

    fn paging(&self) -> Paging {
        Paging::counted("startIndex", "/totalResults")
            .counting_from(1)
            .items("/Resources")
            // A list without matches may leave its resources out: RFC 7644, section 3.4.2.
            .left_out_when_empty("/schemas/0", "urn:ietf:params:scim:api:messages:2.0:ListResponse")
            .sized("count", self.quirks.page)
    }

    /// With no attribute to filter by, all there are.
    async fn all<T: DeserializeOwned>(&self, cx: &CallContext, resources: &str, attribute: Option<&str>, value: &str) -> Result<Vec<T>> {
        let list = self.client.get(path![resources]);
        let list = match attribute.filter(|_| self.quirks.filter) {
            Some(attribute) => list.query("filter", equal(attribute, value)),
            None => list,
        };
        list.all(cx, &self.paging()).await
    }

    /// What filters call a key; none where they do not know it.
    fn attribute(&self, key: Key) -> Option<&'static str> {
        match key {
            Key::UserName => Some("userName"),
            Key::ExternalId => Some("externalId"),
            Key::Email => self.quirks.email,
        }
    }

    /// Asks for nobody under a key: whether the service takes a filter by it. Where it does not, an error says so; one that
    /// passes over filters says nothing. Nothing is asked where filters do not know the key.
    ///
    /// # Errors
    /// Those of [`page`](RequestBuilder::page).
    pub async fn try_filter(&self, cx: &CallContext, key: Key) -> Result<()> {
        let Some(attribute) = self.attribute(key) else { return Ok(()) };
        let list = self.client.get(path!["Users"]).query("filter", equal(attribute, "provisionr-check"));
        list.page::<Value>(cx, &PageRequest::first().sized(1), &self.paging()).await.map(drop)
    }

    /// The users who have this under a key. A service may read its filter more widely, or pass over it: whoever does not fit is left out.
    ///
    /// # Errors
    /// Those of [`all`](RequestBuilder::all).
    pub async fn find_users(&self, cx: &CallContext, key: Key, value: &str) -> Result<Vec<User>> {
        let mut users: Vec<User> = self.all(cx, "Users", self.attribute(key), value).await?;
        users.retain(|user| match key {
            Key::UserName => user.user_name().is_some_and(|name| name.eq_ignore_ascii_case(value)),
            Key::ExternalId => user.external_id() == Some(value),
            Key::Email => user.has_email(value),
        });
        Ok(users)
    }

    /// A page of all users.
    ///
    /// # Errors
    /// Those of [`page`](RequestBuilder::page).
    pub async fn users(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<User>> {
        self.client.get(path!["Users"]).page(cx, page, &self.paging()).await
    }

    /// A user by id; none when the service does not find it.
    ///
    /// # Errors
    /// Those of [`send`](RequestBuilder::send), save `NotFound`.
    pub async fn user(&self, cx: &CallContext, id: &str) -> Result<Option<User>> {
        self.client.get(path!["Users", id]).send_if_found(cx).await?.map(|answer| answer.json()).transpose()
    }

    /// Makes a user who can log in. Attributes have plain names; what is null is left out.
    ///
    /// # Errors
    /// Those of [`send`](RequestBuilder::send): `Conflict` when another has the name or whatever else is unique.
    pub async fn create(&self, cx: &CallContext, user_name: &str, profile: &Map<String, Value>) -> Result<(User, Answer)> {
        let mut body = Map::new();
        for (name, value) in profile.iter().filter(|(_, value)| !value.is_null()) {
            attribute::write(&mut body, name, value);
        }
        body.insert("schemas".to_owned(), attribute::schemas(&body));
        body.insert("userName".to_owned(), user_name.into());
        body.insert("active".to_owned(), true.into());
        let answer = self.sending(self.client.post(path!["Users"]).json(&body)).send(cx).await?;
        Ok((answer.json()?, answer))
    }

    /// Sets attributes of plain names; null takes one away. What is not named stays as it is.
    ///
    /// # Errors
    /// Those of [`send`](RequestBuilder::send); `Conflict` when somebody else has changed the user meanwhile.
    pub async fn update(&self, cx: &CallContext, id: &str, profile: &Map<String, Value>) -> Result<Answer> {
        if !self.quirks.patch {
            return self.replace_user(cx, id, |user| profile.iter().for_each(|(name, value)| attribute::write(user, name, value))).await;
        }
        let (mut operations, mut values) = (Vec::new(), Map::new());
        for (name, value) in profile {
            match attribute::removal(name).filter(|_| value.is_null()) {
                Some(path) => operations.push(json!({ "op": "remove", "path": path })),
                None => attribute::write(&mut values, name, value),
            }
        }
        if !values.is_empty() {
            operations.push(json!({ "op": "replace", "value": values }));
        }
        self.patch(cx, path!["Users", id], operations).await
    }

    /// Lets a user log in again.
    ///
    /// # Errors
    /// Those of [`update`](Self::update).
    pub async fn switch_on(&self, cx: &CallContext, id: &str) -> Result<Answer> {
        self.set_active(cx, id, &true.into()).await
    }

    /// Keeps a user from logging in; it stays there.
    ///
    /// # Errors
    /// Those of [`update`](Self::update).
    pub async fn switch_off(&self, cx: &CallContext, id: &str) -> Result<Answer> {
        match self.quirks.switch_off {
            SwitchOff::Inactive => self.set_active(cx, id, &false.into()).await,
            SwitchOff::Delete => self.client.delete(path!["Users", id]).send(cx).await,
        }
    }

    /// Deletes a user for good.
    ///
    /// # Errors
    /// Those of [`send`](RequestBuilder::send); `Unsupported` where `DELETE` only switches users off.
    pub async fn delete(&self, cx: &CallContext, id: &str) -> Result<Answer> {
        match self.quirks.switch_off {
            SwitchOff::Inactive => self.client.delete(path!["Users", id]).send(cx).await,
            SwitchOff::Delete => Err(AdapterError::unsupported(format_args!("deleting users: this service only switches them off"))),
        }
    }

    async fn set_active(&self, cx: &CallContext, id: &str, active: &Value) -> Result<Answer> {
        if self.quirks.patch {
            return self.patch(cx, path!["Users", id], vec![json!({ "op": "replace", "value": { "active": active } })]).await;
        }
        self.replace_user(cx, id, |user| attribute::write(user, "active", active)).await
    }

    async fn replace_user(&self, cx: &CallContext, id: &str, change: impl FnOnce(&mut Map<String, Value>)) -> Result<Answer> {
        let user = self.user(cx, id).await?.ok_or_else(|| AdapterError::account_not_found("the user is not there"))?;
        let mut fields = user.writable();
        change(&mut fields);
        fields.insert("schemas".to_owned(), attribute::schemas(&fields));
        self.put(cx, path!["Users", id], &fields, user.version()).await
    }

    /// The groups of this name, to the letter.
    ///
    /// # Errors
    /// Those of [`all`](RequestBuilder::all).
    pub async fn find_groups(&self, cx: &CallContext, name: &str) -> Result<Vec<Group>> {
        let mut groups: Vec<Group> = self.all(cx, "Groups", Some("displayName"), name).await?;
        groups.retain(|group| group.name() == name);
        Ok(groups)
    }

    /// A page of all groups, with their members.
    ///
    /// # Errors
    /// Those of [`page`](RequestBuilder::page).
    pub async fn groups(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Group>> {
        self.client.get(path!["Groups"]).page(cx, page, &self.paging()).await
    }

    /// All groups, with their members.
    ///
    /// # Errors
    /// Those of [`all`](RequestBuilder::all).
    pub async fn all_groups(&self, cx: &CallContext) -> Result<Vec<Group>> {
        self.client.get(path!["Groups"]).all(cx, &self.paging()).await
    }

    /// All groups, without their members where the service knows how to leave them out.
    ///
    /// # Errors
    /// Those of [`all`](RequestBuilder::all).
    pub async fn all_group_names(&self, cx: &CallContext) -> Result<Vec<Group>> {
        self.without_members().all(cx, &self.paging()).await
    }

    fn without_members(&self) -> RequestBuilder<'_> {
        self.client.get(path!["Groups"]).query("excludedAttributes", "members")
    }

    /// A page of all groups, without their members where the service knows how to leave them out.
    ///
    /// # Errors
    /// Those of [`page`](RequestBuilder::page).
    pub async fn group_names(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Group>> {
        self.without_members().page(cx, page, &self.paging()).await
    }

    /// A group by id; none when the service does not find it.
    ///
    /// # Errors
    /// Those of [`send`](RequestBuilder::send), save `NotFound`.
    pub async fn group(&self, cx: &CallContext, id: &str) -> Result<Option<Group>> {
        self.client.get(path!["Groups", id]).send_if_found(cx).await?.map(|answer| answer.json()).transpose()
    }

    /// Puts a user into a group.
    ///
    /// # Errors
    /// Those of [`update`](Self::update).
    pub async fn add_member(&self, cx: &CallContext, group: &str, user: &str) -> Result<Answer> {
        if self.quirks.patch {
            return self.patch(cx, path!["Groups", group], vec![json!({ "op": "add", "path": "members", "value": [{ "value": user }] })]).await;
        }
        self.replace_members(cx, group, |members| members.push(json!({ "value": user }))).await
    }

    /// Takes a user out of a group.
    ///
    /// # Errors
    /// Those of [`update`](Self::update).
    pub async fn remove_member(&self, cx: &CallContext, group: &str, user: &str) -> Result<Answer> {
        if !self.quirks.patch {
            return self.replace_members(cx, group, |members| members.retain(|member| member.get("value") != Some(&user.into()))).await;
        }
        let operation = match self.quirks.removal {
            MemberRemoval::ByPath => json!({ "op": "remove", "path": format!("members[value eq {}]", Value::from(user)) }),
            MemberRemoval::ByValue => json!({ "op": "remove", "path": "members", "value": [{ "value": user }] }),
        };
        self.patch(cx, path!["Groups", group], vec![operation]).await
    }

    /// Puts a group back with other members. It is read whole just before: whoever is not named is out.
    async fn replace_members(&self, cx: &CallContext, id: &str, change: impl FnOnce(&mut Vec<Value>)) -> Result<Answer> {
        let group = self.group(cx, id).await?.ok_or_else(|| AdapterError::target_not_found("the group is not there"))?;
        let mut fields = group.writable();
        // A list that is left out is empty: RFC 7643, section 2.5.
        let members = fields.entry("members").or_insert_with(|| json!([]));
        match members {
            Value::Array(members) => change(members),
            _ => return Err(AdapterError::protocol("the members of the group are no list")),
        }
        self.put(cx, path!["Groups", id], &fields, group.version()).await
    }

    async fn put(&self, cx: &CallContext, path: Path, fields: &Map<String, Value>, version: Option<&str>) -> Result<Answer> {
        let request = self.client.put(path).json(fields);
        let request = match version {
            Some(version) => request.header("if-match", version),
            None => request,
        };
        self.sending(request).send(cx).await
    }

    fn sending<'a>(&self, request: RequestBuilder<'a>) -> RequestBuilder<'a> {
        request.header("content-type", self.quirks.content_type)
    }

    /// 200 with the resource and 204 without are both in use; the caller looks at what came of it.
    async fn patch(&self, cx: &CallContext, path: Path, operations: Vec<Value>) -> Result<Answer> {
        self.sending(self.client.request(Method::PATCH, path).json(&json!({ "schemas": [PATCH], "Operations": operations }))).send(cx).await
    }
}

/// Texts of JSON are texts of filters: RFC 7644, section 3.4.2.2.
fn equal(attribute: &str, value: &str) -> String {
    format!("{attribute} eq {}", Value::from(value))
}
