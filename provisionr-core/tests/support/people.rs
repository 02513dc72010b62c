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

/// What the person gets in each job: `Sales Engineer`, `Counsel`, `Platform Engineer`.
pub const JOBS: &str = r#"
systems:
  wiki: { accounts: create }
  forge: { accounts: create, after: [wiki] }
policies:
  - name: "Sales Engineer"
    triggers: [{ job_title: "Sales Engineer" }]
    provisions:
      - { system: wiki, action: join_group, target: sales }
      - { system: wiki, action: join_group, target: engineering }
      - { system: forge, action: join_project, target: solutions, role: reader }
  - name: "Counsel"
    triggers: [{ job_title: "Counsel" }]
    provisions:
      - { system: wiki, action: join_group, target: legal }
      - { system: wiki, action: join_group, target: sales }
  - name: "Platform Engineer"
    triggers: [{ job_title: "Platform Engineer" }]
    provisions:
      - { system: wiki, action: join_group, target: engineering }
      - { system: forge, action: join_project, target: platform, role: writer }
      - { system: forge, action: join_project, target: solutions, role: admin }
"#;

impl Company {
    /// A process with these rules.
    pub fn ruled(&self, rules: &str) -> Provisioner {
        self.described(rules, |wiki| wiki)
    }

    /// A process with these rules, and a wiki that is another.
    pub fn described(&self, rules: &str, wiki: impl FnOnce(Descriptor) -> Descriptor) -> Provisioner {
        let wiki = self.adapter("wiki", &self.wiki).describe(wiki);
        Provisioner::builder(self.store.clone(), MemoryDirectory::default())
            .adapter(wiki)
            .adapter(self.adapter("forge", &self.forge))
            .clock(TokioClock::starting_at(start()))
            .rules(Rules::parse("rules.yaml", rules).unwrap())
            .build()
            .unwrap()
    }

    /// The person has joined, and everything is given.
    pub async fn joined(&self, access: &Provisioner) -> RunId {
        let run = self.handle(access, person(1, "Sales Engineer"), EventKind::Hired).await;
        assert_eq!(super::finish(access, &run).await.verdict, Some(Verdict::Completed));
        run
    }

    /// The person's account in a world, by its login.
    pub fn in_forge(&self) -> Account {
        self.forge.account_by_login("sarah@company.com").unwrap()
    }

    /// The person's account in the wiki.
    pub fn in_wiki(&self) -> Account {
        self.wiki.account_by_login("sarah@company.com").unwrap()
    }

    /// What the person holds in both, as texts.
    pub fn held(&self) -> Vec<String> {
        let mut held = Vec::new();
        for world in [&self.wiki, &self.forge] {
            for account in world.accounts() {
                held.extend(world.grants_of(&account.id).into_iter().map(|grant| grant.entitlement.to_string()));
            }
        }
        held.sort();
        held
    }
}

/// Drives while so much time passes.
pub async fn pass(access: &Provisioner, time: Duration) {
    let end = tokio::time::Instant::now() + time;
    let step = (time / 200).clamp(Duration::from_secs(2), Duration::from_secs(3_600));
    while tokio::time::Instant::now() < end {
        access.driver().run_until_idle().await.unwrap();
        tokio::time::sleep(step).await;
    }
    access.driver().run_until_idle().await.unwrap();
}

/// The runs that are not over.
pub async fn open_runs(access: &Provisioner) -> Vec<RunId> {
    access.runs(&super::all_runs().unsettled()).await.unwrap().into_iter().map(|run| run.id).collect()
}

/// The line of a report about an operation.
pub fn line<'r>(report: &'r Report, operation: &str) -> &'r ReportLine {
    report.operations.iter().find(|line| line.operation.as_str() == operation).unwrap_or_else(|| panic!("no `{operation}` in {report}"))
}
