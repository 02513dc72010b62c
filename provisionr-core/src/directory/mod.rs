//! The host's list of subjects.

mod file;
mod memory;

use std::fmt;

use async_trait::async_trait;

use provisionr_sdk::{Subject, SubjectId};

pub use file::FileDirectory;
pub use memory::MemoryDirectory;

/// A directory that could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DirectoryError {
    /// It cannot be reached now.
    #[error("the directory cannot be read: {0}")]
    Unavailable(String),
    /// What it holds makes no sense; where and why.
    #[error("{0}")]
    Invalid(String),
}

/// The host's list of subjects: one by id, all of them page by page.
#[async_trait]
pub trait Directory: fmt::Debug + Send + Sync + 'static {
    /// A subject by id.
    /// - None when there is none; an error when that cannot be told.
    async fn subject(&self, id: &SubjectId) -> Result<Option<Subject>, DirectoryError>;

    /// Subjects in the order of their ids, those after `after`, at most `limit`.
    /// - A page that is not full is the last.
    async fn subjects(&self, after: Option<&SubjectId>, limit: usize) -> Result<Vec<Subject>, DirectoryError>;
}
