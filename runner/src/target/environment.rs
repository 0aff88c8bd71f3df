//! The environment of the audit: a frozen copy of the process environment, to which `.env` files and the
//! config's `env` block add. The process's own environment is never changed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::js_trim;

/// Where a variable came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
pub enum Origin {
    /// The environment this program was started with.
    Process,
    /// A command line flag (`--profile`).
    Flag,
    /// `.env` in the current directory.
    CwdDotenv,
    /// `.env` in the state directory.
    StateDotenv,
    /// The `env` block of the config.
    Config,
}

impl Origin {
    /// A short name for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Process => "environment",
            Self::Flag => "command line",
            Self::CwdDotenv => ".env in the current directory",
            Self::StateDotenv => ".env in the state directory",
            Self::Config => "env block of the config",
        }
    }
}

/// Variables with the origin of each. `Debug` shows names and origins, never values.
#[derive(Clone, Default, Deserialize, Serialize)]
pub struct Environment {
    variables: BTreeMap<String, (String, Origin)>,
    /// Variables up to this origin are not the target's: what is its own goes before them.
    others: Option<Origin>,
    /// What the state directory's `.env` says of variables that the one of the current directory set before it.
    behind: BTreeMap<String, String>,
}

impl Environment {
    /// A copy of the process environment. Variables that are not UTF-8 are left out: no name or value the
    /// gateway reads can be such.
    pub fn from_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The value as it is, also when it is blank.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(|(value, _)| value.as_str())
    }

    /// The trimmed value, when the variable is set to something other than white space.
    pub fn non_blank(&self, name: &str) -> Option<&str> {
        self.get(name).map(js_trim).filter(|value| !value.is_empty())
    }

    /// Where the variable came from.
    pub fn origin(&self, name: &str) -> Option<Origin> {
        self.variables.get(name).map(|(_, origin)| *origin)
    }

    /// Sets a variable that does not exist yet; an existing one is kept even when it is empty (the rule of
    /// `.env` files). Says whether it was set.
    pub fn insert_missing(&mut self, name: &str, value: &str, origin: Origin) -> bool {
        if self.own(name).is_some() {
            if self.origin(name) == Some(Origin::CwdDotenv) && origin == Origin::StateDotenv {
                self.behind.entry(name.to_owned()).or_insert_with(|| value.to_owned());
            }
            return false;
        }
        self.insert(name, value, origin)
    }

    /// The names of variables that the current directory's `.env` sets, in byte order.
    pub fn of_current_directory(&self) -> Vec<String> {
        let of_cwd = self.variables.iter().filter(|(_, (_, origin))| *origin == Origin::CwdDotenv);
        of_cwd.map(|(name, _)| name.clone()).collect()
    }

    /// Takes away what the current directory's `.env` says of a variable: what the state directory's says counts then.
    pub fn forget_of_current_directory(&mut self, name: &str) {
        if self.origin(name) == Some(Origin::CwdDotenv) {
            self.variables.remove(name);
            if let Some(value) = self.behind.remove(name) {
                self.insert(name, &value, Origin::StateDotenv);
            }
        }
    }

    /// Sets a variable that is missing or blank (the rule of the config's `env` block). Says whether it was set.
    pub fn insert_blank(&mut self, name: &str, value: &str, origin: Origin) -> bool {
        if self.own(name).is_some_and(|value| !js_trim(value).is_empty()) {
            return false;
        }
        self.insert(name, value, origin)
    }

    /// Takes away all variables but one.
    pub fn keep_only(&mut self, name: &str) {
        self.variables.retain(|known, _| known == name);
        self.behind.clear();
    }

    /// The target was named on the command line: variables up to this origin are of somebody else, and do not stand in the
    /// way of its own.
    pub fn belongs_to_another(&mut self, up_to: Origin) {
        self.others = Some(up_to);
    }

    fn own(&self, name: &str) -> Option<&str> {
        let (value, origin) = self.variables.get(name)?;
        self.others.is_none_or(|others| *origin > others).then_some(value)
    }

    /// A variable ends at its first NUL, as the operating system keeps it.
    fn insert(&mut self, name: &str, value: &str, origin: Origin) -> bool {
        let value = value.split('\0').next().unwrap_or_default();
        self.variables.insert(name.to_owned(), (value.to_owned(), origin));
        true
    }

    /// All names in byte order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.keys().map(String::as_str)
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let variables =
            pairs.into_iter().map(|(name, value)| (name.into(), (value.into(), Origin::Process))).collect();
        Self { variables, ..Self::default() }
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.variables.iter().map(|(name, (_, origin))| (name, origin))).finish()
    }
}
