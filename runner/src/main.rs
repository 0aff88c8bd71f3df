//! Parse, run, exit code.

mod cli;
mod streams;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
