//! The one outlet for what a policy says: its findings are checked against its manifest and its grants, every text is
//! capped, cleaned and masked. What breaks a rule makes the whole answer worthless.

use std::path::{Path, PathBuf};

use crate::audit::finding::{Finding, Fix, Location, Proposal};
use crate::audit::fingerprint::fingerprint;
use crate::audit::open::{Kind, Open, said};
use crate::audit::plan::Origin;
use crate::audit::snippet::Snippet;
use crate::audit::subject::Subject;
use crate::audit::subtree::is_withheld;
use crate::config::{HIDDEN, REDACTED};
use crate::policy::manifest::{Capabilities, Manifest, Severity};
use crate::probe::{Close, Gateway};
use crate::sandbox::limits::{LimitError, Limits, bytes};
use crate::sandbox::view::{Grants, decode};
use crate::sandbox::{Failure, types};
use crate::wording::is_invisible;

/// Characters that a title may have.
const TITLE: usize = 80;
/// Characters that a detail, and a failure's text, may have.
const DETAIL: usize = 4000;
/// Characters that a remediation may have.
const REMEDIATION: usize = 1000;
/// Places that a finding may name.
const LOCATIONS: usize = 100;
/// Checks that an answer may leave open, for each that the manifest declares: a policy may judge many accounts one by one.
const OPEN_PER_CHECK: usize = 100;

/// What an answer is held against.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// What the policy says of itself.
    pub manifest: &'a Manifest,
    /// What it was granted.
    pub grants: &'a Grants,
    /// What it declares and was not granted.
    pub withheld: &'a Capabilities,
    /// How much it may say.
    pub limits: &'a Limits,
}

/// Takes a policy's answer apart, and gives what may be shown. `go_on` is asked at each place: to look at one can take
/// long, and the policy chose it.
pub fn accept(
    rules: &Rules<'_>,
    subject: &Subject,
    answer: types::Answer,
    go_on: &dyn Fn() -> Result<(), Failure>,
) -> Result<(Vec<Finding>, Vec<Open>), Failure> {
    let types::Answer { findings: said, unassessed } = answer;
    let limits = rules.limits;
    if said.len() > limits.findings {
        return Err(LimitError::new("findings", limits.findings, format!("{} given", said.len())).into());
    }
    let most_open = OPEN_PER_CHECK.saturating_mul(rules.manifest.checks.len());
    if unassessed.len() > most_open {
        let given = format!("{} given", unassessed.len());
        return Err(LimitError::new("unassessed", most_open, given).into());
    }
    let fixes = said.iter().map(|finding| finding.fixes.len()).sum::<usize>();
    if fixes > limits.fixes {
        return Err(LimitError::new("fixes", limits.fixes, format!("{fixes} proposed")).into());
    }
    let text = said.iter().map(text_bytes).chain(unassessed.iter().map(open_bytes)).sum::<usize>();
    if text > limits.text_bytes {
        return Err(
            LimitError::new("text", bytes(limits.text_bytes), format!("{} given", bytes(text))).into()
        );
    }
    let mut findings = Vec::with_capacity(said.len());
    let mut kept = 0;
    for mut finding in said {
        let said = text_bytes(&finding);
        let fingerprint = fingerprint(subject, &finding.check_id, &finding.locations);
        let locations = places(rules, subject, std::mem::take(&mut finding.locations), go_on)?;
        let finding =
            Finding { fingerprint, ..one(rules, subject, finding, locations).map_err(Failure::Refused)? };
        kept +=
            said + finding.locations.iter().map(place_bytes).sum::<usize>() + size_of_val(&*finding.fixes);
        if kept > limits.answer_bytes {
            let allowed = bytes(limits.answer_bytes);
            return Err(LimitError::new("answer", allowed, "more with the paths of its places").into());
        }
        findings.push(finding);
    }
    let open = unassessed.into_iter().map(|open| {
        go_on()?;
        left_open(rules, subject, open).map_err(Failure::Refused)
    });
    Ok((findings, open.collect::<Result<_, _>>()?))
}

