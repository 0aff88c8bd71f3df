//! Approvals of commands that allow more than they say.

use chitin_policy_sdk::context::unseen;
use chitin_policy_sdk::openclaw::agents;
use chitin_policy_sdk::openclaw::exec::Approvals;
use chitin_policy_sdk::{
    Answer, Context, Finding, Node, NotAssessed, Path, StateError, Verdict, any, js, listing, warn,
};
use serde_json::Value;

const SKILLS: &str = "tools.exec.auto_allow_skills_enabled";
const INTERPRETER: &str = "tools.exec.allowlist_interpreter_without_strict_inline_eval";

const LEFT: &str = "tools.exec.legacy_approvals_file";

/// The file of older releases, and its name while it is taken over (reference: 2026.9-delta 2.8).
const FILES: [&str; 2] = ["exec-approvals.json", "exec-approvals.json.doctor-importing"];

/// The key that stands for all agents.
const EVERYONE: &str = "*";

/// Programs that run code from their command line, or other programs (reference: 2026.9-delta 3.4).
const INTERPRETERS: [&str; 43] = [
    "python",
    "python2",
    "python3",
    "pypy",
    "pypy3",
    "node",
    "nodejs",
    "bun",
    "deno",
    "awk",
    "gawk",
    "mawk",
    "nawk",
    "ruby",
    "perl",
    "php",
    "r",
    "rscript",
    "julia",
    "elixir",
    "iex",
    "guile",
    "groovy",
    "scala",
    "scala-cli",
    "clojure",
    "clj",
    "raku",
    "perl6",
    "ghc",
    "ghci",
    "erl",
    "werl",
    "gdb",
    "expect",
    "lua",
    "osascript",
    "find",
    "make",
    "gmake",
    "sed",
    "gsed",
    "xargs",
];

/// Judges the document of approvals, and looks for one that was left behind.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    answer.check(LEFT, left_behind(cx));
    match Approvals::read(cx) {
        Ok(approvals) => {
            skills(&approvals, &mut answer);
            interpreters(cx, &approvals, &mut answer);
        }
        Err(reason) => answer.checks(&[SKILLS, INTERPRETER], Err::<Vec<_>, _>(reason)),
    }
    Ok(answer)
}

/// Later releases have the document in their database, and end with an error while a file is there.
fn left_behind(cx: &Context<'_>) -> Result<Option<Finding>, NotAssessed> {
    let mut found = Vec::new();
    for name in FILES {
        let path = Path::new("state", name);
        match cx.host().stat(&path) {
            Ok(_) => found.push(path),
            Err(StateError::NotFound) => {}
            Err(error) => return Err(unseen(cx, "stat", &path, &error)),
        }
    }
    if found.is_empty() {
        return Ok(None);
    }
    let names: Vec<String> = found.iter().map(|path| cx.display_path(path)).collect();
    let finding = warn(LEFT, "Exec approvals of an older release were not taken over")
        .detail(format!(
            "This release keeps approvals in its database, and {} was left by an older one. What the file approves may be more or \
             less than what the database does, and OpenClaw's own security audit ends with an error as long as it is there.",
            listing::words(&names)
        ))
        .remediation("Run `openclaw doctor --fix`, and see by `openclaw approvals get` that what is approved is what you mean")
        .at_objects(&found);
    Ok(Some(finding))
}

fn skills(approvals: &Approvals, answer: &mut Answer) {
    let is_on = |settings: &Value| settings.get("autoAllowSkills") == Some(&Value::Bool(true));
    let mut places = Vec::new();
    if is_on(&approvals.defaults) {
        places.push("defaults.autoAllowSkills".to_owned());
    }
    let agents = approvals.agents.iter().filter(|(_, settings)| is_on(settings));
    places.extend(agents.map(|(id, _)| format!("agents.{id}.autoAllowSkills")));
    if places.is_empty() {
        return;
    }
    answer.findings.push(
        warn(SKILLS, "The programs of every skill run without approval")
            .detail(format!(
                "The exec approvals set {}: whoever writes a skill, or gets one installed, decides which programs run.",
                listing::words(&places)
            ))
            .remediation(
                "Set autoAllowSkills to false in the exec approvals (openclaw approvals), and approve the programs that you \
                 know one by one",
            ),
    );
}

