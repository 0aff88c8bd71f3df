//! The report as JSON: a superset of the reference's form.

use std::io::{self, Write};

use super::Format;
use crate::audit::Report;

/// JSON with two spaces, and a newline at the end.
pub struct Json;

impl Format for Json {
    fn write(&self, report: &Report, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *out, report).map_err(io::Error::from)?;
        writeln!(out)
    }
}
