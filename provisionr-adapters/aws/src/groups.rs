//! Membership in groups of the identity store. Groups hold users alone, never groups.

use provisionr_sdk::{
    Account, AdapterError, CallContext, Entitlement, Grant, Missing, Outcome, Receipt, Request, Resolution, Resolved, Result, Source, Target, TargetName,
    suggestion,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::adapter::IdentityCenter;
use crate::client::{change, look};
use crate::errors::{is_conflict, is_missing, lacks};
use crate::wire::{Group, Membership, is_id};

pub(crate) const ADD_TO_GROUP: &str = "add_to_group";

/// Membership in a group; the target is the group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddToGroup {
    /// The group: its display name in policies, its id everywhere else.
    pub target: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Found {
    membership_id: String,
}

impl IdentityCenter {
    pub(crate) async fn group(&self, cx: &CallContext, id: &str) -> Result<Option<Group>> {
        if !is_id(id) {
            return Ok(None);
        }
        match self.client.call(cx, look("DescribeGroup"), json!({ "GroupId": id })).await {
            Ok(answer) => answer.json().map(Some),
            Err(error) if lacks(&error, Missing::Target) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn target(&self, group: &Group) -> Target {
        let target = Target::new(group.group_id.as_str(), group.display_name.as_deref().unwrap_or(&group.group_id));
        match self.facts.owner(&group.external_ids) {
            Some(owner) => target.owned_by(owner),
            None => target,
        }
    }

    pub(crate) fn membership(&self, group: &Group, user: &str) -> Grant {
        let source = self.facts.owner(&group.external_ids).map_or(Source::Direct, Source::Owned);
        Grant::direct(user, Entitlement::new(ADD_TO_GROUP, group.group_id.as_str())).from_source(source)
    }

    /// The memberships of a user that are wanted. Who owns a group only the group itself says.
    pub(crate) async fn memberships(&self, cx: &CallContext, user: &str, wanted: impl Fn(&str) -> bool) -> Result<Vec<Grant>> {
        let body = json!({ "MemberId": { "UserId": user } });
        let rows: Vec<Membership> = self.client.all(cx, look("ListGroupMembershipsForMember"), "GroupMemberships", &body).await?;
        let mut grants = Vec::new();
        for row in rows.iter().filter(|row| wanted(&row.group_id)) {
            // A group that went meanwhile took the membership along.
            grants.extend(self.group(cx, &row.group_id).await?.map(|group| self.membership(&group, user)));
        }
        Ok(grants)
    }

    async fn membership_id(&self, cx: &CallContext, group: &str, user: &str) -> Result<Option<String>> {
        match self.client.call(cx, look("GetGroupMembershipId"), pair(group, user)).await {
            Ok(answer) => Ok(Some(answer.json::<Found>()?.membership_id)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A group whose members are ours to decide.
    async fn ours(&self, cx: &CallContext, id: &str, gone: AdapterError) -> Result<Group> {
        let group = self.group(cx, id).await?.ok_or(gone)?;
        match self.facts.owner(&group.external_ids) {
            Some(owner) => Err(AdapterError::owned_elsewhere(format!("{owner} decides who is in this group"))),
            None => Ok(group),
        }
    }

    pub(crate) async fn join(&self, cx: &CallContext, account: &Account, wanted: &Entitlement) -> Result<Outcome> {
        let (id, user) = (wanted.to::<AddToGroup>()?.target, account.id.as_str());
        if !is_id(user) {
            return Err(AdapterError::account_not_found("the user is not in the identity store"));
        }
        let group = self.ours(cx, &id, AdapterError::target_not_found("the group is not in the identity store")).await?;
        let grant = self.membership(&group, user);
        if self.membership_id(cx, &id, user).await?.is_some() {
            return Ok(Outcome::Unchanged(Receipt::new().before_grant(grant.clone()).with_grant(grant)));
        }
        match self.client.call(cx, change("CreateGroupMembership"), pair(&id, user)).await {
            Ok(answer) => {
                answer.json::<Found>()?;
                Ok(Outcome::Applied(Receipt::new().before_absent().with_grant(grant).with_request_id(answer.request_id())))
            }
            // Somebody was faster, or is at work on the group.
            Err(error) if is_conflict(&error) => match self.membership_id(cx, &id, user).await {
                Ok(Some(_)) => Ok(Outcome::Unchanged(Receipt::new().with_grant(grant))),
                _ => Err(AdapterError::conflict(error.message()).with_code(crate::errors::CONFLICT)),
            },
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn leave(&self, cx: &CallContext, request: &Request, account: &Account, unwanted: &Entitlement) -> Result<Outcome> {
        let (id, user) = (unwanted.to::<AddToGroup>()?.target, account.id.as_str());
        if !is_id(user) {
            return Err(AdapterError::account_not_found("the user is not in the identity store"));
        }
        let group = self.ours(cx, &id, AdapterError::not_found_unclear("the group is not to be seen, nor who is in it")).await?;
        // A membership is taken by its own id alone.
        let Some(membership) = self.membership_id(cx, &id, user).await? else { return Ok(Outcome::Unchanged(Receipt::new().before_absent())) };
        let grant = self.membership(&group, user);
        request.check_expected(Some(&grant))?;
        match self.client.call(cx, change("DeleteGroupMembership"), json!({ "MembershipId": membership })).await {
            Ok(answer) => Ok(Outcome::Applied(Receipt::new().before_grant(grant).with_request_id(answer.request_id()))),
            // It was there a moment ago, under an id that is never used again.
            Err(error) if is_missing(&error) => Ok(Outcome::Unchanged(Receipt::new())),
            Err(error) => Err(error),
        }
    }

    async fn group_named(&self, cx: &CallContext, name: &str) -> Result<Option<Group>> {
        let identifier = json!({ "UniqueAttribute": { "AttributePath": "displayName", "AttributeValue": name } });
        match self.client.call(cx, look("GetGroupId"), json!({ "AlternateIdentifier": identifier })).await {
            Ok(answer) => {
                let id = answer.json::<Value>()?.get("GroupId").and_then(Value::as_str).map(str::to_owned);
                self.group(cx, &id.ok_or_else(|| answer.unreadable("the answer holds no id of a group"))?).await
            }
            Err(error) if lacks(&error, Missing::Target) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Each by its name; all groups are listed only for what is near a name that is none.
    pub(crate) async fn resolve_groups(&self, cx: &CallContext, names: &[TargetName]) -> Result<Vec<Resolved>> {
        let mut all: Option<Vec<String>> = None;
        let mut resolved = Vec::with_capacity(names.len());
        for name in names {
            let resolution = match self.group_named(cx, name.as_str()).await? {
                Some(group) => Resolution::One(self.target(&group)),
                None => {
                    let known = match all.take() {
                        Some(known) => known,
                        None => {
                            let groups: Vec<Group> = self.client.all(cx, look("ListGroups"), "Groups", &json!({})).await?;
                            groups.into_iter().filter_map(|group| group.display_name).collect()
                        }
                    };
                    let near = suggestion(name.as_str(), known.iter().map(String::as_str)).map(TargetName::from);
                    all = Some(known);
                    Resolution::None(near.into_iter().collect())
                }
            };
            resolved.push(Resolved { name: name.clone(), resolution });
        }
        Ok(resolved)
    }
}

fn pair(group: &str, user: &str) -> Value {
    json!({ "GroupId": group, "MemberId": { "UserId": user } })
}
