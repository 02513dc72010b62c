//! Slack's form of answers: `ok`, objects, pages.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::SlackFake;
use super::state::{SlackChannel, SlackUser, SlackUsergroup};
use crate::message::FakeResponse;
use crate::router::{Call, Reply};

/// When everything was made, in the seconds Slack counts in.
const CREATED: i64 = 1_700_000_000;

/// Sets a field of an object.
pub(super) fn set(value: &mut Value, name: &str, to: impl Into<Value>) {
    if let Value::Object(fields) = value {
        fields.insert(name.to_owned(), to.into());
    }
}

/// A success with these fields.
pub(super) fn ok(mut fields: Value) -> Reply {
    set(&mut fields, "ok", true);
    Ok(FakeResponse::json(200, &fields))
}

/// A refusal: HTTP says 200 all the same.
pub(super) fn refuse(code: &str) -> FakeResponse {
    FakeResponse::json(200, &json!({ "ok": false, "error": code }))
}

/// An argument: of the query, of a form, or of a JSON body. Lists are joined by commas.
pub(super) fn arg(call: &Call<'_>, name: &str) -> Option<String> {
    let request = call.request;
    if let Some(value) = request.query(name) {
        return Some(value);
    }
    if !request.header("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
        return request.form(name);
    }
    match request.json::<Value>().ok()?.get(name)? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(items) => Some(items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")),
        other => Some(other.to_string()),
    }
}

pub(super) fn text(call: &Call<'_>, name: &str) -> String {
    arg(call, name).unwrap_or_default()
}

pub(super) fn is_set(call: &Call<'_>, name: &str) -> bool {
    matches!(arg(call, name).as_deref(), Some("true" | "1"))
}

/// One page of a list sorted by key, in Slack's form: the cursor is opaque, and empty at the end.
pub(super) fn page(slack: &SlackFake, call: &Call<'_>, field: &str, most: usize, items: Vec<(String, Value)>) -> Reply {
    let settings = &slack.workspace.settings;
    let limit = match arg(call, "limit").as_deref() {
        None | Some("" | "0") => most,
        Some(text) => text.parse().ok().filter(|limit| (1..=most).contains(limit)).ok_or_else(|| refuse("invalid_limit"))?,
    };
    let cursor = arg(call, "cursor").filter(|cursor| !cursor.is_empty());
    let read = |cursor: String| {
        let plain = String::from_utf8(BASE64_STANDARD.decode(cursor).ok()?).ok()?;
        let (empty, key) = plain.strip_prefix("next:")?.split_once(':')?;
        Some((empty.parse::<usize>().ok()?, key.to_owned()))
    };
    let (empty, from) = match cursor {
        None => (settings.empty_pages, String::new()),
        Some(cursor) => read(cursor).ok_or_else(|| refuse("invalid_cursor"))?,
    };
    let size = if empty > 0 { 0 } else { limit.min(settings.page_size) };
    let mut left = items.into_iter().filter(|(key, _)| *key >= from);
    let shown: Vec<Value> = left.by_ref().take(size).map(|(_, item)| item).collect();
    let next = left.next().map_or_else(String::new, |(key, _)| BASE64_STANDARD.encode(format!("next:{}:{key}", empty.saturating_sub(1))));
    ok(json!({ field: shown, "response_metadata": { "next_cursor": next } }))
}

/// A user as `users.info` and the lists show it.
pub(super) fn user(slack: &SlackFake, user: &SlackUser) -> Value {
    let home = slack.workspace.teams.get(&slack.workspace.team);
    let owner = home.is_some_and(|team| team.owners.contains(&user.id));
    let mut shown = json!({
        "id": user.id,
        "team_id": user.team,
        "name": user.name,
        "deleted": user.deleted,
        "real_name": user.real_name(),
        "profile": {
            "avatar_hash": "g00000000000",
            "image_24": "https://avatars.test/24.jpg",
            "phone": "",
            "skype": "",
            "status_text": "",
            "status_emoji": "",
            "fields": null,
            "real_name": user.real_name(),
            "real_name_normalized": user.real_name(),
            "display_name": user.display_name,
            "display_name_normalized": user.display_name,
            "first_name": user.first_name,
            "last_name": user.last_name,
            "title": user.title,
            "team": user.team,
        },
        "is_bot": user.bot,
        "is_app_user": false,
        "updated": CREATED,
    });
    if user.elsewhere {
        let organisation = "E0000000001";
        set(&mut shown, "team_id", organisation);
        set(
            &mut shown,
            "enterprise_user",
            json!({ "id": user.id, "enterprise_id": organisation, "enterprise_name": "Company", "is_admin": false, "is_owner": false, "teams": [] }),
        );
    }
    if let (false, Some(profile)) = (user.email.is_empty(), shown.get_mut("profile")) {
        set(profile, "email", user.email.as_str());
    }
    if user.stranger {
        set(&mut shown, "is_stranger", true);
    }
    if !user.deleted {
        set(&mut shown, "is_admin", owner || home.is_some_and(|team| team.admins.contains(&user.id)));
        set(&mut shown, "is_owner", owner);
        set(&mut shown, "is_primary_owner", home.is_some_and(|team| team.owners.first() == Some(&user.id)));
        set(&mut shown, "is_restricted", user.restricted || user.ultra_restricted);
        set(&mut shown, "is_ultra_restricted", user.ultra_restricted);
        if user.invited {
            set(&mut shown, "is_invited_user", true);
        }
    }
    shown
}

/// A channel as a user sees it.
pub(super) fn channel(slack: &SlackFake, channel: &SlackChannel, viewer: &str) -> Value {
    let team = &slack.workspace.team;
    let said = json!({ "value": "", "creator": "", "last_set": 0 });
    let mut shown = json!({
        "id": channel.id,
        "name": channel.name,
        "name_normalized": channel.name,
        "is_channel": !channel.private,
        "is_group": channel.private,
        "is_im": false,
        "is_mpim": false,
        "is_private": channel.private,
        "is_archived": channel.archived,
        "is_general": channel.general,
        "is_shared": channel.ext_shared,
        "is_ext_shared": channel.ext_shared,
        "is_org_shared": false,
        "is_pending_ext_shared": false,
        "pending_shared": [],
        "context_team_id": team,
        "shared_team_ids": [team],
        "is_member": channel.members.contains(viewer),
        "created": CREATED,
        "creator": "U0000000000",
        "unlinked": 0,
        "topic": said,
        "purpose": said,
        "previous_names": [],
        "num_members": channel.members.len(),
    });
    if channel.ext_shared {
        set(&mut shown, "conversation_host_id", channel.host.as_ref().unwrap_or(team).as_str());
    }
    shown
}

/// A user group as the API shows it.
pub(super) fn usergroup(slack: &SlackFake, group: &SlackUsergroup) -> Value {
    json!({
        "id": group.id,
        "team_id": slack.workspace.team,
        "is_usergroup": true,
        "is_subteam": true,
        "name": group.handle,
        "description": "",
        "handle": group.handle,
        "is_external": false,
        "date_create": CREATED,
        "date_update": CREATED,
        "date_delete": if group.disabled { CREATED } else { 0 },
        "auto_type": group.auto_type,
        "auto_provision": group.auto_provision,
        "enterprise_subteam_id": "",
        "created_by": "U0000000000",
        "updated_by": "U0000000000",
        "deleted_by": null,
        "prefs": { "channels": [], "groups": [] },
        "users": group.users,
        "user_count": group.users.len(),
    })
}
