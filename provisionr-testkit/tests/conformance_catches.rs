//! The suite is worth something: an adapter that breaks a promise fails the case of that promise, and every case has
//! been seen to fail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "catches/broken.rs"]
mod broken;

use std::collections::BTreeSet;

use broken::{Breakage, Broken, SECRET};
use provisionr_sdk::{BatchRule, Cardinality, ChangeFacts, Descriptor, Kind, Lane};
use provisionr_testkit::conformance::{self, MemoryHarness, Skip, Verdict};
use provisionr_testkit::{JoinGroup, MemoryAdapter};

const SKIPS: &[Skip<'_>] = &[("a_page_of_html_is_a_protocol_error a_gateways_404_* unknown_fields_are_tolerated", "nothing is sent over a wire")];

/// Each breakage, and a case that has to notice it.
const CATCHES: &[(Breakage, &str)] = &[
    (Breakage::DescriptorChanges, "descriptor_is_constant"),
    (Breakage::DescriptorContradictsItself, "descriptor_agrees_with_itself"),
    (Breakage::KindCannotReadItsLines, "kinds_read_their_own_policy_lines"),
    (Breakage::AbilityNotDeclared, "what_is_not_declared_is_unsupported"),
    (Breakage::UndeclaredChangesSucceed, "what_is_not_declared_is_unsupported"),
    (Breakage::CheckInventsAbilities, "check_stays_within_the_descriptor"),
    (Breakage::KnownIdIsIgnored, "find_takes_the_known_id_first"),
    (Breakage::OnlyTheFirstKey, "find_tries_the_next_key"),
    (Breakage::KeysForgottenAfterAnId, "find_tries_keys_after_a_known_id_that_is_gone"),
    (Breakage::NobodyIsAnError, "find_nobody_is_none"),
    (Breakage::UnknownKeysArePassedOver, "find_by_a_key_it_does_not_know_cannot_tell"),
    (Breakage::SeveralBecomeTheFirst, "find_tells_several_apart_from_one"),
    (Breakage::BlindBecomesNone, "find_that_cannot_see_everything_cannot_tell"),
    (Breakage::SuspendedNotFound, "find_sees_suspended_accounts"),
    (Breakage::DeactivatedNotFound, "find_sees_deactivated_accounts"),
    (Breakage::InvitedNotFound, "find_sees_invited_accounts"),
    (Breakage::ErrorsBecomeNone, "find_never_takes_an_error_for_none"),
    (Breakage::AccountMadeTwice, "ensure_makes_an_account_once"),
    (Breakage::AccountNotAdopted, "ensure_takes_the_account_that_is_there"),
    (Breakage::ProfileForgotten, "ensure_fills_the_profile"),
    (Breakage::OnlyTheFirstLogin, "ensure_passes_over_a_login_another_person_has"),
    (Breakage::UpdateClearsTheRest, "update_leaves_other_attributes_alone"),
    (Breakage::StateNotChanged, "each_declared_transition_happens"),
    (Breakage::RepeatIsAnError, "grant_repeated_has_no_second_effect"),
    (Breakage::RepeatIsAnError, "revoke_repeated_has_no_second_effect"),
    (Breakage::RepeatIsAnError, "set_state_repeated_has_no_second_effect"),
    (Breakage::RepeatIsApplied, "update_repeated_has_no_second_effect"),
    (Breakage::SecondRow, "grant_repeated_has_no_second_effect"),
    (Breakage::SecondMail, "ensure_repeated_has_no_second_effect"),
    (Breakage::SuspensionRevokes, "suspension_keeps_what_is_held"),
    (Breakage::SessionsStay, "end_sessions_ends_all_and_can_be_repeated"),
    (Breakage::OwnerNotNamed, "an_account_owned_elsewhere_names_its_owner"),
    (Breakage::OwnerNotNamed, "grant_on_a_target_owned_elsewhere_names_the_owner"),
    (Breakage::OwnerNotNamed, "resolve_names_the_owner_of_a_target"),
    (Breakage::RoleNotChanged, "grant_of_another_role_changes_the_role"),
    (Breakage::ValueNotChanged, "grant_of_another_value_changes_the_value"),
    (Breakage::SecondOfOneAllowed, "grant_of_the_one_allowed_replaces_the_other"),
    (Breakage::InheritedIsMadeDirect, "grant_that_is_inherited_is_unchanged"),
    (Breakage::InheritedIsAlwaysEnough, "grant_above_what_is_inherited_is_made"),
    (Breakage::InheritedIsRevoked, "revoke_never_touches_what_is_inherited"),
    (Breakage::StillEffectiveNotShown, "revoke_shows_what_stays_in_force"),
    (Breakage::ExpectIgnored, "revoke_of_another_role_than_expected_is_a_conflict"),
    (Breakage::HiddenCountsAsGone, "revoke_on_a_hidden_target_is_unclear"),
    (Breakage::RevokesFromEverybody, "revoke_leaves_other_targets_and_people_alone"),
    (Breakage::RevokeForgetsWhat, "revoke_takes_and_says_what"),
    (Breakage::UnknownCalledNone, "grant_with_a_lost_answer_is_found_by_a_probe"),
    (Breakage::UnknownCalledNone, "grant_with_a_late_answer_is_timed_out_and_found_by_a_probe"),
    (Breakage::UnknownCalledNone, "revoke_with_a_lost_answer_is_found_by_a_probe"),
    (Breakage::UnknownCalledNone, "ensure_with_a_lost_answer_is_found_by_a_probe"),
    (Breakage::UnknownCalledNone, "set_state_with_a_lost_answer_is_found_by_a_probe"),
    (Breakage::UnknownCalledNone, "a_server_error_leaves_the_effect_of_a_write_open"),
    (Breakage::UnknownCalledNone, "a_cut_connection_leaves_the_effect_of_a_write_open"),
    (Breakage::NoneCalledUnknown, "grant_refused_has_no_effect"),
    (Breakage::NoneCalledUnknown, "grant_on_a_target_that_is_gone_is_not_found"),
    (Breakage::NoneCalledUnknown, "revoke_refused_has_no_effect"),
    (Breakage::RefusalHasAnEffect, "grant_refused_has_no_effect"),
    (Breakage::ReceiptTellsAnother, "grant_gives_and_says_so"),
    (Breakage::GoneCalledRefused, "a_change_of_an_account_that_is_gone_is_not_found"),
    (Breakage::SuspendedGranted, "grant_needs_the_account_it_says_it_needs"),
    (Breakage::ProbeWrites, "probe_never_writes"),
    (Breakage::ProbeAlwaysHolds, "probe_tells_absent_from_held"),
    (Breakage::ProbeAlwaysAbsent, "probe_of_an_account_tells_absent_from_there"),
    (Breakage::ObservationOfErrorsIsEmpty, "observe_never_takes_an_error_for_empty"),
    (Breakage::ObservationOfErrorsIsEmpty, "observe_of_an_account_that_is_gone_is_an_error"),
    (Breakage::HiddenIsCovered, "observe_never_takes_unseen_for_absent"),
    (Breakage::NothingIsCovered, "observe_shows_an_empty_account_as_covered"),
    (Breakage::NothingIsCovered, "observe_shows_the_truth"),
    (Breakage::OnlyDirectObserved, "observe_shows_all_sources"),
    (Breakage::ScopeIgnored, "observe_scopes_agree"),
    (Breakage::InvitationCalledHeld, "observe_shows_open_invitations_as_such"),
    (Breakage::BindsWhatIsBound, "bind_keeps_what_is_bound"),
    (Breakage::NamesInAnyOrder, "resolve_answers_each_name_in_order"),
    (Breakage::NothingIsNear, "resolve_names_what_is_near"),
    (Breakage::FirstOfSeveral, "resolve_tells_several_apart_from_one"),
    (Breakage::HiddenResolves, "resolve_never_takes_hidden_for_found"),
    (Breakage::ListStopsAfterAPage, "list_accounts_shows_all_once"),
    (Breakage::ListStopsAfterAPage, "list_targets_shows_all_once"),
    (Breakage::ListStopsAfterAPage, "list_grants_shows_all_once"),
    (Breakage::ListRepeatsAnItem, "list_accounts_shows_all_once"),
    (Breakage::ListErrorEndsIt, "list_fails_with_its_later_pages"),
    (Breakage::ListErrorEndsIt, "list_never_takes_a_cut_page_for_a_whole_one"),
    (Breakage::StaleCursorStartsAgain, "list_tells_a_stale_cursor"),
    (Breakage::RetriesInside, "throttled_requests_are_not_sent_again"),
    (Breakage::PauseNotTold, "throttling_is_told_with_its_pause"),
    (Breakage::ThrottlingCalledUnavailable, "throttling_is_told_with_its_pause"),
    (Breakage::CredentialCalledForbidden, "a_refused_credential_is_unauthenticated"),
    (Breakage::ForbiddenCalledRefused, "a_forbidden_request_is_permission_denied"),
    (Breakage::LateCalledUnavailable, "a_late_answer_is_timed_out"),
    (Breakage::UnreachableLeavesItOpen, "a_connection_never_made_has_no_effect"),
    (Breakage::WritesWithoutPermit, "each_request_has_a_permit_of_its_kind"),
    (Breakage::WritesAsRead, "each_request_has_a_permit_of_its_kind"),
    (Breakage::PermitErrorReworded, "a_refused_permit_sends_nothing"),
    (Breakage::SecretInDebug, "secrets_appear_nowhere"),
    (Breakage::SecretInErrors, "secrets_appear_nowhere"),
    (Breakage::BatchForgetsOne, "a_batch_answers_each_of_its_requests"),
    (Breakage::InFlightForever, "a_dropped_grant_is_finished_by_the_next"),
    (Breakage::InFlightForever, "a_dropped_account_is_finished_by_the_next"),
    (Breakage::WithdrawTakesWhatIsHeld, "withdraw_takes_back_an_invitation_and_nothing_else"),
    (Breakage::HostileIdsAreCleaned, "hostile_ids_reach_no_other_route"),
    (Breakage::KeyOfAnother, "find_goes_by_each_key"),
    (Breakage::CallsMadeLight, "account_changes_take_the_calls_they_declare"),
    (Breakage::CallsMadeLight, "grants_take_the_calls_they_declare"),
];

/// Finding is one read, everything else one write.
fn with_calls(mut descriptor: Descriptor) -> Descriptor {
    descriptor.accounts = descriptor.accounts.found_with("reads", 1).moved(ChangeFacts::set().calls("writes", 1));
    descriptor
}

fn harness() -> MemoryHarness {
    let batched = Kind::per_target::<JoinGroup>("join_group")
        .doc("Member of a group")
        .batch(BatchRule { max: 2, same_target: true })
        .granting(ChangeFacts::set().calls("writes", 1));
    let desk = Kind::per_target::<JoinGroup>("sit_at_desk").doc("Sits at a desk").cardinality(Cardinality::AtMostOne);
    let adapter = MemoryAdapter::new("wiki");
    let adapter = adapter.describe(|descriptor| with_calls(descriptor).kind(batched).kind(desk).lane(Lane::new("writes")).lane(Lane::new("reads")));
    MemoryHarness::over(adapter).with_secret(SECRET)
}

fn broken(how: Breakage) -> MemoryHarness {
    harness().wrapped(move |adapter| Box::new(Broken::new(adapter, how)))
}

#[tokio::test(start_paused = true)]
async fn each_breakage_fails_its_case() {
    let mut unnoticed = Vec::new();
    for (how, case) in CATCHES {
        let verdict = conformance::run_case(case, async { broken(*how) }, SKIPS).await;
        if !matches!(verdict, Verdict::Failed(_)) {
            unnoticed.push(format!("{how:?} in {case}: {verdict}"));
        }
    }
    assert!(unnoticed.is_empty(), "{unnoticed:#?}");
}

#[tokio::test(start_paused = true)]
async fn without_a_breakage_nothing_fails() {
    let report = conformance::run(async || harness(), SKIPS).await;
    assert!(report.is_conformant(), "{report}");
}

#[test]
fn every_case_has_been_seen_to_fail() {
    let seen: BTreeSet<_> = CATCHES.iter().map(|(_, case)| *case).collect();
    let strange: Vec<_> = seen.iter().filter(|case| !conformance::case_names().any(|known| known == **case)).collect();
    assert!(strange.is_empty(), "there are no such cases: {strange:?}");
    let unseen: Vec<_> = conformance::case_names().filter(|case| !seen.contains(case)).collect();
    // Those need a wire: `wire_catches.rs`.
    let wired = ["a_page_of_html_is_a_protocol_error", "a_gateways_404_is_no_absence", "a_gateways_404_is_no_revocation", "a_gateways_404_is_no_deletion"];
    assert_eq!(unseen, [wired.as_slice(), &["unknown_fields_are_tolerated"]].concat());
}

#[tokio::test(start_paused = true)]
async fn skips_are_held_to_the_truth() {
    let verdict = async |case: &str, skips: &[Skip<'_>]| conformance::run_case(case, async { harness() }, skips).await;
    assert!(matches!(verdict("unknown_fields_are_tolerated", &[]).await, Verdict::Undeclared(_)));
    assert!(matches!(verdict("unknown_fields_are_tolerated", SKIPS).await, Verdict::Skipped(_)));
    assert_eq!(verdict("grant_gives_and_says_so", &[("grant_*", "not today")]).await, Verdict::Stale);
    let report = conformance::run(async || harness(), &[SKIPS[0], ("grant_givs_and_says_so", "a slip of the pen"), ("find_nobody_is_none", " ")]).await;
    assert_eq!(report.unknown_skips, ["grant_givs_and_says_so", "find_nobody_is_none"]);
    assert!(!report.is_conformant());
}
