//! Rules from files and folders.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::diagnostic::{Diagnostic, DiagnosticCode};
use super::source::Source;

/// Bytes of one file.
const LARGEST: u64 = 64 * 1024 * 1024;

/// What was found on disk.
#[derive(Debug, Default)]
pub(crate) struct Files {
    pub(crate) sources: Vec<Arc<Source>>,
    pub(crate) problems: Vec<Diagnostic>,
}

impl Files {
    /// All rules files of a folder and its sub-folders, by name.
    pub(crate) fn of_folder(folder: &Path) -> Self {
        let mut files = Self::default();
        let mut paths = Vec::new();
        files.folder(folder, &mut Vec::new(), &mut paths);
        if paths.is_empty() && files.problems.is_empty() {
            let message = format!("there is no rules file in `{}`", folder.display());
            let help = "rules files end in `.yaml` or `.yml`; names that begin with a dot are left out".to_owned();
            files.problems.push(Diagnostic::of_file(DiagnosticCode::NoRules, &folder.display().to_string(), message).with_help(help));
        }
        for path in paths {
            files.file(&path);
        }
        files
    }

    pub(crate) fn of_paths<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Self {
        let mut files = Self::default();
        for path in paths {
            files.file(path.as_ref());
        }
        files
    }

    /// `above` holds the folders on the way here, so that a link leading back is seen.
    fn folder(&mut self, folder: &Path, above: &mut Vec<PathBuf>, paths: &mut Vec<PathBuf>) {
        let real = match fs::canonicalize(folder) {
            Ok(real) => real,
            Err(error) => return self.unreadable(folder, &error.to_string()),
        };
        if above.contains(&real) {
            return self.unreadable(folder, "it is a link that leads back to a folder above it");
        }
        let mut entries = match fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>) {
            Ok(entries) => entries,
            Err(error) => return self.unreadable(folder, &error.to_string()),
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        above.push(real);
        for entry in entries {
            let path = entry.path();
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            // Follows links: mounted configuration is often nothing but links.
            match fs::metadata(&path) {
                Ok(facts) if facts.is_dir() => self.folder(&path, above, paths),
                Ok(_) if is_rules_file(&path) => paths.push(path),
                Err(error) if is_rules_file(&path) => self.unreadable(&path, &error.to_string()),
                _ => {}
            }
        }
        above.pop();
    }

    fn file(&mut self, path: &Path) {
        match fs::metadata(path) {
            Ok(facts) if facts.len() > LARGEST => return self.unreadable(path, "it is larger than 64 MiB"),
            Ok(_) => {}
            Err(error) => return self.unreadable(path, &error.to_string()),
        }
        match fs::read(path) {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => self.sources.push(Source::new(&path.display().to_string(), &text)),
                Err(error) => {
                    let before = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
                    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
                    self.unreadable(path, &format!("line {line} is not UTF-8"));
                }
            },
            Err(error) => self.unreadable(path, &error.to_string()),
        }
    }

    fn unreadable(&mut self, path: &Path, why: &str) {
        let path = path.display().to_string();
        self.problems.push(Diagnostic::of_file(DiagnosticCode::Unreadable, &path, format!("cannot read `{path}`: {why}")));
    }
}

fn is_rules_file(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("yaml") || extension.eq_ignore_ascii_case("yml"))
}
