//! Variables: the config's `env` block and `${NAME}` references in its strings. Works on the audit's own copy of
//! the environment; a block that tries to move the target is reported and ignored, and no login shell is run.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use crate::config::pointer::{join, readable};
use crate::config::release::Release;
use crate::config::{MAX_SUBSTITUTED_BYTES, Problem, ProblemKind, Problems};
use crate::target::{Environment, Located, Origin, is_redirect, js_trim};

/// Variables the gateway would fetch from a login shell.
pub(in crate::config) const SHELL_VARIABLES: [&str; 16] = [
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_OAUTH_TOKEN",
    "GEMINI_API_KEY",
    "ZAI_API_KEY",
    "OPENROUTER_API_KEY",
    "AI_GATEWAY_API_KEY",
    "MINIMAX_API_KEY",
    "SYNTHETIC_API_KEY",
    "ELEVENLABS_API_KEY",
    "TELEGRAM_BOT_TOKEN",
    "DISCORD_BOT_TOKEN",
    "SLACK_BOT_TOKEN",
    "SLACK_APP_TOKEN",
    "OPENCLAW_GATEWAY_TOKEN",
    "OPENCLAW_GATEWAY_PASSWORD",
];

/// The first release that warns of a variable without a value, and keeps the text; the ones before refuse the config
/// (`changes.md`).
const KEPT_SINCE: Release = Release::new(2026, 3, 7);

/// From here on the name of a variable is trimmed, and has to be one that a shell can have, too (programs 2026.2.19 and 2026.2.26).
const TRIMMED_SINCE: Release = Release::new(2026, 2, 26);

/// The variable that a key of the `env` block names; none where the release passes over it.
fn variable(key: &str, release: Release) -> Option<&str> {
    if release < TRIMMED_SINCE {
        return Some(key);
    }
    let name = js_trim(key);
    let is_portable = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    is_portable.then_some(name)
}

/// Adds the `env` block to the environment: its own keys before those of `env.vars`, and neither over a variable that
/// has a value already. Releases that keep a text without a value set no variable to it.
pub(in crate::config) fn apply_env_block(
    config: &Value,
    env: &mut Environment,
    release: Release,
    problems: &mut Problems,
) {
    let mut set = |key: &str, text: &str, base: &str| {
        let Some(name) = variable(key, release) else { return };
        if is_redirect(name) {
            redirected(name, join(base, key), env, problems);
        } else if release < KEPT_SINCE || !names_variable(text) {
            env.insert_blank(name, text, Origin::Config);
        }
    };
    let Some(block) = config.get("env").and_then(Value::as_object) else { return };
    // A variable keeps the first value that it is given here: the block's own keys come before `vars`, and later keys before
    // earlier ones.
    for (name, value) in block.iter().rev() {
        let text = value.as_str().filter(|text| !js_trim(text).is_empty());
        if let (Some(text), false) = (text, name == "vars" || name == "shellEnv") {
            set(name, text, "/env");
        }
    }
    if let Some(vars) = block.get("vars").and_then(Value::as_object) {
        for (name, value) in vars.iter().rev() {
            if let Some(text) = value.as_str().filter(|text| !text.is_empty()) {
                set(name, text, "/env/vars");
            }
        }
    }
}

fn redirected(name: &str, pointer: String, env: &Environment, problems: &mut Problems) {
    if env.non_blank(name).is_none() {
        let message = format!(
            "The config sets {name} to a place that is not the one audited here; this audit ignored the entry. Once the \
             gateway has read it, it looks for its own files, those that it audits among them, there."
        );
        problems.push(Problem::new(ProblemKind::RedirectIgnored, message).at(pointer));
    }
}

/// A variable whose value is in a string.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Given {
    /// Its name.
    pub name: String,
    /// Where it came from.
    pub origin: Origin,
}

/// What substitution touched, as pointers.
#[derive(Debug, Default)]
pub(in crate::config) struct References {
    /// Strings that hold the values of variables now, and which those are.
    pub substituted: HashMap<String, Vec<Given>>,
    /// Strings that name a variable without a value and were left as they are.
    pub unset: HashSet<String>,
}

