//! Sarah's first day: an HRIS event becomes an ordered plan, the plan a durable run, the run access in seven systems.
//!
//! Without arguments it starts fakes of all of them in this process and works in a folder of its own. With `--store` and `--at` it works
//! on a store that stays, against fakes in other processes: kill it anywhere, start it again, and it goes on where it was.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use door_badge_adapter::Badge;
use door_badge_adapter::fake::BadgeFake;
use provisionr_adapters::gitlab::GitlabConfig;
use provisionr_adapters::google::GoogleConfig;
use provisionr_adapters::http::{Auth, HttpClient, ReqwestTransport};
use provisionr_adapters::jira::JiraConfig;
use provisionr_adapters::okta::OktaConfig;
use provisionr_adapters::salesforce::SalesforceConfig;
use provisionr_adapters::slack::SlackConfig;
use provisionr_core::{Actor, Adapter, Event, MemoryDirectory, Provisioner, RetryPolicy, Rules, Secret, Status, Verdict};
use provisionr_examples::company::Company;
use provisionr_examples::progress::Lines;
use provisionr_sqlite::SqliteStore;
use provisionr_testkit::{Fault, GitlabFake, GoogleFake, JiraFake, OktaFake, SalesforceFake, SlackFake};

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// What takes minutes in the story takes seconds here.
const JIRA_ANSWERS_WITHIN: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_secs(4);
const FIRST_LOGIN: Duration = Duration::from_secs(9);

/// How often is looked whether what is waited for has come: nobody tells this program.
const LOOK: Duration = Duration::from_millis(250);

/// Plays the first day of a new Sales Engineer in Okta, Google, Salesforce, GitLab, Slack, Jira and a door-badge system.
#[derive(Parser)]
struct Arguments {
    /// The SQLite file that keeps the run; a new one in a temporary folder unless given.
    #[arg(long)]
    store: Option<PathBuf>,
    /// Where a system's fake is, as NAME=URL, once for each; all are started in this process unless given.
    #[arg(long, value_parser = address)]
    at: Vec<(String, String)>,
    /// Files and folders with the rules.
    #[arg(long, num_args = 1.., default_values = [concat!(env!("CARGO_MANIFEST_DIR"), "/story/rules"), concat!(env!("CARGO_MANIFEST_DIR"), "/access/badge.yaml")])]
    rules: Vec<PathBuf>,
    /// The event that starts it.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/story/sarah.hired.json"))]
    event: PathBuf,
    /// Okta's API token.
    #[arg(long, env = "OKTA_API_TOKEN", hide_env_values = true, default_value = OktaFake::TOKEN, hide_default_value = true)]
    okta_token: String,
}

