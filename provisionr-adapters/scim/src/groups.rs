//! Membership in groups, and in the groups those are in.

use std::collections::{BTreeMap, BTreeSet};

use provisionr_http::scim::{Group, Member, User};
use provisionr_sdk::{
    Account, AdapterError, CallContext, Completeness, Coverage, Effect, Entitlement, ErrorKind, Grant, Outcome, Page, PageRequest, Receipt, Request, Resolved,
    Result, Source, Target, TargetId, TargetName,
};
use serde::{Deserialize, Serialize};

use crate::adapter::ScimService;
use crate::config::{Memberships, Part};

pub(crate) const ADD_TO_GROUP: &str = "add_to_group";

const DIM: &str = "a group within the group is not to be seen";

/// Membership in a group; the target is the group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddToGroup {
    /// The group: its name in policies, its id everywhere else.
    pub target: String,
}

/// Groups, and all groups within them.
#[derive(Default)]
struct Nest {
    groups: BTreeMap<String, Group>,
    /// Groups within that cannot be read.
    hidden: BTreeSet<String>,
}

impl Nest {
    /// The groups within a group that are members themselves.
    fn inner<'a>(&'a self, group: &'a Group) -> impl Iterator<Item = &'a Group> {
        group.members().filter(|member| !member.is_user()).filter_map(|member| self.groups.get(&member.id))
    }

    /// A group and all groups within it, each once: groups may be in each other.
    fn whole<'a>(&'a self, group: &'a Group) -> Vec<&'a Group> {
        let mut all: BTreeMap<&str, &Group> = BTreeMap::new();
        let mut left = vec![group];
        while let Some(group) = left.pop() {
            if all.insert(group.id(), group).is_none() {
                left.extend(self.inner(group));
            }
        }
        all.into_values().collect()
    }

    /// Who is in a group: directly, or through one of its groups.
    fn grants(&self, group: &Group) -> Vec<Grant> {
        let users = |group: &Group| group.members().filter(Member::is_user).map(|member| member.id).collect::<BTreeSet<String>>();
        let mut grants: Vec<Grant> = users(group).iter().map(|user| membership(user, group.id())).collect();
        for through in self.inner(group).filter(|through| through.id() != group.id()) {
            let held: BTreeSet<String> = self.whole(through).into_iter().filter(|inner| inner.id() != group.id()).flat_map(users).collect();
            grants.extend(held.iter().map(|user| membership(user, group.id()).from_source(Source::Inherited(through.id().into()))));
        }
        grants
    }

    fn held(&self, user: &str, group: &Group) -> Vec<Grant> {
        self.grants(group).into_iter().filter(|grant| grant.account == *user).collect()
    }

    /// Whether there is a group within that cannot be read.
    fn is_dim(&self, group: &Group) -> bool {
        self.whole(group).into_iter().flat_map(Group::members).any(|member| self.hidden.contains(&member.id))
    }
}

impl ScimService {
    /// These groups, with all that are within them.
    async fn nest(&self, cx: &CallContext, groups: Vec<Group>) -> Result<Nest> {
        let mut nest = Nest::default();
        nest.groups.extend(groups.into_iter().map(|group| (group.id().to_owned(), group)));
        loop {
            let inner = nest.groups.values().flat_map(Group::members).filter(|member| !member.is_user());
            let unread: BTreeSet<String> = inner.map(|member| member.id).filter(|id| !nest.groups.contains_key(id) && !nest.hidden.contains(id)).collect();
            if unread.is_empty() {
                return Ok(nest);
            }
            for id in unread {
                match self.scim.group(cx, &id).await? {
                    Some(group) => nest.groups.insert(id, group).map_or((), drop),
                    None => drop(nest.hidden.insert(id)),
                }
            }
        }
    }

    /// A list may leave members out, and a group without any shows nothing else: it is read by itself. One that is gone by then
    /// is left out.
    async fn with_members(&self, cx: &CallContext, listed: Vec<Group>) -> Result<Vec<Group>> {
        let mut groups = Vec::with_capacity(listed.len());
        for group in listed {
            if group.shows_members() {
                groups.push(group);
            } else {
                groups.extend(self.scim.group(cx, group.id()).await?);
            }
        }
        Ok(groups)
    }

