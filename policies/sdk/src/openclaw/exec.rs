//! How freely agents may run commands (reference: 2026.9-delta 2.7, 3.4 and 3.5).

use std::collections::BTreeMap;

use serde_json::Value;

use crate::openclaw::facts::{self, Number};
use crate::openclaw::records;
use crate::openclaw::tools::Scope;
use crate::{Cell, Context, Node, NotAssessed, RecordsError, Release};

/// Which commands run, from the strictest word on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Security {
    /// None.
    Deny,
    /// Those on a list.
    Allowlist,
    /// All.
    Full,
}

impl Security {
    fn of(word: &str) -> Option<Self> {
        match word {
            "deny" => Some(Self::Deny),
            "allowlist" => Some(Self::Allowlist),
            "full" => Some(Self::Full),
            _ => None,
        }
    }

    /// The word of the config.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Allowlist => "allowlist",
            Self::Full => "full",
        }
    }
}

/// When somebody is asked before a command runs, from the laxest word on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ask {
    /// Never.
    Off,
    /// Where the command is on no list.
    OnMiss,
    /// Always.
    Always,
}

impl Ask {
    fn of(word: &str) -> Option<Self> {
        match word {
            "off" => Some(Self::Off),
            "on-miss" => Some(Self::OnMiss),
            "always" => Some(Self::Always),
            _ => None,
        }
    }

    /// The word of the config.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::OnMiss => "on-miss",
            Self::Always => "always",
        }
    }
}

/// `mode`, which is short for both, is looked at (reference: changes, 2026.8.1; run: not in 2026.5.28 and 2026.7.35,
/// which know the key).
const HAS_MODE: [(Number, bool); 1] = [((2026, 8, 1), true)];

/// What a `mode` is short for.
const MODES: [(&str, Security, Ask); 5] = [
    ("deny", Security::Deny, Ask::Off),
    ("allowlist", Security::Allowlist, Ask::Off),
    ("ask", Security::Allowlist, Ask::OnMiss),
    ("auto", Security::Allowlist, Ask::OnMiss),
    ("full", Security::Full, Ask::Off),
];

/// Where commands run if nothing is said (reference: changes, 2026.3.22 and 2026.3.31).
const HOST: [(Number, &str); 1] = [((2026, 3, 31), "auto")];

/// Both words that hold in one place.
#[derive(Clone, Debug)]
pub struct Exec {
    /// Which commands run.
    pub security: Result<Security, NotAssessed>,
    /// Who is asked.
    pub ask: Result<Ask, NotAssessed>,
}

impl Exec {
    /// Two words.
    #[must_use]
    pub fn new(security: Security, ask: Ask) -> Self {
        Self { security: Ok(security), ask: Ok(ask) }
    }

    /// What a `tools.exec` section makes of what it inherits.
    #[must_use]
    pub fn over(&self, section: &Node<'_>, release: Release) -> Self {
        if facts::at(release, false, &HAS_MODE) {
            match section.get("mode").text() {
                Ok(word) => {
                    if let Some((_, security, ask)) = MODES.iter().find(|(mode, ..)| word == Some(*mode)) {
                        return Self::new(*security, *ask);
                    }
                }
                Err(reason) => return Self { security: Err(reason.clone()), ask: Err(reason) },
            }
        }
        let word = |key: &str| section.get(key).text();
        Self {
            security: word("security")
                .and_then(|word| word.and_then(Security::of).map_or_else(|| self.security.clone(), Ok)),
            ask: word("ask").and_then(|word| word.and_then(Ask::of).map_or_else(|| self.ask.clone(), Ok)),
        }
    }

    /// What holds in a scope: the global section, then the agent's own.
    #[must_use]
    pub fn of(&self, config: &Node<'_>, scope: &Scope<'_>, release: Release) -> Self {
        let global = self.over(&config.at("tools.exec"), release);
        match &scope.entry {
            Some(entry) => global.over(&entry.at("tools.exec"), release),
            None => global,
        }
    }
}

