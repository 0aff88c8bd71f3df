//! Lists of skills that commands go around (reference: 2026.9-delta 3.5; run: 2026.7.35 judges the same agents).

use chitin_policy_sdk::context::unseen;
use chitin_policy_sdk::openclaw::agents;
use chitin_policy_sdk::openclaw::exec::{self, Approvals, Ask, Security};
use chitin_policy_sdk::openclaw::tools::Scope;
use chitin_policy_sdk::{
    Answer, Context, Finding, Kind, Location, Node, NotAssessed, Path, StateError, Verdict, all, listing,
    warn,
};

const DRIFT: &str = "tools.exec.agent_skill_mcp_boundary_drift";
const REGISTRY: &str = "tools.exec.mcporter_registry_inspection_incomplete";

/// A list of MCP servers that is not in the config.
const REGISTRY_FILE: &str = "skills/config/mcporter.json";
/// The gateway reads no longer file.
const MAX_BYTES: u64 = 16 << 20;

/// Looks for agents whose skills are limited and whose commands are not, and for MCP servers that these can reach.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let config = cx.config();
    let mut answer = Answer::new();
    let registry = registry(cx);
    let limited = match limited(cx, &config) {
        Ok(limited) => limited,
        Err(reason) => {
            answer.leave_open(DRIFT, reason.clone());
            if !matches!(registry, Registry::Absent) {
                answer.leave_open(REGISTRY, reason);
            }
            return Ok(answer);
        }
    };
    let lines: Vec<String> = limited.iter().filter_map(|agent| agent.line.clone().ok().flatten()).collect();
    let nodes: Vec<&Node<'_>> =
        limited.iter().filter(|agent| matches!(agent.line, Ok(Some(_)))).map(|agent| &agent.skills).collect();
    let open = limited.iter().find_map(|agent| agent.line.as_ref().err());
    if lines.is_empty() && open.is_none() {
        return Ok(answer);
    }
    let servers = servers(&config);
    let has_agents = || open.filter(|_| lines.is_empty()).cloned().map_or(Ok(()), Err);
    if !matches!(registry, Registry::Absent) {
        answer.check(REGISTRY, has_agents().and_then(|()| registry_finding(cx, &registry)));
    }
    let named = servers.as_ref().map(|(names, _)| names.as_slice()).unwrap_or_default();
    let verdict = match (&servers, &registry) {
        // No server, so nothing that commands could reach.
        (Ok((servers, _)), Registry::Absent) if servers.is_empty() => return Ok(answer),
        (Ok((servers, _)), Registry::There | Registry::Odd(_)) if servers.is_empty() => Err(not_read(cx)),
        (Ok((servers, _)), Registry::Unseen(reason)) if servers.is_empty() => Err(reason.clone()),
        (Err(reason), _) => Err(reason.clone()),
        (Ok((_, places)), registry) => {
            if let Some(reason) = open.filter(|_| !lines.is_empty()) {
                answer.leave_open(DRIFT, reason.clone());
            }
            has_agents().map(|()| drift(cx, &lines, &nodes, named, places, registry))
        }
    };
    answer.check(DRIFT, verdict.map(|finding| [finding]));
    Ok(answer)
}

