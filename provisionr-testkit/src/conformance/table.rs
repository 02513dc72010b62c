//! The one list of all cases, for the macro and for `run`.

use std::future::Future;
use std::pin::Pin;

use super::bench::Bench;
use super::cases::*;
use super::verdict::Case;

type Run = for<'a> fn(&'a Bench<'a>) -> Pin<Box<dyn Future<Output = Case> + 'a>>;

/// A case by name.
pub(super) struct Named {
    pub(super) name: &'static str,
    pub(super) run: Run,
}

/// Hands the names of all cases to another macro, behind what is handed in.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_cases {
    ($with:path { $($given:tt)* }) => {
        $with! {
            { $($given)* }
            descriptor_is_constant
            descriptor_agrees_with_itself
            kinds_read_their_own_policy_lines
            what_is_not_declared_is_unsupported
            check_stays_within_the_descriptor
            find_takes_the_known_id_first
            find_goes_by_each_key
            find_tries_the_next_key
            find_tries_keys_after_a_known_id_that_is_gone
            find_nobody_is_none
            find_by_a_key_it_does_not_know_cannot_tell
            find_sees_suspended_accounts
            find_sees_deactivated_accounts
            find_sees_invited_accounts
            find_tells_several_apart_from_one
            find_that_cannot_see_everything_cannot_tell
            find_never_takes_an_error_for_none
            ensure_makes_an_account_once
            ensure_repeated_has_no_second_effect
            ensure_takes_the_account_that_is_there
            ensure_fills_the_profile
            ensure_passes_over_a_login_another_person_has
            ensure_with_a_lost_answer_is_found_by_a_probe
            update_leaves_other_attributes_alone
            update_repeated_has_no_second_effect
            each_declared_transition_happens
            set_state_repeated_has_no_second_effect
            set_state_with_a_lost_answer_is_found_by_a_probe
            suspension_keeps_what_is_held
            end_sessions_ends_all_and_can_be_repeated
            an_account_owned_elsewhere_names_its_owner
            a_change_of_an_account_that_is_gone_is_not_found
            grant_gives_and_says_so
            grant_repeated_has_no_second_effect
            grant_with_a_lost_answer_is_found_by_a_probe
            grant_with_a_late_answer_is_timed_out_and_found_by_a_probe
            grant_refused_has_no_effect
            grant_of_another_role_changes_the_role
            grant_of_another_value_changes_the_value
            grant_that_is_inherited_is_unchanged
            grant_above_what_is_inherited_is_made
            grant_on_a_target_owned_elsewhere_names_the_owner
            grant_on_a_target_that_is_gone_is_not_found
            grant_needs_the_account_it_says_it_needs
            grant_of_the_one_allowed_replaces_the_other
            revoke_takes_and_says_what
            revoke_repeated_has_no_second_effect
            revoke_leaves_other_targets_and_people_alone
            revoke_of_another_role_than_expected_is_a_conflict
            revoke_never_touches_what_is_inherited
            revoke_shows_what_stays_in_force
            revoke_on_a_hidden_target_is_unclear
            revoke_with_a_lost_answer_is_found_by_a_probe
            revoke_refused_has_no_effect
            withdraw_takes_back_an_invitation_and_nothing_else
            observe_shows_the_truth
            observe_shows_an_empty_account_as_covered
            observe_shows_all_sources
            observe_shows_open_invitations_as_such
            observe_scopes_agree
            observe_never_takes_unseen_for_absent
            observe_never_takes_an_error_for_empty
            observe_of_an_account_that_is_gone_is_an_error
            probe_tells_absent_from_held
            probe_of_an_account_tells_absent_from_there
            probe_never_writes
            bind_keeps_what_is_bound
            resolve_answers_each_name_in_order
            resolve_names_what_is_near
            resolve_tells_several_apart_from_one
            resolve_never_takes_hidden_for_found
            resolve_names_the_owner_of_a_target
            list_accounts_shows_all_once
            list_targets_shows_all_once
            list_grants_shows_all_once
            list_fails_with_its_later_pages
            list_never_takes_a_cut_page_for_a_whole_one
            list_tells_a_stale_cursor
            throttling_is_told_with_its_pause
            throttled_requests_are_not_sent_again
            a_refused_credential_is_unauthenticated
            a_forbidden_request_is_permission_denied
            a_server_error_leaves_the_effect_of_a_write_open
            a_cut_connection_leaves_the_effect_of_a_write_open
            a_late_answer_is_timed_out
            a_connection_never_made_has_no_effect
            a_page_of_html_is_a_protocol_error
            a_gateways_404_is_no_absence
            a_gateways_404_is_no_revocation
            a_gateways_404_is_no_deletion
            unknown_fields_are_tolerated
            each_request_has_a_permit_of_its_kind
            a_refused_permit_sends_nothing
            a_dropped_grant_is_finished_by_the_next
            a_dropped_account_is_finished_by_the_next
            hostile_ids_reach_no_other_route
            secrets_appear_nowhere
            a_batch_answers_each_of_its_requests
            account_changes_take_the_calls_they_declare
            grants_take_the_calls_they_declare
        }
    };
}

macro_rules! table {
    ({} $($name:ident)+) => {
        pub(super) const CASES: &[Named] = &[$(Named { name: stringify!($name), run: |bench| Box::pin($name(bench)) }),+];
    };
}

__conformance_cases!(table {});