    /// All memberships of a user.
    pub(crate) async fn held(&self, cx: &CallContext, user: &User) -> Result<(Vec<Grant>, Coverage)> {
        let mut groups = Vec::new();
        match self.quirks.memberships {
            Memberships::Groups => groups = self.with_members(cx, self.scim.all_groups(cx).await?).await?,
            Memberships::Users => {
                for id in user.groups().map(|group| group.id).collect::<BTreeSet<_>>() {
                    groups.extend(self.scim.group(cx, &id).await?);
                }
            }
        }
        let nest = self.nest(cx, groups.clone()).await?;
        let (mut grants, mut coverage) = (Vec::new(), Coverage::none().kind(ADD_TO_GROUP));
        for group in &groups {
            let held = nest.held(user.id(), group);
            if held.is_empty() && nest.is_dim(group) {
                coverage = coverage.unseen(ADD_TO_GROUP, Some(group.id().into()), DIM);
            }
            grants.extend(held);
        }
        Ok((grants, coverage))
    }

    /// Whether a user is in these groups.
    pub(crate) async fn held_among(&self, cx: &CallContext, user: &str, targets: BTreeSet<TargetId>) -> Result<(Vec<Grant>, Coverage)> {
        let (mut grants, mut coverage) = (Vec::new(), Coverage::none());
        for target in targets {
            let Some(group) = self.scim.group(cx, target.as_str()).await? else {
                coverage = coverage.unseen(ADD_TO_GROUP, Some(target), "the group is not to be seen");
                continue;
            };
            let nest = self.nest(cx, vec![group.clone()]).await?;
            let held = nest.held(user, &group);
            coverage =
                if nest.is_dim(&group) && held.is_empty() { coverage.unseen(ADD_TO_GROUP, Some(target), DIM) } else { coverage.target(ADD_TO_GROUP, target) };
            grants.extend(held);
        }
        Ok((grants, coverage))
    }

    pub(crate) async fn join(&self, cx: &CallContext, account: &Account, wanted: &Entitlement) -> Result<Outcome> {
        let id = wanted.to::<AddToGroup>()?.target;
        let user = account.id.as_str();
        let Some(group) = self.scim.group(cx, &id).await? else { return Err(AdapterError::target_not_found("the group is not there")) };
        let nest = self.nest(cx, vec![group.clone()]).await?;
        if let Some(grant) = nest.held(user, &group).into_iter().next() {
            return Ok(Outcome::Unchanged(Receipt::new().before_grant(grant.clone()).with_grant(grant)));
        }
        let grant = membership(user, &id);
        match self.scim.add_member(cx, &id, user).await {
            Ok(answer) => {
                if !Group::told_by(&answer).is_some_and(|group| group.holds(user)) && !self.holds(cx, &id, user).await? {
                    return Err(overwritten());
                }
                Ok(Outcome::Applied(Receipt::new().before_absent().with_grant(grant).with_request_id(answer.request_id())))
            }
            Err(error) => self.why_not(cx, &id, user, error).await,
        }
    }

    pub(crate) async fn leave(&self, cx: &CallContext, request: &Request, account: &Account, unwanted: &Entitlement) -> Result<Outcome> {
        let id = unwanted.to::<AddToGroup>()?.target;
        let user = account.id.as_str();
        let Some(group) = self.scim.group(cx, &id).await? else {
            return Err(AdapterError::not_found_unclear("whether the user is in the group cannot be told: the group is not to be seen"));
        };
        let nest = self.nest(cx, vec![group.clone()]).await?;
        let (direct, inherited): (Vec<Grant>, Vec<Grant>) = nest.held(user, &group).into_iter().partition(|grant| grant.source == Source::Direct);
        let receipt = inherited.into_iter().fold(Receipt::new(), Receipt::still);
        let Some(grant) = direct.into_iter().next() else { return Ok(Outcome::Unchanged(receipt.before_absent())) };
        request.check_expected(Some(&grant))?;
        match self.scim.remove_member(cx, &id, user).await {
            Ok(answer) => {
                // What the answer shows without members may be a group that shows none in answers.
                let told = Group::told_by(&answer).is_some_and(|group| group.shows_members() && !group.holds(user));
                if !told && self.holds(cx, &id, user).await? {
                    return Err(overwritten());
                }
                Ok(Outcome::Applied(receipt.before_grant(grant).with_request_id(answer.request_id())))
            }
            // A path that fits nothing is refused by some: RFC 7644, section 3.5.2.2.
            Err(error) if refused(&error) && !self.scim.group(cx, &id).await?.is_none_or(|group| group.holds(user)) => {
                Ok(Outcome::Unchanged(receipt.before_absent()))
            }
            Err(error) => Err(error),
        }
    }

