//! The vendors of our fakes: where their descriptions are, and what is wrong with them.

mod aws;
mod github;
mod gitlab;
mod google;
mod jira;
mod okta;
mod salesforce;
mod scim;
mod slack;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};

use serde_json::Value;

use super::{Description, FOLDER};
use crate::clock::lock;

/// A type of system, and how its description is read.
type Vendor = (&'static str, fn(&Folder) -> Description);

const VENDORS: [Vendor; 9] = [
    ("aws", aws::description),
    ("github", github::description),
    ("gitlab", gitlab::description),
    ("google", google::description),
    ("jira", jira::description),
    ("okta", okta::description),
    ("salesforce", salesforce::description),
    ("scim", scim::description),
    ("slack", slack::description),
];

pub(super) fn load(system_type: &str) -> Option<&'static Description> {
    static LOADED: OnceLock<Mutex<HashMap<&'static str, &'static Description>>> = OnceLock::new();
    let folder = Folder(PathBuf::from(std::env::var_os(FOLDER).filter(|folder| !folder.is_empty())?));
    let (name, describe) = VENDORS.into_iter().find(|(name, _)| *name == system_type)?;
    // Once in a process, for reading and compiling cost more than holding anything against them.
    let mut loaded = lock(LOADED.get_or_init(Mutex::default));
    Some(loaded.entry(name).or_insert_with(|| Box::leak(Box::new(describe(&folder)))))
}

/// Where the descriptions are.
struct Folder(PathBuf);

impl Folder {
    #[expect(clippy::panic, reason = "how a test fails")]
    fn read(&self, file: &str) -> Value {
        let path = self.0.join(file);
        let text = std::fs::read_to_string(&path).map_err(|error| error.to_string());
        match text.and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string())) {
            Ok(document) => document,
            Err(error) => panic!("{FOLDER} has no description at {}: {error}", path.display()),
        }
    }
}
