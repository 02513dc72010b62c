//! What the program is told.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Parser;
use clap::error::ErrorKind;

use super::registry::{self, FakeType};

const AFTER_HELP: &str = "\
A SYSTEM is TYPE=PORT, or NAME=TYPE:PORT where there are several of a type. Port 0 is any that is free.
Prints a systems file for these fakes on stdout once all of them can be reached, and serves until it is stopped.

  provisionr-fakes okta=9001 > systems.yaml
  provisionr-fakes --seed company.yaml okta=0 okta-eu=okta:0

Each fake says at http://127.0.0.1:PORT/__fake/ how to look into it and make it fail.";

/// Serves fakes of vendor systems on this machine.
#[derive(Debug, Parser)]
#[command(name = "provisionr-fakes", after_help = AFTER_HELP)]
pub(super) struct Arguments {
    /// What is in the fakes at the beginning: a YAML or JSON file, a mapping from names of fakes to their seeds.
    #[arg(long, value_name = "FILE")]
    pub(super) seed: Option<PathBuf>,
    /// The fakes to serve.
    #[arg(required = true, value_name = "SYSTEM")]
    pub(super) fakes: Vec<Wanted>,
}

impl Arguments {
    pub(super) fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let arguments = Self::try_parse_from(arguments)?;
        let refused = |why: String| clap::Error::raw(ErrorKind::ValueValidation, why + "\n");
        let mut names = BTreeSet::new();
        if let Some(twice) = arguments.fakes.iter().find(|fake| !names.insert(&fake.name)) {
            return Err(refused(format!("there are two fakes called `{0}`; give one another name: `{0}-2={1}:{2}`", twice.name, twice.kind.name, twice.port)));
        }
        let mut ports = BTreeSet::new();
        if let Some(twice) = arguments.fakes.iter().find(|fake| fake.port != 0 && !ports.insert(fake.port)) {
            return Err(refused(format!("`{}` and another fake are both to be on port {}; give one another port, or 0 for any", twice.name, twice.port)));
        }
        Ok(arguments)
    }
}

/// One fake to serve.
#[derive(Clone)]
pub(super) struct Wanted {
    pub(super) name: String,
    pub(super) kind: &'static FakeType,
    pub(super) port: u16,
}

impl std::fmt::Debug for Wanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}={}:{}", self.name, self.kind.name, self.port)
    }
}

impl FromStr for Wanted {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((name, rest)) = text.split_once('=') else {
            return Err(format!("a fake is written as TYPE=PORT or NAME=TYPE:PORT, such as `{text}=9001`"));
        };
        let (kind, port) = match rest.split_once(':') {
            Some((kind, port)) => (kind, port),
            None if registry::named(rest).is_some() => return Err(format!("the port is missing: `{name}={rest}:9001`, or `{name}={rest}:0` for any")),
            None => (name, rest),
        };
        let allowed = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
        if name.is_empty() || !name.chars().all(allowed) || name == super::seed::LINKS {
            return Err(format!("`{name}` cannot be the name of a fake; letters, digits, `-`, `_` and `.` can, and not `{}`", super::seed::LINKS));
        }
        let port = port.parse().map_err(|_| format!("`{port}` is no port: a number from 0 (any that is free) to 65535"))?;
        let kind = registry::named(kind).ok_or_else(|| {
            let named = if kind == name { format!("; under a name of your own it is `{name}=TYPE:{port}`") } else { String::new() };
            format!("there is no fake of `{kind}`; {}{named}", registry::near(kind, registry::names()))
        })?;
        Ok(Self { name: name.to_owned(), kind, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<String, String> {
        let all = ["provisionr-fakes"].iter().chain(arguments).map(OsString::from);
        Arguments::read(all).map(|read| format!("{:?}", read.fakes)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_fake_has_a_type_a_port_and_perhaps_a_name() {
        assert_eq!(read(&["okta=9001", "okta-eu=okta:0"]).unwrap(), "[okta=okta:9001, okta-eu=okta:0]");
    }

    #[test]
    fn what_is_wrong_is_said_with_what_to_do() {
        for (arguments, said) in [
            (vec![], "<SYSTEM>"),
            (vec!["okta"], "`okta=9001`"),
            (vec!["okta=x"], "`x` is no port"),
            (vec!["okta=70000"], "65535"),
            (vec!["eu=okta"], "`eu=okta:9001`"),
            (vec!["otka=1"], "did you mean `okta`?"),
            (vec!["eu=otka:1"], "did you mean `okta`?"),
            (vec!["links=okta:1"], "cannot be the name"),
            (vec!["a b=okta:1"], "cannot be the name"),
            (vec!["okta=0", "okta=0"], "`okta-2=okta:0`"),
            (vec!["okta=9001", "b=okta:9001"], "both to be on port 9001"),
        ] {
            let error = read(&arguments).unwrap_err();
            assert!(error.contains(said), "{arguments:?}: {error}");
        }
    }
}