impl References {
    /// Moves every pointer.
    pub(in crate::config) fn rename(&mut self, to: impl Fn(&str) -> Cow<'_, str>) {
        let renamed = |pointer: String| match to(&pointer) {
            Cow::Owned(new) => new,
            Cow::Borrowed(_) => pointer,
        };
        let substituted = std::mem::take(&mut self.substituted);
        self.substituted =
            substituted.into_iter().map(|(pointer, given)| (renamed(pointer), given)).collect();
        self.unset = std::mem::take(&mut self.unset).into_iter().map(renamed).collect();
    }
}

/// Replaces `${NAME}` in every string value, by values that the config may use: a target that was named on the command line
/// gets nothing of this process's environment.
pub(in crate::config) fn substitute(
    config: &mut Value,
    located: &Located,
    env: &Environment,
    release: Release,
    problems: &mut Problems,
) -> References {
    let (left, unset) = (MAX_SUBSTITUTED_BYTES, BTreeMap::new());
    let mut work = Work { located, env, release, problems, left, unset, references: References::default() };
    work.value(config, "");
    work.tell_unset();
    work.references
}

struct Work<'a> {
    located: &'a Located,
    env: &'a Environment,
    release: Release,
    problems: &'a mut Problems,
    /// Bytes that may still be added.
    left: usize,
    /// Variables without a value that may be used, whether they have one in this process, and the pointers of their texts.
    unset: BTreeMap<(String, bool), Vec<String>>,
    references: References,
}

impl Work<'_> {
    fn value(&mut self, value: &mut Value, pointer: &str) {
        match value {
            Value::String(text) if text.contains("${") => {
                if let Some(replaced) = self.text(text, pointer) {
                    *text = replaced;
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.value(item, &join(pointer, &index.to_string()));
                }
            }
            Value::Object(map) => {
                for (key, item) in map.iter_mut() {
                    self.value(item, &join(pointer, key));
                }
            }
            _ => {}
        }
    }

    /// `None` when the text has to stay as it is written.
    fn text(&mut self, text: &str, pointer: &str) -> Option<String> {
        let mut done = String::with_capacity(text.len());
        let mut rest = text;
        let mut given = Vec::new();
        while let Some(at) = rest.find('$') {
            let (before, from_dollar) = rest.split_at_checked(at)?;
            done.push_str(before);
            if let Some((name, after)) = from_dollar.strip_prefix('$').and_then(reference) {
                let set = self.env.get(name).filter(|value| !value.is_empty());
                let may_use = self.env.origin(name).is_some_and(|origin| self.located.may_use(origin));
                let Some(value) = set.filter(|_| may_use) else {
                    self.unset(name, set.is_some(), pointer);
                    return None;
                };
                let Some(left) = self.left.checked_sub(value.len()) else {
                    self.too_large(pointer);
                    return None;
                };
                self.left = left;
                done.push_str(value);
                let origin = self.env.origin(name);
                given.extend(origin.map(|origin| Given { name: name.to_owned(), origin }));
                rest = after;
            } else if let Some((name, after)) = from_dollar.strip_prefix("$$").and_then(reference) {
                done.push_str("${");
                done.push_str(name);
                done.push('}');
                rest = after;
            } else {
                done.push('$');
                rest = from_dollar.strip_prefix('$')?;
            }
        }
        done.push_str(rest);
        if !given.is_empty() {
            given.sort_unstable();
            given.dedup();
            self.references.substituted.insert(pointer.to_owned(), given);
        }
        Some(done)
    }

    fn unset(&mut self, name: &str, withheld: bool, pointer: &str) {
        self.references.unset.insert(pointer.to_owned());
        self.unset.entry((name.to_owned(), withheld)).or_default().push(pointer.to_owned());
    }

    /// One problem for each variable, whatever number of texts names it.
    fn tell_unset(&mut self) {
        for ((name, withheld), pointers) in std::mem::take(&mut self.unset) {
            let mut pointers = pointers.into_iter();
            let Some(first) = pointers.next() else { continue };
            let more: Vec<String> = pointers.collect();
            let dotenv = self.located.dotenv_path.display();
            let is_alone = self.located.is_config_alone();
            let why = if is_alone {
                "which a config alone gives no value".to_owned()
            } else if withheld {
                format!(
                    "which is set in the environment of this audit only. A target that is named on the command line \
                     gets nothing of that; put it into {dotenv}"
                )
            } else if self.located.ignored.contains(&name) {
                "whose line in a .env file this audit ignored, because it names another installation"
                    .to_owned()
            } else {
                let then = if self.release < KEPT_SINCE {
                    "does not start without it"
                } else {
                    "goes without the value where it has none either"
                };
                format!(
                    "which is neither in the environment of this audit nor in {dotenv}. The gateway {then}"
                )
            };
            let others = match more.len() {
                0 => String::new(),
                1 => " and one more value".to_owned(),
                more => format!(" and {more} more values"),
            };
            let verb = if more.is_empty() { "refers" } else { "refer" };
            let message = format!(
                "{}{others} {verb} to the variable {name}, {why}; what depends on its value is not assessed.",
                readable(&first)
            );
            let kind = if is_alone {
                ProblemKind::VariableElsewhere
            } else if self.release < KEPT_SINCE {
                ProblemKind::UnsetVariable
            } else {
                ProblemKind::UnsetVariableKept
            };
            let mut problem = Problem::new(kind, message).at(&first);
            problem.more = more;
            self.problems.push(problem);
        }
    }

    fn too_large(&mut self, pointer: &str) {
        self.references.unset.insert(pointer.to_owned());
        let message = format!(
            "Variables would add more than {MAX_SUBSTITUTED_BYTES} bytes to the config; {} and what follows stay as \
             they are written.",
            readable(pointer)
        );
        self.problems.push(Problem::new(ProblemKind::TooLarge, message).at(pointer));
    }
}

