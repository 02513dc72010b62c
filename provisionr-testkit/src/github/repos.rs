//! Repositories, their collaborators, and invitations to them.

use std::time::Duration;

use serde_json::{Value, json};

use super::GithubFake;
use super::answer::{self, fields, invalid, known_parameters, message, not_found, page};
use super::state::{GithubRepository, GithubUser, ROLES};
use crate::fake::FakeContext;
use crate::message::FakeResponse;
use crate::router::{Call, Reply};

impl GithubFake {
    fn repository(&self, call: &Call<'_>) -> Result<GithubRepository, FakeResponse> {
        self.here(call, "owner")?;
        let found = self.org.repositories.values().find(|one| one.name.eq_ignore_ascii_case(call.param("repo")) && !one.hidden);
        found.cloned().ok_or_else(not_found)
    }

    /// The highest role, wherever it comes from.
    fn effective(&self, repository: &GithubRepository, user: u64) -> Option<String> {
        let rank = |role: &str| ROLES.iter().position(|(_, name)| *name == role);
        self.org.sources(repository, user).into_iter().map(|(role, _)| role).max_by_key(|role| rank(role))
    }

    fn collaborators(&self, repository: &GithubRepository, affiliation: &str) -> Vec<(&GithubUser, String)> {
        let shown = |user: &&GithubUser| match affiliation {
            "direct" => repository.direct.contains_key(&user.id),
            "outside" => repository.direct.contains_key(&user.id) && !self.org.members.contains_key(&user.id),
            _ => true,
        };
        self.org.users.values().filter(shown).filter_map(|user| Some((user, self.effective(repository, user.id)?))).collect()
    }
}

pub(super) fn list(fake: &mut GithubFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["sort", "direction"])?;
    fake.here(call, "org")?;
    let rows = fake.org.repositories.values().filter(|one| !one.hidden).map(|one| answer::repository(&fake.org, one, cx));
    Ok(page(&fake.org, call.request, cx, rows))
}

/// Of the full form, what the lists have, and what the caller may do.
pub(super) fn get(fake: &mut GithubFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let repository = fake.repository(call)?;
    let mut shown = answer::repository(&fake.org, &repository, cx);
    let me = cx.caller().and_then(|login| fake.org.user(login));
    if let (Some(me), Some(fields)) = (me, shown.as_object_mut()) {
        let role = fake.effective(&repository, me.id).ok_or_else(not_found)?;
        fields.insert("permissions".to_owned(), answer::permissions(&role).into());
    }
    Ok(FakeResponse::json(200, &shown))
}

pub(super) fn is_collaborator(fake: &mut GithubFake, call: &Call<'_>, _cx: &mut FakeContext) -> Reply {
    let (repository, user) = (fake.repository(call)?, fake.person(call)?);
    if fake.effective(&repository, user.id).is_some() { Ok(FakeResponse::empty(204)) } else { Err(not_found()) }
}

pub(super) fn collaborators(fake: &mut GithubFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["affiliation"])?;
    let repository = fake.repository(call)?;
    let affiliation = call.request.query("affiliation").unwrap_or_else(|| "all".to_owned());
    let rows = fake.collaborators(&repository, &affiliation).into_iter().map(|(user, role)| answer::collaborator(user, &role, cx));
    Ok(page(&fake.org, call.request, cx, rows))
}

/// The permission that counts, highest of all sources: never what was given here.
pub(super) fn permission(fake: &mut GithubFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let (repository, user) = (fake.repository(call)?, fake.person(call)?);
    let role = fake.effective(&repository, user.id);
    let permission = match role.as_deref() {
        Some("admin") => "admin",
        Some("write" | "maintain") => "write",
        Some(_) => "read",
        None => "none",
    };
    let role = role.unwrap_or_else(|| "none".to_owned());
    Ok(FakeResponse::json(200, &json!({ "permission": permission, "role_name": role, "user": answer::collaborator(&user, &role, cx) })))
}

