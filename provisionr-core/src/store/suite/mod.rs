//! The promises of [`Store`], as named cases that any store can be held to.
//!
//! ```
//! # mod hidden {
//! use std::sync::Arc;
//! use provisionr_core::store::{MemoryStore, Store, suite::Fixture};
//!
//! struct Memory;
//!
//! #[async_trait::async_trait]
//! impl Fixture for Memory {
//!     async fn open(&self) -> Arc<dyn Store> {
//!         Arc::new(MemoryStore::new())
//!     }
//!
//!     fn skips(&self) -> &[(&str, &str)] {
//!         &[
//!             ("what_was_committed_survives_the_process", "memory ends with its process"),
//!             ("messages_survive_the_process", "memory ends with its process"),
//!             ("leases_end_with_the_process", "memory ends with its process"),
//!         ]
//!     }
//! }
//!
//! provisionr_core::store_suite!(Memory);
//! # }
//! ```
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a case fails by panicking, as a test does")]

mod commits;
mod durable;
mod inbox;
mod leases;
mod order;
mod rows;
mod sample;

use std::sync::Arc;

use async_trait::async_trait;

use super::Store;

/// A place where one case opens the store under test.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// Opens the store of this fixture: empty at first; later, as the next process finds it.
    async fn open(&self) -> Arc<dyn Store>;

    /// The cases that do not apply, by name, each with the reason. Only cases of [`SKIPPABLE`] may be skipped.
    fn skips(&self) -> &[(&str, &str)] {
        &[]
    }
}

/// The cases that do not apply to every store.
pub const SKIPPABLE: &[&str] = &["what_was_committed_survives_the_process", "messages_survive_the_process", "leases_end_with_the_process"];

macro_rules! cases {
    ($d:tt $($module:ident::$name:ident,)+) => {
        /// The names of all cases.
        pub const CASES: &[&str] = &[$(stringify!($name)),+];

        /// Runs one case.
        ///
        /// # Panics
        /// When the store breaks the promise, when there is no such case, and when a skip is not allowed, has no reason
        /// or is not true of the store.
        pub async fn run(case: &str, fixture: &dyn Fixture) {
            for (skip, reason) in fixture.skips() {
                assert!(SKIPPABLE.contains(skip), "`{skip}` applies to every store");
                assert!(!reason.trim().is_empty(), "`{skip}` is skipped without a reason");
            }
            if fixture.skips().iter().any(|(skip, _)| *skip == case) {
                return durable::nothing_survives(fixture).await;
            }
            match case {
                $(stringify!($name) => $module::$name(fixture).await,)+
                _ => panic!("there is no case `{case}`"),
            }
        }

        /// Makes one `#[tokio::test]` of each case of the store suite; the expression gives a new
        /// [`Fixture`](crate::store::suite::Fixture) for each. The crate that calls it needs tokio with `macros` and `rt`.
        #[macro_export]
        macro_rules! store_suite {
            ($d fixture:expr) => {
                $(
                    #[tokio::test]
                    async fn $name() {
                        $crate::store::suite::run(stringify!($name), &$d fixture).await;
                    }
                )+
            };
        }
    };
}

cases! { $
    commits::a_commit_takes_effect_whole_or_not_at_all,
    commits::each_write_of_a_commit_sees_those_before_it,
    commits::an_append_made_twice_is_there_once,
    commits::a_commit_made_twice_changes_nothing,
    commits::an_append_out_of_date_is_refused,
    commits::what_makes_no_sense_is_refused,
    commits::large_values_come_back_whole,
    commits::many_commits_at_once_all_take_effect,
    commits::of_many_appends_at_one_place_one_is_made,
    commits::a_conflict_fails_alone,
    commits::a_dropped_commit_is_whole_or_absent,
    rows::a_run_comes_back_as_it_was_opened,
    rows::an_event_opens_one_run,
    rows::a_plan_is_stored_once,
    rows::an_account_belongs_to_one_subject,
    rows::a_new_link_takes_the_place_of_the_old,
    rows::grants_are_given_changed_and_dropped,
    rows::waits_are_kept_by_operation,
    rows::a_journal_is_read_in_pages,
    rows::runs_are_listed_in_pages,
    rows::runs_are_listed_by_subject_and_state,
    order::a_subject_is_remembered_as_last_planned_for,
    order::an_older_version_of_a_subject_is_refused,
    order::a_run_below_an_unsettled_one_is_refused,
    order::an_outranked_run_spoils_its_whole_commit,
    order::a_commit_is_held_to_the_runs_it_knew,
    order::an_event_can_lead_to_the_run_of_another,
    order::an_event_leads_to_one_run,
    inbox::messages_come_in_order_and_are_taken_from_the_first,
    inbox::a_message_wakes_its_run,
    inbox::a_message_to_a_settled_run_is_dropped,
    inbox::only_the_owner_takes_messages,
    inbox::a_message_stays_until_it_is_taken,
    inbox::a_message_sent_twice_is_there_once,
    inbox::an_owners_commit_made_twice_takes_no_more,
    inbox::a_refused_commit_leaves_the_inbox_as_it_was,
    leases::each_lease_raises_the_epoch,
    leases::higher_ranks_go_first_then_the_longest_due,
    leases::a_run_is_leased_to_one_at_a_time,
    leases::a_parked_run_is_due_when_it_says,
    leases::a_wake_makes_a_run_due_earlier_never_later,
    leases::a_wake_during_a_lease_is_not_lost,
    leases::a_settled_run_is_never_due,
    leases::a_second_living_worker_is_refused,
    leases::only_an_enlisted_worker_leases,
    leases::the_runs_of_a_worker_that_ended_are_free,
    leases::a_dropped_lease_holds_no_run,
    durable::what_was_committed_survives_the_process,
    durable::messages_survive_the_process,
    durable::leases_end_with_the_process,
}
