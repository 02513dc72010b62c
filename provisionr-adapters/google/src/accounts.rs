//! Users: found, made, updated, moved between states.

use std::time::Duration;

use http::StatusCode;
use provisionr_http::{Paging, RequestBuilder, path, random_secret};
use provisionr_sdk::{
    Account, AccountAccess, AccountQuery, AccountSpec, AccountState, AdapterError, CallContext, ErrorKind, Found, Missing, Outcome, Page, PageRequest, Probe,
    ProfileDelta, Receipt, Request, Result, RetryHint, Timestamp, Wait, WaitReason,
};
use serde_json::{Map, Value, json};

use crate::adapter::Google;
use crate::config::{ConflictingAccounts, SETTLES};
use crate::errors::{is_duplicate, is_lacking};
use crate::org_units::{MOVE_TO_ORG_UNIT, MoveToOrgUnit};
use crate::profile;
use crate::wire::{User, done};

/// The owner of an unmanaged account has been asked to join, and takes their time.
const INVITED: &str = "invited";

/// Google says neither for how long it stays open nor when it is declined: after two weeks a person should hear of it.
const INVITATION: Duration = Duration::from_secs(14 * 24 * 3600);

fn invited() -> Wait {
    Wait::new(WaitReason::InvitationSent, Duration::from_secs(3600)).with_ticket(INVITED).patience(INVITATION)
}

/// A user who is not found has been deleted, or was made a moment ago and is not seen yet. Since when it is not found is the ticket.
fn unseen(since: Timestamp) -> Wait {
    // Not a wait for something to show: whoever shows after all is deleted then.
    Wait::new(WaitReason::VendorJob, SETTLES.0 / SETTLES.1).with_ticket(format!("{UNSEEN}{since}"))
}

const UNSEEN: &str = "not found since ";

fn gone() -> AdapterError {
    AdapterError::account_not_found("the user is not there, or not to be seen yet").with_hint(RetryHint::Backoff)
}

fn users() -> Paging {
    Paging::token("/nextPageToken", "pageToken").items("/users").left_out_when_empty("/kind", "admin#directory#users").sized("maxResults", 500)
}

