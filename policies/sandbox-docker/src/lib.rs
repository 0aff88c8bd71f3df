//! Sandbox containers that are switched off, or that are open to the host.

use chitin_policy_sdk::sandbox::Mode;
use chitin_policy_sdk::{Context, Finding, Node, Verdict, agents, critical, js, listing, warn};

/// Directories of the host that no sandbox should see, and what is in them (reference: config-checks 9).
const SYSTEM_DIRECTORIES: [(&str, &str); 10] = [
    ("/etc", "the host's accounts and settings"),
    ("/private/etc", "the host's accounts and settings"),
    ("/proc", "the host's processes"),
    ("/sys", "the host's kernel settings"),
    ("/dev", "the host's devices"),
    ("/root", "the administrator's own files"),
    ("/boot", "what the host starts from"),
    ("/run", "the sockets of the host's services, Docker's among them"),
    ("/var/run", "the sockets of the host's services, Docker's among them"),
    ("/private/var/run", "the sockets of the host's services, Docker's among them"),
];

/// The Docker settings of all agents, or of one.
struct Docker<'a> {
    /// The agent; none for the settings of all.
    id: Option<&'a str>,
    /// An object.
    node: Node<'a>,
}

/// Looks at the Docker settings of the sandboxes, whatever their mode.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let config = cx.config();
    let settings = settings(&config);
    let mut findings: Vec<Finding> = mode_off(&config, &settings).into_iter().collect();
    for docker in &settings {
        findings.extend(docker.node.get("binds").items().filter_map(|bind| mount(docker, &bind)));
        let single = [network(docker), seccomp(docker), apparmor(docker)];
        findings.extend(single.into_iter().flatten());
    }
    Ok(findings)
}

fn settings<'a>(config: &Node<'a>) -> Vec<Docker<'a>> {
    let common = Docker { id: None, node: config.at("agents.defaults.sandbox.docker") };
    let own = agents::named(config)
        .into_iter()
        .map(|(id, agent)| Docker { id: Some(id), node: agent.at("sandbox.docker") });
    std::iter::once(common).chain(own).filter(|docker| docker.node.object().is_some()).collect()
}

impl Docker<'_> {
    /// The key of a setting, with the agent that it belongs to.
    fn key(&self, name: &str) -> String {
        match self.id {
            None => format!("agents.defaults.sandbox.docker{name}"),
            Some(id) => format!("sandbox.docker{name} of the agent \"{id}\""),
        }
    }
}

fn mode_off(config: &Node<'_>, settings: &[Docker<'_>]) -> Option<Finding> {
    let is_off = |id| Mode::of(config, id).is_off();
    let all_off = || is_off(None) && agents::named(config).iter().all(|(id, _)| is_off(Some(id)));
    let idle: Vec<&Docker<'_>> = settings
        .iter()
        .filter(|docker| docker.node.entries().next().is_some())
        .filter(|docker| if docker.id.is_some() { is_off(docker.id) } else { all_off() })
        .collect();
    let names: Vec<String> = idle.iter().map(|docker| docker.key("")).collect();
    (!names.is_empty()).then(|| {
        warn("sandbox.docker_config_mode_off", "Docker settings belong to a sandbox that is off")
            .detail(format!(
                "No sandbox mode is in force where these settings stand: {}. Tools run on the gateway's host, though the \
                 config reads as if a container held them.",
                listing::words(&names)
            ))
            .remediation(
                "Set agents.defaults.sandbox.mode, or sandbox.mode of the agent, to \"non-main\" or \"all\"; or remove the \
                 Docker settings",
            )
            .at_all(idle.iter().map(|docker| &docker.node))
    })
}