/// A check that the policy could not assess, in the runner's terms.
fn left_open(rules: &Rules<'_>, subject: &Subject, open: types::Unassessed) -> Result<Open, String> {
    let (check, check_id) = declared(rules, subject, &open.check_id)?;
    let location = open.location.map(|location| place(rules, subject, location));
    let mut location = match open.reason {
        // What was not granted has no place that could be told.
        types::Reason::Withheld(_) => location.and_then(Result::ok),
        _ => location.transpose()?,
    };
    let (kind, text) = match open.reason {
        // A config alone has no tables, which the host says in this way.
        types::Reason::Withheld(name)
            if subject.located.is_config_alone()
                && name.starts_with("records:")
                && !is_about(&name, &rules.withheld.names()) =>
        {
            location = Some(subject.state_location());
            said(types::Reason::Absent("the state directory".to_owned()))
        }
        // A secret can stand where no manifest asks for its facts. That is nobody's decision, and no defect.
        types::Reason::Withheld(name) if is_stray_secret(rules, subject, &name) => {
            said(types::Reason::Hidden(types::Hidden::Secret))
        }
        types::Reason::Withheld(name) if !is_about(&name, &rules.withheld.names()) => {
            // It would pass for the operator's decision, and be no failure.
            let text = format!(
                "the policy says that it lacks {name}, and its manifest does not ask for that, or it was granted it"
            );
            (Kind::Broken, text)
        }
        types::Reason::Hidden(_) if is_shown(subject, location.as_ref()) => {
            let text = "the policy says that a value is hidden from it, which is shown";
            (Kind::Broken, text.to_owned())
        }
        reason => said(reason),
    };
    let text = clean(subject, &text, REMEDIATION, Lines::One);
    Ok(Open { check_id, check, kind, class: kind.class(), text, location, is_common: false })
}

/// The facts of a secret that the manifest does not ask for, at a place of the config that the policy may see.
fn is_stray_secret(rules: &Rules<'_>, subject: &Subject, capability: &str) -> bool {
    let pointer = capability.strip_prefix("secret:").filter(|pointer| pointer.starts_with('/'));
    pointer.is_some_and(|pointer| {
        rules.grants.config(pointer)
            && subject.shared().secrets.contains_key(pointer)
            && !is_withheld(pointer, &rules.grants.capabilities().secrets, &rules.withheld.secrets)
    })
}

/// A capability's name is that of one of these, or of a part of one: `stat:state/a` where `stat:state/*` is among them.
fn is_about(name: &str, withheld: &[String]) -> bool {
    let parts = |name: &str| -> Vec<String> { name.split(['/', '.']).map(str::to_owned).collect() };
    let fits = |one: &String, other: &String| one == other || one.starts_with('*') || other.starts_with('*');
    let same = |known: &String| {
        let kind = |name: &str| name.split_once(':').map(|(kind, _)| kind.to_owned());
        kind(name) == kind(known)
            && parts(name).iter().zip(&parts(known)).all(|(one, other)| fits(one, other))
    };
    withheld.iter().any(same)
}

/// A place of the config where policies are shown everything, also that there is nothing.
fn is_shown(subject: &Subject, place: Option<&Location>) -> bool {
    let Some(Location::Config { pointer, .. }) = place else { return false };
    let config = subject.config.redact();
    let pointer = subject.config.of_policies(pointer);
    let mut place = &*pointer;
    loop {
        match (config.pointer(place), place.rsplit_once('/')) {
            (Some(value), _) if place == pointer => return !hides(value),
            // What is below a hidden value is hidden with it.
            (Some(value), _) => return value.get(HIDDEN).is_none(),
            (None, Some((parent, _))) => place = parent,
            (None, None) => return false,
        }
    }
}

/// The value, or a part of it, is not shown to policies.
fn hides(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::Object(members) => members.contains_key(HIDDEN) || members.values().any(hides),
        serde_json::Value::Array(items) => items.iter().any(hides),
        serde_json::Value::String(text) => text.contains(REDACTED),
        _ => false,
    }
}

/// The id under which the manifest declares a check, and the id as it is shown.
fn declared(rules: &Rules<'_>, subject: &Subject, said: &str) -> Result<(String, String), String> {
    let check = rules.manifest.find(said).ok_or_else(|| {
        let id = clean(subject, said, TITLE, Lines::One);
        format!("it emits \"{id}\", which its manifest does not declare")
    })?;
    Ok((check.id.clone(), check_id(subject, &check.id, said)))
}

fn open_bytes(open: &types::Unassessed) -> usize {
    let reason = match &open.reason {
        types::Reason::Hidden(_) => 0,
        types::Reason::Withheld(text)
        | types::Reason::Absent(text)
        | types::Reason::Unreadable(text)
        | types::Reason::Limit(text)
        | types::Reason::NotUnderstood(text) => text.len(),
    };
    open.check_id.len() + reason + open.location.as_ref().map_or(0, location_bytes)
}

