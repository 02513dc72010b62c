//! Users: found, invited, removed.

use provisionr_http::{Paging, RequestBuilder, path};
use provisionr_sdk::{
    Account, AccountAccess, AccountQuery, AccountSpec, AccountState, AdapterError, CallContext, Effect, ErrorKind, Found, Outcome, Page, PageRequest, Probe,
    Receipt, Request, Result, RetryHint,
};
use serde_json::{Value, json};

use crate::adapter::Jira;
use crate::wire::{ApplicationRole, User};

impl Jira {
    pub(crate) async fn user(&self, cx: &CallContext, id: &str) -> Result<Option<User>> {
        let request = self.client.get(path!["rest", "api", "3", "user"]).query("accountId", id).query("expand", "applicationRoles");
        Ok(request.send_if_found(cx).await?.map(|answer| answer.json::<User>()).transpose()?.filter(|user| user.account_id == id))
    }

    pub(crate) async fn user_or_gone(&self, cx: &CallContext, id: &str) -> Result<User> {
        self.user(cx, id).await?.ok_or_else(|| AdapterError::account_not_found("the user is not on the site, or not to be seen"))
    }

    pub(crate) async fn find(&self, cx: &CallContext, who: &AccountQuery) -> Result<Found> {
        if let Some(id) = &who.known
            && let Some(user) = self.user(cx, id.as_str()).await?
        {
            return Ok(Found::One(user.account()));
        }
        let mut blind = None;
        for key in &who.keys {
            let looked = match key.name.as_str() {
                "account_id" => self.user(cx, &key.value).await,
                "email" => self.by_address(cx, &key.value).await,
                other => return Err(AdapterError::invalid_request(format!("users are not found by `{other}`"))),
            };
            match looked {
                Ok(Some(user)) => return Ok(Found::One(user.account())),
                Ok(None) if key.name == "email" && !self.managed => {
                    blind = Some("people may hide their addresses, and a search by them shows only active users".to_owned());
                }
                Ok(None) => {}
                Err(error) if *error.kind() == ErrorKind::PermissionDenied => {
                    blind = Some(format!("the credential may not look at users: {}", error.message()));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(blind.map_or(Found::None, Found::CannotTell))
    }

    /// The one person whose address is shown and is this one; where all of ours are shown, among deactivated ones as well.
    async fn by_address(&self, cx: &CallContext, email: &str) -> Result<Option<User>> {
        match self.by_search(cx, email).await? {
            None if self.managed => {
                let (request, paging) = self.users();
                Ok(request.all::<User>(cx, &paging).await?.into_iter().find(|user| user.is_person() && user.has_email(email)))
            }
            found => Ok(found),
        }
    }

    /// Among active users. Without the permission to browse users the search shows nobody,
    /// and says nothing of it.
    async fn by_search(&self, cx: &CallContext, email: &str) -> Result<Option<User>> {
        let search = self.client.get(path!["rest", "api", "3", "user", "search"]).query("query", email);
        let paging = Paging::offset("startAt", None).sized("maxResults", 50);
        let mut at = PageRequest::first();
        loop {
            let page = search.clone().page::<User>(cx, &at, &paging).await?;
            if let Some(user) = page.items.into_iter().find(|user| user.is_person() && user.has_email(email)) {
                return Ok(Some(user));
            }
            match page.next {
                Some(next) => at.cursor = Some(next),
                None => return Ok(None),
            }
        }
    }

    /// Everybody, deactivated users, apps and customers included. The list is a bare array that ends with an empty page.
    fn users(&self) -> (RequestBuilder<'_>, Paging) {
        (self.client.get(path!["rest", "api", "3", "users", "search"]), Paging::offset("startAt", None).sized("maxResults", 1000))
    }

    pub(crate) async fn list_users(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Account>> {
        let (request, paging) = self.users();
        let Page { items, next, completeness } = request.page::<User>(cx, page, &paging).await?;
        Ok(Page { items: items.iter().filter(|user| user.is_known()).map(User::account).collect(), next, completeness })
    }

    pub(crate) async fn ensure(&self, cx: &CallContext, request: &Request, spec: &AccountSpec) -> Result<Outcome> {
        // Who is invited is active at once, as far as Jira says.
        if !matches!(spec.state, AccountState::Active | AccountState::Invited) || spec.access == AccountAccess::HandOver || !spec.entitlements.is_empty() {
            return Err(AdapterError::unsupported("an account that is not active at once, gets a password or brings grants along"));
        }
        // Inviting the same address again is answered as the first time: where the search cannot tell, it is safe.
        match self.find(cx, &request.who).await? {
            // Who was removed may go on to show, and comes back by being invited.
            Found::One(account) if account.state == AccountState::Deactivated && self.groups_of(cx, account.id.as_str()).await?.is_empty() => {}
            Found::One(account) => return self.take(cx, &account).await,
            Found::Several(_) => return Err(AdapterError::ambiguous("several users answer to the query")),
            _ => {}
        }
        let email = spec.profile.get("emailAddress").and_then(Value::as_str).or(spec.logins.first().map(String::as_str));
        let Some(email) = email else { return Err(AdapterError::invalid_request("nobody is invited without an address")) };
        let invitation = json!({ "emailAddress": email, "products": self.products });
        match self.client.post(path!["rest", "api", "3", "user"]).json(&invitation).send(cx).await {
            Ok(answer) => {
                let account = answer.json::<User>()?.account();
                Ok(Outcome::Applied(Receipt::new().with_account(account).with_request_id(answer.request_id())))
            }
            Err(error) if refused(&error) => Err(self.why_not_invited(cx, email, error).await),
            Err(error) => Err(error),
        }
    }

    async fn take(&self, cx: &CallContext, account: &Account) -> Result<Outcome> {
        let user = self.user_or_gone(cx, account.id.as_str()).await?;
        if !user.active {
            return Err(AdapterError::conflict("the account is there, and is deactivated").with_hint(RetryHint::Replan));
        }
        if let Some(held) = user.products() {
            let missing: Vec<&str> = self.products.iter().map(String::as_str).filter(|product| !held.contains(product)).collect();
            if !missing.is_empty() {
                return Err(self.without_access(cx, &missing).await);
            }
        }
        Ok(Outcome::Unchanged(Receipt::new().before_account(user.account()).with_account(user.account())))
    }

    /// What a refused invitation means: the status is the same for no seat, for who exists without access, and for the rest.
    async fn why_not_invited(&self, cx: &CallContext, email: &str, error: AdapterError) -> AdapterError {
        let full = self.licences(cx).await.ok().and_then(|roles| roles.into_iter().find(ApplicationRole::is_full));
        match (full, self.by_search(cx, email).await) {
            (Some(role), _) => AdapterError::no_seat(role.key),
            (None, Ok(Some(_))) => self.without_access(cx, &self.products.iter().map(String::as_str).collect::<Vec<_>>()).await,
            _ => error,
        }
    }

    /// Somebody who is there without these products. No call gives a product to who is there: groups do.
    async fn without_access(&self, cx: &CallContext, products: &[&str]) -> AdapterError {
        let mut roles = self.licences(cx).await.unwrap_or_default();
        roles.retain(|role| products.contains(&role.key.as_str()));
        let groups: Vec<String> = roles.into_iter().flat_map(|role| role.default_groups).collect();
        let help = if groups.is_empty() { String::new() } else { format!(" ({})", groups.join(", ")) };
        let products = products.join(", ");
        AdapterError::refused(format!("the person has an account without access to {products}; add it to a group that gives access{help}"))
    }

    /// The licences of the products people are invited to.
    async fn licences(&self, cx: &CallContext) -> Result<Vec<ApplicationRole>> {
        let mut roles = self.application_roles().send(cx).await?.json::<Vec<ApplicationRole>>()?;
        roles.retain(|role| self.products.contains(&role.key));
        Ok(roles)
    }

    pub(crate) fn application_roles(&self) -> RequestBuilder<'_> {
        self.client.get(path!["rest", "api", "3", "applicationrole"])
    }

    /// Takes a user off the site. The Atlassian account stays.
    pub(crate) async fn set_state(&self, cx: &CallContext, account: &Account, to: AccountState) -> Result<Outcome> {
        if to != AccountState::Deleted {
            return Err(AdapterError::unsupported(format_args!("accounts that are {to}")));
        }
        let id = account.id.as_str();
        let Some(user) = self.user(cx, id).await? else { return Ok(Outcome::Unchanged(Receipt::new())) };
        let receipt = Receipt::new().before_account(user.account());
        match self.client.delete(path!["rest", "api", "3", "user"]).query("accountId", id).send(cx).await {
            Ok(answer) => {
                answer.empty()?;
                Ok(Outcome::Applied(receipt.with_request_id(answer.request_id())))
            }
            Err(error) if refused(&error) => match (self.is_removed(cx, id).await?, error.kind()) {
                (true, _) => Ok(Outcome::Unchanged(receipt)),
                (false, ErrorKind::InvalidRequest) => Err(AdapterError::refused(error.message())),
                (false, _) => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// A removed user is not found, or shows as an inactive one without groups: access to products comes with groups.
    async fn is_removed(&self, cx: &CallContext, id: &str) -> Result<bool> {
        Ok(match self.user(cx, id).await? {
            None => true,
            Some(user) => !user.active && self.groups_of(cx, id).await?.is_empty(),
        })
    }

    pub(crate) async fn probe_removed(&self, cx: &CallContext, account: &Account) -> Result<Probe> {
        Ok(if self.is_removed(cx, account.id.as_str()).await? { Probe::Holds(Receipt::new()) } else { Probe::Absent })
    }
}

/// Whether Jira refused in a way of which only a look tells what it means.
pub(crate) fn refused(error: &AdapterError) -> bool {
    error.effect() == Effect::None && matches!(error.kind(), ErrorKind::InvalidRequest | ErrorKind::NotFound(_) | ErrorKind::Conflict)
}