/// 201 is an invitation that was made, 204 access that is there. <https://docs.github.com/rest/collaborators/collaborators>
pub(super) fn add(fake: &mut GithubFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let (repository, user) = (fake.repository(call)?, fake.person(call)?);
    fake.org.may_be_added(&user)?;
    let asked = fields(call.request)?.get("permission").and_then(Value::as_str).unwrap_or("push").to_owned();
    let role = ROLES.iter().find(|(name, _)| *name == asked).map(|(_, role)| (*role).to_owned());
    let role = role.ok_or_else(|| invalid("Validation Failed", "invalid", "permission"))?;
    let member = fake.org.members.contains_key(&user.id);
    let rank = |role: &str| ROLES.iter().position(|(_, name)| *name == role);
    if member && rank(&role) < rank(&fake.org.settings.base_permission) {
        return Err(invalid("Role cannot be lower than the base permission of the organization", "unprocessable", "permission"));
    }
    if user.blocking {
        return Err(invalid("User is blocking this organization", "unprocessable", "user"));
    }
    if !member && !repository.direct.contains_key(&user.id) && !fake.org.joins_at_once(user.id) {
        return invite(fake, &repository, &user, &role, cx);
    }
    if let Some(here) = fake.org.repositories.get_mut(&repository.id) {
        match here.direct.insert(user.id, role.clone()) {
            None => cx.emit("collaborator.added", json!({ "repository": here.id, "user": user.id, "role": role })),
            Some(before) if before != role => cx.emit("collaborator.changed", json!({ "repository": here.id, "user": user.id, "role": role })),
            Some(_) => {}
        }
    }
    Ok(FakeResponse::empty(204))
}

fn invite(fake: &mut GithubFake, repository: &GithubRepository, user: &GithubUser, role: &str, cx: &mut FakeContext) -> Reply {
    let open = repository.invitations.iter().find(|(_, (who, ..))| *who == user.id).map(|(id, _)| *id);
    // <https://docs.github.com/rest/collaborators/collaborators#add-a-repository-collaborator>; in which words is not described.
    let day = cx.now() - Duration::from_secs(86_400);
    if open.is_none() && repository.sent.iter().filter(|at| **at > day).count() >= fake.org.settings.repository_invitations_a_day {
        return Err(invalid("Over invitation rate limit", "unprocessable", "user"));
    }
    fake.has_seat(user.id)?;
    let id = open.unwrap_or_else(|| fake.org.id());
    let here = fake.org.repositories.get_mut(&repository.id).ok_or_else(not_found)?;
    match here.invitations.insert(id, (user.id, role.to_owned(), cx.now())) {
        None => {
            here.sent.push(cx.now());
            cx.emit("invitation.sent", json!({ "repository": here.id, "user": user.id, "role": role }));
        }
        Some((_, before, _)) if before != role => cx.emit("invitation.changed", json!({ "repository": here.id, "user": user.id })),
        Some(_) => {}
    }
    let here = here.clone();
    Ok(FakeResponse::json(201, &answer::repository_invitation(&fake.org, &here, id, cx).unwrap_or_default()))
}

/// Succeeds for whoever is none.
pub(super) fn remove(fake: &mut GithubFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let (repository, user) = (fake.repository(call)?, fake.person(call)?);
    if let Some(here) = fake.org.repositories.get_mut(&repository.id)
        && here.direct.remove(&user.id).is_some()
    {
        cx.emit("collaborator.removed", json!({ "repository": here.id, "user": user.id }));
    }
    Ok(FakeResponse::empty(204))
}

pub(super) fn invitations(fake: &mut GithubFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let repository = fake.repository(call)?;
    let rows = repository.invitations.keys().filter_map(|id| answer::repository_invitation(&fake.org, &repository, *id, cx));
    Ok(page(&fake.org, call.request, cx, rows))
}

pub(super) fn change_invitation(fake: &mut GithubFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let repository = fake.repository(call)?;
    let role = fields(call.request)?.get("permissions").and_then(Value::as_str).unwrap_or_default().to_owned();
    if !ROLES.iter().any(|(_, known)| *known == role) {
        return Err(message(422, "Validation Failed"));
    }
    let id = call.param("invitation_id").parse().unwrap_or(0);
    let open = fake.org.repositories.get_mut(&repository.id).and_then(|here| here.invitations.get_mut(&id)).ok_or_else(not_found)?;
    if open.1 != role {
        open.1.clone_from(&role);
        cx.emit("invitation.changed", json!({ "repository": repository.id, "user": open.0 }));
    }
    let here = fake.org.repositories.get(&repository.id).cloned().ok_or_else(not_found)?;
    Ok(FakeResponse::json(200, &answer::repository_invitation(&fake.org, &here, id, cx).unwrap_or_default()))
}

pub(super) fn cancel_invitation(fake: &mut GithubFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let repository = fake.repository(call)?;
    let id = call.param("invitation_id").parse().unwrap_or(0);
    let gone = fake.org.repositories.get_mut(&repository.id).and_then(|here| here.invitations.remove(&id)).ok_or_else(not_found)?;
    cx.emit("invitation.withdrawn", json!({ "repository": repository.id, "user": gone.0 }));
    Ok(FakeResponse::empty(204))
}
