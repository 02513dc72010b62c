//! How a workspace comes to be as a test wants it, and what people do in it.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::SlackFake;
use super::state::{SlackChannel, SlackSettings, SlackTeam, SlackUser, SlackUsergroup, Token};
use crate::fake::FakeContext;
use crate::limit::Limit;
use crate::link::{Act, ActError};

/// The JSON form of a seed; every part may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Seed {
    settings: Option<SlackSettings>,
    users: Vec<SeedUser>,
    channels: Vec<SeedChannel>,
    usergroups: Vec<SeedUsergroup>,
    teams: Vec<SeedTeam>,
    tokens: Vec<SeedToken>,
    limits: Vec<Limit>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SeedUser {
    id: Option<String>,
    email: String,
    name: Option<String>,
    first_name: String,
    last_name: String,
    title: String,
    team: Option<String>,
    deleted: bool,
    invited: bool,
    bot: bool,
    restricted: bool,
    ultra_restricted: bool,
    stranger: bool,
    /// `admin` or `owner` of the workspace.
    role: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SeedChannel {
    name: String,
    private: bool,
    archived: bool,
    general: bool,
    ext_shared: bool,
    host: Option<String>,
    idp_groups: BTreeSet<String>,
    members: Vec<String>,
    /// The app's bot is not in it.
    without_app: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct SeedUsergroup {
    handle: String,
    disabled: bool,
    auto_type: Option<String>,
    auto_provision: bool,
    users: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedTeam {
    name: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SeedToken {
    token: String,
    user: String,
    scopes: BTreeSet<String>,
}

/// Adds a seed. Names refer to what is there or in the same seed.
pub(super) fn seed(slack: &mut SlackFake, seed: &Value, cx: &mut FakeContext) -> Result<(), ActError> {
    let seed = Seed::deserialize(seed)?;
    if let Some(settings) = seed.settings {
        slack.workspace.settings = settings;
    }
    for limit in seed.limits {
        slack.limits.add(limit);
    }
    for user in seed.users {
        add_user(slack, user);
    }
    for channel in seed.channels {
        let mut members = channel.members.iter().map(|key| named_user(slack, key)).collect::<Result<BTreeSet<_>, _>>()?;
        if !channel.without_app {
            members.insert(SlackFake::BOT.to_owned());
        }
        let id = slack.workspace.id('C');
        let made = SlackChannel {
            id: id.clone(),
            name: channel.name,
            private: channel.private,
            archived: channel.archived,
            general: channel.general,
            ext_shared: channel.ext_shared || channel.host.is_some(),
            host: channel.host,
            idp_groups: channel.idp_groups,
            members,
        };
        slack.workspace.channels.insert(id, made);
    }
    for group in seed.usergroups {
        let users = group.users.iter().map(|key| named_user(slack, key)).collect::<Result<_, _>>()?;
        let id = slack.workspace.id('S');
        let SeedUsergroup { handle, disabled, auto_type, auto_provision, .. } = group;
        slack.workspace.usergroups.insert(id.clone(), SlackUsergroup { id, handle, disabled, auto_type, auto_provision, users });
    }
    for team in seed.teams {
        let id = slack.workspace.id('T');
        slack.workspace.teams.insert(id.clone(), SlackTeam { id, name: team.name, ..SlackTeam::default() });
    }
    for token in seed.tokens {
        let user = named_user(slack, &token.user)?;
        slack.workspace.tokens.insert(token.token, Token { user, scopes: token.scopes, refused: None });
    }
    // A seed is how the world is, not something that happens in it.
    cx.events.clear();
    Ok(())
}

fn add_user(slack: &mut SlackFake, seed: SeedUser) -> String {
    let id = seed.id.unwrap_or_else(|| slack.workspace.id('U'));
    let name = seed.name.unwrap_or_else(|| seed.email.split('@').next().unwrap_or("").to_owned());
    let user = SlackUser {
        id: id.clone(),
        team: seed.team.unwrap_or_else(|| slack.workspace.team.clone()),
        display_name: name.clone(),
        name,
        email: seed.email,
        first_name: seed.first_name,
        last_name: seed.last_name,
        title: seed.title,
        deleted: seed.deleted,
        invited: seed.invited,
        bot: seed.bot,
        restricted: seed.restricted,
        ultra_restricted: seed.ultra_restricted,
        stranger: seed.stranger,
        ..SlackUser::default()
    };
    slack.workspace.users.insert(id.clone(), user);
    let home = slack.workspace.team.clone();
    if let Some(team) = slack.workspace.teams.get_mut(&home) {
        match seed.role.as_deref() {
            Some("admin") => team.admins.insert(id.clone()),
            Some("owner") => team.owners.insert(id.clone()),
            _ => false,
        };
    }
    id
}

pub(super) fn named_user(slack: &SlackFake, key: &str) -> Result<String, ActError> {
    slack.workspace.user(key).map(|user| user.id.clone()).ok_or_else(|| ActError::new(format!("no user is called `{key}`")))
}

/// Carries out an act. A user is named by id, user name or e-mail address, a channel by id or name, a user group by id or handle.
pub(super) fn act(slack: &mut SlackFake, act: &Act, cx: &mut FakeContext) -> Result<Value, ActError> {
    let channel = |slack: &SlackFake| {
        let key = act.text("channel")?;
        slack.workspace.channel(key).map(|channel| channel.id.clone()).ok_or_else(|| ActError::new(format!("no channel is called `{key}`")))
    };
    match act.act.as_str() {
        "refuse_token" => {
            let (token, code) = (act.text("token")?, act.text("code")?.to_owned());
            let token = slack.workspace.tokens.get_mut(token).ok_or_else(|| ActError::new("no such token"))?;
            token.refused = Some(code);
            return Ok(Value::Null);
        }
        "archive_channel" | "hide_channel" => {
            let id = channel(slack)?;
            if let Some(channel) = slack.workspace.channels.get_mut(&id) {
                channel.archived |= act.act == "archive_channel";
                channel.private |= act.act == "hide_channel";
                if channel.private {
                    channel.members.remove(SlackFake::BOT);
                }
            }
            return Ok(Value::Null);
        }
        // Over SCIM.
        "provision_user" => {
            let email = act.text("email")?;
            let text = |name: &str| act.args.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let user = if let Ok(user) = named_user(slack, email) {
                slack.activate(&user, cx);
                user
            } else {
                let seed = SeedUser { email: email.to_owned(), first_name: text("first_name"), last_name: text("last_name"), ..SeedUser::default() };
                let user = add_user(slack, seed);
                cx.emit("user.created", json!({ "user": user, "email": email }));
                user
            };
            return Ok(json!({ "user": user }));
        }
        "deprovision_user" => {
            let Ok(user) = named_user(slack, act.text("email")?) else { return Ok(Value::Null) };
            slack.deactivate(&user, cx);
            return Ok(json!({ "user": user }));
        }
        _ => {}
    }
    let user = named_user(slack, act.text("user")?)?;
    match act.act.as_str() {
        "join_channel" => {
            let channel = channel(slack)?;
            slack.enter(&channel, &user, cx);
        }
        "leave_channel" => {
            let channel = channel(slack)?;
            slack.leave(&channel, &user, cx);
        }
        "join_usergroup" | "leave_usergroup" => {
            let key = act.text("usergroup")?;
            let id = slack.workspace.usergroup(key).map(|group| group.id.clone());
            let group = id.and_then(|id| slack.workspace.usergroups.get_mut(&id)).ok_or_else(|| ActError::new(format!("no user group is called `{key}`")))?;
            if act.act == "join_usergroup" {
                group.users.insert(user.clone())
            } else {
                group.users.remove(&user)
            };
        }
        "accept_invitation" => {
            let known = slack.workspace.users.get_mut(&user).filter(|user| user.invited).ok_or_else(|| ActError::new("no invitation is open"))?;
            known.invited = false;
            let channels = std::mem::take(&mut known.invited_to);
            cx.emit("user.joined", json!({ "user": user }));
            for channel in channels {
                slack.enter(&channel, &user, cx);
            }
        }
        "set_role" => {
            let (team, role) = (act.text("team")?, act.text("role")?);
            let team = slack.workspace.teams.get_mut(team).ok_or_else(|| ActError::new("no such workspace"))?;
            team.admins.remove(&user);
            team.owners.remove(&user);
            match role {
                "admin" => team.admins.insert(user.clone()),
                "owner" => team.owners.insert(user.clone()),
                _ => false,
            };
        }
        "forget" => drop(slack.workspace.users.remove(&user)),
        "deactivate" => slack.deactivate(&user, cx),
        "reactivate" => slack.activate(&user, cx),
        "log_in" => {
            let known = slack.workspace.users.get_mut(&user).filter(|user| user.is_live()).ok_or_else(|| ActError::new("this user cannot log in"))?;
            known.sessions += 1;
        }
        _ => return Err(act.unknown()),
    }
    Ok(json!({ "user": user }))
}