    /// Whether a user is in a group right after a write. Who put the whole group back at the same time may have undone it.
    async fn holds(&self, cx: &CallContext, group: &str, user: &str) -> Result<bool> {
        let group = self.scim.group(cx, group).await.map_err(AdapterError::effect_unknown)?;
        Ok(group.ok_or_else(|| AdapterError::target_not_found("the group is no longer there").effect_unknown())?.holds(user))
    }

    /// What a refused addition means, after a look at user and group.
    async fn why_not(&self, cx: &CallContext, id: &str, user: &str, error: AdapterError) -> Result<Outcome> {
        if !refused(&error) {
            return Err(error);
        }
        match self.scim.group(cx, id).await? {
            None => return Err(AdapterError::target_not_found("the group is not there")),
            Some(group) if group.holds(user) => return Ok(Outcome::Unchanged(Receipt::new().with_grant(membership(user, id)))),
            Some(_) => {}
        }
        self.user_or_gone(cx, user).await?;
        Err(error)
    }

    /// By filter, name by name; those that are not there among all, for one that is near.
    pub(crate) async fn resolve_groups(&self, cx: &CallContext, names: &[TargetName]) -> Result<Vec<Resolved>> {
        let target = |group: &Group| Target::new(group.id(), group.name());
        let wanted: BTreeSet<&TargetName> = names.iter().collect();
        let mut targets: Vec<Target> = Vec::new();
        if !self.quirks.lacks(Part::Filter) {
            for name in &wanted {
                targets.extend(self.scim.find_groups(cx, name.as_str()).await?.iter().map(target));
            }
        }
        if wanted.iter().any(|name| !targets.iter().any(|target| target.name == **name)) {
            targets = self.scim.all_group_names(cx).await?.iter().map(target).collect();
        }
        Ok(Resolved::among(names, &targets))
    }

    /// Everybody in a page of groups.
    pub(crate) async fn list_memberships(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Grant>> {
        let page = self.scim.groups(cx, page).await?;
        let all = self.members(cx, self.with_members(cx, page.items).await?).await?;
        Ok(Page { next: page.next, completeness: if all.completeness == Completeness::Complete { page.completeness } else { all.completeness }, ..all })
    }

    pub(crate) async fn list_members(&self, cx: &CallContext, id: &str) -> Result<Page<Grant>> {
        let Some(group) = self.scim.group(cx, id).await? else { return Err(AdapterError::target_not_found("the group is not there")) };
        self.members(cx, vec![group]).await
    }

    async fn members(&self, cx: &CallContext, groups: Vec<Group>) -> Result<Page<Grant>> {
        let nest = self.nest(cx, groups.clone()).await?;
        let page = Page::last(groups.iter().flat_map(|group| nest.grants(group)).collect());
        Ok(if groups.iter().any(|group| nest.is_dim(group)) { page.incomplete(DIM) } else { page })
    }
}

fn membership(user: &str, group: &str) -> Grant {
    Grant::direct(user, Entitlement::new(ADD_TO_GROUP, group))
}

/// Whether the service refused in a way of which only a look tells what it means.
fn refused(error: &AdapterError) -> bool {
    error.effect() == Effect::None && matches!(error.kind(), ErrorKind::InvalidRequest | ErrorKind::NotFound(_) | ErrorKind::Conflict)
}

fn overwritten() -> AdapterError {
    AdapterError::conflict("the group is not as it was written: another writer put it back at the same time, or the service did not do it").effect_unknown()
}
