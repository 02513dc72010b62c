//! What goes wrong on the way: each with its kind, hint and effect, and never tried again inside.

use std::time::Duration;

use provisionr_sdk::{Access, Account, AdapterError, Change, Effect, ErrorKind, Request, RetryHint, Scope};

use crate::conformance::bench::{Bench, error_of, writes};
use crate::conformance::trouble::Trouble;
use crate::conformance::verdict::{Case, Stop, demand, does_not_apply};

/// A write to try things with.
async fn a_write(bench: &Bench<'_>) -> Result<(Account, Request), Stop> {
    let kind = bench.managed()?.into_iter().next().ok_or_else(|| does_not_apply("it manages no kind"))?;
    let account = bench.ready_for(&kind).await?;
    let wanted = bench.wanted(&kind).await?;
    let request = bench.request(&account, Change::Grant(wanted));
    Ok((account, request))
}

async fn failed_read(bench: &Bench<'_>, trouble: Trouble) -> Result<AdapterError, Stop> {
    let (person, account) = bench.account_in(provisionr_sdk::AccountState::Active).await?;
    let mut who = bench.who(&person);
    who.known = Some(account.id);
    bench.trouble(trouble).await?;
    let error = error_of(bench.find(&who).await, &format!("after {trouble:?}"))?;
    demand!(error.effect() == Effect::None, "a read changes nothing, and the error ({error}) leaves the effect open");
    Ok(error)
}

async fn failed_write(bench: &Bench<'_>, trouble: Trouble) -> Result<AdapterError, Stop> {
    let (_, request) = a_write(bench).await?;
    bench.trouble(trouble).await?;
    let before = bench.harness.requests().map(|log| log.len());
    let error = error_of(bench.apply(&request).await, &format!("after {trouble:?}"))?;
    if let Some(before) = before {
        let written = writes(&bench.requests_since(before)?);
        // A credential that was refused may be renewed, and the request sent with the new one.
        let most = if matches!(trouble, Trouble::Unauthenticated(_)) { 2 } else { 1 };
        demand!(written <= most, "one attempt is one write, and {written} were sent after {trouble:?}");
    }
    Ok(error)
}

pub(in crate::conformance) async fn throttling_is_told_with_its_pause(bench: &Bench<'_>) -> Case {
    let pause = Duration::from_secs(7);
    for access in [Access::Read, Access::Write] {
        let trouble = Trouble::Throttle(access, pause);
        let heard = bench.gate.heard().len();
        let error = if access == Access::Read { failed_read(bench, trouble).await? } else { failed_write(bench, trouble).await? };
        let ErrorKind::RateLimited(lane) = error.kind() else {
            return Err(crate::conformance::verdict::fails(format!("too much at once is {:?}: {error}", error.kind())));
        };
        demand!(error.effect() == Effect::None, "a throttled {access:?} changes nothing, and the error leaves the effect open");
        // Clocks of vendors count whole seconds, and round; a client that adds a second for that is right.
        let near = |told: Duration| told >= pause.saturating_sub(Duration::from_secs(1)) && told <= pause + Duration::from_secs(2);
        demand!(matches!(error.hint(), RetryHint::After(told) if near(told)), "the vendor asked for {pause:?}, and the hint is {:?}", error.hint());
        let lanes = &bench.descriptor().lanes;
        if lanes.is_empty() {
            continue;
        }
        demand!(lanes.iter().any(|declared| declared.id == *lane), "the lane `{lane}` is not declared");
        let heard = bench.gate.heard().split_off(heard);
        let told = heard.iter().any(|(on, reading)| on == lane && reading.pause.is_some_and(near));
        demand!(told, "the pause was not passed on to the lane `{lane}`: {heard:?}");
    }
    Ok(())
}

pub(in crate::conformance) async fn throttled_requests_are_not_sent_again(bench: &Bench<'_>) -> Case {
    bench.requests()?;
    let account = bench.active().await?;
    bench.trouble(Trouble::Throttle(Access::Read, Duration::from_secs(7))).await?;
    let before = bench.requests()?.len();
    error_of(bench.find(&provisionr_sdk::AccountQuery::known(account.id)).await, "after throttling")?;
    let sent = bench.requests_since(before)?;
    demand!(sent.len() == 1, "the first request was throttled, and {} were sent", sent.len());
    let (_, request) = a_write(bench).await?;
    bench.trouble(Trouble::Throttle(Access::Write, Duration::from_secs(7))).await?;
    let before = bench.requests()?.len();
    error_of(bench.apply(&request).await, "after throttling")?;
    let sent = bench.requests_since(before)?;
    let last = sent.last().map(|request| request.access);
    demand!(writes(&sent) == 1 && last == Some(Access::Write), "the write was throttled, and these were sent: {sent:?}");
    Ok(())
}

