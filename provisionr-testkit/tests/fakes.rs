//! The program `provisionr-fakes` as people start it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use provisionr_adapters::http::ReqwestTransport;
use provisionr_adapters::systems::Systems;
use provisionr_sdk::{AccountQuery, CallContext, Found};
use provisionr_testkit::{AwsFake, OktaFake};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tempfile::TempDir;

const COMPANY: &str = "
okta:
  groups: [{ name: crew }]
  users: [{ login: a@x.com }]
";

/// The program while it runs; killed when it is dropped.
struct Program {
    child: Child,
    systems: String,
    _folder: TempDir,
}

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_provisionr-fakes"));
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn seed_file(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("company.yaml");
    std::fs::write(&file, text).unwrap();
    (folder, file)
}

fn run(arguments: &[&str]) -> Output {
    program(arguments).output().unwrap()
}

fn run_seeded(seed: &str, arguments: &[&str]) -> Output {
    let (_folder, file) = seed_file(seed);
    program(arguments).arg("--seed").arg(&file).output().unwrap()
}

impl Program {
    fn start(seed: &str, fakes: &[&str]) -> Self {
        let (folder, file) = seed_file(seed);
        let child = program(fakes).arg("--seed").arg(&file).spawn().unwrap();
        let mut program = Self { child, systems: String::new(), _folder: folder };
        let mut ready = String::new();
        // The line on stderr comes after the systems file is out.
        let stderr = program.child.stderr.as_mut().unwrap();
        while !ready.ends_with('\n') {
            let mut byte = [0];
            assert_eq!(stderr.read(&mut byte).unwrap(), 1, "{ready}");
            ready.push(char::from(byte[0]));
        }
        assert!(ready.starts_with("ready: "), "{ready}");
        let mut out = vec![0; 64 * 1024];
        let length = program.child.stdout.as_mut().unwrap().read(&mut out).unwrap();
        program.systems = String::from_utf8(out[..length].to_vec()).unwrap();
        program
    }

    fn okta() -> Self {
        Self::start(COMPANY, &["okta=0"])
    }

    /// Where each fake is, in the order they were asked for.
    fn urls(&self) -> Vec<String> {
        let urls = self.systems.lines().filter_map(|line| line.trim().strip_prefix("url: "));
        urls.map(|url| serde_json::from_str(url).unwrap()).collect()
    }

    fn url(&self) -> String {
        self.urls().remove(0)
    }

    fn address(&self) -> String {
        self.url().replace("http://", "")
    }

    fn at(&self, method: Method, path: &str) -> RequestBuilder {
        client().request(method, format!("{}{path}", self.url()))
    }

