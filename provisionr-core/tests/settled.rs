//! What `settled` takes for parked, while others lease runs between its reads.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::time::Duration;

use provisionr_core::*;
use support::*;

#[tokio::test(start_paused = true)]
async fn a_run_that_is_leased_meanwhile_is_not_taken_for_parked() {
    let company = Company::new();
    let access = Provisioner::builder(Hooked::overtaken(), MemoryDirectory::default())
        .adapter(company.adapter("wiki", &company.wiki))
        .adapter(company.adapter("forge", &company.forge))
        .clock(TokioClock::starting_at(start()))
        .rules(Rules::parse("rules.yaml", RULES).unwrap())
        .build()
        .unwrap();
    let run = submit(&access).await;
    let report = tokio::time::timeout(Duration::from_secs(60), access.settled(&run)).await;
    assert!(report.is_err(), "it is being moved, and is neither over nor parked: {report:?}");
}
