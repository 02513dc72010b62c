//! `auth.test`, `users.*`, and what an organisation's admin does to people: `admin.users.*`, `admin.teams.*`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::SlackFake;
use super::answer::{self, arg, is_set, ok, page, refuse, set, text};
use super::state::{Invited, Plan, Removed, SlackUser};
use crate::fake::FakeContext;
use crate::message::FakeResponse;
use crate::router::{Call, Reply};

pub(super) fn auth_test(slack: &mut SlackFake, _: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let me = slack.caller(cx);
    let user = slack.workspace.users.get(me);
    let mut fields = json!({
        "url": "https://company.slack.com/",
        "team": "Company",
        "user": user.map_or("", |user| user.name.as_str()),
        "team_id": slack.workspace.team,
        "user_id": me,
        "is_enterprise_install": false,
    });
    if user.is_some_and(|user| user.bot) {
        set(&mut fields, "bot_id", "B0000000001");
    }
    ok(fields)
}

fn shown(slack: &SlackFake, user: &SlackUser) -> bool {
    !user.invited || slack.workspace.settings.invited == Invited::Shown
}

pub(super) fn info(slack: &mut SlackFake, call: &Call<'_>, _: &mut FakeContext) -> Reply {
    match slack.workspace.users.get(&text(call, "user")).filter(|user| shown(slack, user)) {
        Some(user) => ok(json!({ "user": answer::user(slack, user) })),
        None => Err(refuse("user_not_found")),
    }
}

/// Deactivated users are not found by e-mail: <https://docs.slack.dev/reference/methods/users.lookupByEmail>.
pub(super) fn lookup_by_email(slack: &mut SlackFake, call: &Call<'_>, _: &mut FakeContext) -> Reply {
    let email = text(call, "email");
    match slack.workspace.users.values().find(|user| !user.deleted && user.email.eq_ignore_ascii_case(&email) && shown(slack, user)) {
        Some(user) => ok(json!({ "user": answer::user(slack, user) })),
        None => Err(refuse("users_not_found")),
    }
}

pub(super) fn list(slack: &mut SlackFake, call: &Call<'_>, _: &mut FakeContext) -> Reply {
    let users = slack.workspace.users.values().filter(|user| shown(slack, user));
    let users = users.map(|user| (user.id.clone(), answer::user(slack, user))).collect();
    let reply = page(slack, call, "members", 1000, users)?;
    let mut body = reply.to_json();
    set(&mut body, "cache_ts", 1_700_000_000);
    Ok(FakeResponse::json(200, &body))
}

/// What every `admin.*` call asks first.
fn organisation(slack: &SlackFake) -> Result<(), FakeResponse> {
    if slack.workspace.settings.plan == Plan::Enterprise { Ok(()) } else { Err(refuse("feature_not_enabled")) }
}

fn home(slack: &SlackFake, call: &Call<'_>) -> Result<(), FakeResponse> {
    organisation(slack)?;
    if text(call, "team_id") == slack.workspace.team { Ok(()) } else { Err(refuse("team_not_found")) }
}

fn channels(slack: &SlackFake, call: &Call<'_>) -> Result<BTreeSet<String>, FakeResponse> {
    let ids = text(call, "channel_ids");
    let ids: BTreeSet<String> = ids.split(',').filter(|id| !id.is_empty()).map(str::to_owned).collect();
    if ids.iter().all(|id| slack.workspace.channels.contains_key(id)) { Ok(ids) } else { Err(refuse("failed_to_validate_channels")) }
}

pub(super) fn admin_invite(slack: &mut SlackFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    home(slack, call)?;
    let channels = channels(slack, call)?;
    if channels.is_empty() {
        return Err(refuse("failed_to_validate_channels"));
    }
    let email = text(call, "email");
    if !email.contains('@') {
        return Err(refuse("invalid_email"));
    }
    if let Some(known) = slack.workspace.users.values().find(|user| user.email.eq_ignore_ascii_case(&email)) {
        return Err(refuse(match known {
            user if user.invited => "already_in_team_invited_user",
            user if user.deleted => "user_disabled",
            _ => "already_in_team",
        }));
    }
    let real_name = text(call, "real_name");
    let (first, last) = real_name.split_once(' ').unwrap_or((&real_name, ""));
    let id = slack.workspace.id('U');
    let user = SlackUser {
        id: id.clone(),
        team: slack.workspace.team.clone(),
        name: email.split('@').next().unwrap_or("").to_owned(),
        email: email.clone(),
        first_name: first.to_owned(),
        last_name: last.to_owned(),
        invited: true,
        restricted: is_set(call, "is_restricted"),
        ultra_restricted: is_set(call, "is_ultra_restricted"),
        invited_to: channels,
        ..SlackUser::default()
    };
    slack.workspace.users.insert(id.clone(), user);
    cx.emit("user.invited", json!({ "user": id, "email": email }));
    cx.emit("user.mail", json!({ "user": id, "email": email }));
    ok(json!({}))
}

