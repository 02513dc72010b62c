//! Users: found, made, changed, switched off and on, deleted.

use std::time::Duration;

use provisionr_http::Answer;
use provisionr_http::scim::{Key, User};
use provisionr_sdk::{
    Account, AccountAccess, AccountQuery, AccountSpec, AccountState, AdapterError, CallContext, Effect, ErrorKind, Found, Outcome, ProfileDelta, Receipt,
    Request, Result, RetryHint, Wait, WaitReason,
};
use serde_json::{Map, Value};

use crate::adapter::ScimService;

impl ScimService {
    /// Who is not active is suspended: the RFC has no more states, and nothing is lost by it.
    pub(crate) fn account(&self, user: &User) -> Account {
        let state = if user.is_active() { AccountState::Active } else { AccountState::Suspended };
        let mut account = Account::new(user.id(), state);
        account.login = user.user_name().map(str::to_owned);
        account.email = user.email();
        let attributes = self.descriptor.accounts.attributes.iter();
        account.profile = attributes.filter_map(|attribute| Some((attribute.name.to_owned(), user.attribute(attribute.name)?))).collect();
        account
    }

    pub(crate) async fn user_or_gone(&self, cx: &CallContext, id: &str) -> Result<User> {
        self.scim.user(cx, id).await?.ok_or_else(|| AdapterError::account_not_found("the user is not there"))
    }

    /// The user as a write has left it: as its answer shows it or, where it shows nothing, as it is read.
    async fn after(&self, cx: &CallContext, id: &str, answer: &Answer) -> Result<Account> {
        match User::told_by(answer).filter(|user| user.id() == id) {
            Some(user) => Ok(self.account(&user)),
            None => Ok(self.account(&self.user_or_gone(cx, id).await.map_err(AdapterError::effect_unknown)?)),
        }
    }

    pub(crate) async fn find(&self, cx: &CallContext, who: &AccountQuery) -> Result<Found> {
        if let Some(id) = &who.known
            && let Some(user) = self.scim.user(cx, id.as_str()).await?
        {
            return Ok(Found::One(self.account(&user)));
        }
        for key in &who.keys {
            let Some(by) = self.quirks.found_by.iter().copied().find(|by| by.name() == key.name) else {
                return Err(AdapterError::invalid_request(format!("users are not found by `{}`", key.name)));
            };
            match Found::among(self.scim.find_users(cx, by, &key.value).await?.iter().map(|user| self.account(user))) {
                Found::None => {}
                found => return Ok(found),
            }
        }
        Ok(Found::None)
    }

    pub(crate) async fn ensure(&self, cx: &CallContext, request: &Request, spec: &AccountSpec) -> Result<Outcome> {
        if spec.state != AccountState::Active || spec.access == AccountAccess::HandOver || !spec.entitlements.is_empty() {
            return Err(AdapterError::unsupported("an account that is not active at once, gets a password or brings grants along"));
        }
        if let Some(account) = self.find(cx, &request.who).await?.at_most_one()? {
            return take(account);
        }
        let profile: Map<String, Value> = spec.profile.clone().into_iter().collect();
        for login in &spec.logins {
            let error = match self.scim.create(cx, login, &profile).await {
                Ok((user, answer)) => {
                    let receipt = Receipt::new().before_absent().with_account(self.account(&user));
                    return Ok(Outcome::Applied(receipt.with_request_id(answer.request_id())));
                }
                Err(error) if *error.kind() == ErrorKind::Conflict => error,
                Err(error) => return Err(error),
            };
            // What is taken is not said: the name, or whatever else the service holds to be unique.
            match self.scim.find_users(cx, Key::UserName, login).await?.pop() {
                Some(user) if same_person(&request.who, spec, &user) => return take(self.account(&user)),
                Some(_) => {}
                None => match self.find(cx, &request.who).await?.at_most_one()? {
                    Some(account) => return take(account),
                    None => return Err(error.with_hint(RetryHint::Backoff)),
                },
            }
        }
        Err(AdapterError::conflict("other people have every user name that would do").with_hint(RetryHint::Never))
    }

