//! The sandbox: its network, its profiles, its mounts, its environment.

use crate::config::release::Release;
use crate::config::rules::Judge;
use crate::config::rules::forms::is_on_drive;
use crate::config::rules::spot::Spot;
use crate::target::js_trim;

/// First release in which a mount may begin with the letter of a drive.
const DRIVES_SINCE: Release = Release::new(2026, 5, 2);

/// The sandboxes of the defaults and of every agent.
fn sandboxes<'a>(judge: &Judge<'a>) -> impl Iterator<Item = Spot<'a>> + use<'a> {
    let all: Vec<_> = judge.agents_and_defaults().filter_map(|agent| agent.get("sandbox")).collect();
    all.into_iter()
}

/// A part of every sandbox.
fn parts<'a>(judge: &Judge<'a>, key: &'static str) -> impl Iterator<Item = Spot<'a>> + use<'a> {
    sandboxes(judge).filter_map(move |sandbox| sandbox.get(key))
}

fn lower(spot: &Spot<'_>, key: &str) -> String {
    spot.text_of(key).map(|text| js_trim(text).to_lowercase()).unwrap_or_default()
}

/// No sandbox is in the network of the host.
pub(super) fn host_network(judge: &mut Judge<'_>) {
    for docker in parts(judge, "docker").filter(|docker| lower(docker, "network") == "host") {
        judge.refuse(docker.below("network"), "The gateway refuses a sandbox in the network of the host.");
    }
}

/// No browser of a sandbox either.
pub(super) fn host_network_of_browser(judge: &mut Judge<'_>) {
    for browser in parts(judge, "browser").filter(|browser| lower(browser, "network") == "host") {
        judge.refuse(
            browser.below("network"),
            "The gateway refuses a sandbox browser in the network of the host.",
        );
    }
}

/// A sandbox joins another container only where that is allowed by name.
pub(super) fn container_network(judge: &mut Judge<'_>) {
    const FLAG: &str = "dangerouslyAllowContainerNamespaceJoin";
    for sandbox in sandboxes(judge) {
        if sandbox.get("docker").is_some_and(|docker| docker.is_true(FLAG)) {
            continue;
        }
        for part in ["docker", "browser"].into_iter().filter_map(|key| sandbox.get(key)) {
            if lower(&part, "network").starts_with("container:") {
                let message = format!("A sandbox in the network of another container needs docker.{FLAG}.");
                judge.refuse(part.below("network"), message);
            }
        }
    }
}

/// No sandbox is without a profile.
pub(super) fn unconfined(judge: &mut Judge<'_>) {
    for docker in parts(judge, "docker") {
        for key in ["seccompProfile", "apparmorProfile"] {
            if lower(&docker, key) == "unconfined" {
                judge.refuse(docker.below(key), "The gateway refuses a sandbox with an unconfined profile.");
            }
        }
    }
}

/// The first release that looks at the mounts of the browser's container, too (programs 2026.5.18 and 2026.5.20).
const BROWSER_SINCE: Release = Release::new(2026, 5, 20);

/// A mount begins with an absolute path.
pub(super) fn binds(judge: &mut Judge<'_>) {
    let on_drive = judge.release >= DRIVES_SINCE;
    let parts_with_mounts: &[&str] =
        if judge.release >= BROWSER_SINCE { &["docker", "browser"] } else { &["docker"] };
    for part in parts_with_mounts {
        for bind in parts(judge, part).flat_map(|part| part.items_of("binds")) {
            let Some(text) = bind.text() else { continue };
            let text = if judge.release >= EXACT_SINCE { text } else { js_trim(text) };
            let is_absolute = text.starts_with('/') || (on_drive && is_on_drive(namespaceless(text)));
            if !is_absolute {
                judge.refuse(bind.pointer, "A bind mount must begin with an absolute path of the host.");
            }
        }
    }
}

/// The first release that takes white space before a bind for a part of its path (run: 2026.9.3 trims it).
const EXACT_SINCE: Release = Release::new(2026, 9, 6);

/// Without the mark of a Windows path that goes to the system as it is.
fn namespaceless(path: &str) -> &str {
    path.strip_prefix("\\\\?\\").or_else(|| path.strip_prefix("//?/")).unwrap_or(path)
}

/// The environment of a container goes through a file with one variable a line.
pub(super) fn environment(judge: &mut Judge<'_>) {
    let defaults = judge.at("agents/defaults/sandbox");
    let mut sandboxes: Vec<_> = judge.agents().map(|agent| agent.get("sandbox")).collect();
    if sandboxes.is_empty() {
        sandboxes.push(None);
    }
    for own in sandboxes {
        let said = |key: &str| {
            let spot = own.as_ref().and_then(|own| own.get(key)).filter(Spot::is_filled);
            spot.or_else(|| defaults.as_ref()?.get(key).filter(Spot::is_filled))
        };
        let backend = match said("backend") {
            Some(backend) => backend.text().map(js_trim),
            None => Some("docker"),
        };
        if !backend.is_some_and(|backend| ["docker", "podman"].contains(&backend)) {
            continue;
        }
        let shared = said("scope").is_some_and(|scope| scope.text() == Some("shared"));
        let env = |sandbox: &Option<Spot<'_>>| -> Vec<(String, String, bool)> {
            let env = sandbox.as_ref().and_then(|sandbox| sandbox.at("docker/env"));
            let env = env.into_iter().flat_map(|env| env.members());
            env.map(|(key, value)| {
                let fits = is_name(key) && value.text().is_none_or(|text| !text.contains(['\r', '\n', '\0']));
                (key.to_owned(), value.pointer, fits)
            })
            .collect()
        };
        let own = if shared { Vec::new() } else { env(&own) };
        let inherited = env(&defaults);
        let inherited = inherited.into_iter().filter(|(key, ..)| own.iter().all(|(other, ..)| other != key));
        let wrong: Vec<_> = inherited.chain(own.clone()).filter(|(.., fits)| !fits).collect();
        for (_, pointer, _) in wrong {
            judge.refuse(
                pointer,
                "A variable of a sandbox needs a name of letters, digits and underscores, and a value of one line.",
            );
        }
    }
}

fn is_name(key: &str) -> bool {
    key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
