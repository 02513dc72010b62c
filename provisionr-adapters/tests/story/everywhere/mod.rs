//! A mover and a leaver in all systems: nothing stays that is not wanted, and nothing goes that is.

use std::path::Path;
use std::time::Duration;

use provisionr_core::run::Decision;
use provisionr_core::*;
use provisionr_testkit::gitlab::Sort;
use provisionr_testkit::{Act, FakeSystem};
use serde_json::{Value, json};

use crate::company::{Company, morning, pass, status};

const ROBIN: &str = "robin@company.com";
const SYSTEMS: [&str; 9] = ["okta", "google", "salesforce", "gitlab", "slack", "jira", "aws-sso", "github", "wiki"];
const DAY: Duration = Duration::from_secs(86_400);

/// Robin in a job, in the version of that number, and what happened a day after the version before.
fn event(version: u64, kind: EventKind, job: &str) -> Event {
    let robin = Subject::new("emp_0042").with("email", ROBIN).with("first_name", "Robin").with("last_name", "Vega");
    let robin = robin.with("display_name", "Robin Vega").with("github_login", "rvega");
    let at = morning() + DAY * u32::try_from(version - 1).unwrap();
    let robin = robin.with("job_title", job).with_version(version);
    let robin = if kind == EventKind::Terminated { robin.with("end_date", "2024-11-26") } else { robin };
    Event::new(format!("evt_{version}"), kind, at, robin)
}

/// What Robin has of a system, past its API, in any way that is not a group's; sorted, after how the account stands. A further system is
/// another arm.
fn held(company: &Company, system: &str) -> Vec<String> {
    let (account, mut held) = match system {
        "okta" => company.okta.with(|okta| {
            let user = okta.user(ROBIN);
            let id = user.map(|user| user.id.clone()).unwrap_or_default();
            let state = user.map_or_else(|| "none".to_owned(), |user| format!("{:?}, {} sessions", user.status, user.sessions));
            let groups = ["staff", "engineering", "data"].into_iter().filter(|name| okta.group(name).unwrap().members.contains_key(&id));
            let apps = ["Google Workspace", "Salesforce", "GitLab", "Wiki"].into_iter().filter(|label| okta.app(label).unwrap().users.contains_key(&id));
            (state, groups.chain(apps).map(str::to_owned).collect::<Vec<_>>())
        }),
        "google" => {
            let user = company.google.user(ROBIN);
            let state = user
                .as_ref()
                .map_or_else(|| "none".to_owned(), |user| format!("{}, {} sessions", if user.suspended { "suspended" } else { "active" }, user.sessions));
            let unit = user.map(|user| user.org_unit_path).filter(|path| path != "/");
            let groups = company.google.groups_of(ROBIN).into_iter().map(|group| format!("{group} {:?}", company.google.role(ROBIN, &group).unwrap()));
            (state, groups.chain(unit).collect())
        }
        "salesforce" => {
            let active = company.salesforce.user_field(ROBIN, "IsActive");
            let state = match (active == true, company.salesforce.with(|salesforce| salesforce.is_frozen(ROBIN))) {
                (true, frozen) => format!("active, frozen: {frozen}"),
                (false, _) => "inactive".to_owned(),
            };
            let profile = company.salesforce.profile_of(ROBIN);
            let held = company.salesforce.permission_sets_of(ROBIN).into_iter().chain(company.salesforce.groups_of(ROBIN)).chain(profile);
            (state, held.collect())
        }
        "gitlab" => company.gitlab.with(|gitlab| {
            let Some(user) = gitlab.user(ROBIN) else { return ("none".to_owned(), Vec::new()) };
            let places = [Sort::Group, Sort::Project].into_iter().flat_map(|sort| gitlab.all(sort));
            let held = places.filter_map(|place| Some(format!("{} {}", place.path, place.members.get(&user.id)?.level)));
            (user.state.clone(), held.collect())
        }),
        "slack" => company.slack.with(|slack| {
            let user = slack.user(ROBIN).unwrap();
            let channels = slack.channels().filter(|channel| channel.members.contains(&user.id)).map(|channel| format!("#{}", channel.name));
            let groups = slack.usergroups().filter(|group| group.users.contains(&user.id)).map(|group| format!("@{}", group.handle));
            (if user.deleted { "deactivated" } else { "active" }.to_owned(), channels.chain(groups).collect())
        }),
        "jira" => {
            let user = company.jira.user(ROBIN).unwrap();
            let state = company.jira.state();
            let values = |name: &str| state[name].as_object().unwrap().values().cloned().collect::<Vec<Value>>();
            let groups = values("groups").into_iter().filter(|group| group["members"].as_array().unwrap().contains(&user.account_id.clone().into()));
            let groups = groups.map(|group| group["name"].as_str().unwrap().to_owned());
            let roles = [("ENG", "Developers"), ("ENG", "Administrators"), ("DATA", "Developers"), ("DATA", "Administrators")];
            let roles = roles.into_iter().filter(|(project, role)| company.jira.actors(project, role).contains(&user.display_name));
            (if user.active { "active" } else { "inactive" }.to_owned(), groups.chain(roles.map(|(project, role)| format!("{project} {role}"))).collect())
        }
        "aws-sso" => {
            let state = if company.aws.user_id(ROBIN).is_some() { "there" } else { "none" };
            let groups = ["staff", "engineers"].into_iter().filter(|group| company.aws.members(group).contains(&ROBIN.to_owned()));
            (state.to_owned(), groups.map(str::to_owned).chain(company.aws.assignments_of(ROBIN)).collect())
        }
        "github" => company.github.with(|github| {
            let user = github.user("rvega").unwrap().id;
            let state = match (github.member("rvega"), github.invitation("rvega")) {
                (Some(member), _) => member.role.clone(),
                (None, Some(_)) => "invited".to_owned(),
                (None, None) => "nobody".to_owned(),
            };
            let teams = github.teams().filter_map(|team| Some(format!("{} {}", team.name, team.members.get(&user)?)));
            let direct = github.repositories().filter_map(|one| Some(format!("{} {}", one.name, one.direct.get(&user)?)));
            let invited = github.repositories().filter(|one| one.invitations.values().any(|(who, ..)| *who == user)).map(|one| format!("{} invited", one.name));
            (state, teams.chain(direct).chain(invited).collect())
        }),
        "wiki" => company.wiki.with(|wiki| {
            let Some(user) = wiki.user(ROBIN) else { return ("none".to_owned(), Vec::new()) };
            let groups = wiki.groups().filter(|group| group.members().any(|member| member == user.id)).map(|group| group.text("displayName").to_owned());
            (if user.is_active() { "active" } else { "inactive" }.to_owned(), groups.collect())
        }),
        other => panic!("no system is called {other}"),
    };
    held.sort();
    held.insert(0, account);
    held
}