    pub(crate) async fn update(&self, cx: &CallContext, account: &Account, delta: &ProfileDelta) -> Result<Outcome> {
        let known = |name: &String| self.descriptor.accounts.attributes.iter().any(|attribute| attribute.name == name);
        if let Some(unknown) = delta.0.keys().find(|name| !known(name)) {
            return Err(AdapterError::invalid_request(format!("users have no attribute `{unknown}`")));
        }
        let before = self.account(&self.user_or_gone(cx, account.id.as_str()).await?);
        let differs = |account: &Account, name: &String, wanted: &Option<Value>| account.profile.get(name) != wanted.as_ref();
        let changed = delta.0.iter().filter(|(name, wanted)| differs(&before, name, wanted));
        let changed: Map<String, Value> = changed.map(|(name, wanted)| (name.clone(), wanted.clone().unwrap_or_default())).collect();
        let receipt = Receipt::new().before_account(before.clone());
        if changed.is_empty() {
            return Ok(Outcome::Unchanged(receipt.with_account(before)));
        }
        let answer = self.scim.update(cx, account.id.as_str(), &changed).await?;
        let after = self.after(cx, account.id.as_str(), &answer).await?;
        let left = delta.0.iter().filter(|(name, wanted)| differs(&after, name, wanted)).map(|(name, _)| format!("`{name}` is not as it was written"));
        let receipt = left.fold(receipt, Receipt::and_changed);
        Ok(Outcome::Applied(receipt.with_account(after).with_request_id(answer.request_id())))
    }

    pub(crate) async fn set_state(&self, cx: &CallContext, account: &Account, to: AccountState) -> Result<Outcome> {
        if !self.descriptor.accounts.transitions.iter().any(|transition| transition.to == to) {
            return Err(AdapterError::unsupported(format_args!("accounts that are {to}")));
        }
        let id = account.id.as_str();
        let before = match self.scim.user(cx, id).await? {
            Some(user) => self.account(&user),
            None if to == AccountState::Deleted => return Ok(Outcome::Unchanged(Receipt::new())),
            None => return Err(AdapterError::account_not_found("the user is not there")),
        };
        let receipt = Receipt::new().before_account(before.clone());
        if before.state == to {
            return Ok(Outcome::Unchanged(receipt.with_account(before)));
        }
        let written = match to {
            AccountState::Active => self.scim.switch_on(cx, id).await,
            AccountState::Deleted => self.scim.delete(cx, id).await,
            _ => self.scim.switch_off(cx, id).await,
        };
        let (answer, refusal) = match written {
            Ok(answer) => (Some(answer), None),
            // Somebody may have been faster. What is there tells, not the words of the refusal.
            Err(error) if error.effect() == Effect::None && matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound(_)) => (None, Some(error)),
            Err(error) => return Err(error),
        };
        let receipt = receipt.with_request_id(answer.as_ref().and_then(Answer::request_id));
        let doubt = |error: AdapterError| if answer.is_some() { error.effect_unknown() } else { error };
        let told = answer.as_ref().and_then(User::told_by).filter(|user| user.id() == id && self.account(user).state == to);
        let now = match told {
            Some(user) => Some(self.account(&user)),
            None => self.scim.user(cx, id).await.map_err(doubt)?.map(|user| self.account(&user)),
        };
        let arrived = now.as_ref().map_or(AccountState::Deleted, |account| account.state) == to;
        if to == AccountState::Deleted && before.state == AccountState::Active && now.as_ref().is_some_and(|now| now.state == AccountState::Suspended) {
            let why = "the service only switches off whom it is asked to delete: the settings have to say so (`switch_off: delete`)";
            return Err(doubt(AdapterError::invalid_config(why)));
        }
        let receipt = now.into_iter().fold(receipt, Receipt::with_account);
        match refusal {
            None if arrived => Ok(Outcome::Applied(receipt)),
            None => Ok(Outcome::Waiting(Wait::new(WaitReason::Propagating, Duration::from_secs(10)).patience(Duration::from_secs(600)), receipt)),
            Some(_) if arrived => Ok(Outcome::Unchanged(receipt)),
            Some(error) => Err(error),
        }
    }
}

fn take(account: Account) -> Result<Outcome> {
    if account.state != AccountState::Active {
        return Err(AdapterError::conflict(format!("the account is there, and is {}", account.state)).with_hint(RetryHint::Replan));
    }
    Ok(Outcome::Unchanged(Receipt::new().before_account(account.clone()).with_account(account)))
}

/// Whether the person who has a user name is the one who is meant. An id from outside that differs, from the one they are looked for by and
/// from the one they would be given, outweighs an address that fits: addresses are given to the next person, numbers are not.
fn same_person(who: &AccountQuery, spec: &AccountSpec, user: &User) -> bool {
    let wanted = [who.key(Key::ExternalId.name()), spec.profile.get("externalId").and_then(Value::as_str)];
    if let Some(held) = user.external_id()
        && wanted.iter().any(Option::is_some)
    {
        return wanted.contains(&Some(held));
    }
    let is = |key: &provisionr_sdk::IdentityKey| match Key::named(&key.name) {
        Some(Key::UserName) => user.user_name().is_some_and(|name| name.eq_ignore_ascii_case(&key.value)),
        Some(Key::Email) => user.has_email(&key.value),
        _ => false,
    };
    who.known.as_ref().is_some_and(|id| *id == *user.id()) || who.keys.iter().any(is)
}
