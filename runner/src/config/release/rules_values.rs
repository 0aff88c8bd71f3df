//! Rules of the gateway's validation about single values and pairs beside each other, outside of channels.

use serde_json::{Map, Value};

use crate::config::Problems;
use crate::config::pointer::join;
use crate::config::rules::invalid;
use crate::target::js_trim;

/// Walks the whole config for rules that hold at many places, then the others.
pub(in crate::config) fn check(config: &Value, problems: &mut Problems) {
    for key in ["tools", "agents", "channels"] {
        if let Some(value) = config.get(key) {
            walk(value, key, &join("", key), problems);
        }
    }
    browser(config, problems);
    maintenance(config, problems);
    hooks(config, problems);
    let webhook = config.pointer("/cron/webhook").and_then(Value::as_str);
    if webhook.is_some_and(|url| !is_http(url)) {
        invalid(problems, "/cron/webhook", "The webhook of cron must be an http or https URL.");
    }
}

fn walk(value: &Value, key: &str, pointer: &str, problems: &mut Problems) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(item, key, &join(pointer, &index.to_string()), problems);
            }
        }
        Value::Object(map) => {
            allow_lists(map, pointer, problems);
            match key {
                "loopDetection" => loop_detection(map, pointer, problems),
                "heartbeat" => heartbeat(map, pointer, problems),
                "docker" => docker(map, pointer, problems),
                _ => {}
            }
            for (key, item) in map {
                walk(item, key, &join(pointer, key), problems);
            }
        }
        _ => {}
    }
}

fn allow_lists(map: &Map<String, Value>, pointer: &str, problems: &mut Problems) {
    let filled = |key: &str| map.get(key).and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    if filled("allow") && filled("alsoAllow") {
        invalid(
            problems,
            format!("{pointer}/alsoAllow"),
            "allow and alsoAllow exclude each other: one replaces the profile's tools, the other adds to them.",
        );
    }
}

fn loop_detection(map: &Map<String, Value>, pointer: &str, problems: &mut Problems) {
    let keys = ["warningThreshold", "criticalThreshold", "globalCircuitBreakerThreshold"];
    let levels = keys.map(|key| map.get(key).and_then(Value::as_f64));
    // Neighbours are compared; where the one between is missing, the gateway compares nothing.
    if levels.windows(2).any(|pair| matches!(pair, [Some(first), Some(second)] if first >= second)) {
        invalid(
            problems,
            pointer,
            "The thresholds of loop detection must rise from warning over critical to breaker.",
        );
    }
}

fn heartbeat(map: &Map<String, Value>, pointer: &str, problems: &mut Problems) {
    // The gateway looks at the hours only where there is an interval.
    let Some(every) = map.get("every").and_then(Value::as_str).filter(|every| !every.is_empty()) else {
        return;
    };
    if !is_duration(every, &["ms", "s", "m", "h", "d"]) {
        invalid(
            problems,
            format!("{pointer}/every"),
            "The interval must be a duration such as 30m (ms, s, m, h or d).",
        );
    }
    let hours = map.get("activeHours").and_then(Value::as_object);
    for (key, last) in [("start", false), ("end", true)] {
        let time = hours.and_then(|hours| hours.get(key)?.as_str());
        if time.is_some_and(|time| !is_time(time, last)) {
            invalid(
                problems,
                format!("{pointer}/activeHours/{key}"),
                "A time must be written HH:MM, with 24:00 only as an end.",
            );
        }
    }
}

fn docker(map: &Map<String, Value>, pointer: &str, problems: &mut Problems) {
    let is = |key: &str, value: &str| {
        map.get(key).and_then(Value::as_str).is_some_and(|text| js_trim(text).eq_ignore_ascii_case(value))
    };
    if is("network", "host") {
        invalid(
            problems,
            format!("{pointer}/network"),
            "The gateway refuses a sandbox in the network of the host.",
        );
    }
    for key in ["seccompProfile", "apparmorProfile"] {
        if is(key, "unconfined") {
            invalid(
                problems,
                format!("{pointer}/{key}"),
                "The gateway refuses a sandbox with an unconfined profile.",
            );
        }
    }
    let binds = map.get("binds").and_then(Value::as_array).into_iter().flatten().enumerate();
    for (index, bind) in binds {
        let absolute = |text: &str| js_trim(text).starts_with('/');
        if bind.as_str().is_some_and(|text| !absolute(text)) {
            invalid(
                problems,
                format!("{pointer}/binds/{index}"),
                "A bind mount must begin with an absolute path of the host.",
            );
        }
    }
}

