//! What never shows in public: the crates that an implementation may exchange.

use std::path::Path;

use crate::none;
use crate::source::{Source, is_word, item_end, library, words};

const HIDDEN: [&str; 4] = ["petgraph", "reqwest", "rusqlite", "wiremock"];

/// The doors through which a host hands in what it has built itself: file, function, crate.
const DOORS: [(&str, &str, &str); 2] =
    [("network.rs", "fn new(client: Client)", "reqwest"), ("network.rs", "fn from_builder(builder: ClientBuilder)", "reqwest")];

/// Names a file takes from one of the hidden crates.
fn names(source: &Source, hidden: &str) -> Vec<String> {
    let mut names = vec![hidden.to_owned()];
    for at in words(&source.code, "use") {
        let statement = &source.code[at..item_end(&source.code, at)];
        let path = statement["use".len()..].trim_start().trim_start_matches("::");
        let Some(rest) = path.strip_prefix(hidden).filter(|rest| rest.starts_with("::") || rest.trim_start().starts_with("as ")) else { continue };
        // The last word of each path is what the file calls it, an alias included.
        for path in rest.split([',', '{', '}', ';']) {
            let last: String = path.trim().rsplit(|char| !is_word(char)).next().unwrap_or_default().to_owned();
            // `Result` of a hidden crate shows by its crate's name at its use, or hides in an alias of another.
            if !last.is_empty() && last != "self" && last != "_" {
                names.push(last);
            }
        }
    }
    names
}

/// The declarations that others can see, each as its text.
fn declarations(code: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for at in words(code, "pub") {
        let rest = &code[at + "pub".len()..];
        if rest.starts_with('(') {
            continue;
        }
        let word: String = rest.trim_start().chars().take_while(|char| is_word(*char)).collect();
        let end = match word.as_str() {
            "enum" | "trait" | "use" | "type" | "const" | "static" if !rest.trim_start().starts_with("const fn") => item_end(code, at),
            "struct" | "union" | "mod" => head_end(code, at, &['{', '(', ';']),
            "fn" | "async" | "const" | "unsafe" | "extern" => head_end(code, at, &['{', ';']),
            _ => head_end(code, at, &[',', ';', '}', ')', '=']),
        };
        found.push((at, &code[at..end]));
    }
    found
}

/// Where one of these stands first outside of parentheses and angles.
fn head_end(code: &str, start: usize, ends: &[char]) -> usize {
    let mut depth = 0_i32;
    let mut before = ' ';
    for (at, char) in code[start..].char_indices() {
        if depth == 0 && ends.contains(&char) {
            return start + at;
        }
        match char {
            '(' | '[' | '<' => depth += 1,
            ')' | ']' => depth -= 1,
            '>' if before != '-' && before != '=' => depth -= 1,
            _ => {}
        }
        before = char;
    }
    code.len()
}

fn violations(source: &Source) -> Vec<String> {
    let file = source.path.file_name().unwrap().to_str().unwrap();
    let mut found = Vec::new();
    for hidden in HIDDEN {
        let names = names(source, hidden);
        for (at, declaration) in declarations(&source.code) {
            let door = DOORS.iter().any(|(where_, what, whose)| *where_ == file && declaration.contains(what) && *whose == hidden);
            if !door && let Some(name) = names.iter().find(|name| words(declaration, name).next().is_some()) {
                let line = declaration.lines().next().unwrap_or_default();
                found.push(source.violation(at, &format!("`{name}` of {hidden} shows in `{line}`")));
            }
        }
    }
    found
}

#[test]
fn crates_that_may_be_exchanged_show_in_no_public_signature() {
    let libraries = crate::crates::members().into_iter().filter(|member| member.name != crate::crates::EXAMPLES);
    none(libraries.flat_map(|member| library(&member.src)).flat_map(|source| violations(&source)));
}

#[test]
fn a_planted_signature_is_found() {
    let found = |text: &str| violations(&Source::new(Path::new("s"), Path::new("s/a.rs"), text));
    for text in [
        "pub fn graph(&self) -> petgraph::Graph<u8, ()> { todo() }",
        "use petgraph::graph::{DiGraph, NodeIndex};\nimpl P { pub const fn of(&self, node: NodeIndex) -> u8 { 0 } }",
        "use reqwest::Client as Web;\npub struct T { pub web: Web, inner: u8 }",
        "pub struct T(pub reqwest::Client);",
        "pub enum E { Store(rusqlite::Error) }",
        "pub trait T { fn open(&self) -> rusqlite::Connection; }",
        "pub use wiremock::MockServer;",
        "use rusqlite::Result;\npub async fn f() -> Result<()> { g() }",
        "pub type Rows = Vec<rusqlite::Row<'static>>;",
    ] {
        assert_eq!(found(text).len(), 1, "{text}");
    }
    for text in [
        "pub fn f() -> u8 { petgraph::algo::toposort() }",
        "use rusqlite::Connection;\npub(crate) fn f(c: &Connection) {}\nfn g(c: &Connection) {}",
        "use reqwest::Client;\npub struct T(Client);\npub struct U { inner: Client }",
        "/// Not a `reqwest::Client`.\npub fn f() {}",
        "pub fn f(client: Client) {}",
    ] {
        assert_eq!(found(text), [""; 0], "{text}");
    }
    let elsewhere = "use reqwest::Client;\nimpl T { pub fn new(client: Client) -> Self { Self(client) } }";
    assert_eq!(found(elsewhere).len(), 1);
    assert!(violations(&Source::new(Path::new("s"), Path::new("s/network.rs"), elsewhere)).is_empty());
}
