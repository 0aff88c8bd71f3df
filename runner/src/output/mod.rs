//! One file per format behind one trait. A format shows reports; it decides nothing.

use std::borrow::Cow;
use std::io::{self, Write};

use crate::audit::Report;

#[cfg(test)]
mod constructed;
mod html;
mod json;
mod prose;
mod tally;
mod text;

pub use html::Html;
pub use json::Json;
pub use prose::{fit, paragraph, width_of, without_commands, wrap};
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
    /// A page for a browser.
    Html,
}

impl FormatName {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Text, Self::Json, Self::Html];

    /// The name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
            Self::Html => "html",
        }
    }

    /// The format. `short` is whether one line is to do for a finding, where the format has such a form.
    #[must_use]
    pub fn format(self, short: bool) -> Box<dyn Format> {
        match self {
            Self::Text => Box::new(Text { short }),
            Self::Json => Box::new(Json),
            Self::Html => Box::new(Html),
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