fn interpreters(cx: &Context<'_>, approvals: &Approvals, answer: &mut Answer) {
    let mut lines = Vec::new();
    let mut places: Vec<Node<'_>> = Vec::new();
    let config = cx.config();
    for (id, settings) in &approvals.agents {
        let patterns = settings.get("allowlist").and_then(Value::as_array).into_iter().flatten();
        let patterns = patterns.filter_map(|entry| entry.as_str().or_else(|| entry.get("pattern")?.as_str()));
        let patterns: Vec<&str> = patterns.filter(|pattern| is_interpreter(pattern)).collect();
        if patterns.is_empty() {
            continue;
        }
        match strict(cx, &config, id) {
            Ok((true, _)) => {}
            Ok((false, place)) => {
                lines.extend(patterns.iter().map(|pattern| format!("agents.{id}.allowlist: {pattern}")));
                if !places.contains(&place) {
                    places.push(place);
                }
            }
            Err(reason) => answer.leave_open(INTERPRETER, reason),
        }
    }
    if lines.is_empty() {
        return;
    }
    answer.findings.push(
        warn(INTERPRETER, "An approved interpreter runs any code without approval")
            .detail(
                "The exec approvals list programs that run code given on their command line, and strictInlineEval is not on: \
                 each of these entries approves every command.",
            )
            .list(&lines, 0)
            .remediation(
                "Set tools.exec.strictInlineEval to true, or remove these programs from the approvals and approve the scripts \
                 that you know instead",
            )
            .at_all(&places),
    );
}

/// Code on the command line needs approval for a key of the approvals, and the value that says so or could. Up to 2026.7
/// either value switches it on, later the agent's own goes before (reference: changes, 2026.8.1).
fn strict<'a>(cx: &Context<'_>, config: &Node<'a>, key: &str) -> Result<(bool, Node<'a>), NotAssessed> {
    let global = config.at("tools.exec.strictInlineEval");
    let own = if key == EVERYONE { None } else { agents::entry(config, key)? };
    let Some(own) = own.map(|entry| entry.at("tools.exec.strictInlineEval")) else {
        return Ok((global.is_true()?, global));
    };
    if cx.release().since(2026, 8, 1) {
        let node = if own.is_nullish()? { global } else { own };
        return Ok((node.is_true()?, node));
    }
    Ok((any([global.is_true(), own.is_true()])?, global))
}

