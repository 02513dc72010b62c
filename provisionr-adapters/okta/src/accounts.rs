//! Users: found, made, updated, moved between states.

use std::time::Duration;

use provisionr_http::{Paging, path};
use provisionr_sdk::{
    Account, AccountAccess, AccountQuery, AccountSpec, AccountState, AdapterError, CallContext, Effect, ErrorKind, Found, Outcome, Page, PageRequest, Probe,
    ProfileDelta, Receipt, Request, Result, RetryHint, Wait, WaitReason,
};
use serde_json::{Map, Value, json};

use crate::adapter::Okta;
use crate::config::SignIn;
use crate::errors::login_is_taken;
use crate::groups::{ADD_TO_GROUP, AddToGroup};
use crate::wire::User;

/// Groups a create takes along at most; `E0000093` beyond.
const MOST_GROUPS: usize = 20;

/// Transitions take a moment in small orgs, minutes where many apps follow.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

impl Okta {
    pub(crate) async fn user(&self, cx: &CallContext, id: &str) -> Result<Option<User>> {
        let answer = self.client.get(path!["api", "v1", "users", id]).send_if_found(cx).await?;
        // The same address takes logins, short names and `me`.
        Ok(answer.map(|answer| answer.json::<User>()).transpose()?.filter(|user| user.id == id))
    }

    pub(crate) async fn user_or_gone(&self, cx: &CallContext, id: &str) -> Result<User> {
        self.user(cx, id).await?.ok_or_else(|| AdapterError::account_not_found("the user is not there, or not to be seen"))
    }

    pub(crate) async fn find(&self, cx: &CallContext, who: &AccountQuery) -> Result<Found> {
        if let Some(id) = &who.known
            && let Some(user) = self.user(cx, id.as_str()).await?
        {
            return Ok(Found::One(user.account(&self.facts)?));
        }
        let mut certain = who.keys.is_empty();
        for key in &who.keys {
            let users = match key.name.as_str() {
                "login" => self.by_login(cx, &key.value).await?,
                "email" => self.by_attribute(cx, "email", &key.value).await?,
                "employee_number" => self.by_index(cx, "employeeNumber", &key.value).await?,
                other => return Err(AdapterError::invalid_request(format!("users are not found by `{other}`"))),
            };
            certain |= key.name != "employee_number";
            let accounts = users.iter().map(|user| user.account(&self.facts)).collect::<Result<Vec<Account>>>()?;
            match Found::among(accounts) {
                Found::None => {}
                found => return Ok(found),
            }
        }
        Ok(if certain { Found::None } else { Found::CannotTell("users are found by number through an index that lags".to_owned()) })
    }

    /// By login, whatever its case. A look-up may miss deactivated users.
    async fn by_login(&self, cx: &CallContext, login: &str) -> Result<Vec<User>> {
        if !login.contains(['/', '\\']) {
            let answer = self.client.get(path!["api", "v1", "users", login]).send_if_found(cx).await?;
            let user = answer.map(|answer| answer.json::<User>()).transpose()?;
            if let Some(user) = user.filter(|user| user.is("login", login)) {
                return Ok(vec![user]);
            }
        }
        self.by_attribute(cx, "login", login).await
    }

    /// By an attribute, whatever its case. A filter sees every write at once and compares case; the index does not compare case, and
    /// lags: what was made a moment ago was made by a create, in the case that is looked for.
    async fn by_attribute(&self, cx: &CallContext, attribute: &str, value: &str) -> Result<Vec<User>> {
        let mut users = self.list_where(cx, "filter", attribute, value).await?;
        let folded = value.to_lowercase();
        if users.is_empty() && folded != value {
            users = self.list_where(cx, "filter", attribute, &folded).await?;
        }
        if users.is_empty() { self.by_index(cx, attribute, value).await } else { Ok(users) }
    }

    /// Through the index; what it finds is read afresh.
    async fn by_index(&self, cx: &CallContext, attribute: &str, value: &str) -> Result<Vec<User>> {
        let mut users = Vec::new();
        for hit in self.list_where(cx, "search", attribute, value).await? {
            users.extend(self.user(cx, &hit.id).await?.filter(|user| user.is(attribute, value)));
        }
        Ok(users)
    }