fn location_bytes(location: &types::Location) -> usize {
    match location {
        types::Location::Config(text) | types::Location::Env(text) => text.len(),
        types::Location::Object(path) => path.view.len() + path.rel.len(),
        types::Location::Text(position) => position.object.view.len() + position.object.rel.len(),
    }
}

/// What a resolved place takes.
fn place_bytes(location: &Location) -> usize {
    let text = match location {
        Location::Config { pointer, file, snippet, .. } => {
            let snippet = snippet.as_ref().map_or(0, |snippet| snippet.text.len());
            pointer.len() + file.as_ref().map_or(0, String::len) + snippet
        }
        Location::Object { view, rel, path, .. } => view.len() + rel.len() + path.len(),
        Location::Env { name } => name.len(),
        Location::Text { path, .. } => path.len(),
    };
    size_of::<Location>() + text
}

/// The places of a finding in the runner's terms; the config where it names none.
fn places(
    rules: &Rules<'_>,
    subject: &Subject,
    locations: Vec<types::Location>,
    go_on: &dyn Fn() -> Result<(), Failure>,
) -> Result<Vec<Location>, Failure> {
    if locations.len() > LOCATIONS {
        let words = format!("it gives {} places in one finding; {LOCATIONS} are allowed", locations.len());
        return Err(Failure::Refused(words));
    }
    if locations.is_empty() {
        return Ok(vec![subject.config_location("")]);
    }
    let resolved = locations.into_iter().map(|location| {
        go_on()?;
        place(rules, subject, location).map_err(Failure::Refused)
    });
    resolved.collect()
}

fn text_bytes(finding: &types::Finding) -> usize {
    let fix = |fix: &types::Fix| match fix {
        types::Fix::SetMode(mode) => mode.target.view.len() + mode.target.rel.len(),
        types::Fix::SetModes(modes) => {
            modes.directory.view.len() + modes.directory.rel.len() + modes.names.len()
        }
        types::Fix::SetValue(value) => {
            value.pointer.len() + value.expected.as_ref().map_or(0, String::len) + value.value.len()
        }
    };
    let remediation = finding.remediation.as_ref().map_or(0, String::len);
    finding.check_id.len()
        + finding.title.len()
        + finding.detail.len()
        + remediation
        + finding.locations.iter().map(location_bytes).sum::<usize>()
        + finding.fixes.iter().map(fix).sum::<usize>()
}

fn one(
    rules: &Rules<'_>,
    subject: &Subject,
    finding: types::Finding,
    locations: Vec<Location>,
) -> Result<Finding, String> {
    let severity = match finding.severity {
        types::Severity::Info => Severity::Info,
        types::Severity::Warn => Severity::Warn,
        types::Severity::Critical => Severity::Critical,
    };
    let manifest = rules.manifest;
    let (check, id) = declared(rules, subject, &finding.check_id)?;
    let most = manifest.find(&finding.check_id).map_or(severity, |check| check.severity);
    if severity > most {
        return Err(format!("it calls \"{id}\" {severity}; its manifest says {most} at most"));
    }
    let fixes = finding.fixes.into_iter().map(|fix| proposal(rules, subject, fix));
    let fixes = fixes.collect::<Result<Vec<_>, _>>()?;
    let proposals = fixes.iter().filter_map(|fix| shown_proposal(subject, fix)).collect();
    Ok(Finding {
        check_id: id,
        check,
        severity,
        declared_severity: None,
        title: clean(subject, &finding.title, TITLE, Lines::One),
        detail: clean(subject, &finding.detail, DETAIL, Lines::Many),
        remediation: finding.remediation.map(|text| clean(subject, &text, REMEDIATION, Lines::Many)),
        policy: manifest.policy.id.clone(),
        origin: Origin::default(),
        locations,
        fingerprint: String::new(),
        baseline_state: None,
        proposals,
        fixes,
    })
}

