//! Users: found, made, updated, moved between states.

use std::time::Duration;

use provisionr_http::path;
use provisionr_sdk::{
    Account, AccountAccess, AccountQuery, AccountSpec, AccountState, AdapterError, CallContext, Effect, ErrorKind, Found, Outcome, ProfileDelta, Receipt,
    Request, Result, RetryHint, Wait, WaitReason,
};
use serde_json::{Map, Value};

use crate::adapter::{Gitlab, user_id};
use crate::config::{Flavour, Identities};
use crate::errors::{EMAIL, USERNAME};
use crate::invitations::{address_of, invited};
use crate::lists::paging;
use crate::wire::{Linked, Member, User};

/// What is said when addresses or usernames cannot all be seen.
const HIDDEN: &str = "owners of a group see its members and those it provisioned, and addresses of its enterprise users only";

impl Gitlab {
    pub(crate) async fn user(&self, cx: &CallContext, id: &str) -> Result<Option<User>> {
        if id.parse::<u64>().is_err() {
            return Ok(None);
        }
        // Reading users by id has a tight limit on gitlab.com; members of the group are shown without it.
        if let Flavour::Group { path, .. } = &self.flavour
            && let Some(answer) = self.client.get(path!["groups", path, "members", "all", id]).send_if_found(cx).await?
        {
            return Ok(Some(answer.json::<Member>()?.user));
        }
        self.client.get(path!["users", id]).send_if_found(cx).await?.map(|answer| answer.json()).transpose()
    }

    pub(crate) async fn user_or_gone(&self, cx: &CallContext, id: &str) -> Result<User> {
        self.user(cx, id).await?.ok_or_else(gone)
    }

    pub(crate) async fn find(&self, cx: &CallContext, who: &AccountQuery) -> Result<Found> {
        let mut hidden = false;
        if let Some(id) = &who.known {
            match address_of(id) {
                Some(email) => match self.by_email(cx, email, who).await? {
                    Found::None => {}
                    Found::CannotTell(_) => hidden = true,
                    found => return Ok(found),
                },
                None => {
                    if let Some(user) = self.user(cx, id.as_str()).await? {
                        return Ok(Found::One(user.account(&self.attributes)?));
                    }
                }
            }
        }
        for key in &who.keys {
            let found = match key.name.as_str() {
                "login" => self.by_login(cx, &key.value, who).await?,
                "email" => self.by_email(cx, &key.value, who).await?,
                "extern_uid" => self.by_extern_uid(cx, &key.value).await?,
                other => return Err(AdapterError::invalid_request(format!("users are not found by `{other}`"))),
            };
            match found {
                Found::None => {}
                Found::CannotTell(_) => hidden = true,
                found => return Ok(found),
            }
        }
        Ok(if hidden { Found::CannotTell(HIDDEN.to_owned()) } else { Found::None })
    }

    fn among(&self, users: &[User]) -> Result<Found> {
        Ok(Found::among(users.iter().map(|user| user.account(&self.attributes)).collect::<Result<Vec<_>>>()?))
    }

    async fn users_where(&self, cx: &CallContext, query: &[(&str, &str)]) -> Result<Vec<User>> {
        let request = query.iter().fold(self.client.get(path!["users"]), |request, (name, value)| request.query(*name, value));
        request.all(cx, &paging()).await
    }

    async fn by_login(&self, cx: &CallContext, login: &str, who: &AccountQuery) -> Result<Found> {
        let Flavour::Group { path, .. } = &self.flavour else {
            let mut found = self.users_where(cx, &[("username", login)]).await?;
            found.retain(|user| !self.is_another(who, user));
            return self.among(&found);
        };
        // A username of all of gitlab.com may be a stranger's: only the group's own people count.
        let members: Vec<Member> = self.client.get(path!["groups", path, "members", "all"]).query("query", login).all(cx, &paging()).await?;
        let mut users: Vec<User> = members.into_iter().map(|member| member.user).filter(|user| user.username.eq_ignore_ascii_case(login)).collect();
        if users.is_empty() {
            users = self.client.get(path!["groups", path, "provisioned_users"]).query("username", login).all(cx, &paging()).await?;
        }
        Ok(if users.is_empty() { Found::CannotTell(HIDDEN.to_owned()) } else { self.among(&users)? })
    }