pub(super) fn admin_assign(slack: &mut SlackFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    home(slack, call)?;
    let (id, channels, team) = (text(call, "user_id"), channels(slack, call)?, slack.workspace.team.clone());
    match slack.workspace.users.get(&id) {
        None => return Err(refuse("user_not_found")),
        Some(user) if user.bot => return Err(refuse("user_is_bot")),
        Some(user) if !user.deleted && !user.elsewhere && user.team == team => return Err(refuse("user_already_team_member")),
        Some(_) => {}
    }
    if let Some(user) = slack.workspace.users.get_mut(&id) {
        (user.team, user.elsewhere) = (team, false);
    }
    slack.activate(&id, cx);
    for channel in &channels {
        slack.enter(channel, &id, cx);
    }
    ok(json!({}))
}

pub(super) fn admin_remove(slack: &mut SlackFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    home(slack, call)?;
    let id = text(call, "user_id");
    match slack.workspace.users.get(&id) {
        None => Err(refuse("user_not_found")),
        Some(user) if user.deleted => Err(refuse("user_already_deleted")),
        Some(_) if slack.is_primary_owner(&id) => Err(refuse("cannot_modify_primary_owner")),
        Some(_) if slack.workspace.settings.removed == Removed::Elsewhere => {
            slack.deactivate(&id, cx);
            if let Some(user) = slack.workspace.users.get_mut(&id) {
                (user.deleted, user.elsewhere) = (false, true);
            }
            ok(json!({}))
        }
        Some(_) => {
            slack.deactivate(&id, cx);
            ok(json!({}))
        }
    }
}

pub(super) fn session_reset(slack: &mut SlackFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    organisation(slack)?;
    let id = text(call, "user_id");
    if slack.is_primary_owner(&id) {
        return Err(refuse("cannot_reset_primary_owner"));
    }
    match slack.workspace.users.get_mut(&id) {
        None => Err(refuse("user_not_found")),
        Some(user) if user.bot => Err(refuse("cannot_reset_bot")),
        Some(user) => {
            if user.sessions > 0 {
                cx.emit("user.sessions_ended", json!({ "user": id, "sessions": user.sessions }));
                user.sessions = 0;
            }
            ok(json!({}))
        }
    }
}

pub(super) fn set_admin(slack: &mut SlackFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    set_role(slack, call, "admin", cx)
}

pub(super) fn set_owner(slack: &mut SlackFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    set_role(slack, call, "owner", cx)
}

pub(super) fn set_regular(slack: &mut SlackFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    set_role(slack, call, "regular", cx)
}

fn set_role(slack: &mut SlackFake, call: &Call<'_>, role: &str, cx: &mut FakeContext) -> Reply {
    organisation(slack)?;
    let (team_id, id) = (text(call, "team_id"), text(call, "user_id"));
    if !slack.workspace.teams.contains_key(&team_id) {
        return Err(refuse("team_not_found"));
    }
    match slack.workspace.users.get_mut(&id) {
        Some(user) if user.bot || !user.is_live() => return Err(refuse("invalid_role_for_user")),
        // A guest who is made regular is a full member from then on.
        Some(user) => (user.restricted, user.ultra_restricted) = (false, false),
        None => return Err(refuse("user_not_found")),
    }
    if slack.is_primary_owner(&id) {
        return Err(refuse("cannot_modify_primary_owner"));
    }
    if let Some(team) = slack.workspace.teams.get_mut(&team_id) {
        let before = (team.admins.contains(&id), team.owners.contains(&id));
        team.admins.remove(&id);
        team.owners.remove(&id);
        match role {
            "admin" => team.admins.insert(id.clone()),
            "owner" => team.owners.insert(id.clone()),
            _ => false,
        };
        if before != (team.admins.contains(&id), team.owners.contains(&id)) {
            cx.emit("user.role_changed", json!({ "user": id, "team": team_id, "role": role }));
        }
    }
    ok(json!({}))
}

pub(super) fn teams(slack: &mut SlackFake, call: &Call<'_>, _: &mut FakeContext) -> Reply {
    organisation(slack)?;
    let shown = slack.workspace.teams.values().map(|team| {
        let owner = team.owners.first().map_or("", String::as_str);
        let email = slack.workspace.users.get(owner).map_or("", |user| user.email.as_str());
        let fields = json!({
            "id": team.id,
            "name": team.name,
            "discoverability": "hidden",
            "primary_owner": { "user_id": owner, "email": email },
            "team_url": format!("https://{}.slack.com/", team.name.to_lowercase()),
        });
        (team.id.clone(), fields)
    });
    page(slack, call, "teams", 1000, shown.collect())
}

pub(super) fn admins(slack: &mut SlackFake, call: &Call<'_>, _: &mut FakeContext) -> Reply {
    team_ids(slack, call, "admin_ids")
}

pub(super) fn owners(slack: &mut SlackFake, call: &Call<'_>, _: &mut FakeContext) -> Reply {
    team_ids(slack, call, "owner_ids")
}

fn team_ids(slack: &SlackFake, call: &Call<'_>, field: &str) -> Reply {
    organisation(slack)?;
    let team = arg(call, "team_id").and_then(|id| slack.workspace.teams.get(&id)).ok_or_else(|| refuse("team_not_found"))?;
    let ids = if field == "admin_ids" { &team.admins } else { &team.owners };
    page(slack, call, field, 1000, ids.iter().map(|id| (id.clone(), Value::from(id.as_str()))).collect())
}
