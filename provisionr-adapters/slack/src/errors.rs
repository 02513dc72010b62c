//! What Slack's error codes mean. HTTP says 200 to nearly all of them; `ok` is false then.
//! Source: the errors of each method on <https://docs.slack.dev/reference/methods>, which says of each list that others may come.

use http::StatusCode;
use provisionr_http::{Answer, by_status_saying, plain, throttled};
use provisionr_sdk::{AdapterError, Effect, RetryHint};
use serde_json::Value;

pub(crate) const INVITE: &str = "conversations.invite";
pub(crate) const ALREADY_IN: &str = "already_in_channel";

/// Invitations that name culprits one by one are answers to be read, not errors.
pub(crate) fn classify(answer: &Answer) -> Option<AdapterError> {
    if answer.status() == StatusCode::TOO_MANY_REQUESTS {
        return Some(throttled(answer).with_code("ratelimited"));
    }
    if !answer.status().is_success() {
        return by_status_saying(answer, None);
    }
    let body = answer.value();
    match body.get("ok").and_then(Value::as_bool) {
        Some(true) => None,
        Some(false) if answer.lane().is_some_and(|lane| *lane == *INVITE) && body.get("errors").is_some_and(Value::is_array) => None,
        Some(false) => Some(refusal(answer, &body)),
        None => Some(answer.unreadable("the answer does not say whether it is `ok`")),
    }
}

fn refusal(answer: &Answer, body: &Value) -> AdapterError {
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let code = text("error").unwrap_or_default();
    let (error, effect) = match code {
        "ratelimited" => (throttled(answer), Effect::None),
        "missing_scope" => {
            let (needed, provided) = (text("needed").unwrap_or("another"), text("provided").unwrap_or("none"));
            let said = plain(&format!("the token lacks the scope {needed}; it has {provided}")).unwrap_or_default();
            (AdapterError::permission_denied(said), Effect::None)
        }
        _ => read(code),
    };
    let error = error.with_code(plain(code).unwrap_or_default());
    if effect == Effect::Unknown { answer.maybe_done(error) } else { error }
}

/// What a code means that a write was refused with.
pub(crate) fn meaning(code: &str) -> AdapterError {
    let (error, effect) = read(code);
    let error = error.with_code(plain(code).unwrap_or_default());
    if effect == Effect::Unknown { error.effect_unknown() } else { error }
}

/// What a code means, and whether a write may be done all the same.
fn read(code: &str) -> (AdapterError, Effect) {
    let says = |text: &str| format!("Slack refused: {text}");
    let open = |error| (error, Effect::Unknown);
    let error = match code {
        // "It's possible some aspect of the operation succeeded before the error was raised."
        "fatal_error" => return open(AdapterError::unavailable(says("an error on its side; part of it may be done"))),
        "internal_error" | "service_unavailable" => return open(AdapterError::unavailable(says("it is not available"))),
        // The body of the request came in cut, so that nothing was done.
        "request_timeout" => AdapterError::timed_out(says("the request came in cut off")),
        "invalid_auth" | "not_authed" | "token_expired" | "token_revoked" | "account_inactive" | "invalid_authentication" => {
            AdapterError::unauthenticated(says("the token is not good"))
        }
        "not_allowed_token_type" => AdapterError::permission_denied(says("a token of this type cannot do this")),
        "plan_upgrade_required" | "paid_teams_only" | "feature_not_enabled" | "not_an_enterprise" | "enterprise_is_restricted" => {
            AdapterError::permission_denied(says("the plan of the workspace does not have this"))
        }
        "missing_scope"
        | "no_permission"
        | "permission_denied"
        | "access_denied"
        | "accesslimited"
        | "ekm_access_denied"
        | "not_an_admin"
        | "not_an_owner"
        | "invalid_permissions"
        | "invalid_actor"
        | "user_must_be_admin"
        | "two_factor_setup_required"
        | "is_bot" => AdapterError::permission_denied(says("the token's owner may not do this")),
        // A migration into an organisation; it ends.
        "org_login_required" | "team_added_to_org" | "external_channel_migrating" => AdapterError::not_ready(says("a migration is under way")),
        "channel_not_found" => AdapterError::not_found_unclear("the channel is not there, or private and the app is not in it"),
        "no_such_subteam" => AdapterError::target_not_found("the user group is not there"),
        "team_not_found" => AdapterError::target_not_found("the workspace is not there"),
        "user_not_found" | "users_not_found" | "no_user" => AdapterError::account_not_found("the user is not there"),
        "user_not_visible" => AdapterError::not_found_unclear("the user is not to be seen"),
        ALREADY_IN => AdapterError::conflict(says("the user is in the channel")),
        // On an invitation the caller is meant; for a removal the adapter reads it as the user itself.
        "not_in_channel" => AdapterError::conflict(says("the app is not in the channel")),
        "org_user_not_in_team" | "user_must_be_in_workspace" => {
            AdapterError::conflict(says("the user is of the organisation, and not in this workspace")).with_hint(RetryHint::Replan)
        }
        "already_in_team" | "already_in_team_invited_user" | "user_already_team_member" | "user_already_deleted" | "user_disabled" => {
            AdapterError::conflict(says("the account is there, or gone, already")).with_hint(RetryHint::Replan)
        }
        "cant_kick_from_general" => AdapterError::refused(says("nobody is taken out of the general channel")),
        "is_archived" => AdapterError::refused(says("the channel is archived")),
        "ura_max_channels" => AdapterError::refused(says("a single-channel guest is in one channel at most")),
        "user_is_restricted" => AdapterError::refused(says("a guest cannot be in this channel")),
        "restricted_action" => AdapterError::refused(says("a preference of the workspace forbids it")),
        "cannot_modify_primary_owner" | "cannot_reset_primary_owner" => AdapterError::refused(says("the primary owner is not to be changed")),
        "cant_kick_self"
        | "cant_invite_self"
        | "cant_invite"
        | "invitee_cant_see_channel"
        | "no_external_invite_permission"
        | "app_cannot_join_channel"
        | "channel_is_limited_access"
        | "too_many_members"
        | "subteam_max_users_exceeded"
        | "invalid_role_for_user"
        | "cannot_reset_bot"
        | "user_is_bot"
        | "not_supported"
        | "channel_type_not_supported"
        | "method_not_supported_for_channel_type"
        | "default_org_wide_channel"
        | "cannot_set_org_admin_to_regular_at_workspace_level"
        | "cannot_set_this_guest_to_regular_at_team_level" => AdapterError::refused(says("a rule forbids it")),
        "invalid_cursor" => AdapterError::stale_cursor("the cursor is none of this list, or too old"),
        "unknown_method" | "method_deprecated" | "deprecated_endpoint" => AdapterError::unsupported("this method of Slack's"),
        code if ["invalid_", "missing_", "too_many_", "no_", "failed_to_validate"].iter().any(|known| code.starts_with(known)) => {
            AdapterError::invalid_request(says("the request cannot work as it is"))
        }
        code if code.starts_with("failed_") || code.ends_with("_failed") => return open(AdapterError::unavailable(says("it failed on its side"))),
        _ => return open(AdapterError::other(says("with a code nobody has described"))),
    };
    (error, Effect::None)
}
