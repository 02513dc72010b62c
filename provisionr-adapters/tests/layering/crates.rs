//! Which crate may depend on which.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::none;

/// A crate of this workspace, and those it depends on outside of tests.
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) src: PathBuf,
    needs: BTreeSet<String>,
    test_needs: BTreeSet<String>,
}

const SDK: &str = "provisionr-sdk";
const CORE: &str = "provisionr-core";
const HTTP: &str = "provisionr-http";
const TESTKIT: &str = "provisionr-testkit";
const FACADE: &str = "provisionr-adapters";
/// The example that stands for the adapters of other teams.
pub(crate) const CUSTOM: &str = "door-badge-adapter";
/// Programs for people to run; they print.
pub(crate) const EXAMPLES: &str = "provisionr-examples";
const STORES: [&str; 1] = ["provisionr-sqlite"];

fn read(metadata: &str) -> Vec<Member> {
    let metadata: Value = serde_json::from_str(metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let names: BTreeSet<&str> = packages.iter().map(|package| package["name"].as_str().unwrap()).collect();
    let member = |package: &Value| {
        let needs = |test: bool| {
            let dependencies = package["dependencies"].as_array().unwrap().iter();
            // The custom adapter lends its fake to demonstrations, behind a feature.
            let lent = |dependency: &Value| package["name"] == CUSTOM && dependency["name"] == TESTKIT && dependency["optional"] == true;
            let wanted = dependencies.filter(|dependency| (test || !lent(dependency)) && (dependency["kind"] == "dev") == test);
            let ours = wanted.map(|dependency| dependency["name"].as_str().unwrap());
            ours.filter(|name| names.contains(name)).map(str::to_owned).collect()
        };
        let manifest = PathBuf::from(package["manifest_path"].as_str().unwrap());
        Member { name: package["name"].as_str().unwrap().to_owned(), src: manifest.parent().unwrap().join("src"), needs: needs(false), test_needs: needs(true) }
    };
    packages.iter().map(member).collect()
}

/// The crates of this workspace.
pub(crate) fn members() -> Vec<Member> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let args = ["metadata", "--no-deps", "--format-version=1", "--offline", "--manifest-path", manifest];
    let output = Command::new(env!("CARGO")).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    read(std::str::from_utf8(&output.stdout).unwrap())
}

/// What a crate may need of ours outside of tests; none when it may need everything.
fn allowed(name: &str, adapters: &[String]) -> Option<Vec<String>> {
    let list = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
    match name {
        SDK => list(&[]),
        CORE | HTTP => list(&[SDK]),
        TESTKIT => list(&[SDK, HTTP]),
        FACADE => Some([SDK, HTTP].map(str::to_owned).into_iter().chain(adapters.iter().cloned()).collect()),
        EXAMPLES => None,
        _ if STORES.contains(&name) => list(&[SDK, CORE]),
        _ => list(&[SDK, HTTP]),
    }
}

fn violations(members: &[Member]) -> Vec<String> {
    let known = [SDK, CORE, HTTP, TESTKIT, FACADE, EXAMPLES, CUSTOM];
    let adapters: Vec<_> =
        members.iter().map(|member| member.name.clone()).filter(|name| !known.contains(&name.as_str()) && !STORES.contains(&name.as_str())).collect();
    let mut found = Vec::new();
    for member in members {
        let Some(allowed) = allowed(&member.name, &adapters) else { continue };
        for need in member.needs.iter().filter(|need| !allowed.contains(need)) {
            found.push(format!("{} must not depend on {need}; it may on {allowed:?}", member.name));
        }
        let on_core_in_tests = member.test_needs.contains(CORE);
        let strangers = member.name == TESTKIT || member.name == HTTP || member.name == CUSTOM || adapters.contains(&member.name);
        if on_core_in_tests && strangers {
            found.push(format!("{} must not depend on {CORE}, not even in tests", member.name));
        }
    }
    found
}

#[test]
fn crates_depend_downwards() {
    let members = members();
    for name in [SDK, CORE, HTTP, TESTKIT, FACADE, CUSTOM, EXAMPLES, "provisionr-okta", "provisionr-sqlite"] {
        assert!(members.iter().any(|member| member.name == name), "{name} is not in the workspace");
    }
    none(violations(&members));
}

#[test]
fn a_planted_dependency_is_found() {
    let package = |name: &str, dependencies: &str| format!(r#"{{"name": "{name}", "manifest_path": "/x/Cargo.toml", "dependencies": [{dependencies}]}}"#);
    let on = |name: &str, kind: &str| format!(r#"{{"name": "{name}", "kind": {kind}}}"#);
    let found = |name: &str, need: &str, kind: &str| {
        let others = [SDK, CORE, HTTP, TESTKIT, "provisionr-slack"].into_iter().filter(|other| *other != name).map(|other| package(other, ""));
        let packages: Vec<_> = others.chain([package(name, &on(need, kind))]).collect();
        violations(&read(&format!(r#"{{"packages": [{}]}}"#, packages.join(","))))
    };
    for (name, need, kind) in [
        (SDK, HTTP, "null"),
        (CORE, TESTKIT, "null"),
        (HTTP, CORE, "null"),
        (HTTP, CORE, "\"build\""),
        (TESTKIT, CORE, "null"),
        (TESTKIT, CORE, "\"dev\""),
        (CUSTOM, CORE, "null"),
        (CUSTOM, CORE, "\"dev\""),
        (CUSTOM, TESTKIT, "null"),
        ("provisionr-okta", CORE, "null"),
        ("provisionr-okta", "provisionr-slack", "null"),
        (FACADE, CORE, "null"),
    ] {
        assert_eq!(found(name, need, kind).len(), 1, "{name} on {need}, {kind}");
    }
    for (name, need, kind) in
        [(CORE, TESTKIT, "\"dev\""), ("provisionr-okta", TESTKIT, "\"dev\""), (FACADE, CORE, "\"dev\""), (FACADE, "provisionr-slack", "null")]
    {
        assert!(found(name, need, kind).is_empty(), "{name} on {need}, {kind}");
    }
}