/// A pattern names a program that runs code: by the last part of its path, with or without what stands for other
/// characters, and with or without a version.
fn is_interpreter(pattern: &str) -> bool {
    let pattern = js::trim(pattern).to_lowercase();
    let name = pattern.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain =
        [".exe", ".cmd", ".bat", ".com"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
    let literal =
        name.strip_suffix(".exe").unwrap_or(name).replace(['*', '?', '[', ']', '{', '}', '(', ')'], "");
    let literal = literal.trim_end_matches(['.', '-']);
    [plain, literal].into_iter().any(|name| {
        INTERPRETERS.contains(&name) || without_version(name).is_some_and(|name| INTERPRETERS.contains(&name))
    })
}

/// A name without its version: `python` of `python3.11` and of `python-3`; none where less than two characters are left.
fn without_version(name: &str) -> Option<&str> {
    let rest = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
    let version = name.get(rest.len()..)?;
    // A version begins and ends with a digit.
    if !version.starts_with(|c: char| c.is_ascii_digit()) || version.ends_with('.') || version.contains("..")
    {
        return None;
    }
    let rest = rest.strip_suffix('-').unwrap_or(rest);
    (rest.len() >= 2).then_some(rest)
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;
    use chitin_policy_sdk::{Cell, Hidden};

    use super::*;

    const NOTHING: [&str; 0] = [];
    const SKILLS_WARN: &str = "tools.exec.auto_allow_skills_enabled:warn";
    const SKILLS_OPEN: &str = "tools.exec.auto_allow_skills_enabled:not assessed";
    const INTERPRETER_WARN: &str = "tools.exec.allowlist_interpreter_without_strict_inline_eval:warn";
    const INTERPRETER_OPEN: &str = "tools.exec.allowlist_interpreter_without_strict_inline_eval:not assessed";

    fn host(config: &str, document: &str) -> MemoryHost {
        let rows = vec![vec![Cell::Text(document.to_owned())]];
        MemoryHost::new(config).release(2026, 9, 6).table("exec_approvals_config", &["raw_json"], rows)
    }

    fn approvals(document: &str) -> Vec<String> {
        host("{}", &format!("{{\"version\": 1, {document}}}")).ids(audit)
    }

    #[test]
    fn a_file_that_was_left_behind_is_told() {
        let host = MemoryHost::new("{}").release(2026, 9, 6).directory("state", "", 0o700);
        let ids = |host: &MemoryHost| {
            let ids = host.ids(audit).into_iter();
            ids.filter(|id| id.starts_with(LEFT)).collect::<Vec<_>>()
        };
        assert_eq!(ids(&host), [""; 0]);
        for name in FILES {
            assert_eq!(
                ids(&host.clone().file("state", name, 0o600, "{}")),
                [format!("{LEFT}:warn")],
                "{name}"
            );
            assert_eq!(ids(&host.clone().deny("state", name)), [format!("{LEFT}:not assessed")], "{name}");
        }
    }

    #[test]
    fn skills_are_allowed_by_an_exact_true() {
        let on = r#"{"autoAllowSkills": true}"#;
        assert_eq!(approvals(&format!("\"defaults\": {on}")), [SKILLS_WARN]);
        assert_eq!(approvals(&format!("\"agents\": {{\"a\": {on}}}")), [SKILLS_WARN]);
        assert_eq!(
            approvals(r#""defaults": {"autoAllowSkills": "true"}, "agents": {"a": {"autoAllowSkills": 1}}"#),
            NOTHING
        );
        let both = host("{}", &format!(r#"{{"version": 1, "defaults": {on}, "agents": {{"*": {on}}}}}"#));
        assert!(
            both.findings(audit)[0].detail.contains("defaults.autoAllowSkills and agents.*.autoAllowSkills:")
        );
    }

    #[test]
    fn a_document_that_is_none_approves_nothing() {
        for document in ["", "[]", "{", r#"{"version": 2, "defaults": {"autoAllowSkills": true}}"#] {
            assert_eq!(host("{}", document).ids(audit), NOTHING, "{document}");
        }
        assert_eq!(MemoryHost::new("{}").release(2026, 3, 22).ids(audit), NOTHING, "no store");
        for document in [r#""agents": []"#, r#""defaults": 5, "agents": {"a": {"allowlist": "python"}}"#] {
            assert_eq!(approvals(document), NOTHING, "{document}");
        }
    }

    #[test]
    fn a_store_that_is_not_shown_leaves_both_open() {
        let rows = vec![vec![Cell::Hidden]];
        let host = MemoryHost::new("{}").table("exec_approvals_config", &["raw_json"], rows);
        assert_eq!(host.ids(audit), [SKILLS_OPEN, INTERPRETER_OPEN]);
    }

    #[test]
    fn an_interpreter_is_known_by_its_name() {
        for pattern in [
            "python",
            " /usr/bin/Python3 ",
            "/usr/bin/python3.11",
            "python-3",
            "node18",
            "r",
            "C:\\\\x\\\\node.exe",
            "perl.cmd",
            "/opt/**/python*",
            "awk-*",
            "find",
            "xargs",
            "deno.",
            "Rscript",
            "lua5.4",
        ] {
            let hit =
                approvals(&format!(r#""agents": {{"a": {{"allowlist": [{{"pattern": "{pattern}"}}]}}}}"#));
            assert_eq!(hit, [INTERPRETER_WARN], "{pattern}");
        }
        for pattern in [
            "pythonista",
            "r2",
            "git",
            "",
            "/usr/bin/pythons/x",
            "nodes18",
            "*",
            "ruby[0-9]",
            "3",
            "python3..1",
        ] {
            let hit = approvals(&format!(r#""agents": {{"a": {{"allowlist": ["{pattern}"]}}}}"#));
            assert_eq!(hit, NOTHING, "{pattern}");
        }
    }

    fn inline(release: (u16, u8, u16), global: &str, own: &str, key: &str) -> Vec<String> {
        let (year, month, patch) = release;
        let config = format!(
            r#"{{tools: {{exec: {{strictInlineEval: {global}}}}},
                agents: {{list: [{{id: "a", tools: {{exec: {{strictInlineEval: {own}}}}}}}]}}}}"#
        );
        let document = format!(r#"{{"version": 1, "agents": {{"{key}": {{"allowlist": ["python3"]}}}}}}"#);
        host(&config, &document).release(year, month, patch).ids(audit)
    }

    #[test]
    fn an_agents_own_switch_goes_before_from_2026_8_1_on() {
        const OLD: (u16, u8, u16) = (2026, 7, 35);
        const NEW: (u16, u8, u16) = (2026, 8, 1);
        let warned = [INTERPRETER_WARN].as_slice();
        for (global, own, key, old, new) in [
            ("null", "null", "a", warned, warned),
            ("true", "null", "a", &[], &[]),
            ("false", "true", "a", &[], &[]),
            ("true", "false", "a", &[], warned),
            ("true", "false", "b", &[], &[]),
            ("false", "true", "*", warned, warned),
            ("true", "false", "*", &[], &[]),
        ] {
            assert_eq!(inline(OLD, global, own, key), old, "{global} {own} {key}");
            assert_eq!(inline(NEW, global, own, key), new, "{global} {own} {key}");
        }
    }

    #[test]
    fn a_switch_that_is_not_shown_counts_where_it_decides() {
        let document =
            r#"{"version": 1, "agents": {"a": {"allowlist": ["python3"]}, "b": {"allowlist": ["git"]}}}"#;
        let config = r#"{tools: {exec: {strictInlineEval: true}}, agents: {list: [{id: "a"}]}}"#;
        let withheld = |pointer: &str| host(config, document).withhold(pointer).ids(audit);
        assert_eq!(withheld("/tools"), [INTERPRETER_OPEN]);
        assert_eq!(withheld("/agents"), [INTERPRETER_OPEN]);
        assert_eq!(host(config, document).ids(audit), NOTHING);
        let id = host(config, document).hide("/agents/list/0/id", Hidden::Variable);
        assert_eq!(id.ids(audit), [INTERPRETER_OPEN]);
    }
}
