//! Membership of teams: <https://docs.github.com/rest/teams/members>

use provisionr_http::path;
use provisionr_sdk::{AdapterError, CallContext, Entitlement, ErrorKind, Grant, GrantState, Outcome, Owner, Receipt, Request, Result, Source};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::adapter::Github;
use crate::changes::{Step, granted, still_there};
use crate::orgs::entitlement;
use crate::wire::{Groups, Invited, Node, TeamEdge, TeamMembership as Shown, TeamNode, User};

pub(crate) const ADD_TO_TEAM: &str = "add_to_team";

/// Membership of a team (`add_to_team`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeamMembership {
    /// The team: its slug or name in policies, its node id everywhere else.
    pub target: String,
    /// `member` or `maintainer`.
    pub role: String,
}

/// Whose membership is a maintainer's by owning the organization: what it is by itself GitHub does not show.
pub(crate) fn owners() -> Source {
    Source::Rule(Owner::new("owners of the organization maintain every team they are in"))
}

fn owned(owner: &Owner, slug: &str) -> AdapterError {
    AdapterError::owned_elsewhere(format!("{owner} decides who is in `{slug}`"))
}

/// Members are searched by what is in their login, which others' logins may hold too.
fn too_many(slug: &str) -> AdapterError {
    AdapterError::protocol(format!("too many members of `{slug}` answer to one login"))
}

fn below() -> Source {
    Source::Rule(Owner::new("a team below it"))
}

impl Github {
    /// The groups of an identity provider that decide who is in a team. Where the enterprise manages users they are told elsewhere.
    /// <https://docs.github.com/enterprise-cloud@latest/rest/teams/team-sync#list-idp-groups-for-a-team>
    /// <https://docs.github.com/enterprise-cloud@latest/rest/teams/external-groups#list-a-connection-between-an-external-group-and-a-team>
    pub(crate) async fn team_owner(&self, cx: &CallContext, slug: &str) -> Result<Option<Owner>> {
        let team = path!["orgs", self.organization, "teams", slug];
        let place = if self.enterprise.is_some() { team.segment("external-groups") } else { team.segment("team-sync").segment("group-mappings") };
        let groups = match self.client.get(place).send(cx).await {
            Ok(answer) => answer.json::<Groups>()?.groups,
            // Where teams are not synchronized there is no such list.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound(_) | ErrorKind::PermissionDenied) => Vec::new(),
            Err(error) => return Err(error),
        };
        let names: Vec<&str> = groups.iter().map(|group| group.group_name.as_str()).collect();
        Ok((!names.is_empty()).then(|| Owner::new(format!("identity provider group {}", names.join(", ")))))
    }

    pub(crate) async fn team_owner_if_synced(&self, cx: &CallContext, slug: &str) -> Result<Option<Owner>> {
        if self.synced_teams { self.team_owner(cx, slug).await } else { Ok(None) }
    }

    /// What a person has in a team that was looked at.
    pub(crate) async fn team_grants(&self, cx: &CallContext, team: &TeamNode, user: &User) -> Result<(Vec<Grant>, Option<Owner>)> {
        let of = |edges: &[TeamEdge]| edges.iter().find(|edge| edge.node.database_id == Some(user.id)).map(|edge| edge.role.clone());
        let grant = |role: &str| Grant::direct(user.id.to_string(), entitlement(ADD_TO_TEAM, team.id.as_str(), role));
        let mut grants = Vec::new();
        match of(&team.immediate.edges) {
            Some(role) if role == "MAINTAINER" && self.is_owner(cx, user).await? => grants.extend([grant("member"), grant("maintainer").from_source(owners())]),
            Some(role) => grants.push(grant(&role.to_lowercase())),
            None if team.immediate.next().is_some() => return Err(too_many(&team.slug)),
            None => {}
        }
        match of(&team.below.edges) {
            Some(_) => grants.push(grant("member").from_source(below())),
            None if team.below.next().is_some() => return Err(too_many(&team.slug)),
            None => {}
        }
        let invited = |one: &Invited| one.invitee.as_ref().is_some_and(|person| person.database_id == Some(user.id));
        // Of more invitations than are shown one may be theirs.
        if grants.is_empty() && (team.invitations.edges.iter().any(invited) || team.invitations.next().is_some()) {
            let call = self.client.get(path!["orgs", self.organization, "teams", team.slug, "memberships", user.login]);
            let shown = call.send_if_found(cx).await?.map(|answer| answer.json::<Shown>()).transpose()?;
            grants.extend(shown.filter(|shown| shown.state == "pending").map(|shown| grant(&shown.role).in_state(GrantState::Invited)));
        }
        let owner = self.team_owner_if_synced(cx, &team.slug).await?;
        if let Some(owner) = &owner {
            grants.iter_mut().filter(|grant| grant.source == Source::Direct).for_each(|grant| grant.source = Source::Owned(owner.clone()));
        }
        Ok((grants, owner))
    }

