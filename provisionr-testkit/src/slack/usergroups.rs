//! `usergroups.*`.

use std::collections::BTreeSet;

use serde_json::json;

use super::SlackFake;
use super::answer::{self, is_set, ok, refuse, text};
use super::state::{Plan, SlackUsergroup};
use crate::fake::FakeContext;
use crate::message::FakeResponse;
use crate::router::{Call, Reply};

fn paid(slack: &SlackFake) -> Result<(), FakeResponse> {
    if slack.workspace.settings.plan == Plan::Free { Err(refuse("plan_upgrade_required")) } else { Ok(()) }
}

fn group<'a>(slack: &'a mut SlackFake, call: &Call<'_>) -> Result<&'a mut SlackUsergroup, FakeResponse> {
    paid(slack)?;
    slack.workspace.usergroups.get_mut(&text(call, "usergroup")).ok_or_else(|| refuse("no_such_subteam"))
}

/// Not paged: the reference has no cursor among its arguments.
pub(super) fn list(slack: &mut SlackFake, call: &Call<'_>, _: &mut FakeContext) -> Reply {
    paid(slack)?;
    let groups = slack.workspace.usergroups.values().filter(|group| !group.disabled || is_set(call, "include_disabled"));
    let mut shown: Vec<_> = groups.map(|group| answer::usergroup(slack, group)).collect();
    if !is_set(call, "include_users") {
        for fields in shown.iter_mut().filter_map(|group| group.as_object_mut()) {
            fields.remove("users");
        }
    }
    ok(json!({ "usergroups": shown }))
}

pub(super) fn users(slack: &mut SlackFake, call: &Call<'_>, _: &mut FakeContext) -> Reply {
    let disabled = is_set(call, "include_disabled");
    let group = group(slack, call)?;
    if group.disabled && !disabled {
        return Err(refuse("no_such_subteam"));
    }
    ok(json!({ "users": group.users }))
}

/// The list that is given is the whole list from now on.
pub(super) fn update(slack: &mut SlackFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    let wanted = text(call, "users");
    let wanted: BTreeSet<String> = wanted.split(',').map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect();
    group(slack, call)?;
    if wanted.is_empty() {
        return Err(refuse("no_users_provided"));
    }
    if wanted.iter().any(|id| !slack.workspace.users.get(id).is_some_and(super::state::SlackUser::is_live)) {
        return Err(refuse("invalid_users"));
    }
    let group = group(slack, call)?;
    if group.auto_type.is_some() || group.auto_provision {
        return Err(refuse("permission_denied"));
    }
    if group.users != wanted {
        cx.emit("usergroup.updated", json!({ "usergroup": group.id, "handle": group.handle, "before": group.users, "after": wanted }));
        group.users = wanted;
    }
    let group = group.clone();
    ok(json!({ "usergroup": answer::usergroup(slack, &group) }))
}

pub(super) fn disable(slack: &mut SlackFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    switch(slack, call, "usergroup.disabled", cx)
}

pub(super) fn enable(slack: &mut SlackFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    switch(slack, call, "usergroup.enabled", cx)
}

fn switch(slack: &mut SlackFake, call: &Call<'_>, event: &str, cx: &mut FakeContext) -> Reply {
    let group = group(slack, call)?;
    let disabled = event == "usergroup.disabled";
    if group.disabled != disabled {
        group.disabled = disabled;
        cx.emit(event, json!({ "usergroup": group.id, "handle": group.handle }));
    }
    let group = group.clone();
    ok(json!({ "usergroup": answer::usergroup(slack, &group) }))
}
