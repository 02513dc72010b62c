//! People, memberships of the organization, and invitations to it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::GithubFake;
use super::answer::{self, fields, invalid, known_parameters, message, not_found, page};
use super::state::{GithubInvitation, GithubUser};
use crate::fake::FakeContext;
use crate::message::FakeResponse;
use crate::router::{Call, Reply};

impl GithubFake {
    pub(super) fn person(&self, call: &Call<'_>) -> Result<GithubUser, FakeResponse> {
        let login = call.param("username");
        self.org.users.values().find(|user| user.login.eq_ignore_ascii_case(login)).cloned().ok_or_else(not_found)
    }

    /// The one organization there is; another looks as if it were not there.
    pub(super) fn here(&self, call: &Call<'_>, name: &str) -> Result<(), FakeResponse> {
        if call.param(name).eq_ignore_ascii_case(&self.org.login) { Ok(()) } else { Err(not_found()) }
    }

    /// Whether an invitation may go out: seats, the cap of 24 hours, people who have blocked the organization.
    /// <https://docs.github.com/rest/orgs/members#set-organization-membership-for-a-user>
    pub(super) fn may_invite(&self, user: &GithubUser, cx: &FakeContext) -> Result<(), FakeResponse> {
        if user.blocking {
            return Err(invalid("User is blocking this organization", "unprocessable", "user"));
        }
        self.has_seat(user.id)?;
        let day = cx.now() - Duration::from_secs(86_400);
        if self.sent.iter().filter(|at| **at > day).count() >= self.org.settings.invitations_a_day {
            return Err(invalid("Over invitation rate limit", "unprocessable", "user"));
        }
        Ok(())
    }

    /// Members take one, and outside collaborators of private repositories, as all are here; who is invited takes it already.
    /// <https://docs.github.com/billing/reference/github-license-users>
    pub(super) fn has_seat(&self, user: u64) -> Result<(), FakeResponse> {
        let taken = self.org.seats();
        if taken.contains(&user) || self.org.settings.seats.is_none_or(|seats| taken.len() < seats) {
            return Ok(());
        }
        let text = "You must purchase at least one more seat to add this user as a member.";
        let errors = json!([{ "resource": "Membership", "code": "no_seat", "field": "user" }]);
        let body = json!({ "message": text, "errors": errors, "documentation_url": "https://docs.github.com/rest", "status": "422" });
        Err(FakeResponse::json(422, &body))
    }

    pub(super) fn invite(&mut self, user: u64, role: &str, teams: BTreeMap<u64, String>, cx: &mut FakeContext) {
        let id = self.org.id();
        self.org.invitations.retain(|_, known| known.user != Some(user));
        self.org.invitations.insert(id, GithubInvitation { id, user: Some(user), email: None, role: role.to_owned(), teams, created: cx.now(), failed: None });
        self.sent.push(cx.now());
        cx.emit("invitation.sent", json!({ "user": user, "role": role }));
    }
}

pub(super) fn me(fake: &mut GithubFake, _call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let user = cx.caller().and_then(|key| fake.org.user(key)).cloned();
    let user = user.ok_or_else(|| message(403, "Resource not accessible by integration"))?;
    Ok(FakeResponse::json(200, &answer::profile(&user, cx)))
}

pub(super) fn user(fake: &mut GithubFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let user = fake.person(call)?;
    Ok(FakeResponse::json(200, &answer::profile(fake.org.looked_up(&user).ok_or_else(not_found)?, cx)))
}

/// <https://docs.github.com/rest/users/users#get-a-user-using-their-id>
pub(super) fn user_by_id(fake: &mut GithubFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let user = call.param("account_id").parse().ok().and_then(|id: u64| fake.org.looked_up(fake.org.users.get(&id)?)).ok_or_else(not_found)?;
    Ok(FakeResponse::json(200, &answer::profile(user, cx)))
}

pub(super) fn get(fake: &mut GithubFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    fake.here(call, "org")?;
    Ok(FakeResponse::json(200, &answer::full_organization(&fake.org, cx)))
}

pub(super) fn members(fake: &mut GithubFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["role"])?;
    fake.here(call, "org")?;
    let wanted = call.request.query("role").unwrap_or_else(|| "all".to_owned());
    let rows = fake.org.members.iter().filter(|(_, member)| wanted == "all" || member.role == wanted);
    let rows = rows.filter_map(|(id, _)| fake.org.users.get(id)).map(|user| answer::user(user, cx));
    Ok(page(&fake.org, call.request, cx, rows))
}

/// As members ask it: others are told where the public members are. Nobody else asks here.
pub(super) fn is_member(fake: &mut GithubFake, call: &Call<'_>, _cx: &mut FakeContext) -> Reply {
    fake.here(call, "org")?;
    let user = fake.person(call)?;
    if fake.org.members.contains_key(&user.id) { Ok(FakeResponse::empty(204)) } else { Err(not_found()) }
}

pub(super) fn membership(fake: &mut GithubFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    fake.here(call, "org")?;
    let user = fake.person(call)?;
    Ok(FakeResponse::json(200, &answer::membership(&fake.org, &user, cx).ok_or_else(not_found)?))
}