fn address(text: &str) -> Result<(String, String), String> {
    text.split_once('=').map(|(name, url)| (name.to_owned(), url.to_owned())).ok_or_else(|| "an address is written as NAME=URL".to_owned())
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

/// A company in this process. As on a real network every answer takes a moment; and Jira has a bad day.
fn company() -> Result<Company, AnyError> {
    let company = Company::open(FIRST_LOGIN).map_err(|problems| problems.join("\n"))?;
    company.jira.fault(Fault::late_effect(Duration::from_secs(600)).on("POST", "/rest/api/3/project/*/role/*"));
    let moment = |millis| Fault::late_answer(Duration::from_millis(millis)).on("*", "/**").always();
    company.okta.fault(moment(120));
    company.google.fault(moment(180));
    company.salesforce.fault(moment(150));
    company.gitlab.fault(moment(90));
    company.slack.fault(moment(60));
    company.jira.fault(moment(100));
    company.badge.fault(moment(80));
    println!("Sarah Chen begins tomorrow. Seven fakes in this process stand for her company's systems, on real HTTP. Okta makes her accounts");
    println!(
        "in Google and Salesforce after a moment. Jira does not answer in time, and is looked at within {} seconds before anything is",
        FIRST_PAUSE.as_secs()
    );
    println!("repeated; in her story that is five minutes. GitLab waits for her first login, which comes after {} seconds.\n", FIRST_LOGIN.as_secs());
    Ok(company)
}

fn adapters(arguments: &Arguments, at: &BTreeMap<String, String>) -> Result<Vec<Arc<dyn Adapter>>, AnyError> {
    let url = |system: &str| at.get(system).map(String::as_str).ok_or_else(|| format!("where is {system}? Say it with --at {system}=URL"));
    let secret = |text: &str| Secret::new(text);
    // Fakes speak plain HTTP: no certificate has to be trusted.
    let http = ReqwestTransport::without_tls()?;
    let hasty = ReqwestTransport::from_builder(reqwest::Client::builder().timeout(JIRA_ANSWERS_WITHIN).tls_certs_only([]))?;
    let google = GoogleConfig::new(GoogleFake::ADMIN).access_token(secret(GoogleFake::TOKEN)).at(url("google")?, format!("{}/token", url("google")?));
    let salesforce = SalesforceConfig::new(url("salesforce")?).access_token(secret(SalesforceFake::TOKEN)).fallback_profile("Minimum Access - Salesforce");
    let badge = HttpClient::new(url("badge")?, &http)?.auth(Auth::bearer(secret(BadgeFake::TOKEN)));
    Ok(vec![
        Arc::new(OktaConfig::new(url("okta")?).api_token(secret(&arguments.okta_token)).connect("okta", &http)?),
        Arc::new(google.connect("google", &http)?),
        Arc::new(salesforce.connect("salesforce", &http)?),
        Arc::new(GitlabConfig::self_managed(url("gitlab")?).private_token(secret(GitlabFake::TOKEN)).connect("gitlab", &http)?),
        Arc::new(SlackConfig::new().token(secret(SlackFake::BOT_TOKEN)).base_url(format!("{}/api", url("slack")?)).connect("slack", &http)?),
        Arc::new(JiraConfig::new(url("jira")?).api_token(JiraFake::ADMIN, secret(JiraFake::TOKEN)).connect("jira", &hasty)?),
        // Of another team, and no different.
        Arc::new(Badge::new("badge", badge)),
    ])
}

/// The files themselves, and those of folders.
fn rules(paths: &[PathBuf]) -> Result<Rules, AnyError> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let mut found = std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
            found.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
            found.sort();
            files.extend(found);
        } else {
            files.push(path.clone());
        }
    }
    Ok(Rules::load_files(files)?)
}

async fn onboard(arguments: Arguments) -> Result<ExitCode, AnyError> {
    let company = if arguments.at.is_empty() { Some(company()?) } else { None };
    let at: BTreeMap<_, _> = company.iter().flat_map(Company::addresses).chain(arguments.at.iter().cloned()).collect();
    let folder = tempfile::tempdir()?;
    let file = arguments.store.clone().unwrap_or_else(|| folder.path().join("onboard.db"));
    let event = Event::from_json(&std::fs::read(&arguments.event).map_err(|error| format!("{}: {error}", arguments.event.display()))?)?;

    let lines = Arc::new(Lines::new());
    let heard = Arc::clone(&lines);
    let access = Provisioner::builder(SqliteStore::open(&file).await?, MemoryDirectory::default())
        .adapters(adapters(&arguments, &at)?)
        .rules(rules(&arguments.rules)?)
        .retry(RetryPolicy::default().first(FIRST_PAUSE))
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
            // Once submitted, the event is spent: what could not be planned would need another one.
            if let Some(blocked) = plan.blocked.first() {
                return Err(format!("nothing is submitted, for not everything can be planned: {}: {}", blocked.system, blocked.why).into());
            }
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
            tokio::time::sleep(LOOK).await;
            if report.count(Status::Waiting) > 0 {
                access.look(&run).await?;
            }
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
