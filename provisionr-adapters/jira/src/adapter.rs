//! The adapter: each method of the contract, and who does it.

use std::fmt;

use async_trait::async_trait;
use provisionr_http::{HttpClient, Paging};
use provisionr_sdk::{
    Account, AccountQuery, AccountState, Adapter, AdapterError, Bound, CallContext, Change, Check, Coverage, Descriptor, Entitlement, Found, Grant, KindName,
    ListScope, Observation, Outcome, Page, PageRequest, Probe, Request, Resolved, Result, Scope, Target, TargetId, TargetName, probe_by_looking,
};

use crate::groups::ADD_TO_GROUP;
use crate::roles::{ADD_TO_PROJECT_ROLE, NOT_ALL};

/// One Jira Cloud site. Made by [`JiraConfig::connect`](crate::JiraConfig::connect).
pub struct Jira {
    pub(crate) client: HttpClient,
    pub(crate) descriptor: Descriptor,
    pub(crate) products: Vec<String>,
    /// Whether the addresses of all people that are meant are shown.
    pub(crate) managed: bool,
}

impl fmt::Debug for Jira {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jira").field("system", &self.descriptor.system).field("client", &self.client).finish_non_exhaustive()
    }
}

/// Pages say how many items they went through, which may be fewer than were asked for: the vendor lowers `maxResults` and says
/// so. An empty page is the last only where it says that too.
pub(crate) fn paged(size: u32) -> Paging {
    Paging::start_at("startAt", "/maxResults", "/isLast", "/total").items("/values").sized("maxResults", size)
}

fn no_such_kind(kind: &KindName) -> AdapterError {
    AdapterError::unsupported(format_args!("the kind `{kind}`"))
}

#[async_trait]
impl Adapter for Jira {
    fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    async fn find_account(&self, cx: &CallContext, who: &AccountQuery) -> Result<Found> {
        self.find(cx, who).await
    }

    async fn observe(&self, cx: &CallContext, account: &Account, scope: &Scope) -> Result<Observation> {
        let user = self.user_or_gone(cx, account.id.as_str()).await?;
        let (mut grants, mut coverage) = (Vec::new(), Coverage::none());
        let groups: Vec<String> = match scope.wants_kind(ADD_TO_GROUP) || scope.wants_kind(ADD_TO_PROJECT_ROLE) {
            true => self.groups_of(cx, &user.account_id).await?.into_iter().map(|group| group.group_id).collect(),
            false => Vec::new(),
        };
        grants.extend(groups.iter().map(|group| Grant::direct(account.id.clone(), Entitlement::new(ADD_TO_GROUP, group.as_str()))));
        match scope.targets(ADD_TO_GROUP) {
            None if scope.wants_kind(ADD_TO_GROUP) => coverage = coverage.kind(ADD_TO_GROUP),
            None => {}
            Some(wanted) => {
                for group in wanted {
                    coverage = if groups.iter().any(|held| group == **held) || self.group(cx, group.as_str()).await?.is_some() {
                        coverage.target(ADD_TO_GROUP, group)
                    } else {
                        coverage.unseen(ADD_TO_GROUP, Some(group), "the group is not to be seen")
                    };
                }
            }
        }
        let mut projects: Vec<TargetId> = Vec::new();
        match scope.targets(ADD_TO_PROJECT_ROLE) {
            None if scope.wants_kind(ADD_TO_PROJECT_ROLE) => {
                projects.extend(self.projects_with(cx, []).await?.into_iter().map(|project| project.id));
                coverage = coverage.kind(ADD_TO_PROJECT_ROLE);
                if !self.sees_all_projects(cx).await? {
                    coverage = coverage.unseen(ADD_TO_PROJECT_ROLE, None, NOT_ALL);
                }
            }
            None => {}
            Some(wanted) => projects.extend(wanted),
        }
        for project in projects {
            coverage = match self.roles_held(cx, &account.id, &groups, project.as_str()).await? {
                Some(held) => {
                    grants.extend(held);
                    coverage.target(ADD_TO_PROJECT_ROLE, project)
                }
                None => coverage.unseen(ADD_TO_PROJECT_ROLE, Some(project), "the roles of the project are not to be seen"),
            };
        }
        grants.retain(|grant| scope.wants(&grant.entitlement));
        Ok(Observation::new(user.account(), grants, coverage))
    }