pub(in crate::conformance) async fn a_refused_credential_is_unauthenticated(bench: &Bench<'_>) -> Case {
    for access in [Access::Read, Access::Write] {
        let trouble = Trouble::Unauthenticated(access);
        let error = if access == Access::Read { failed_read(bench, trouble).await? } else { failed_write(bench, trouble).await? };
        demand!(*error.kind() == ErrorKind::Unauthenticated && error.effect() == Effect::None, "a refused credential is {:?} ({access:?})", error.kind());
    }
    Ok(())
}

pub(in crate::conformance) async fn a_forbidden_request_is_permission_denied(bench: &Bench<'_>) -> Case {
    for access in [Access::Read, Access::Write] {
        let trouble = Trouble::Forbidden(access);
        let error = if access == Access::Read { failed_read(bench, trouble).await? } else { failed_write(bench, trouble).await? };
        demand!(*error.kind() == ErrorKind::PermissionDenied && error.effect() == Effect::None, "a forbidden request is {:?} ({access:?})", error.kind());
    }
    Ok(())
}

pub(in crate::conformance) async fn a_server_error_leaves_the_effect_of_a_write_open(bench: &Bench<'_>) -> Case {
    let error = failed_write(bench, Trouble::ServerError(Access::Write)).await?;
    demand!(error.effect() == Effect::Unknown, "a server error says nothing of the effect, and the error ({error}) says there is none");
    demand!(error.hint() != RetryHint::Never, "a server error passes, and the hint is {:?}", error.hint());
    let error = failed_read(bench, Trouble::ServerError(Access::Read)).await?;
    demand!(error.hint() != RetryHint::Never, "a server error passes, and the hint is {:?}", error.hint());
    Ok(())
}

pub(in crate::conformance) async fn a_cut_connection_leaves_the_effect_of_a_write_open(bench: &Bench<'_>) -> Case {
    for trouble in [Trouble::LoseRequest(Access::Write), Trouble::LoseAnswer] {
        let error = failed_write(bench, trouble).await?;
        demand!(error.effect() == Effect::Unknown, "after {trouble:?} nobody can know, and the error ({error}) says nothing was changed");
    }
    failed_read(bench, Trouble::LoseRequest(Access::Read)).await?;
    Ok(())
}

pub(in crate::conformance) async fn a_late_answer_is_timed_out(bench: &Bench<'_>) -> Case {
    let error = failed_write(bench, Trouble::AnswerTooLate).await?;
    let right = *error.kind() == ErrorKind::TimedOut && error.effect() == Effect::Unknown;
    demand!(right, "an answer that never came is {:?} with effect {:?}: {error}", error.kind(), error.effect());
    Ok(())
}

pub(in crate::conformance) async fn a_connection_never_made_has_no_effect(bench: &Bench<'_>) -> Case {
    let error = failed_write(bench, Trouble::Unreachable(Access::Write)).await?;
    let right = *error.kind() == ErrorKind::Unavailable && error.effect() == Effect::None;
    demand!(right, "a system that cannot be reached is {:?} with effect {:?}: {error}", error.kind(), error.effect());
    Ok(())
}

pub(in crate::conformance) async fn a_page_of_html_is_a_protocol_error(bench: &Bench<'_>) -> Case {
    let error = failed_read(bench, Trouble::Html(Access::Read)).await?;
    demand!(*error.kind() == ErrorKind::Protocol, "a page of HTML is {:?}: {error}", error.kind());
    Ok(())
}

pub(in crate::conformance) async fn unknown_fields_are_tolerated(bench: &Bench<'_>) -> Case {
    let (account, request) = match a_write(bench).await {
        Ok((account, request)) => (account, Some(request)),
        Err(Stop::DoesNotApply(_)) => (bench.active().await?, None),
        Err(stop) => return Err(stop),
    };
    bench.trouble(Trouble::UnknownFields).await?;
    if let Some(request) = request {
        bench.apply(&request).await?;
    }
    bench.observe(&account, &Scope::All).await?;
    bench.find(&provisionr_sdk::AccountQuery::known(account.id)).await?;
    if bench.descriptor().has(&provisionr_sdk::Ability::CreateAccount) {
        bench.apply(&bench.ensure(&bench.person())).await?;
    }
    bench.adapter.check(&bench.cx).await?;
    Ok(())
}
