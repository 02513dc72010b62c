//! Users: found, made, updated, frozen, switched off and on.

use std::time::Duration;

use provisionr_http::path;
use provisionr_sdk::{
    Account, AccountAccess, AccountQuery, AccountSpec, AccountState, AdapterError, CallContext, Change, Found, Outcome, Probe, ProfileDelta, Receipt, Request,
    Result, RetryHint, Wait, WaitReason, probe_by_looking,
};
use serde_json::{Map, Value, json};

use crate::adapter::Salesforce;
use crate::api::{MOST_QUERIES, Person, read};
use crate::errors::{DUPLICATE_USERNAME, DUPLICATE_VALUE};
use crate::grants::id_of;
use crate::kinds::PROFILE;
use crate::wire::{Saved, User, UserLogin};

/// How long the link in the mail about a new address is good, <https://help.salesforce.com/s/articleView?id=000385115&type=1>.
const CONFIRMATION: Duration = Duration::from_secs(72 * 60 * 60);

/// The ticket of a wait for it: that the person has been asked can be seen nowhere.
const ASKED: &str = "asked";

fn confirmation() -> Wait {
    Wait::new(WaitReason::Approval, Duration::from_secs(60 * 60)).patience(CONFIRMATION).with_ticket(ASKED)
}

impl Salesforce {
    pub(crate) fn account(&self, person: &Person) -> Account {
        person.user.account(person.login.as_ref(), &self.facts.attributes)
    }

    pub(crate) fn account_among(&self, user: &User, logins: &[UserLogin]) -> Account {
        user.account(logins.iter().find(|login| login.user_id == user.id), &self.facts.attributes)
    }

    pub(crate) async fn find(&self, cx: &CallContext, who: &AccountQuery) -> Result<Found> {
        if let Some(id) = &who.known
            && let Some(person) = self.person(cx, id.as_str(), &[], None).await?
        {
            return Ok(Found::One(self.account(&person)));
        }
        let mut queries = Vec::with_capacity(who.keys.len());
        for key in &who.keys {
            let field = match key.name.as_str() {
                "username" => "Username",
                "email" => "Email",
                "federation_id" => "FederationIdentifier",
                other => return Err(AdapterError::invalid_request(format!("users are not found by `{other}`"))),
            };
            // In SOQL an empty text equals "none": it would find everybody without a value.
            if key.value.trim().is_empty() {
                return Err(AdapterError::invalid_request(format!("the key `{}` has no value", key.name)));
            }
            queries.push(self.users().is(field, &key.value));
        }
        for queries in queries.chunks(MOST_QUERIES) {
            for records in self.together(cx, queries).await? {
                let users: Vec<User> = read(Some(records))?;
                if !users.is_empty() {
                    let logins: Vec<UserLogin> = self.all(cx, &UserLogin::query().among("UserId", users.iter().map(|user| user.id.as_str()))).await?;
                    return Ok(Found::among(users.iter().map(|user| self.account_among(user, &logins))));
                }
            }
        }
        Ok(Found::None)
    }

