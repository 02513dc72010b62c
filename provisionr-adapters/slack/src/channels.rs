//! Membership in channels.

use std::collections::BTreeMap;

use provisionr_http::{Paging, path};
use provisionr_sdk::{
    Account, AccountState, AdapterError, BatchOutcome, CallContext, Change, Coverage, Entitlement, ErrorKind, Grant, Outcome, Owner, Page, PageRequest,
    Receipt, Request, Resolution, Resolved, Result, RetryHint, Scope, Source, Target, TargetName, VendorRequestId,
};
use serde::{Deserialize, Serialize};

use crate::adapter::{Place, Slack, Written, plain_id};
use crate::errors::{ALREADY_IN, INVITE, meaning};
use crate::wire::{Channel, Invitation, field};

pub(crate) const INVITE_TO_CHANNEL: &str = "invite_to_channel";

/// The reference names 100 with the argument and 1,000 in its text: the lower holds.
/// <https://docs.slack.dev/reference/methods/conversations.invite>
pub(crate) const MOST_INVITED: usize = 100;

/// "Must be an integer under 1000": <https://docs.slack.dev/reference/methods/conversations.list>.
const CHANNELS: u32 = 999;

const MEMBERS: u32 = 200;

/// Why no list of channels is whole.
pub(crate) const UNSEEN_CHANNELS: &str = "private channels the app is not in do not show";

/// Membership in a channel; the target is the channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InviteToChannel {
    /// The channel: its name with `#` in policies, its id everywhere else.
    pub target: String,
}

fn paging() -> Paging {
    Paging::token("/response_metadata/next_cursor", "cursor").items("/channels").sized("limit", CHANNELS)
}

/// Who was invited: the culprits by user id, with the code of each. None of the others was invited when there is one.
struct Invited {
    request_id: Option<VendorRequestId>,
    culprits: BTreeMap<String, String>,
}

impl Slack {
    /// A channel; none where it is not there, or private and without the app: Slack tells the two alike.
    async fn channel(&self, cx: &CallContext, id: &str) -> Result<Option<Channel>> {
        if !plain_id(id) {
            return Ok(None);
        }
        let answer = self.web.get(path!["conversations.info"]).query("channel", id).send_if_found(cx).await?;
        answer.map(|answer| field(&answer, "channel")).transpose()
    }

    /// Public channels of a user, and the private ones the app is in too. Archived ones are among them: whoever is in one is in it again
    /// when it is opened.
    pub(crate) async fn channels_of(&self, cx: &CallContext, user: &str) -> Result<Vec<Channel>> {
        let request = self.web.get(path!["users.conversations"]).query("user", user).query("types", "public_channel,private_channel");
        self.for_team(request).all(cx, &paging()).await
    }

    async fn owner(&self, cx: &CallContext, channel: &Channel) -> Result<Option<Owner>> {
        let Some(grid) = self.grid.as_ref().filter(|_| channel.private() && channel.host().is_none()) else { return Ok(channel.host()) };
        let request = grid.client.get(path!["admin.conversations.restrictAccess.listGroups"]).query("channel_id", &channel.id).query("team_id", &grid.team);
        let groups: Vec<String> = field(&request.send(cx).await?, "group_ids")?;
        Ok((!groups.is_empty()).then(|| Owner::new(format!("the identity provider, by its groups {}", groups.join(", ")))))
    }

    /// A channel of ours that the app can put people into and take them out of. A public one it joins for it.
    async fn workable(&self, cx: &CallContext, id: &str) -> Result<(Channel, Written)> {
        let Some(channel) = self.channel(cx, id).await? else {
            return Err(AdapterError::not_found_unclear("the channel is not there, or private and the app is not in it"));
        };
        if let Some(owner) = self.owner(cx, &channel).await? {
            return Err(AdapterError::owned_elsewhere(format!("{owner} decides who is in this channel")));
        }
        if channel.has_app() || channel.private() {
            return Ok((channel, Written::No));
        }
        self.web.post(path!["conversations.join"]).form([("channel", id)]).send(cx).await?;
        Ok((channel, Written::Yes))
    }

    async fn invite(&self, cx: &CallContext, channel: &str, users: &[&str]) -> Result<Invited> {
        let sent = self.web.post(path![INVITE]).form([("channel", channel.to_owned()), ("users", users.join(","))]).send(cx).await;
        let answer = match (sent, users) {
            (Ok(answer), _) => answer,
            // One user is refused by the code alone, in some answers.
            (Err(error), [only]) if error.code() == Some(ALREADY_IN) => {
                return Ok(Invited { request_id: error.request_id().cloned(), culprits: [((*only).to_owned(), ALREADY_IN.to_owned())].into() });
            }
            (Err(error), _) => return Err(error),
        };
        let told: Invitation = answer.json()?;
        let culprits: BTreeMap<_, _> = told.errors.into_iter().filter_map(|culprit| Some((culprit.user?, culprit.error.unwrap_or_default()))).collect();
        if !told.ok && culprits.is_empty() {
            return Err(meaning(&told.error.unwrap_or_default()));
        }
        Ok(Invited { request_id: answer.request_id(), culprits })
    }

