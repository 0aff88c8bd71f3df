//! Sandbox containers that are switched off, or that are open to the host.

use chitin_policy_sdk::openclaw::agents::{self, Described};
use chitin_policy_sdk::openclaw::sandbox::Mode;
use chitin_policy_sdk::{
    Answer, Context, Finding, Node, NotAssessed, Verdict, all, critical, js, listing, warn,
};

const MODE_OFF: &str = "sandbox.docker_config_mode_off";
const NETWORK: &str = "sandbox.dangerous_network_mode";
const SECCOMP: &str = "sandbox.dangerous_seccomp_profile";
const APPARMOR: &str = "sandbox.dangerous_apparmor_profile";

/// A mount is judged by both.
const MOUNTS: [&str; 2] = ["sandbox.dangerous_bind_mount", "sandbox.bind_mount_non_absolute"];

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

/// What tools keep their logins in, below the home directory of the gateway's user (reference: 2026.9-delta 4.11).
const LOGIN_FOLDERS: [&str; 8] = [".aws", ".cargo", ".config", ".docker", ".gnupg", ".netrc", ".npm", ".ssh"];

/// Variables that name a home directory.
const HOME_VARIABLES: [&str; 3] = ["OPENCLAW_HOME", "HOME", "USERPROFILE"];

/// The releases that a rule begins with: the first after one that was looked at and does not have it.
const KNOWS_CONTAINER_NETWORKS: (u16, u8, u16) = (2026, 2, 24);
const KNOWS_LOGIN_FOLDERS: (u16, u8, u16) = (2026, 4, 5);
const KNOWS_DRIVES: (u16, u8, u16) = (2026, 5, 2);
const KNOWS_WHAT_IS_COVERED: (u16, u8, u16) = (2026, 6, 1);

fn since(cx: &Context<'_>, (year, month, patch): (u16, u8, u16)) -> bool {
    cx.release().since(year, month, patch)
}

/// The Docker settings of all agents, or of one.
struct Docker<'a> {
    whose: Whose<'a>,
    /// An object.
    node: Node<'a>,
}

enum Whose<'a> {
    All,
    Agent(&'a str),
    /// Of an agent whose id is not shown, for the reason.
    Hidden(NotAssessed),
}

/// Looks at the Docker settings of the sandboxes, whatever their mode.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let config = cx.config();
    let mut answer = Answer::new();
    let agents = agents::each(&config);
    let settings = settings(&config, &agents, &mut answer);
    mode_off(&config, &settings, &agents, &mut answer);
    for docker in &settings {
        match docker.node.get("binds").items() {
            Ok(binds) => {
                for bind in binds {
                    let finding = mount(cx, docker, &bind, &mut answer);
                    answer.checks(&MOUNTS, finding);
                }
            }
            Err(reason) => answer.checks(&MOUNTS, Err::<Option<Finding>, _>(reason)),
        }
        answer.check(NETWORK, network(cx, docker));
        answer.check(SECCOMP, seccomp(docker));
        answer.check(APPARMOR, apparmor(docker));
    }
    Ok(answer)
}

/// What is judged one by one. Settings that cannot be told leave everything open for their agent.
fn settings<'a>(
    config: &Node<'a>,
    agents: &Result<Vec<Described<'a>>, NotAssessed>,
    answer: &mut Answer,
) -> Vec<Docker<'a>> {
    let mut settings = Vec::new();
    let mut add = |whose: Result<Whose<'a>, NotAssessed>, node: Node<'a>| match docker(whose, node) {
        Ok(docker) => settings.extend(docker),
        Err(reason) => leave_open(answer, &reason),
    };
    add(Ok(Whose::All), config.at("agents.defaults.sandbox.docker"));
    for (id, agent) in agents.iter().flatten() {
        add(whose(id, agent), agent.at("sandbox.docker"));
    }
    if let Err(reason) = agents {
        leave_open(answer, reason);
    }
    settings
}

