//! Membership in groups.

use std::time::Duration;

use provisionr_http::{Paging, RequestBuilder, path};
use provisionr_sdk::{
    Account, AdapterError, CallContext, Entitlement, ErrorKind, Grant, KindName, Outcome, Owner, Page, PageRequest, Receipt, Request, Resolution, Result,
    RetryHint, Source, Sweep, Target, TargetName, suggestion,
};
use serde::{Deserialize, Serialize};

use crate::adapter::Okta;
use crate::rules::Rules;
use crate::wire::{Group, User};

pub(crate) const ADD_TO_GROUP: &str = "add_to_group";

/// Groups whose names begin with a text: the most that are shown, without pages. See `q` in
/// <https://developer.okta.com/docs/api/openapi/okta-management/management/tag/Group/>.
const MOST_FOUND: usize = 300;

/// Membership in a group; the target is the group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddToGroup {
    /// The group: its name in policies, its id everywhere else.
    pub target: String,
}

impl Okta {
    fn member(&self, method: http::Method, group: &str, user: &str) -> RequestBuilder<'_> {
        self.client.request(method, path!["api", "v1", "groups", group, "users", user])
    }

    pub(crate) async fn group(&self, cx: &CallContext, id: &str) -> Result<Option<Group>> {
        self.client.get(path!["api", "v1", "groups", id]).send_if_found(cx).await?.map(|answer| answer.json()).transpose()
    }

    /// The groups a user is in. The description knows no pages of this list; it has them, of 200 groups:
    /// <https://github.com/okta/okta-sdk-java/issues/1286>
    pub(crate) async fn groups_of(&self, cx: &CallContext, user: &str) -> Result<Vec<Group>> {
        match self.client.get(path!["api", "v1", "users", user, "groups"]).all(cx, &Paging::link()).await {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound(_)) => Err(AdapterError::account_not_found("the user is not there, or not to be seen")),
            groups => groups,
        }
    }

    /// All memberships of a user, with their sources.
    pub(crate) async fn memberships(&self, cx: &CallContext, user: &User) -> Result<Vec<Grant>> {
        let groups = self.groups_of(cx, &user.id).await?;
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        let rules = Rules::read(&self.client, cx).await?;
        Ok(groups.iter().map(|group| grant(&group.id, group.owner(), user, &rules)).collect())
    }

    async fn membership(&self, cx: &CallContext, account: &Account, group: &str) -> Result<Option<Membership>> {
        let Some(group) = self.groups_of(cx, account.id.as_str()).await?.into_iter().find(|known| known.id == group) else { return Ok(None) };
        let answer = self.client.get(path!["api", "v1", "users", account.id]).send_if_found(cx).await?;
        let answer = answer.ok_or_else(|| AdapterError::account_not_found("the user is not there, or not to be seen"))?;
        let user: User = answer.json()?;
        let rules = Rules::read(&self.client, cx).await?;
        let grant = grant(&group.id, group.owner(), &user, &rules);
        // By Okta's own clock, as the times are that it is compared with.
        let unsettled = rules.unsettled(&group.id, &user, answer.date().unwrap_or_else(|| cx.now()));
        Ok(Some(Membership { grant, unsettled: unsettled.map(|(rule, left)| (rule.to_owned(), left)) }))
    }

    pub(crate) async fn put_member(&self, cx: &CallContext, group: &str, user: &str) -> Result<Receipt> {
        match self.member(http::Method::PUT, group, user).send(cx).await {
            Ok(answer) => {
                answer.empty()?;
                Ok(Receipt::new().with_request_id(answer.request_id()))
            }
            Err(error) => Err(self.why_not(cx, group, error).await),
        }
    }

    /// Who else decides about a group, by the name of the app it comes from where that can be read.
    async fn owner(&self, cx: &CallContext, group: &Group) -> Option<Owner> {
        let owner = group.owner()?;
        match group.app() {
            Some(app) => Some(self.app(cx, app).await.ok().flatten().map_or(owner, |app| Owner::new(app.label))),
            None => Some(owner),
        }
    }

    /// What a refusal means, after a look at the group.
    async fn why_not(&self, cx: &CallContext, group: &str, error: AdapterError) -> AdapterError {
        if !matches!(error.kind(), ErrorKind::NotFound(_) | ErrorKind::PermissionDenied) {
            return error;
        }
        match (self.group(cx, group).await, error.kind()) {
            (Ok(Some(group)), ErrorKind::PermissionDenied) => self.owner(cx, &group).await.map_or(error, |owner| decides(&owner)),
            (Ok(Some(_)), _) => AdapterError::account_not_found("the user is not there, or not to be seen"),
            (Ok(None), ErrorKind::NotFound(_)) => AdapterError::target_not_found("the group is not there, or not to be seen"),
            _ => error,
        }
    }

    pub(crate) async fn join(&self, cx: &CallContext, account: &Account, wanted: &Entitlement) -> Result<Outcome> {
        let group = wanted.to::<AddToGroup>()?.target;
        if let Some(Membership { grant, unsettled }) = self.membership(cx, account, &group).await? {
            settled(&grant, unsettled)?;
            return Ok(Outcome::Unchanged(Receipt::new().before_grant(grant.clone()).with_grant(grant)));
        }
        let receipt = self.put_member(cx, &group, account.id.as_str()).await?;
        Ok(Outcome::Applied(receipt.before_absent().with_grant(Grant::direct(account.id.clone(), wanted.clone()))))
    }

    pub(crate) async fn leave(&self, cx: &CallContext, request: &Request, account: &Account, unwanted: &Entitlement) -> Result<Outcome> {
        let group = unwanted.to::<AddToGroup>()?.target;
        let Some(Membership { grant, unsettled }) = self.membership(cx, account, &group).await? else {
            return match self.group(cx, &group).await? {
                Some(group) => match self.owner(cx, &group).await {
                    Some(owner) => Err(decides(&owner)),
                    None => Ok(Outcome::Unchanged(Receipt::new().before_absent())),
                },
                None => Err(AdapterError::not_found_unclear("the user is not in the group, and the group is not to be seen")),
            };
        };
        match &grant.source {
            // Okta would take them out, and silently keep the rule from ever putting them back.
            Source::Rule(owner) => return Err(AdapterError::owned_elsewhere(format!("{owner} put this person into the group"))),
            Source::Owned(owner) => {
                let group = self.group(cx, &group).await?;
                let named = match &group {
                    Some(group) => self.owner(cx, group).await,
                    None => None,
                };
                return Err(decides(named.as_ref().unwrap_or(owner)));
            }
            _ => request.check_expected(Some(&grant))?,
        }
        settled(&grant, unsettled)?;
        let answer = match self.member(http::Method::DELETE, &group, account.id.as_str()).send(cx).await {
            Ok(answer) => answer,
            // The membership was there a moment ago: who is gone now cannot be told.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound(_)) => return Err(error),
            Err(error) => return Err(self.why_not(cx, &group, error).await),
        };
        answer.empty()?;
        Ok(Outcome::Applied(Receipt::new().before_grant(grant).with_request_id(answer.request_id())))
    }

    pub(crate) async fn resolve_group(&self, cx: &CallContext, name: &TargetName) -> Result<Resolution> {
        let found = self.groups_named(cx, name.as_str()).await?;
        let mut same = Vec::new();
        for group in found.iter().filter(|group| group.name() == name.as_str()) {
            same.push(Target { owner: self.owner(cx, group).await, ..group.target() });
        }
        if same.is_empty() && found.len() >= MOST_FOUND {
            return Ok(Resolution::Hidden(format!("more than {MOST_FOUND} groups have names that begin with `{name}`, and Okta shows no more")));
        }
        if !same.is_empty() {
            return Ok(one_of(same));
        }
        let mut near: Vec<String> = found.iter().map(|group| group.name().to_owned()).collect();
        if near.is_empty() {
            let beginning: String = name.as_str().chars().take(3).collect();
            near = self.groups_named(cx, &beginning).await?.iter().map(|group| group.name().to_owned()).collect();
        }
        Ok(Resolution::None(nearest(name, near)))
    }

    async fn groups_named(&self, cx: &CallContext, beginning: &str) -> Result<Vec<Group>> {
        self.client.get(path!["api", "v1", "groups"]).query("q", beginning).send(cx).await?.json()
    }

    pub(crate) async fn list_groups(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Group>> {
        self.client.get(path!["api", "v1", "groups"]).page(cx, page, &Paging::link().sized("limit", 200)).await
    }

    pub(crate) async fn list_members(&self, cx: &CallContext, group: &Group, page: &PageRequest) -> Result<Page<Grant>> {
        let rules = Rules::read(&self.client, cx).await?;
        self.members(cx, &Listed::from(group), &rules, page).await
    }

    async fn members(&self, cx: &CallContext, group: &Listed, rules: &Rules, page: &PageRequest) -> Result<Page<Grant>> {
        let users = self.client.get(path!["api", "v1", "groups", group.id, "users"]).page::<User>(cx, page, &Paging::link().sized("limit", 1000)).await?;
        Ok(users.map(|user| grant(&group.id, group.owner.clone(), &user, rules)))
    }

    /// One page of all memberships: as many groups as there is room for, so that the rules are read once for all of them.
    pub(crate) async fn list_all_members(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Grant>> {
        let mut sweep = Sweep::<Listed>::read(page)?;
        if let Some(targets) = sweep.targets() {
            sweep.add(self.list_groups(cx, &targets).await?.map(|group| Listed::from(&group)));
        }
        let mut grants = Vec::new();
        if sweep.target().is_none() {
            return Ok(sweep.page(grants));
        }
        let rules = Rules::read(&self.client, cx).await?;
        for _ in 0..GROUPS_A_PAGE {
            let Some(group) = sweep.target() else { break };
            match self.members(cx, group, &rules, &sweep.within(page.size)).await {
                Ok(members) => {
                    grants.extend(members.items);
                    sweep.advance(members.next);
                }
                // It was listed a moment ago.
                Err(error) if matches!(error.kind(), ErrorKind::NotFound(_)) => {
                    sweep.incomplete("a group went while it was listed, or is not to be seen any more");
                    sweep.advance(None);
                }
                Err(error) => return Err(error),
            }
            if page.size.is_some_and(|size| grants.len() >= size as usize) {
                break;
            }
        }
        Ok(sweep.page(grants))
    }
}

/// Refuses while a rule may still take away what looks direct, and what to take away by hand excepts the person from the rule.
fn settled(grant: &Grant, unsettled: Option<(String, Duration)>) -> Result<()> {
    match unsettled {
        Some((rule, left)) if grant.source == Source::Direct => {
            let why = format!("the group rule {rule} feeds the group, and may not have been evaluated since the last change");
            Err(AdapterError::not_ready(why).with_hint(RetryHint::After(left)))
        }
        _ => Ok(()),
    }
}

/// Groups of which one page of all memberships shows the members at most.
const GROUPS_A_PAGE: usize = 20;

/// What has to be known of a group to list its members.
#[derive(Debug, Serialize, Deserialize)]
struct Listed {
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<Owner>,
}

impl From<&Group> for Listed {
    fn from(group: &Group) -> Self {
        Self { id: group.id.clone(), owner: group.owner() }
    }
}

struct Membership {
    grant: Grant,
    /// The rule that may still be at work on it, and for how much longer.
    unsettled: Option<(String, Duration)>,
}

fn decides(owner: &Owner) -> AdapterError {
    AdapterError::owned_elsewhere(format!("{owner} decides who is in this group"))
}

fn grant(group: &str, owner: Option<Owner>, user: &User, rules: &Rules) -> Grant {
    let source = owner.map_or_else(|| rules.source(group, user), Source::Owned);
    Grant::direct(user.id.as_str(), Entitlement::new(ADD_TO_GROUP, group)).from_source(source)
}

pub(crate) fn one_of(mut targets: Vec<Target>) -> Resolution {
    match targets.pop() {
        Some(one) if targets.is_empty() => Resolution::One(one),
        Some(last) => {
            targets.push(last);
            Resolution::Several(targets)
        }
        None => Resolution::None(Vec::new()),
    }
}

/// At most five names, the likeliest first.
pub(crate) fn nearest(name: &TargetName, mut names: Vec<String>) -> Vec<TargetName> {
    let likeliest = suggestion(name.as_str(), names.iter().map(String::as_str)).map(str::to_owned);
    names.sort_by_key(|near| (Some(near) != likeliest.as_ref(), near.clone()));
    names.dedup();
    names.into_iter().take(5).map(TargetName::from).collect()
}

/// A kind this adapter does not have.
pub(crate) fn no_such_kind(kind: &KindName) -> AdapterError {
    AdapterError::unsupported(format_args!("the kind `{kind}`"))
}