/// The text names a variable, by `${NAME}` that is not escaped.
fn names_variable(text: &str) -> bool {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('$') {
        match after.strip_prefix('$').and_then(reference) {
            Some((_, after)) => rest = after,
            None if reference(after).is_some() => return true,
            None => rest = after,
        }
    }
    false
}

/// `{NAME}` at the start of `text`: the name and what follows. Looks no further than a name can go, because a
/// hostile text has many beginnings and no end.
fn reference(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('{')?;
    let end = inner.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))?;
    let (name, after) = inner.split_at_checked(end)?;
    let starts_well = name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
    starts_well.then_some((name, after.strip_prefix('}')?))
}

/// True for what the gateway takes as "yes" in a variable.
fn is_yes(text: Option<&str>) -> bool {
    text.is_some_and(|text| ["1", "true", "yes", "on"].iter().any(|yes| text.eq_ignore_ascii_case(yes)))
}

/// Says so when the gateway would run a login shell for variables that are missing here.
pub(in crate::config) fn note_shell_env(config: &Value, env: &Environment, problems: &mut Problems) {
    let in_config = config.pointer("/env/shellEnv/enabled") == Some(&Value::Bool(true));
    let wanted = in_config || is_yes(env.non_blank("OPENCLAW_LOAD_SHELL_ENV"));
    let deferred = is_yes(env.non_blank("OPENCLAW_DEFER_SHELL_ENV_FALLBACK"));
    if !wanted || deferred || SHELL_VARIABLES.iter().any(|name| env.non_blank(name).is_some()) {
        return;
    }
    let message = "The gateway fetches missing variables by running a login shell. An audit runs nothing, so \
                   credentials that only the shell knows are missing here.";
    let problem = Problem::new(ProblemKind::ShellEnvSkipped, message);
    problems.push(if in_config { problem.at("/env/shellEnv/enabled") } else { problem });
}