/// A proposal in the runner's terms. What it may do is the guard's to say.
fn proposal(rules: &Rules<'_>, subject: &Subject, fix: types::Fix) -> Result<Fix, String> {
    let grants = rules.grants;
    let name = match &fix {
        types::Fix::SetMode(_) | types::Fix::SetModes(_) => "set-mode".to_owned(),
        types::Fix::SetValue(value) => format!("set-value:{}", value.pointer),
    };
    let stands_for = |fix: &&String| **fix == name || crate::sandbox::view::pointer_matches(fix, &name);
    if !grants.capabilities().fixes.iter().any(|fix| stands_for(&fix)) {
        let Some(declared) = rules.withheld.fixes.iter().find(stands_for) else {
            let name = clean(subject, &name, TITLE, Lines::One);
            return Err(format!("it proposes the fix {name}, which its manifest does not declare in fixes"));
        };
        let what = match &fix {
            types::Fix::SetMode(change) => shown_object(grants, subject, &change.target)?,
            types::Fix::SetModes(change) => shown_object(grants, subject, &change.directory)?,
            types::Fix::SetValue(change) => clean(subject, &change.pointer, TITLE, Lines::One),
        };
        return Ok(Fix::NotGranted { what, capability: format!("fix:{declared}") });
    }
    match fix {
        types::Fix::SetMode(change) => {
            let (view, rel) = object(grants, subject, &change.target)?;
            Ok(Fix::SetMode { view, rel, expected: change.expected, mode: change.mode })
        }
        types::Fix::SetModes(change) => {
            let (view, directory) = object(grants, subject, &change.directory)?;
            Ok(Fix::SetModes { view, directory, names: change.names, mode: change.mode })
        }
        types::Fix::SetValue(change) => {
            let parse = |text: &str| {
                serde_json::from_str(text).map_err(|error| {
                    let pointer = clean(subject, &change.pointer, TITLE, Lines::One);
                    format!("it proposes a value for {pointer} that is not JSON: {error}")
                })
            };
            let expected = change.expected.as_deref().map(parse).transpose()?;
            let value = parse(&change.value)?;
            Ok(Fix::SetValue { pointer: change.pointer, expected, value })
        }
    }
}

/// A value that is proposed; none where it may not be shown as it is.
fn shown_proposal(subject: &Subject, fix: &Fix) -> Option<Proposal> {
    let Fix::SetValue { pointer, value, .. } = fix else { return None };
    let text = value.to_string();
    let pointer = clean(subject, &subject.config.of_file(pointer), DETAIL, Lines::One);
    (clean(subject, &text, DETAIL, Lines::One) == text).then(|| Proposal { pointer, value: value.clone() })
}

/// The id of a finding. The declared letters stay as they are, or the report would not know the check again: a secret
/// that is an ordinary word is not masked in them. A family's id carries a name from the target, which is cleaned.
fn check_id(subject: &Subject, declared: &str, said: &str) -> String {
    let mut literals = declared.split('*').peekable();
    let head = literals.next().unwrap_or_default();
    let mut rest = said.strip_prefix(head).unwrap_or_default();
    let mut id = head.to_owned();
    while let Some(literal) = literals.next() {
        // A name has one character at least, and the last one goes as far as what follows it.
        let from = rest.chars().next().map_or(0, char::len_utf8);
        let name = if literals.peek().is_none() {
            rest.strip_suffix(literal).unwrap_or_default()
        } else {
            let at =
                rest.get(from..).and_then(|after| after.find(literal)).map_or(rest.len(), |at| from + at);
            rest.get(..at).unwrap_or_default()
        };
        rest = rest.get(name.len() + literal.len()..).unwrap_or_default();
        id.push_str(&clean(subject, name, TITLE, Lines::One));
        id.push_str(literal);
    }
    id
}

/// The path of an object, fit to be shown.
fn shown_object(grants: &Grants, subject: &Subject, path: &types::Path) -> Result<String, String> {
    let (view, rel) = object(grants, subject, path)?;
    Ok(clean_path(subject, &subject.path(view, &rel)))
}

/// The number of a path's view, and the path below it.
fn object(grants: &Grants, subject: &Subject, path: &types::Path) -> Result<(usize, PathBuf), String> {
    let shown = || clean(subject, &format!("{}/{}", path.view, path.rel), DETAIL, Lines::One);
    let rel = decode(&path.rel).map_err(|_| format!("it names the malformed path \"{}\"", shown()))?;
    if !grants.sees(&path.view) {
        return Err(format!("it names \"{}\", in a view that it was not given", shown()));
    }
    let view = subject
        .view(&path.view)
        .ok_or_else(|| format!("it names \"{}\", in a view that does not exist", shown()))?;
    Ok((view, rel))
}

