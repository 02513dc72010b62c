//! A directory in memory.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;

use super::{Directory, DirectoryError};
use provisionr_sdk::{Subject, SubjectId};

/// A directory in memory; clones share their subjects.
#[derive(Clone, Debug, Default)]
pub struct MemoryDirectory(Arc<RwLock<BTreeMap<SubjectId, Subject>>>);

impl MemoryDirectory {
    /// A directory of these subjects; of two with one id the later stays.
    pub fn new(subjects: impl IntoIterator<Item = Subject>) -> Self {
        Self(Arc::new(RwLock::new(subjects.into_iter().map(|subject| (subject.id.clone(), subject)).collect())))
    }

    /// Puts a subject in, or in the place of the one with its id.
    pub fn put(&self, subject: Subject) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(subject.id.clone(), subject);
    }

    /// Takes a subject out.
    pub fn remove(&self, id: &SubjectId) -> Option<Subject> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(id)
    }
}

#[async_trait]
impl Directory for MemoryDirectory {
    async fn subject(&self, id: &SubjectId) -> Result<Option<Subject>, DirectoryError> {
        Ok(self.0.read().unwrap_or_else(PoisonError::into_inner).get(id).cloned())
    }

    async fn subjects(&self, after: Option<&SubjectId>, limit: usize) -> Result<Vec<Subject>, DirectoryError> {
        let from = after.map_or(Bound::Unbounded, |id| Bound::Excluded(id.clone()));
        let subjects = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Ok(subjects.range((from, Bound::Unbounded)).take(limit).map(|(_, subject)| subject.clone()).collect())
    }
}
