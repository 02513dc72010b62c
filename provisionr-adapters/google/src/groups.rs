//! Membership in groups, direct and by nested groups.

use std::collections::BTreeSet;

use provisionr_http::{Paging, RequestBuilder, path};
use provisionr_sdk::{
    Account, AdapterError, CallContext, Entitlement, ErrorKind, Grant, Missing, Outcome, Page, PageRequest, Receipt, Request, Resolution, Result, RetryHint,
    Source, Sweep, TargetId, TargetName, suggestion,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::adapter::Google;
use crate::errors::{is_about, is_duplicate};
use crate::wire::{Group, HasMember, Member, done};

pub(crate) const ADD_TO_GROUP: &str = "add_to_group";

/// What a member may do in a group, in Google's words.
/// <https://developers.google.com/workspace/admin/directory/reference/rest/v1/members#Member>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the vendor's own words")]
pub enum GroupRole {
    #[default]
    Member,
    Manager,
    Owner,
}

impl GroupRole {
    fn as_str(self) -> &'static str {
        match self {
            Self::Member => "MEMBER",
            Self::Manager => "MANAGER",
            Self::Owner => "OWNER",
        }
    }
}

/// Membership in a group; the target is the group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddToGroup {
    /// The group: its address or an alias in policies, its id everywhere else.
    pub target: String,
    /// The role.
    #[serde(default)]
    pub role: GroupRole,
}

/// The type of the member that stands for everybody of the customer.
const EVERYBODY: &str = "CUSTOMER";

fn membership(user: &str, group: &str, role: &str) -> Grant {
    Grant::direct(user, Entitlement::new(ADD_TO_GROUP, group).with_role(role))
}

/// Through a nested group one is never more than a member: <https://github.com/googleapis/google-api-dotnet-client/issues/565>
fn inherited(user: &str, group: &str, through: &str) -> Grant {
    membership(user, group, "MEMBER").from_source(Source::Inherited(through.into()))
}

fn groups() -> Paging {
    Paging::token("/nextPageToken", "pageToken").items("/groups").left_out_when_empty("/kind", "admin#directory#groups").sized("maxResults", 200)
}

fn members() -> Paging {
    Paging::token("/nextPageToken", "pageToken").items("/members").left_out_when_empty("/kind", "admin#directory#members").sized("maxResults", 200)
}

