//! Sarah's first day: an HRIS event becomes an ordered plan, the plan a durable run, the run access in two systems.
//!
//! Without arguments it starts fakes of Okta and of a door-badge system in this process and works in a folder of its
//! own. With `--store`, `--okta` and `--badge` it works on a store that stays, against systems in other processes: kill
//! it anywhere, start it again, and it goes on where it was.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use door_badge_adapter::Badge;
use door_badge_adapter::fake::BadgeFake;
use provisionr_adapters::http::{Auth, HttpClient, ReqwestTransport};
use provisionr_adapters::okta::OktaConfig;
use provisionr_core::{Actor, Event, MemoryDirectory, Provisioner, RetryPolicy, Rules, Secret, Verdict};
use provisionr_examples::progress::Lines;
use provisionr_sqlite::SqliteStore;
use provisionr_testkit::{FakeServer, FakeSystem, Fault, OktaFake};

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// Plays the onboarding of a new Sales Engineer in Okta and a door-badge system.
#[derive(Parser)]
struct Arguments {
    /// The SQLite file that keeps the run; a new one in a temporary folder unless given.
    #[arg(long)]
    store: Option<PathBuf>,
    /// The address of Okta; a fake in this process unless given.
    #[arg(long, requires = "badge")]
    okta: Option<String>,
    /// The address of the door-badge system; a fake in this process unless given.
    #[arg(long, requires = "okta")]
    badge: Option<String>,
    /// The folder with the rules.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/access"))]
    rules: PathBuf,
    /// The event that starts it.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/events/sarah.hired.json"))]
    event: PathBuf,
    /// Okta's API token.
    #[arg(long, env = "OKTA_API_TOKEN", hide_env_values = true, default_value = OktaFake::TOKEN, hide_default_value = true)]
    okta_token: String,
    /// The door-badge system's API token.
    #[arg(long, env = "BADGE_API_TOKEN", hide_env_values = true, default_value = BadgeFake::TOKEN, hide_default_value = true)]
    badge_token: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "error".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match onboard(Arguments::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("onboard: {error}");
            ExitCode::from(1)
        }
    }
}

/// The systems the story plays in, as far as they run in this process.
struct Stage {
    okta: String,
    badge: String,
    _servers: Vec<FakeServer>,
}

fn stage(arguments: &Arguments) -> Stage {
    if let (Some(okta), Some(badge)) = (&arguments.okta, &arguments.badge) {
        return Stage { okta: okta.clone(), badge: badge.clone(), _servers: Vec::new() };
    }
    let okta = provisionr_examples::okta_fake().start();
    let badge = FakeSystem::new(provisionr_examples::badge_fake());
    // As on a real network: every answer takes a moment, and the first answer to a group add is lost on its way.
    okta.fault(Fault::reset_after().on("PUT", "/api/v1/groups/*/users/*"));
    okta.fault(Fault::late_answer(Duration::from_millis(120)).on("*", "/**").always());
    badge.fault(Fault::late_answer(Duration::from_millis(80)).on("*", "/**").always());
    let servers = vec![FakeServer::start(&okta), FakeServer::start(&badge)];
    let url = |place: usize| servers.get(place).map(FakeServer::url).unwrap_or_default();
    Stage { okta: url(0), badge: url(1), _servers: servers }
}

async fn onboard(arguments: Arguments) -> Result<ExitCode, AnyError> {
    let stage = stage(&arguments);
    let folder = tempfile::tempdir()?;
    let file = arguments.store.clone().unwrap_or_else(|| folder.path().join("onboard.db"));
    let event = Event::from_json(&std::fs::read(&arguments.event).map_err(|error| format!("{}: {error}", arguments.event.display()))?)?;

    let http = if stage.okta.starts_with("http://") { ReqwestTransport::without_tls()? } else { ReqwestTransport::with_defaults()? };
    let lines = Arc::new(Lines::new());
    let heard = Arc::clone(&lines);
    let access = Provisioner::builder(SqliteStore::open(&file).await?, MemoryDirectory::default())
        .adapter(OktaConfig::new(&stage.okta).api_token(Secret::new(arguments.okta_token)).connect("okta", &http)?)
        .adapter(Badge::new("badge", HttpClient::new(&stage.badge, &http)?.auth(Auth::bearer(Secret::new(arguments.badge_token)))))
        .rules(Rules::load_dir(&arguments.rules)?)
        .retry(RetryPolicy::default().first(Duration::from_secs(1)))
        .observer(move |progress: &_| heard.show(progress))
        .build()?;

    // The same event opens one run, however often this is started.
    let run = match access.run_of(event.id()).await? {
        Some(run) => {
            println!("going on with {run}\n");
            run
        }
        None => {
            let plan = access.plan(&event).await?;
            println!("{plan}");
            access.submit(plan, event.id(), Actor::service("hris")).await?
        }
    };
    lines.begin(&[access.report(&run).await?]);

    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let driver = access.driver();
    let driving = tokio::spawn(async move { driver.run_until(async { drop(stopped.await) }).await });
    let finished = async {
        loop {
            let report = access.settled(&run).await?;
            if report.is_settled() || driving.is_finished() {
                return Ok::<_, AnyError>(());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::select! {
        result = finished => result?,
        _ = tokio::signal::ctrl_c() => lines.note("stopping; start it again with the same --store to go on"),
    }
    drop(stop);
    driving.await??;
    lines.end();

    let report = access.report(&run).await?;
    println!("\n{report}");
    println!("{}", access.audit(&run).await?);
    Ok(match report.verdict {
        Some(Verdict::Completed) if report.blocked.is_empty() => ExitCode::SUCCESS,
        Some(_) => ExitCode::from(1),
        None => ExitCode::from(2),
    })
}
