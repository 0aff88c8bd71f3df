//! The report as SARIF 2.1.0, as code scanning of GitHub and other viewers take it: one run for each target.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};

use serde_json::{Map, Value, json};

use super::place::{Identities, Spot, bases, check, details, is_known, relative, said_by, spot, target};
use super::{Format, without_commands};
use crate::audit::finding::{BaselineState, Finding, Location, Proposal};
use crate::audit::open::{Class, Open};
use crate::audit::{Exit, Gone, Report, Suppressed, SuppressedBy, Suppression};
use crate::policy::catalog;
use crate::policy::manifest::Severity;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// GitHub refuses a run with more results.
const MOST: usize = 25_000;
/// Of them, GitHub shows as many, the worst first.
const SHOWN: usize = 5_000;

/// One run for each target. Suppressed findings are among the results, with what suppresses them; so are those that a baseline has.
#[derive(Default)]
pub struct Sarif {
    /// Leaves these out, and what is gone since the baseline: code scanning of GitHub reads neither `suppressions` nor `baselineState`.
    pub open_alone: bool,
}

impl Format for Sarif {
    fn write(&self, reports: &[Report], out: &mut dyn Write) -> io::Result<()> {
        let is_one = reports.len() == 1;
        let runs: Vec<Value> = reports.iter().map(|report| self.run(report, is_one)).collect();
        let log = json!({"$schema": SCHEMA, "version": "2.1.0", "runs": runs});
        serde_json::to_writer_pretty(&mut *out, &log).map_err(io::Error::from)?;
        writeln!(out)
    }

    fn without_commands<'t>(&self, written: &'t str) -> Cow<'t, str> {
        without_commands(written, true)
    }
}

impl Sarif {
    fn run(&self, report: &Report, is_one: bool) -> Value {
        let mut identities = Identities::default();
        let mut rules = BTreeMap::new();
        let is_wanted = |finding: &&Finding| !self.open_alone || !is_known(finding);
        let found = report.findings.iter().filter(is_wanted).map(|finding| (finding, None));
        let suppressed = if self.open_alone { &[][..] } else { &report.suppressed };
        let gone = if self.open_alone { &[][..] } else { &report.gone };
        let suppressed =
            suppressed.iter().map(|Suppressed { finding, suppression }| (finding, Some(suppression)));
        let mut results = Vec::new();
        let mut all = gone.len();
        for (finding, suppression) in found.chain(suppressed) {
            all += 1;
            if results.len() == MOST {
                continue;
            }
            rules
                .entry(&*finding.check_id)
                .or_insert_with(|| rule(report, &finding.check_id, check(finding)));
            results.push(result(report, finding, suppression, &identities.of(&finding.fingerprint)));
        }
        for gone in gone.iter().take(MOST - results.len()) {
            rules.entry(&*gone.check_id).or_insert_with(|| rule(report, &gone.check_id, &gone.check_id));
            results.push(absent(report, gone));
        }
        let folders = bases(report).into_iter().map(|(name, folder)| {
            (name.to_owned(), json!({"uri": format!("{}/", uri(report, folder.trim_end_matches('/')))}))
        });
        without_nulls(json!({
            // GitHub takes several runs of one tool where their categories differ.
            "automationDetails": (!is_one).then(|| json!({"id": format!("chitin/{}/", target(report).trim_matches('/'))})),
            "tool": {"driver": {
                "name": report.tool.name,
                "semanticVersion": report.tool.version,
                "informationUri": env!("CARGO_PKG_REPOSITORY"),
                "rules": rules.into_values().collect::<Vec<_>>(),
            }},
            "invocations": [invocation(report, all)],
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": folders.collect::<Map<_, _>>(),
            "results": results,
            "properties": {"target": report.target, "counts": report.counts},
        }))
    }
}