fn mount(docker: &Docker<'_>, bind: &Node<'_>) -> Option<Finding> {
    let text = js::trim(bind.text()?);
    let source = match text.find(':') {
        Some(end) if end > 0 => text.get(..end)?,
        _ => text,
    };
    if !source.starts_with('/') {
        return Some(not_absolute(docker, bind, text, source));
    }
    let path = normalise(source);
    if path == "/" {
        return Some(dangerous(
            docker,
            bind,
            text,
            "the whole file system of the host, every secret on it included",
        ));
    }
    let is_in = |directory: &str| {
        path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let (directory, content) = SYSTEM_DIRECTORIES.iter().find(|(directory, _)| is_in(directory))?;
    Some(dangerous(docker, bind, text, &format!("a part of {directory}: {content}")))
}

fn dangerous(docker: &Docker<'_>, bind: &Node<'_>, text: &str, what: &str) -> Finding {
    critical("sandbox.dangerous_bind_mount", "Sandbox is given a system directory of the host")
        .detail(format!(
            "{} mounts \"{text}\", {what}. Code in the sandbox can read it, and with some of it leave the sandbox, even \
             where the mount is read-only.",
            docker.key(".binds")
        ))
        .remediation(format!(
            "Remove the mount from {}, or mount only the folder of data that the agent works on",
            docker.key(".binds")
        ))
        .at(bind)
}

fn not_absolute(docker: &Docker<'_>, bind: &Node<'_>, text: &str, source: &str) -> Finding {
    warn("sandbox.bind_mount_non_absolute", "Sandbox mount names no absolute path")
        .detail(format!(
            "{} mounts \"{text}\": \"{source}\" does not begin with \"/\", so that nobody can tell from the config what the \
             sandbox is given.",
            docker.key(".binds")
        ))
        .remediation(format!(
            "Write the mount in {} with an absolute path of the host, as in \"/srv/data:/data:ro\"",
            docker.key(".binds")
        ))
        .at(bind)
}

fn network(docker: &Docker<'_>) -> Option<Finding> {
    let network = docker.node.get("network");
    is_word(&network, "host").then(|| {
        critical("sandbox.dangerous_network_mode", "Sandbox shares the network of the host")
            .detail(format!(
                "{} is \"host\": code in the sandbox reaches every service that listens on the host's loopback, the \
                 gateway among them, and can listen in the host's name.",
                docker.key(".network")
            ))
            .remediation(format!("Set {} to \"none\", or to \"bridge\" where it needs a network", docker.key(".network")))
            .at(&network)
    })
}

fn seccomp(docker: &Docker<'_>) -> Option<Finding> {
    let profile = docker.node.get("seccompProfile");
    is_word(&profile, "unconfined").then(|| {
        critical("sandbox.dangerous_seccomp_profile", "Sandbox may make every system call")
            .detail(format!(
                "{} is \"unconfined\": nothing filters the system calls of the container any more, and those are how \
                 code breaks out of one.",
                docker.key(".seccompProfile")
            ))
            .remediation(format!(
                "Remove {}, so that Docker's own filter holds, or name a filter of your own",
                docker.key(".seccompProfile")
            ))
            .at(&profile)
    })
}

fn apparmor(docker: &Docker<'_>) -> Option<Finding> {
    let profile = docker.node.get("apparmorProfile");
    is_word(&profile, "unconfined").then(|| {
        critical("sandbox.dangerous_apparmor_profile", "Sandbox runs without an AppArmor profile")
            .detail(format!(
                "{} is \"unconfined\": the kernel no longer stops the container from mounting file systems and writing \
                 kernel settings.",
                docker.key(".apparmorProfile")
            ))
            .remediation(format!(
                "Remove {}, so that Docker's own profile holds, or name a profile of your own",
                docker.key(".apparmorProfile")
            ))
            .at(&profile)
    })
}

/// The word, in any case and with white space around it (reference: config-checks 9).
fn is_word(node: &Node<'_>, word: &str) -> bool {
    node.trimmed().is_some_and(|text| text.eq_ignore_ascii_case(word))
}

/// The path without `.`, `..` and empty parts, told by its text alone.
fn normalise(path: &str) -> String {
    let mut parts = Vec::new();
    for part in js::trim(path).split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            name => parts.push(name),
        }
    }
    format!("/{}", parts.join("/"))
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::Location;
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    const NOTHING: [&str; 0] = [];
    const OFF: &str = "sandbox.docker_config_mode_off:warn";
    const MOUNT: &str = "sandbox.dangerous_bind_mount:critical";
    const RELATIVE: &str = "sandbox.bind_mount_non_absolute:warn";

    fn agents(agents: &str) -> Vec<String> {
        MemoryHost::new(&format!("{{agents: {agents}}}")).ids(audit)
    }

    /// The findings about the Docker settings of a sandbox that is on.
    fn docker(docker: &str) -> Vec<String> {
        agents(&format!(r#"{{defaults: {{sandbox: {{mode: "all", docker: {docker}}}}}}}"#))
    }

    fn bind(bind: &str) -> Vec<String> {
        docker(&format!("{{binds: [{bind}]}}"))
    }

    #[test]
    fn settings_without_a_sandbox_are_idle() {
        let defaults = |sandbox: &str| agents(&format!("{{defaults: {{sandbox: {sandbox}}}}}"));
        for idle in [
            r#"{docker: {image: "x"}}"#,
            r#"{mode: "off", docker: {image: null}}"#,
            "{mode: null, docker: {a: 1}}",
        ] {
            assert_eq!(defaults(idle), [OFF], "{idle}");
        }
        for fine in [
            r#"{mode: "all", docker: {image: "x"}}"#,
            "{docker: {}}",
            r#"{docker: "x"}"#,
            "{docker: [1]}",
            "{}",
        ] {
            assert_eq!(defaults(fine), NOTHING, "{fine}");
        }
    }

    #[test]
    fn common_settings_are_in_use_where_one_agent_has_a_sandbox() {
        let with = |list: &str| {
            agents(&format!(r#"{{defaults: {{sandbox: {{docker: {{image: "x"}}}}}}, list: [{list}]}}"#))
        };
        assert_eq!(with(r#"{id: "a", sandbox: {mode: "non-main"}}"#), NOTHING);
        assert_eq!(with(r#"{id: "a", sandbox: {mode: "off"}}"#), [OFF]);
        assert_eq!(with(r#"{sandbox: {mode: "all"}}"#), [OFF], "nobody has no id");
    }

    #[test]
    fn an_agents_settings_are_judged_by_its_own_mode() {
        let with = |mode: &str, agent: &str| {
            agents(&format!(
                r#"{{defaults: {{sandbox: {{mode: "{mode}"}}}}, list: [{{id: "a", sandbox: {agent}}}]}}"#
            ))
        };
        assert_eq!(with("off", r#"{docker: {image: "x"}}"#), [OFF]);
        assert_eq!(with("all", r#"{docker: {image: "x"}}"#), NOTHING);
        assert_eq!(with("all", r#"{mode: "off", docker: {image: "x"}}"#), [OFF]);
    }

    #[test]
    fn all_idle_settings_are_one_finding() {
        let config = r#"{agents: {defaults: {sandbox: {docker: {a: 1}}}, list: [{id: "w", sandbox: {docker: {a: 1}}}]}}"#;
        let findings = MemoryHost::new(config).run(audit).expect("a verdict");
        assert_eq!(findings.len(), 1);
        assert!(
            findings[0]
                .detail
                .contains(r#"agents.defaults.sandbox.docker and sandbox.docker of the agent "w"."#)
        );
        let places = ["/agents/defaults/sandbox/docker", "/agents/list/0/sandbox/docker"];
        assert_eq!(findings[0].locations, places.map(|pointer| Location::Config(pointer.to_owned())));
    }

    #[test]
    fn system_directories_and_what_is_below_them_are_dangerous() {
        for source in [
            "/",
            "//",
            "/..",
            "/etc",
            "/etc/",
            " /etc",
            "/etc ",
            "/srv/../etc/ssl",
            "/./proc/1",
            "/sys",
            "/dev/sda",
            "/root/.ssh",
            "/boot",
            "/run/docker.sock",
            "/var/run/docker.sock",
            "/private/etc",
            "/private/var/run",
        ] {
            assert_eq!(bind(&format!(r#""{source}:/x:ro""#)), [MOUNT], "{source}");
        }
        assert_eq!(bind(r#""/etc""#), [MOUNT], "without a target");
        for source in ["/etcetera", "/ETC", "/var", "/private", "/srv/etc", "/home/me", "/runner"] {
            assert_eq!(bind(&format!(r#""{source}:/etc""#)), NOTHING, "{source}");
        }
    }

    #[test]
    fn a_mount_without_a_leading_slash_is_not_absolute() {
        for text in ["rel:/x", "vol:/x", ":/x", ".", "~/x:/y", "  ", "", "./../etc:/x", "C:/x:/y"] {
            assert_eq!(bind(&format!("\"{text}\"")), [RELATIVE], "{text:?}");
        }
    }

    #[test]
    fn what_is_no_list_of_texts_mounts_nothing() {
        for binds in ["5", r#""/etc:/x""#, r#"{"0": "/etc"}"#, "null", "[5, null, {}, [\"/etc\"]]"] {
            assert_eq!(docker(&format!("{{binds: {binds}}}")), NOTHING, "{binds}");
        }
    }

    #[test]
    fn the_hosts_network_and_no_confinement_are_dangerous_in_any_case() {
        for (key, word, id) in [
            ("network", "host", "sandbox.dangerous_network_mode:critical"),
            ("seccompProfile", "unconfined", "sandbox.dangerous_seccomp_profile:critical"),
            ("apparmorProfile", "unconfined", "sandbox.dangerous_apparmor_profile:critical"),
        ] {
            assert_eq!(docker(&format!(r#"{{{key}: "{word}"}}"#)), [id]);
            assert_eq!(docker(&format!(r#"{{{key}: " {} "}}"#, word.to_uppercase())), [id]);
            for fine in
                [r#""""#, r#""default""#, r#""container:abc""#, "5", "null", r#"["host", "unconfined"]"#]
            {
                assert_eq!(docker(&format!("{{{key}: {fine}}}")), NOTHING, "{key} {fine}");
            }
        }
    }

    #[test]
    fn each_finding_points_at_its_own_value() {
        let own =
            r#"{id: "a", sandbox: {mode: "all", docker: {binds: ["/srv:/s", "/dev:/d"], network: "host"}}}"#;
        let findings =
            MemoryHost::new(&format!("{{agents: {{list: [{own}]}}}}")).run(audit).expect("a verdict");
        let places: Vec<&Location> = findings.iter().flat_map(|finding| &finding.locations).collect();
        let expected = ["/agents/list/0/sandbox/docker/binds/1", "/agents/list/0/sandbox/docker/network"]
            .map(|pointer| Location::Config(pointer.to_owned()));
        assert_eq!(places, expected.iter().collect::<Vec<_>>());
    }

    #[test]
    fn agents_of_the_newer_generation_are_found_by_their_keys() {
        let ids = agents(r#"{entries: {a: {sandbox: {docker: {binds: ["/:/host"]}}}}}"#);
        assert_eq!(ids, [OFF, MOUNT]);
    }
}
