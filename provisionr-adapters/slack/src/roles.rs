//! Roles in the workspaces of an organisation.

use provisionr_http::{Paging, path};
use provisionr_sdk::{
    Account, AccountKind, AdapterError, CallContext, Coverage, Entitlement, ErrorKind, Grant, Outcome, Page, PageRequest, Receipt, Request, Result, Scope,
    Target,
};
use serde::{Deserialize, Serialize};

use crate::adapter::{Place, Slack, plain_id};
use crate::channels::live;
use crate::errors::meaning;
use crate::wire::Team;

pub(crate) const ASSIGN_WORKSPACE_ROLE: &str = "assign_workspace_role";

/// A role in a workspace of the organisation; the target is the workspace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssignWorkspaceRole {
    /// The workspace: its name in policies, its id everywhere else.
    pub target: String,
    /// `admin` or `owner`.
    pub role: String,
}

const OWNER: &str = "owner";
const ADMIN: &str = "admin";

impl Slack {
    async fn holders(&self, cx: &CallContext, team: &str, role: &str) -> Result<Vec<String>> {
        let (method, items) = if role == OWNER { ("admin.teams.owners.list", "/owner_ids") } else { ("admin.teams.admins.list", "/admin_ids") };
        let paging = Paging::token("/response_metadata/next_cursor", "cursor").items(items).sized("limit", 100);
        if !plain_id(team) {
            return Err(meaning("team_not_found"));
        }
        self.grid()?.client.get(path![method]).query("team_id", team).all(cx, &paging).await
    }

    /// All roles in one workspace; whether owners are listed as admins too is not said, and they count as owners.
    pub(crate) async fn roles_in(&self, cx: &CallContext, team: &str) -> Result<Vec<Grant>> {
        let owners = self.holders(cx, team, OWNER).await?;
        let admins = self.holders(cx, team, ADMIN).await?;
        let admins = admins.into_iter().filter(|user| !owners.contains(user)).map(|user| grant(&user, team, ADMIN)).collect::<Vec<_>>();
        Ok(owners.iter().map(|user| grant(user, team, OWNER)).chain(admins).collect())
    }

    async fn role_in(&self, cx: &CallContext, user: &str, team: &str) -> Result<Option<Grant>> {
        Ok(self.roles_in(cx, team).await?.into_iter().find(|grant| grant.account == *user))
    }

    async fn set_role(&self, cx: &CallContext, method: &str, user: &str, team: &str) -> Result<Receipt> {
        let answer = self.grid()?.client.post(path![method]).form([("team_id", team), ("user_id", user)]).send(cx).await?;
        Ok(Receipt::new().with_request_id(answer.request_id()))
    }

    pub(crate) async fn give_role(&self, cx: &CallContext, request: &Request, account: &Account, wanted: &Entitlement) -> Result<Outcome> {
        let AssignWorkspaceRole { target: team, role } = wanted.to()?;
        let user = account.id.as_str();
        let method = match role.as_str() {
            OWNER => "admin.users.setOwner",
            ADMIN => "admin.users.setAdmin",
            other => return Err(AdapterError::invalid_request(format!("workspaces have no role `{other}`"))),
        };
        live(account)?;
        let before = self.role_in(cx, user, &team).await?;
        let given = grant(user, &team, &role);
        if before.as_ref() == Some(&given) {
            return Ok(Outcome::Unchanged(Receipt::new().before_grant(given.clone()).with_grant(given)));
        }
        if let Some(before) = &before {
            // Who was made owner meanwhile is not lowered where a member was to become admin.
            request.check_expected(Some(before))?;
        } else if account.kind == AccountKind::Guest {
            return Err(AdapterError::refused("the account is a guest's, and the role would make it a full member: make it one in Slack first"));
        }
        let receipt = self.set_role(cx, method, user, &team).await?.with_grant(given);
        Ok(Outcome::Applied(match before {
            Some(before) => receipt.before_grant(before),
            None => receipt.before_absent(),
        }))
    }

    /// Only an admin or owner is made regular: the same call makes a full member of a guest.
    pub(crate) async fn take_role(&self, cx: &CallContext, request: &Request, account: &Account, unwanted: &Entitlement) -> Result<Outcome> {
        let team = unwanted.to::<AssignWorkspaceRole>()?.target;
        let Some(before) = self.role_in(cx, account.id.as_str(), &team).await? else {
            return Ok(Outcome::Unchanged(Receipt::new().before_absent()));
        };
        request.check_expected(Some(&before))?;
        let receipt = self.set_role(cx, "admin.users.setRegular", account.id.as_str(), &team).await?;
        Ok(Outcome::Applied(receipt.before_grant(before)))
    }

    pub(crate) async fn see_roles(&self, cx: &CallContext, user: &str, scope: &Scope, mut coverage: Coverage) -> Result<(Vec<Grant>, Coverage)> {
        let teams = match scope.targets(ASSIGN_WORKSPACE_ROLE) {
            Some(targets) => targets,
            None => {
                coverage = coverage.kind(ASSIGN_WORKSPACE_ROLE);
                self.all_teams(cx).await?.into_iter().map(|team| team.id).collect()
            }
        };
        let mut held = Vec::new();
        for team in teams {
            match self.role_in(cx, user, team.as_str()).await {
                Ok(role) => {
                    held.extend(role);
                    coverage = coverage.target(ASSIGN_WORKSPACE_ROLE, team);
                }
                Err(error) if matches!(error.kind(), ErrorKind::NotFound(_)) => {
                    coverage = coverage.unseen(ASSIGN_WORKSPACE_ROLE, Some(team), "the workspace is not there");
                }
                Err(error) => return Err(error),
            }
        }
        Ok((held, coverage))
    }

    pub(crate) async fn list_teams(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Target>> {
        let paging = Paging::token("/response_metadata/next_cursor", "cursor").items("/teams").sized("limit", 100);
        let teams = self.grid()?.client.post(path!["admin.teams.list"]).read().page::<Team>(cx, page, &paging).await?;
        Ok(teams.map(|team| Target::new(team.id, team.name)))
    }

    pub(crate) async fn all_teams(&self, cx: &CallContext) -> Result<Vec<Target>> {
        let mut teams = Vec::new();
        let mut page = PageRequest::first();
        loop {
            let more = self.list_teams(cx, &page).await?;
            teams.extend(more.items);
            let Some(next) = more.next else { return Ok(teams) };
            page = PageRequest::first().after(next);
        }
    }

    pub(crate) async fn list_all_roles(&self, cx: &CallContext, page: &PageRequest) -> Result<Page<Grant>> {
        let mut at = Place::read(page)?;
        if at.left.is_empty() {
            let teams = self.list_teams(cx, &at.targets()).await?;
            at.fill(teams);
        }
        let grants = match at.left.first() {
            Some((team, _)) => self.roles_in(cx, team).await?,
            None => Vec::new(),
        };
        at.go_on(Page::last(grants))
    }
}

fn grant(user: &str, team: &str, role: &str) -> Grant {
    Grant::direct(user, Entitlement::new(ASSIGN_WORKSPACE_ROLE, team).with_role(role))
}
