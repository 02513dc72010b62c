//! Users: found, invited or provisioned, updated, switched off and on.

use std::time::Duration;

use provisionr_http::scim::{Key, Scim};
use provisionr_http::{Answer, Paging, path};
use provisionr_sdk::{
    Account, AccountAccess, AccountQuery, AccountSpec, AccountState, AdapterError, CallContext, ErrorKind, Found, Missing, Outcome, Page, PageRequest, Probe,
    ProfileDelta, Receipt, Request, Result, RetryHint, Wait, WaitReason,
};
use serde_json::{Map, Value};

use crate::adapter::{Slack, Written, plain_id};
use crate::channels::{INVITE_TO_CHANNEL, InviteToChannel};
use crate::wire::{User, field};

/// What Slack advises for lists of people: <https://docs.slack.dev/apis/web-api/pagination>.
const PEOPLE: u32 = 200;

/// People take their time with invitations.
const LOOK_AGAIN: Duration = Duration::from_secs(600);

fn gone() -> AdapterError {
    AdapterError::account_not_found("the user is not there, or not to be seen")
}

impl Slack {
    /// One user; `Unclear` when Slack keeps them from being seen.
    async fn user(&self, cx: &CallContext, id: &str) -> Result<Option<User>> {
        if !plain_id(id) {
            return Ok(None);
        }
        match self.web.get(path!["users.info"]).query("user", id).send(cx).await {
            Ok(answer) => Ok(Some(field(&answer, "user")?)),
            Err(error) if *error.kind() == ErrorKind::NotFound(Missing::Account) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn user_or_gone(&self, cx: &CallContext, id: &str) -> Result<User> {
        self.user(cx, id).await?.ok_or_else(gone)
    }

    pub(crate) fn account(&self, user: &User) -> Account {
        let mut account = user.account(self.team.as_deref(), &self.attributes);
        // Where people are invited into the workspace, being out of it is what being switched off looks like; SCIM switches off the whole user.
        let left = self.scim.is_none() && self.grid.as_ref().is_some_and(|grid| user.has_left(&grid.team));
        if left && account.state == AccountState::Active {
            account.state = AccountState::Deactivated;
        }
        account
    }

    pub(crate) async fn find(&self, cx: &CallContext, who: &AccountQuery) -> Result<Found> {
        let mut hidden = false;
        if let Some(id) = &who.known {
            match self.user(cx, id.as_str()).await {
                Ok(Some(user)) => return Ok(Found::One(self.account(&user))),
                Ok(None) => {}
                Err(error) if *error.kind() == ErrorKind::NotFound(Missing::Unclear) => hidden = true,
                Err(error) => return Err(error),
            }
        }
        for key in &who.keys {
            let users = match (key.name.as_str(), &self.scim) {
                ("email", _) => self.by_email(cx, &key.value).await?,
                ("user_name", Some(scim)) => self.by_user_name(cx, scim, &key.value).await?,
                (other, _) => return Err(AdapterError::invalid_request(format!("users are not found by `{other}`"))),
            };
            match Found::among(users.iter().map(|user| self.account(user))) {
                Found::None => {}
                found => return Ok(found),
            }
        }
        Ok(if hidden { Found::CannotTell("Slack does not let the token see this user".to_owned()) } else { Found::None })
    }

    /// A look-up passes over deactivated users; those are in the list of all:
    /// <https://docs.slack.dev/reference/methods/users.lookupByEmail>.
    async fn by_email(&self, cx: &CallContext, email: &str) -> Result<Vec<User>> {
        if let Some(answer) = self.web.get(path!["users.lookupByEmail"]).query("email", email).send_if_found(cx).await? {
            return Ok(vec![field(&answer, "user")?]);
        }
        let users: Vec<User> = self.for_team(self.web.get(path!["users.list"])).all(cx, &people()).await?;
        Ok(users.into_iter().filter(|user| user.email().is_some_and(|own| own.eq_ignore_ascii_case(email))).collect())
    }

    async fn by_user_name(&self, cx: &CallContext, scim: &Scim, name: &str) -> Result<Vec<User>> {
        let mut users = Vec::new();
        for found in scim.find_users(cx, Key::UserName, name).await? {
            users.extend(self.user(cx, found.id()).await?);
        }
        Ok(users)
    }

    pub(crate) async fn list_users(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Account>> {
        let users = self.for_team(self.web.get(path!["users.list"])).page::<User>(cx, page, &people()).await?;
        Ok(users.map(|user| self.account(&user)))
    }

    pub(crate) async fn ensure(&self, cx: &CallContext, request: &Request, spec: &AccountSpec) -> Result<Outcome> {
        if (self.scim.is_none() && self.grid.is_none()) || spec.state != AccountState::Active || spec.access == AccountAccess::HandOver {
            return Err(AdapterError::unsupported(format_args!("an account made here that begins {} with access {:?}", spec.state, spec.access)));
        }
        let channels = channels_in(spec)?;
        if let Some(account) = self.find(cx, &request.who).await?.at_most_one()? {
            return self.take(cx, account, &channels).await;
        }
        match &self.scim {
            Some(scim) => self.provision(cx, scim, request, spec, &channels).await,
            None => self.invite_person(cx, request, spec, &channels).await,
        }
    }

    /// Takes an account that is there: what is missing of it is added, and nothing else.
    async fn take(&self, cx: &CallContext, account: Account, channels: &[String]) -> Result<Outcome> {
        let receipt = Receipt::new().before_account(account.clone()).with_account(account.clone());
        match account.state {
            AccountState::Invited => return Ok(Outcome::Waiting(invitation(), receipt)),
            AccountState::Active => {}
            state => return Err(AdapterError::conflict(format!("the account is there, and is {state}")).with_hint(RetryHint::Replan)),
        }
        let mut written = Written::No;
        if self.scim.is_some() && self.is_outside(cx, &account).await? {
            self.assign(cx, account.id.as_str(), channels).await?;
            written = Written::Yes;
        }
        for channel in self.missing(cx, &account, channels).await.map_err(|error| written.mark(error))? {
            self.enter(cx, &channel, &account).await.map_err(|error| written.mark(error))?;
            written = Written::Yes;
        }
        Ok(if written == Written::Yes { Outcome::Applied(receipt) } else { Outcome::Unchanged(receipt) })
    }

    /// Whether a user of the organisation is not in the workspace.
    async fn is_outside(&self, cx: &CallContext, account: &Account) -> Result<bool> {
        let Some(grid) = &self.grid else { return Ok(false) };
        Ok(!self.user_or_gone(cx, account.id.as_str()).await?.is_in(&grid.team))
    }

    async fn missing(&self, cx: &CallContext, account: &Account, channels: &[String]) -> Result<Vec<String>> {
        if channels.is_empty() {
            return Ok(Vec::new());
        }
        let held = self.channels_of(cx, account.id.as_str()).await?;
        Ok(channels.iter().filter(|wanted| !held.iter().any(|channel| channel.id == **wanted)).cloned().collect())
    }

    /// Into the organisation by SCIM, and on into the workspace where there is more than one.
    async fn provision(&self, cx: &CallContext, scim: &Scim, request: &Request, spec: &AccountSpec, channels: &[String]) -> Result<Outcome> {
        let profile: Map<String, Value> = spec.profile.clone().into_iter().collect();
        for login in &spec.logins {
            let (made, answer) = match scim.create(cx, login, &profile).await {
                Ok(made) => made,
                // Which of name and address is taken, and by whom, only a look tells.
                Err(error) if *error.kind() == ErrorKind::Conflict => match self.find(cx, &request.who).await?.at_most_one()? {
                    Some(account) => return self.take(cx, account, channels).await,
                    None => continue,
                },
                Err(error) => return Err(error),
            };
            let receipt = Receipt::new().before_absent().with_request_id(answer.request_id());
            if self.grid.is_some() {
                self.assign(cx, made.id(), channels).await.map_err(AdapterError::effect_unknown)?;
            }
            let user = self.user_or_gone(cx, made.id()).await.map_err(AdapterError::effect_unknown)?;
            return Ok(Outcome::Applied(receipt.with_account(self.account(&user))));
        }
        Err(AdapterError::conflict("other people have every user name that would do").with_hint(RetryHint::Never))
    }

    async fn assign(&self, cx: &CallContext, user: &str, channels: &[String]) -> Result<()> {
        let grid = self.grid()?;
        let form = [("team_id", grid.team.clone()), ("user_id", user.to_owned()), ("channel_ids", channels.join(","))];
        let given = form.into_iter().filter(|(_, value)| !value.is_empty());
        match grid.client.post(path!["admin.users.assign"]).form(given).send(cx).await {
            Err(error) if error.code() != Some("user_already_team_member") => Err(error),
            _ => Ok(()),
        }
    }

    async fn invite_person(&self, cx: &CallContext, request: &Request, spec: &AccountSpec, channels: &[String]) -> Result<Outcome> {
        let grid = self.grid()?;
        let text = |name: &str| spec.profile.get(name).and_then(Value::as_str).map(str::to_owned);
        let email = text("email").or_else(|| spec.logins.first().cloned()).unwrap_or_default();
        if channels.is_empty() {
            return Err(AdapterError::invalid_request("Slack invites a person into at least one channel: none came along"));
        }
        let form =
            [("team_id", Some(grid.team.clone())), ("email", Some(email.clone())), ("channel_ids", Some(channels.join(","))), ("real_name", text("real_name"))];
        let given = form.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let receipt = match grid.client.post(path!["admin.users.invite"]).form(given).send(cx).await {
            Ok(answer) => Receipt::new().before_absent().with_request_id(answer.request_id()),
            Err(error) if error.code() == Some("already_in_team_invited_user") => Receipt::new(),
            Err(error) if matches!(error.code(), Some("already_in_team" | "user_disabled")) => match self.find(cx, &request.who).await?.at_most_one()? {
                Some(account) => return self.take(cx, account, channels).await,
                None => return Err(error),
            },
            Err(error) => return Err(error),
        };
        // The answer names nobody, and whether who has not come yet is shown is Slack's affair.
        let user = self.by_email(cx, &email).await.map_err(AdapterError::effect_unknown)?.into_iter().next();
        let receipt = user.iter().fold(receipt, |receipt, user| receipt.with_account(self.account(user)));
        Ok(Outcome::Waiting(invitation(), receipt))
    }

    pub(crate) async fn update(&self, cx: &CallContext, account: &Account, delta: &ProfileDelta) -> Result<Outcome> {
        let Some(scim) = &self.scim else { return Err(AdapterError::unsupported("changing profiles without SCIM")) };
        if let Some(unknown) = delta.0.keys().find(|name| !self.attributes.contains(&name.as_str())) {
            return Err(AdapterError::invalid_request(format!("users have no attribute `{unknown}`")));
        }
        let before = self.account(&self.user_or_gone(cx, account.id.as_str()).await?);
        if let Some(owner) = &before.managed_by {
            return Err(AdapterError::owned_elsewhere(format!("{owner} decides about this user")));
        }
        let differs = |(name, wanted): &(&String, &Option<Value>)| before.profile.get(*name) != wanted.as_ref();
        let changed: Map<String, Value> = delta.0.iter().filter(differs).map(|(name, wanted)| (name.clone(), wanted.clone().unwrap_or_default())).collect();
        let receipt = Receipt::new().before_account(before.clone());
        if changed.is_empty() {
            return Ok(Outcome::Unchanged(receipt.with_account(before)));
        }
        let answer = scim.update(cx, account.id.as_str(), &changed).await?;
        let after = self.user_or_gone(cx, account.id.as_str()).await.map_err(AdapterError::effect_unknown)?;
        Ok(Outcome::Applied(receipt.with_account(self.account(&after)).with_request_id(answer.request_id())))
    }

    pub(crate) async fn set_state(&self, cx: &CallContext, account: &Account, to: AccountState) -> Result<Outcome> {
        if !self.descriptor.accounts.transitions.iter().any(|transition| transition.to == to) {
            return Err(AdapterError::unsupported(format_args!("accounts that are {to}")));
        }
        let id = account.id.as_str();
        let before = self.account(&self.user_or_gone(cx, id).await?);
        let receipt = Receipt::new().before_account(before.clone());
        if before.state == to {
            return Ok(Outcome::Unchanged(receipt.with_account(before)));
        }
        if let Some(owner) = &before.managed_by {
            return Err(AdapterError::owned_elsewhere(format!("{owner} decides about this user")));
        }
        let written = self.switch(cx, id, to).await;
        let error = written.as_ref().err().filter(|error| *error.kind() != ErrorKind::Conflict);
        if error.is_some() {
            return written.map(|_| Outcome::Unchanged(receipt));
        }
        // Also after "already so": what is there tells, not the words of the refusal.
        let after = self.account(&self.user_or_gone(cx, id).await.map_err(AdapterError::effect_unknown)?);
        let arrived = after.state == to;
        let receipt = receipt.with_account(after);
        match written {
            Ok(answer) if arrived => Ok(Outcome::Applied(receipt.with_request_id(answer.request_id()))),
            Ok(_) => Ok(Outcome::Waiting(Wait::new(WaitReason::Propagating, Duration::from_secs(10)), receipt)),
            Err(_) if arrived => Ok(Outcome::Unchanged(receipt)),
            Err(error) => Err(error),
        }
    }

    async fn switch(&self, cx: &CallContext, id: &str, to: AccountState) -> Result<Answer> {
        match (&self.scim, to) {
            (Some(scim), AccountState::Active) => scim.switch_on(cx, id).await,
            (Some(scim), _) => scim.switch_off(cx, id).await,
            (None, to) => {
                let grid = self.grid()?;
                let method = if to == AccountState::Active { "admin.users.assign" } else { "admin.users.remove" };
                grid.client.post(path![method]).form([("team_id", grid.team.as_str()), ("user_id", id)]).send(cx).await
            }
        }
    }

    pub(crate) async fn end_sessions(&self, cx: &CallContext, account: &Account) -> Result<Outcome> {
        let id = account.id.as_str();
        let grid = self.grid()?;
        if !plain_id(id) {
            return Err(gone());
        }
        let answer = grid.client.post(path!["admin.users.session.reset"]).form([("user_id", id)]).send(cx).await?;
        Ok(Outcome::Applied(Receipt::new().with_request_id(answer.request_id())))
    }

    pub(crate) async fn probe_ensure(&self, cx: &CallContext, request: &Request, spec: &AccountSpec) -> Result<Probe> {
        let account = match self.find(cx, &request.who).await? {
            Found::One(account) => account,
            Found::None => return Ok(Probe::Absent),
            Found::CannotTell(why) => return Ok(Probe::Unclear(why)),
            _ => return Ok(Probe::Unclear("several users answer to the keys".to_owned())),
        };
        Ok(match account.state {
            AccountState::Invited => Probe::Pending(invitation()),
            AccountState::Active => {
                let outside = self.scim.is_some() && self.is_outside(cx, &account).await?;
                let complete = !outside && self.missing(cx, &account, &channels_in(spec)?).await?.is_empty();
                if complete { Probe::Holds(Receipt::new().with_account(account)) } else { Probe::Absent }
            }
            _ => Probe::Absent,
        })
    }
}

fn people() -> Paging {
    Paging::token("/response_metadata/next_cursor", "cursor").items("/members").sized("limit", PEOPLE)
}

fn invitation() -> Wait {
    Wait::new(WaitReason::InvitationSent, LOOK_AGAIN)
}

fn channels_in(spec: &AccountSpec) -> Result<Vec<String>> {
    let channel = |entitlement: &provisionr_sdk::Entitlement| match entitlement.kind.as_str() {
        INVITE_TO_CHANNEL => Ok(entitlement.to::<InviteToChannel>()?.target),
        other => Err(AdapterError::invalid_request(format!("`{other}` cannot be made along with an account"))),
    };
    spec.entitlements.iter().map(channel).collect()
}
