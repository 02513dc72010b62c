//! Which way imports run inside a crate: a module knows those below it, never those beside or above that came later.

use std::path::Path;

use crate::none;
use crate::source::{Source, item_end, library, words};

/// Modules from the lowest up: each may import those before it.
struct Floors(&'static [(&'static str, &'static [&'static str])]);

const SDK: Floors = Floors(&[
    ("vocabulary", &["id", "time", "secret", "level", "error", "subject", "account", "lane", "entitlement", "facts", "kind", "kinds"]),
    ("contract", &["descriptor", "page", "sweep", "change", "outcome", "context", "adapter"]),
]);

const CORE: Floors = Floors(&[
    (PURE, &["digest", "record", "event", "rules", "desired", "plan", "diff", "planner", "forecast", "plan_set", "run", "retry", "report", "audit", "explain"]),
    ("ports", &["clock", "directory", "rate", "observer", "store"]),
    ("effects", &["executor", "driver", "provisioner"]),
]);

const PURE: &str = "pure";

/// What pure code does not do: wait, read clocks, start threads, touch files or the environment.
const EFFECTS: [&str; 10] = ["tokio", "async", "await", "Instant", "SystemTime", "Timestamp::now", "thread", "fs", "net", "env"];
/// The one pure module that reads files: it hands their texts to the others.
const LOADER: [&str; 2] = ["rules", "load"];

impl Floors {
    fn place(&self, module: &str) -> Option<usize> {
        self.0.iter().flat_map(|(_, modules)| *modules).position(|known| *known == module)
    }

    fn floor(&self, module: &str) -> Option<&'static str> {
        self.0.iter().find(|(_, modules)| modules.contains(&module)).map(|(floor, _)| *floor)
    }

    fn violations(&self, source: &Source) -> Vec<String> {
        let Some(module) = source.module.first() else { return Vec::new() };
        let Some(place) = self.place(module) else {
            return vec![source.violation(0, &format!("module `{module}` stands on no floor; give it a place in this test"))];
        };
        let mut found = Vec::new();
        for (at, import) in imports(source) {
            if import == *module {
                continue;
            }
            match self.place(&import) {
                Some(below) if below < place => {}
                Some(_) => found.push(source.violation(at, &format!("`{module}` must not import `{import}`, which stands above it"))),
                None => found.push(source.violation(at, &format!("`{import}` is imported from the root; import it from its module"))),
            }
        }
        if self.floor(module) == Some(PURE) {
            let loader = source.module == LOADER;
            for effect in EFFECTS.iter().filter(|effect| !(loader && **effect == "fs")) {
                found.extend(words(&source.code, effect).map(|at| source.violation(at, &format!("`{effect}` in the pure module `{module}`"))));
            }
        }
        found
    }
}

/// The modules of its own crate that a file names, by `crate::` or by enough `super::`.
fn imports(source: &Source) -> Vec<(usize, String)> {
    let up = "super::".repeat(source.module.len());
    let mut found = Vec::new();
    let mut roots: Vec<_> = words(&source.code, "crate::").map(|at| (at, at + "crate::".len())).collect();
    let supers = words(&source.code, &up).filter(|&at| !up.is_empty() && !source.code[..at].ends_with("super::"));
    // One `super` more would leave the crate: it stands in a module within the file.
    roots.extend(supers.map(|at| (at, at + up.len())).filter(|(_, end)| !source.code[*end..].starts_with("super::")));
    for (at, end) in roots {
        let rest = &source.code[end..];
        if rest.starts_with('{') {
            let group = &rest[1..item_end(rest, 0).saturating_sub(1)];
            found.extend(split(group).into_iter().map(|path| (at, first_word(path))));
        } else {
            found.push((at, first_word(rest)));
        }
    }
    found.retain(|(_, import)| !import.is_empty());
    found
}

fn first_word(path: &str) -> String {
    path.trim_start().chars().take_while(|char| crate::source::is_word(*char)).collect()
}

/// The parts of a group of imports, at its outermost level.
fn split(group: &str) -> Vec<&str> {
    let mut depth = 0;
    group
        .split(|char| {
            match char {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            char == ',' && depth == 0
        })
        .collect()
}

#[test]
fn imports_of_the_sdk_run_downwards() {
    let src = concat!(env!("CARGO_MANIFEST_DIR"), "/../provisionr-core/sdk/src");
    none(library(Path::new(src)).iter().flat_map(|source| SDK.violations(source)));
}

#[test]
fn imports_of_the_core_run_downwards() {
    let src = concat!(env!("CARGO_MANIFEST_DIR"), "/../provisionr-core/src");
    let sources = library(Path::new(src));
    none(sources.iter().flat_map(|source| CORE.violations(source)));
    for (_, modules) in CORE.0 {
        for module in *modules {
            assert!(sources.iter().any(|source| source.module.first().is_some_and(|first| first == module)), "there is no module `{module}`");
        }
    }
}

#[test]
fn a_planted_import_is_found() {
    let found = |path: &str, text: &str| CORE.violations(&Source::new(Path::new("s"), &Path::new("s").join(path), text));
    for (path, text) in [
        ("audit.rs", "use crate::executor::receipt_of;"),
        ("plan/model.rs", "use crate::store::Rank;"),
        ("plan/model.rs", "use super::super::diff::diff;"),
        ("plan/mod.rs", "use super::diff::diff;"),
        ("run/state.rs", "fn f() -> crate::driver::Driver { loop {} }"),
        ("retry.rs", "use crate::{\n    digest::Digest,\n    store::{Store, Write},\n};"),
        ("report.rs", "use crate::Digest;"),
        ("diff.rs", "async fn f() {}"),
        ("diff.rs", "use tokio::sync::Mutex;"),
        ("rules/check.rs", "fn f() { std::fs::read(\"x\"); }"),
        ("event.rs", "fn f() -> Timestamp { Timestamp::now() }"),
        ("executor/gate.rs", "use crate::driver::Driver;"),
        ("helpers.rs", ""),
    ] {
        assert_eq!(found(path, text).len(), 1, "{path}: {text}");
    }
    for (path, text) in [
        ("audit.rs", "use crate::run::Transition; // not crate::executor"),
        ("plan/model.rs", "use super::order::order; use crate::record::Rank;"),
        ("retry.rs", "use crate::{digest::Digest, run::{Failure, Then}};"),
        ("rules/load.rs", "use std::fs;"),
        ("executor/mover.rs", "use crate::store::Store; async fn f() {}"),
        ("diff.rs", "#[cfg(test)] mod tests { use crate::executor::Executor; }"),
        ("lib.rs", "pub use crate::driver::Driver;"),
    ] {
        assert_eq!(found(path, text), [""; 0], "{path}: {text}");
    }
}