/// How the audit ended, and what it could not assess.
fn invocation(report: &Report, results: usize) -> Value {
    let note = |level: &str, text: String| json!({"level": level, "message": {"text": plain(&text)}});
    let mut notes: Vec<Value> = report
        .incomplete
        .iter()
        .map(|part| {
            let policy = part.policy.as_ref().map_or(String::new(), |policy| format!("{policy}: "));
            note("error", format!("Not assessed: {policy}{}", part.reason))
        })
        .collect();
    let open = report.assessment.iter().flat_map(|check| &check.unassessed);
    for Open { check_id, text, .. } in open.filter(|open| open.class == Class::OutOfReach) {
        notes.push(note("note", format!("Out of reach: {check_id}: {text}")));
    }
    if results > MOST {
        notes.push(note(
            "warning",
            format!("{} of {results} results are left out: a run has {MOST} at most", results - MOST),
        ));
    } else if results > SHOWN {
        notes.push(note("note", format!("GitHub shows {SHOWN} of these {results} results")));
    }
    let Exit { code, reason } = &report.exit;
    json!({
        "executionSuccessful": !matches!(code, 2 | 3),
        "exitCode": code,
        "exitCodeDescription": reason,
        "toolExecutionNotifications": notes,
    })
}

/// A check under the id that its findings have; `declared` is the id in its manifest.
fn rule(report: &Report, id: &str, declared: &str) -> Value {
    let Some(rule) = report.rules.get(declared) else {
        let unknown = json!({"text": "No policy of this audit declares this check."});
        return json!({"id": id, "shortDescription": unknown, "fullDescription": unknown, "help": unknown});
    };
    let builtin = catalog::of_check(declared).filter(|_| rule.origin.is_built_in());
    let more = match builtin {
        Some(_) => format!("`chitin explain {id}` tells more."),
        None => format!("So says the policy {}, which is not built in.", rule.policy),
    };
    let whole = format!("{}. {more}", rule.summary);
    let severity = match rule.severity {
        Severity::Critical => "9.0",
        Severity::Warn => "6.0",
        Severity::Info => "2.0",
    };
    json!({
        "id": id,
        "shortDescription": {"text": rule.summary},
        "fullDescription": {"text": whole},
        "help": {"text": whole, "markdown": builtin.map(|builtin| builtin.page)},
        "defaultConfiguration": {"level": level(rule.severity)},
        "properties": {"tags": ["security", rule.policy], "security-severity": severity},
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "error",
        Severity::Warn => "warning",
        Severity::Info => "note",
    }
}

fn result(report: &Report, finding: &Finding, suppression: Option<&Suppression>, identity: &str) -> Value {
    let mut suppressions: Vec<Value> = suppression.into_iter().map(suppressed).collect();
    if is_known(finding) {
        suppressions.push(json!({"kind": "external", "justification": "it is in the baseline"}));
    }
    let related = finding.locations.iter().skip(1).map(|place| {
        let mut location = location(report, Some(place));
        location.insert("message".to_owned(), json!({"text": plain(&place.display())}));
        location
    });
    json!({
        "ruleId": finding.check_id,
        "level": level(finding.severity),
        // Viewers show the first sentence where there is little room.
        "message": {"text": plain(&format!("{}.\n\n{}", finding.title.trim_end_matches('.'), details(finding)))},
        "locations": [location(report, finding.locations.first())],
        "relatedLocations": related.collect::<Vec<_>>(),
        "partialFingerprints": {"chitin/v1": identity},
        "baselineState": finding.baseline_state.map(|state| match state {
            BaselineState::Unchanged => "unchanged",
            BaselineState::New | BaselineState::NewCheck => "new",
        }),
        "suppressions": (!suppressions.is_empty()).then_some(suppressions),
        "fixes": fix(report, finding).map(|fix| [fix]),
        "properties": {
            "policy": finding.policy,
            "saidBy": said_by(finding),
            "declaredSeverity": finding.declared_severity,
        },
    })
}

/// The values that the policy proposes, in place of those that stand in the config: none where one of them stands nowhere yet, is longer
/// than its snippet, or is proposed by a policy that is not built in. A viewer applies it without the proof of `chitin fix`.
fn fix(report: &Report, finding: &Finding) -> Option<Value> {
    if !finding.origin.is_built_in() || finding.proposals.is_empty() {
        return None;
    }
    let change = |proposal: &Proposal| {
        let (place, line, column, shown) = finding.locations.iter().find_map(|place| match place {
            Location::Config { pointer, line, column, exact: true, snippet: Some(shown), .. }
                if *pointer == proposal.pointer =>
            {
                Some((place, *line, *column, shown))
            }
            _ => None,
        })?;
        shown.whole_value()?;
        let length = u32::try_from(shown.length).ok()?;
        let region =
            json!({"startLine": line, "startColumn": column, "endLine": line, "endColumn": column + length});
        let place = location(report, Some(place));
        Some(json!({
            "artifactLocation": place.get("physicalLocation")?.get("artifactLocation")?,
            "replacements": [{"deletedRegion": region, "insertedContent": {"text": proposal.value.to_string()}}],
        }))
    };
    let changes = finding.proposals.iter().map(change).collect::<Option<Vec<_>>>()?;
    let set: Vec<String> = finding
        .proposals
        .iter()
        .map(|proposal| format!("{} to {}", proposal.pointer, proposal.value))
        .collect();
    let text = plain(&format!("Set {}. `chitin fix` tries it first.", set.join(", ")));
    Some(json!({"description": {"text": text}, "artifactChanges": changes}))
}

fn suppressed(suppression: &Suppression) -> Value {
    let kind = match suppression.by {
        SuppressedBy::Settings => "external",
        SuppressedBy::Config | SuppressedBy::Comment => "inSource",
    };
    let properties = json!({"by": suppression.by, "expires": suppression.expires});
    json!({"kind": kind, "justification": suppression.reason, "properties": properties})
}

/// A finding that the baseline has and the target has no more.
fn absent(report: &Report, gone: &Gone) -> Value {
    json!({
        "ruleId": gone.check_id,
        "kind": "pass",
        "level": "none",
        "message": {"text": plain(&format!("Gone since the baseline, where it stood at {}", gone.place))},
        "locations": [location(report, None)],
        "partialFingerprints": {"chitin/v1": format!("{}/1", gone.fingerprint)},
        "baselineState": "absent",
        "occurrenceCount": gone.count,
    })
}

/// A place. One without a file stands at the beginning of the config: each result needs a file.
fn location(report: &Report, place: Option<&Location>) -> Map<String, Value> {
    let Spot { path, line, column } = spot(report, place);
    let artifact = match relative(report, path) {
        Some((base, path)) => json!({"uri": encoded(path), "uriBaseId": base}),
        None if path.starts_with('/') => json!({"uri": uri(report, path)}),
        None => json!({"uri": encoded(path)}),
    };
    let (mut snippet, mut mode, mut logical) = (None, None, None);
    match place {
        Some(Location::Config { pointer, snippet: shown, .. }) => {
            snippet = shown.as_ref().map(|shown| json!({"text": shown.text}));
            logical =
                (!pointer.is_empty()).then(|| json!([{"fullyQualifiedName": pointer, "kind": "member"}]));
        }
        Some(Location::Object { mode: Some(bits), .. }) => mode = Some(json!({"mode": bits})),
        Some(Location::Env { name }) => {
            logical = Some(json!([{"fullyQualifiedName": name, "kind": "variable"}]));
        }
        _ => {}
    }
    let region =
        json!({"startLine": line, "startColumn": (column > 0).then_some(column), "snippet": snippet});
    let mut location = Map::new();
    location.insert("physicalLocation".to_owned(), json!({"artifactLocation": artifact, "region": region}));
    location.extend(logical.map(|logical| ("logicalLocations".to_owned(), logical)));
    location.extend(mode.map(|mode| ("properties".to_owned(), mode)));
    location
}

/// The place of an absolute path of the target on this machine.
fn uri(report: &Report, path: &str) -> String {
    let sysroot = report.target.sysroot.as_deref().unwrap_or_default();
    format!("file://{}{}", encoded(sysroot.trim_end_matches('/')), encoded(path))
}

/// A message in which nothing is a link: `[text](where)` is one.
fn plain(text: &str) -> String {
    text.replace("](", "] (")
}

/// A path as a part of a URI: all but letters, digits and a few marks is written as `%20`.
fn encoded(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.extend(['%', hex(byte >> 4), hex(byte & 15)]);
        }
    }
    out
}

