//! Secrets as values that do not print themselves, and the secrets of the environment.

use std::fmt;

use crate::config::substitute::SHELL_VARIABLES;
use crate::target::Environment;

/// Other variables with credentials that the gateway or its checks read.
const OTHER_VARIABLES: [&str; 6] = [
    "BRAVE_API_KEY",
    "PERPLEXITY_API_KEY",
    "MSTEAMS_APP_PASSWORD",
    "SLACK_USER_TOKEN",
    "IRC_NICKSERV_PASSWORD",
    "CLAWDBOT_GATEWAY_TOKEN",
];

/// A text that `Debug` and `Display` show as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretString(String);

impl SecretString {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text. For comparing, counting and masking only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for SecretString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What a secret belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSubject {
    /// The value at an RFC 6901 pointer into the effective config.
    Pointer(String),
    /// An environment variable.
    Env(String),
}

/// Where a secret's value came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretSource {
    /// Written into the config.
    Literal,
    /// An environment variable, directly or by `${NAME}`.
    Environment,
    /// A SecretRef: the config only says where it is kept.
    Reference,
}

/// A secret the program knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Secret {
    /// What it belongs to. A pointer occurs more than once when a text holds several secrets (a URL).
    pub subject: SecretSubject,
    /// The value; of a reference that of the variable which it names, else it is empty. May be blank.
    pub value: SecretString,
    /// Where the value came from.
    pub source: SecretSource,
}

/// The secrets among the variables this program knows by name.
pub(in crate::config) fn from_environment(env: &Environment) -> Vec<Secret> {
    let names = SHELL_VARIABLES.iter().chain(&OTHER_VARIABLES);
    let secret = |name: &&str| {
        Some(Secret {
            subject: SecretSubject::Env((*name).to_owned()),
            value: SecretString::new(env.get(name)?),
            source: SecretSource::Environment,
        })
    };
    names.filter_map(secret).collect()
}
