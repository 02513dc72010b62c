//! The vendors' own client libraries, in Python, against the fakes: one test a vendor. `tests/clients/` holds what they do.
//!
//! `PROVISIONR_CLIENTS_PYTHON` names an interpreter that has the packages of `tests/clients/requirements.txt`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::path::Path;
use std::process::Command;

fn run(script: &str) {
    let Some(python) = std::env::var_os("PROVISIONR_CLIENTS_PYTHON") else {
        eprintln!("passed over: PROVISIONR_CLIENTS_PYTHON names no interpreter that has the clients");
        return;
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    let mut command = Command::new(python);
    // The clients take addresses, proxies and credentials from the environment when they are not told otherwise.
    command.env_clear().env("PROVISIONR_FAKES", env!("CARGO_BIN_EXE_provisionr-fakes")).env("PYTHONDONTWRITEBYTECODE", "1");
    let output = command.arg(script).current_dir(folder).output().expect("the interpreter can be started");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script} failed:\n{told}");
    assert!(!told.contains("Ran 0 tests"), "{script} did nothing:\n{told}");
}

#[test]
fn aws_boto3() {
    run("test_aws.py");
}

#[test]
fn slack_slack_sdk() {
    run("test_slack.py");
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
fn okta_okta() {
    run("test_okta.py");
}
