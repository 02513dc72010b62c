//! A company in a folder: fakes in a process of their own, and the operator started as people start it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

pub const TOKEN: &str = provisionr_testkit::OktaFake::TOKEN;

const COMPANY: &str = "
okta:
  groups: [{ name: sales-team }, { name: engineering-team }]
okta-eu:
  groups: [{ name: eu-sales }]
";

pub const RULES: &str = r#"
policies:
  - name: "Sales Engineer Access"
    triggers: [{ job_title: "Sales Engineer" }]
    provisions:
      - { system: okta, action: add_to_group, target: sales-team }
      - { system: okta, action: add_to_group, target: engineering-team }
      - { system: okta-eu, action: add_to_group, target: eu-sales }
"#;

/// What a command said, and how it ended.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let said = Self { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) };
        assert!(!said.all().contains(TOKEN), "a secret is told: {}", said.all());
        assert!(!said.all().contains("panicked"), "{}", said.all());
        said
    }

    pub fn all(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    #[track_caller]
    pub fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}", self.all());
        self
    }

    #[track_caller]
    pub fn says(self, words: &str) -> Self {
        assert!(self.all().contains(words), "not said: {words}\n{}", self.all());
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}", self.all()))
    }
}

pub struct Stage {
    fakes: Child,
    urls: Vec<String>,
    pub folder: TempDir,
}

impl Stage {
    pub fn new() -> Self {
        Self::with(RULES)
    }

    pub fn with(rules: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("company.yaml"), COMPANY).unwrap();
        std::fs::create_dir(folder.path().join("rules")).unwrap();
        std::fs::write(folder.path().join("rules/access.yaml"), rules).unwrap();
        std::fs::write(folder.path().join("sarah.json"), sarah().to_string()).unwrap();
        Self::in_folder(folder, &["okta=0", "okta-eu=okta:0"])
    }

    /// With the files of this folder.
    pub fn of(files: &Path, fakes: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy(files, folder.path());
        Self::in_folder(folder, fakes)
    }

    fn in_folder(folder: TempDir, fakes: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fakes"));
        command.arg("--seed").arg(folder.path().join("company.yaml")).args(fakes);
        let mut fakes = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // The line on stderr comes after the systems file is out.
        let mut ready = String::new();
        BufReader::new(fakes.stderr.as_mut().unwrap()).read_line(&mut ready).unwrap();
        assert!(ready.starts_with("ready: "), "{ready}");
        let mut out = vec![0; 64 * 1024];
        let length = fakes.stdout.as_mut().unwrap().read(&mut out).unwrap();
        let systems = String::from_utf8(out[..length].to_vec()).unwrap();
        let urls = systems.lines().filter_map(|line| line.trim().strip_prefix("url: ")).map(|url| serde_json::from_str(url).unwrap()).collect();
        let stage = Self { fakes, urls, folder };
        stage.write("systems.yaml", &systems);
        stage
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// `operator` with these arguments, in the folder; `…` stands for the systems, the rules and the store.
    pub fn command(&self, arguments: &str) -> Command {
        let arguments = arguments.replace('…', "--systems systems.yaml --rules rules --store access.db");
        let mut command = Command::new(env!("CARGO_BIN_EXE_operator"));
        command.current_dir(self.folder.path()).args(arguments.split_whitespace()).env_remove("RUST_LOG").stdin(Stdio::null());
        command
    }

    pub fn operator(&self, arguments: &str) -> Said {
        Said::of(&self.command(arguments).output().unwrap())
    }

    pub fn start(&self, arguments: &str) -> Running {
        let child = self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Running(child)
    }

    /// Beside the API of a fake, by its place.
    pub fn fake(&self, place: usize, method: &str, path: &str, body: &Value) -> Value {
        http(&self.urls[place], method, &format!("/__fake/{path}"), body, &[])
    }

    /// Makes an account past provisionr.
    pub fn make_account(&self, place: usize, login: &str) {
        let profile = json!({ "profile": { "login": login, "email": login, "firstName": "Sarah", "lastName": "Chen" } });
        let made = http(&self.urls[place], "POST", "/api/v1/users?activate=true", &profile, &[("authorization", &format!("SSWS {TOKEN}"))]);
        assert!(made["id"].is_string(), "{made}");
    }

    pub fn fault(&self, fault: &Value) {
        for place in 0..self.urls.len() {
            self.fake(place, "POST", "faults", fault);
        }
    }

    /// Every answer takes so long.
    pub fn slow(&self, millis: u64) {
        self.fault(&json!({ "on": { "method": "*", "path": "/**" }, "do": { "kind": "delay", "by_ms": millis, "effect": "arrival" }, "times": null }));
    }

    pub fn requests(&self) -> u64 {
        (0..self.urls.len()).map(|place| self.fake(place, "GET", "requests", &Value::Null)["last"].as_u64().unwrap()).sum()
    }

    pub fn effects(&self) -> Vec<String> {
        let mut effects = Vec::new();
        for place in 0..self.urls.len() {
            let told = self.fake(place, "GET", "events", &Value::Null);
            effects.extend(told["events"].as_array().unwrap().iter().map(|event| format!("{place} {}", event["kind"].as_str().unwrap())));
        }
        effects.sort();
        effects
    }

    /// Stops the fakes: nobody answers there any more.
    pub fn close(&mut self) {
        let _ = self.fakes.kill();
        let _ = self.fakes.wait();
    }

    pub fn url(&self, place: usize) -> &str {
        &self.urls[place]
    }

    /// The id of the only run.
    pub fn run(&self) -> String {
        let said = self.operator("status --store access.db --all --format json");
        let runs = said.json()["runs"].as_array().unwrap().clone();
        assert_eq!(runs.len(), 1, "{}", said.all());
        runs[0]["run"].as_str().unwrap().to_owned()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.close();
    }
}