impl Google {
    fn member_at(&self, method: http::Method, group: &str, member: &str) -> RequestBuilder<'_> {
        self.client.request(method, path!["admin", "directory", "v1", "groups", group, "members", member])
    }

    /// By id, address or alias; what a group has as an address no user has.
    pub(crate) async fn group(&self, cx: &CallContext, key: &str) -> Result<Option<Group>> {
        match self.client.get(path!["admin", "directory", "v1", "groups", key]).send(cx).await {
            Ok(answer) => answer.json().map(Some),
            Err(error) if *error.kind() == ErrorKind::NotFound(Missing::Target) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The role in a group that is given there itself.
    async fn role(&self, cx: &CallContext, group: &str, user: &str) -> Result<Option<String>> {
        match self.member_at(http::Method::GET, group, user).send(cx).await {
            Ok(answer) => Ok(Some(answer.json::<Member>()?.role.unwrap_or_else(|| "MEMBER".to_owned()))),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound(_)) && is_about(&error, "memberKey") => Ok(None),
            // Answered at times about members who are there: <https://github.com/googleapis/google-api-java-client/issues/1139>
            Err(error) if *error.kind() == ErrorKind::InvalidRequest && error.code() == Some("invalid") => Err(AdapterError::not_ready(error.message())),
            Err(error) => Err(error),
        }
    }

    /// Whether a user is in a group, directly or not; none where Google cannot tell: of nested groups where user and group are not of one
    /// domain.
    async fn is_in(&self, cx: &CallContext, group: &str, user: &str) -> Result<Option<bool>> {
        match self.client.get(path!["admin", "directory", "v1", "groups", group, "hasMember", user]).send(cx).await {
            Ok(answer) => Ok(Some(answer.json::<HasMember>()?.is_member)),
            Err(error) if is_about(&error, "memberKey") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The groups a user, or a group, is in.
    async fn groups_of(&self, cx: &CallContext, key: &str) -> Result<Vec<Group>> {
        self.client.get(path!["admin", "directory", "v1", "groups"]).query("userKey", key).all(cx, &groups()).await
    }

    /// The groups a user's groups are in, and so on to the top: each with the group it comes through.
    async fn through(&self, cx: &CallContext, direct: &[Group]) -> Result<Vec<(String, String)>> {
        let mut seen: BTreeSet<String> = direct.iter().map(|group| group.id.clone()).collect();
        let mut left: Vec<Group> = direct.to_vec();
        let mut edges = Vec::new();
        while let Some(group) = left.pop() {
            for parent in self.groups_of(cx, &group.email).await? {
                edges.push((parent.id.clone(), group.id.clone()));
                if seen.insert(parent.id.clone()) {
                    left.push(parent);
                }
            }
        }
        Ok(edges)
    }

    /// The memberships of a user, all or those in some groups, with their sources; and the groups of which the role is not to be seen.
    pub(crate) async fn memberships(&self, cx: &CallContext, user: &str, only: Option<&BTreeSet<TargetId>>) -> Result<(Vec<Grant>, Vec<String>)> {
        let wanted = |group: &str| only.is_none_or(|only| only.iter().any(|id| *id == *group));
        let direct = self.groups_of(cx, user).await?;
        let (mut grants, mut unseen) = (Vec::new(), Vec::new());
        for group in direct.iter().filter(|group| wanted(&group.id)) {
            match self.role(cx, &group.id, user).await {
                Ok(Some(role)) => grants.push(membership(user, &group.id, &role)),
                // Whether the list shows nested ones too, Google does not say.
                Ok(None) => {}
                Err(error) if matches!(error.kind(), ErrorKind::NotFound(_)) => unseen.push(group.id.clone()),
                Err(error) => return Err(error),
            }
        }
        let through = self.through(cx, &direct).await?;
        grants.extend(through.iter().filter(|(group, _)| wanted(group)).map(|(group, through)| inherited(user, group, through)));
        Ok((grants, unseen))
    }

    async fn inherited_in(&self, cx: &CallContext, user: &str, group: &str) -> Result<Vec<Grant>> {
        let (mut grants, _) = self.memberships(cx, user, Some(&[group.into()].into())).await?;
        grants.retain(|grant| matches!(grant.source, Source::Inherited(_)));
        Ok(grants)
    }

    pub(crate) async fn join(&self, cx: &CallContext, account: &Account, wanted: &Entitlement) -> Result<Outcome> {
        let AddToGroup { target: group, role } = wanted.to()?;
        let user = account.id.as_str();
        // One look tells that somebody is in no way in a group. Only a plain membership may be had through another group.
        let anyhow = if role == GroupRole::Member { self.is_in(cx, &group, user).await? } else { None };
        if anyhow != Some(false) {
            match self.role(cx, &group, user).await? {
                Some(held) => return self.change_role(cx, &group, user, &held, role).await,
                None if role == GroupRole::Member => {
                    if let Some(grant) = self.inherited_in(cx, user, &group).await?.pop() {
                        return Ok(Outcome::Unchanged(Receipt::new().before_grant(grant.clone()).with_grant(grant)));
                    }
                }
                None => {}
            }
        }
        let call = self.client.post(path!["admin", "directory", "v1", "groups", group, "members"]).json(&json!({ "id": user, "role": role }));
        match call.send(cx).await {
            Ok(answer) => {
                answer.json::<Member>()?;
                let grant = membership(user, &group, role.as_str());
                Ok(Outcome::Applied(Receipt::new().before_absent().with_grant(grant).with_request_id(answer.request_id())))
            }
            // The refusal leaves the role of whoever is there already as it is.
            Err(error) if is_duplicate(&error) => match self.role(cx, &group, user).await? {
                Some(held) => self.change_role(cx, &group, user, &held, role).await,
                None => Err(error.with_hint(RetryHint::Backoff)),
            },
            Err(error) => Err(self.without_member(error)),
        }
    }

    /// A member nobody knows is an account nobody knows, or one made a moment ago.
    fn without_member(&self, error: AdapterError) -> AdapterError {
        match error.kind() {
            ErrorKind::NotFound(_) if is_about(&error, "memberKey") => AdapterError::account_not_found(error.message()).with_hint(RetryHint::Backoff),
            _ => error,
        }
    }

    async fn change_role(&self, cx: &CallContext, group: &str, user: &str, held: &str, wanted: GroupRole) -> Result<Outcome> {
        let before = membership(user, group, held);
        let receipt = Receipt::new().before_grant(before.clone());
        if held == wanted.as_str() {
            return Ok(Outcome::Unchanged(receipt.with_grant(before)));
        }
        let answer =
            self.member_at(http::Method::PATCH, group, user).json(&json!({ "role": wanted })).send(cx).await.map_err(|error| self.without_member(error))?;
        answer.json::<Member>()?;
        Ok(Outcome::Applied(receipt.with_grant(membership(user, group, wanted.as_str())).with_request_id(answer.request_id())))
    }

    pub(crate) async fn leave(&self, cx: &CallContext, request: &Request, account: &Account, unwanted: &Entitlement) -> Result<Outcome> {
        let (group, user) = (unwanted.target.as_str(), account.id.as_str());
        let unclear = |error: AdapterError| match error.kind() {
            ErrorKind::NotFound(_) if is_about(&error, "groupKey") => AdapterError::not_found_unclear("the group is not to be seen"),
            _ => error,
        };
        let held = self.role(cx, group, user).await.map_err(unclear)?;
        let Some(held) = held else {
            let anyhow = self.is_in(cx, group, user).await.map_err(unclear)?;
            if anyhow == Some(false) {
                return Ok(Outcome::Unchanged(Receipt::new().before_absent()));
            }
            let through = self.inherited_in(cx, user, group).await?;
            if anyhow == Some(true) || !through.is_empty() {
                return Ok(Outcome::Unchanged(through.into_iter().fold(Receipt::new(), Receipt::still)));
            }
            return match self.group(cx, group).await? {
                Some(_) => Ok(Outcome::Unchanged(Receipt::new().before_absent())),
                None => Err(AdapterError::not_found_unclear("the user is not in the group, and the group is not to be seen")),
            };
        };
        let before = membership(user, group, &held);
        request.check_expected(Some(&before))?;
        let receipt = match self.member_at(http::Method::DELETE, group, user).send(cx).await {
            Ok(answer) => {
                done(&answer)?;
                Receipt::new().before_grant(before).with_request_id(answer.request_id())
            }
            // Somebody was faster: <https://github.com/googleapis/google-api-nodejs-client/issues/166>
            Err(error) if matches!(error.kind(), ErrorKind::NotFound(_)) && is_about(&error, "memberKey") => {
                return Ok(Outcome::Unchanged(Receipt::new().before_absent()));
            }
            Err(error) => return Err(unclear(error)),
        };
        // The removal stands, whatever this look sees.
        let left = match self.is_in(cx, group, user).await {
            Ok(Some(false)) | Err(_) => Vec::new(),
            Ok(_) => self.inherited_in(cx, user, group).await.unwrap_or_default(),
        };
        Ok(Outcome::Applied(left.into_iter().fold(receipt, Receipt::still)))
    }

    /// A name without `@` is one of the administrator's domain.
    pub(crate) async fn resolve_group(&self, cx: &CallContext, name: &TargetName) -> Result<Resolution> {
        let text = name.as_str();
        let domain = self.domain.as_deref().filter(|_| !text.contains('@'));
        let address = domain.map_or_else(|| text.to_owned(), |domain| format!("{text}@{domain}"));
        if let Some(group) = self.group(cx, &address).await? {
            return Ok(Resolution::One(group.target()));
        }
        let beginning: String = text.chars().take_while(|c| c.is_alphanumeric()).take(3).collect();
        if beginning.is_empty() {
            return Ok(Resolution::None(Vec::new()));
        }
        let call = self.client.get(path!["admin", "directory", "v1", "groups"]).query("customer", "my_customer");
        let found: Page<Group> = call.query("query", format!("email:{beginning}*")).page(cx, &PageRequest::first(), &groups()).await?;
        let short = |address: String| match domain.and_then(|domain| address.strip_suffix(domain)?.strip_suffix('@')) {
            Some(local) => local.to_owned(),
            None => address,
        };
        let mut near: Vec<String> = found.items.into_iter().map(|group| short(group.email)).collect();
        let likeliest = suggestion(text, near.iter().map(String::as_str)).map(str::to_owned);
        near.sort_by_key(|name| (Some(name) != likeliest.as_ref(), name.clone()));
        Ok(Resolution::None(near.into_iter().take(5).map(TargetName::from).collect()))
    }

    pub(crate) async fn list_groups(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Group>> {
        self.client.get(path!["admin", "directory", "v1", "groups"]).query("customer", "my_customer").page(cx, page, &groups()).await
    }

    /// One page of a group's members, those of the groups within included.
    pub(crate) async fn list_members(&self, cx: &CallContext, group: &str, page: &PageRequest) -> Result<Page<Grant>> {
        let list = |group: &str| self.client.get(path!["admin", "directory", "v1", "groups", group, "members"]);
        let found: Page<Member> = list(group).page(cx, page, &members()).await?;
        let mut grants = Page::new(Vec::new(), found.next);
        for member in found.items {
            match member.kind.as_str() {
                "GROUP" => {
                    let derived: Vec<Member> = list(&member.id).query("includeDerivedMembership", "true").all(cx, &members()).await?;
                    let people = derived.iter().filter(|within| within.kind != "GROUP" && within.kind != EVERYBODY);
                    grants.items.extend(people.map(|within| inherited(&within.id, group, &member.id)));
                    if derived.iter().any(|within| within.kind == EVERYBODY) {
                        grants = grants.incomplete("everybody of the customer is a member of a group within");
                    }
                }
                EVERYBODY => grants = grants.incomplete("everybody of the customer is a member"),
                _ => grants.items.push(membership(&member.id, group, member.role.as_deref().unwrap_or("MEMBER"))),
            }
        }
        Ok(grants)
    }

    /// One page of all memberships: the groups page by page, the members of each.
    pub(crate) async fn list_all_members(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Grant>> {
        let mut sweep = Sweep::<String>::read(page)?;
        if let Some(targets) = sweep.targets() {
            sweep.add(self.list_groups(cx, &targets).await?.map(|group| group.id));
        }
        let Some(group) = sweep.target() else { return Ok(sweep.page(Vec::new())) };
        match self.list_members(cx, group, &sweep.within(page.size)).await {
            Ok(members) => Ok(sweep.go_on(members)),
            // It was listed a moment ago.
            Err(error) if *error.kind() == ErrorKind::NotFound(Missing::Target) => {
                Ok(sweep.go_on(Page::last(Vec::new()).incomplete("a group went while it was listed, or is not to be seen any more")))
            }
            Err(error) => Err(error),
        }
    }
}