    async fn apply(&self, cx: &CallContext, request: &Request) -> Result<Outcome> {
        match &request.change {
            Change::EnsureAccount(spec) => self.ensure(cx, request, spec).await,
            Change::SetState(state) => self.set_state(cx, request.account()?, *state).await,
            Change::Grant(wanted) if wanted.kind == *ADD_TO_GROUP => self.join(cx, request.account()?, wanted).await,
            Change::Revoke(unwanted) if unwanted.kind == *ADD_TO_GROUP => self.leave(cx, request, request.account()?, unwanted).await,
            Change::Grant(wanted) if wanted.kind == *ADD_TO_PROJECT_ROLE => self.grant_role(cx, request.account()?, wanted).await,
            Change::Revoke(unwanted) if unwanted.kind == *ADD_TO_PROJECT_ROLE => self.revoke_role(cx, request, request.account()?, unwanted).await,
            other => Err(AdapterError::unsupported(format_args!("{other}"))),
        }
    }

    async fn check(&self, cx: &CallContext) -> Result<Check> {
        self.check_rights(cx).await
    }

    async fn resolve(&self, cx: &CallContext, kind: &KindName, names: &[TargetName]) -> Result<Vec<Resolved>> {
        match kind.as_str() {
            ADD_TO_GROUP => {
                let mut resolved = Vec::with_capacity(names.len());
                for name in names {
                    resolved.push(self.resolve_group(cx, name).await?);
                }
                Ok(resolved)
            }
            ADD_TO_PROJECT_ROLE => self.resolve_projects(cx, names).await,
            _ => Err(no_such_kind(kind)),
        }
    }

    async fn bind(&self, cx: &CallContext, entitlements: &[Entitlement]) -> Result<Vec<Bound>> {
        self.bind_roles(cx, entitlements).await
    }

    async fn probe(&self, cx: &CallContext, request: &Request) -> Result<Probe> {
        match &request.change {
            Change::SetState(AccountState::Deleted) => self.probe_removed(cx, request.account()?).await,
            _ => probe_by_looking(self, cx, request).await,
        }
    }

    async fn list_accounts(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Account>> {
        self.list_users(cx, page).await
    }

    async fn list_targets(&self, cx: &CallContext, kind: &KindName, page: &PageRequest) -> Result<Page<Target>> {
        match kind.as_str() {
            ADD_TO_GROUP => self.list_groups(cx, page).await,
            ADD_TO_PROJECT_ROLE => self.list_projects(cx, page).await,
            _ => Err(no_such_kind(kind)),
        }
    }

    async fn list_grants(&self, cx: &CallContext, scope: &ListScope, page: &PageRequest) -> Result<Page<Grant>> {
        let kind = scope.kind();
        if kind != ADD_TO_GROUP && kind != ADD_TO_PROJECT_ROLE {
            return Err(no_such_kind(kind));
        }
        match scope {
            ListScope::Account(kind, account) => {
                let account = Account::new(account.clone(), AccountState::Active);
                let seen = self.observe(cx, &account, &Scope::Kinds(vec![kind.clone()])).await?;
                let gap = seen.coverage.gaps().next().map(|(_, _, why)| why.to_owned());
                let page = Page::last(seen.grants);
                Ok(gap.into_iter().fold(page, Page::incomplete))
            }
            ListScope::Target(kind, target) if kind == ADD_TO_GROUP => self.list_members(cx, target.as_str(), page).await,
            ListScope::Target(_, project) => match self.grants_in(cx, project.as_str()).await? {
                Some(grants) => Ok(Page::last(grants)),
                None => Err(AdapterError::target_not_found("the project is not there, or the credential does not administer it")),
            },
            ListScope::Kind(kind) => self.sweep(cx, kind, page).await,
            other => Err(AdapterError::unsupported(other)),
        }
    }
}