pub(super) fn set_membership(fake: &mut GithubFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    fake.here(call, "org")?;
    let user = fake.person(call)?;
    fake.org.may_be_added(&user)?;
    let role = fields(call.request)?.get("role").and_then(Value::as_str).unwrap_or("member").to_owned();
    if role != "admin" && role != "member" {
        return Err(invalid("Validation Failed", "invalid", "role"));
    }
    if fake.org.members.contains_key(&user.id) {
        if role == "member" && fake.is_last_owner(user.id) {
            return Err(message(fake.org.settings.last_owner_status, "You can't demote the last owner of an organization"));
        }
        if let Some(member) = fake.org.members.get_mut(&user.id).filter(|member| member.role != role) {
            member.role.clone_from(&role);
            cx.emit("member.changed", json!({ "user": user.id, "role": role }));
        }
    } else if let Some(id) = fake.org.pending(user.id).map(|pending| pending.id) {
        if let Some(pending) = fake.org.invitations.get_mut(&id).filter(|pending| pending.role != role) {
            pending.role.clone_from(&role);
            cx.emit("invitation.changed", json!({ "user": user.id, "role": role }));
        }
    } else {
        fake.may_invite(&user, cx)?;
        if fake.org.joins_at_once(user.id) {
            fake.org.join(user.id, &role);
            cx.emit("member.added", json!({ "user": user.id, "role": role }));
        } else {
            fake.invite(user.id, &role, BTreeMap::new(), cx);
        }
    }
    Ok(FakeResponse::json(200, &answer::membership(&fake.org, &user, cx).unwrap_or_default()))
}

impl GithubFake {
    fn is_last_owner(&self, user: u64) -> bool {
        self.org.is_admin(user) && self.org.members.values().filter(|member| member.role == "admin").count() == 1
    }
}

pub(super) fn remove_membership(fake: &mut GithubFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    fake.here(call, "org")?;
    let user = fake.person(call)?;
    if let Some(id) = fake.org.pending(user.id).map(|pending| pending.id) {
        fake.org.invitations.remove(&id);
        cx.emit("invitation.withdrawn", json!({ "user": user.id }));
        return Ok(FakeResponse::empty(204));
    }
    let member = fake.org.members.get_mut(&user.id).ok_or_else(not_found)?;
    if !member.enterprise_teams.is_empty() {
        // What teams of the enterprise give stays.
        if std::mem::take(&mut member.direct) {
            cx.emit("member.removed", json!({ "user": user.id }));
        }
        return Ok(FakeResponse::empty(204));
    }
    if fake.is_last_owner(user.id) {
        return Err(message(fake.org.settings.last_owner_status, "You can't remove the last owner of an organization"));
    }
    fake.org.drop_member(user.id);
    cx.emit("member.removed", json!({ "user": user.id }));
    Ok(FakeResponse::empty(204))
}

pub(super) fn invitations(fake: &mut GithubFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    fake.here(call, "org")?;
    let failed = call.request.path.ends_with("/failed_invitations");
    let rows = fake.org.invitations.values().filter(|invitation| invitation.failed.is_some() == failed);
    let rows = rows.map(|invitation| answer::invitation(&fake.org, invitation, cx));
    Ok(page(&fake.org, call.request, cx, rows))
}

/// Of people with an account. Nobody describes what comes of inviting by e-mail somebody whose account is known, or again.
/// <https://docs.github.com/rest/orgs/members#create-an-organization-invitation>
pub(super) fn create_invitation(fake: &mut GithubFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    fake.here(call, "org")?;
    let body = fields(call.request)?;
    let role = match body.get("role").and_then(Value::as_str).unwrap_or("direct_member") {
        "direct_member" => "member",
        "admin" => "admin",
        "billing_manager" | "reinstate" => return Err(cx.unsupported(call.request, "this role of an invitation")),
        _ => return Err(invalid("Validation Failed", "invalid", "role")),
    };
    let Some(id) = body.get("invitee_id").and_then(Value::as_u64) else { return Err(cx.unsupported(call.request, "an invitation by e-mail")) };
    let user = fake.org.users.get(&id).cloned().ok_or_else(not_found)?;
    if fake.org.members.contains_key(&id) {
        return Err(invalid("Invitee is already a part of this organization", "unprocessable", "data"));
    }
    if fake.org.pending(id).is_some() {
        return Err(cx.unsupported(call.request, "a second invitation"));
    }
    let teams: Vec<u64> = body.get("team_ids").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_u64).collect();
    if teams.iter().any(|team| !fake.org.teams.contains_key(team)) {
        return Err(invalid("Validation Failed", "invalid", "team_ids"));
    }
    fake.may_invite(&user, cx)?;
    fake.invite(id, role, teams.into_iter().map(|team| (team, "member".to_owned())).collect(), cx);
    let made = fake.org.pending(id).ok_or_else(not_found)?;
    Ok(FakeResponse::json(201, &answer::invitation(&fake.org, made, cx)))
}

pub(super) fn cancel_invitation(fake: &mut GithubFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    fake.here(call, "org")?;
    let id = call.param("invitation_id").parse::<u64>().unwrap_or_default();
    let gone = fake.org.invitations.remove(&id).ok_or_else(not_found)?;
    cx.emit("invitation.withdrawn", json!({ "user": gone.user }));
    Ok(FakeResponse::empty(204))
}
