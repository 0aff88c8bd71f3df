//! Annotations for GitHub Actions: a workflow command for each finding, as many as GitHub shows, and the verdict as the last line.

use std::borrow::Cow;
use std::io::{self, Write};

use super::place::{REPOSITORY, Spot, details, is_known, relative, spot, target};
use super::{Format, without_commands};
use crate::audit::{Exit, Report, Summary, worst};
use crate::policy::manifest::Severity;

/// GitHub shows as many annotations of a kind for a step.
const MOST: usize = 10;

/// What is new, the worst first; findings that are suppressed or in the baseline are not annotated.
pub struct GitHub;

impl Format for GitHub {
    fn write(&self, reports: &[Report], out: &mut dyn Write) -> io::Result<()> {
        let is_one = reports.len() == 1;
        let mut left_out = 0;
        for severity in Severity::ALL {
            let mut commands: Vec<String> = Vec::new();
            for report in reports {
                let of = if is_one { String::new() } else { format!("In {}: ", target(report)) };
                if severity == Severity::Critical && !report.incomplete.is_empty() {
                    commands.push(incomplete(report, &of));
                }
                let new = report.findings.iter();
                let new = new.filter(|finding| finding.severity == severity && !is_known(finding));
                commands.extend(new.map(|finding| {
                    let Spot { path, line, column } = spot(report, finding.locations.first());
                    // Elsewhere than in a repository GitHub has nothing to show a path relative to.
                    let path = relative(report, path)
                        .filter(|(base, _)| *base == REPOSITORY)
                        .map_or(path, |(_, path)| path);
                    let column = if column > 0 { format!(",col={column}") } else { String::new() };
                    format!(
                        "{} file={},line={line}{column},title={}::{}",
                        command(severity),
                        property(path),
                        property(&finding.title),
                        data(&format!("{of}{}: {}", finding.check_id, details(finding)))
                    )
                }));
            }
            for command in commands.iter().take(MOST) {
                writeln!(out, "::{command}")?;
            }
            left_out += commands.len().saturating_sub(MOST);
        }
        if left_out > 0 {
            writeln!(out, "{left_out} more are not annotated: GitHub shows {MOST} of a kind for a step")?;
        }
        writeln!(out, "{}", verdict(reports))
    }

    /// Its commands are for the log. What strangers wrote was made harmless where it stands in them.
    fn without_commands<'t>(&self, written: &'t str) -> Cow<'t, str> {
        Cow::Borrowed(written)
    }
}

fn command(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "error",
        Severity::Warn => "warning",
        Severity::Info => "notice",
    }
}

/// One annotation for all that could not be assessed.
fn incomplete(report: &Report, of: &str) -> String {
    let reasons: Vec<&str> = report.incomplete.iter().map(|part| &*part.reason).collect();
    format!("error title=Not everything could be assessed::{}", data(&format!("{of}{}", reasons.join("\n"))))
}

/// Counts and the verdict on one line.
fn verdict(reports: &[Report]) -> String {
    let count = |of: fn(&Summary) -> usize| reports.iter().map(|report| of(&report.summary)).sum::<usize>();
    let (critical, warn, info) = (count(|all| all.critical), count(|all| all.warn), count(|all| all.info));
    let Exit { code, reason } = worst(reports);
    let line = format!("{critical} critical, {warn} warn, {info} info; exit {code}: {reason}");
    without_commands(&line.replace(['\r', '\n'], " "), false).into_owned()
}

/// Text behind a command. It is on one line and has no command of its own.
fn data(text: &str) -> String {
    without_commands(text, false).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property of a command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    fn lines(reports: &[Report]) -> Vec<String> {
        let mut out = Vec::new();
        GitHub.write(reports, &mut out).unwrap();
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn texts_are_escaped() {
        assert_eq!(data("100%\r\n::error::x"), "100%25%0D%0A\\u{3a}:error%3A%3Ax".replace("%3A", ":"));
        assert_eq!(property("a:b,c%"), "a%3Ab%2Cc%25");
        assert_eq!(data("a ##[error]b"), "a \\u{23}#[error]b");
    }

    #[test]
    fn a_line_is_one_command_of_this_program_and_the_last_is_none() {
        let lines = lines(&[sample::hostile()]);
        let (verdict, commands) = lines.split_last().unwrap();
        assert_eq!(
            verdict,
            "2 critical, 1 warn, 2 info; exit 3: incomplete: not everything could be assessed"
        );
        let kinds: Vec<&str> = commands.iter().map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(kinds, ["::error", "::error", "::warning", "::notice", "::notice"]);
        for line in commands {
            let (head, message) = line[2..].split_once("::").unwrap();
            assert!(!message.contains(" ::") && !message.contains("\n::") && !line.contains("##["), "{line}");
            for property in head.split_once(' ').unwrap().1.split(',') {
                let (name, value) = property.split_once('=').unwrap();
                assert!(["file", "line", "col", "title"].contains(&name), "{line}");
                assert!(!value.contains(':'), "{line}");
            }
        }
    }

    #[test]
    fn no_more_are_written_than_github_shows() {
        let mut report = sample::clean();
        let many = |severity| vec![sample::finding("a.b", severity, vec![sample::in_config()]); 13];
        report.findings = [many(Severity::Critical), many(Severity::Info)].concat();
        let lines = lines(&[report]);
        assert_eq!(lines.len(), 22);
        assert_eq!(lines[20], "6 more are not annotated: GitHub shows 10 of a kind for a step");
    }

    #[test]
    fn a_place_in_a_repository_is_relative_to_it() {
        let mut report = sample::clean();
        report.target.root = Some("/home/ann".to_owned());
        report.findings = vec![sample::finding("a.b", Severity::Warn, Vec::new())];
        let lines = lines(&[report.clone(), report]);
        assert!(
            lines[0].starts_with("::warning file=.openclaw/openclaw.json,line=1,title=Title"),
            "{}",
            lines[0]
        );
        assert!(lines[0].contains("::In /home/ann/.openclaw: a.b: Detail"), "{}", lines[0]);
    }
}
