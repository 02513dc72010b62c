//! One person whom things happen to.

use std::time::Duration;

use provisionr_core::*;

use super::{Company, start};

/// The same person in another version.
pub fn person(version: u64, job_title: &str) -> Subject {
    let subject = Subject::new("emp_0789").with("email", "sarah@company.com").with("first_name", "Sarah").with("last_name", "Chen");
    subject.with("job_title", job_title).with_version(version)
}

/// What happened to them, a minute after each version before it.
pub fn event(subject: Subject, kind: EventKind) -> Event {
    let (number, at) = (subject.version, start() + Duration::from_secs(60 * subject.version));
    Event::new(format!("evt_{number}_{kind:?}"), kind, at, subject)
}

impl Company {
    /// Plans and submits what an event calls for.
    pub async fn handle(&self, access: &Provisioner, subject: Subject, kind: EventKind) -> RunId {
        access.handle(&event(subject, kind), Actor::service("hris")).await.unwrap()
    }
}
