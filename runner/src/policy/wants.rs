//! What a policy asks for, in words for the operator who decides about it.

use super::manifest::{Capabilities, FileCapability};
use crate::sandbox::limits::Limits;

/// A capability that a policy asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// Its name, as `--grant` takes it.
    pub name: String,
    /// What a policy that has it learns or may propose; reads well behind the policy's name.
    pub words: String,
    /// How much is given away with it; the most first.
    rank: u8,
}

/// All that is asked for, the worst first, each kind in the manifest's order.
#[must_use]
pub fn wants(capabilities: &Capabilities) -> Vec<Want> {
    let mut wants = Vec::new();
    let mut add = |rank, name: String, words: String| wants.push(Want { name, words, rank });
    for file in &capabilities.files {
        let (rank, words) = of_files(file);
        add(rank, file.to_string(), words);
    }
    for column in &capabilities.records {
        let (table, column_name) = column.split_once('.').unwrap_or((column, ""));
        let words = format!("reads {column_name} of each row of {table}, from OpenClaw's database");
        add(1, format!("records:{column}"), words);
    }
    for pointer in &capabilities.config {
        let words = match pointer.as_str() {
            "" => "reads the whole config, but for the secrets in it".to_owned(),
            pointer => format!("reads {} of the config, but for the secrets in it", dotted(pointer)),
        };
        add(if pointer.is_empty() { 2 } else { 4 }, format!("config:{pointer}"), words);
    }
    for subject in &capabilities.secrets {
        add(3, format!("secret:{subject}"), of_secret(subject));
    }
    for name in &capabilities.environment {
        let words =
            format!("learns whether the variable {name} is set, and its value where that is no secret");
        add(3, format!("environment:{name}"), words);
    }
    if capabilities.gateway {
        add(3, "gateway".to_owned(), "learns what the live gateway answered to a deep audit".to_owned());
    }
    for fix in &capabilities.fixes {
        add(5, format!("fix:{fix}"), of_fix(fix));
    }
    if capabilities.problems {
        add(6, "problems".to_owned(), "learns what is wrong with the form of the config".to_owned());
    }
    if let Some(fuel) = capabilities.fuel {
        let times = fuel.div_ceil(Limits::default().fuel.max(1));
        add(8, format!("fuel:{fuel}"), format!("may compute {times} times as long as other policies"));
    }
    if let Some(memory) = capabilities.memory {
        let own = Limits::default().memory >> 20;
        add(
            8,
            format!("memory:{memory}"),
            format!("may use {memory} MiB of memory, where other policies have {own}"),
        );
    }
    wants.sort_by_key(|want| want.rank);
    wants
}

fn of_files(file: &FileCapability) -> (u8, String) {
    let place = place(&file.pattern);
    match file.verb.as_str() {
        "read" => (0, format!("reads the content of {place}, where that is for policies to read")),
        "list" => (6, format!("reads the names of what lies in {place}")),
        _ => (7, format!("sees whether {place} exists, its kind, size, owner and permissions")),
    }
}

/// A pattern of a view and paths below it.
fn place(pattern: &str) -> String {
    let (view, rest) = pattern.split_once('/').unwrap_or((pattern, ""));
    let within = match view {
        "state" => "the state directory",
        "credentials" => "the folder of stored logins",
        "config" => "the config file",
        "log" => "the log file",
        _ => return pattern.to_owned(),
    };
    match rest {
        "" => within.to_owned(),
        "**" => format!("{within} and everything below it"),
        rest => match rest.strip_suffix("/**") {
            Some(folder) => format!("everything below {folder} in {within}"),
            None => format!("{rest} in {within}"),
        },
    }
}

fn of_secret(subject: &str) -> String {
    match subject {
        "file:config" => return "learns whether secrets are spelled out in the config file".to_owned(),
        "file:include/*" => {
            return "learns whether secrets are spelled out in included config files".to_owned();
        }
        _ => {}
    }
    let what = match subject.strip_prefix("env:") {
        Some(name) => format!("the variable {name}"),
        None => dotted(subject),
    };
    format!(
        "learns of {what} whether it is set, its length and kinds of characters, and whether another secret equals it; never its text"
    )
}

fn of_fix(fix: &str) -> String {
    match fix.strip_prefix("set-value:") {
        Some(pointer) => {
            format!("may propose another value of {}, which you are shown before it is set", dotted(pointer))
        }
        None => "may propose to take permissions away from files, which you are shown before it is done"
            .to_owned(),
    }
}

/// A pointer as people write the key: `/gateway/auth/token` is `gateway.auth.token`.
fn dotted(pointer: &str) -> String {
    let key = |segment: &str| segment.replace("~1", "/").replace("~0", "~");
    pointer.split('/').skip(1).map(key).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_capability_has_words_of_its_own_and_the_worst_come_first() {
        let capabilities: Capabilities = toml::from_str(
            r#"
            config = ["", "/tools/a~1b"]
            files = ["stat:state/*", "list:state/agents/**", "read:state/extensions/**", "read:workspace/main"]
            secrets = ["/gateway/auth/token", "env:X", "file:config", "file:include/*"]
            environment = ["Y"]
            records = ["table.column"]
            problems = true
            gateway = true
            fuel = 4_000_000_000
            memory = 100
            fixes = ["set-mode", "set-value:/a/b"]
            "#,
        )
        .unwrap();
        let found = wants(&capabilities);
        let mut names: Vec<&str> = found.iter().map(|want| &*want.name).collect();
        assert_eq!(names.first(), Some(&"read:state/extensions/**"));
        assert_eq!(names.last(), Some(&"memory:100"));
        names.sort_unstable();
        let mut declared = capabilities.names();
        declared.sort_unstable();
        assert_eq!(names, declared, "none is passed over");
        let words: std::collections::BTreeSet<&str> = found.iter().map(|want| &*want.words).collect();
        assert_eq!(words.len(), found.len());
        assert!(words.contains("reads tools.a/b of the config, but for the secrets in it"), "{words:?}");
        assert!(
            words.contains("reads the names of what lies in everything below agents in the state directory")
        );
        assert!(words.contains("may compute 4 times as long as other policies"));
    }
}
