//! The report as the XML of `JUnit`, as CI servers show test results: a suite for each policy, a case for each of its checks, and a suite of one
//! case for the audit as a whole.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite, XmlString};

use super::place::{check, details, is_known, target};
use super::{Format, without_commands_in_markup};
use crate::audit::finding::Finding;
use crate::audit::open::Class;
use crate::audit::{Assessment, Exit, Report, Suppressed};

/// The suite of the audit as a whole.
const AUDIT: &str = "audit";

/// What was found is a failure, what could not be assessed an error, and what was left out is skipped with its reason.
pub struct Junit;

impl Format for Junit {
    fn write(&self, reports: &[Report], out: &mut dyn Write) -> io::Result<()> {
        let mut document = quick_junit::Report::new("chitin");
        for report in reports {
            let of = if reports.len() == 1 { String::new() } else { format!(" in {}", target(report)) };
            document.add_test_suites(suites(report, &of));
        }
        document.serialize(out).map_err(io::Error::other)
    }

    fn without_commands<'t>(&self, written: &'t str) -> Cow<'t, str> {
        without_commands_in_markup(written)
    }
}

/// The findings of a check.
#[derive(Default)]
struct Found<'r> {
    new: Vec<&'r Finding>,
    known: usize,
    suppressed: Vec<&'r Suppressed>,
}

fn suites(report: &Report, of: &str) -> Vec<TestSuite> {
    let mut found: HashMap<&str, Found> = HashMap::new();
    for finding in &report.findings {
        let found = found.entry(check(finding)).or_default();
        if is_known(finding) {
            found.known += 1;
        } else {
            found.new.push(finding);
        }
    }
    for suppressed in &report.suppressed {
        found.entry(check(&suppressed.finding)).or_default().suppressed.push(suppressed);
    }
    let mut audit = TestSuite::new(xml(&format!("{AUDIT}{of}")));
    audit.add_test_case(case("target", audit.name.as_str(), whole(report)));
    let mut suites = BTreeMap::new();
    for assessment in &report.assessment {
        let name = xml(&format!("{}{of}", assessment.policy));
        let status = status(assessment, &found.remove(&*assessment.check_id).unwrap_or_default());
        let case = case(&assessment.check_id, name.as_str(), status);
        suites.entry(&assessment.policy).or_insert_with(|| TestSuite::new(name)).add_test_case(case);
    }
    std::iter::once(audit).chain(suites.into_values()).collect()
}

fn case(name: &str, suite: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(xml(name), status);
    case.set_classname(suite);
    case
}

/// The audit as a whole: what of it is missing.
fn whole(report: &Report) -> TestCaseStatus {
    let Exit { code, reason } = &report.exit;
    match code {
        2 | 3 => {
            let parts = report.incomplete.iter().map(|part| {
                let policy = part.policy.as_ref().map_or(String::new(), |policy| format!("{policy}: "));
                format!("{policy}{}", part.reason)
            });
            told(TestCaseStatus::non_success(NonSuccessKind::Error), reason, &parts.collect::<Vec<_>>())
        }
        &Exit::NOTHING => told(TestCaseStatus::skipped(), reason, &[]),
        _ => TestCaseStatus::success(),
    }
}

fn status(assessment: &Assessment, found: &Found) -> TestCaseStatus {
    let open: Vec<String> = assessment.unassessed.iter().map(|open| open.text.clone()).collect();
    let reason = assessment.reason.as_deref().unwrap_or_default();
    if let Some(first) = found.new.first() {
        let more = match found.new.len() {
            1 => String::new(),
            all => format!(" (and {} more)", all - 1),
        };
        let texts: Vec<String> = found.new.iter().map(|finding| failure(finding)).chain(open).collect();
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status.set_type(first.severity.as_str());
        return told(status, &format!("{}{more}", first.title), &texts);
    }
    let skipped = |reason: &str, texts: &[String]| told(TestCaseStatus::skipped(), reason, texts);
    if assessment.class == Some(Class::Failed) {
        told(TestCaseStatus::non_success(NonSuccessKind::Error), reason, &open)
    } else if let Some(Suppressed { suppression, .. }) = found.suppressed.first() {
        let why = suppression.reason.as_deref().unwrap_or("no reason given");
        let texts: Vec<String> = found.suppressed.iter().map(|one| failure(&one.finding)).collect();
        skipped(&format!("suppressed by {}: {why}", suppression.by.told()), &texts)
    } else if found.known > 0 {
        skipped(&format!("findings that the baseline has: {}", found.known), &[])
    } else if assessment.reason.is_some() {
        skipped(reason, &open)
    } else {
        TestCaseStatus::success()
    }
}

