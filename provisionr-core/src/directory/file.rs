//! A directory in a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value;

use super::{Directory, DirectoryError, MemoryDirectory};
use provisionr_sdk::{Lifecycle, Subject, SubjectId};

/// A directory read once from a JSON or YAML file: a list of records, or a map with the list under `people`.
///
/// A record has its id under `employee_id` (or `id`), may have `version` and `lifecycle` (`prehire`, `active`,
/// `on_leave`, `terminated`; `active` unless given), and its attributes beside them. A record without a version is taken
/// for what is true now, whatever events have told before; one with a version never wins over a newer one.
///
/// ```
/// # let folder = std::env::temp_dir().join(format!("provisionr-people-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// let file = folder.join("people.yaml");
/// std::fs::write(&file, "people:\n  - { employee_id: emp_1, email: sarah@company.com }\n")?;
/// let directory = provisionr_core::FileDirectory::load(&file)?;
/// assert_eq!(directory.len(), 1);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct FileDirectory {
    path: PathBuf,
    people: MemoryDirectory,
    count: usize,
}

#[derive(Deserialize)]
struct Record {
    #[serde(alias = "id")]
    employee_id: SubjectId,
    #[serde(default)]
    version: u64,
    #[serde(default)]
    lifecycle: Option<Lifecycle>,
    #[serde(flatten)]
    attributes: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct People {
    people: Vec<Record>,
}

impl FileDirectory {
    /// Reads a file; what ends in `.json` as JSON, all else as YAML.
    ///
    /// # Errors
    /// When it cannot be read, is not such a list, or has an id twice; the message names the file and the place.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, DirectoryError> {
        let path = path.as_ref();
        let invalid = |why: String| DirectoryError::Invalid(format!("{}: {why}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| DirectoryError::Unavailable(format!("{}: {error}", path.display())))?;
        let json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
        let listed = text.trim_start().starts_with(['[', '-']);
        let records = match (json, listed) {
            (true, true) => serde_json::from_str(&text).map_err(|error| invalid(error.to_string()))?,
            (true, false) => serde_json::from_str::<People>(&text).map_err(|error| invalid(error.to_string()))?.people,
            (false, true) => serde_saphyr::from_str::<Vec<Record>>(&text).map_err(|error| invalid(error.to_string()))?,
            (false, false) => serde_saphyr::from_str::<People>(&text).map_err(|error| invalid(error.to_string()))?.people,
        };
        let mut people = BTreeMap::new();
        for record in records {
            if record.employee_id.as_str().trim().is_empty() {
                return Err(invalid("a record has an empty id".to_owned()));
            }
            let mut subject = Subject::new(record.employee_id).with_version(record.version).with_lifecycle(record.lifecycle.unwrap_or(Lifecycle::Active));
            subject.attributes = record.attributes;
            if let Some(twice) = people.insert(subject.id.clone(), subject) {
                return Err(invalid(format!("the id `{}` is there twice", twice.id)));
            }
        }
        let count = people.len();
        Ok(Self { path: path.to_owned(), people: MemoryDirectory::new(people.into_values()), count })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many subjects there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

#[async_trait]
impl Directory for FileDirectory {
    async fn subject(&self, id: &SubjectId) -> Result<Option<Subject>, DirectoryError> {
        self.people.subject(id).await
    }

    async fn subjects(&self, after: Option<&SubjectId>, limit: usize) -> Result<Vec<Subject>, DirectoryError> {
        self.people.subjects(after, limit).await
    }
}
