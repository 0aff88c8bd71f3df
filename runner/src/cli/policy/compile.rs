//! `chitin policy compile`: native code of a component, in a file.

use std::path::Path;

use chitin::audit::visible;
use chitin::budget::Budget;
use chitin::policy::code_file;
use chitin::program;
use chitin::sandbox::limits::bytes;
use chitin::sandbox::{check, compile};

use super::{NO_PROGRAM, read, refused};
use crate::cli::progress::Progress;
use crate::cli::{listen, note, show, user_error};

/// Compiles a component, and writes its code to a file.
pub(super) fn compile_to(path: &Path, output: &Path, target: Option<&str>) -> anyhow::Result<()> {
    let name = path.display().to_string();
    let component = read(path)?;
    check::inspect(&component).map_err(|refusal| refused(&name, &refusal))?;
    let budget = Budget::default();
    listen(&budget)?;
    let failed = |reason: String| {
        user_error(format!("cannot compile {name}: {reason}"), "see `chitin policy compile --help`")
    };
    let program = program::own().ok_or_else(|| failed(NO_PROGRAM.to_owned()))?;
    let progress = Progress::compiling(&name);
    let compiled = match target {
        None => compile::in_child(&program, &component, &budget),
        Some(target) => compile::in_child_for(&program, &component, target, &budget),
    };
    drop(progress);
    let compiled = compiled.map_err(|error| match error {
        compile::CompileError::Cut(cut) => cut.into(),
        error => failed(error.to_string()),
    })?;
    let label = compiled.label(&component).map_err(|refusal| refused(&name, &refusal))?;
    code_file::write(output, &label, compiled.bytes()).map_err(|error| {
        user_error(
            format!("cannot write {}: {error}", output.display()),
            "name a file in a folder that you can write to",
        )
    })?;
    if let Err(error) = code_file::folder_is_safe(output) {
        note(&visible(&format!(
            "warning: an audit will not run {} where it lies: {error}",
            output.display()
        )));
    }
    let length = bytes(compiled.bytes().len());
    show(|out| {
        let output = output.display().to_string();
        writeln!(out, "{}: native code for {}, {length}", visible(&output), label.machine)
    })
}
