//! Invitations: how people without an account come into groups and projects.

use std::time::Duration;

use http::Method;
use provisionr_http::{RequestBuilder, path};
use provisionr_sdk::{
    Account, AccountId, AccountSpec, AccountState, AdapterError, CallContext, Date, Entitlement, Found, Grant, GrantState, Outcome, Page, PageRequest, Probe,
    Receipt, Request, Result, RetryHint, Wait, WaitReason,
};
use serde_json::Value;

use crate::adapter::Gitlab;
use crate::config::Flavour;
use crate::errors::is_inherited;
use crate::lists::paging;
use crate::members::{Membership, entitlement};
use crate::places::{Place, Sort};
use crate::wire::{Invitation, Pending};

/// What the id of an account begins with that is an invitation only.
const INVITATION: &str = "invitation:";

/// People accept within days.
const ACCEPTED: Duration = Duration::from_secs(3600);

/// The invited address, where an account is no more than that.
pub(crate) fn address_of(account: &AccountId) -> Option<&str> {
    account.as_str().strip_prefix(INVITATION)
}

/// The account an invitation stands for until the person comes.
pub(crate) fn invited(email: &str) -> Account {
    let mut account = Account::new(format!("{INVITATION}{}", email.to_lowercase()), AccountState::Invited).with_email(email);
    account.profile.insert("email".to_owned(), email.into());
    account
}

fn waiting(receipt: Receipt) -> Outcome {
    Outcome::Waiting(Wait::new(WaitReason::InvitationSent, ACCEPTED), receipt)
}

/// An open invitation as a grant.
fn offer(place: &Place, account: &AccountId, open: &Invitation) -> Grant {
    let day = open.expires_at.as_deref().and_then(|text| text.get(..10)?.parse::<Date>().ok());
    Grant::direct(account.clone(), entitlement(place.sort, &place.id, open.access_level, day)).in_state(GrantState::Invited)
}

impl Gitlab {
    pub(crate) fn invites(&self) -> bool {
        matches!(self.flavour, Flavour::Group { invitations: true, .. })
    }

    /// Whether an address is invited to anything in the group's hierarchy.
    pub(crate) async fn is_invited(&self, cx: &CallContext, group: &str, email: &str) -> Result<bool> {
        let pending: Vec<Pending> = self.client.get(path!["groups", group, "pending_members"]).all(cx, &paging()).await?;
        Ok(pending.iter().any(|member| member.invited && member.email.as_ref().is_some_and(|known| known.eq_ignore_ascii_case(email))))
    }

    /// Whether a person who has an account is invited elsewhere in the group as well.
    pub(crate) async fn has_open_invitation(&self, cx: &CallContext, account: &Account, seen: &Account) -> Result<bool> {
        match (&self.flavour, self.email_of(account).or_else(|| self.email_of(seen))) {
            (Flavour::Group { path, .. }, Some(email)) => self.is_invited(cx, path, email).await,
            _ => Ok(false),
        }
    }

    /// A page of the open invitations to a place, as grants of the accounts they stand for.
    pub(crate) async fn open_invitations(&self, cx: &CallContext, place: &Place, page: &PageRequest) -> Result<Page<Grant>> {
        let open = self.client.get(place.path().segment("invitations")).page::<Invitation>(cx, page, &paging()).await?;
        Ok(open.map(|open| offer(place, &invited(&open.invite_email).id, &open)))
    }

