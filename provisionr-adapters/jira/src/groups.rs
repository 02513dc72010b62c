//! Membership in groups.

use provisionr_http::{Paging, RequestBuilder, path};
use provisionr_sdk::{
    Account, AccountId, AdapterError, CallContext, Entitlement, ErrorKind, Grant, Outcome, Page, PageRequest, Receipt, Request, Resolution, Resolved, Result,
    Target, TargetName,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::accounts::refused;
use crate::adapter::{Jira, paged};
use crate::wire::{FoundGroups, Group, User};

pub(crate) const ADD_TO_GROUP: &str = "add_to_group";

/// Membership in a group; the target is the group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddToGroup {
    /// The group: its name in policies, its id everywhere else.
    pub target: String,
}

impl Jira {
    /// The groups a user is in; this list is not paged.
    pub(crate) async fn groups_of(&self, cx: &CallContext, user: &str) -> Result<Vec<Group>> {
        match self.client.get(path!["rest", "api", "3", "user", "groups"]).query("accountId", user).send_if_found(cx).await? {
            Some(answer) => answer.json(),
            None => Err(AdapterError::account_not_found("the user is not on the site, or not to be seen")),
        }
    }

    fn groups_by(&self, name: &str, value: &str) -> RequestBuilder<'_> {
        self.client.get(path!["rest", "api", "3", "group", "bulk"]).query(name, value)
    }

    pub(crate) async fn group(&self, cx: &CallContext, id: &str) -> Result<Option<Group>> {
        let page = self.groups_by("groupId", id).page::<Group>(cx, &PageRequest::first(), &paged(50)).await?;
        Ok(page.items.into_iter().find(|group| group.group_id == id))
    }

    /// The groups whose members administer the site.
    pub(crate) async fn admin_groups(&self, cx: &CallContext) -> Result<Vec<Group>> {
        self.groups_by("accessType", "site-admin").all(cx, &paged(50)).await
    }

    /// Groups whose names contain a text, some of them, with who decides about them: only pickers say that.
    async fn picked(&self, cx: &CallContext, text: &str) -> Result<Vec<Group>> {
        let picker = self.client.get(path!["rest", "api", "3", "groups", "picker"]).query("query", text).query("caseInsensitive", true);
        Ok(picker.query("maxResults", 50).send(cx).await?.json::<FoundGroups>()?.groups)
    }

    fn member(&self, method: http::Method, group: &str) -> RequestBuilder<'_> {
        self.client.request(method, path!["rest", "api", "3", "group", "user"]).query("groupId", group)
    }

    /// What a refusal means, after a look at the group. Members of a synchronized group are changed in its directory.
    async fn why_not(&self, cx: &CallContext, id: &str, error: AdapterError) -> AdapterError {
        let (forbidden, missing) = (*error.kind() == ErrorKind::PermissionDenied, matches!(error.kind(), ErrorKind::NotFound(_)));
        if !forbidden && !refused(&error) {
            return error;
        }
        let Ok(group) = self.group(cx, id).await else { return error };
        let Some(group) = group else { return if missing { AdapterError::target_not_found("there is no such group") } else { error } };
        let picked = self.picked(cx, &group.name).await.unwrap_or_default();
        match picked.iter().find(|known| known.group_id == id).and_then(Group::owner) {
            Some(owner) => AdapterError::owned_elsewhere(format!("{owner} decides who is in `{}`", group.name)),
            None if missing => AdapterError::account_not_found("the user is not on the site"),
            None => error,
        }
    }

    async fn is_member(&self, cx: &CallContext, account: &Account, group: &str) -> Result<bool> {
        Ok(self.groups_of(cx, account.id.as_str()).await?.iter().any(|known| known.group_id == group))
    }

    pub(crate) async fn join(&self, cx: &CallContext, account: &Account, wanted: &Entitlement) -> Result<Outcome> {
        let group = wanted.to::<AddToGroup>()?.target;
        let grant = Grant::direct(account.id.clone(), wanted.clone());
        if self.is_member(cx, account, &group).await? {
            return Ok(Outcome::Unchanged(Receipt::new().before_grant(grant.clone()).with_grant(grant)));
        }
        match self.member(http::Method::POST, &group).json(&json!({ "accountId": account.id })).send(cx).await {
            Ok(answer) => {
                answer.json_if_any::<Value>()?;
                Ok(Outcome::Applied(Receipt::new().before_absent().with_grant(grant).with_request_id(answer.request_id())))
            }
            // Somebody may have been faster, and that is a refusal.
            Err(error) if refused(&error) && self.is_member(cx, account, &group).await? => Ok(Outcome::Unchanged(Receipt::new().with_grant(grant))),
            Err(error) => Err(self.why_not(cx, &group, error).await),
        }
    }

    pub(crate) async fn leave(&self, cx: &CallContext, request: &Request, account: &Account, unwanted: &Entitlement) -> Result<Outcome> {
        let group = unwanted.to::<AddToGroup>()?.target;
        if !self.is_member(cx, account, &group).await? {
            return match self.group(cx, &group).await? {
                Some(_) => Ok(Outcome::Unchanged(Receipt::new().before_absent())),
                None => Err(AdapterError::not_found_unclear("the user is not in the group, and the group is not to be seen")),
            };
        }
        let grant = Grant::direct(account.id.clone(), Entitlement::new(ADD_TO_GROUP, group.as_str()));
        request.check_expected(Some(&grant))?;
        match self.member(http::Method::DELETE, &group).query("accountId", &account.id).send(cx).await {
            Ok(answer) => {
                answer.json_if_any::<Value>()?;
                Ok(Outcome::Applied(Receipt::new().before_grant(grant).with_request_id(answer.request_id())))
            }
            Err(error) if refused(&error) && !self.is_member(cx, account, &group).await? => Ok(Outcome::Unchanged(Receipt::new().before_absent())),
            Err(error) => Err(self.why_not(cx, &group, error).await),
        }
    }

    pub(crate) async fn resolve_group(&self, cx: &CallContext, name: &TargetName) -> Result<Resolved> {
        let targets = |groups: Vec<Group>| groups.iter().map(Group::target).collect::<Vec<Target>>();
        let among = |targets: &[Target]| Resolved::among(std::slice::from_ref(name), targets).pop().map(|resolved| resolved.resolution);
        let answer = |resolution| Resolved { name: name.clone(), resolution };
        let mut near = targets(self.picked(cx, name.as_str()).await?);
        if let Some(found @ (Resolution::One(_) | Resolution::Several(_))) = among(&near) {
            return Ok(answer(found));
        }
        // A picker shows the first few.
        let exact = match self.groups_by("groupName", name.as_str()).all::<Group>(cx, &paged(50)).await {
            Err(error) if *error.kind() == ErrorKind::PermissionDenied => return Ok(answer(Resolution::Hidden(error.to_string()))),
            exact => targets(exact?),
        };
        if exact.is_empty() && near.is_empty() {
            near = targets(self.picked(cx, &name.as_str().chars().take(3).collect::<String>()).await?);
        }
        Ok(answer(among(&[exact, near].concat()).unwrap_or(Resolution::None(Vec::new()))))
    }

    pub(crate) async fn list_groups(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Target>> {
        Ok(self.client.get(path!["rest", "api", "3", "group", "bulk"]).page::<Group>(cx, page, &paged(50)).await?.map(|group| group.target()))
    }

    /// A request for the members of a group, inactive ones included.
    fn members(&self, group: &str) -> (RequestBuilder<'_>, Paging) {
        let request = self.client.get(path!["rest", "api", "3", "group", "member"]).query("groupId", group).query("includeInactiveUsers", true);
        (request, paged(50))
    }

    pub(crate) async fn all_members(&self, cx: &CallContext, group: &str) -> Result<Vec<AccountId>> {
        let (request, paging) = self.members(group);
        Ok(request.all::<User>(cx, &paging).await?.into_iter().map(|user| user.account_id.into()).collect())
    }

    pub(crate) async fn list_members(&self, cx: &CallContext, group: &str, page: &PageRequest) -> Result<Page<Grant>> {
        let (request, paging) = self.members(group);
        let members = match request.page::<User>(cx, page, &paging).await {
            Err(error) if matches!(error.kind(), ErrorKind::NotFound(_)) => Err(AdapterError::target_not_found("there is no such group")),
            members => members,
        }?;
        Ok(members.map(|user| Grant::direct(user.account_id, Entitlement::new(ADD_TO_GROUP, group))))
    }
}