    async fn by_email(&self, cx: &CallContext, email: &str, who: &AccountQuery) -> Result<Found> {
        let Flavour::Group { path, invitations, enterprise, .. } = &self.flavour else {
            // The search looks at names too, and finds private addresses for administrators alone.
            let mut found = self.users_where(cx, &[("search", email)]).await?;
            if found.iter().any(|user| user.email.is_none()) {
                return Ok(Found::CannotTell("only administrators find people by their private addresses".to_owned()));
            }
            found.retain(|user| user.has_email(email) && !self.is_another(who, user));
            return self.among(&found);
        };
        let mut users = self.members_by_email(cx, path!["groups", path], email).await?;
        if users.is_empty() {
            let provisioned: Vec<User> = self.client.get(path!["groups", path, "provisioned_users"]).query("search", email).all(cx, &paging()).await?;
            users = provisioned.into_iter().filter(|user| user.has_email(email)).collect();
        }
        if users.is_empty() && *invitations && self.is_invited(cx, path, email).await? {
            return Ok(Found::One(invited(email)));
        }
        Ok(if users.is_empty() && !enterprise { Found::CannotTell(HIDDEN.to_owned()) } else { self.among(&users)? })
    }

    /// Members whose address shows: enterprise users.
    pub(crate) async fn members_by_email(&self, cx: &CallContext, place: provisionr_http::Path, email: &str) -> Result<Vec<User>> {
        let request = self.client.get(place.segment("members").segment("all")).query("query", email);
        let members: Vec<Member> = request.all(cx, &paging()).await?;
        Ok(members.into_iter().map(|member| member.user).filter(|user| user.has_email(email)).collect())
    }

    async fn by_extern_uid(&self, cx: &CallContext, uid: &str) -> Result<Found> {
        let (path, identities) = match &self.flavour {
            Flavour::Admin { provider: Some(provider) } => {
                return self.among(&self.users_where(cx, &[("extern_uid", uid), ("provider", provider)]).await?);
            }
            Flavour::Admin { provider: None } => return Err(AdapterError::invalid_request("users are not found by `extern_uid`: no provider is configured")),
            Flavour::Group { path, identities, .. } => (path, if *identities == Identities::Scim { "scim" } else { "saml" }),
        };
        let Some(answer) = self.client.get(path!["groups", path, identities, uid]).send_if_found(cx).await? else {
            // A lost right answers 404 as well. Links to groups of the identity provider are seen by whoever sees identities, and are few.
            let seen = match self.client.get(path!["groups", path, "saml_group_links"]).send_if_found(cx).await {
                Err(error) if *error.kind() == ErrorKind::PermissionDenied => None,
                seen => seen?,
            };
            return Ok(match seen {
                Some(_) => Found::None,
                None => Found::CannotTell("the identities of the group are not to be seen".to_owned()),
            });
        };
        let linked: Linked = answer.json()?;
        Ok(match self.user(cx, &linked.user_id.to_string()).await? {
            Some(user) => Found::One(user.account(&self.attributes)?),
            None => Found::None,
        })
    }

