//! The vendors' own client libraries, in Python, against the fakes: one test a vendor. `tests/clients/` holds what they do.
//!
//! `PROVISIONR_CLIENTS_PYTHON` names an interpreter that has the packages of `tests/clients/requirements.txt`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stderr, missing_docs)]

use std::path::{Path, PathBuf};
use std::process::Command;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

fn run(script: &str) {
    let Some(python) = std::env::var_os("PROVISIONR_CLIENTS_PYTHON") else {
        eprintln!("passed over: PROVISIONR_CLIENTS_PYTHON names no interpreter that has the clients");
        return;
    };
    let mut command = Command::new(python);
    // The clients take addresses, proxies and credentials from the environment when they are not told otherwise.
    command.env_clear().env("PROVISIONR_FAKES", env!("CARGO_BIN_EXE_provisionr-fakes")).env("PYTHONDONTWRITEBYTECODE", "1");
    let output = command.arg(script).current_dir(folder()).output().expect("the interpreter can be started");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script} failed:\n{told}");
    assert!(!told.contains("Ran 0 tests"), "{script} did nothing:\n{told}");
}

#[test]
fn aws_boto3() {
    run("test_aws.py");
}

#[test]
fn github_pygithub() {
    run("test_github.py");
}

#[test]
fn gitlab_python_gitlab() {
    run("test_gitlab.py");
}

#[test]
fn google_api_python_client() {
    run("test_google.py");
}

#[test]
fn jira_atlassian_python_api() {
    run("test_jira.py");
}

#[test]
fn okta_okta() {
    run("test_okta.py");
}

#[test]
fn salesforce_simple_salesforce() {
    run("test_salesforce.py");
}

#[test]
fn slack_slack_sdk() {
    run("test_slack.py");
}

/// The table of the documentation has the versions that are installed.
#[test]
fn the_documented_versions_are_those_required() {
    let table = include_str!("../src/fakes/mod.rs");
    let required = std::fs::read_to_string(folder().join("requirements.txt")).unwrap();
    let cell = |line: &'static str| line.strip_prefix("//! | ")?.split(" | ").nth(1)?.strip_prefix('`')?.split_once("` ");
    let documented: Vec<_> = table.lines().filter_map(cell).filter(|(_, version)| version.starts_with(|char: char| char.is_ascii_digit())).collect();
    assert_eq!(documented.len(), 8);
    for (client, version) in documented {
        assert!(required.lines().any(|line| line == format!("{client}=={version}")), "{client} {version} is not what the requirements have");
    }
}
