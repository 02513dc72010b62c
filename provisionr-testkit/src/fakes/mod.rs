//! The program `provisionr-fakes`: fakes in a process of their own, for hosts and pipelines that are not tests in Rust.
//!
//! ```text
//! provisionr-fakes --seed company.yaml okta=9001 okta-eu=okta:0 > systems.yaml
//! ```
//!
//! - Each fake is at a port of the loopback interface, over HTTP/1.1. Faults are real: connections are reset, bodies end
//!   too early, and during an outage the port refuses connections.
//! - On stdout comes a systems file, once every port can be reached, and nothing else. It works as it is: the credentials are
//!   in files of a temporary folder that goes with the process. What people should read goes to stderr.
//! - It ends with 0 on SIGINT and SIGTERM. Wrong arguments, a wrong seed and a port in use end it with 2.
//! - The fakes go by one clock, which runs with the machine's and can be moved on.
//! - Of requests, events and problems the last 10,000 are kept.
//!
//! # Beside the API
//!
//! JSON, at each port, never logged and never struck by a fault. Input that is wrong is answered 400, with what would be
//! right.
//!
//! | request | |
//! |---|---|
//! | `GET /__fake/` | what there is |
//! | `GET /__fake/state` | the whole state |
//! | `GET /__fake/requests?after=N` | the log since request N, without credentials: `{"requests": […], "last": N, "dropped": 0}` |
//! | `DELETE /__fake/requests` | forgets requests and events |
//! | `GET /__fake/events?after=N` | the effective changes since event N: `{"events": […], "last": N, "dropped": 0}` |
//! | `GET /__fake/faults` | `{"faults": [{"fault": …, "struck": 0}], "outage": false}` |
//! | `POST /__fake/faults` | adds a [`Fault`](crate::Fault), or a list of them, all or none |
//! | `DELETE /__fake/faults` | removes all, and ends an outage |
//! | `POST /__fake/act` | carries out an [`Act`](crate::Act): `{"act": "log_in", "args": {"user": "sarah@company.com"}}` |
//! | `GET /__fake/clock` | `{"now": "2026-01-01T00:00:00Z"}` |
//! | `POST /__fake/clock` | moves the time of all fakes on: `{"advance_ms": 60000}` |
//!
//! A fake that is out of reach is reached at the port of another: `/__fake/fakes/okta/faults`.
//!
//! # Seeds
//!
//! A mapping from names of fakes to seeds in the form each fake documents, and `links`, by which one fake moves another. The first
//! two links below say who is the identity provider of whom, as [`Federation`](crate::Federation) does: whom Okta assigns the app gets an
//! account in `google` two seconds later, which is suspended when the app or the person goes; in `gitlab` the account is made when they
//! first open the app. The last link is a plain one: an event makes another fake act, and `$login` stands for a value of the event.
//! [`plant`] does the same with fakes in a test.
//!
//! ```yaml
//! okta:
//!   apps: [{ name: google, label: Google Workspace }, { name: gitlab, label: GitLab }]
//!   groups: [{ name: sales-team }]
//!   users: [{ login: sarah@company.com, groups: [sales-team] }]
//! okta-eu:
//!   users: [{ login: sarah@company.com }]
//! links:
//!   - { from: okta, app: Google Workspace, to: google, after_ms: 2000 }
//!   - { from: okta, app: GitLab, to: gitlab, at: first_login }
//!   - { from: okta, event: user.logged_in, to: okta-eu, act: log_in, args: { user: $login }, after_ms: 2000 }
//! ```

mod arguments;
mod control;
mod front;
mod registry;
mod seed;

use std::ffi::OsString;
use std::fmt::Write as _;
use std::future::Future;
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener as StdListener};
use std::process::ExitCode;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::clock::FakeClock;
use crate::system::FakeSystem;
use arguments::{Arguments, Wanted};
use front::{Door, Served};
pub use seed::plant;

/// How many requests, events and problems of a fake are kept.
const KEPT: usize = 10_000;

