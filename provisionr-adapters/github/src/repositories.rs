//! Direct access to repositories: <https://docs.github.com/rest/collaborators/collaborators>

use http::StatusCode;
use provisionr_http::{Path, path};
use provisionr_sdk::{AdapterError, CallContext, Entitlement, ErrorKind, Grant, GrantState, Outcome, Owner, Receipt, Request, Result, Source};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::adapter::Github;
use crate::changes::{Step, answered_meanwhile, granted, still_there};
use crate::orgs::{entitlement, paging};
use crate::wire::{CollaboratorEdge, Node, PermissionSource, RepositoryInvitation, RepositoryNode, User};

pub(crate) const GRANT_REPOSITORY: &str = "grant_repository";

/// Direct access to a repository (`grant_repository`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepositoryAccess {
    /// The repository: its name in policies, with or without the organization before it; its node id everywhere else.
    pub target: String,
    /// `read`, `triage`, `write`, `maintain` or `admin`, as people see them.
    pub role: String,
}

/// The words of two roles in requests are those of git.
fn permission(role: &str) -> &str {
    match role {
        "read" => "pull",
        "write" => "push",
        other => other,
    }
}

fn role_of(source: &PermissionSource) -> String {
    let name = source.role_name.as_deref().unwrap_or(&source.permission);
    match name.to_lowercase().as_str() {
        "pull" | "read" => "read".to_owned(),
        "push" | "write" => "write".to_owned(),
        known @ ("triage" | "maintain" | "admin") => known.to_owned(),
        // A role of the organization's own.
        _ => name.to_owned(),
    }
}

/// What one person has in a repository. The permission that counts is the highest of all; each source is a grant here.
pub(crate) fn collaborator_grants(repository: &str, edge: &CollaboratorEdge) -> Result<Vec<Grant>> {
    let Some(sources) = &edge.permission_sources else {
        return Err(AdapterError::permission_denied("where access to a repository comes from is not to be seen: it takes an owner"));
    };
    let user = edge.node.database_id.ok_or_else(|| AdapterError::protocol("a collaborator has no id"))?.to_string();
    let grants = sources.iter().map(|source| {
        let grant = Grant::direct(user.clone(), entitlement(GRANT_REPOSITORY, repository, &role_of(source)));
        match (source.source.kind.as_str(), &source.source.id) {
            ("Repository", _) => grant,
            ("Team", Some(team)) => grant.from_source(Source::Inherited(team.as_str().into())),
            ("Organization", _) => grant.from_source(Source::Rule(Owner::new("permissions of members and owners of the organization"))),
            (other, _) => grant.from_source(Source::Rule(Owner::new(other))),
        }
    });
    Ok(grants.collect())
}

impl Github {
    fn repository_path(&self, name: &str) -> Path {
        path!["repos", self.organization, name]
    }

    /// What a person has in a repository that was looked at, open invitations left out.
    pub(crate) fn repository_grants(repository: &RepositoryNode, user: &User) -> Result<Vec<Grant>> {
        let Some(collaborators) = &repository.collaborators else {
            return Err(AdapterError::permission_denied("the collaborators of the repository are not to be seen"));
        };
        let theirs = collaborators.edges.iter().find(|edge| edge.node.database_id == Some(user.id));
        match theirs {
            Some(edge) => collaborator_grants(&repository.id, edge),
            None if collaborators.next().is_some() => Err(AdapterError::protocol("more collaborators than are shown answer to one login")),
            None => Ok(Vec::new()),
        }
    }

    pub(crate) async fn repository_invitations(&self, cx: &CallContext, name: &str) -> Result<Vec<RepositoryInvitation>> {
        let mut open: Vec<RepositoryInvitation> = self.client.get(self.repository_path(name).segment("invitations")).all(cx, &paging()).await?;
        open.retain(|invitation| !invitation.expired);
        Ok(open)
    }

    /// All grants, and the id of the invitation that is open.
    pub(crate) async fn with_invitation(&self, cx: &CallContext, repository: &RepositoryNode, user: &User) -> Result<(Vec<Grant>, Option<u64>)> {
        let mut grants = Self::repository_grants(repository, user)?;
        if grants.iter().any(|grant| grant.source == Source::Direct) {
            return Ok((grants, None));
        }
        let open = self.repository_invitations(cx, &repository.name).await?;
        let theirs = open.into_iter().find(|invitation| invitation.invitee.as_ref().is_some_and(|invitee| invitee.id == user.id));
        let id = theirs.as_ref().map(|invitation| invitation.id);
        grants.extend(theirs.map(|invitation| invitation_grant(&repository.id, user.id, &invitation)));
        Ok((grants, id))
    }

