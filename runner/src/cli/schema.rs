//! `chitin schema`: the forms of the files that this program reads and writes, for editors and other programs.

use clap::{Args, ValueEnum};

use super::show;

#[derive(Args)]
pub(super) struct Arguments {
    /// The file whose form is printed; without one they are listed
    #[arg(value_enum)]
    name: Option<Name>,
}

/// A file that has a schema.
#[derive(Clone, Copy, ValueEnum)]
enum Name {
    /// What `chitin audit --json` prints
    Report,
    /// chitin.toml, read as JSON
    Settings,
    /// chitin.lock, read as JSON
    Lock,
    /// What `chitin baseline write` writes
    Baseline,
}

impl Name {
    fn text(self) -> &'static str {
        match self {
            Self::Report => include_str!("../../../docs/report.schema.json"),
            Self::Settings => include_str!("../../../docs/settings.schema.json"),
            Self::Lock => include_str!("../../../docs/lock.schema.json"),
            Self::Baseline => include_str!("../../../docs/baseline.schema.json"),
        }
    }
}

/// Prints a schema, or which there are.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    show(|out| match arguments.name {
        Some(name) => out.write_all(name.text().as_bytes()),
        None => Name::value_variants().iter().filter_map(Name::to_possible_value).try_for_each(|name| {
            writeln!(out, "{:<10}{}", name.get_name(), name.get_help().unwrap_or_default())
        }),
    })?;
    Ok(0)
}
