//! A user's way through the statuses.

use serde_json::json;

use super::OktaFake;
use super::answer::{self, error, known_parameters, wrong_status};
use super::state::{DeactivatedGroups, DeactivatedPassword, GroupType, OktaUser, UserStatus};
use super::users::find;
use crate::fake::FakeContext;
use crate::message::{FakeRequest, FakeResponse};
use crate::router::{Call, Reply};

/// What an activation brings with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transition {
    /// A mail with the activation link is sent.
    pub(super) mail: bool,
    /// The password counts as expired.
    pub(super) expired: bool,
}

/// Refuses while a transition is under way.
pub(super) fn settled(user: &OktaUser, cx: &FakeContext) -> Result<(), FakeResponse> {
    match user.transitioning_to {
        None => Ok(()),
        Some(_) => Err(error(cx, 409, "E0000112", "Unable to update the user. The user is still being activated or deactivated. Try again later.", &[])),
    }
}

/// Changes the status at once.
pub(super) fn enter(okta: &mut OktaFake, id: &str, to: UserStatus, cx: &mut FakeContext) {
    let Some(user) = okta.org.users.get_mut(id) else { return };
    let from = user.status;
    user.transitioning_to = None;
    if from == to {
        return;
    }
    user.status = to;
    user.status_changed = Some(cx.now());
    user.last_updated = cx.now();
    if user.is_live() && user.activated.is_none() {
        user.activated = Some(cx.now());
    }
    if to == UserStatus::Deprovisioned && okta.org.settings.deactivated_password == DeactivatedPassword::Cleared {
        user.has_password = false;
    }
    if matches!(to, UserStatus::Suspended | UserStatus::Deprovisioned) {
        user.sessions = 0;
    }
    cx.emit("user.status_changed", json!({ "user": id, "login": user.login(), "from": from, "to": to }));
    if to == UserStatus::Deprovisioned {
        okta.org.unassign_all(id, cx);
        if okta.org.settings.deactivation == DeactivatedGroups::Left {
            for group in okta.org.groups.values_mut().filter(|group| group.kind != GroupType::BuiltIn) {
                group.members.remove(id);
            }
        }
    } else {
        okta.org.apply_rules(id, cx);
    }
}

/// Changes the status after as long as the org takes for it.
fn move_to(okta: &mut OktaFake, id: &str, to: UserStatus, takes: std::time::Duration, cx: &mut FakeContext) {
    if takes.is_zero() {
        return enter(okta, id, to, cx);
    }
    if let Some(user) = okta.org.users.get_mut(id) {
        user.transitioning_to = Some(to);
        cx.later(takes, "finish_transition", json!({ "user": id, "to": to }));
    }
}

/// Activates: with a password, or another identity provider, to ACTIVE; else to PROVISIONED until the person has come.
pub(super) fn activate(okta: &mut OktaFake, id: &str, with: Transition, cx: &mut FakeContext) {
    let Some(user) = okta.org.users.get(id) else { return };
    let to = match user.provider.as_str() {
        "OKTA" if with.expired => UserStatus::PasswordExpired,
        "OKTA" if !user.has_password => UserStatus::Provisioned,
        _ => UserStatus::Active,
    };
    if with.mail && to == UserStatus::Provisioned {
        mail(user, "activation", cx);
    }
    let takes = okta.org.settings.transition;
    move_to(okta, id, to, takes, cx);
}

fn mail(user: &OktaUser, kind: &str, cx: &mut FakeContext) {
    cx.emit("user.mail", json!({ "user": user.id, "login": user.login(), "mail": kind }));
}

/// Deactivates; later when asked to respond asynchronously.
pub(super) fn deactivate(okta: &mut OktaFake, id: &str, request: &FakeRequest, cx: &mut FakeContext) {
    let asked = request.header("prefer") == Some("respond-async");
    let takes = okta.org.settings.transition;
    let takes = if asked { takes.max(std::time::Duration::from_secs(1)) } else { takes };
    move_to(okta, id, UserStatus::Deprovisioned, takes, cx);
}

fn link(cx: &FakeContext) -> FakeResponse {
    let token = format!("XE6wE17zmphl3KqAP{}", cx.request_number());
    FakeResponse::json(200, &json!({ "activationUrl": format!("{}/welcome/{token}", cx.base_url()), "activationToken": token }))
}

pub(super) fn post_activate(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["sendEmail"])?;
    let user = find(okta, call, "id", cx)?;
    settled(&user, cx)?;
    match user.status {
        UserStatus::Staged | UserStatus::Deprovisioned => {}
        UserStatus::Active => return Err(error(cx, 403, "E0000016", "Activation failed because the user is already active", &[])),
        _ => return Err(wrong_status(cx)),
    }
    let mail = call.request.query("sendEmail").as_deref() != Some("false");
    activate(okta, &user.id, Transition { mail, expired: false }, cx);
    Ok(if mail { FakeResponse::json(200, &json!({})) } else { link(cx) })
}

/// Sends the activation once more; it is not a way back from deactivation.
pub(super) fn post_reactivate(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["sendEmail"])?;
    let user = find(okta, call, "id", cx)?;
    if !matches!(user.status, UserStatus::Provisioned | UserStatus::Recovery) {
        return Err(wrong_status(cx));
    }
    if call.request.query("sendEmail").as_deref() == Some("true") {
        mail(&user, "activation", cx);
        return Ok(FakeResponse::json(200, &json!({})));
    }
    Ok(link(cx))
}

pub(super) fn post_deactivate(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &["sendEmail"])?;
    let user = find(okta, call, "id", cx)?;
    settled(&user, cx)?;
    if user.status == UserStatus::Deprovisioned {
        return Err(wrong_status(cx));
    }
    deactivate(okta, &user.id, call.request, cx);
    Ok(FakeResponse::empty(200))
}

pub(super) fn post_suspend(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let user = find(okta, call, "id", cx)?;
    if user.status != UserStatus::Active {
        return Err(error(cx, 400, "E0000001", "Api validation failed: suspendUser", &["Cannot suspend a user that is not active"]));
    }
    enter(okta, &user.id, UserStatus::Suspended, cx);
    Ok(FakeResponse::empty(200))
}

pub(super) fn post_unsuspend(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let user = find(okta, call, "id", cx)?;
    if user.status != UserStatus::Suspended {
        return Err(error(cx, 400, "E0000001", "Api validation failed: unsuspendUser", &["Cannot unsuspend a user that is not suspended"]));
    }
    enter(okta, &user.id, UserStatus::Active, cx);
    Ok(FakeResponse::empty(200))
}

/// An active user may be unlocked from unknown devices; this fake keeps no such locks and accepts it.
pub(super) fn post_unlock(okta: &mut OktaFake, call: &Call<'_>, cx: &mut FakeContext) -> Reply {
    known_parameters(call.request, cx, &[])?;
    let user = find(okta, call, "id", cx)?;
    match user.status {
        UserStatus::LockedOut => enter(okta, &user.id, UserStatus::Active, cx),
        UserStatus::Active => {}
        _ => return Err(answer::error(cx, 403, "E0000032", "Unlock is not allowed for this user.", &[])),
    }
    Ok(FakeResponse::empty(200))
}