    pub(crate) async fn ensure(&self, cx: &CallContext, request: &Request, spec: &AccountSpec) -> Result<Outcome> {
        if spec.state != AccountState::Active || spec.access != AccountAccess::Sso {
            return Err(AdapterError::unsupported(format_args!("an account that begins {} with access {:?}", spec.state, spec.access)));
        }
        self.must_know(spec.profile.keys())?;
        let profile = profile_of(spec)?;
        if let Some(account) = self.find(cx, &request.who).await?.at_most_one()? {
            return take(account);
        }
        for login in &spec.logins {
            match self.create(cx, spec, login, profile).await {
                Ok(account) => return Ok(Outcome::Applied(Receipt::new().before_absent().with_account(account))),
                // User names are one list for all orgs of Salesforce. One that is taken here may be this very person's;
                // one that is taken elsewhere cannot be seen.
                Err(error) if error.code() == Some(DUPLICATE_USERNAME) => {
                    let by_login = AccountQuery::by("username", login.as_str());
                    if let Some(account) = self.find(cx, &by_login).await?.one().filter(|account| same_person(&request.who, account)) {
                        return take(account);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Err(AdapterError::conflict("others have every user name that would do, here or in another org").with_hint(RetryHint::Never))
    }

    async fn create(&self, cx: &CallContext, spec: &AccountSpec, login: &str, profile: &str) -> Result<Account> {
        let mut fields: Map<String, Value> = spec.profile.clone().into_iter().collect();
        fields.insert("Username".to_owned(), login.into());
        let regional = &self.facts.regional;
        let short: String = login.split('@').next().unwrap_or(login).chars().take(8).collect();
        for (field, value) in [
            ("Email", login),
            ("Alias", short.as_str()),
            ("TimeZoneSidKey", regional.time_zone.as_str()),
            ("LocaleSidKey", regional.locale.as_str()),
            ("LanguageLocaleKey", regional.language.as_str()),
            ("EmailEncodingKey", "UTF-8"),
        ] {
            fields.entry(field).or_insert_with(|| value.into());
        }
        fields.extend([("ProfileId".to_owned(), profile.into()), ("IsActive".to_owned(), true.into())]);
        let answer = self.client.post(path!["sobjects", "User"]).json(&fields).send(cx).await.map_err(taken)?;
        let saved: Saved = answer.json()?;
        let Some(id) = saved.id.filter(|_| saved.success) else { return Err(answer.unreadable("the user is said to be created, and has no id")) };
        let mut account = Account::new(id, AccountState::Active).with_login(login);
        account.email = fields.get("Email").and_then(Value::as_str).map(str::to_owned);
        account.profile = fields.into_iter().filter(|(name, value)| self.facts.knows(name) && !value.is_null()).collect();
        Ok(account)
    }

    fn must_know<'n>(&self, mut names: impl Iterator<Item = &'n String>) -> Result<()> {
        match names.find(|name| !self.facts.knows(name)) {
            Some(unknown) => Err(AdapterError::invalid_request(format!("users have no attribute `{unknown}`; custom fields are configured"))),
            None => Ok(()),
        }
    }

    pub(crate) async fn update(&self, cx: &CallContext, account: &Account, delta: &ProfileDelta) -> Result<Outcome> {
        self.must_know(delta.0.keys())?;
        let before = self.account(&self.person_or_gone(cx, account.id.as_str(), &[], None).await?);
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
        self.set(cx, "User", before.id.as_str(), &Value::Object(changed.clone())).await.map_err(taken)?;
        let after = self.person_or_gone(cx, before.id.as_str(), &[], None).await.map_err(AdapterError::effect_unknown)?;
        let after = self.account(&after);
        let unconfirmed = changed.get("Email").is_some_and(|wanted| after.profile.get("Email") != Some(wanted));
        let receipt = receipt.with_account(after);
        Ok(if unconfirmed { Outcome::Waiting(confirmation(), receipt) } else { Outcome::Applied(receipt) })
    }

    pub(crate) async fn set_state(&self, cx: &CallContext, account: &Account, to: AccountState) -> Result<Outcome> {
        use AccountState::{Active, Deactivated, Frozen};
        if !matches!(to, Active | Frozen | Deactivated) {
            return Err(AdapterError::unsupported(format_args!("accounts that are {to}")));
        }
        let person = self.person_or_gone(cx, account.id.as_str(), &[], None).await?;
        let before = self.account(&person);
        let receipt = Receipt::new().before_account(before.clone()).with_account(Account { state: to, ..before.clone() });
        let user = person.user.id.as_str();
        match (before.state, to) {
            (from, to) if from == to => return Ok(Outcome::Unchanged(receipt)),
            (Active, Frozen) => self.freeze(cx, &person, to).await?,
            (Frozen, Active) => self.freeze(cx, &person, to).await?,
            (Active | Frozen, Deactivated) => self.set(cx, "User", user, &json!({ "IsActive": false })).await?,
            (Deactivated, Active) => {
                self.set(cx, "User", user, &json!({ "IsActive": true })).await?;
                // Who was frozen before being switched off is frozen still.
                if person.login.as_ref().is_some_and(|login| login.is_frozen) {
                    self.freeze(cx, &person, to).await.map_err(AdapterError::effect_unknown)?;
                }
            }
            (from, _) => return Err(AdapterError::conflict(format!("an account that is {from} is not made {to}")).with_hint(RetryHint::Replan)),
        }
        Ok(Outcome::Applied(receipt))
    }

    async fn freeze(&self, cx: &CallContext, person: &Person, to: AccountState) -> Result<()> {
        let Some(login) = &person.login else {
            return Err(AdapterError::not_ready("there are no login settings (UserLogin) of this user to be seen; deactivate the account instead"));
        };
        self.set(cx, "UserLogin", &login.id, &json!({ "IsFrozen": to == AccountState::Frozen })).await
    }

    /// Whether the person may have been asked about a new address: asking again would be a second mail. All fields are set in one write,
    /// so that an attempt of which nothing else is there has not arrived.
    async fn was_asked(&self, cx: &CallContext, request: &Request, delta: &ProfileDelta) -> Result<bool> {
        let Some(person) = self.person(cx, request.account()?.id.as_str(), &[], None).await? else { return Ok(false) };
        let account = self.account(&person);
        let holds = |name: &str| delta.0.get(name).is_some_and(|wanted| account.profile.get(name) == wanted.as_ref());
        Ok(!holds("Email") && (request.ticket.is_some() || delta.0.keys().all(|name| name == "Email" || holds(name))))
    }

    pub(crate) async fn look_at(&self, cx: &CallContext, request: &Request) -> Result<Probe> {
        let probe = probe_by_looking(self, cx, request).await?;
        match (&request.change, &probe) {
            (Change::EndSessions, Probe::Absent) if self.has_no_session(cx, request.account()?).await? => Ok(Probe::Holds(Receipt::new())),
            (Change::EnsureAccount(spec), Probe::Holds(receipt)) if receipt.account.as_ref().is_some_and(|account| account.state != spec.state) => {
                Ok(Probe::Absent)
            }
            (Change::UpdateAccount(delta), Probe::Absent) if delta.0.contains_key("Email") && self.was_asked(cx, request, delta).await? => {
                Ok(Probe::Pending(confirmation()))
            }
            _ => Ok(probe),
        }
    }
}

/// A value of a user that is another's already, a federation id, is so at the next attempt too.
fn taken(error: AdapterError) -> AdapterError {
    if error.code() == Some(DUPLICATE_VALUE) { error.with_hint(RetryHint::Never) } else { error }
}

/// Takes a user that is there. One that somebody has switched off is not woken by the way.
fn take(account: Account) -> Result<Outcome> {
    match account.state {
        AccountState::Active => Ok(Outcome::Unchanged(Receipt::new().before_account(account.clone()).with_account(account))),
        state => Err(AdapterError::conflict(format!("the account is there, and is {state}")).with_hint(RetryHint::Replan)),
    }
}

/// The one profile that a new user has to have.
fn profile_of(spec: &AccountSpec) -> Result<&str> {
    match spec.entitlements.as_slice() {
        [profile] if profile.kind == *PROFILE.name => id_of(profile),
        _ => Err(AdapterError::invalid_request("a user is made with one profile (`assign_profile`), and with nothing else")),
    }
}

/// Whether the user who has a name is the one who is meant. A federation id that differs outweighs an address that fits:
/// addresses are given to the next person.
fn same_person(who: &AccountQuery, account: &Account) -> bool {
    let held = account.profile.get("FederationIdentifier").and_then(Value::as_str);
    if let (Some(wanted), Some(held)) = (who.key("federation_id"), held) {
        return wanted == held;
    }
    let fits = |text: &Option<String>, key: &str| text.as_ref().is_some_and(|text| who.key(key).is_some_and(|value| text.eq_ignore_ascii_case(value)));
    who.known.as_ref() == Some(&account.id) || fits(&account.login, "username") || fits(&account.email, "email")
}
