//! Users of the identity store: found, made, updated, deleted.

use provisionr_sdk::{
    Account, AccountAccess, AccountQuery, AccountSpec, AccountState, AdapterError, CallContext, ErrorKind, Found, Missing, Outcome, Page, PageRequest,
    ProfileDelta, Receipt, Request, Result, RetryHint,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::adapter::IdentityCenter;
use crate::client::{change, look};
use crate::errors::{is_conflict, lacks};
use crate::wire::{User, is_id, new_user, operation};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Made {
    user_id: String,
}

impl IdentityCenter {
    pub(crate) async fn user(&self, cx: &CallContext, id: &str) -> Result<Option<User>> {
        if !is_id(id) {
            return Ok(None);
        }
        match self.client.call(cx, look("DescribeUser"), json!({ "UserId": id })).await {
            Ok(answer) => answer.json().map(Some),
            Err(error) if lacks(&error, Missing::Account) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn user_or_gone(&self, cx: &CallContext, id: &str) -> Result<User> {
        self.user(cx, id).await?.ok_or_else(|| AdapterError::account_not_found("the user is not in the identity store"))
    }

    /// By what AWS calls an alternate identifier.
    async fn user_by(&self, cx: &CallContext, identifier: Value) -> Result<Option<User>> {
        match self.client.call(cx, look("GetUserId"), json!({ "AlternateIdentifier": identifier })).await {
            Ok(answer) => self.user(cx, &answer.json::<Made>()?.user_id).await,
            Err(error) if lacks(&error, Missing::Account) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// By user name or address: as it is given, and in lower case. Whether AWS tells letters in another case apart is not described.
    async fn user_by_text(&self, cx: &CallContext, attribute: Text, value: &str) -> Result<Option<User>> {
        let by = |value: &str| json!({ "UniqueAttribute": { "AttributePath": attribute.path(), "AttributeValue": value } });
        let found = self.user_by(cx, by(value)).await?;
        match value.to_lowercase() {
            folded if found.is_none() && folded != value => self.user_by(cx, by(&folded)).await,
            _ => Ok(found),
        }
    }

    /// Users with any of these texts in letters of any case. Only the list of all users tells that there are none.
    async fn users_in_any_letters(&self, cx: &CallContext, texts: &[(Text, &str)]) -> Result<Vec<User>> {
        let users: Vec<User> = self.client.all(cx, look("ListUsers"), "Users", &json!({})).await?;
        Ok(users.into_iter().filter(|user| texts.iter().any(|(attribute, value)| user.is(attribute.name(), value))).collect())
    }

    pub(crate) async fn find(&self, cx: &CallContext, who: &AccountQuery) -> Result<Found> {
        if let Some(id) = &who.known
            && let Some(user) = self.user(cx, id.as_str()).await?
        {
            return Ok(Found::One(user.account(&self.facts)?));
        }
        let mut texts = Vec::new();
        for key in &who.keys {
            let user = match (Text::of_key(&key.name), &self.facts.issuer) {
                (Some(attribute), _) => {
                    texts.push((attribute, key.value.as_str()));
                    self.user_by_text(cx, attribute, &key.value).await?
                }
                (None, Some(issuer)) if key.name == "external_id" => self.user_by(cx, json!({ "ExternalId": { "Issuer": issuer, "Id": key.value } })).await?,
                _ => return Err(AdapterError::invalid_request(format!("users are not found by `{}`", key.name))),
            };
            if let Some(user) = user {
                return Ok(Found::One(user.account(&self.facts)?));
            }
        }
        if texts.is_empty() {
            return Ok(Found::None);
        }
        match self.users_in_any_letters(cx, &texts).await {
            Ok(users) => Ok(Found::among(users.iter().map(|user| user.account(&self.facts)).collect::<Result<Vec<_>>>()?)),
            Err(error) if *error.kind() == ErrorKind::PermissionDenied => {
                Ok(Found::CannotTell(format!("nobody has it in just these letters, and users may not be listed: {error}")))
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn list_users(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Account>> {
        let Page { items, next, completeness } = self.client.page::<User>(cx, look("ListUsers"), "Users", json!({}), page).await?;
        let items = items.iter().map(|user| user.account(&self.facts)).collect::<Result<_>>()?;
        Ok(Page { items, next, completeness })
    }

    pub(crate) async fn ensure(&self, cx: &CallContext, request: &Request, spec: &AccountSpec) -> Result<Outcome> {
        if spec.state != AccountState::Active || spec.access != AccountAccess::Sso {
            return Err(AdapterError::unsupported(format_args!("an account that begins {} with access {:?}", spec.state, spec.access)));
        }
        if let Some(entitlement) = spec.entitlements.first() {
            return Err(AdapterError::invalid_request(format!("`{}` cannot be made along with an account", entitlement.kind)));
        }
        if let Some(unknown) = spec.profile.keys().find(|name| !self.facts.attributes.contains(&name.as_str())) {
            return Err(AdapterError::invalid_request(format!("users have no attribute `{unknown}`")));
        }
        if let Some(account) = self.find(cx, &request.who).await?.at_most_one()? {
            return take(account);
        }
        for login in &spec.logins {
            match self.client.call(cx, change("CreateUser"), new_user(login, &spec.profile)).await {
                Ok(answer) => {
                    let mut account = Account::new(answer.json::<Made>()?.user_id, AccountState::Active).with_login(login);
                    account.email = spec.profile.get("email").and_then(Value::as_str).map(str::to_owned);
                    account.profile = spec.profile.clone();
                    account.profile.insert("userName".to_owned(), login.as_str().into());
                    let receipt = Receipt::new().before_absent().with_account(account).with_request_id(answer.request_id());
                    return Ok(Outcome::Applied(receipt));
                }
                // The reason may be missing, so that what is there tells.
                Err(error) if is_conflict(&error) => match self.holder_of(cx, login).await? {
                    Some(user) if same_person(&request.who, &user) => return take(user.account(&self.facts)?),
                    Some(_) => {}
                    None if error.hint() == RetryHint::Never => {
                        return Err(AdapterError::conflict("another user has the e-mail address").with_hint(RetryHint::Never));
                    }
                    None => return Err(error),
                },
                Err(error) => return Err(error),
            }
        }
        Err(AdapterError::conflict("other people have every user name that would do").with_hint(RetryHint::Never))
    }

    /// Who has a user name, in letters of any case.
    async fn holder_of(&self, cx: &CallContext, login: &str) -> Result<Option<User>> {
        match self.user_by_text(cx, Text::UserName, login).await? {
            Some(user) => Ok(Some(user)),
            None => Ok(self.users_in_any_letters(cx, &[(Text::UserName, login)]).await?.into_iter().next()),
        }
    }

    pub(crate) async fn update(&self, cx: &CallContext, account: &Account, delta: &ProfileDelta) -> Result<Outcome> {
        if let Some(unknown) = delta.0.keys().find(|name| !self.facts.attributes.contains(&name.as_str())) {
            return Err(AdapterError::invalid_request(format!("users have no attribute `{unknown}`")));
        }
        let before = self.user_or_gone(cx, account.id.as_str()).await?.account(&self.facts)?;
        if let Some(owner) = &before.managed_by {
            return Err(AdapterError::owned_elsewhere(format!("{owner} decides about the profile")));
        }
        let receipt = Receipt::new().before_account(before.clone());
        let changed: Vec<_> = delta.0.iter().filter(|(name, wanted)| before.profile.get(*name) != wanted.as_ref()).collect();
        if changed.is_empty() {
            return Ok(Outcome::Unchanged(receipt.with_account(before)));
        }
        let operations: Vec<Value> = changed.iter().map(|(name, wanted)| operation(name, wanted.as_ref())).collect();
        let answer = self.client.call(cx, change("UpdateUser"), json!({ "UserId": account.id, "Operations": operations })).await?;
        answer.json::<Made>()?;
        let mut after = before;
        for (name, wanted) in changed {
            match wanted {
                Some(value) => after.profile.insert(name.clone(), value.clone()),
                None => after.profile.remove(name),
            };
        }
        let text = |name: &str| after.profile.get(name).and_then(Value::as_str).map(str::to_owned);
        (after.login, after.email) = (text("userName"), text("email"));
        Ok(Outcome::Applied(receipt.with_account(after).with_request_id(answer.request_id())))
    }

    pub(crate) async fn delete(&self, cx: &CallContext, account: &Account) -> Result<Outcome> {
        let Some(user) = self.user(cx, account.id.as_str()).await? else { return Ok(Outcome::Unchanged(Receipt::new())) };
        let before = user.account(&self.facts)?;
        if let Some(owner) = &before.managed_by {
            return Err(AdapterError::owned_elsewhere(format!("{owner} decides whether the user is there, and would make them again")));
        }
        match self.client.call(cx, change("DeleteUser"), json!({ "UserId": account.id })).await {
            Ok(answer) => Ok(Outcome::Applied(Receipt::new().before_account(before).with_request_id(answer.request_id()))),
            // Somebody was faster.
            Err(error) if lacks(&error, Missing::Account) => Ok(Outcome::Unchanged(Receipt::new().before_account(before))),
            Err(error) => Err(error),
        }
    }
}

/// An account that is there is taken as it is. No call enables a user who was disabled: that is for a plan to say.
fn take(account: Account) -> Result<Outcome> {
    if account.state != AccountState::Active {
        return Err(AdapterError::conflict("the user is there, and is disabled").with_hint(RetryHint::Replan));
    }
    Ok(Outcome::Unchanged(Receipt::new().before_account(account.clone()).with_account(account)))
}

/// A text users are found by.
#[derive(Clone, Copy, Debug)]
enum Text {
    UserName,
    Email,
}

impl Text {
    fn of_key(key: &str) -> Option<Self> {
        match key {
            "user_name" => Some(Self::UserName),
            "email" => Some(Self::Email),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::UserName => "userName",
            Self::Email => "email",
        }
    }

    /// As AWS has it.
    fn path(self) -> &'static str {
        match self {
            Self::UserName => "userName",
            Self::Email => "emails.value",
        }
    }
}

/// Whether the person who has a user name is the one who is meant.
fn same_person(who: &AccountQuery, user: &User) -> bool {
    who.known.as_ref().is_some_and(|id| *id == *user.user_id)
        || who.keys.iter().any(|key| Text::of_key(&key.name).is_some_and(|attribute| user.is(attribute.name(), &key.value)))
}