/// Runs the program with these arguments, its name first, until it is told to stop.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::read(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
        }
    };
    let run = tokio::runtime::Builder::new_multi_thread().enable_all().build().map(|runtime| runtime.block_on(run(&arguments)));
    match run {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(Stop::Wrong(problems))) => {
            problems.iter().for_each(|problem| tell(&format!("error: {problem}")));
            ExitCode::from(2)
        }
        Ok(Err(Stop::Failed(error))) | Err(error) => {
            tell(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Why it did not run, or no longer does.
enum Stop {
    /// What it was told is wrong.
    Wrong(Vec<String>),
    /// Something of the machine's.
    Failed(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

/// To stderr; nobody may be there to read it.
fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

async fn run(arguments: &Arguments) -> Result<(), Stop> {
    // Before anything else, so that a signal always finds somebody who takes it.
    let stopped = stopped()?;
    let clock = FakeClock::running();
    let systems: Vec<(&Wanted, FakeSystem)> = arguments.fakes.iter().map(|wanted| (wanted, (wanted.kind.start)(clock.clone()))).collect();
    let mut problems = Vec::new();
    if let Some(file) = &arguments.seed {
        let named: Vec<_> = systems.iter().map(|(wanted, system)| (wanted.name.as_str(), system.clone())).collect();
        problems.extend(seed::plant(file, &named).err().into_iter().flatten());
    }
    let (mut served, mut listeners) = (Vec::new(), Vec::new());
    for (wanted, system) in &systems {
        system.keep_last(KEPT);
        let listening = StdListener::bind((Ipv4Addr::LOCALHOST, wanted.port)).and_then(|listener| Ok((listener.local_addr()?, listener)));
        match listening {
            Ok((address, listener)) => {
                listener.set_nonblocking(true)?;
                listeners.push(TcpListener::from_std(listener)?);
                served.push(Served { name: wanted.name.clone(), url: format!("http://{address}"), system: system.clone() });
            }
            Err(error) => {
                problems.push(format!("`{}` cannot be at port {}: {error}; choose another port, or 0 for any that is free", wanted.name, wanted.port));
            }
        }
    }
    if !problems.is_empty() {
        return Err(Stop::Wrong(problems));
    }
    let secrets = tempfile::Builder::new().prefix("provisionr-fakes-").tempdir()?;
    let file = systems_file(arguments, &served, &secrets)?;
    let fakes: Arc<[Served]> = served.into();
    let mut serving = JoinSet::new();
    for (at, listener) in listeners.into_iter().enumerate() {
        serving.spawn(front::serve(Door { fakes: fakes.clone(), at }, listener));
    }
    let mut stdout = io::stdout().lock();
    stdout.write_all(file.as_bytes())?;
    stdout.flush()?;
    drop(stdout);
    tell(&format!("ready: {}", fakes.iter().map(|fake| format!("{} at {}/", fake.name, fake.url)).collect::<Vec<_>>().join(", ")));
    let ended = tokio::select! {
        () = stopped => Ok(()),
        Some(Ok(Err(error))) = serving.join_next() => Err(Stop::Failed(error)),
    };
    serving.shutdown().await;
    for fake in fakes.iter() {
        // Told here; nobody is to panic about them when the fake is dropped.
        fake.system.take_problems().iter().for_each(|problem| tell(&format!("{}: {problem}", fake.name)));
    }
    ended
}

/// A systems file for what is served; its secrets in files of the folder.
fn systems_file(arguments: &Arguments, served: &[Served], folder: &TempDir) -> io::Result<String> {
    let mut text = String::from("# Fakes; they, and the files with their credentials, go when provisionr-fakes stops.\nsystems:\n");
    // Texts of JSON are texts of YAML, whatever is in them.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let mut put = |line: String| text.write_str(&line).map_err(|_| io::Error::from(io::ErrorKind::Other));
    for (wanted, served) in arguments.fakes.iter().zip(served) {
        put(format!("  {}:\n    type: {}\n    url: {}\n", quoted(&wanted.name), wanted.kind.name, quoted(&format!("{}{}", served.url, wanted.kind.path))))?;
        for (field, value) in wanted.kind.settings {
            put(format!("    {field}: {}\n", quoted(value)))?;
        }
        if !wanted.kind.credentials.is_empty() {
            put("    credentials:\n".to_owned())?;
        }
        for (field, secret) in wanted.kind.credentials {
            let path = folder.path().join(format!("{}.{field}", wanted.name));
            std::fs::write(&path, secret)?;
            put(format!("      {field}: {{ file: {} }}\n", quoted(&path.to_string_lossy())))?;
        }
    }
    Ok(text)
}

/// Ends when the process is asked to.
#[cfg(unix)]
fn stopped() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Ends when the process is asked to.
#[cfg(not(unix))]
fn stopped() -> io::Result<impl Future<Output = ()>> {
    Ok(async { drop(tokio::signal::ctrl_c().await) })
}