impl Google {
    pub(crate) fn user_at(&self, method: http::Method, id: &str) -> RequestBuilder<'_> {
        self.client.request(method, path!["admin", "directory", "v1", "users", id])
    }

    /// By id, address or alias: all are one key.
    async fn by_key(&self, cx: &CallContext, key: &str) -> Result<Option<User>> {
        match self.user_at(http::Method::GET, key).query("projection", self.projection).send(cx).await {
            Ok(answer) => answer.json().map(Some),
            // Google's 404s differ: this one is about the user, and no other says that there is none.
            Err(error) if *error.kind() == ErrorKind::NotFound(Missing::Account) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn user(&self, cx: &CallContext, id: &str) -> Result<Option<User>> {
        Ok(self.by_key(cx, id).await?.filter(|user| user.id == id))
    }

    /// A user made a moment ago is not seen for a while: another try makes sense.
    pub(crate) async fn user_or_gone(&self, cx: &CallContext, id: &str) -> Result<User> {
        self.user(cx, id).await?.ok_or_else(gone)
    }

    pub(crate) fn account(&self, user: &User) -> Account {
        user.account(&self.descriptor.accounts.attributes)
    }

    pub(crate) fn list(&self) -> RequestBuilder<'_> {
        self.client.get(path!["admin", "directory", "v1", "users"]).query("customer", "my_customer").query("projection", self.projection)
    }

    pub(crate) async fn find(&self, cx: &CallContext, who: &AccountQuery) -> Result<Found> {
        if let Some(id) = &who.known
            && let Some(user) = self.user(cx, id.as_str()).await?
        {
            return Ok(Found::One(self.account(&user)));
        }
        let mut certain = who.keys.is_empty();
        let mut doubt = None;
        for key in &who.keys {
            let users = match key.name.as_str() {
                "email" => match self.by_key(cx, &key.value).await? {
                    Some(user) if may_be(who, &user) => vec![user],
                    // Renumbered, or another person with the same name: whoever has it as the primary address is not passed over.
                    Some(user) if user.email.eq_ignore_ascii_case(&key.value) => {
                        doubt = Some(of_another_number(who, &user));
                        Vec::new()
                    }
                    // What is left of the address of another person.
                    _ => Vec::new(),
                },
                "employee_number" => self.by_number(cx, &key.value).await?,
                other => return Err(AdapterError::invalid_request(format!("users are not found by `{other}`"))),
            };
            certain |= key.name == "email";
            match Found::among(users.iter().map(|user| self.account(user))) {
                Found::None => {}
                found => return Ok(found),
            }
        }
        if let Some(why) = doubt {
            return Ok(Found::CannotTell(why));
        }
        Ok(if certain { Found::None } else { Found::CannotTell("users are found by number through an index that lags by up to 36 hours".to_owned()) })
    }

    /// Through the index; what it finds is read afresh.
    async fn by_number(&self, cx: &CallContext, number: &str) -> Result<Vec<User>> {
        let value = number.replace('\\', "\\\\").replace('\'', "\\'");
        let hits: Vec<User> = self.list().query("query", format!("externalId='{value}'")).all(cx, &users()).await?;
        let mut found = Vec::new();
        for hit in hits {
            found.extend(self.user(cx, &hit.id).await?.filter(|user| user.attribute("employeeId").is_some_and(|held| held == number)));
        }
        Ok(found)
    }

    pub(crate) async fn list_users(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<User>> {
        self.list().page(cx, page, &users()).await
    }

    /// The users in an organizational unit itself; the search has those below it too.
    pub(crate) async fn users_in(&self, cx: &CallContext, unit: &str, page: &PageRequest) -> Result<Page<User>> {
        let value = unit.replace('\\', "\\\\").replace('\'', "\\'");
        let mut page: Page<User> = self.list().query("query", format!("orgUnitPath='{value}'")).page(cx, page, &users()).await?;
        page.items.retain(|user| user.org_unit() == unit);
        Ok(page)
    }

    pub(crate) async fn ensure(&self, cx: &CallContext, request: &Request, spec: &AccountSpec) -> Result<Outcome> {
        let handed_over = spec.access == AccountAccess::HandOver;
        // Google writes to no one because of a new user.
        if spec.state != AccountState::Active || spec.access == AccountAccess::VendorMail || (handed_over && self.passwords.is_none()) {
            return Err(AdapterError::unsupported(format_args!("an account that begins {} with access {:?}", spec.state, spec.access)));
        }
        let unit = unit_in(spec)?;
        if let Some(account) = self.find(cx, &request.who).await?.at_most_one()? {
            return self.take(cx, unit.as_deref(), self.user_or_gone(cx, account.id.as_str()).await?).await;
        }
        for login in &spec.logins {
            match self.create(cx, spec, login, unit.as_deref()).await {
                Err(error) if is_duplicate(&error) => match self.by_key(cx, login).await? {
                    Some(user) if is_same(&request.who, &user) => return self.take(cx, unit.as_deref(), user).await,
                    Some(_) => {}
                    None if self.group(cx, login).await?.is_some() => {}
                    None => return Err(self.why_taken(cx, login, error).await?),
                },
                done => return done,
            }
        }
        Err(AdapterError::conflict("other people and groups have every address that would do").with_hint(RetryHint::Never))
    }

    async fn create(&self, cx: &CallContext, spec: &AccountSpec, login: &str, unit: Option<&str>) -> Result<Outcome> {
        let mut body = Map::new();
        for (name, value) in &spec.profile {
            profile::write(&mut body, &Map::new(), name, Some(value));
        }
        body.insert("primaryEmail".to_owned(), login.into());
        if let Some(unit) = unit {
            body.insert("orgUnitPath".to_owned(), unit.into());
        }
        // There has to be a password. Who comes by single sign-on has one that nobody knows.
        let password = match (&self.passwords, spec.access) {
            (Some(passwords), AccountAccess::HandOver) => {
                body.insert("changePasswordAtNextLogin".to_owned(), true.into());
                passwords.first_password(cx, login).await?
            }
            _ => random_secret()?,
        };
        body.insert("password".to_owned(), password.expose().into());
        let mut call = self.client.post(path!["admin", "directory", "v1", "users"]);
        if self.conflicting == ConflictingAccounts::Resolve {
            call = call.query("resolveConflictAccount", "true");
        }
        let answer = call.json(&body).send(cx).await?;
        let receipt = Receipt::new().before_absent().with_request_id(answer.request_id());
        if answer.status() == StatusCode::ACCEPTED {
            return Ok(Outcome::Waiting(invited(), receipt));
        }
        Ok(Outcome::Applied(receipt.with_account(self.account(&answer.json()?))))
    }

    /// Takes a user that is there, and moves it where a create would have put it.
    async fn take(&self, cx: &CallContext, unit: Option<&str>, user: User) -> Result<Outcome> {
        let account = self.account(&user);
        if account.state != AccountState::Active {
            return Err(AdapterError::conflict(format!("the account is there, and is {}", account.state)).with_hint(RetryHint::Replan));
        }
        let receipt = Receipt::new().before_account(account.clone());
        match unit.filter(|unit| *unit != user.org_unit()) {
            None => Ok(Outcome::Unchanged(receipt.with_account(account))),
            Some(unit) => {
                let user: User = self.put(cx, &user.id, &json!({ "orgUnitPath": unit })).await?;
                Ok(Outcome::Applied(receipt.with_account(self.account(&user))))
            }
        }
    }

    /// `PUT` has patch semantics, and clears lists, which `PATCH` does not.
    pub(crate) async fn put(&self, cx: &CallContext, id: &str, body: &Value) -> Result<User> {
        self.user_at(http::Method::PUT, id).json(body).send(cx).await?.json()
    }

    /// What is in the way of an address that nobody shows: a user deleted lately, or one made a moment ago.
    async fn why_taken(&self, cx: &CallContext, login: &str, error: AdapterError) -> Result<AdapterError> {
        let deleted: Vec<User> = self.list().query("showDeleted", "true").all(cx, &users()).await?;
        Ok(match deleted.iter().find(|user| user.has_address(login)) {
            Some(user) => {
                AdapterError::conflict(format!("the address belongs to a user deleted lately, {}: restore that one, or choose another address", user.id))
                    .with_hint(RetryHint::Never)
            }
            None => error.with_hint(RetryHint::Backoff),
        })
    }

    pub(crate) async fn update(&self, cx: &CallContext, account: &Account, delta: &ProfileDelta) -> Result<Outcome> {
        let writable = |name: &str| self.descriptor.accounts.attributes.iter().any(|attribute| attribute.name == name && attribute.writable);
        if let Some(unknown) = delta.0.keys().find(|name| !writable(name)) {
            return Err(AdapterError::invalid_request(format!("users have no attribute `{unknown}` that can be written")));
        }
        let user = self.user_or_gone(cx, account.id.as_str()).await?;
        let mut body = Map::new();
        for (name, wanted) in delta.0.iter().filter(|(name, wanted)| user.attribute(name) != **wanted) {
            profile::write(&mut body, user.resource(), name, wanted.as_ref());
        }
        let receipt = Receipt::new().before_account(self.account(&user));
        if body.is_empty() {
            return Ok(Outcome::Unchanged(receipt.with_account(self.account(&user))));
        }
        let renamed = body.contains_key("primaryEmail");
        let after = self.put(cx, &user.id, &Value::Object(body)).await?;
        let receipt = receipt.with_account(self.account(&after));
        Ok(Outcome::Applied(if renamed { receipt.and_changed(format!("{} stays as an alias", user.email)) } else { receipt }))
    }

    pub(crate) async fn set_state(&self, cx: &CallContext, account: &Account, to: AccountState) -> Result<Outcome> {
        if !self.descriptor.accounts.transitions.iter().any(|transition| transition.to == to) {
            return Err(AdapterError::unsupported(format_args!("accounts that are {to}")));
        }
        let id = account.id.as_str();
        let user = match (self.user(cx, id).await?, to) {
            (Some(user), _) => user,
            (None, AccountState::Deleted) => return self.not_found(cx, id).await,
            (None, _) => return Err(gone()),
        };
        let receipt = Receipt::new().before_account(self.account(&user));
        match (user.state(), to) {
            (now, to) if now == to => return Ok(Outcome::Unchanged(receipt.with_account(self.account(&user)))),
            (_, AccountState::Deleted) => {
                return match self.user_at(http::Method::DELETE, id).send(cx).await {
                    Ok(answer) => {
                        done(&answer)?;
                        Ok(Outcome::Applied(receipt.with_request_id(answer.request_id())))
                    }
                    Err(error) if *error.kind() == ErrorKind::NotFound(Missing::Account) => self.not_found(cx, id).await,
                    Err(error) => Err(error),
                };
            }
            (AccountState::Deactivated, _) => return Err(AdapterError::refused("the user is archived: an administrator has to take them out of the archive")),
            _ => {}
        }
        let after = self.put(cx, id, &json!({ "suspended": to == AccountState::Suspended })).await?;
        if after.state() != to {
            let why = user.attribute("suspensionReason").and_then(|reason| Some(format!(" ({})", reason.as_str()?))).unwrap_or_default();
            return Err(AdapterError::refused(format!("Google leaves the account {}{why}", after.state())).effect_unknown());
        }
        Ok(Outcome::Applied(receipt.with_account(self.account(&after))))
    }

    pub(crate) async fn end_sessions(&self, cx: &CallContext, account: &Account) -> Result<Outcome> {
        let answer = self.client.post(path!["admin", "directory", "v1", "users", account.id, "signOut"]).send(cx).await?;
        done(&answer)?;
        Ok(Outcome::Applied(Receipt::new().with_request_id(answer.request_id())))
    }

    /// Those deleted lately are listed; that somebody is nowhere to be found is believed when it stays so.
    async fn not_found(&self, cx: &CallContext, id: &str) -> Result<Outcome> {
        let deleted = self.is_deleted(cx, id).await?;
        Ok(if deleted { Outcome::Unchanged(Receipt::new()) } else { Outcome::Waiting(unseen(cx.now()), Receipt::new()) })
    }

    async fn is_deleted(&self, cx: &CallContext, id: &str) -> Result<bool> {
        let deleted: Vec<User> = self.list().query("showDeleted", "true").all(cx, &users()).await?;
        Ok(deleted.iter().any(|user| user.id == id))
    }

    pub(crate) async fn probe_deleted(&self, cx: &CallContext, request: &Request) -> Result<Probe> {
        let id = request.account()?.id.as_str();
        if self.user(cx, id).await?.is_some() {
            return Ok(Probe::Absent);
        }
        let now = cx.now();
        let since = request.ticket.as_ref().and_then(|ticket| ticket.as_str().strip_prefix(UNSEEN)?.parse().ok()).unwrap_or(now);
        if now.since(since) >= SETTLES.0 || self.is_deleted(cx, id).await? {
            return Ok(Probe::Holds(Receipt::new()));
        }
        Ok(Probe::Pending(unseen(since)))
    }

    pub(crate) async fn probe_ensure(&self, cx: &CallContext, request: &Request, spec: &AccountSpec) -> Result<Probe> {
        let account = match self.find(cx, &request.who).await? {
            Found::One(account) => account,
            Found::None if request.ticket.as_ref().is_some_and(|ticket| ticket == INVITED) => return Ok(Probe::Pending(invited())),
            Found::None => return Ok(Probe::Absent),
            Found::CannotTell(why) => return Ok(Probe::Unclear(why)),
            _ => return Ok(Probe::Unclear("several users answer to the keys".to_owned())),
        };
        let Some(unit) = unit_in(spec)? else { return Ok(Probe::Holds(Receipt::new().with_account(account))) };
        let user = self.user_or_gone(cx, account.id.as_str()).await?;
        Ok(if user.org_unit() == unit { Probe::Holds(Receipt::new().with_account(account)) } else { Probe::Absent })
    }

    /// The administrator it acts as, if users can be seen.
    pub(crate) async fn own_account(&self, cx: &CallContext) -> Result<Option<User>> {
        let Some(admin) = &self.admin else { return Ok(None) };
        match self.by_key(cx, admin).await {
            Err(error) if is_lacking(&error) => Ok(None),
            found => found,
        }
    }
}

fn unit_in(spec: &AccountSpec) -> Result<Option<String>> {
    let mut unit = None;
    for entitlement in &spec.entitlements {
        if entitlement.kind != *MOVE_TO_ORG_UNIT {
            return Err(AdapterError::invalid_request(format!("`{}` cannot be made along with an account", entitlement.kind)));
        }
        unit = Some(entitlement.to::<MoveToOrgUnit>()?.target);
    }
    Ok(unit)
}

/// Whether nothing says that a user found by an address is another person: addresses are passed on, numbers are not.
fn may_be(who: &AccountQuery, user: &User) -> bool {
    let held = user.attribute("employeeId");
    !matches!((who.key("employee_number"), held.as_ref().and_then(Value::as_str)), (Some(number), Some(held)) if number != held)
}

fn of_another_number(who: &AccountQuery, user: &User) -> String {
    let held = user.attribute("employeeId");
    let held = held.as_ref().and_then(Value::as_str).unwrap_or("none");
    let meant = who.key("employee_number").unwrap_or("none");
    format!("the user whose primary address it is has the number `{held}`, and `{meant}` is looked for: renumbered, or another person")
}

/// Whether the person who has an address is the one who is meant.
fn is_same(who: &AccountQuery, user: &User) -> bool {
    let number = user.attribute("employeeId").is_some_and(|held| who.key("employee_number").is_some_and(|number| held == number));
    number || may_be(who, user) && (who.known.as_ref().is_some_and(|id| *id == *user.id) || who.key("email").is_some_and(|email| user.has_address(email)))
}