    pub(crate) async fn ensure(&self, cx: &CallContext, request: &Request, spec: &AccountSpec) -> Result<Outcome> {
        let provider = match &self.flavour {
            Flavour::Admin { provider } => provider.as_deref(),
            Flavour::Group { invitations: true, .. } => return self.ensure_invited(cx, request, spec).await,
            Flavour::Group { .. } => return Err(AdapterError::unsupported("accounts that are made: people come by SAML, SCIM or invitation")),
        };
        if spec.state != AccountState::Active || spec.access == AccountAccess::HandOver || !spec.entitlements.is_empty() {
            return Err(AdapterError::unsupported(format_args!("an account that begins {} with access {:?} and memberships", spec.state, spec.access)));
        }
        if let Some(account) = self.find(cx, &request.who).await?.at_most_one()? {
            return take(account);
        }
        let mut body: Map<String, Value> = spec.profile.clone().into_iter().collect();
        let mailed = spec.access == AccountAccess::VendorMail;
        body.insert(if mailed { "reset_password" } else { "force_random_password" }.to_owned(), true.into());
        body.insert("skip_confirmation".to_owned(), true.into());
        if let (Some(provider), Some(uid)) = (provider, request.who.key("extern_uid")) {
            body.extend([("provider".to_owned(), provider.into()), ("extern_uid".to_owned(), uid.into())]);
        }
        for login in &spec.logins {
            body.insert("username".to_owned(), username(login).into());
            match self.client.post(path!["users"]).json(&body).send(cx).await {
                Ok(answer) => {
                    let account = answer.json::<User>()?.account(&self.attributes).map_err(AdapterError::effect_unknown)?;
                    return Ok(Outcome::Applied(Receipt::new().before_absent().with_account(account).with_request_id(answer.request_id())));
                }
                Err(error) if error.code() == Some(USERNAME) => {
                    let holders = self.users_where(cx, &[("username", &username(login))]).await?;
                    if let Some(user) = holders.iter().find(|user| self.is_same(&request.who, user)) {
                        return take(user.account(&self.attributes)?);
                    }
                }
                Err(error) if error.code() == Some(EMAIL) => {
                    let email = spec.profile.get("email").and_then(Value::as_str).unwrap_or_default();
                    let holders = self.users_where(cx, &[("search", email)]).await?;
                    return match holders.iter().find(|user| user.has_email(email) && self.is_same(&request.who, user)) {
                        Some(user) => take(user.account(&self.attributes)?),
                        None => Err(error.with_hint(RetryHint::Never)),
                    };
                }
                Err(error) => return Err(error),
            }
        }
        Err(AdapterError::conflict("other people have every username that would do").with_hint(RetryHint::Never))
    }

    /// Whether a user is linked to another identity than the person's: usernames and addresses are given to the next person, identities
    /// are not.
    fn is_another(&self, who: &AccountQuery, user: &User) -> bool {
        let Flavour::Admin { provider: Some(provider) } = &self.flavour else { return false };
        matches!((who.key("extern_uid"), user.extern_uid(provider)), (Some(wanted), Some(held)) if wanted != held)
    }

    fn is_same(&self, who: &AccountQuery, user: &User) -> bool {
        let known = who.known.as_ref().is_some_and(|id| *id == *user.id.to_string());
        !self.is_another(who, user) && (known || who.key("email").is_some_and(|email| user.has_email(email)))
    }

    pub(crate) async fn update(&self, cx: &CallContext, account: &Account, delta: &ProfileDelta) -> Result<Outcome> {
        let unknown = |name: &&String| !self.descriptor.accounts.attributes.iter().any(|known| known.writable && known.name == **name);
        if let Some(name) = delta.0.keys().find(unknown) {
            return Err(AdapterError::invalid_request(format!("users have no attribute `{name}` that can be changed")));
        }
        let before = self.user_or_gone(cx, account.id.as_str()).await?.account(&self.attributes)?;
        let differs = |(name, wanted): &(&String, &Option<Value>)| before.profile.get(*name) != wanted.as_ref();
        let mut changed: Map<String, Value> =
            delta.0.iter().filter(differs).map(|(name, wanted)| (name.clone(), wanted.clone().unwrap_or_else(|| "".into()))).collect();
        let receipt = Receipt::new().before_account(before.clone());
        if changed.is_empty() {
            return Ok(Outcome::Unchanged(receipt.with_account(before)));
        }
        if let Some(owner) = &before.managed_by {
            return Err(AdapterError::owned_elsewhere(format!("{owner} decides about the profile")));
        }
        if changed.contains_key("email") {
            // Else the old address counts until the person has confirmed the new one, and the update has not happened.
            changed.insert("skip_reconfirmation".to_owned(), true.into());
        }
        let answer = self.client.put(path!["users", account.id]).json(&changed).send(cx).await?;
        let after = answer.json::<User>()?.account(&self.attributes).map_err(AdapterError::effect_unknown)?;
        Ok(Outcome::Applied(receipt.with_account(after).with_request_id(answer.request_id())))
    }

