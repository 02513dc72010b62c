//! Managed users: found, provisioned, updated, suspended and deleted over SCIM.
//! <https://docs.github.com/enterprise-cloud@latest/admin/managing-iam/provisioning-user-accounts-with-scim/provisioning-users-and-groups-with-scim-using-the-rest-api>
//!
//! The id of an account is GitHub's own of the user: it is what lists of members have, and it stays when the login changes with a suspension.

use provisionr_http::Answer;
use provisionr_http::scim::{self, Key};
use provisionr_sdk::{
    Account, AccountAccess, AccountQuery, AccountSpec, AccountState, AdapterError, CallContext, ErrorKind, Found, Outcome, Page, PageRequest, ProfileDelta,
    Receipt, Request, Result, RetryHint,
};
use serde_json::{Map, Value};

use crate::adapter::{Github, gone};
use crate::enterprise::Enterprise;
use crate::wire::User;

/// A user as SCIM has it, and as GitHub has it.
pub(crate) struct Managed {
    id: u64,
    scim: scim::User,
}

const UNLINKED: &str = "provisioned users have no account on GitHub yet";

impl Github {
    pub(crate) fn enterprise(&self) -> Result<&Enterprise> {
        self.enterprise.as_ref().ok_or_else(|| AdapterError::unsupported(format_args!("changing accounts, which are the people's own")))
    }