fn hex(digit: u8) -> char {
    char::from_digit(digit.into(), 16).unwrap_or('0').to_ascii_uppercase()
}

/// The value without the members that are null.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(members.map(|(name, value)| (name, without_nulls(value))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        value => value,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::sample;
    use super::*;
    use crate::audit::Origin;

    fn log(reports: &[Report]) -> Value {
        let mut out = Vec::new();
        Sarif::default().write(reports, &mut out).unwrap();
        serde_json::from_slice(&out).unwrap()
    }

    fn results(log: &Value) -> &[Value] {
        log["runs"][0]["results"].as_array().unwrap()
    }

    #[test]
    fn a_path_in_a_uri_is_encoded() {
        assert_eq!(encoded("/a b/c:d%?#[ä\"'"), "/a%20b/c%3Ad%25%3F%23%5B%C3%A4%22%27");
        assert_eq!(encoded("a-b_c.d~e/f"), "a-b_c.d~e/f");
    }

    #[test]
    fn no_message_has_a_link() {
        assert_eq!(plain("[a](http://e.example) [b\\](c)"), "[a] (http://e.example) [b\\] (c)");
        let log = log(&[sample::hostile()]);
        let run = &log["runs"][0];
        let notes = run["invocations"][0]["toolExecutionNotifications"].as_array().unwrap();
        for said in results(&log).iter().chain(notes) {
            assert!(!said["message"]["text"].as_str().unwrap().contains("]("), "{said}");
        }
    }

    #[test]
    fn every_result_has_a_rule_a_place_and_a_fingerprint_of_its_own() {
        let log = log(&[sample::hostile()]);
        let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
        let ids: HashSet<&str> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), rules.len());
        // GitHub requires each of them.
        for text in ["shortDescription", "fullDescription", "help"] {
            assert!(rules.iter().all(|rule| rule[text]["text"].is_string()), "{text}");
        }
        let mut prints = HashSet::new();
        for result in results(&log) {
            assert!(ids.contains(result["ruleId"].as_str().unwrap()));
            let place = &result["locations"][0]["physicalLocation"];
            let uri = place["artifactLocation"]["uri"].as_str().unwrap();
            assert!(!uri.contains([' ', '"', '<', '\\', '|']), "{uri}");
            assert!(place["region"]["startLine"].as_u64().unwrap() > 0);
            assert!(prints.insert(result["partialFingerprints"]["chitin/v1"].as_str().unwrap().to_owned()));
        }
    }

    #[test]
    fn what_is_known_or_suppressed_says_so() {
        let log = log(&[sample::hostile()]);
        let kinds: Vec<String> = results(&log)
            .iter()
            .map(|result| {
                let by: Vec<&str> = result["suppressions"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .map(|suppression| suppression["kind"].as_str().unwrap())
                    .collect();
                format!("{} {}", result["baselineState"].as_str().unwrap_or("-"), by.join(" "))
            })
            .collect();
        let expected = [
            "- ",
            "unchanged external",
            "new ",
            "- ",
            "- ",
            "- inSource",
            "- external",
            "- inSource",
            "absent ",
        ];
        assert_eq!(kinds, expected);
    }

    #[test]
    fn code_scanning_gets_what_is_neither_suppressed_nor_known_nor_gone() {
        let report = sample::hostile();
        let mut out = Vec::new();
        Sarif { open_alone: true }.write(std::slice::from_ref(&report), &mut out).unwrap();
        let alone: Value = serde_json::from_slice(&out).unwrap();
        let whole = log(&[report]);
        let is_open =
            |result: &&Value| result["suppressions"].is_null() && result["baselineState"] != "absent";
        let open: Vec<&Value> = results(&whole).iter().filter(is_open).collect();
        assert_eq!((open.len(), results(&whole).len()), (4, 9));
        for (open, alone) in open.iter().zip(results(&alone)) {
            assert_eq!(open["ruleId"], alone["ruleId"]);
        }
        assert_eq!(results(&alone).len(), open.len());
    }

    #[test]
    fn a_proposed_value_replaces_the_one_that_stands_there() {
        use crate::audit::Snippet;
        let shown = |text: &str, from, length| Some(Snippet { text: text.to_owned(), from, length });
        let fixes = |snippet: Option<Snippet>, exact, origin| {
            let file = Some("/home/ann/.openclaw/openclaw.json".to_owned());
            let pointer = "/logging/redactSensitive".to_owned();
            let place =
                Location::Config { pointer: pointer.clone(), file, line: 3, column: 22, exact, snippet };
            let proposals = vec![Proposal { pointer, value: json!("tools") }];
            let finding = sample::finding("logging.redact_off", Severity::Warn, vec![place]);
            let report =
                Report { findings: vec![Finding { origin, proposals, ..finding }], ..sample::clean() };
            results(&log(&[report]))[0]["fixes"].clone()
        };
        let line = "redactSensitive: \"off\",";
        let set = fixes(shown(line, 17, 5), true, Origin::BuiltIn);
        let change = &set[0]["artifactChanges"][0];
        let region = json!({"startLine": 3, "startColumn": 22, "endLine": 3, "endColumn": 27});
        assert_eq!(change["replacements"][0]["deletedRegion"], region);
        assert_eq!(change["replacements"][0]["insertedContent"]["text"], "\"tools\"");
        assert_eq!(
            change["artifactLocation"],
            json!({"uri": ".openclaw/openclaw.json", "uriBaseId": "STATEROOT"})
        );
        // A stranger's, one for what is not there, and one in place of what is not shown whole: none.
        assert_eq!(fixes(shown(line, 17, 5), true, Origin::File), Value::Null);
        assert_eq!(fixes(shown(line, 17, 5), false, Origin::BuiltIn), Value::Null);
        assert_eq!(fixes(shown("a: \"***\"", 3, 5), true, Origin::BuiltIn), Value::Null);
        assert_eq!(fixes(shown("a: \"xx…\"", 3, 5), true, Origin::BuiltIn), Value::Null);
        assert_eq!(fixes(None, true, Origin::BuiltIn), Value::Null);
    }

    #[test]
    fn help_is_the_page_of_a_policy_that_is_built_in_and_of_no_other() {
        let log = log(&[sample::hostile()]);
        for rule in log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap() {
            let id = rule["id"].as_str().unwrap();
            let help = &rule["help"];
            if id.starts_with("gateway.") {
                assert!(help["markdown"].as_str().unwrap().starts_with("# "), "{rule}");
            } else if id.starts_with("hostile.") {
                assert!(help["markdown"].is_null(), "{rule}");
                assert!(help["text"].as_str().unwrap().contains("is not built in"), "{rule}");
            }
        }
    }

    #[test]
    fn a_run_has_no_more_results_than_github_takes() {
        let mut report = sample::hostile();
        report.findings = vec![sample::finding("a.b", Severity::Info, Vec::new()); MOST + 1];
        let log = log(&[report]);
        assert_eq!(results(&log).len(), MOST);
        let notes = log["runs"][0]["invocations"][0]["toolExecutionNotifications"].as_array().unwrap();
        assert!(notes.iter().any(|note| note["message"]["text"].as_str().unwrap().starts_with("5 of 25005")));
    }

    #[test]
    fn runs_of_several_targets_have_categories_of_their_own() {
        let (one, mut other) = (sample::hostile(), sample::clean());
        other.target.state_dir = "/home/bob/.openclaw".to_owned();
        let log = log(&[one, other]);
        let ids: Vec<&str> = log["runs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|run| run["automationDetails"]["id"].as_str().unwrap())
            .collect();
        assert_eq!(ids, ["chitin/home/ann/.openclaw/", "chitin/home/bob/.openclaw/"]);
        assert_eq!(log["runs"][0]["invocations"][0]["executionSuccessful"], false);
        assert_eq!(log["runs"][1]["invocations"][0]["executionSuccessful"], true);
    }
}
