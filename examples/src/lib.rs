//! What the examples share.

pub mod company;
pub mod embedding;
pub mod operator;
pub mod progress;

use door_badge_adapter::fake::BadgeFake;
use provisionr_testkit::OktaFake;

/// The README, whose embedding is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

/// An Okta org with what the embedding of the README needs.
pub fn okta_fake() -> OktaFake {
    OktaFake::new()
        .with_group("sales-team")
        .with_group("engineering-team")
        .with_provisioning_app("google", "Google Workspace")
        .with_provisioning_app("salesforce", "Salesforce")
}

/// A door-badge system with its doors.
pub fn badge_fake() -> BadgeFake {
    let mut badge = BadgeFake::default();
    for door in ["front-door", "demo-lab", "server-room"] {
        badge.add_door(door);
    }
    badge
}