    async fn is_owner(&self, cx: &CallContext, user: &User) -> Result<bool> {
        Ok(self.membership(cx, user).await?.is_some_and(|membership| membership.state == "active" && membership.role == "admin"))
    }

    async fn team(&self, cx: &CallContext, target: &Entitlement, user: &User) -> Result<Option<TeamNode>> {
        Ok(match self.node(cx, target.target.as_str(), user).await? {
            Some(Node::Team(team)) if self.is_ours(&team.organization.login) => Some(team),
            _ => None,
        })
    }

    /// A team an identity provider decides about is refused in words; its groups tell who that is.
    async fn why_not_team(&self, cx: &CallContext, slug: &str, error: AdapterError) -> AdapterError {
        if *error.kind() != ErrorKind::PermissionDenied {
            return error;
        }
        match self.team_owner(cx, slug).await {
            Ok(Some(owner)) => owned(&owner, slug),
            _ => error,
        }
    }

    pub(crate) async fn join_team(&self, cx: &CallContext, request: &Request, wanted: &Entitlement) -> Result<Outcome> {
        let role = wanted.to::<TeamMembership>()?.role;
        let user = self.user_or_gone(cx, request.account()?).await?;
        let team = self.team(cx, wanted, &user).await?.ok_or_else(|| AdapterError::target_not_found("the team is not there, or not to be seen"))?;
        let (grants, owner) = self.team_grants(cx, &team, &user).await?;
        let receipt = match self.before_grant(request, &grants, wanted)? {
            Step::Done(outcome) => return Ok(outcome),
            Step::Go(receipt, _) => receipt,
        };
        if let Some(owner) = owner {
            return Err(owned(&owner, &team.slug));
        }
        let call = self.client.put(path!["orgs", self.organization, "teams", team.slug, "memberships", user.login]).json(&json!({ "role": role }));
        let answer = match call.send(cx).await {
            Ok(answer) => answer,
            Err(error) => return Err(self.why_not_team(cx, &team.slug, error).await),
        };
        let now: Shown = answer.json()?;
        // Owners show as maintainers whatever they were made.
        if now.role != role && now.role != "maintainer" {
            return Err(answer.maybe_done(AdapterError::refused(format!("GitHub left the role at `{}`", now.role))));
        }
        let receipt = receipt.with_request_id(answer.request_id());
        let grant = Grant::direct(user.id.to_string(), wanted.clone());
        if now.state == "pending" {
            // Who is not in the organization is invited into it.
            let receipt = if grants.is_empty() { receipt.and_changed("the team is part of an invitation to the organization") } else { receipt };
            return Ok(granted(receipt, grant.in_state(GrantState::Invited)));
        }
        Ok(granted(receipt, grant))
    }

    pub(crate) async fn leave_team(&self, cx: &CallContext, request: &Request, unwanted: &Entitlement) -> Result<Outcome> {
        let user = self.user_or_gone(cx, request.account()?).await?;
        let Some(team) = self.team(cx, unwanted, &user).await? else {
            return Err(AdapterError::not_found_unclear("the team is not to be seen"));
        };
        let (grants, owner) = self.team_grants(cx, &team, &user).await?;
        if let Some(owner) = owner {
            return Err(owned(&owner, &team.slug));
        }
        let receipt = match self.before_revoke(request, &grants)? {
            Step::Done(outcome) => return Ok(outcome),
            Step::Go(mut receipt, _) => {
                // That owners are maintainers goes with the membership it is about.
                receipt.still_effective.retain(|grant| grant.source != owners());
                receipt
            }
        };
        match self.client.delete(path!["orgs", self.organization, "teams", team.slug, "memberships", user.login]).send(cx).await {
            Ok(answer) => {
                answer.empty()?;
                Ok(Outcome::Applied(receipt.with_request_id(answer.request_id())))
            }
            // What GitHub says of somebody who is not in the team is not described.
            Err(error) if matches!(error.kind(), ErrorKind::NotFound(_)) => {
                let team = self.team(cx, unwanted, &user).await?.ok_or_else(|| AdapterError::not_found_unclear("the team is not to be seen"))?;
                let (now, _) = self.team_grants(cx, &team, &user).await?;
                if now.iter().any(|grant| grant.source == Source::Direct) { Err(still_there()) } else { Ok(Outcome::Unchanged(Receipt::new())) }
            }
            Err(error) => Err(self.why_not_team(cx, &team.slug, error).await),
        }
    }
}