/// The word for where the commands of a scope run.
///
/// # Errors
/// Where it is not shown.
pub fn host<'a>(config: &Node<'a>, scope: &Scope<'a>, release: Release) -> Result<&'a str, NotAssessed> {
    let host = scope.setting(config, "tools.exec.host")?;
    Ok(if host.is_nullish()? { facts::at(release, "sandbox", &HOST) } else { host.text()?.unwrap_or("?") })
}

/// The table of approvals, and its column.
const TABLE: &str = "exec_approvals_config";
/// The table's content, in words for reports.
const WHAT: &str = "the exec approvals";
/// Documents of approvals: the database's, that of a file, and that of a file that is being taken over.
const MAX_DOCUMENTS: u32 = 3;
const COLUMN: &str = "raw_json";

/// What the owner approved: a document of the state.
#[derive(Clone, Debug, Default)]
pub struct Approvals {
    /// What holds where an agent says nothing.
    pub defaults: Value,
    /// Settings by the agent's id; `*` stands for all.
    pub agents: BTreeMap<String, Value>,
}

impl Approvals {
    /// Reads those that the release goes by. Needs the capability `records` on `exec_approvals_config.raw_json`. There are none where the store has
    /// no document, or one that the gateway does not understand either: it then denies everything.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn read(cx: &Context<'_>) -> Result<Self, NotAssessed> {
        let mut rows = match cx.host().rows(TABLE, &[COLUMN], 0, MAX_DOCUMENTS) {
            Ok(page) => page.rows,
            Err(RecordsError::NoTable | RecordsError::NoColumn(_)) => Vec::new(),
            Err(error) => return Err(records::unread(&error, WHAT, &format!("{TABLE}.{COLUMN}"))),
        };
        // The database's document comes before those of files. Releases before 2026.8.1 read the file.
        if !cx.release().since(2026, 8, 1) {
            rows.drain(..rows.len().saturating_sub(1));
        }
        let text = match rows.into_iter().next().and_then(|row| row.into_iter().next()) {
            Some(Cell::Text(text)) => text,
            Some(Cell::Hidden) => return Err(NotAssessed::unreadable("the exec approvals are not shown")),
            _ => return Ok(Self::default()),
        };
        Ok(serde_json::from_str(&text).ok().and_then(Self::of).unwrap_or_default())
    }

    fn of(mut document: Value) -> Option<Self> {
        // 1 and 1.0 are the same number there.
        if document.get("version")?.as_f64() != Some(1.0) {
            return None;
        }
        let mut agents = BTreeMap::new();
        if let Some(Value::Object(known)) = document.get_mut("agents").map(Value::take) {
            for (id, settings) in known.into_iter().filter(|(_, settings)| settings.is_object()) {
                // The name that the main agent had once.
                let id = if id == "default" { "main".to_owned() } else { id };
                match agents.entry(id) {
                    std::collections::btree_map::Entry::Vacant(place) => drop(place.insert(settings)),
                    std::collections::btree_map::Entry::Occupied(mut known) => {
                        merge(known.get_mut(), settings);
                    }
                }
            }
        }
        Some(Self { defaults: document.get_mut("defaults").map(Value::take).unwrap_or_default(), agents })
    }

    /// The words for an agent: its own, those of all agents, the defaults, or none.
    #[must_use]
    pub fn words(&self, agent: Option<&str>) -> Exec {
        let places = [agent.and_then(|id| self.agents.get(id)), self.agents.get("*"), Some(&self.defaults)];
        let word = |key: &str| places.iter().flatten().find_map(|place| place.get(key)?.as_str());
        let security = word("security").and_then(Security::of).unwrap_or(Security::Full);
        Exec::new(security, word("ask").and_then(Ask::of).unwrap_or(Ask::Off))
    }
}

