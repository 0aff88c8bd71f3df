//! Several targets in one call: named on the command line, or in a list. Each is audited for itself, and one that cannot be used costs none
//! of the others.

use std::collections::HashSet;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use chitin::audit::visible;
use chitin::target::read_regular;
use clap::Args;
use serde::Deserialize;

use super::target::TargetArguments;
use super::{note, user_error};

/// The largest list that is read, in bytes: a hundred thousand targets.
const MAX_BYTES: u64 = 64 << 20;

/// The longest line of a list, in bytes: some paths of the greatest length.
const MAX_LINE: usize = 16 << 10;

/// Which targets.
#[derive(Args, Clone)]
pub(super) struct TargetsArguments {
    /// What to audit, where it is not this account's own installation: a folder is a state directory, a file is a config alone
    #[arg(value_name = "TARGET")]
    named: Vec<PathBuf>,
    /// A file of targets, or - for standard input: a path a line, or JSON with `stateDir`, `config`, `id`
    #[arg(long, value_name = "FILE")]
    targets: Option<PathBuf>,
}

/// A target among several.
pub(super) struct Named {
    /// What the list calls it.
    pub id: Option<String>,
    /// The path that it was named by.
    pub path: PathBuf,
    /// What is audited; the reason where that cannot be.
    pub target: Result<TargetArguments, String>,
}

/// A line of a list in JSON.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Line {
    state_dir: Option<PathBuf>,
    config: Option<PathBuf>,
    id: Option<String>,
}

impl TargetsArguments {
    /// The targets in the order in which they were named; none where none was. `common` has what holds for all of them.
    pub(super) fn read(&self, common: &TargetArguments) -> anyhow::Result<Option<Vec<Named>>> {
        if self.named.is_empty() && self.targets.is_none() {
            return Ok(None);
        }
        if common.is_named() {
            let what =
                "--state-dir, --config, --profile, --dev and --root name one target, and so does each TARGET";
            return Err(user_error(
                what,
                "name all of them as TARGET: a folder is a state directory, a file a config",
            ));
        }
        let mut all: Vec<Named> = self.named.iter().map(|path| by_path(path.clone(), common)).collect();
        if let Some(list) = &self.targets {
            let text = read_list(list)?;
            let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line.trim()));
            let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
            all.extend(lines.map(|(number, line)| by_line(number, line, common)));
        }
        let mut seen = HashSet::new();
        all.retain(|named| {
            let is_new = seen.insert(match &named.target {
                Ok(target) => target.places(),
                Err(_) => vec![named.path.clone()],
            });
            if !is_new {
                note(&visible(&format!(
                    "warning: {} is named twice, and audited once",
                    named.path.display()
                )));
            }
            is_new
        });
        if all.is_empty() {
            return Err(user_error(
                "the list names no target",
                "write a path a line, or JSON such as {\"stateDir\": \"/srv/a/.openclaw\"}",
            ));
        }
        Ok(Some(all))
    }
}

fn read_list(list: &Path) -> anyhow::Result<String> {
    let bytes = if list == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin()
            .lock()
            .take(MAX_BYTES + 1)
            .read_to_end(&mut bytes)
            .context("cannot read standard input")?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(user_error(
                "standard input is larger than a list of targets may be",
                "give it in parts",
            ));
        }
        bytes
    } else {
        read_regular(list, MAX_BYTES)
            .map_err(|error| user_error(error.to_string(), "--targets names a file with a target a line"))?
    };
    // A path that is no UTF-8 names nothing that is there, and is told.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A folder is a state directory, a file is a config.
fn by_path(path: PathBuf, common: &TargetArguments) -> Named {
    let target = match path.metadata() {
        Ok(found) if found.is_dir() => Ok(common.with(Some(path.clone()), None)),
        Ok(_) => Ok(common.with(None, Some(path.clone()))),
        Err(error) => Err(format!("cannot use {}: {error}", path.display())),
    };
    Named { id: None, path, target }
}

fn by_line(number: usize, line: &str, common: &TargetArguments) -> Named {
    let wrong = |why: String| {
        let path = PathBuf::from(format!("line {number}"));
        Named { id: None, path, target: Err(format!("line {number} of the list: {why}")) }
    };
    if line.len() > MAX_LINE {
        return wrong(format!("it has {} bytes, and {MAX_LINE} are the most", line.len()));
    }
    if !line.starts_with('{') {
        return by_path(line.into(), common);
    }
    let Line { state_dir, config, id } = match serde_json::from_str(line) {
        Ok(line) => line,
        Err(error) => return wrong(error.to_string()),
    };
    let Some(path) = state_dir.clone().or_else(|| config.clone()) else {
        return wrong("it has neither stateDir nor config".to_owned());
    };
    Named { id, path, target: Ok(common.with(state_dir, config)) }
}