    fn one(&self, method: Method, place: &Place, email: &str) -> RequestBuilder<'_> {
        self.client.request(method, place.path().segment("invitations").segment(email))
    }

    async fn invitation(&self, cx: &CallContext, place: &Place, email: &str) -> Result<Option<Invitation>> {
        let request = self.client.get(place.path().segment("invitations")).query("query", email);
        let open: Vec<Invitation> = request.all(cx, &paging()).await?;
        Ok(open.into_iter().find(|open| open.invite_email.eq_ignore_ascii_case(email)))
    }

    /// An open invitation as a grant of an account.
    pub(crate) async fn offered(&self, cx: &CallContext, place: &Place, account: &AccountId, email: &str) -> Result<Option<Grant>> {
        Ok(self.invitation(cx, place, email).await?.map(|open| offer(place, account, &open)))
    }

    /// Invites an address to a place, or changes the open invitation. A second one to the same place would be refused, without a mail.
    pub(crate) async fn invite(&self, cx: &CallContext, place: &Place, account: &Account, email: &str, wanted: &Entitlement) -> Result<Outcome> {
        place.check_owner()?;
        let mut fields = wanted.to::<Membership>()?.fields()?;
        let grant = Grant::direct(account.id.clone(), wanted.clone()).in_state(GrantState::Invited);
        let receipt = Receipt::new().with_account(account.clone()).with_grant(grant.clone());
        if let Some(open) = self.offered(cx, place, &account.id, email).await? {
            if open.entitlement != *wanted {
                let answer = self.one(Method::PUT, place, email).json(&fields).send(cx).await?;
                answer.json::<serde_json::Map<String, Value>>()?;
            }
            return Ok(waiting(receipt.before_grant(open)));
        }
        fields.retain(|_, value| !value.is_null());
        fields.insert("email".to_owned(), email.into());
        let answer = self.client.post(place.path().segment("invitations")).json(&fields).send(cx).await?;
        let body: serde_json::Map<String, Value> = answer.json()?;
        // The status is 201 whatever came of it. https://docs.gitlab.com/api/invitations/
        let errors = body.get("message").filter(|_| body.get("status").is_none_or(|status| status != "success"));
        let text = match errors {
            None => return Ok(waiting(receipt.before_absent().with_request_id(answer.request_id()))),
            Some(Value::Object(errors)) => errors.values().find_map(Value::as_str).unwrap_or_default().to_owned(),
            Some(other) => other.as_str().unwrap_or_default().to_owned(),
        };
        let told = provisionr_http::plain(&text).unwrap_or_default();
        match text {
            // Somebody was faster.
            _ if text.contains("already been taken") => Ok(waiting(receipt)),
            _ if text.contains("queued for administrator approval") => Ok(Outcome::Waiting(crate::members::approval(), receipt)),
            _ if text.contains("already exists in source") || is_inherited(&text) => {
                Err(AdapterError::conflict(format!("the invited person has an account: {told}")).with_hint(RetryHint::Replan))
            }
            _ => Err(AdapterError::refused(format!("GitLab does not invite this person: {told}"))),
        }
    }

    fn address<'a>(&self, request: &'a Request, spec: &'a AccountSpec) -> Result<&'a str> {
        let profile = spec.profile.get("email").and_then(Value::as_str);
        let login = spec.logins.iter().map(String::as_str).find(|login| login.contains('@'));
        let known = request.who.key("email").or(profile).or(login);
        known.ok_or_else(|| AdapterError::invalid_request("an invitation needs an e-mail address: a key `email`, or an attribute `email`"))
    }

    /// Invites a person to everything they should be in. GitLab itself looks whether the address has an account, and makes its
    /// holder a member at once: no second account can come of it, so that a search that cannot see everything is no hindrance.
    pub(crate) async fn ensure_invited(&self, cx: &CallContext, request: &Request, spec: &AccountSpec) -> Result<Outcome> {
        let email = self.address(request, spec)?;
        let there = match self.find(cx, &request.who).await? {
            Found::CannotTell(_) => None,
            found => found.at_most_one()?,
        };
        if let Some(account) = there.filter(|account| account.state != AccountState::Invited) {
            return Ok(Outcome::Unchanged(Receipt::new().before_account(account.clone()).with_account(account)));
        }
        let (account, mut result) = (invited(email), None);
        for wanted in &spec.entitlements {
            let invite = async {
                let place = self.seen_place(cx, wanted).await?;
                self.invite(cx, &place, &account, email, wanted).await
            };
            // What went out before stands.
            let outcome = invite.await.map_err(|error| if result.is_some() { error.effect_unknown() } else { error })?;
            result = Some(result.unwrap_or(outcome));
        }
        result.ok_or_else(|| AdapterError::invalid_request("an invitation is to a group or project, and none is wanted"))
    }

    pub(crate) async fn probe_ensured(&self, cx: &CallContext, request: &Request, spec: &AccountSpec) -> Result<Probe> {
        let account = match self.find(cx, &request.who).await? {
            Found::One(account) => account,
            Found::Several(_) => return Ok(Probe::Unclear("several users answer to the keys".to_owned())),
            found => {
                // Who has accepted is where the invitation was to, and shows there first.
                let email = self.address(request, spec)?;
                for wanted in &spec.entitlements {
                    let Some(place) = self.place(cx, Sort::of(wanted.kind.as_str())?, &wanted.target).await? else { continue };
                    if let Some(user) = self.members_by_email(cx, place.path(), email).await?.pop() {
                        return Ok(Probe::Holds(Receipt::new().with_account(user.account(&self.attributes)?)));
                    }
                }
                return Ok(if let Found::CannotTell(why) = found { Probe::Unclear(why) } else { Probe::Absent });
            }
        };
        let Some(email) = address_of(&account.id) else { return Ok(Probe::Holds(Receipt::new().with_account(account))) };
        for wanted in &spec.entitlements {
            let Some(place) = self.place(cx, Sort::of(wanted.kind.as_str())?, &wanted.target).await? else {
                return Ok(Probe::Unclear("a group or project is not to be seen".to_owned()));
            };
            if self.invitation(cx, &place, email).await?.is_none() {
                return Ok(Probe::Absent);
            }
        }
        Ok(Probe::Pending(Wait::new(WaitReason::InvitationSent, ACCEPTED)))
    }

    /// The address at which an account would be invited.
    pub(crate) fn email_of<'a>(&self, account: &'a Account) -> Option<&'a str> {
        address_of(&account.id).or(account.email.as_deref()).filter(|_| self.invites())
    }

    pub(crate) async fn withdraw(&self, cx: &CallContext, account: &Account, unwanted: &Entitlement) -> Result<Outcome> {
        let Some(place) = self.place(cx, Sort::of(unwanted.kind.as_str())?, &unwanted.target).await? else {
            return Err(AdapterError::not_found_unclear("the group or project is not to be seen"));
        };
        let Some(email) = self.email_of(account) else { return Ok(Outcome::Unchanged(Receipt::new())) };
        let Some(open) = self.offered(cx, &place, &account.id, email).await? else { return Ok(Outcome::Unchanged(Receipt::new().before_absent())) };
        // Gone since the look: accepted or withdrawn, and no longer open either way.
        match self.one(Method::DELETE, &place, email).send_if_found(cx).await? {
            Some(answer) => {
                answer.empty()?;
                Ok(Outcome::Applied(Receipt::new().before_grant(open).with_request_id(answer.request_id())))
            }
            None => Ok(Outcome::Unchanged(Receipt::new().before_absent())),
        }
    }
}
