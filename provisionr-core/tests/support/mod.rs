#![allow(dead_code, unreachable_pub, unused_imports, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod hooked;
mod people;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use provisionr_core::store::RunFilter;
use provisionr_core::*;
use provisionr_testkit::{MemoryAdapter, World};

pub use hooked::{Hooked, Shared};
pub use people::*;

pub fn start() -> Timestamp {
    "2024-11-24T09:00:00Z".parse().unwrap()
}

pub fn sarah() -> Event {
    let subject =
        Subject::new("emp_0789").with("email", "sarah@company.com").with("first_name", "Sarah").with("last_name", "Chen").with("job_title", "Sales Engineer");
    Event::new("evt_0001", EventKind::Hired, start(), subject.with_version(1))
}

pub const RULES: &str = r#"
systems:
  wiki: { accounts: create }
  forge: { accounts: create, after: [wiki] }
policy:
  name: "Sales Engineer"
  triggers: [{ job_title: "Sales Engineer" }]
  provisions:
    - { system: wiki, action: join_group, target: sales }
    - { system: wiki, action: join_group, target: engineering }
    - { system: forge, action: join_project, target: solutions, role: reader }
"#;

/// A world of two systems that outlives the processes working on it.
#[derive(Clone)]
pub struct Company {
    pub store: MemoryStore,
    pub wiki: World,
    pub forge: World,
    pub lanes: bool,
}

impl Company {
    pub fn new() -> Self {
        let company = Self { store: MemoryStore::new(), wiki: World::new(), forge: World::new(), lanes: true };
        for target in ["sales", "engineering", "legal"] {
            company.wiki.seed_target("join_group", Target::new(target, target));
        }
        for target in ["solutions", "platform"] {
            company.forge.seed_target("join_project", Target::new(target, target));
        }
        company
    }

    pub fn adapter(&self, name: &str, world: &World) -> MemoryAdapter {
        let lanes = self.lanes;
        MemoryAdapter::new(name).over(world.clone()).describe(|descriptor| if lanes { descriptor.lane(Lane::new("all")) } else { descriptor })
    }

    /// A process: a front door of its own over the shared store and worlds.
    pub fn process(&self) -> Provisioner {
        self.process_with(|builder| builder)
    }

    pub fn process_with(&self, change: impl FnOnce(ProvisionerBuilder) -> ProvisionerBuilder) -> Provisioner {
        let builder = Provisioner::builder(self.store.clone(), MemoryDirectory::default())
            .adapter(self.adapter("wiki", &self.wiki))
            .adapter(self.adapter("forge", &self.forge))
            .clock(TokioClock::starting_at(start()))
            .rules(Rules::parse("rules.yaml", RULES).unwrap());
        change(builder).build().unwrap()
    }

    pub fn account(&self) -> AccountId {
        self.wiki.account_by_login("sarah@company.com").unwrap().id
    }

    /// What the worlds hold, for comparing ends.
    pub fn picture(&self) -> String {
        let mut lines = Vec::new();
        for (name, world) in [("wiki", &self.wiki), ("forge", &self.forge)] {
            for account in world.accounts() {
                lines.push(format!("{name} {:?} {}", account.login, account.state));
                for grant in world.grants_of(&account.id) {
                    lines.push(format!("{name} {:?} {} {:?}", account.login, grant.entitlement, grant.state));
                }
            }
        }
        lines.sort();
        lines.join("\n")
    }

    /// How often each wanted difference really changed something.
    pub fn doubled(&self) -> Vec<String> {
        let mut counts = std::collections::BTreeMap::new();
        for effect in self.wiki.effects().into_iter().chain(self.forge.effects()) {
            *counts.entry(format!("{effect:?}")).or_insert(0) += 1;
        }
        counts.into_iter().filter(|(_, count)| *count > 1).map(|(effect, _)| effect).collect()
    }
}

/// Drives until nothing is due, over and over, while virtual time runs, until the run is over.
pub async fn finish(access: &Provisioner, run: &RunId) -> Report {
    for _ in 0..2_000 {
        access.driver().run_until_idle().await.unwrap();
        let report = access.report(run).await.unwrap();
        if report.is_settled() {
            return report;
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
    panic!("the run did not finish:\n{}", access.report(run).await.unwrap());
}

pub async fn submit(access: &Provisioner) -> RunId {
    let event = sarah();
    let plan = access.plan(&event).await.unwrap();
    access.submit(plan, event.id(), Actor::service("hris")).await.unwrap()
}

/// What an observer heard.
#[derive(Clone, Default)]
pub struct Heard(pub Arc<Mutex<Vec<String>>>);

impl Observer for Heard {
    fn progress(&self, progress: &Progress) {
        if let Progress::Operation { system, title, phase, .. } = progress {
            self.0.lock().unwrap().push(format!("{system} {title}: {}", phase.name()));
        }
    }
}

pub fn all_runs() -> RunFilter {
    RunFilter::all()
}