/// A finding in full.
fn failure(finding: &Finding) -> String {
    let places: Vec<String> =
        finding.locations.iter().map(|place| format!("at {}", place.display())).collect();
    let head = format!("{} ({}) {}", finding.check_id, finding.severity, finding.title);
    format!("{head}\n{}\n{}", places.join("\n"), details(finding))
}

/// A status with its reason, and texts below it.
fn told(mut status: TestCaseStatus, message: &str, texts: &[String]) -> TestCaseStatus {
    status.set_message(xml(message));
    if !texts.is_empty() {
        status.set_description(xml(&texts.join("\n\n")));
    }
    status
}

/// A text without what no XML may have, or what no reader could see: that is written out.
fn xml(text: &str) -> XmlString {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let is_allowed = matches!(c, '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
        if is_allowed && !matches!(c, '\u{7f}'..='\u{9f}') {
            out.push(c);
        } else {
            out.extend(c.escape_unicode());
        }
    }
    XmlString::new(out)
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;
    use crate::audit::Status;

    fn write(reports: &[Report]) -> String {
        let mut out = Vec::new();
        Junit.write(reports, &mut out).unwrap();
        Junit.without_commands(&String::from_utf8(out).unwrap()).into_owned()
    }

    fn cases(text: &str) -> Vec<(String, String, String)> {
        let document = roxmltree::Document::parse(text).unwrap();
        let cases = document.descendants().filter(|node| node.has_tag_name("testcase"));
        cases
            .map(|case| {
                let status = case.children().find(roxmltree::Node::is_element);
                let kind = status.map_or("passed", |status| status.tag_name().name());
                let message = status.and_then(|status| status.attribute("message")).unwrap_or_default();
                (case.attribute("name").unwrap().to_owned(), kind.to_owned(), message.to_owned())
            })
            .collect()
    }

    #[test]
    fn what_xml_may_not_have_is_written_out() {
        assert_eq!(
            xml("a\0\u{b}\u{1b}[31m\u{fffe}\u{9b}\r\n\tä").as_str(),
            "a\\u{0}\\u{b}\\u{1b}[31m\\u{fffe}\\u{9b}\\u{d}\n\\u{9}ä"
        );
    }

    #[test]
    fn each_check_ends_in_its_way() {
        let text = write(&[sample::hostile()]);
        let ends: HashMap<String, String> =
            cases(&text).into_iter().map(|(name, kind, _)| (name, kind)).collect();
        for (name, kind) in [
            ("target", "error"),
            ("gateway.bind_no_auth", "failure"),
            ("gateway.tailscale_funnel", "skipped"),
            ("hostile.*.name", "failure"),
            ("other.failed", "error"),
            ("other.out", "skipped"),
            ("other.not", "skipped"),
        ] {
            assert_eq!(ends[name], kind, "{name}");
        }
        assert!(!text.contains("##[") && !text.contains("\n::") && !text.contains("]]>"), "{text}");
        assert!(cases(&write(&[sample::clean()])).iter().all(|(_, kind, _)| kind == "passed"));
    }

    #[test]
    fn a_text_is_read_as_it_was_written() {
        let mut report = sample::clean();
        let check = &mut report.assessment[0];
        (check.status, check.reason) =
            (Status::NotApplicable, Some(format!("line\nline {}", "a<b>&\"'\u{202e}]]>")));
        let text = write(&[report]);
        assert!(
            cases(&text).iter().any(|(_, _, message)| message.ends_with("a<b>&\"'\u{202e}]]>")),
            "{text}"
        );
    }

    #[test]
    fn suites_of_several_targets_have_names_of_their_own() {
        let (one, mut other) = (sample::hostile(), sample::hostile());
        other.target.state_dir = "/home/bob/.openclaw".to_owned();
        let text = write(&[one, other]);
        let document = roxmltree::Document::parse(&text).unwrap();
        let suites = document.descendants().filter(|node| node.has_tag_name("testsuite"));
        let names: Vec<&str> = suites.filter_map(|suite| suite.attribute("name")).collect();
        let mut unique = names.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(names.len(), unique.len());
    }
}