    fn attributes(&self) -> impl Iterator<Item = &'static str> {
        self.descriptor.accounts.attributes.iter().map(|attribute| attribute.name)
    }

    fn managed_account(&self, id: u64, user: &scim::User) -> Account {
        let state = if user.is_active() { AccountState::Active } else { AccountState::Suspended };
        let mut account = Account::new(id.to_string(), state);
        account.login = user.user_name().map(str::to_owned);
        account.email = user.email();
        account.profile = self.attributes().filter_map(|name| Some((name.to_owned(), user.attribute(name)?))).collect();
        account
    }

    /// A user of GitHub as the enterprise provisioned them; none whom it did not.
    async fn managed(&self, cx: &CallContext, enterprise: &Enterprise, user: &User) -> Result<Option<Managed>> {
        // A suspension may have changed the login since it was read: nobody is gone for that.
        let identity = match enterprise.by_login(cx, &user.login).await? {
            Some(identity) if identity.is_of(user.id) => Some(identity),
            _ => enterprise.by_id(cx, user.id).await?,
        };
        let Some(name) = identity.as_ref().and_then(|identity| identity.user_name()) else { return Ok(None) };
        let found = enterprise.scim.find_users(cx, Key::UserName, name).await?;
        Ok(found.into_iter().next().map(|scim| Managed { id: user.id, scim }))
    }

    async fn managed_by_id(&self, cx: &CallContext, enterprise: &Enterprise, id: &str) -> Result<Option<Managed>> {
        match self.user(cx, id).await? {
            Some(user) => self.managed(cx, enterprise, &user).await,
            None => Ok(None),
        }
    }

    /// The account of a user that was looked up.
    pub(crate) async fn account(&self, cx: &CallContext, user: &User) -> Result<Option<Account>> {
        let Some(enterprise) = &self.enterprise else { return Ok(Some(user.account())) };
        Ok(self.managed(cx, enterprise, user).await?.map(|managed| self.managed_account(managed.id, &managed.scim)))
    }

    /// The accounts of provisioned users; none of whom has no user on GitHub.
    async fn accounts(&self, cx: &CallContext, enterprise: &Enterprise, users: &[scim::User]) -> Result<Vec<Option<Account>>> {
        let names: Vec<String> = users.iter().map(|user| user.user_name().unwrap_or_default().to_owned()).collect();
        let linked = enterprise.by_user_names(cx, &names).await?;
        Ok(users.iter().zip(linked).map(|(user, linked)| Some(self.managed_account(linked?.id, user))).collect())
    }

    pub(crate) async fn find_managed(&self, cx: &CallContext, enterprise: &Enterprise, who: &AccountQuery) -> Result<Found> {
        for key in &who.keys {
            let Some(name) = Key::named(&key.name) else {
                return Ok(Found::CannotTell(format!("managed users are not found by `{}`", key.name)));
            };
            let users = enterprise.scim.find_users(cx, name, &key.value).await?;
            if users.is_empty() {
                continue;
            }
            let accounts = self.accounts(cx, enterprise, &users).await?;
            let linked: Option<Vec<Account>> = accounts.into_iter().collect();
            return Ok(linked.map_or_else(|| Found::CannotTell(UNLINKED.to_owned()), Found::among));
        }
        Ok(Found::None)
    }

    pub(crate) async fn list_managed(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Account>> {
        let enterprise = self.enterprise()?;
        let users = enterprise.scim.users(cx, page).await?;
        let accounts = self.accounts(cx, enterprise, &users.items).await?;
        let unlinked = accounts.iter().any(Option::is_none);
        let page = Page { items: accounts.into_iter().flatten().collect(), next: users.next, completeness: users.completeness };
        Ok(if unlinked { page.incomplete(UNLINKED) } else { page })
    }

    pub(crate) async fn provision(&self, cx: &CallContext, request: &Request, spec: &AccountSpec) -> Result<Outcome> {
        let enterprise = self.enterprise()?;
        if spec.state != AccountState::Active || spec.access == AccountAccess::HandOver || !spec.entitlements.is_empty() {
            return Err(AdapterError::unsupported(format_args!("an account that begins {} with access {:?}", spec.state, spec.access)));
        }
        if let Some(account) = self.find(cx, &request.who).await?.at_most_one()? {
            return taken(account);
        }
        let mut profile: Map<String, Value> = spec.profile.clone().into_iter().collect();
        // None is made without it, and the subject's id is what accounts are looked for under this key by.
        profile.entry("externalId").or_insert_with(|| request.subject.as_str().into());
        for login in &spec.logins {
            let (made, answer) = match enterprise.scim.create(cx, login, &profile).await {
                Ok(made) => made,
                // Names are taken that make the same login too: who it is, only a look tells.
                Err(error) if *error.kind() == ErrorKind::Conflict => match self.find(cx, &request.who).await?.at_most_one()? {
                    Some(account) => return taken(account),
                    None => continue,
                },
                Err(error) => return Err(error),
            };
            let accounts = self.accounts(cx, enterprise, &[made]).await.map_err(AdapterError::effect_unknown)?;
            let account = accounts.into_iter().next().flatten().ok_or_else(|| answer.maybe_done(AdapterError::not_ready(UNLINKED)))?;
            return Ok(Outcome::Applied(Receipt::new().before_absent().with_account(account).with_request_id(answer.request_id())));
        }
        Err(AdapterError::conflict("other users have every name that would do, or one that makes the same login, or the address or external id")
            .with_hint(RetryHint::Never))
    }

    pub(crate) async fn update(&self, cx: &CallContext, account: &Account, delta: &ProfileDelta) -> Result<Outcome> {
        let enterprise = self.enterprise()?;
        if let Some(unknown) = delta.0.keys().find(|name| !self.attributes().any(|known| known == name.as_str())) {
            return Err(AdapterError::invalid_request(format!("users have no attribute `{unknown}`")));
        }
        let user = self.managed_by_id(cx, enterprise, account.id.as_str()).await?.ok_or_else(gone)?;
        let before = self.managed_account(user.id, &user.scim);
        let differs = |(name, wanted): &(&String, &Option<Value>)| before.profile.get(*name) != wanted.as_ref();
        let changed: Map<String, Value> = delta.0.iter().filter(differs).map(|(name, wanted)| (name.clone(), wanted.clone().unwrap_or_default())).collect();
        let receipt = Receipt::new().before_account(before.clone());
        if changed.is_empty() {
            return Ok(Outcome::Unchanged(receipt.with_account(before)));
        }
        let answer = enterprise.scim.update(cx, user.scim.id(), &changed).await?;
        let after = self.after(cx, enterprise, &user, &answer).await?.ok_or_else(|| answer.maybe_done(gone()))?;
        Ok(Outcome::Applied(receipt.with_account(after).with_request_id(answer.request_id())))
    }

    /// A suspension changes the login, and coming back gives the old one back; the id stays.
    pub(crate) async fn set_state(&self, cx: &CallContext, account: &Account, to: AccountState) -> Result<Outcome> {
        let enterprise = self.enterprise()?;
        if !self.descriptor.accounts.transitions.iter().any(|transition| transition.to == to) {
            return Err(AdapterError::unsupported(format_args!("accounts that are {to}")));
        }
        let user = match self.managed_by_id(cx, enterprise, account.id.as_str()).await? {
            Some(user) => user,
            None if to == AccountState::Deleted => return Ok(Outcome::Unchanged(Receipt::new())),
            None => return Err(gone()),
        };
        let before = self.managed_account(user.id, &user.scim);
        let receipt = Receipt::new().before_account(before.clone());
        if before.state == to {
            return Ok(Outcome::Unchanged(receipt.with_account(before)));
        }
        let (scim, id) = (&enterprise.scim, user.scim.id());
        let answer = match to {
            AccountState::Active => scim.switch_on(cx, id).await?,
            AccountState::Suspended => scim.switch_off(cx, id).await?,
            _ => scim.delete(cx, id).await?,
        };
        let receipt = receipt.with_request_id(answer.request_id());
        match self.after(cx, enterprise, &user, &answer).await? {
            None if to == AccountState::Deleted => Ok(Outcome::Applied(receipt)),
            Some(after) if after.state == to => Ok(Outcome::Applied(receipt.with_account(after))),
            _ => Err(answer.maybe_done(AdapterError::unavailable(format!("GitHub took the change, and the user is not {to}")))),
        }
    }

    /// What became of a user: as the answer to the change shows it or, where it shows nothing, as it is read.
    async fn after(&self, cx: &CallContext, enterprise: &Enterprise, user: &Managed, answer: &Answer) -> Result<Option<Account>> {
        let now = match scim::User::told_by(answer).filter(|told| told.id() == user.scim.id()) {
            Some(told) => Some(told),
            None => enterprise.scim.user(cx, user.scim.id()).await.map_err(AdapterError::effect_unknown)?,
        };
        Ok(now.map(|now| self.managed_account(user.id, &now)))
    }
}

/// An account that is there is taken as it is, and never let in by the way.
fn taken(account: Account) -> Result<Outcome> {
    if account.state != AccountState::Active {
        return Err(AdapterError::conflict(format!("the account is there, and is {}", account.state)).with_hint(RetryHint::Replan));
    }
    Ok(Outcome::Unchanged(Receipt::new().before_account(account.clone()).with_account(account)))
}
