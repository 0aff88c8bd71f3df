//! One file per format behind one trait. A format shows the report; it decides nothing.

use std::io::{self, Write};

use crate::audit::Report;

mod json;
mod prose;
mod text;

pub use json::Json;
pub use prose::{fit, paragraph, width_of, without_commands, wrap};
pub use text::Text;

/// A way to show a report.
pub trait Format {
    /// Writes the whole report.
    ///
    /// # Errors
    /// What the writer says.
    fn write(&self, report: &Report, out: &mut dyn Write) -> io::Result<()>;
}
