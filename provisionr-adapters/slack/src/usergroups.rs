//! Membership in user groups. Slack takes whole lists: each write says who is in a group, and everybody else is out.

use provisionr_http::path;
use provisionr_sdk::{Account, AdapterError, CallContext, Coverage, Entitlement, Grant, Outcome, Page, Receipt, Request, Result, Scope, Source, Target};
use serde::{Deserialize, Serialize};

use crate::adapter::{Slack, plain_id};
use crate::channels::live;
use crate::errors::meaning;
use crate::wire::{Usergroup, field};

pub(crate) const ADD_TO_USERGROUP: &str = "add_to_usergroup";

/// Membership in a user group; the target is the group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddToUsergroup {
    /// The group: its handle with `@` in policies, its id everywhere else.
    pub target: String,
}

impl Slack {
    /// All user groups with their users, those that are switched off included. The list has no pages.
    pub(crate) async fn usergroups(&self, cx: &CallContext) -> Result<Vec<Usergroup>> {
        let request = self.web.get(path!["usergroups.list"]).query("include_users", true).query("include_disabled", true);
        field(&self.for_team(request).send(cx).await?, "usergroups")
    }

    async fn usergroup(&self, cx: &CallContext, id: &str) -> Result<Usergroup> {
        let group = self.usergroups(cx).await?.into_iter().find(|group| group.id == id).ok_or_else(|| meaning("no_such_subteam"))?;
        match group.owner() {
            Some(owner) => Err(AdapterError::owned_elsewhere(format!("{owner} decides who is in this user group"))),
            None => Ok(group),
        }
    }

    async fn write(&self, cx: &CallContext, method: &str, group: &str, users: Option<&[String]>) -> Result<Receipt> {
        let form = [("usergroup", Some(group.to_owned())), ("users", users.map(|users| users.join(","))), ("team_id", self.org_team())];
        let given = form.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let answer = self.web.post(path![method]).form(given).send(cx).await?;
        Ok(Receipt::new().with_request_id(answer.request_id()))
    }

    /// Whether a user is on the list now. Who wrote the list at the same time may have undone what was just done.
    async fn lists(&self, cx: &CallContext, group: &str, user: &str) -> Result<bool> {
        let request = self.web.get(path!["usergroups.users.list"]).query("usergroup", group).query("include_disabled", true);
        let users: Vec<String> = field(&self.for_team(request).send(cx).await?, "users")?;
        Ok(users.iter().any(|known| known == user))
    }

    pub(crate) async fn join_group(&self, cx: &CallContext, account: &Account, id: &str) -> Result<Outcome> {
        live(account)?;
        let user = account.id.as_str();
        let group = self.usergroup(cx, id).await?;
        let grant = member(user, &group);
        if group.holds(user) {
            return Ok(Outcome::Unchanged(Receipt::new().before_grant(grant.clone()).with_grant(grant)));
        }
        // A group that was switched off for want of users has its last one on the list still. One with more was switched off by a
        // person, and switching it on would give it back to all of them.
        if group.disabled() && group.users.len() > 1 {
            return Err(AdapterError::refused("the user group is switched off, and has users: enable it in Slack first"));
        }
        let mut users: Vec<String> = if group.disabled() { Vec::new() } else { group.users.clone() };
        users.push(user.to_owned());
        let mut receipt = self.write(cx, "usergroups.users.update", id, Some(&users)).await?;
        if group.disabled() {
            receipt = self.write(cx, "usergroups.enable", id, None).await.map_err(AdapterError::effect_unknown)?.and_changed("the user group is enabled again");
        }
        if !self.lists(cx, id, user).await.map_err(AdapterError::effect_unknown)? {
            return Err(AdapterError::conflict("another writer replaced the list of the user group at the same time").effect_unknown());
        }
        Ok(Outcome::Applied(receipt.before_absent().with_grant(grant)))
    }

    pub(crate) async fn leave_group(&self, cx: &CallContext, request: &Request, account: &Account, id: &str) -> Result<Outcome> {
        let user = account.id.as_str();
        let group = self.usergroup(cx, id).await?;
        if !group.holds(user) {
            return Ok(Outcome::Unchanged(Receipt::new().before_absent()));
        }
        let grant = member(user, &group);
        request.check_expected(Some(&grant))?;
        let rest: Vec<String> = group.users.iter().filter(|known| *known != user).cloned().collect();
        if rest.is_empty() {
            // Slack has no empty user groups (`no_users_provided`): it is switched off instead.
            let receipt = self.write(cx, "usergroups.disable", id, None).await?;
            return Ok(Outcome::Applied(receipt.before_grant(grant).and_changed("the user group is disabled, for nobody is left in it")));
        }
        let receipt = self.write(cx, "usergroups.users.update", id, Some(&rest)).await?;
        if self.lists(cx, id, user).await.map_err(AdapterError::effect_unknown)? {
            return Err(AdapterError::conflict("another writer replaced the list of the user group at the same time").effect_unknown());
        }
        Ok(Outcome::Applied(receipt.before_grant(grant)))
    }

    pub(crate) async fn see_usergroups(&self, cx: &CallContext, user: &str, scope: &Scope, coverage: Coverage) -> Result<(Vec<Grant>, Coverage)> {
        let groups = self.usergroups(cx).await?;
        let held = groups.iter().filter(|group| group.holds(user)).map(|group| member(user, group)).collect();
        let coverage = match scope.targets(ADD_TO_USERGROUP) {
            None => coverage.kind(ADD_TO_USERGROUP),
            Some(targets) => targets.into_iter().fold(coverage, |coverage, target| {
                if groups.iter().any(|group| target == *group.id) {
                    coverage.target(ADD_TO_USERGROUP, target)
                } else {
                    coverage.unseen(ADD_TO_USERGROUP, Some(target), "the user group is not there")
                }
            }),
        };
        Ok((held, coverage))
    }

    pub(crate) async fn list_usergroups(&self, cx: &CallContext) -> Result<Vec<Target>> {
        Ok(self.usergroups(cx).await?.iter().map(Usergroup::target).collect())
    }

    /// Who is in one group, or in all.
    pub(crate) async fn list_group_members(&self, cx: &CallContext, only: Option<&str>) -> Result<Page<Grant>> {
        let groups = self.usergroups(cx).await?;
        if only.is_some_and(|id| !plain_id(id) || !groups.iter().any(|group| group.id == id)) {
            return Err(meaning("no_such_subteam"));
        }
        let groups = groups.iter().filter(|group| !group.disabled() && only.is_none_or(|id| group.id == id));
        Ok(Page::last(groups.flat_map(|group| group.users.iter().map(|user| member(user, group))).collect()))
    }
}

fn member(user: &str, group: &Usergroup) -> Grant {
    let grant = Grant::direct(user, Entitlement::new(ADD_TO_USERGROUP, group.id.as_str()));
    match group.owner() {
        Some(owner) => grant.from_source(Source::Owned(owner)),
        None => grant,
    }
}