fn all_held(company: &Company) -> String {
    SYSTEMS.into_iter().map(|system| format!("{system}: {}\n", held(company, system).join("; "))).collect()
}

struct Robin {
    company: Company,
    access: Provisioner,
}

impl Robin {
    /// Robin is hired, logs in, accepts what wants to be accepted, and has it all.
    async fn hired() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/story/everywhere");
        let company = Company::seeded(&folder.join("company.yaml"));
        let access = company.host(&SYSTEMS, Rules::load_files([folder.join("rules.yaml")]).unwrap(), MemoryStore::new(), MemoryDirectory::default());
        let robin = Self { company, access };
        let run = robin.handle(event(1, EventKind::Hired, "Engineer")).await;
        pass(&robin.access, Duration::from_secs(120)).await;
        let report = robin.access.report(&run).await.unwrap();
        let mut waits: Vec<_> =
            report.operations.iter().filter(|line| line.status == Status::Waiting).map(|line| format!("{} {}", line.system, line.title)).collect();
        waits.sort();
        assert_eq!(waits, ["github add_to_org company as member", "gitlab account at first login"], "{report}");
        robin.company.okta.opens_app(ROBIN, "GitLab").unwrap();
        robin.company.google.log_in(ROBIN).unwrap();
        robin.company.github.act(Act::new("accept_invitation", json!({ "user": "rvega" }))).unwrap();
        pass(&robin.access, DAY).await;
        robin.is_over(&run, Verdict::Completed).await;
        robin
    }

    async fn handle(&self, event: Event) -> RunId {
        self.access.handle(&event, Actor::service("workday")).await.unwrap()
    }

    async fn is_over(&self, run: &RunId, verdict: Verdict) -> Report {
        let report = self.access.report(run).await.unwrap();
        assert_eq!((report.verdict, report.blocked.len()), (Some(verdict), 0), "{report}\n{}", all_held(&self.company));
        report
    }

    /// How often something of a kind happened in all systems.
    fn happened(&self, kind: &str) -> usize {
        self.company.all().iter().map(|(_, fake)| fake.events().iter().filter(|event| event.kind == kind).count()).sum()
    }
}

const AS_ENGINEER: &str = "\
okta: Active, 1 sessions; GitLab; Google Workspace; Salesforce; Wiki; engineering; staff
google: active, 1 sessions; /engineering; engineering@company.com Member; staff@company.com Member
salesforce: active, frozen: false; API Access; Engineer; Engineers
gitlab: active; platform 30; platform/api 40
slack: active; #engineering; #staff; @engineers
jira: active; ENG Developers; engineers
aws-sso: there; engineers; staff
github: member; api maintain; handbook read; platform member
wiki: active; engineers; staff
";