/// An operator that is still at it.
pub struct Running(pub Child);

impl Running {
    pub fn is_over(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }

    /// SIGKILL: it gets no chance to tidy up.
    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    pub fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.0.id().to_string()]).status().unwrap().success());
    }

    pub fn end(self) -> Said {
        Said::of(&self.0.wait_with_output().unwrap())
    }
}

/// Polls until it is so, or long after it should have been.
#[track_caller]
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !so() {
        assert!(begun.elapsed().as_secs() < 60, "{what}");
        std::thread::yield_now();
    }
}

pub fn sarah() -> Value {
    json!({
        "event_type": "employee.hired", "event_id": "evt_0001", "timestamp": "2024-11-24T09:00:00Z",
        "data": {
            "employee_id": "emp_0789", "email": "sarah@company.com", "first_name": "Sarah", "last_name": "Chen", "job_title": "Sales Engineer"
        }
    })
}

pub fn people(count: usize) -> String {
    let person = |number| {
        format!("  - {{ employee_id: emp_{number:03}, email: p{number:03}@company.com, first_name: P, last_name: N{number:03}, job_title: Sales Engineer }}\n")
    };
    format!("people:\n{}", (0..count).map(person).collect::<String>())
}

fn http(url: &str, method: &str, path: &str, body: &Value, headers: &[(&str, &str)]) -> Value {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    write!(stream, "{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\naccept: application/json\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{method} {path}: {answer}");
    serde_json::from_str(body).unwrap()
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            std::fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// Puts one text for another of the same length into a file, wherever it is: a page may hold what was moved elsewhere.
pub fn overwrite(file: &Path, from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let mut bytes = std::fs::read(file).unwrap();
    let places: Vec<_> = bytes.windows(from.len()).enumerate().filter(|(_, window)| *window == from.as_bytes()).map(|(at, _)| at).collect();
    assert!(!places.is_empty(), "it is not there");
    places.into_iter().for_each(|at| bytes[at..at + to.len()].copy_from_slice(to.as_bytes()));
    std::fs::write(file, bytes).unwrap();
}
