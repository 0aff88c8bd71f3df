//! Talk, browsers, cloud workers, jobs, and single paths and addresses.

use serde_json::Value;

use crate::config::release::Release;
use crate::config::rules::Judge;
use crate::config::rules::forms::{duration, is_http, is_safe_program};
use crate::config::rules::spot::Spot;
use crate::target::js_trim;

/// `talk.provider` is one of `talk.providers`, and must be given where there are several.
pub(super) fn talk(judge: &mut Judge<'_>) {
    let talk = judge.at("talk");
    let realtime = talk.as_ref().and_then(|talk| talk.get("realtime"));
    for section in talk.into_iter().chain(realtime) {
        let names: Vec<&str> = section.members_of("providers").map(|(name, _)| name).collect();
        if section.is_unknown_at("provider") {
            continue;
        }
        let provider =
            section.text_of("provider").map(|name| js_trim(name).to_lowercase()).unwrap_or_default();
        if provider.is_empty() && names.len() > 1 {
            judge.refuse(
                section.below("provider"),
                "With several providers, provider must say which one is used.",
            );
        } else if !provider.is_empty() && !names.is_empty() && !names.contains(&provider.as_str()) {
            judge.refuse(section.below("provider"), "provider must be one of providers.");
        }
    }
}

/// First release that has profiles without an address of their own.
const ATTACHED_SINCE: Release = Release::new(2026, 3, 13);

/// A browser profile has a plain name, and the address that its driver needs.
pub(super) fn browser_profiles(judge: &mut Judge<'_>) {
    let profiles: Vec<_> =
        judge.at("browser").into_iter().flat_map(|browser| browser.members_of("profiles")).collect();
    for (name, profile) in profiles.into_iter().filter(|(_, profile)| profile.value.is_object()) {
        let valid_name = !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !valid_name {
            judge.refuse(
                profile.pointer.clone(),
                "The name of a browser profile has lower-case letters, digits and dashes only.",
            );
        }
        profile_address(&profile, judge);
    }
}

fn profile_address(profile: &Spot<'_>, judge: &mut Judge<'_>) {
    if profile.is_unknown_at("driver") {
        return;
    }
    let given = |key: &str| profile.get(key).is_some_and(|spot| spot.text() != Some(""));
    let has_port = profile.value.get("cdpPort").and_then(Value::as_f64).is_some_and(|port| port != 0.0);
    let driver = profile.text_of("driver").filter(|_| judge.release >= ATTACHED_SINCE).unwrap_or_default();
    if !matches!(driver, "existing-session" | "extension") && !given("cdpUrl") && !has_port {
        judge.refuse(profile.below("cdpPort"), "A browser profile needs a cdpPort or a cdpUrl.");
    }
    if driver != "existing-session" && given("userDataDir") && judge.release >= ATTACHED_SINCE {
        judge.refuse(profile.below("userDataDir"), "userDataDir is only for the driver existing-session.");
    }
    if driver == "extension" && given("cdpUrl") {
        judge.refuse(profile.below("cdpUrl"), "The driver extension takes no cdpUrl.");
    }
}

/// `cron.webhook` is an address of the web.
pub(super) fn cron_webhook(judge: &mut Judge<'_>) {
    let Some(spot) = judge.at("cron/webhook") else { return };
    if spot.text().is_some_and(|url| !is_http(url)) {
        judge.refuse(spot.pointer, "The webhook of cron must be an http or https URL.");
    }
}

/// `proxy.proxyUrl` is an address of the web.
pub(super) fn proxy(judge: &mut Judge<'_>) {
    let Some(spot) = judge.at("proxy/proxyUrl") else { return };
    if spot.text().is_some_and(|url| !is_http(url)) {
        judge.refuse(spot.pointer, "The proxy's URL must be http or https.");
    }
}

/// `worktreeRoot` and `desktop.host.passwordFile` are absolute paths.
pub(super) fn paths(judge: &mut Judge<'_>) {
    if let Some(root) = judge.at("worktreeRoot") {
        let fits = |path: &str| {
            path.starts_with('/') || path == "~" || path.starts_with("~/") || path.starts_with("~\\")
        };
        if root.text().is_some_and(|path| !js_trim(path).is_empty() && !fits(js_trim(path))) {
            judge.refuse(root.pointer, "worktreeRoot must be an absolute path, or one that begins with ~.");
        }
    }
    if let Some(file) = judge.at("desktop/host/passwordFile")
        && file.text().is_some_and(|path| !js_trim(path).starts_with('/'))
    {
        judge.refuse(file.pointer, "passwordFile must be an absolute path.");
    }
}

/// Shortest time after which a worker may be suspended, in milliseconds.
const LEAST_IDLE: f64 = 60_000.0;

/// Projects and profiles of `cloudWorkers` have plain names, and a profile is not suspended too soon.
pub(super) fn cloud_workers(judge: &mut Judge<'_>) {
    let Some(workers) = judge.at("cloudWorkers") else { return };
    for (name, project) in workers.members_of("projectProfiles") {
        if !is_repository(name) {
            judge.refuse(
                project.pointer.clone(),
                "A project is named host/owner/repository, in lower case, without .git.",
            );
        }
        if project.text().is_some_and(|text| js_trim(text) != text) {
            judge.refuse(project.pointer, "The name of a profile has no blanks around it.");
        }
    }
    for (name, profile) in workers.members_of("profiles") {
        if js_trim(name) != name {
            judge.refuse(profile.pointer.clone(), "The name of a profile has no blanks around it.");
        }
        let has_unit =
            |text: &str| text.ends_with(|c: char| matches!(c.to_ascii_lowercase(), 's' | 'm' | 'h' | 'd'));
        let fits =
            |text: &str| has_unit(text) && duration(text, "ms", true).is_some_and(|time| time >= LEAST_IDLE);
        if profile.text_of("suspendAfter").is_some_and(|text| !fits(text)) {
            judge.refuse(
                profile.below("suspendAfter"),
                "suspendAfter must be a duration with a unit, and at least 1m.",
            );
        }
    }
}

/// The name has the form `host/owner/repository`.
fn is_repository(name: &str) -> bool {
    let mut parts = name.split('/');
    let host = parts.next().unwrap_or_default();
    let parts: Vec<&str> = parts.collect();
    let is_foreign = |c: char| c.is_whitespace() || c.is_uppercase() || matches!(c, '\\' | '?' | '#' | '@');
    !host.is_empty()
        && !matches!(host, "." | "..")
        && parts.len() >= 2
        && parts.iter().all(|part| !part.is_empty() && !matches!(*part, "." | ".."))
        && !name.contains(is_foreign)
        && name.strip_suffix(".git").is_none()
}

/// The program that writes down what is spoken has a safe name.
pub(super) fn transcriber(judge: &mut Judge<'_>) {
    let Some(transcription) = judge.at("audio/transcription") else { return };
    if !transcription.get("command").is_some_and(|command| command.value.is_array()) {
        return;
    }
    let mut words = transcription.items_of("command");
    if !words.next().is_some_and(|program| program.text().is_none_or(is_safe_program)) {
        let message = "command must begin with a program name or path without shell characters.";
        judge.refuse(format!("{}/0", transcription.below("command")), message);
    }
}
