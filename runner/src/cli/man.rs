//! `chitin man`: the manual pages, for packages.

use std::path::PathBuf;

use clap::Args;

use super::user_error;

/// What the pages call the manual that they belong to, in their headers.
const MANUAL: &str = "Chitin";

/// What they say of the program, in their footers.
const SOURCE: &str = concat!("chitin ", env!("CARGO_PKG_VERSION"));

/// They bear no date. An empty one would be left out, and what stands behind it taken for it.
const NO_DATE: &str = " ";

#[derive(Args)]
pub(super) struct Arguments {
    /// The directory to write them into; it is made where it does not exist
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

/// Writes a page of the command itself, and one of each subcommand that is no secret of this program.
pub(super) fn run(arguments: &Arguments, command: clap::Command) -> anyhow::Result<u8> {
    let directory = &arguments.directory;
    std::fs::create_dir_all(directory).and_then(|()| write(command, directory)).map_err(|error| {
        user_error(
            format!("cannot write manual pages into {}: {error}", directory.display()),
            "name a directory that you can write to",
        )
    })?;
    Ok(0)
}

fn write(command: clap::Command, directory: &std::path::Path) -> std::io::Result<()> {
    // The flag for help tells the same as a subcommand for it.
    let mut command = command.disable_help_subcommand(true);
    command.build();
    let mut commands = vec![command];
    while let Some(command) = commands.pop() {
        commands.extend(command.get_subcommands().filter(|one| !one.is_hide_set()).cloned());
        let page = clap_mangen::Man::new(command).date(NO_DATE).source(SOURCE).manual(MANUAL);
        page.generate_to(directory)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::super::Cli;
    use super::*;

    #[test]
    fn every_subcommand_has_a_page_and_hidden_ones_have_none() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("share/man1");
        run(&Arguments { directory: directory.clone() }, Cli::command()).unwrap();
        let names = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        for page in
            ["chitin.1", "chitin-audit.1", "chitin-fix.1", "chitin-fix-history.1", "chitin-policy-inspect.1"]
        {
            assert!(names.iter().any(|name| name == page), "{page} is not among {names:?}");
        }
        for part in ["compile-component", "man", "help"] {
            assert!(!names.contains(&format!("chitin-{part}.1")), "{part}");
        }
        #[expect(clippy::disallowed_methods, reason = "a file of this test's own")]
        let page = std::fs::read_to_string(directory.join("chitin-audit.1")).unwrap();
        assert!(page.contains("\\-\\-fail\\-on"), "{page}");
        let title = page.lines().find(|line| line.starts_with(".TH")).unwrap();
        assert_eq!(title, format!(".TH chitin-audit 1 \" \" \"{SOURCE}\" {MANUAL}"));
    }

    #[test]
    fn a_file_in_the_place_of_the_directory_is_told() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = run(&Arguments { directory: file.path().to_owned() }, Cli::command()).unwrap_err();
        assert!(error.to_string().starts_with("cannot write manual pages into "), "{error}");
    }
}
