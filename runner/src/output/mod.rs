//! One file per format behind one trait. A format shows reports; it decides nothing.

use std::borrow::Cow;
use std::io::{self, Write};

use crate::audit::Report;

#[cfg(test)]
mod constructed;
mod gauges;
mod github;
mod gitlab;
mod html;
mod json;
mod junit;
mod markdown;
mod ndjson;
pub mod otlp;
mod place;
mod prometheus;
mod prose;
#[cfg(test)]
mod sample;
mod sarif;
mod tally;
mod text;

pub use github::GitHub;
pub use gitlab::GitLab;
pub use html::Html;
pub use json::Json;
pub use junit::Junit;
pub use markdown::Markdown;
pub use ndjson::Ndjson;
pub use prometheus::Prometheus;
pub use prose::{fit, paragraph, width_of, without_commands, without_commands_in_markup, wrap};
pub use sarif::Sarif;
pub use text::Text;

/// A way to show reports.
pub trait Format {
    /// Writes the reports of all targets, one at least, as one text or document.
    ///
    /// # Errors
    /// What the writer says.
    fn write(&self, reports: &[Report], out: &mut dyn Write) -> io::Result<()>;

    /// What it writes, in which the log of a CI finds no command: reports hold what strangers wrote.
    fn without_commands<'t>(&self, written: &'t str) -> Cow<'t, str>;
}

/// The formats by their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FormatName {
    /// For people, on a terminal.
    Text,
    /// The report as data.
    Json,
    /// For viewers of static analysis: SARIF 2.1.0.
    Sarif,
    /// SARIF for code scanning of GitHub, which opens an alert for each result: without what is suppressed, known or gone.
    CodeScanning,
    /// For CI servers: the XML of `JUnit`.
    Junit,
    /// For the log of GitHub Actions: annotations.
    GitHub,
    /// For merge requests of GitLab: code quality.
    GitLab,
    /// For collectors of logs: a line of JSON for each finding.
    Ndjson,
    /// For comments and summaries.
    Markdown,
    /// A page for a browser.
    Html,
    /// For dashboards: numbers for the node exporter.
    Prometheus,
}

impl FormatName {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Text,
        Self::Json,
        Self::Sarif,
        Self::CodeScanning,
        Self::Junit,
        Self::GitHub,
        Self::GitLab,
        Self::Ndjson,
        Self::Markdown,
        Self::Html,
        Self::Prometheus,
    ];

    /// The name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Sarif => "sarif",
            Self::CodeScanning => "code-scanning",
            Self::Junit => "junit",
            Self::GitHub => "github",
            Self::GitLab => "gitlab",
            Self::Ndjson => "ndjson",
            Self::Markdown => "markdown",
            Self::Html => "html",
            Self::Prometheus => "prometheus",
        }
    }

    /// The format. `short` is whether one line is to do for a finding, where the format has such a form.
    #[must_use]
    pub fn format(self, short: bool) -> Box<dyn Format> {
        match self {
            Self::Text => Box::new(Text { short }),
            Self::Json => Box::new(Json),
            Self::Sarif => Box::new(Sarif::default()),
            Self::CodeScanning => Box::new(Sarif { open_alone: true }),
            Self::Junit => Box::new(Junit),
            Self::GitHub => Box::new(GitHub),
            Self::GitLab => Box::new(GitLab),
            Self::Ndjson => Box::new(Ndjson),
            Self::Markdown => Box::new(Markdown::default()),
            Self::Html => Box::new(Html),
            Self::Prometheus => Box::new(Prometheus),
        }
    }
}

impl std::str::FromStr for FormatName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::as_str).join(", ");
        let known = Self::ALL.into_iter().find(|known| known.as_str() == name);
        known.ok_or_else(|| format!("there is no format \"{name}\"; there are {}", names()))
    }
}
