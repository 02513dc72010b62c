//! Those who leave, are away and come back: kept out at once, cleaned, verified, retired, and given everything again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod support;

use std::time::Duration;

use provisionr_core::*;
use provisionr_testkit::MemoryFault;
use support::*;

#[tokio::test(start_paused = true)]
async fn what_is_given_to_an_account_that_was_there_before_is_taken_back() {
    let company = Company::new();
    company.wiki.seed_account(Account::new("w-1", AccountState::Active).with_login("sarah@company.com").with_email("sarah@company.com"));
    let access = company.process();
    let run = submit(&access).await;
    finish(&access, &run).await;
    assert_eq!(company.wiki.grants_of(&"w-1".into()).len(), 2);
    assert_eq!(company.store.ledger(&"wiki".into(), &"w-1".into()).await.unwrap().len(), 2);
    let left = company.handle(&access, person(2, "Nobody"), EventKind::Updated).await;
    finish(&access, &left).await;
    assert!(company.wiki.grants_of(&"w-1".into()).is_empty());
}