    /// Puts a user into a channel.
    pub(crate) async fn enter(&self, cx: &CallContext, channel: &str, account: &Account) -> Result<Outcome> {
        live(account)?;
        let (found, written) = self.workable(cx, channel).await?;
        let user = account.id.as_str();
        let invited = self.invite(cx, channel, &[user]).await.map_err(|error| written.mark(error))?;
        let grant = membership(user, &found);
        let receipt = noted(Receipt::new().with_grant(grant.clone()).with_request_id(invited.request_id), &found, written);
        match invited.culprits.get(user).map(String::as_str) {
            None => Ok(Outcome::Applied(receipt.before_absent())),
            Some(ALREADY_IN) => Ok(Outcome::Unchanged(receipt.before_grant(grant))),
            Some(code) => Err(written.mark(meaning(code))),
        }
    }

    pub(crate) async fn leave(&self, cx: &CallContext, request: &Request, account: &Account, channel: &str) -> Result<Outcome> {
        if !plain_id(account.id.as_str()) {
            return Err(meaning("user_not_found"));
        }
        let (found, written) = self.workable(cx, channel).await?;
        let grant = membership(account.id.as_str(), &found);
        request.check_expected(Some(&grant)).map_err(|error| written.mark(error))?;
        let form = [("channel", channel), ("user", account.id.as_str())];
        match self.web.post(path!["conversations.kick"]).form(form).send(cx).await {
            Ok(answer) => Ok(Outcome::Applied(noted(Receipt::new().before_grant(grant).with_request_id(answer.request_id()), &found, written))),
            // The channel was read, and the app is in it: it is the user who is not.
            Err(error) if error.code() == Some("not_in_channel") && (found.has_app() || written == Written::Yes) => {
                Ok(Outcome::Unchanged(Receipt::new().before_absent()))
            }
            Err(error) => Err(written.mark(error)),
        }
    }

    /// One call for all. Without `force`, one user who cannot be invited keeps all others out: those who are in already are left
    /// out and the rest invited once more; of any other culprit's company Slack does not say what became.
    pub(crate) async fn enter_together(&self, cx: &CallContext, requests: &[Request]) -> Result<BatchOutcome> {
        let mut left = BTreeMap::new();
        let mut outcomes = BatchOutcome::new();
        let mut channel: Option<String> = None;
        for request in requests {
            let wanted = match &request.change {
                Change::Grant(wanted) if wanted.kind == *INVITE_TO_CHANNEL => wanted.to::<InviteToChannel>()?.target,
                other => return Err(AdapterError::unsupported(format_args!("`{other}` in a batch"))),
            };
            if *channel.get_or_insert_with(|| wanted.clone()) != wanted {
                return Err(AdapterError::invalid_request("a batch is for one channel"));
            }
            match request.account().and_then(|account| live(account).map(|()| account.id.as_str())) {
                Ok(user) => drop(left.insert(user, &request.key)),
                Err(error) => drop(outcomes.insert(request.key.clone(), Err(error))),
            }
        }
        if requests.len() > MOST_INVITED {
            return Err(AdapterError::invalid_request(format!("Slack invites {MOST_INVITED} people at once, and not {}", requests.len())));
        }
        let Some(channel) = channel.filter(|_| !left.is_empty()) else { return Ok(outcomes) };
        let (found, written) = self.workable(cx, &channel).await?;
        for _ in 0..2 {
            let users: Vec<&str> = left.keys().copied().collect();
            let Invited { request_id, culprits } = self.invite(cx, &channel, &users).await.map_err(|error| written.mark(error))?;
            let receipt = |user: &str| Receipt::new().with_grant(membership(user, &found)).with_request_id(request_id.clone());
            if culprits.is_empty() {
                outcomes.extend(left.iter().map(|(user, key)| ((*key).clone(), Ok(Outcome::Applied(receipt(user).before_absent())))));
                break;
            }
            for (user, code) in &culprits {
                let Some(key) = left.remove(user.as_str()) else { continue };
                let outcome =
                    if code == ALREADY_IN { Ok(Outcome::Unchanged(receipt(user).before_grant(membership(user, &found)))) } else { Err(meaning(code)) };
                outcomes.insert(key.clone(), outcome);
            }
            if left.is_empty() || culprits.values().any(|code| code != ALREADY_IN) {
                break;
            }
        }
        Ok(outcomes)
    }