/// What holds where commands run outside of a sandbox, with what the owner approved: the stricter of both words counts.
/// `agent` is the id that the approvals know.
#[must_use]
pub fn effective(
    config: &Node<'_>,
    scope: &Scope<'_>,
    release: Release,
    approvals: &Approvals,
    agent: Option<&str>,
) -> Exec {
    let approved = approvals.words(agent);
    let Exec { security, ask } = approved.of(config, scope, release);
    Exec {
        security: security.and_then(|word| Ok(word.min(approved.security?))),
        ask: ask.and_then(|word| Ok(word.max(approved.ask?))),
    }
}

/// Adds what one of two settings of an agent says and the other does not; lists are joined.
fn merge(known: &mut Value, other: Value) {
    let (Some(known), Value::Object(other)) = (known.as_object_mut(), other) else { return };
    for (key, value) in other {
        match (known.get_mut(&key), value) {
            (Some(Value::Array(list)), Value::Array(more)) => list.extend(more),
            (Some(_), _) => {}
            (None, value) => drop(known.insert(key, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::MemoryHost;

    const OLD: Release = Release { year: 2026, month: 7, patch: 35 };
    const NEW: Release = Release { year: 2026, month: 8, patch: 1 };

    fn words(config: &Value, release: Release) -> String {
        let config = Node::root(config);
        let scope = Scope::agents(&config).expect("shown").pop().unwrap_or_else(Scope::common);
        let Exec { security, ask } = Exec::new(Security::Deny, Ask::Off).of(&config, &scope, release);
        let security = security.map_or("?", Security::word);
        format!("{security} {}", ask.map_or("?", Ask::word))
    }

    #[test]
    fn an_agents_own_words_go_before_the_global_ones() {
        for (global, own, expected) in [
            (json!({}), json!({}), "deny off"),
            (json!({"security": "full", "ask": "always"}), json!({}), "full always"),
            (
                json!({"security": "full", "ask": "always"}),
                json!({"security": "allowlist"}),
                "allowlist always",
            ),
            (json!({"security": "FULL", "ask": 5}), json!({"security": null}), "deny off"),
            (json!({"security": {"$hidden": "variable"}}), json!({"ask": "on-miss"}), "? on-miss"),
            (json!({"security": {"$hidden": "variable"}}), json!({"security": "full"}), "full off"),
        ] {
            let config = json!({
                "tools": {"exec": global}, "agents": {"list": [{"id": "a", "tools": {"exec": own}}]},
            });
            assert_eq!(words(&config, OLD), expected, "{config}");
            assert_eq!(words(&config, NEW), expected, "{config}");
        }
    }

    #[test]
    fn a_mode_is_short_for_both_words_from_2026_8_1_on() {
        for (mode, expected) in [
            ("deny", "deny off"),
            ("allowlist", "allowlist off"),
            ("ask", "allowlist on-miss"),
            ("auto", "allowlist on-miss"),
            ("full", "full off"),
            ("odd", "full always"),
        ] {
            let config = json!({"tools": {"exec": {"security": "full", "ask": "always"}},
                "agents": {"list": [{"id": "a", "tools": {"exec": {"mode": mode}}}]}});
            assert_eq!(words(&config, NEW), expected, "{mode}");
            assert_eq!(words(&config, OLD), "full always", "{mode}");
        }
        let hidden = json!({"tools": {"exec": {"mode": {"$hidden": "variable"}}}});
        assert_eq!((words(&hidden, NEW), words(&hidden, OLD)), ("? ?".to_owned(), "deny off".to_owned()));
    }

    #[test]
    fn the_place_of_commands_has_a_default_that_differs_by_release() {
        let config = json!({"tools": {"exec": {}}, "agents": {"list": [{"id": "a", "tools": {"exec": {"host": "node"}}}]}});
        let config = Node::root(&config);
        let release = |month, patch| Release { year: 2026, month, patch };
        let host = |scope: &Scope<'_>, release| host(&config, scope, release).expect("shown").to_owned();
        assert_eq!(host(&Scope::common(), release(3, 24)), "sandbox");
        assert_eq!(host(&Scope::common(), release(3, 31)), "auto");
        let agent = Scope::agents(&config).expect("shown").remove(0);
        assert_eq!(host(&agent, release(9, 6)), "node");
    }

    fn approvals(document: &str) -> Result<Approvals, NotAssessed> {
        let rows = vec![vec![Cell::Text("current".to_owned()), Cell::Text(document.to_owned())]];
        MemoryHost::new("{}").table(TABLE, &["config_key", COLUMN], rows).with(Approvals::read)
    }

    #[test]
    fn approvals_are_those_of_the_agent_or_of_all() {
        let known = approvals(
            r#"{"version": 1, "defaults": {"security": "allowlist", "ask": "always"}, "agents": {
                "*": {"ask": "on-miss"}, "a": {"security": "deny"}, "b": 5,
                "default": {"security": "full", "allowlist": ["x"]}, "main": {"ask": "off", "allowlist": ["y"]}
            }}"#,
        )
        .expect("shown");
        let words = |id| {
            let Exec { security, ask } = known.words(id);
            (security.expect("known").word(), ask.expect("known").word())
        };
        assert_eq!(words(Some("a")), ("deny", "on-miss"));
        assert_eq!(words(Some("b")), ("allowlist", "on-miss"));
        assert_eq!(words(None), ("allowlist", "on-miss"));
        assert_eq!(words(Some("main")), ("full", "off"));
        assert_eq!(known.agents["main"]["allowlist"], json!(["x", "y"]));
    }

    #[test]
    fn what_is_approved_makes_the_config_stricter_and_never_laxer() {
        let known = approvals(
            r#"{"version": 1, "defaults": {"security": "allowlist"}, "agents": {"a": {"security": "full", "ask": "always"}}}"#,
        )
        .expect("shown");
        let words = |exec: Value, id| {
            let config = json!({"tools": {"exec": exec}});
            let Exec { security, ask } =
                effective(&Node::root(&config), &Scope::common(), NEW, &known, Some(id));
            (security.expect("known").word(), ask.expect("known").word())
        };
        assert_eq!(words(json!({}), "b"), ("allowlist", "off"));
        assert_eq!(words(json!({"mode": "full"}), "b"), ("allowlist", "off"));
        assert_eq!(words(json!({"mode": "full"}), "a"), ("full", "always"));
        assert_eq!(words(json!({"security": "deny", "ask": "on-miss"}), "b"), ("deny", "on-miss"));
    }

    #[test]
    fn a_store_without_a_document_that_is_understood_approves_nothing() {
        for document in [
            "",
            "{",
            "[]",
            "{}",
            r#"{"version": "1", "defaults": {"security": "deny"}}"#,
            r#"{"version": 2, "defaults": {"security": "deny"}}"#,
        ] {
            let known = approvals(document).expect("shown");
            assert!(known.agents.is_empty() && known.defaults.is_null(), "{document}");
        }
        let none = MemoryHost::new("{}").with(Approvals::read).expect("no table");
        assert_eq!(none.words(None).security, Ok(Security::Full));
        let hidden = MemoryHost::new("{}").table(TABLE, &[COLUMN], vec![vec![Cell::Hidden]]);
        assert!(hidden.with(Approvals::read).is_err());
        let empty = MemoryHost::new("{}").table(TABLE, &[COLUMN], Vec::new());
        assert!(empty.with(Approvals::read).is_ok());
    }

    #[test]
    fn a_release_goes_by_its_own_document() {
        let [strict, lax] = ["deny", "full"].map(|word| {
            vec![Cell::Text(format!("{{\"version\": 1, \"defaults\": {{\"security\": \"{word}\"}}}}"))]
        });
        let host = MemoryHost::new("{}").table(TABLE, &[COLUMN], vec![strict, lax]);
        for (release, word) in [((2026, 7, 35), "full"), ((2026, 8, 1), "deny")] {
            let (year, month, patch) = release;
            let host = host.clone().release(year, month, patch);
            let approvals = host.with(Approvals::read).expect("they can be read");
            assert_eq!(approvals.defaults["security"], word, "{release:?}");
        }
    }
}