fn place(rules: &Rules<'_>, subject: &Subject, location: types::Location) -> Result<Location, String> {
    let Rules { grants, withheld, .. } = rules;
    Ok(match location {
        types::Location::Config(pointer) => {
            if !(pointer.is_empty() || pointer.starts_with('/')) {
                return Err(format!(
                    "it names the malformed pointer \"{}\"",
                    clean(subject, &pointer, TITLE, Lines::One)
                ));
            }
            let shown = clean(subject, &subject.config.of_file(&pointer), DETAIL, Lines::One);
            // Nothing can stand in what is no object, and that it is none is granted.
            let parent =
                pointer.rsplit_once('/').and_then(|(parent, _)| subject.config.effective.pointer(parent));
            let may_be_there = parent.is_none_or(serde_json::Value::is_object);
            let is_seen = !is_withheld(&pointer, &grants.capabilities().config, &withheld.config);
            if may_be_there && !is_seen && !grants.secret(&pointer) {
                return Err(format!("it names {shown} of the config, which it was not granted"));
            }
            match subject.config_location(&pointer) {
                Location::Config { file, line, column, exact, snippet, .. } => {
                    let snippet = snippet.and_then(|snippet| clean_snippet(subject, snippet));
                    Location::Config { pointer: shown, file, line, column, exact, snippet }
                }
                other => other,
            }
        }
        types::Location::Env(name) => Location::Env { name: clean(subject, &name, TITLE, Lines::One) },
        types::Location::Object(path) => {
            let (view, rel) = object(grants, subject, &path)?;
            Location::Object {
                path: clean_path(subject, &subject.path(view, &rel)),
                mode: subject.mode(view, &rel),
                rel: clean(subject, &path.rel, DETAIL, Lines::One),
                view: path.view,
            }
        }
        types::Location::Text(position) => {
            let (view, rel) = object(grants, subject, &position.object)?;
            Location::Text {
                path: clean_path(subject, &subject.path(view, &rel)),
                line: position.line.max(1),
                column: position.column.max(1),
            }
        }
    })
}

/// A path, fit to be shown: names come from the target and from policies. `rel` tells one that is not UTF-8 exactly.
fn clean_path(subject: &Subject, path: &Path) -> String {
    clean(subject, &path.to_string_lossy(), DETAIL, Lines::One)
}

/// A snippet, fit to be shown; none where a part of it had to be changed, so that nobody knows any more where the value stands.
fn clean_snippet(subject: &Subject, snippet: Snippet) -> Option<Snippet> {
    (clean(subject, &snippet.text, DETAIL, Lines::One) == snippet.text).then_some(snippet)
}

/// The name of what a policy was denied, fit to stand in quotes on a command line that people copy.
pub fn clean_name(subject: &Subject, name: &str) -> String {
    clean(subject, name, DETAIL, Lines::One).replace('\'', "\\u{27}")
}

/// The reason that the config gives for a suppression, fit to be shown.
pub fn clean_reason(subject: &Subject, reason: &str) -> String {
    clean(subject, reason, TITLE, Lines::One)
}

/// A failure's own words, fit to be shown.
pub fn clean_failure(subject: &Subject, failure: Failure) -> Failure {
    let text = |text: String| clean(subject, &text, DETAIL, Lines::One);
    match failure {
        Failure::Inconclusive(words) => Failure::Inconclusive(text(words)),
        Failure::Internal(words) => Failure::Internal(text(words)),
        Failure::Trapped(words) => Failure::Trapped(text(words)),
        Failure::Refused(words) => Failure::Refused(text(words)),
        Failure::Limit(_) | Failure::Interrupted | Failure::Broken => failure,
    }
}

/// What a gateway says, fit to be shown. The probe has cut it to length.
pub fn clean_gateway(subject: &Subject, gateway: Gateway) -> Gateway {
    let one = |text: String| clean(subject, &text, DETAIL, Lines::One);
    Gateway {
        url: one(gateway.url),
        error: gateway.error.map(one),
        close: gateway.close.map(|close| Close { code: close.code, reason: one(close.reason) }),
        ..gateway
    }
}

/// A policy's log, fit to be shown.
pub fn clean_log(subject: &Subject, log: &str) -> String {
    clean(subject, log, usize::MAX, Lines::Many)
}

#[derive(Clone, Copy, PartialEq)]
enum Lines {
    One,
    Many,
}

/// Masks secrets, makes what is invisible visible, and cuts what is too long.
fn clean(subject: &Subject, text: &str, most: usize, lines: Lines) -> String {
    let masked = subject.mask().apply(text);
    let mut out = String::with_capacity(masked.len());
    for (count, c) in masked.chars().enumerate() {
        if count == most {
            out.push('…');
            break;
        }
        match c {
            '\n' if lines == Lines::Many => out.push('\n'),
            c if is_invisible(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}