    pub(crate) async fn see_channels(&self, cx: &CallContext, user: &str, scope: &Scope, mut coverage: Coverage) -> Result<(Vec<Grant>, Coverage)> {
        let held: Vec<Grant> = self.channels_of(cx, user).await?.iter().map(|channel| membership(user, channel)).collect();
        for grant in &held {
            coverage = coverage.target(INVITE_TO_CHANNEL, grant.entitlement.target.clone());
        }
        let Some(targets) = scope.targets(INVITE_TO_CHANNEL) else {
            return Ok((held, coverage.unseen(INVITE_TO_CHANNEL, None, "private channels the app is not in do not show")));
        };
        for target in targets {
            if held.iter().any(|grant| grant.entitlement.target == target) {
                continue;
            }
            coverage = match self.channel(cx, target.as_str()).await? {
                Some(channel) if !channel.private() || channel.has_app() => coverage.target(INVITE_TO_CHANNEL, target),
                _ => coverage.unseen(INVITE_TO_CHANNEL, Some(target), "the channel is not there, or private and the app is not in it"),
            };
        }
        Ok((held, coverage))
    }

    pub(crate) async fn list_channels(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Target>> {
        let request = self.web.get(path!["conversations.list"]).query("types", "public_channel,private_channel").query("exclude_archived", true);
        Ok(self.for_team(request).page::<Channel>(cx, page, &paging()).await?.map(|channel| channel.target()))
    }

    pub(crate) async fn resolve_channels(&self, cx: &CallContext, names: &[TargetName]) -> Result<Vec<Resolved>> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let mut targets = Vec::new();
        let mut page = PageRequest::first();
        loop {
            let more = self.list_channels(cx, &page).await?;
            targets.extend(more.items);
            let Some(next) = more.next else { break };
            page = PageRequest::first().after(next);
        }
        let mut resolved = crate::adapter::named(names, &targets, '#');
        for one in &mut resolved {
            if matches!(&one.resolution, Resolution::None(near) if near.is_empty()) {
                let why = "no channel the app can see has this name; a private one shows only after the app was invited into it";
                one.resolution = Resolution::Hidden(why.to_owned());
            }
        }
        Ok(resolved)
    }

    /// The members of one channel, without the app itself.
    pub(crate) async fn list_members(&self, cx: &CallContext, channel: &str, page: &PageRequest) -> Result<Page<Grant>> {
        let Some(found) = self.channel(cx, channel).await? else { return Err(meaning("channel_not_found")) };
        let me = self.me(cx, &self.web).await?.0;
        self.members(cx, channel, found.host(), &me, page).await
    }

    async fn members(&self, cx: &CallContext, channel: &str, host: Option<Owner>, me: &str, page: &PageRequest) -> Result<Page<Grant>> {
        let paging = Paging::token("/response_metadata/next_cursor", "cursor").items("/members").sized("limit", MEMBERS);
        let mut members = self.web.get(path!["conversations.members"]).query("channel", channel).page::<String>(cx, page, &paging).await?;
        members.items.retain(|member| member != me);
        Ok(members.map(|member| place(&member, channel, host.clone())))
    }

    pub(crate) async fn list_memberships(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Grant>> {
        let mut at = Place::read(page)?;
        if at.left.is_empty() {
            let channels = self.list_channels(cx, &at.targets()).await?;
            at.fill(channels);
        }
        let me = match &at.me {
            Some(me) => me.clone(),
            None => self.me(cx, &self.web).await?.0,
        };
        at.me = Some(me.clone());
        let grants = match at.left.first() {
            Some((channel, host)) => self.members(cx, channel, host.clone(), &me, &at.grants(page)).await?,
            None => Page::last(Vec::new()),
        };
        at.go_on(grants)
    }
}

/// What is told of a channel beside who is in it.
fn noted(receipt: Receipt, channel: &Channel, written: Written) -> Receipt {
    let receipt = if written == Written::Yes { receipt.and_changed("the app joined the channel") } else { receipt };
    if channel.shared_outside() { receipt.and_changed("the channel is shared with another company") } else { receipt }
}

/// Slack takes people who were invited or deactivated into no channel.
pub(crate) fn live(account: &Account) -> Result<()> {
    match account.state {
        _ if !plain_id(account.id.as_str()) => Err(meaning("user_not_found")),
        AccountState::Active => Ok(()),
        state => Err(AdapterError::new(ErrorKind::Conflict, RetryHint::Replan, format!("the account is {state}"))),
    }
}

fn membership(user: &str, channel: &Channel) -> Grant {
    place(user, &channel.id, channel.host())
}

fn place(user: &str, channel: &str, host: Option<Owner>) -> Grant {
    let grant = Grant::direct(user, Entitlement::new(INVITE_TO_CHANNEL, channel));
    match host {
        Some(host) => grant.from_source(Source::Owned(host)),
        None => grant,
    }
}
