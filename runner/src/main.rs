//! Parse, run, exit code.

mod cli;
mod streams;

use std::process::ExitCode;

/// Musl's own allocator makes an audit take half as long again.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    cli::run()
}
