//! What is wrong with a systems file.

use std::fmt;

use super::tree::Place;

/// One mistake: where, what, and what to do. It quotes keys and names, and no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemsProblem {
    file: String,
    at: Option<Place>,
    message: String,
}

impl SystemsProblem {
    pub(super) fn new(file: &str, at: Option<Place>, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), at, message: message.into() }
    }

    /// The file, or the name the text was given with.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The line, counted from 1; none when it is about the file as a whole.
    pub fn line(&self) -> Option<u64> {
        self.at.map(|at| at.line)
    }

    /// The column, counted from 1.
    pub fn column(&self) -> Option<u64> {
        self.at.map(|at| at.column)
    }

    /// What is wrong, and what to do.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for SystemsProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(Place { line, column }) => write!(f, "{}:{line}:{column}: {}", self.file, self.message),
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

/// Everything that is wrong with a systems file, by line and column. `Display` has a line for each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemsError {
    problems: Vec<SystemsProblem>,
}

impl SystemsError {
    pub(super) fn one(problem: SystemsProblem) -> Self {
        Self { problems: vec![problem] }
    }

    /// None when nothing is wrong.
    pub(super) fn of(mut problems: Vec<SystemsProblem>) -> Option<Self> {
        problems.sort_by(|one, two| (one.at, &one.message).cmp(&(two.at, &two.message)));
        problems.dedup();
        (!problems.is_empty()).then_some(Self { problems })
    }

    /// The problems; at least one.
    pub fn problems(&self) -> &[SystemsProblem] {
        &self.problems
    }
}

impl fmt::Display for SystemsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in &self.problems {
            writeln!(f, "{problem}")?;
        }
        match self.problems.len() {
            1 => f.write_str("the systems file has a problem"),
            count => write!(f, "the systems file has {count} problems"),
        }
    }
}

impl std::error::Error for SystemsError {}