fn browser(config: &Value, problems: &mut Problems) {
    let profiles = config.pointer("/browser/profiles").and_then(Value::as_object);
    for (name, profile) in profiles.into_iter().flatten() {
        let pointer = join("/browser/profiles", name);
        let valid_name = !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !valid_name {
            invalid(
                problems,
                &pointer,
                "The name of a browser profile has lower-case letters, digits and dashes only.",
            );
        }
        let has_url = profile.get("cdpUrl").and_then(Value::as_str).is_some_and(|url| !url.is_empty());
        let has_port = profile.get("cdpPort").and_then(Value::as_f64).is_some_and(|port| port != 0.0);
        if !has_url && !has_port {
            invalid(problems, join(&pointer, "cdpPort"), "A browser profile needs a cdpPort or a cdpUrl.");
        }
    }
}

fn maintenance(config: &Value, problems: &mut Problems) {
    let text = |key: &str| config.pointer(&format!("/session/maintenance/{key}")).and_then(Value::as_str);
    if text("pruneAfter").is_some_and(|value| !is_duration(value, &["ms", "s", "m", "h", "d"])) {
        invalid(problems, "/session/maintenance/pruneAfter", "The age must be a duration such as 30d.");
    }
    if text("rotateBytes")
        .is_some_and(|value| !is_duration(value, &["b", "kb", "k", "mb", "m", "gb", "g", "tb", "t"]))
    {
        invalid(
            problems,
            "/session/maintenance/rotateBytes",
            "The size must be a number of bytes such as 10mb.",
        );
    }
}

fn hooks(config: &Value, problems: &mut Problems) {
    let mappings = config.pointer("/hooks/mappings").and_then(Value::as_array).into_iter().flatten();
    let mappings = mappings.enumerate().map(|(index, mapping)| {
        (format!("/hooks/mappings/{index}/transform/module"), mapping.pointer("/transform/module"))
    });
    let handlers = config.pointer("/hooks/internal/handlers").and_then(Value::as_array).into_iter().flatten();
    let handlers = handlers
        .enumerate()
        .map(|(index, handler)| (format!("/hooks/internal/handlers/{index}/module"), handler.get("module")));
    for (pointer, module) in mappings.chain(handlers) {
        if module.and_then(Value::as_str).is_some_and(|module| !is_safe_module(module)) {
            invalid(problems, pointer, "A module must be a relative path without '..', '~' and ':'.");
        }
    }
}

fn is_safe_module(module: &str) -> bool {
    let module = js_trim(module);
    !(module.is_empty()
        || module.starts_with(['/', '\\', '~'])
        || module.contains(':')
        || module.split(['/', '\\']).any(|part| part == ".."))
}

fn is_http(url: &str) -> bool {
    let url = js_trim(url).to_ascii_lowercase();
    let rest = url.strip_prefix("http:").or_else(|| url.strip_prefix("https:"));
    let host = rest.map(|rest| rest.trim_start_matches(['/', '\\']));
    host.is_some_and(|host| !host.is_empty() && !host.starts_with(['?', '#']))
}

/// A number, possibly with one of `units`.
fn is_duration(text: &str, units: &[&str]) -> bool {
    let text = js_trim(text).to_ascii_lowercase();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let Some((number, unit)) = text.split_at_checked(end) else { return false };
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    is_digits(whole) && is_digits(part) && (unit.is_empty() || units.contains(&unit))
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_time(text: &str, last: bool) -> bool {
    let Some((hour, minute)) = text.split_once(':') else { return false };
    let two = |text: &str| (text.len() == 2 && is_digits(text)).then(|| text.parse::<u8>().ok()).flatten();
    match (two(hour), two(minute)) {
        (Some(hour), Some(minute)) => (hour < 24 && minute < 60) || (last && hour == 24 && minute == 0),
        _ => false,
    }
}