    async fn control(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let request = self.at(method, &format!("/__fake/{path}"));
        let request = if body.is_null() { request } else { request.json(&body) };
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.control(Method::GET, path, Value::Null).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let (status, body) = self.control(Method::POST, path, body).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    fn me(&self) -> RequestBuilder {
        authorized(self.at(Method::GET, "/api/v1/users/me"))
    }

    async fn add(&self) -> RequestBuilder {
        let state = self.get("state").await;
        let id = |what: &str, wanted: &str| {
            let all = state[what].as_object().unwrap();
            all.iter().find(|(_, item)| item["profile"].to_string().contains(wanted)).unwrap().0.clone()
        };
        let path = format!("/api/v1/groups/{}/users/{}", id("groups", "\"crew\""), id("users", "\"a@x.com\""));
        authorized(self.at(Method::PUT, &path)).header("content-length", "0")
    }

    async fn effects(&self) -> Vec<String> {
        let told = self.get("events").await;
        told["events"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn client() -> Client {
    Client::builder().tls_certs_only([]).retry(reqwest::retry::never()).build().unwrap()
}

fn authorized(request: RequestBuilder) -> RequestBuilder {
    request.header("authorization", format!("SSWS {}", OktaFake::TOKEN))
}

#[tokio::test]
async fn the_systems_file_works_as_it_is() {
    let fakes = Program::start(COMPANY, &["okta=0", "eu=okta:0"]);
    let systems = Systems::parse("systems.yaml", &fakes.systems).unwrap();
    assert_eq!(systems.names().collect::<Vec<_>>(), ["okta", "eu"]);
    let adapters = systems.connect(&ReqwestTransport::without_tls().unwrap()).unwrap();
    let cx = CallContext::unlimited();
    let found = adapters[0].find_account(&cx, &AccountQuery::by("login", "a@x.com")).await.unwrap();
    assert!(matches!(found, Found::One(_)), "{found:?}");
    assert_eq!(adapters[1].find_account(&cx, &AccountQuery::by("login", "a@x.com")).await.unwrap(), Found::None);
    assert!(!fakes.systems.contains(OktaFake::TOKEN));
}

#[tokio::test]
async fn a_fake_behind_a_gateway_is_reached_as_the_systems_file_says() {
    let fakes = Program::start("jira:\n  users: [{ email: a@x.com }]\n", &["jira=0"]);
    let adapters = Systems::parse("systems.yaml", &fakes.systems).unwrap().connect(&ReqwestTransport::without_tls().unwrap()).unwrap();
    let found = adapters[0].find_account(&CallContext::unlimited(), &AccountQuery::by("email", "a@x.com")).await.unwrap();
    assert!(matches!(found, Found::One(_)), "{found:?}");
}

#[tokio::test]
async fn a_fake_below_a_path_is_reached_as_the_systems_file_says() {
    let fakes = Program::start("scim:\n  users: [{ userName: a@x.com }]\n", &["scim=0"]);
    let adapters = Systems::parse("systems.yaml", &fakes.systems).unwrap().connect(&ReqwestTransport::without_tls().unwrap()).unwrap();
    let found = adapters[0].find_account(&CallContext::unlimited(), &AccountQuery::by("user_name", "a@x.com")).await.unwrap();
    assert!(matches!(found, Found::One(_)), "{found:?}");
    assert!(adapters[0].check(&CallContext::unlimited()).await.unwrap().lacking.is_empty());
}

#[tokio::test]
async fn a_type_with_settings_of_its_own_has_them_in_the_systems_file() {
    let fakes = Program::start("aws:\n  users: [{ user_name: a@x.com }]\n", &["aws=0"]);
    let adapters = Systems::parse("systems.yaml", &fakes.systems).unwrap().connect(&ReqwestTransport::without_tls().unwrap()).unwrap();
    let cx = CallContext::unlimited();
    let found = adapters[0].find_account(&cx, &AccountQuery::by("user_name", "a@x.com")).await.unwrap();
    assert!(matches!(found, Found::One(_)), "{found:?}");
    assert!(!fakes.systems.contains(AwsFake::SECRET_ACCESS_KEY));
}

#[tokio::test]
async fn the_systems_file_says_all_that_a_type_asks_for() {
    let fakes = Program::start("github:\n  users: [{ login: sarah }]\n", &["github=0"]);
    let systems = Systems::parse("systems.yaml", &fakes.systems).unwrap();
    let github = systems.connect(&ReqwestTransport::without_tls().unwrap()).unwrap().remove(0);
    let check = github.check(&CallContext::unlimited()).await.unwrap();
    assert_eq!((check.lacking.len(), check.own_accounts.len()), (0, 1));
}

#[tokio::test]
async fn shows_the_state_past_the_api() {
    let fakes = Program::okta();
    assert_eq!(fakes.add().await.send().await.unwrap().status(), 204);
    assert!(fakes.get("state").await["users"].to_string().contains("a@x.com"));
    assert_eq!(fakes.effects().await, ["group.member_added"]);
    let about = fakes.get("").await;
    assert_eq!((about["fake"].clone(), about["type"].clone(), about["url"].clone()), (json!("okta"), json!("okta"), json!(fakes.url())));
}

#[tokio::test]
async fn everything_told_about_is_there() {
    let fakes = Program::okta();
    for route in fakes.get("").await["routes"].as_array().unwrap() {
        let path = route["path"].as_str().unwrap().split('?').next().unwrap().trim_start_matches("/__fake/").to_owned();
        let (status, body) = fakes.control(route["method"].as_str().unwrap().parse().unwrap(), &path, Value::Null).await;
        let wanted = if route["method"] == "POST" { 400 } else { 200 };
        assert_eq!(status, wanted, "{route}: {body}");
    }
}

#[tokio::test]
async fn tells_the_requests_without_credentials() {
    let fakes = Program::okta();
    for _ in 0..3 {
        assert_eq!(fakes.me().send().await.unwrap().status(), 200);
    }
    let told = fakes.get("requests?after=1").await;
    let numbers: Vec<_> = told["requests"].as_array().unwrap().iter().map(|entry| entry["number"].as_u64().unwrap()).collect();
    assert_eq!((numbers, told["last"].clone(), told["dropped"].clone()), (vec![2, 3], json!(3), json!(0)));
    assert_eq!(told["requests"][0]["path"], "/api/v1/users/me");
    assert!(!told.to_string().contains(OktaFake::TOKEN), "{told}");
    fakes.control(Method::DELETE, "requests", Value::Null).await;
    fakes.me().send().await.unwrap();
    let told = fakes.get("requests").await;
    assert_eq!((told["requests"][0]["number"].clone(), told["dropped"].clone()), (json!(4), json!(3)));
}

#[tokio::test]
async fn a_reset_is_a_reset() {
    let fakes = Program::okta();
    fakes.post("faults", json!({ "do": { "kind": "reset_before" } })).await;
    let mut socket = TcpStream::connect(fakes.address()).unwrap();
    write!(socket, "GET /api/v1/users/me HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    assert_eq!(socket.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    assert_eq!(fakes.get("requests").await["requests"][0]["ending"], "cut");
}

#[tokio::test]
async fn an_answer_that_is_lost_has_had_its_effect() {
    let fakes = Program::okta();
    let on = json!({ "method": "PUT" });
    fakes.post("faults", json!([{ "on": on, "do": { "kind": "reset_before" } }, { "on": on, "do": { "kind": "reset_after" } }])).await;
    let add = fakes.add().await;
    add.try_clone().unwrap().send().await.unwrap_err();
    assert_eq!(fakes.effects().await, [""; 0]);
    add.try_clone().unwrap().send().await.unwrap_err();
    assert_eq!(fakes.effects().await, ["group.member_added"]);
    assert_eq!(add.send().await.unwrap().status(), 204);
    assert_eq!(fakes.effects().await, ["group.member_added"]);
    assert_eq!(fakes.get("faults").await["faults"].as_array().unwrap().iter().filter(|fault| fault["struck"] == 1).count(), 2);
}

#[tokio::test]
async fn a_body_ends_after_so_many_bytes_and_in_good_order() {
    let fakes = Program::okta();
    fakes.post("faults", json!({ "do": { "kind": "partial_body", "bytes": 20 } })).await;
    let mut socket = TcpStream::connect(fakes.address()).unwrap();
    write!(socket, "GET /api/v1/users/me HTTP/1.1\r\nhost: x\r\nauthorization: SSWS {}\r\n\r\n", OktaFake::TOKEN).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && body.len() == 20, "{answer}");
}

#[tokio::test]
async fn a_throttle_speaks_as_the_vendor_does() {
    let fakes = Program::okta();
    fakes.post("faults", json!({ "do": { "kind": "throttle", "pause_ms": 30000 } })).await;
    let refused = fakes.me().send().await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers()["x-rate-limit-remaining"].to_str().unwrap()), (429, "0"));
    assert_eq!(refused.json::<Value>().await.unwrap()["errorCode"], "E0000047");
}

#[tokio::test]
async fn a_late_answer_waits_until_the_clock_is_moved() {
    let fakes = Program::okta();
    fakes.post("faults", json!({ "do": { "kind": "delay", "by_ms": 3_600_000 } })).await;
    let before = fakes.get("clock").await["now"].as_str().unwrap().to_owned();
    let (answer, ()) = tokio::join!(fakes.me().send(), async {
        while fakes.get("requests").await["last"] == 0 {}
        assert_eq!(fakes.get("requests").await["requests"][0]["ending"], "pending");
        assert!(fakes.post("clock", json!({ "advance_ms": 3_600_000 })).await["now"].as_str().unwrap() > &*before);
    });
    assert_eq!(answer.unwrap().status(), 200);
}

#[tokio::test]
async fn an_outage_refuses_connections_until_its_end() {
    let fakes = Program::start(COMPANY, &["okta=0", "spare=okta:0"]);
    fakes.post("faults", json!({ "do": { "kind": "outage", "lasting_ms": 86_400_000 } })).await;
    fakes.me().send().await.unwrap_err();
    while TcpStream::connect(fakes.address()).is_ok() {}
    assert!(fakes.me().send().await.unwrap_err().is_connect());
    let spare = &fakes.urls()[1];
    let faults = |name: &str| format!("{spare}/__fake/fakes/{name}/faults");
    let told: Value = client().get(faults("okta")).send().await.unwrap().json().await.unwrap();
    assert_eq!(told["outage"], true);
    assert_eq!(client().get(faults("otka")).send().await.unwrap().status(), 404);
    assert_eq!(client().delete(faults("okta")).send().await.unwrap().status(), 200);
    while TcpStream::connect(fakes.address()).is_err() {}
    assert_eq!(fakes.me().send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn people_act_at_once_or_later() {
    let fakes = Program::okta();
    let log_in = json!({ "act": "log_in", "args": { "user": "a@x.com" } });
    assert!(fakes.post("act", log_in).await["result"]["user"].is_string());
    assert_eq!(fakes.effects().await, ["user.logged_in"]);
    let later = json!({ "act": "delete_user", "args": { "user": "a@x.com" }, "after_ms": 60000 });
    assert_eq!(fakes.post("act", later).await["result"], Value::Null);
    assert!(fakes.get("state").await["users"].to_string().contains("a@x.com"));
    fakes.post("clock", json!({ "advance_ms": 60000 })).await;
    assert!(!fakes.get("state").await["users"].to_string().contains("a@x.com"));
}

#[tokio::test]
async fn wrong_input_is_refused_with_what_would_be_right() {
    let fakes = Program::okta();
    for (path, body, said) in [
        ("faults", json!({ "do": { "kind": "resett" } }), "reset_after"),
        ("faults", json!([{ "do": { "kind": "reset_after" } }, { "kind": "lag" }]), "fault 2: unknown field `kind`"),
        ("faults", json!({ "do": { "kind": "reset_after" }, "probability": 7 }), "from 0 to 1"),
        ("faults", json!({ "do": { "kind": "status", "status": 7 } }), "from 200 to 599"),
        ("act", json!({ "act": "log_inn" }), "user"),
        ("act", json!({ "act": "log_in", "args": { "user": "b@x.com" } }), "no user is called `b@x.com`"),
        ("act", json!({ "do": "log_in" }), "an example"),
        ("clock", json!({ "advance_ms": -1 }), "advance_ms"),
        ("clock", json!({ "advance": 1 }), "advance_ms"),
    ] {
        let (status, answer) = fakes.control(Method::POST, path, body.clone()).await;
        assert_eq!(status, 400, "{body}");
        assert!(answer["error"].as_str().unwrap().contains(said), "{body}: {answer}");
    }
    // Nothing of a list is added unless all of it is right.
    assert_eq!(fakes.get("faults").await["faults"], json!([]));
    assert_eq!(fakes.control(Method::GET, "requests?after=x", Value::Null).await.0, 400);
    let (status, answer) = fakes.control(Method::GET, "stat", Value::Null).await;
    assert_eq!(status, 404);
    assert!(answer["error"].as_str().unwrap().contains("did you mean `/__fake/state`?"), "{answer}");
    assert_eq!(fakes.control(Method::PUT, "clock", Value::Null).await.0, 405);
    assert_eq!(fakes.get("requests").await["last"], 0);
}

#[tokio::test]
async fn events_of_one_fake_move_another() {
    let links = "links: [{ from: okta, event: user.logged_in, to: eu, act: delete_user, args: { user: $login } }]";
    let fakes = Program::start(&format!("{COMPANY}\neu:\n  users: [{{ login: a@x.com }}]\n{links}"), &["okta=0", "eu=okta:0"]);
    assert!(fakes.get("fakes/eu/state").await.to_string().contains("a@x.com"));
    fakes.post("act", json!({ "act": "log_in", "args": { "user": "a@x.com" } })).await;
    assert!(!fakes.get("fakes/eu/state").await.to_string().contains("a@x.com"));
}

#[tokio::test]
async fn an_app_of_one_fake_makes_and_suspends_the_accounts_of_another() {
    let seed = "
okta:
  users: [{ login: a@x.com }]
  apps: [{ name: google, label: Google Workspace }]
google: {}
links: [{ from: okta, app: Google Workspace, to: google, after_ms: 2000, args: { org_unit: / } }]
";
    let fakes = Program::start(seed, &["okta=0", "google=0"]);
    let suspended = async || {
        fakes.post("clock", json!({ "advance_ms": 2000 })).await;
        let state = fakes.get("fakes/google/state").await;
        state["users"].as_object().unwrap().values().find(|user| user["primary_email"] == "a@x.com").map(|user| user["suspended"].clone())
    };
    assert_eq!(suspended().await, None);
    for (act, wanted) in [("assign_app", false), ("unassign_app", true)] {
        fakes.post("act", json!({ "act": act, "args": { "user": "a@x.com", "app": "Google Workspace" } })).await;
        assert_eq!(suspended().await, Some(wanted.into()));
    }
}

#[test]
fn a_link_that_says_nothing_useful_is_told() {
    for (link, said) in [
        ("{ from: okta, app: Gogle, to: okta }", "company.yaml:4: link 1: no app is called `Gogle`"),
        ("{ from: okta, app: crew, to: okta, at: noon }", "link 1: unknown variant `noon`, expected `first_login`"),
        ("{ from: okta, app: crew, to: okta, at: first_login, after_ms: 5 }", "`after_ms` says nothing about a first login"),
        ("{ from: okta, app: crew, to: okta, act: log_in }", "a link has an `app`, or an `event` and the `act` that follows"),
    ] {
        let output = run_seeded(&format!("okta:\n  apps: [{{ name: crew }}]\n\nlinks: [{link}]\n"), &["okta=0"]);
        let words = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && words.contains(said), "{said}\n{words}");
    }
}

#[tokio::test]
async fn a_connection_is_kept_and_a_chunked_body_read() {
    let fakes = Program::okta();
    let mut socket = TcpStream::connect(fakes.address()).unwrap();
    let body = json!({ "profile": { "login": "b@x.com", "email": "b@x.com", "firstName": "B", "lastName": "X" } }).to_string();
    for last in [false, true] {
        let close = if last { "connection: close\r\n" } else { "" };
        let head = format!("POST /api/v1/users HTTP/1.1\r\nhost: x\r\n{close}authorization: SSWS {}\r\ntransfer-encoding: chunked\r\n\r\n", OktaFake::TOKEN);
        write!(socket, "{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).unwrap();
    }
    let mut answers = String::new();
    socket.read_to_string(&mut answers).unwrap();
    let statuses: Vec<_> = answers.match_indices("HTTP/1.1 ").map(|(at, _)| &answers[at + 9..at + 12]).collect();
    assert_eq!(statuses, ["200", "400"], "{answers}");
}

#[test]
fn a_bad_seed_is_told_whole_with_file_and_line() {
    let seed = "okta:\n  grups: []\n\noktaa:\n  users: []\nspare:\n  users: [{ login: a@x.com, groups: [crew] }]\nlinks: [{ from: okta, event: e, to: spar, act: a }]\n";
    let output = run_seeded(seed, &["okta=0", "spare=okta:0"]);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]));
    let said = String::from_utf8(output.stderr).unwrap();
    for part in [
        "company.yaml:2: the seed of `okta` cannot be used: unknown field `grups`",
        "company.yaml:5: there is no fake `oktaa`; did you mean `okta`?",
        "company.yaml:7: the seed of `spare` cannot be used: no group is called `crew`",
        "company.yaml:8: link 1: there is no fake `spar`; did you mean `spare`?",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
}

#[test]
fn a_seed_that_is_no_yaml_or_not_there_is_told() {
    let output = run_seeded("okta: [\n", &["okta=0"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("company.yaml: this is no mapping"));
    let output = run(&["--seed", "/nowhere/company.yaml", "okta=0"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("/nowhere/company.yaml: the seed file cannot be read"));
}

#[test]
fn wrong_arguments_end_it_with_2() {
    let output = run(&["otka=0"]);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]));
    assert!(String::from_utf8(output.stderr).unwrap().contains("did you mean `okta`?"));
    assert_eq!(run(&[]).status.code(), Some(2));
    assert_eq!(run(&["--help"]).status.code(), Some(0));
}

#[test]
fn a_port_in_use_ends_it_with_2() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let output = run(&["spare=okta:0", &format!("okta={port}")]);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(&format!("`okta` cannot be at port {port}")) && said.contains("choose another port"), "{said}");
}

#[cfg(unix)]
#[tokio::test]
async fn ends_cleanly_when_it_is_told_to() {
    for signal in ["-TERM", "-INT"] {
        let mut fakes = Program::okta();
        let secret = fakes.systems.lines().find_map(|line| line.trim().strip_prefix("token: { file: ")?.strip_suffix(" }")).unwrap();
        let secret: PathBuf = serde_json::from_str(secret).unwrap();
        assert_eq!(std::fs::read_to_string(&secret).unwrap(), OktaFake::TOKEN);
        // What no fake plays is told at the end, and fails nothing.
        authorized(fakes.at(Method::GET, "/api/v1/policies")).send().await.unwrap();
        assert!(Command::new("kill").args([signal, &fakes.child.id().to_string()]).status().unwrap().success());
        assert_eq!(fakes.child.wait().unwrap().code(), Some(0));
        let mut said = String::new();
        fakes.child.stderr.as_mut().unwrap().read_to_string(&mut said).unwrap();
        assert!(said.contains("okta: the fake does not answer to GET /api/v1/policies"), "{said}");
        assert!(!secret.exists());
    }
}
