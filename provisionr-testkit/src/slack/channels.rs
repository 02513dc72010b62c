//! `conversations.*` and `users.conversations`.

use serde_json::{Value, json};

use super::SlackFake;
use super::answer::{self, arg, is_set, ok, page, refuse, set, text};
use super::state::SlackChannel;
use crate::fake::FakeContext;
use crate::message::FakeResponse;
use crate::router::{Call, Reply};

/// Most ids of one invitation: <https://docs.slack.dev/reference/methods/conversations.invite>.
const MOST_INVITED: usize = 100;

/// A private channel shows to its members only.
fn visible<'a>(slack: &'a SlackFake, key: &str, cx: &FakeContext) -> Result<&'a SlackChannel, FakeResponse> {
    let me = slack.caller(cx);
    let channel = slack.workspace.channels.get(key).filter(|channel| !channel.private || channel.members.contains(me));
    channel.ok_or_else(|| refuse("channel_not_found"))
}

/// The scope for private channels is another one than for public ones.
fn may(slack: &SlackFake, channel: &SlackChannel, public: &[&str], private: &[&str], cx: &FakeContext) -> Result<(), FakeResponse> {
    slack.allows(cx, if channel.private { private } else { public })
}

fn wanted(call: &Call<'_>) -> (bool, bool) {
    let types = arg(call, "types").unwrap_or_else(|| "public_channel".to_owned());
    (types.contains("public_channel"), types.contains("private_channel"))
}

fn shown(slack: &SlackFake, call: &Call<'_>, cx: &FakeContext, fits: impl Fn(&SlackChannel) -> bool) -> Result<Vec<(String, Value)>, FakeResponse> {
    let (public, private) = wanted(call);
    if public {
        slack.allows(cx, &["channels:read"])?;
    }
    if private {
        slack.allows(cx, &["groups:read"])?;
    }
    let me = slack.caller(cx);
    let live = is_set(call, "exclude_archived");
    let channels = slack.workspace.channels.values().filter(|channel| if channel.private { private && channel.members.contains(me) } else { public });
    let channels = channels.filter(|channel| !(live && channel.archived) && fits(channel));
    Ok(channels.map(|channel| (channel.id.clone(), answer::channel(slack, channel, me))).collect())
}

pub(super) fn list(slack: &mut SlackFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let channels = shown(slack, call, cx, |_| true)?;
    page(slack, call, "channels", 999, channels)
}

pub(super) fn of_user(slack: &mut SlackFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let user = arg(call, "user").unwrap_or_else(|| slack.caller(cx).to_owned());
    if !slack.workspace.users.contains_key(&user) {
        return Err(refuse("user_not_found"));
    }
    let channels = shown(slack, call, cx, |channel| channel.members.contains(&user))?;
    page(slack, call, "channels", 999, channels)
}

pub(super) fn info(slack: &mut SlackFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let channel = visible(slack, &text(call, "channel"), cx)?;
    may(slack, channel, &["channels:read"], &["groups:read"], cx)?;
    ok(json!({ "channel": answer::channel(slack, channel, slack.caller(cx)) }))
}

pub(super) fn members(slack: &mut SlackFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let channel = visible(slack, &text(call, "channel"), cx)?;
    may(slack, channel, &["channels:read"], &["groups:read"], cx)?;
    let members = channel.members.iter().map(|id| (id.clone(), id.as_str().into())).collect();
    page(slack, call, "members", 1000, members)
}

/// Why one user cannot be invited.
fn hindrance(slack: &SlackFake, channel: &SlackChannel, id: &str, me: &str) -> Option<&'static str> {
    let Some(user) = slack.workspace.users.get(id) else { return Some("user_not_found") };
    Some(match user {
        _ if id == me => "cant_invite_self",
        _ if channel.members.contains(id) => "already_in_channel",
        user if user.deleted => "user_not_found",
        user if user.invited => "cant_invite",
        user if user.team != slack.workspace.team && !channel.ext_shared => "org_user_not_in_team",
        user if user.ultra_restricted && slack.workspace.channels.values().any(|channel| channel.members.contains(id)) => "ura_max_channels",
        user if user.restricted && channel.general => "user_is_restricted",
        _ => return None,
    })
}