fn docker<'a>(
    whose: Result<Whose<'a>, NotAssessed>,
    node: Node<'a>,
) -> Result<Option<Docker<'a>>, NotAssessed> {
    if node.is_object()? { Ok(Some(Docker { whose: whose?, node })) } else { Ok(None) }
}

/// An agent without an id has no sandbox: where it is withheld, it may have none.
fn whose<'a>(id: &Result<&'a str, NotAssessed>, agent: &Node<'_>) -> Result<Whose<'a>, NotAssessed> {
    match id {
        Ok(id) => Ok(Whose::Agent(id)),
        Err(reason) => agent.get("id").is_text().map(|_| Whose::Hidden(reason.clone())),
    }
}

fn leave_open(answer: &mut Answer, reason: &NotAssessed) {
    for check in [MODE_OFF, NETWORK, SECCOMP, APPARMOR].iter().chain(&MOUNTS) {
        answer.leave_open(check, reason.clone());
    }
}

impl Docker<'_> {
    /// The key of a setting, with the agent that it belongs to.
    fn key(&self, name: &str) -> String {
        match self.whose {
            Whose::Agent(id) => format!("sandbox.docker{name} of the agent \"{id}\""),
            Whose::All | Whose::Hidden(_) => format!("{}{name}", self.node.dotted()),
        }
    }
}