    async fn list_where(&self, cx: &CallContext, how: &str, attribute: &str, value: &str) -> Result<Vec<User>> {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"");
        let request = self.client.get(path!["api", "v1", "users"]).query(how, format!("profile.{attribute} eq \"{value}\""));
        request.all(cx, &Paging::link().sized("limit", 200)).await
    }

    pub(crate) async fn list_users(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<User>> {
        // Without a filter deactivated users are left out; this one fits everybody.
        let request = self.client.get(path!["api", "v1", "users"]).query("filter", "lastUpdated gt \"1970-01-01T00:00:00.000Z\"");
        request.page(cx, page, &Paging::link().sized("limit", 200)).await
    }

    pub(crate) async fn ensure(&self, cx: &CallContext, request: &Request, spec: &AccountSpec) -> Result<Outcome> {
        if !matches!(spec.state, AccountState::Active | AccountState::Staged) || spec.access == AccountAccess::HandOver {
            return Err(AdapterError::unsupported(format_args!("an account that begins {} with access {:?}", spec.state, spec.access)));
        }
        let groups = groups_in(spec)?;
        if let Some(account) = self.find(cx, &request.who).await?.at_most_one()? {
            let user = self.user_or_gone(cx, account.id.as_str()).await?;
            return self.take(cx, spec, &groups, user).await;
        }
        for login in &spec.logins {
            match self.create(cx, spec, login, &groups).await {
                Ok((user, receipt)) => {
                    let rest = groups.get(MOST_GROUPS..).unwrap_or_default();
                    return self.complete(cx, spec, rest, user, receipt.before_absent(), Written::Yes).await;
                }
                Err(error) if login_is_taken(&error) => match self.by_login(cx, login).await?.pop() {
                    Some(user) if same_person(&request.who, &user) => return self.take(cx, spec, &groups, user).await,
                    Some(_) => {}
                    None => return Err(error.with_hint(RetryHint::Backoff)),
                },
                Err(error) => return Err(error),
            }
        }
        Err(AdapterError::conflict("other people have every login that would do").with_hint(RetryHint::Never))
    }

    async fn create(&self, cx: &CallContext, spec: &AccountSpec, login: &str, groups: &[String]) -> Result<(User, Receipt)> {
        let mut profile: Map<String, Value> = spec.profile.clone().into_iter().collect();
        profile.insert("login".to_owned(), login.into());
        profile.entry("email").or_insert_with(|| login.into());
        let mut body = json!({ "profile": profile, "groupIds": groups.get(..MOST_GROUPS).unwrap_or(groups) });
        let federated = self.facts.sign_in == SignIn::IdentityProvider;
        let mut call = self.client.post(path!["api", "v1", "users"]);
        if federated && let Some(body) = body.as_object_mut() {
            body.insert("credentials".to_owned(), json!({ "provider": { "type": "FEDERATION", "name": "FEDERATION" } }));
            call = call.query("provider", "true");
        }
        // Activated at once, a user without a password gets a mail. Where none is wanted, activation is a call of its own.
        let at_once = spec.state == AccountState::Active && (federated || spec.access == AccountAccess::VendorMail);
        let answer = call.query("activate", at_once).json(&body).send(cx).await?;
        Ok((answer.json()?, Receipt::new().with_request_id(answer.request_id())))
    }

    /// Takes a user that is there: finishes what an interrupted create has left, and nothing else.
    async fn take(&self, cx: &CallContext, spec: &AccountSpec, groups: &[String], user: User) -> Result<Outcome> {
        let state = user.state()?;
        if spec.state == AccountState::Active && matches!(state, AccountState::Suspended | AccountState::Deactivated) {
            return Err(AdapterError::conflict(format!("the account is there, and is {state}")).with_hint(RetryHint::Replan));
        }
        let missing = self.not_in(cx, &user.id, groups).await?;
        let receipt = Receipt::new().before_account(user.account(&self.facts)?);
        self.complete(cx, spec, &missing, user, receipt, Written::No).await
    }

    async fn not_in(&self, cx: &CallContext, user: &str, groups: &[String]) -> Result<Vec<String>> {
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        let held = self.groups_of(cx, user).await?;
        Ok(groups.iter().filter(|wanted| !held.iter().any(|group| group.id == **wanted)).cloned().collect())
    }

    async fn complete(
        &self,
        cx: &CallContext,
        spec: &AccountSpec,
        groups: &[String],
        mut user: User,
        receipt: Receipt,
        mut written: Written,
    ) -> Result<Outcome> {
        for group in groups {
            let put = self.put_member(cx, group, &user.id).await;
            put.map_err(|error| written.mark(error))?;
            written = Written::Yes;
        }
        let account = user.account(&self.facts).map_err(|error| written.mark(error))?;
        if spec.state == AccountState::Active && account.state == AccountState::Staged && account.settling.is_none() {
            let activated = self.lifecycle(cx, &user.id, "activate", spec.access == AccountAccess::VendorMail).await;
            user = activated.map_err(|error| written.mark(error))?;
            written = Written::Yes;
        }
        let account = user.account(&self.facts).map_err(|error| written.mark(error))?;
        let settling = account.settling.is_some() || (account.state == AccountState::Staged && spec.state == AccountState::Active);
        let receipt = receipt.with_account(account);
        Ok(match written {
            _ if settling => Outcome::Waiting(Wait::new(WaitReason::VendorJob, LOOK_AGAIN), receipt),
            Written::Yes => Outcome::Applied(receipt),
            Written::No => Outcome::Unchanged(receipt),
        })
    }

    /// Moves a user, and reads what came of it: the answer does not say.
    async fn lifecycle(&self, cx: &CallContext, id: &str, verb: &str, mail: bool) -> Result<User> {
        let mut call = self.client.post(path!["api", "v1", "users", id, "lifecycle", verb]);
        if matches!(verb, "activate" | "deactivate") {
            call = call.query("sendEmail", mail);
        }
        // Some of these calls answer with an object, some with nothing; a proxy's page is neither.
        call.send(cx).await?.json_if_any::<Map<String, Value>>()?;
        self.user_or_gone(cx, id).await.map_err(AdapterError::effect_unknown)
    }

    pub(crate) async fn update(&self, cx: &CallContext, account: &Account, delta: &ProfileDelta) -> Result<Outcome> {
        if let Some(unknown) = delta.0.keys().find(|name| !self.facts.knows(name)) {
            return Err(AdapterError::invalid_request(format!("users have no attribute `{unknown}`")));
        }
        let before = self.user_or_gone(cx, account.id.as_str()).await?.account(&self.facts)?;
        if let Some(owner) = &before.managed_by {
            return Err(AdapterError::owned_elsewhere(format!("{owner} decides about the profile")));
        }
        let changed: Map<String, Value> = delta
            .0
            .iter()
            .filter(|(name, wanted)| before.profile.get(*name) != wanted.as_ref())
            .map(|(name, wanted)| (name.clone(), wanted.clone().unwrap_or_default()))
            .collect();
        let receipt = Receipt::new().before_account(before.clone());
        if changed.is_empty() {
            return Ok(Outcome::Unchanged(receipt.with_account(before)));
        }
        // Only what changes is named: what a write names it sets, and another writer may be at work on the rest.
        let answer = self.client.post(path!["api", "v1", "users", account.id]).json(&json!({ "profile": changed })).send(cx).await?;
        let after = answer.json::<User>()?.account(&self.facts).map_err(AdapterError::effect_unknown)?;
        Ok(Outcome::Applied(receipt.with_account(after).with_request_id(answer.request_id())))
    }

    pub(crate) async fn set_state(&self, cx: &CallContext, account: &Account, to: AccountState) -> Result<Outcome> {
        if !self.descriptor.accounts.transitions.iter().any(|transition| transition.to == to) {
            return Err(AdapterError::unsupported(format_args!("accounts that are {to}")));
        }
        let Some(user) = self.user(cx, account.id.as_str()).await? else {
            return match to {
                AccountState::Deleted => Ok(Outcome::Unchanged(Receipt::new())),
                _ => Err(AdapterError::account_not_found("the user is not there, or not to be seen")),
            };
        };
        let before = user.account(&self.facts)?;
        let receipt = Receipt::new().before_account(before.clone());
        match before.settling {
            Some(state) if state == to => return Ok(Outcome::Waiting(Wait::new(WaitReason::VendorJob, LOOK_AGAIN), receipt.with_account(before))),
            Some(state) => return Err(AdapterError::not_ready(format!("the account is still becoming {state}"))),
            None if before.state == to => return Ok(Outcome::Unchanged(receipt.with_account(before))),
            None => {}
        }
        let verb = match (to, user.status.as_str()) {
            (AccountState::Active, "SUSPENDED") => "unsuspend",
            (AccountState::Active, _) => "activate",
            (AccountState::Suspended, "ACTIVE") => "suspend",
            (AccountState::Suspended, status) => {
                return Err(AdapterError::refused(format!(
                    "Okta suspends only users who are ACTIVE, and this one is {status}: deactivate the account instead"
                )));
            }
            (AccountState::Deactivated, _) => "deactivate",
            (AccountState::Deleted, _) => return self.delete(cx, before, receipt).await,
            (other, _) => return Err(AdapterError::unsupported(format_args!("accounts that are {other}"))),
        };
        let after = match self.lifecycle(cx, &user.id, verb, false).await {
            Ok(user) => user.account(&self.facts).map_err(AdapterError::effect_unknown)?,
            Err(error) if error.effect() == Effect::None && matches!(error.kind(), ErrorKind::Conflict | ErrorKind::InvalidRequest | ErrorKind::NotReady) => {
                // Somebody may have been faster. What is there tells, not the words of the refusal.
                let now = self.user_or_gone(cx, &user.id).await?.account(&self.facts)?;
                return if now.state == to { Ok(Outcome::Unchanged(receipt.with_account(now))) } else { Err(error) };
            }
            Err(error) => return Err(error),
        };
        let arrived = after.state == to;
        let receipt = receipt.with_account(after);
        Ok(if arrived { Outcome::Applied(receipt) } else { Outcome::Waiting(Wait::new(WaitReason::VendorJob, LOOK_AGAIN), receipt) })
    }

    /// The first call deactivates, the second deletes, and both answer alike: only a look tells which it was.
    async fn delete(&self, cx: &CallContext, before: Account, receipt: Receipt) -> Result<Outcome> {
        let id = before.id.as_str();
        let mut written = Written::No;
        for _ in 0..2 {
            let sent = self.client.delete(path!["api", "v1", "users", id]).query("sendEmail", "false").send(cx).await;
            sent.and_then(|answer| answer.empty()).map_err(|error| written.mark(error))?;
            written = Written::Yes;
            match self.user(cx, id).await.map_err(|error| written.mark(error))? {
                None => return Ok(Outcome::Applied(receipt)),
                Some(user) if user.state().is_ok_and(|state| state == AccountState::Deactivated) => {}
                Some(_) => break,
            }
        }
        Ok(Outcome::Waiting(Wait::new(WaitReason::VendorJob, LOOK_AGAIN), receipt))
    }

    pub(crate) async fn end_sessions(&self, cx: &CallContext, account: &Account) -> Result<Outcome> {
        let call = self.client.delete(path!["api", "v1", "users", account.id, "sessions"]).query("oauthTokens", "true");
        match call.send_if_found(cx).await? {
            Some(answer) => {
                answer.empty()?;
                Ok(Outcome::Applied(Receipt::new().with_request_id(answer.request_id())))
            }
            None => Err(AdapterError::account_not_found("the user is not there, or not to be seen")),
        }
    }

    pub(crate) async fn probe_ensure(&self, cx: &CallContext, request: &Request, spec: &AccountSpec) -> Result<Probe> {
        let account = match self.find(cx, &request.who).await? {
            Found::One(account) => account,
            Found::None => return Ok(Probe::Absent),
            Found::CannotTell(why) => return Ok(Probe::Unclear(why)),
            _ => return Ok(Probe::Unclear("several users answer to the keys".to_owned())),
        };
        if account.settling == Some(AccountState::Active) {
            return Ok(Probe::Pending(Wait::new(WaitReason::VendorJob, LOOK_AGAIN)));
        }
        let complete = spec.state != AccountState::Active || account.state == AccountState::Active;
        if complete && self.not_in(cx, account.id.as_str(), &groups_in(spec)?).await?.is_empty() {
            return Ok(Probe::Holds(Receipt::new().with_account(account)));
        }
        Ok(Probe::Absent)
    }

    pub(crate) async fn probe_deleted(&self, cx: &CallContext, account: &Account) -> Result<Probe> {
        Ok(match self.user(cx, account.id.as_str()).await? {
            None => Probe::Holds(Receipt::new()),
            Some(user) if user.account(&self.facts)?.settling.is_some() => Probe::Pending(Wait::new(WaitReason::VendorJob, LOOK_AGAIN)),
            Some(_) => Probe::Absent,
        })
    }
}

/// Whether something was written before an error: then the error no longer promises that nothing has changed.
#[derive(Clone, Copy)]
enum Written {
    No,
    Yes,
}

impl Written {
    fn mark(self, error: AdapterError) -> AdapterError {
        match self {
            Self::No => error,
            Self::Yes => error.effect_unknown(),
        }
    }
}

fn groups_in(spec: &AccountSpec) -> Result<Vec<String>> {
    spec.entitlements
        .iter()
        .map(|entitlement| match entitlement.kind.as_str() {
            ADD_TO_GROUP => Ok(entitlement.to::<AddToGroup>()?.target),
            other => Err(AdapterError::invalid_request(format!("`{other}` cannot be made along with an account"))),
        })
        .collect()
}

/// Whether the person who has a login is the one who is meant. A number that differs outweighs an address that fits:
/// addresses are given to the next person, numbers are not.
fn same_person(who: &AccountQuery, user: &User) -> bool {
    if let (Some(number), Some(held)) = (who.key("employee_number"), user.text("employeeNumber")) {
        return number == held;
    }
    who.known.as_ref().is_some_and(|id| *id == *user.id)
        || who.keys.iter().any(|key| matches!(key.name.as_str(), "login" | "email") && user.is(&key.name, &key.value))
}
