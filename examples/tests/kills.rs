//! `onboard` killed at many moments and started again: the fakes live here, the process that provisions dies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use door_badge_adapter::fake::BadgeFake;
use provisionr_examples::company::Company as Fakes;
use provisionr_testkit::{Fault, JiraFake, OktaFake, SalesforceFake};

struct Company {
    fakes: Fakes,
    folder: tempfile::TempDir,
}

impl Company {
    fn new() -> Self {
        let fakes = Fakes::open(Duration::from_millis(300)).unwrap();
        // Long enough that a kill often finds an answer on its way.
        fakes.okta.fault(Fault::late_answer(Duration::from_millis(15)).on("*", "/**").always());
        Self { fakes, folder: tempfile::tempdir().unwrap() }
    }

    fn onboard(&self) -> Command {
        self.onboard_with(&self.store())
    }

    fn onboard_with(&self, store: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_onboard"));
        command.arg("--store").arg(store);
        for (name, url) in self.fakes.addresses() {
            command.args(["--at", &format!("{name}={url}")]);
        }
        command
    }

    fn store(&self) -> std::path::PathBuf {
        self.folder.path().join("access.db")
    }

    /// Requests all systems have seen.
    fn seen(&self) -> usize {
        self.fakes.requests()
    }

    fn start_and_kill_after(&self, requests: usize) -> bool {
        let mut child = self.onboard().stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let limit = self.seen() + requests;
        while self.seen() < limit {
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            std::thread::yield_now();
        }
        kill(&mut child);
        true
    }

    fn finish(&self) -> Output {
        self.onboard().output().unwrap()
    }
}

/// SIGKILL: the process gets no chance to tidy up.
fn kill(child: &mut Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn assert_done_once(company: &Company, output: &Output, when: &str) {
    let text = text(output);
    assert!(output.status.success(), "{when}: {text}");
    assert!(text.contains("is unbroken"), "{when}: {text}");
    let Fakes { okta, google, salesforce, gitlab, slack, jira, badge, .. } = &company.fakes;
    for (event, times) in [("user.created", 1), ("group.member_added", 2), ("app.user_assigned", 3), ("user.mail", 0)] {
        assert_eq!(okta.effects(event), times, "{when}: okta: {event}\n{text}");
    }
    for (fake, event, times) in [
        (google.erased(), "group.member_added", 2),
        (salesforce.erased(), "user.updated", 1),
        (gitlab.erased(), "member.added", 1),
        (slack.erased(), "channel.member_joined", 2),
        (jira.erased(), "role.actor_added", 1),
        (badge.erased(), "holder.made", 1),
    ] {
        assert_eq!(fake.effects(event), times, "{when}: {fake:?}: {event}\n{text}");
    }
    badge.with(|badge| {
        let openings: Vec<_> = badge.holders.values().map(|holder| holder["openings"].as_array().unwrap().len()).collect();
        assert_eq!(openings, [2], "{when}");
    });
}

#[test]
fn killed_after_any_number_of_requests_it_goes_on_and_does_nothing_twice() {
    let mut kills = 0;
    for requests in (1..200).step_by(7) {
        let company = Company::new();
        let killed = company.start_and_kill_after(requests);
        let output = company.finish();
        assert_done_once(&company, &output, &format!("killed after {requests} requests"));
        if !killed {
            break;
        }
        kills += 1;
    }
    assert!(kills >= 8, "only {kills} moments to be killed at");
}

#[test]
fn killed_again_and_again_it_gets_there() {
    let company = Company::new();
    for requests in [3, 19, 12, 14, 1, 26, 3, 15] {
        company.start_and_kill_after(requests);
    }
    assert_done_once(&company, &company.finish(), "killed eight times");
}

#[test]
fn a_finished_run_is_not_run_again() {
    let company = Company::new();
    assert_done_once(&company, &company.finish(), "first");
    // What is kept and what is told holds no secret.
    let logged = company.onboard_with(&company.folder.path().join("other.db")).env("RUST_LOG", "trace").output().unwrap();
    assert!(logged.stderr.len() > 1_000, "the log is heard");
    for (what, bytes) in [("the store", std::fs::read(company.store()).unwrap()), ("the log", [logged.stdout, logged.stderr].concat())] {
        for secret in [OktaFake::TOKEN, BadgeFake::TOKEN, JiraFake::TOKEN, SalesforceFake::TOKEN] {
            assert!(!String::from_utf8_lossy(&bytes).contains(secret), "{what} holds a secret");
        }
    }
    let again = company.finish();
    assert!(text(&again).contains("going on with run_"), "{}", text(&again));
    assert_done_once(&company, &again, "second");
}

#[test]
fn wrong_input_is_told_and_costs_nothing() {
    let company = Company::new();
    let told = |command: &mut Command| {
        let output = command.output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let folder = company.folder.path();
    std::fs::create_dir(folder.join("rules")).unwrap();
    std::fs::write(
        folder.join("rules/bad.yaml"),
        "policy:\n  name: Bad\n  triggers: [{ a: b }]\n  provisions: [{ system: okta, action: add_to_gruop, target: sales-team }]\n",
    )
    .unwrap();
    let words = told(company.onboard().arg("--rules").arg(folder.join("rules")));
    assert!(words.contains("did you mean `add_to_group`?") && words.contains("bad.yaml:4:"), "{words}");
    let words = told(company.onboard().arg("--event").arg(folder.join("none.json")));
    assert!(words.contains("none.json"), "{words}");
    let words = told(company.onboard().args(["--okta-token", "00expired"]).env("NO_COLOR", "1"));
    assert!(words.contains("okta") && !words.contains("00expired"), "{words}");
    // The event is not spent: with the right token the same command goes through.
    assert_done_once(&company, &company.finish(), "after an expired token");
    let words = told(Command::new(env!("CARGO_BIN_EXE_onboard")).arg("--store").arg(write_garbage(folder)));
    assert!(words.contains("garbage.db"), "{words}");
}

fn write_garbage(folder: &Path) -> std::path::PathBuf {
    let file = folder.join("garbage.db");
    std::fs::write(&file, "this is no database ".repeat(100)).unwrap();
    file
}
