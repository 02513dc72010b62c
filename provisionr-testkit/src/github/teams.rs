//! Teams and who is in them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::GithubFake;
use super::answer::{self, fields, invalid, known_parameters, message, not_found, page};
use super::state::GithubTeam;
use crate::fake::FakeContext;
use crate::message::FakeResponse;
use crate::router::{Call, Reply};

impl GithubFake {
    /// By slug, or by the ids that the `url` of a team has.
    fn team(&self, call: &Call<'_>) -> Result<GithubTeam, FakeResponse> {
        let id = call.param("team_id").parse::<u64>().ok().filter(|_| call.param("org_id") == self.org.id.to_string());
        if id.is_none() {
            self.here(call, "org")?;
        }
        let named = |team: &&GithubTeam| id.map_or(team.slug == call.param("team_slug"), |id| team.id == id);
        self.org.teams.values().find(|team| named(team) && !team.hidden).cloned().ok_or_else(not_found)
    }

    fn team_membership(&self, team: &GithubTeam, user: u64, cx: &FakeContext) -> Option<FakeResponse> {
        let pending = self.org.pending(user).and_then(|pending| pending.teams.get(&team.id));
        let (role, state) = match (self.org.team_role(team, user), pending) {
            (Some(role), _) => (role, "active"),
            (None, Some(role)) => (role.clone(), "pending"),
            (None, None) => return None,
        };
        let login = self.org.users.get(&user).map(|user| user.login.as_str()).unwrap_or_default();
        let url = format!("{}/organizations/{}/team/{}/memberships/{login}", cx.base_url(), self.org.id, team.id);
        Some(FakeResponse::json(200, &json!({ "url": url, "role": role, "state": state })))
    }
}

fn synchronized(team: &GithubTeam) -> Result<(), FakeResponse> {
    if team.idp_groups.is_empty() { Ok(()) } else { Err(message(403, "Team membership is managed by an identity provider group")) }
}

pub(super) fn list(fake: &mut GithubFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    fake.here(call, "org")?;
    let rows = fake.org.teams.values().filter(|team| !team.hidden).map(|team| answer::team(&fake.org, team, cx));
    Ok(page(&fake.org, call.request, cx, rows))
}

pub(super) fn get(fake: &mut GithubFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    Ok(FakeResponse::json(200, &answer::full_team(&fake.org, &fake.team(call)?, cx)))
}

/// <https://docs.github.com/enterprise-cloud@latest/rest/teams/team-sync>
pub(super) fn idp_groups(fake: &mut GithubFake, call: &Call<'_>, _cx: &mut FakeContext) -> Reply {
    if fake.org.enterprise.is_some() {
        return Err(message(403, "Team synchronization is not available to enterprises with managed users"));
    }
    let groups = fake.team(call)?.idp_groups.into_iter().map(|name| json!({ "group_id": name, "group_name": name, "group_description": "" }));
    Ok(FakeResponse::json(200, &json!({ "groups": groups.collect::<Vec<_>>() })))
}

/// <https://docs.github.com/enterprise-cloud@latest/rest/teams/external-groups>
pub(super) fn external_groups(fake: &mut GithubFake, call: &Call<'_>, _cx: &mut FakeContext) -> Reply {
    let team = fake.team(call)?;
    fake.org.enterprise.as_ref().ok_or_else(not_found)?;
    let groups = team.idp_groups.iter().zip(1..).map(|(name, id)| json!({ "group_id": id, "group_name": name, "updated_at": "2021-01-24T11:31:04-06:00" }));
    Ok(FakeResponse::json(200, &json!({ "groups": groups.collect::<Vec<_>>() })))
}

pub(super) fn members(fake: &mut GithubFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let team = fake.team(call)?;
    let rows = fake.org.users.values().filter_map(|user| {
        let role = fake.org.team_role(&team, user.id)?;
        let mut row = answer::user(user, cx);
        if let Some(row) = row.as_object_mut() {
            row.insert("role".to_owned(), role.into());
            row.insert("inherited".to_owned(), (!team.members.contains_key(&user.id)).into());
        }
        Some(row)
    });
    Ok(page(&fake.org, call.request, cx, rows))
}

pub(super) fn invitations(fake: &mut GithubFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let team = fake.team(call)?;
    let open = fake.org.invitations.values().filter(|invitation| invitation.failed.is_none() && invitation.teams.contains_key(&team.id));
    Ok(page(&fake.org, call.request, cx, open.map(|invitation| answer::invitation(&fake.org, invitation, cx))))
}

pub(super) fn membership(fake: &mut GithubFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let (team, user) = (fake.team(call)?, fake.person(call)?);
    fake.team_membership(&team, user.id, cx).ok_or_else(not_found)
}

pub(super) fn set_membership(fake: &mut GithubFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let (team, user) = (fake.team(call)?, fake.person(call)?);
    fake.org.may_be_added(&user)?;
    let role = fields(call.request)?.get("role").and_then(Value::as_str).unwrap_or("member").to_owned();
    if role != "member" && role != "maintainer" {
        return Err(invalid("Validation Failed", "invalid", "role"));
    }
    synchronized(&team)?;
    if fake.org.joins_at_once(user.id) && !fake.org.members.contains_key(&user.id) {
        fake.may_invite(&user, cx)?;
        fake.org.join(user.id, "member");
        cx.emit("member.added", json!({ "user": user.id, "role": "member" }));
    }
    if fake.org.members.contains_key(&user.id) {
        if let Some(team) = fake.org.teams.get_mut(&team.id) {
            let before = team.members.insert(user.id, role.clone());
            match before {
                None => cx.emit("team.joined", json!({ "team": team.id, "user": user.id, "role": role })),
                Some(before) if before != role => cx.emit("team.changed", json!({ "team": team.id, "user": user.id, "role": role })),
                Some(_) => {}
            }
        }
    } else if let Some(id) = fake.org.pending(user.id).map(|pending| pending.id) {
        if let Some(pending) = fake.org.invitations.get_mut(&id)
            && pending.teams.insert(team.id, role.clone()).as_ref() != Some(&role)
        {
            cx.emit("invitation.changed", json!({ "user": user.id, "team": team.id }));
        }
    } else {
        fake.may_invite(&user, cx)?;
        fake.invite(user.id, "member", BTreeMap::from([(team.id, role)]), cx);
    }
    let team = fake.org.teams.get(&team.id).cloned().ok_or_else(not_found)?;
    fake.team_membership(&team, user.id, cx).ok_or_else(not_found)
}

pub(super) fn remove_membership(fake: &mut GithubFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let (team, user) = (fake.team(call)?, fake.person(call)?);
    synchronized(&team)?;
    let pending = fake.org.pending(user.id).map(|pending| pending.id);
    let withdrawn = pending.and_then(|id| fake.org.invitations.get_mut(&id)).and_then(|pending| pending.teams.remove(&team.id));
    let left = fake.org.teams.get_mut(&team.id).and_then(|team| team.members.remove(&user.id));
    if withdrawn.is_some() {
        cx.emit("invitation.changed", json!({ "user": user.id, "team": team.id }));
    } else if left.is_some() {
        cx.emit("team.left", json!({ "team": team.id, "user": user.id }));
    } else {
        let status = fake.org.settings.not_in_team_status;
        return Ok(if status == 204 { FakeResponse::empty(204) } else { message(status, "Not Found") });
    }
    Ok(FakeResponse::empty(204))
}