    /// <https://docs.gitlab.com/api/user_moderation/>
    pub(crate) async fn set_state(&self, cx: &CallContext, account: &Account, to: AccountState) -> Result<Outcome> {
        if !self.descriptor.accounts.transitions.iter().any(|transition| transition.to == to) {
            return Err(AdapterError::unsupported(format_args!("accounts that are {to}")));
        }
        let Some(user) = self.user(cx, account.id.as_str()).await? else {
            return if to == AccountState::Deleted { Ok(Outcome::Unchanged(Receipt::new())) } else { Err(gone()) };
        };
        let before = user.account(&self.attributes)?;
        let receipt = Receipt::new().before_account(before.clone());
        if before.state == to {
            return Ok(Outcome::Unchanged(receipt.with_account(before)));
        }
        let verb = match (to, user.state.as_str()) {
            (AccountState::Deleted, _) => return self.delete(cx, &before, receipt).await,
            (_, "ldap_blocked") => return Err(AdapterError::owned_elsewhere("LDAP blocks this user")),
            (AccountState::Active, "blocked") => "unblock",
            (AccountState::Active, "deactivated") => "activate",
            (AccountState::Suspended, "active" | "deactivated") => "block",
            (AccountState::Deactivated, "active") => "deactivate",
            (_, state) => return Err(AdapterError::refused(format!("GitLab does not make a user {to} who is {state}"))),
        };
        match self.client.post(path!["users", account.id, verb]).send(cx).await {
            Ok(answer) => {
                // `true`, or what a newer version says; a proxy's page is neither.
                answer.json::<Value>()?;
                Ok(Outcome::Applied(receipt.with_account(Account { state: to, ..before }).with_request_id(answer.request_id())))
            }
            Err(error) if error.effect() == Effect::None && *error.kind() == ErrorKind::PermissionDenied => {
                // Somebody may have been faster. What is there tells, not the words of the refusal.
                let now = self.user_or_gone(cx, account.id.as_str()).await?.account(&self.attributes)?;
                if now.state == to { Ok(Outcome::Unchanged(receipt.with_account(now))) } else { Err(error) }
            }
            Err(error) => Err(error),
        }
    }

    /// GitLab answers at once and deletes when it comes to it.
    async fn delete(&self, cx: &CallContext, before: &Account, receipt: Receipt) -> Result<Outcome> {
        // Not found: the deletion of an earlier attempt has come to it.
        if let Some(answer) = self.client.delete(path!["users", before.id]).send_if_found(cx).await? {
            answer.empty()?;
        }
        match self.user(cx, before.id.as_str()).await.map_err(AdapterError::effect_unknown)? {
            None => Ok(Outcome::Applied(receipt)),
            Some(_) => Ok(Outcome::Waiting(Wait::new(WaitReason::VendorJob, Duration::from_secs(30)).with_ticket("deleting"), receipt)),
        }
    }

    /// A user that is to be there, for changes that GitLab answers with "not found" for more than one reason.
    pub(crate) async fn present(&self, cx: &CallContext, account: &Account) -> Result<Account> {
        self.user_or_gone(cx, user_id(account)?).await?.account(&self.attributes)
    }
}

pub(crate) fn gone() -> AdapterError {
    AdapterError::account_not_found("the user is not there, or not to be seen")
}

/// Takes a user that is there.
fn take(account: Account) -> Result<Outcome> {
    if account.state != AccountState::Active {
        return Err(AdapterError::conflict(format!("the account is there, and is {}", account.state)).with_hint(RetryHint::Replan));
    }
    Ok(Outcome::Unchanged(Receipt::new().before_account(account.clone()).with_account(account)))
}

/// A login as GitLab takes it: of an address the local part, with `-` for what usernames cannot have.
fn username(login: &str) -> String {
    let local = login.split('@').next().unwrap_or_default();
    let clean = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.') { c } else { '-' };
    local.chars().map(clean).collect::<String>().trim_matches(['-', '.']).to_owned()
}
