//! What library code does not do: start tasks nobody owns, block a thread, print, or panic where an error belongs.

use std::path::Path;

use crate::crates::{EXAMPLES, members};
use crate::none;
use crate::source::{Source, library, words};

const FORBIDDEN: [(&str, &str); 10] = [
    ("tokio::spawn", "a task outlives the future that began it; use a `JoinSet`"),
    ("task::spawn", "a task outlives the future that began it; use a `JoinSet`"),
    ("thread::sleep", "it blocks the runtime; use Tokio's time"),
    ("println!", "a library logs by `tracing`"),
    ("eprintln!", "a library logs by `tracing`"),
    ("print!", "a library logs by `tracing`"),
    ("eprint!", "a library logs by `tracing`"),
    ("dbg!", "a library logs by `tracing`"),
    (".unwrap()", "a bug is an error of the run, not a panic of the host"),
    ("todo!", "it panics"),
];

/// Where a forbidden word is right: file, word, and why.
const EXCEPTIONS: [(&str, &str, &str); 1] = [("sqlite/src/open.rs", "thread::sleep", "the store opens its file on a thread of its own")];

fn violations(source: &Source) -> Vec<String> {
    let excepted = |word: &str| EXCEPTIONS.iter().any(|(file, what, _)| source.path.ends_with(file) && *what == word);
    let each = FORBIDDEN
        .iter()
        .filter(|(what, _)| !excepted(what))
        .flat_map(|(what, why)| words(&source.code, what).map(move |at| source.violation(at, &format!("`{what}`: {why}"))));
    each.collect()
}

#[test]
fn libraries_spawn_block_print_and_unwrap_nothing() {
    let libraries = members().into_iter().filter(|member| member.name != EXAMPLES);
    none(libraries.flat_map(|member| library(&member.src)).flat_map(|source| violations(&source)));
}

#[test]
fn a_planted_word_is_found() {
    let found = |text: &str| violations(&Source::new(Path::new("s"), Path::new("s/a.rs"), text));
    for (what, _) in FORBIDDEN {
        assert_eq!(found(&format!("fn f() {{ x{}(); }}", if what.starts_with('.') { what.to_owned() } else { format!(";{what}") })).len(), 1, "{what}");
    }
    for text in [
        "fn f() { tasks.spawn(g()); x.unwrap_or(1); x.unwrap_or_else(h); tokio::task::spawn_blocking(g); }",
        "/// `println!`\nfn f() { write(\"tokio::spawn\"); }",
        "#[cfg(test)]\nmod tests { fn f() { x().unwrap(); println!(); } }",
    ] {
        assert_eq!(found(text), [""; 0], "{text}");
    }
}