const AS_DATA_SCIENTIST: &str = "\
okta: Active, 1 sessions; GitLab; Google Workspace; Salesforce; Wiki; data; staff
google: active, 1 sessions; /data; data@company.com Manager; staff@company.com Member
salesforce: active, frozen: false; API Access; Analyst; Analysts; Reports
gitlab: active; platform/api 20; platform/data 30; platform/handbook 20
slack: active; #data; #staff; @analysts
jira: active; DATA Administrators; ENG Developers
aws-sso: there; production/Queries; production/ReadOnly; staff
github: member; api maintain; data maintainer; handbook read
wiki: active; analysts; staff
";

const GONE: &str = "\
okta: Suspended, 0 sessions
google: suspended, 0 sessions
salesforce: inactive; Minimum Access - Salesforce
gitlab: blocked
slack: active
jira: active
aws-sso: there
github: nobody
wiki: inactive
";

#[tokio::test(start_paused = true)]
async fn a_mover_gets_the_new_loses_the_old_and_keeps_the_rest() {
    let robin = Robin::hired().await;
    let company = &robin.company;
    assert_eq!(all_held(company), AS_ENGINEER);
    assert_eq!(company.github.mails(), 1, "who is about to be a member is not invited to each repository");

    let run = robin.handle(event(2, EventKind::Updated, "Data Scientist")).await;
    pass(&robin.access, Duration::from_secs(3600)).await;
    let report = robin.is_over(&run, Verdict::Completed).await;
    assert_eq!(all_held(company), AS_DATA_SCIENTIST, "{report}");

    // One group or team went in each system, and nothing that is kept was gone meanwhile: no role, permission set, account or profile
    // but the one before, no membership of the organization, no access to a repository.
    for (kind, times) in [("group.member_removed", 5), ("member.removed", 2), ("team.left", 1), ("channel.member_left", 1), ("usergroup.updated", 3)] {
        assert_eq!(robin.happened(kind), times, "{kind}\n{report}");
    }
    for kind in ["assignment.deleted", "role.actor_removed", "collaborator.removed", "user.suspended", "user.frozen", "user.deactivated"] {
        assert_eq!(robin.happened(kind), 0, "{kind}\n{report}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_leaver_is_kept_out_at_once_and_nothing_is_left_behind() {
    let robin = Robin::hired().await;
    let company = &robin.company;
    let run = robin.handle(event(3, EventKind::Terminated, "Engineer")).await;
    pass(&robin.access, Duration::from_secs(3600)).await;
    assert_eq!(all_held(company), GONE);

    // Sessions end when no new one can begin any more.
    let order = |fake: &FakeSystem, off: (&str, &str), ended: (&str, &str)| {
        let first = |(method, path): (&str, &str)| fake.requests(method, path).first().unwrap_or_else(|| panic!("no {method} {path}")).number;
        assert!(first(off) < first(ended), "{off:?} comes before {ended:?}");
    };
    order(&company.okta.erased(), ("POST", "/api/v1/users/*/lifecycle/suspend"), ("DELETE", "/api/v1/users/*/sessions"));
    order(&company.google.erased(), ("PUT", "/admin/directory/v1/users/*"), ("POST", "/admin/directory/v1/users/*/signOut"));

    // What no call can do is told to somebody, and is over when they say so.
    let report = robin.access.report(&run).await.unwrap();
    let mut left: Vec<_> = report.operations.iter().filter(|line| line.status != Status::Done).map(|line| format!("{} {}", line.system, line.title)).collect();
    left.sort();
    let dated = ["aws-sso account deleted", "okta account deactivated", "wiki account deleted"];
    assert_eq!(left, [dated[0], dated[1], "slack by hand: account suspended", "slack verify that nothing is left", dated[2]], "{report}");
    let by_hand = report.operations.iter().find(|line| line.title.starts_with("by hand")).unwrap();
    assert_eq!((by_hand.status, by_hand.detail.as_str()), (Status::Waiting, "waits for somebody to do it"));
    company.slack.act(Act::new("deactivate", json!({ "user": ROBIN }))).unwrap();
    robin.access.decide(&run, &by_hand.operation, Decision::Done, Actor::person("kim"), "switched off in the console").await.unwrap();
    pass(&robin.access, Duration::from_secs(3600)).await;

    // Everywhere was looked whether something came late.
    let report = robin.access.report(&run).await.unwrap();
    assert!(SYSTEMS.into_iter().all(|system| status(&report, &format!("{system}:verify")) == Status::Done), "{report}");
    let log = robin.access.audit(&run).await.unwrap();
    let told = log.entries.iter().any(|entry| entry.actor == Actor::person("kim") && entry.what.contains("switched off in the console"));
    assert!(told, "{log}");

    // A month later the accounts go that are to go.
    pass(&robin.access, 31 * DAY).await;
    robin.is_over(&run, Verdict::Completed).await;
    assert_eq!(held(company, "okta"), ["Deprovisioned, 0 sessions"]);
    assert_eq!([held(company, "aws-sso"), held(company, "wiki")], [["none"], ["none"]]);
    assert_eq!(held(company, "slack"), ["deactivated"]);
}