fn mode_off(
    config: &Node<'_>,
    settings: &[Docker<'_>],
    agents: &Result<Vec<Described<'_>>, NotAssessed>,
    answer: &mut Answer,
) {
    let is_off = |id: Option<&str>| Mode::of(config, id)?.is_off();
    let all_off = || {
        let own = agents.iter().flatten().map(|(id, _)| is_off(Some(id.clone()?)));
        let others = agents.as_ref().map(|_| true).map_err(Clone::clone);
        all([is_off(None)].into_iter().chain(own).chain([others]))
    };
    let mut idle = Vec::new();
    for docker in settings {
        let has_any = docker.node.entries().map(|mut entries| entries.next().is_some());
        let is_off = match &docker.whose {
            Whose::All => all_off(),
            Whose::Agent(id) => is_off(Some(id)),
            Whose::Hidden(reason) => Err(reason.clone()),
        };
        match all([has_any, is_off]) {
            Ok(true) => idle.push(docker),
            Ok(false) => {}
            Err(reason) => answer.leave_open(MODE_OFF, reason),
        }
    }
    if idle.is_empty() {
        return;
    }
    let names: Vec<String> = idle.iter().map(|docker| docker.key("")).collect();
    answer.findings.push(
        warn(MODE_OFF, "Docker settings belong to a sandbox that is off")
            .detail(format!(
                "The sandbox is off where these settings stand: {}. They have no effect, and tools run on the gateway's host, \
                 though the config reads as if a container held them.",
                listing::words(&names)
            ))
            .remediation(
                "Set agents.defaults.sandbox.mode, or sandbox.mode of the agent, to \"all\", or to \"non-main\" to leave only main \
                 sessions on the host; or remove the Docker settings",
            )
            .at_all(idle.iter().map(|docker| &docker.node)),
    );
}

fn mount(
    cx: &Context<'_>,
    docker: &Docker<'_>,
    bind: &Node<'_>,
    answer: &mut Answer,
) -> Result<Option<Finding>, NotAssessed> {
    let Some(text) = bind.text()?.map(js::trim) else { return Ok(None) };
    let drive = if since(cx, KNOWS_DRIVES) { drive(text) } else { "" };
    let source = match text.get(drive.len()..).and_then(|rest| rest.find(':')) {
        Some(end) if drive.len() + end > 0 => text.get(..drive.len() + end).unwrap_or(text),
        _ => text,
    };
    let source = js::trim(source);
    if !drive.is_empty() {
        // A path with a drive is one of Windows, and the directories to look for are not.
        return Ok(None);
    }
    if !source.starts_with('/') {
        return Ok(Some(not_absolute(docker, bind, text, source)));
    }
    let path = normalise(source);
    if path == "/" {
        let what = "the whole file system of the host, every secret on it included";
        return Ok(Some(dangerous(docker, bind, text, what)));
    }
    let covers = since(cx, KNOWS_WHAT_IS_COVERED);
    for (directory, content) in SYSTEM_DIRECTORIES {
        if let Some(how) = overlap(&path, directory, covers) {
            return Ok(Some(dangerous(docker, bind, text, &format!("{how} {directory}: {content}"))));
        }
    }
    if !since(cx, KNOWS_LOGIN_FOLDERS) {
        return Ok(None);
    }
    let (homes, open) = homes(cx);
    for home in &homes {
        for folder in LOGIN_FOLDERS {
            let folder = format!("{home}/{folder}");
            if let Some(how) = overlap(&path, &folder, covers) {
                let what = format!("{how} {folder}: logins and keys of the gateway's user");
                return Ok(Some(dangerous(docker, bind, text, &what)));
            }
        }
    }
    if let Some(reason) = open {
        answer.leave_open(MOUNTS[0], reason);
    }
    Ok(None)
}

/// The drive that a path of Windows begins with, or the mark of a path that is taken as it stands; "" where it has none.
fn drive(text: &str) -> &str {
    let mark =
        [r"\\?\", "//?/"].into_iter().find_map(|mark| text.strip_prefix(mark).map(|rest| (mark.len(), rest)));
    let (length, rest) = mark.unwrap_or((0, text));
    let letter = rest.strip_prefix(|c: char| c.is_ascii_alphabetic());
    let is_drive = letter.is_some_and(|rest| rest.starts_with(r":\") || rest.starts_with(":/"));
    text.get(..if is_drive { length + 2 } else { length }).unwrap_or_default()
}

/// How a path and a directory overlap: the path lies in it, or, where that counts, holds it.
fn overlap(path: &str, directory: &str, covers: bool) -> Option<&'static str> {
    let is_in = |path: &str, directory: &str| {
        path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if is_in(path, directory) {
        return Some("a part of");
    }
    (covers && is_in(directory, path)).then_some("a folder above")
}

/// The home directories of the gateway's user, and why there may be others; none where these are all.
fn homes(cx: &Context<'_>) -> (Vec<String>, Option<NotAssessed>) {
    let (mut homes, mut open) = (Vec::new(), None);
    for name in HOME_VARIABLES {
        match cx.environment(name) {
            Ok(home) => homes.extend(home.map(normalise)),
            Err(reason) => open = Some(reason),
        }
    }
    // The state directory lies in it, unless something puts it elsewhere.
    homes.extend(cx.display("state").and_then(|state| state.strip_suffix("/.openclaw").map(normalise)));
    homes.retain(|home| home != "/");
    if homes.is_empty() {
        open = open.or_else(|| Some(NotAssessed::absent("the home directory of the gateway's user")));
    }
    (homes, open)
}

fn dangerous(docker: &Docker<'_>, bind: &Node<'_>, text: &str, what: &str) -> Finding {
    critical("sandbox.dangerous_bind_mount", "Sandbox is given a directory of the host with its secrets")
        .detail(format!(
            "{} mounts \"{text}\", {what}. Code in the sandbox can read it, also where the mount is read-only, and can use keys \
             and sockets that it finds there to leave the sandbox.",
            docker.key(".binds")
        ))
        .remediation(format!(
            "Remove the mount from {}, or mount only the folder of data that the agent works on; then make the containers \
             anew",
            docker.key(".binds")
        ))
        .at(bind)
}

fn not_absolute(docker: &Docker<'_>, bind: &Node<'_>, text: &str, source: &str) -> Finding {
    warn("sandbox.bind_mount_non_absolute", "Sandbox mount is not an absolute path of the host")
        .detail(format!(
            "{} mounts \"{text}\": \"{source}\" does not begin with \"/\", so that the config does not say what the sandbox \
             is given.",
            docker.key(".binds")
        ))
        .remediation(format!(
            "Write the mount in {} with an absolute path of the host, as in \"/srv/data:/data:ro\"",
            docker.key(".binds")
        ))
        .at(bind)
}

fn network(cx: &Context<'_>, docker: &Docker<'_>) -> Result<Option<Finding>, NotAssessed> {
    let network = docker.node.get("network");
    let key = docker.key(".network");
    let Some(text) = network.trimmed()? else { return Ok(None) };
    let word = text.to_lowercase();
    let finding = if word == "host" {
        critical(NETWORK, "Sandbox shares the network of the host").detail(format!(
            "{key} is \"host\": code in the sandbox reaches every service that listens on the host's loopback, the gateway \
             among them, and can listen in the host's name."
        ))
    } else if word.starts_with("container:") && since(cx, KNOWS_CONTAINER_NETWORKS) {
        critical(NETWORK, "Sandbox shares the network of another container").detail(format!(
            "{key} is \"{text}\": code in the sandbox reaches whatever listens on that container's loopback, and can listen \
             in its name. Nothing that keeps the two apart is left between them."
        ))
    } else {
        return Ok(None);
    };
    Ok(Some(
        finding
            .remediation(format!("Set {key} to \"none\", or to \"bridge\" where it needs a network"))
            .at(&network),
    ))
}

fn seccomp(docker: &Docker<'_>) -> Result<Option<Finding>, NotAssessed> {
    let profile = docker.node.get("seccompProfile");
    Ok(is_word(&profile, "unconfined")?.then(|| {
        critical(SECCOMP, "Sandbox may make every system call")
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
    }))
}

fn apparmor(docker: &Docker<'_>) -> Result<Option<Finding>, NotAssessed> {
    let profile = docker.node.get("apparmorProfile");
    Ok(is_word(&profile, "unconfined")?.then(|| {
        critical(APPARMOR, "Sandbox runs without an AppArmor profile")
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
    }))
}

/// The word, in any case and with white space around it (reference: config-checks 9).
fn is_word(node: &Node<'_>, word: &str) -> Result<bool, NotAssessed> {
    Ok(node.trimmed()?.is_some_and(|text| text.eq_ignore_ascii_case(word)))
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
        let findings = MemoryHost::new(config).findings(audit);
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

    /// The findings about a mount, in a release, for the user "me".
    fn bind_of(bind: &str, (year, month, patch): (u16, u8, u16)) -> Vec<String> {
        let docker = format!(r#"{{defaults: {{sandbox: {{mode: "all", docker: {{binds: ["{bind}"]}}}}}}}}"#);
        let host = MemoryHost::new(&format!("{{agents: {docker}}}")).release(year, month, patch);
        host.variable("HOME", "/home/me").ids(audit)
    }

    #[test]
    fn later_releases_know_where_logins_are_kept() {
        for source in ["/home/me/.ssh", "/home/me/.ssh:/s:ro", "/home/me/.npm/x:/n", "/home/me/x/../.aws/:/a"]
        {
            assert_eq!(bind_of(source, (2026, 4, 2)), NOTHING, "{source}");
            assert_eq!(bind_of(source, (2026, 4, 5)), [MOUNT], "{source}");
        }
        for source in ["/home/other/.ssh:/z", "/srv/p:/p", "/home/me/.sshd:/x", "/home/me/.cache:/x"] {
            assert_eq!(bind_of(source, (2026, 9, 6)), NOTHING, "{source}");
        }
        for source in ["/home/me:/h", "/home:/h", "/var:/v", "/private:/p"] {
            assert_eq!(bind_of(source, (2026, 5, 28)), NOTHING, "{source}");
            assert_eq!(bind_of(source, (2026, 6, 1)), [MOUNT], "{source}");
        }
    }

    #[test]
    fn where_the_home_directory_is_not_known_a_mount_is_not_called_fine() {
        let config = r#"{agents: {defaults: {sandbox: {mode: "all", docker: {binds: ["/srv:/x", "/home/me/.ssh:/y"]}}}}}"#;
        let host = MemoryHost::new(config).release(2026, 9, 6);
        let open = ["sandbox.dangerous_bind_mount:not assessed"];
        assert_eq!(host.ids(audit), open);
        let known = host.clone().view("state", "/home/me/.openclaw");
        assert_eq!(known.ids(audit), [MOUNT]);
        assert_eq!(host.clone().view("state", "/srv/state").ids(audit), open);
        assert_eq!(known.ungranted("environment:HOME").ids(audit), [MOUNT, open[0]]);
        assert_eq!(host.clone().release(2026, 2, 19).ids(audit), NOTHING, "that release does not ask for it");
        assert_eq!(host.variable("HOME", "/").ids(audit), open, "everything is no home");
    }

    #[test]
    fn later_releases_take_the_path_of_a_drive_for_absolute() {
        for source in [r"C:\\x:/y", "c:/x:/y", "//?/C:/x:/y", r"\\\\?\\C:\\x:/y"] {
            assert_eq!(bind_of(source, (2026, 5, 2)), NOTHING, "{source}");
        }
        for source in [r"C:\\x:/y", "c:/x:/y"] {
            assert_eq!(bind_of(source, (2026, 4, 29)), [RELATIVE], "{source}");
        }
        for source in ["C:x:/y", "CC:/x", ":/x", "vol:/x", ""] {
            assert_eq!(bind_of(source, (2026, 9, 6)), [RELATIVE], "{source}");
        }
    }

    #[test]
    fn the_network_of_another_container_is_dangerous_in_later_releases() {
        let network = |network: &str, (year, month, patch)| {
            let docker = format!(r#"{{sandbox: {{mode: "all", docker: {{network: "{network}"}}}}}}"#);
            let host = MemoryHost::new(&format!("{{agents: {{defaults: {docker}}}}}"));
            host.release(year, month, patch).ids(audit)
        };
        let dangerous = "sandbox.dangerous_network_mode:critical";
        for name in ["container:abc", " Container: ", "CONTAINER:x"] {
            assert_eq!(network(name, (2026, 2, 23)), NOTHING, "{name}");
            assert_eq!(network(name, (2026, 2, 24)), [dangerous], "{name}");
        }
        for name in ["container", "bridge", "none", "my-container:x"] {
            assert_eq!(network(name, (2026, 9, 6)), NOTHING, "{name}");
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
        let findings = MemoryHost::new(&format!("{{agents: {{list: [{own}]}}}}")).findings(audit);
        let places: Vec<&Location> = findings.iter().flat_map(|finding| &finding.locations).collect();
        let expected = ["/agents/list/0/sandbox/docker/binds/1", "/agents/list/0/sandbox/docker/network"]
            .map(|pointer| Location::Config(pointer.to_owned()));
        assert_eq!(places, expected.iter().collect::<Vec<_>>());
    }

    const HIDDEN: &str = r#"{"$hidden": "variable"}"#;

    /// The checks that are left open.
    fn open(agents: &str) -> Vec<String> {
        let host = MemoryHost::new(&format!("{{agents: {agents}}}").replace("HIDDEN", HIDDEN));
        let open = host.run(audit).expect("an answer").unassessed;
        open.into_iter().map(|open| open.check_id).collect()
    }

    #[test]
    fn a_value_that_is_not_shown_costs_its_own_check() {
        let defaults =
            |docker: &str| format!(r#"{{defaults: {{sandbox: {{mode: "all", docker: {docker}}}}}}}"#);
        for (docker, expected) in [
            ("{binds: [HIDDEN]}", MOUNTS.as_slice()),
            (r#"{binds: ["/srv:/s", HIDDEN]}"#, &MOUNTS),
            ("{binds: HIDDEN}", &[]),
            ("{network: HIDDEN}", &[NETWORK]),
            ("{seccompProfile: HIDDEN}", &[SECCOMP]),
            ("{apparmorProfile: HIDDEN}", &[APPARMOR]),
            ("{env: {A: HIDDEN}, image: HIDDEN}", &[]),
            ("HIDDEN", &[]),
        ] {
            assert_eq!(open(&defaults(docker)), expected, "{docker}");
        }
        let config = defaults(r#"{binds: [HIDDEN, "/etc:/x"], network: "host"}"#);
        let host = MemoryHost::new(&format!("{{agents: {config}}}").replace("HIDDEN", HIDDEN));
        let ids = host.ids(audit);
        assert_eq!(ids[..2], [MOUNT, "sandbox.dangerous_network_mode:critical"], "what is shown is judged");
        assert_eq!(ids.len(), 4);
    }

    #[test]
    fn a_mode_that_is_not_shown_decides_alone_whether_settings_are_idle() {
        for (agents, expected) in [
            ("{defaults: {sandbox: {mode: HIDDEN, docker: {a: 1}}}}", [MODE_OFF].as_slice()),
            ("{defaults: {sandbox: {mode: HIDDEN, docker: {}}}}", &[]),
            (
                r#"{defaults: {sandbox: {docker: {a: 1}}}, list: [{id: "a", sandbox: {mode: HIDDEN}}]}"#,
                &[MODE_OFF],
            ),
            (
                r#"{defaults: {sandbox: {docker: {a: 1}}}, list: [{id: "a", sandbox: {mode: HIDDEN}}, {id: "b", sandbox: {mode: "all"}}]}"#,
                &[],
            ),
            (
                r#"{defaults: {sandbox: {mode: HIDDEN}}, list: [{id: "a", sandbox: {mode: "all", docker: {a: 1}}}]}"#,
                &[],
            ),
        ] {
            assert_eq!(open(agents), expected, "{agents}");
        }
    }

    #[test]
    fn an_agent_whose_id_is_not_shown_is_judged_by_its_place() {
        let config = r#"{agents: {defaults: {sandbox: {mode: "all"}}, list: [
            {id: {"$hidden": "variable"}, sandbox: {docker: {network: "host"}}},
            {id: "b", sandbox: {docker: {seccompProfile: "unconfined"}}}
        ]}}"#;
        let host = MemoryHost::new(config);
        let expected = [
            "sandbox.dangerous_network_mode:critical",
            "sandbox.dangerous_seccomp_profile:critical",
            "sandbox.docker_config_mode_off:not assessed",
        ];
        assert_eq!(host.ids(audit), expected);
        let finding = host.run(audit).expect("an answer").findings.remove(0);
        assert!(finding.detail.starts_with("agents.list.0.sandbox.docker.network is"), "{}", finding.detail);
    }

    #[test]
    fn what_is_withheld_is_not_taken_for_absent() {
        let config = r#"{agents: {defaults: {sandbox: {mode: "all", docker: {binds: [], network: "none"}}},
            list: [{id: "a", sandbox: {mode: "all", docker: {network: "host"}}}]}}"#;
        let open = |pointer: &str| {
            let unassessed =
                MemoryHost::new(config).withhold(pointer).run(audit).expect("an answer").unassessed;
            unassessed.into_iter().map(|open| open.check_id).collect::<Vec<_>>()
        };
        let every = [MODE_OFF, NETWORK, SECCOMP, APPARMOR, MOUNTS[0], MOUNTS[1]];
        for (pointer, expected) in [
            ("/agents/defaults/sandbox/docker", every.as_slice()),
            ("/agents/list", &every),
            ("/agents/defaults/sandbox/docker/binds", &MOUNTS),
            ("/agents/defaults/sandbox/docker/network", &[NETWORK]),
            ("/agents/defaults/sandbox/docker/seccompProfile", &[SECCOMP]),
            ("/agents/defaults/sandbox/mode", &[]),
        ] {
            assert_eq!(open(pointer), expected, "{pointer}");
        }
        let id = MemoryHost::new(config).withhold("/agents").ids(audit);
        assert_eq!(id.len(), every.len() * 2, "the defaults and the agents: {id:?}");
    }
}
