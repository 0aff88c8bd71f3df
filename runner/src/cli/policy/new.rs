//! `chitin policy new`: a folder to begin with.

use std::path::PathBuf;

use chitin::audit::visible;
use chitin::author::template::{self, Language, TemplateError};
use chitin::wording::shell_word;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};

use crate::cli::outputs::not_written;
use crate::cli::{show, user_error};

#[derive(Args)]
pub(in crate::cli) struct Arguments {
    /// The policy's id: lower-case words joined by dashes
    name: String,
    /// The language that it is written in
    #[arg(long, default_value = Language::Rust.name(), value_parser = languages())]
    lang: Language,
    /// The folder to make [default: ./NAME]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

fn languages() -> impl clap::builder::TypedValueParser<Value = Language> {
    PossibleValuesParser::new(Language::ALL.map(Language::name)).try_map(|name| name.parse::<Language>())
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { name, lang, dir } = arguments;
    let files = template::render(*lang, name).map_err(|error| {
        let help = match error {
            TemplateError::Id(_) => "name it as the smallest thing that it looks at, for example tool-profile",
            TemplateError::Taken(..) => "`chitin policy list` names the built-in policies; a policy of your own needs a name of its own",
            TemplateError::NotBuiltIn => "use an ordinary build of chitin",
            TemplateError::Manifest(_) => "choose another name",
        };
        user_error(error.to_string(), help)
    })?;
    let folder = dir.clone().unwrap_or_else(|| PathBuf::from(name));
    let is_taken = match std::fs::read_dir(&folder) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => folder.symlink_metadata().is_ok(),
        Err(error) => return Err(not_written(&folder, &error)),
    };
    if is_taken {
        return Err(user_error(
            format!("{} is there already, and not empty", folder.display()),
            "name a new folder with --dir",
        ));
    }
    template::write(&folder, &files).map_err(|error| not_written(&folder, &error))?;
    show(|out| {
        let told = visible(&folder.display().to_string());
        let word = |path: &std::path::Path| visible(&shell_word(path));
        let (shown, component) = (word(&folder), word(&folder.join(format!("{name}.wasm"))));
        writeln!(out, "{told}: the policy {name} in {lang}, {} files\n", files.len())?;
        writeln!(out, "  chitin policy build {shown}   # runs the command in its build.toml")?;
        writeln!(out, "  chitin policy test {shown}    # runs its cases")?;
        writeln!(out, "  chitin audit --policy {component} --grant all")
    })
}
