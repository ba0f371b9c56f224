//! What is wrong with a configuration file, one line a problem: `FILE:LINE: key: what is wrong, what is expected`. Never
//! holds a secret: who reports about `api_key` or `pass_phrase` leaves the value out. Follows the specification's §1.

use std::fmt;
use std::path::{Path, PathBuf};

/// A problem that the program cannot start with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ConfigError {
    pub(crate) path: PathBuf,
    /// From 1; `None`: the file as a whole.
    pub(crate) line: Option<usize>,
    /// A key, a `[SECTION]`, or empty.
    pub(crate) key: String,
    pub(crate) problem: String,
}

/// A line that is probably not meant as it stands, and that the program can start with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Warning(ConfigError);

impl ConfigError {
    /// About the file as a whole.
    pub(crate) fn of_file(path: &Path, problem: impl Into<String>) -> Self {
        let (path, key, problem) = (path.to_owned(), String::new(), problem.into());
        Self {
            path,
            line: None,
            key,
            problem,
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Most problems of one file that are told, and most warnings. A file with more is no configuration.
const MAX_FOUND: usize = 200;

/// Collects what is found in one file, so that the user sees all problems at once.
pub(super) struct Report {
    path: PathBuf,
    errors: Vec<ConfigError>,
    warnings: Vec<Warning>,
    /// Those of the warnings that may be the reason of an error.
    hints: Vec<ConfigError>,
}

impl Report {
    pub(super) fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            errors: Vec::new(),
            warnings: Vec::new(),
            hints: Vec::new(),
        }
    }

    pub(super) fn error(&mut self, line: usize, key: &str, problem: impl Into<String>) {
        let found = self.found(line, key, problem.into());
        // Two accounts that inherit one bad value would report it twice.
        if self.errors.len() < MAX_FOUND && !self.errors.contains(&found) {
            self.errors.push(found);
        }
    }

    pub(super) fn warn(&mut self, line: usize, key: &str, problem: impl Into<String>) {
        let found = Warning(self.found(line, key, problem.into()));
        if self.warnings.len() < MAX_FOUND && !self.warnings.contains(&found) {
            self.warnings.push(found);
        }
    }

    /// A warning that is told along with errors: a misspelt key is why another one is missing.
    pub(super) fn hint(&mut self, line: usize, key: &str, problem: impl Into<String>) {
        let problem = problem.into();
        self.warn(line, key, problem.clone());
        if self.hints.len() < MAX_FOUND {
            self.hints.push(self.found(line, key, problem));
        }
    }

    pub(super) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// The errors in the order of their lines, and the hints among them.
    pub(super) fn into_errors(mut self) -> Vec<ConfigError> {
        let too_many = self.errors.len() == MAX_FOUND;
        self.errors.append(&mut self.hints);
        self.errors.sort_by_key(|error| error.line);
        if too_many {
            let problem = format!("{MAX_FOUND} problems, further ones are not shown");
            self.errors.push(ConfigError::of_file(&self.path, problem));
        }
        self.errors
    }

    /// The warnings in the order of their lines.
    pub(super) fn into_warnings(mut self) -> Vec<Warning> {
        self.warnings.sort_by_key(|warning| warning.0.line);
        self.warnings
    }

    fn found(&self, line: usize, key: &str, problem: String) -> ConfigError {
        let (path, key) = (self.path.clone(), key.to_owned());
        ConfigError {
            path,
            line: Some(line),
            key,
            problem,
        }
    }
}