    async fn repository(&self, cx: &CallContext, target: &Entitlement, user: &User) -> Result<Option<RepositoryNode>> {
        Ok(match self.node(cx, target.target.as_str(), user).await? {
            Some(Node::Repository(repository)) if self.is_ours(&repository.owner.login) => Some(repository),
            _ => None,
        })
    }

    /// 201 is an invitation, 204 access that is there.
    pub(crate) async fn add_collaborator(&self, cx: &CallContext, request: &Request, wanted: &Entitlement) -> Result<Outcome> {
        let role = wanted.to::<RepositoryAccess>()?.role;
        let user = self.user_or_gone(cx, request.account()?).await?;
        let repository = self.repository(cx, wanted, &user).await?;
        let repository = repository.ok_or_else(|| AdapterError::target_not_found("the repository is not there, or not to be seen"))?;
        let (grants, invitation) = self.with_invitation(cx, &repository, &user).await?;
        let receipt = match self.before_grant(request, &grants, wanted)? {
            Step::Done(outcome) => return Ok(outcome),
            Step::Go(receipt, _) => receipt,
        };
        let grant = Grant::direct(user.id.to_string(), wanted.clone());
        let place = self.repository_path(&repository.name);
        if let Some(id) = invitation {
            let call = self.client.patch(place.segment("invitations").segment(id.to_string())).json(&json!({ "permissions": role }));
            let answer = call.send(cx).await?;
            return Ok(granted(receipt.with_request_id(answer.request_id()), grant.in_state(GrantState::Invited)));
        }
        let call = self.client.put(place.segment("collaborators").segment(&user.login)).json(&json!({ "permission": permission(&role) }));
        let answer = call.send(cx).await?;
        let receipt = receipt.with_request_id(answer.request_id());
        if answer.status() == StatusCode::CREATED {
            answer.json::<RepositoryInvitation>()?;
            let receipt = receipt.and_changed("they are invited as an outside collaborator: they are not in the organization");
            return Ok(granted(receipt, grant.in_state(GrantState::Invited)));
        }
        answer.empty()?;
        Ok(granted(receipt, grant))
    }

    pub(crate) async fn remove_collaborator(&self, cx: &CallContext, request: &Request, unwanted: &Entitlement) -> Result<Outcome> {
        let user = self.user_or_gone(cx, request.account()?).await?;
        let Some(repository) = self.repository(cx, unwanted, &user).await? else {
            return Err(AdapterError::not_found_unclear("the repository is not to be seen"));
        };
        let (grants, invitation) = self.with_invitation(cx, &repository, &user).await?;
        let receipt = match self.before_revoke(request, &grants)? {
            Step::Done(outcome) => return Ok(outcome),
            Step::Go(receipt, _) => receipt,
        };
        let place = self.repository_path(&repository.name);
        let call = match invitation {
            Some(id) => self.client.delete(place.segment("invitations").segment(id.to_string())),
            None => self.client.delete(place.segment("collaborators").segment(&user.login)),
        };
        match call.send(cx).await {
            Ok(answer) => {
                answer.empty()?;
                Ok(Outcome::Applied(receipt.with_request_id(answer.request_id())))
            }
            Err(error) if matches!(error.kind(), ErrorKind::NotFound(_)) => {
                let now = self.repository(cx, unwanted, &user).await?;
                let now = now.ok_or_else(|| AdapterError::not_found_unclear("the repository is not to be seen"))?;
                let (now, open) = self.with_invitation(cx, &now, &user).await?;
                let there = now.iter().any(|grant| grant.source == Source::Direct);
                match invitation {
                    Some(_) if open != invitation => Err(answered_meanwhile()),
                    None if !there => Ok(Outcome::Unchanged(Receipt::new())),
                    _ => Err(still_there()),
                }
            }
            Err(error) => Err(error),
        }
    }
}

pub(crate) fn invitation_grant(repository: &str, user: u64, invitation: &RepositoryInvitation) -> Grant {
    let role = if invitation.permissions == "push" {
        "write"
    } else if invitation.permissions == "pull" {
        "read"
    } else {
        &invitation.permissions
    };
    Grant::direct(user.to_string(), entitlement(GRANT_REPOSITORY, repository, role)).in_state(GrantState::Invited)
}