/// Without `force` one bad id fails all: <https://docs.slack.dev/reference/methods/conversations.invite>.
pub(super) fn invite(slack: &mut SlackFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let channel = visible(slack, &text(call, "channel"), cx)?.clone();
    may(slack, &channel, &["channels:write.invites", "channels:manage", "channels:write"], &["groups:write.invites", "groups:write"], cx)?;
    let me = slack.caller(cx).to_owned();
    let users = text(call, "users");
    let ids: Vec<&str> = users.split(',').map(str::trim).filter(|id| !id.is_empty()).collect();
    if ids.is_empty() {
        return Err(refuse("no_user"));
    }
    if ids.len() > MOST_INVITED {
        return Err(refuse("too_many_users"));
    }
    if channel.archived {
        return Err(refuse("is_archived"));
    }
    if !channel.members.contains(&me) {
        return Err(refuse("not_in_channel"));
    }
    if !channel.idp_groups.is_empty() {
        return Err(refuse("cant_invite"));
    }
    let errors: Vec<_> = ids.iter().filter_map(|id| Some((*id, hindrance(slack, &channel, id, &me)?))).collect();
    let listed: Vec<Value> = errors.iter().map(|(id, code)| json!({ "user": id, "ok": false, "error": code })).collect();
    let good: Vec<&str> = ids.into_iter().filter(|id| !errors.iter().any(|(bad, _)| bad == id)).collect();
    if let Some((_, first)) = errors.first()
        && (good.is_empty() || !is_set(call, "force"))
    {
        return Ok(FakeResponse::json(200, &json!({ "ok": false, "error": first, "errors": listed })));
    }
    for id in good {
        slack.enter(&channel.id, id, cx);
    }
    let channel = visible(slack, &channel.id, cx)?;
    let mut fields = json!({ "channel": answer::channel(slack, channel, &me) });
    if !listed.is_empty() {
        set(&mut fields, "errors", listed);
    }
    ok(fields)
}

pub(super) fn join(slack: &mut SlackFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let channel = visible(slack, &text(call, "channel"), cx)?.clone();
    if channel.private {
        return Err(refuse("method_not_supported_for_channel_type"));
    }
    if channel.archived {
        return Err(refuse("is_archived"));
    }
    let me = slack.caller(cx).to_owned();
    let was_in = !slack.enter(&channel.id, &me, cx);
    let channel = visible(slack, &channel.id, cx)?;
    let mut fields = json!({ "channel": answer::channel(slack, channel, &me) });
    if was_in {
        set(&mut fields, "warning", "already_in_channel");
        set(&mut fields, "response_metadata", json!({ "warnings": ["already_in_channel"] }));
    }
    ok(fields)
}

pub(super) fn kick(slack: &mut SlackFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let channel = visible(slack, &text(call, "channel"), cx)?.clone();
    may(slack, &channel, &["channels:manage", "channels:write"], &["groups:write"], cx)?;
    let (me, user) = (slack.caller(cx).to_owned(), text(call, "user"));
    if !channel.members.contains(&me) {
        return Err(refuse("not_in_channel"));
    }
    if user == me {
        return Err(refuse("cant_kick_self"));
    }
    if !slack.workspace.users.contains_key(&user) {
        return Err(refuse("user_not_found"));
    }
    if channel.general {
        return Err(refuse("cant_kick_from_general"));
    }
    if !slack.leave(&channel.id, &user, cx) {
        return Err(refuse("not_in_channel"));
    }
    ok(json!({ "errors": {} }))
}

/// The groups of the identity provider that alone may enter a private channel.
pub(super) fn idp_groups(slack: &mut SlackFake, call: &Call<'_>, _: &mut FakeContext) -> Reply {
    match slack.workspace.channels.get(&text(call, "channel_id")) {
        Some(channel) => ok(json!({ "group_ids": channel.idp_groups })),
        None => Err(refuse("channel_not_found")),
    }
}
