//! The memory adapter keeps every promise that can be tried without a wire.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use provisionr_sdk::{BatchRule, Cardinality, ChangeFacts, Descriptor, Kind, Lane};
use provisionr_testkit::conformance::MemoryHarness;
use provisionr_testkit::{JoinGroup, MemoryAdapter};

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
    let adapter =
        MemoryAdapter::new("wiki").describe(|descriptor| with_calls(descriptor).kind(batched).kind(desk).lane(Lane::new("writes")).lane(Lane::new("reads")));
    MemoryHarness::over(adapter)
}

provisionr_testkit::conformance_tests! {
    harness(),
    skips = [
        ("a_page_of_html_is_a_protocol_error", "nothing is sent over a wire"),
        ("secrets_appear_nowhere", "the adapter is handed no secret"),
        ("a_gateways_404_*", "nothing is sent over a wire"),
        ("unknown_fields_are_tolerated", "nothing is sent over a wire"),
    ]
}