fn drift(
    cx: &Context<'_>,
    agents: &[String],
    nodes: &[&Node<'_>],
    servers: &[String],
    places: &[Node<'_>],
    registry: &Registry,
) -> Finding {
    let beside = match registry {
        Registry::Absent => String::new(),
        _ => format!(", and whatever {} lists", cx.display_path(&path())),
    };
    warn(DRIFT, "Commands go around the skills that agents are limited to")
        .detail(format!(
            "A list of skills decides what an agent is shown, not what its commands can do. These agents have such a list \
             and run commands outside of a sandbox, so that the MCP servers of this installation are in their reach ({}{beside}):",
            listing::words(servers)
        ))
        .list(agents, 0)
        .remediation(
            "Set tools.exec.security of these agents to \"deny\" or \"allowlist\", or their sandbox.mode to \"all\"; give each \
             agent MCP credentials of its own, or run a gateway for each",
        )
        .at_all(nodes.iter().copied())
        .at_all(places)
}

/// An agent whose skills are limited.
struct Limited<'a> {
    /// The list.
    skills: Node<'a>,
    /// What its commands may do, in words; none where they may do nothing outside of a sandbox.
    line: Result<Option<String>, NotAssessed>,
}

/// What holds for all, where that is limited, then each agent that is, by its own list or by that one.
fn limited<'a>(cx: &Context<'_>, config: &Node<'a>) -> Result<Vec<Limited<'a>>, NotAssessed> {
    let common = config.at("agents.defaults.skills");
    let is_common = common.is_present()?;
    let mut candidates = Vec::new();
    if is_common {
        candidates.push((Scope::common(), common.clone()));
    }
    for scope in Scope::agents(config)? {
        let own = scope.entry.as_ref().map_or_else(|| common.clone(), |entry| entry.get("skills"));
        if own.is_present()? {
            candidates.push((scope, own));
        } else if is_common {
            candidates.push((scope, common.clone()));
        }
    }
    if candidates.is_empty() {
        return Ok(Vec::new());
    }
    let approvals = Approvals::read(cx);
    let judge = |(scope, skills): (Scope<'a>, Node<'a>)| {
        let line = approvals.clone().and_then(|approvals| reach(cx, config, &scope, &skills, &approvals));
        Limited { skills, line }
    };
    Ok(candidates.into_iter().map(judge).collect())
}

fn reach(
    cx: &Context<'_>,
    config: &Node<'_>,
    scope: &Scope<'_>,
    skills: &Node<'_>,
    approvals: &Approvals,
) -> Result<Option<String>, NotAssessed> {
    let release = cx.release();
    let id = match scope.agent()? {
        Some(id) => Some(agents::normalise(id)),
        None => agents::owner(cx)?,
    };
    let exec = exec::effective(config, scope, release, approvals, id.as_deref());
    let host = exec::host(config, scope, release);
    let mode = scope.sandbox_mode(config);
    let is_outside = host.clone().and_then(|host| match host {
        "auto" => mode.clone().map(|mode| mode == "off"),
        host => Ok(host != "sandbox"),
    });
    let runs = exec.security.clone().map(|word| word != Security::Deny);
    if !all([runs, is_outside])? {
        return Ok(None);
    }
    let host = host?;
    Ok(Some(format!(
        "{}: limited by {}, host {}, security {}, ask {}",
        scope.label(release),
        skills.dotted(),
        if host == "auto" { "gateway" } else { host },
        exec.security.map_or("not known", Security::word),
        exec.ask.map_or("not known", Ask::word),
    )))
}

/// The names of the config's MCP servers that are on, and their places.
fn servers<'a>(config: &Node<'a>) -> Result<(Vec<String>, Vec<Node<'a>>), NotAssessed> {
    let mut servers: Vec<(String, Node<'a>)> = Vec::new();
    let mut open = None;
    for (name, server) in config.at("mcp.servers").entries()? {
        match server.get("enabled").is_false() {
            Ok(false) => servers.push((name.to_owned(), server)),
            Ok(true) => {}
            Err(reason) => open = Some(reason),
        }
    }
    servers.sort_by(|(one, _), (other, _)| one.cmp(other));
    match open.filter(|_| servers.is_empty()) {
        Some(reason) => Err(reason),
        None => Ok(servers.into_iter().unzip()),
    }
}

/// The list in the state directory.
enum Registry {
    /// There is none.
    Absent,
    /// A file that the gateway can read.
    There,
    /// Something that it does not read, and why.
    Odd(&'static str),
    /// It cannot be looked at.
    Unseen(NotAssessed),
}

fn path() -> Path {
    Path::new("state", REGISTRY_FILE)
}

fn registry(cx: &Context<'_>) -> Registry {
    let path = path();
    let metadata = match cx.host().resolve(&path) {
        Ok(link) => link.metadata,
        Err(StateError::NotFound) => return Registry::Absent,
        Err(error) => return Registry::Unseen(unseen(cx, "stat", &path, &error)),
    };
    match metadata {
        None => Registry::Absent,
        Some(metadata) if metadata.kind != Kind::File => Registry::Odd("it is no regular file"),
        Some(metadata) if metadata.size > MAX_BYTES => Registry::Odd("it is larger than 16 MiB"),
        Some(_) => Registry::There,
    }
}

/// The file may hold credentials of the servers, so that it is given to no policy.
fn not_read(cx: &Context<'_>) -> NotAssessed {
    let path = path();
    NotAssessed::absent(format!(
        "the servers in {}: it may hold credentials and is given to no policy",
        cx.display_path(&path)
    ))
    .at(Location::Object(path))
}

fn registry_finding(cx: &Context<'_>, registry: &Registry) -> Result<Option<Finding>, NotAssessed> {
    let why = match registry {
        Registry::Absent => return Ok(None),
        Registry::There => return Err(not_read(cx)),
        Registry::Unseen(reason) => return Err(reason.clone()),
        Registry::Odd(why) => *why,
    };
    let path = path();
    let finding = warn(REGISTRY, "The list of MCP servers beside the skills cannot be looked at")
        .detail(format!(
            "{} is not read: {why}. Which servers the commands of agents with limited skills can reach is not known.",
            cx.display_path(&path)
        ))
        .remediation("Replace it by a regular file with the servers in JSON, or remove it if nothing uses it")
        .at_object(&path);
    Ok(Some(finding))
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;
    use chitin_policy_sdk::{Cell, Hidden};

    use super::*;

    const NOTHING: [&str; 0] = [];
    const DRIFT_WARN: &str = "tools.exec.agent_skill_mcp_boundary_drift:warn";
    const DRIFT_OPEN: &str = "tools.exec.agent_skill_mcp_boundary_drift:not assessed";
    const REGISTRY_WARN: &str = "tools.exec.mcporter_registry_inspection_incomplete:warn";
    const REGISTRY_OPEN: &str = "tools.exec.mcporter_registry_inspection_incomplete:not assessed";

    fn host(agents: &str, rest: &str) -> MemoryHost {
        let config = format!("{{agents: {agents}, mcp: {{servers: {{x: {{command: \"y\"}}}}}}{rest}}}");
        MemoryHost::new(&config).release(2026, 9, 6)
    }

    const LIMITED: &str = r#"{list: [{id: "a", skills: ["q"]}]}"#;

    #[test]
    fn a_list_of_skills_counts_also_where_it_is_empty() {
        assert_eq!(host(LIMITED, "").ids(audit), [DRIFT_WARN]);
        assert_eq!(host(r#"{list: [{id: "a", skills: []}]}"#, "").ids(audit), [DRIFT_WARN]);
        assert_eq!(host(r#"{list: [{id: "a"}]}"#, "").ids(audit), NOTHING);
        let both = host(r#"{defaults: {skills: []}, list: [{id: "a"}, {id: "b", skills: ["q"]}]}"#, "");
        let detail = both.findings(audit).remove(0).detail;
        for line in [
            "- agents.defaults: limited by agents.defaults.skills, host gateway, security full, ask off",
            "- agents.entries.a: limited by agents.defaults.skills,",
            "- agents.entries.b: limited by agents.list.1.skills,",
        ] {
            assert!(detail.contains(line), "{detail}");
        }
    }

    #[test]
    fn commands_that_are_denied_or_in_a_sandbox_reach_nothing() {
        for (rest, found) in [
            (r#", tools: {exec: {security: "deny"}}"#, false),
            (r#", tools: {exec: {mode: "deny"}}"#, false),
            (r#", tools: {exec: {security: "allowlist"}}"#, true),
            (r#", tools: {exec: {host: "sandbox"}}"#, false),
            (r#", tools: {exec: {host: "node"}}"#, true),
        ] {
            assert_eq!(host(LIMITED, rest).ids(audit).len(), usize::from(found), "{rest}");
        }
        let sandboxed = r#"{list: [{id: "a", skills: [], sandbox: {mode: "non-main"}}]}"#;
        assert_eq!(host(sandboxed, "").ids(audit), NOTHING);
        assert_eq!(host(sandboxed, r#", tools: {exec: {host: "gateway"}}"#).ids(audit), [DRIFT_WARN]);
        let approvals = |document: &str| {
            let rows = vec![vec![Cell::Text(document.to_owned())]];
            host(LIMITED, "").table("exec_approvals_config", &["raw_json"], rows).ids(audit)
        };
        assert_eq!(approvals(r#"{"version": 1, "agents": {"a": {"security": "deny"}}}"#), NOTHING);
        assert_eq!(approvals(r#"{"version": 1, "agents": {"b": {"security": "deny"}}}"#), [DRIFT_WARN]);
    }

    #[test]
    fn without_a_server_there_is_nothing_to_reach() {
        for mcp in ["{}", r"{servers: {x: {enabled: false}}}", r"{servers: []}", "5"] {
            let config = format!("{{agents: {LIMITED}, mcp: {mcp}}}");
            assert_eq!(MemoryHost::new(&config).release(2026, 9, 6).ids(audit), NOTHING, "{mcp}");
        }
    }

    #[test]
    fn a_registry_is_not_read_and_not_passed_over() {
        let without = || MemoryHost::new(&format!("{{agents: {LIMITED}}}")).release(2026, 9, 6);
        let file = |host: MemoryHost| host.file("state", REGISTRY_FILE, 0o600, "{}");
        assert_eq!(file(without()).ids(audit), [REGISTRY_OPEN, DRIFT_OPEN]);
        assert_eq!(file(host(LIMITED, "")).ids(audit), [DRIFT_WARN, REGISTRY_OPEN]);
        let folder = |host: MemoryHost| host.directory("state", REGISTRY_FILE, 0o700);
        assert_eq!(folder(without()).ids(audit), [REGISTRY_WARN, DRIFT_OPEN]);
        assert_eq!(folder(host(LIMITED, "")).ids(audit), [REGISTRY_WARN, DRIFT_WARN]);
        let link = without().file("state", "x", 0o600, "").symlink("state", REGISTRY_FILE, Some("x"));
        assert_eq!(link.ids(audit), [REGISTRY_OPEN, DRIFT_OPEN]);
        assert_eq!(without().symlink("state", REGISTRY_FILE, None).ids(audit), NOTHING);
        assert_eq!(without().deny("state", REGISTRY_FILE).ids(audit), [REGISTRY_OPEN, DRIFT_OPEN]);
        let capability = "stat:state/skills/config/mcporter.json";
        assert_eq!(file(without()).ungranted(capability).ids(audit), [REGISTRY_OPEN, DRIFT_OPEN]);
        let nobody = MemoryHost::new("{}").release(2026, 9, 6);
        assert_eq!(file(nobody).ids(audit), NOTHING);
    }

    #[test]
    fn what_is_not_shown_counts_where_it_decides() {
        let rest = r#", tools: {exec: {security: "deny", host: "gateway"}}"#;
        let hidden = |pointer: &str| host(LIMITED, rest).hide(pointer, Hidden::Variable).ids(audit);
        assert_eq!(hidden("/tools/exec/security"), [DRIFT_OPEN]);
        assert_eq!(hidden("/tools/exec/host"), NOTHING);
        for (pointer, ids) in [
            ("/agents/defaults", [DRIFT_OPEN].as_slice()),
            ("/agents/list", &[DRIFT_OPEN]),
            ("/mcp", &[DRIFT_OPEN]),
            ("/tools/exec/ask", &[DRIFT_WARN]),
        ] {
            let agents = r#"{defaults: {}, list: [{id: "a", skills: []}]}"#;
            assert_eq!(host(agents, ", tools: {exec: {}}").withhold(pointer).ids(audit), ids, "{pointer}");
        }
        let two =
            r#"{list: [{id: "a", skills: []}, {id: "b", skills: [], tools: {exec: {security: "deny"}}}]}"#;
        let one = host(two, "").hide("/agents/list/1/tools/exec/security", Hidden::Variable);
        assert_eq!(one.ids(audit), [DRIFT_WARN, DRIFT_OPEN]);
        let rows = vec![vec![Cell::Hidden]];
        let approvals = host(LIMITED, "").table("exec_approvals_config", &["raw_json"], rows);
        assert_eq!(approvals.ids(audit), [DRIFT_OPEN]);
    }
}
