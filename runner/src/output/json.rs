//! The report as JSON: a superset of the reference's form.

use std::borrow::Cow;
use std::io::{self, Write};

use serde_json::json;

use super::{Format, without_commands};
use crate::audit::{Report, SCHEMA_VERSION, worst};

/// JSON with two spaces, and a newline at the end: one report, or an object with the `reports` of several targets and the worst `exit`.
pub struct Json;

impl Format for Json {
    fn write(&self, reports: &[Report], out: &mut dyn Write) -> io::Result<()> {
        match reports {
            [report] => serde_json::to_writer_pretty(&mut *out, report),
            reports => serde_json::to_writer_pretty(
                &mut *out,
                &json!({"schemaVersion": SCHEMA_VERSION, "exit": worst(reports), "reports": reports}),
            ),
        }
        .map_err(io::Error::from)?;
        writeln!(out)
    }

    fn without_commands<'t>(&self, written: &'t str) -> Cow<'t, str> {
        without_commands(written, true)
    }
}
