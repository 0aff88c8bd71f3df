//! The report for people: what was audited, findings by severity, what is missing, and the verdict.

use std::borrow::Cow;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::place::flags;
use super::prose::{cut, room};
use super::tally::{Change, Tally, by_policy, is_known, out_of_reach, since_baseline, told};
use super::{Format, without_commands, wrap};
use crate::audit::finding::{BaselineState, Finding, Location};
use crate::audit::open::{Kind, Open};
use crate::audit::{Deep, Exit, Gone, Origin, Report, Scope, Snippet, Suppressed, visible, worst};
use crate::confine::Confinement;
use crate::policy::catalog;
use crate::policy::manifest::Severity;
use crate::probe::Gateway;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const ASIDE: Style = AnsiColor::Cyan.on_default().bold();

/// The most lines of the config that are shown for one finding.
const SNIPPETS: usize = 4;
/// A report with more findings ends with a table of them.
const MANY: usize = 10;

/// Text with colours; the stream takes them out where they are not wanted.
#[derive(Clone, Copy, Default)]
pub struct Text {
    /// One line does for a finding.
    pub short: bool,
}

impl Format for Text {
    fn write(&self, reports: &[Report], out: &mut dyn Write) -> io::Result<()> {
        for (number, report) in reports.iter().enumerate() {
            if number > 0 {
                writeln!(out)?;
            }
            self.one(report, out)?;
        }
        if let [_, _, ..] = reports {
            let Exit { code, reason } = worst(reports);
            writeln!(out, "\n{BOLD}{} targets{BOLD:#}\nexit {code}: {reason}", reports.len())?;
        }
        Ok(())
    }

    fn without_commands<'t>(&self, written: &'t str) -> Cow<'t, str> {
        without_commands(written, false)
    }
}

impl Text {
    fn one(self, report: &Report, out: &mut dyn Write) -> io::Result<()> {
        write_target(report, self.short, out)?;
        if self.short {
            write_short(report, out)?;
        } else {
            write_findings(report, out)?;
            write_known(report, out)?;
            write_gone(report, out)?;
            write_incomplete(report, out)?;
            write_out_of_reach(report, out)?;
            write_suppressed(report, out)?;
            write_table(report, out)?;
        }
        write_summary(report, out)
    }
}

/// What was audited.
fn write_target(report: &Report, short: bool, out: &mut dyn Write) -> io::Result<()> {
    let target = &report.target;
    let config = if target.config_exists { "" } else { " (there is none)" };
    let release = target.release.as_ref();
    let version = release.map_or("of an unknown release", |release| &release.version);
    let also = release.and_then(|release| release.also.as_ref());
    let also = also.map_or(String::new(), |also| format!(" or {also}"));
    let (is_alone, path) = (target.scope == Scope::Config, &target.config_path);
    if is_alone {
        writeln!(out, "{BOLD}OpenClaw {version}{also}{BOLD:#}, config alone: {path}{config}")?;
    } else {
        writeln!(out, "{BOLD}OpenClaw {version}{also}{BOLD:#} in {}", target.state_dir)?;
    }
    if short {
        return Ok(());
    }
    if let Some(release) = release {
        writeln!(out, "{DIM}{}{DIM:#}", told(release))?;
    }
    if !is_alone {
        writeln!(out, "{DIM}config {path}{config}{DIM:#}")?;
    } else if let Some(root) = &target.root {
        writeln!(out, "{DIM}paths below {root}{DIM:#}")?;
    }
    if let Some(sysroot) = &target.sysroot {
        writeln!(out, "{DIM}in the file system below {sysroot}{DIM:#}")?;
    }
    if let Some(Deep { gateway }) = &report.deep {
        let state = match gateway {
            Gateway { ok: true, .. } => "answers",
            Gateway { attempted: true, .. } => "does not answer",
            Gateway { .. } => "was not asked",
        };
        writeln!(out, "{DIM}gateway {} {state}{DIM:#}", gateway.url)?;
    }
    Ok(())
}

/// All findings but those that the baseline has.
fn write_findings(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    for severity in Severity::ALL {
        let of = |finding: &&Finding| finding.severity == severity && !is_known(finding);
        let mut findings = report.findings.iter().filter(of).peekable();
        if findings.peek().is_some() {
            let style = colour(severity);
            writeln!(out, "\n{style}{}{style:#}", severity.as_str().to_uppercase())?;
        }
        for finding in findings {
            write_finding(finding, out)?;
        }
    }
    Ok(())
}

/// One line for each finding, and for each part that is missing.
fn write_short(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let (known, new): (Vec<&Finding>, Vec<&Finding>) =
        report.findings.iter().partition(|finding| is_known(finding));
    for finding in new.into_iter().chain(known) {
        write_line("", finding, out)?;
    }
    for part in &report.incomplete {
        let policy = part.policy.as_deref().map_or(String::new(), |policy| format!("{policy}: "));
        writeln!(out, "{DIM}not assessed{DIM:#} {policy}{}", part.reason)?;
    }
    Ok(())
}

/// A finding on one line.
fn write_line(indent: &str, finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let style = colour(finding.severity);
    let place = finding.locations.first().map_or(String::new(), |place| format!(" {}", place.display()));
    let known = (indent.is_empty() && is_known(finding)).then(|| "known".to_owned());
    let stranger = (!finding.origin.is_built_in()).then(|| format!("said by {}", finding.policy));
    writeln!(
        out,
        "{indent}{style}{}{style:#} {BOLD}{}{BOLD:#}{place}: {}{}",
        finding.severity,
        finding.check_id,
        finding.title,
        marks(finding, known.into_iter().chain(stranger))
    )
}

/// What is to be known of a finding besides, in brackets.
fn marks(finding: &Finding, more: impl Iterator<Item = String>) -> String {
    let new = finding.baseline_state == Some(BaselineState::NewCheck);
    let new = new.then(|| "a new check".to_owned());
    let declared = finding.declared_severity.map(|declared| format!("its policy says {declared}"));
    let marks: Vec<String> = more.chain(new).chain(declared).collect();
    if marks.is_empty() { String::new() } else { format!(" ({})", marks.join(", ")) }
}

/// The findings that the baseline has.
fn write_known(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut known = report.findings.iter().filter(|finding| is_known(finding)).peekable();
    if known.peek().is_some() {
        writeln!(out, "\n{ASIDE}KNOWN (baseline){ASIDE:#}")?;
    }
    known.try_for_each(|finding| write_line("  ", finding, out))
}

/// The findings that only the baseline has.
fn write_gone(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    if !report.gone.is_empty() {
        writeln!(out, "\n{ASIDE}GONE{ASIDE:#}")?;
    }
    report.gone.iter().try_for_each(|Gone { check_id, place, count, .. }| {
        let times = if *count > 1 { format!(" ({count} times)") } else { String::new() };
        writeln!(out, "  {BOLD}{check_id}{BOLD:#} {place}{times}")
    })
}

/// Why the audit is incomplete.
fn write_incomplete(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    if !report.incomplete.is_empty() {
        let style = colour(Severity::Critical);
        writeln!(out, "\n{style}NOT ASSESSED{style:#}")?;
    }
    for part in &report.incomplete {
        let policy = part.policy.as_deref().map_or(String::new(), |policy| format!("{policy}: "));
        writeln!(out, "  {policy}{}", part.reason)?;
        // The words of what could not be looked at name it already.
        let place = part.location.as_ref().filter(|place| !place.is_named_in(&part.reason));
        if let Some(place) = place {
            writeln!(out, "    {DIM}at{DIM:#} {}", place.display())?;
        }
        for name in &part.denied {
            writeln!(
                out,
                "    it has no grant for {name}; give it with --grant '{name}' if its manifest declares it"
            )?;
        }
    }
    Ok(())
}

/// The checks that this audit cannot judge, by nature or by the operator's decision: those with the same reason together.
fn write_out_of_reach(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let reasons = out_of_reach(report);
    if reasons.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{ASIDE}OUT OF REACH{ASIDE:#}")?;
    for (open, ids) in reasons {
        writeln!(out, "  {BOLD}{}{BOLD:#}", ids.join(", "))?;
        if let Some(location) = &open.location {
            writeln!(out, "    {DIM}at{DIM:#} {}", location.display())?;
        }
        for line in wrap(&open.text) {
            writeln!(out, "    {line}")?;
        }
    }
    Ok(())
}

/// What suppressions took out, and who says so.
fn write_suppressed(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    if !report.suppressed.is_empty() {
        writeln!(out, "\n{ASIDE}SUPPRESSED{ASIDE:#}")?;
    }
    report.suppressed.iter().try_for_each(|Suppressed { finding, suppression }| {
        let reason = suppression.reason.as_deref().unwrap_or("no reason given");
        let expires = suppression.expires.as_ref().map_or(String::new(), |day| format!(", until {day}"));
        write_line("  ", finding, out)?;
        writeln!(out, "    {DIM}by {}{expires}:{DIM:#} {reason}", suppression.by.told())
    })
}

fn colour(severity: Severity) -> Style {
    let colour = match severity {
        Severity::Critical => AnsiColor::Red,
        Severity::Warn => AnsiColor::Yellow,
        Severity::Info => AnsiColor::Blue,
    };
    colour.on_default().bold()
}

fn write_finding(finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "  {BOLD}{}{BOLD:#} {}{}",
        finding.check_id,
        finding.title,
        marks(finding, std::iter::empty())
    )?;
    let from = match finding.origin {
        Origin::BuiltIn => None,
        Origin::Installed => Some("which you have added"),
        Origin::File => Some("from a file"),
    };
    if let Some(from) = from {
        writeln!(out, "    {DIM}said by the policy{DIM:#} {}{DIM}, {from}{DIM:#}", finding.policy)?;
    }
    let mut shown = Vec::new();
    for location in &finding.locations {
        writeln!(out, "    {DIM}at{DIM:#} {}", location.display())?;
        // Several keys may be missing in one section.
        if let Location::Config { file, line, snippet: Some(snippet), .. } = location
            && shown.len() < SNIPPETS
            && !shown.contains(&(file, line, snippet))
        {
            write_snippet(*line, snippet, finding.severity, out)?;
            shown.push((file, line, snippet));
        }
    }
    // What a policy says stands deeper from its second line on, so that none of it can be taken for a line of the report.
    for (number, line) in finding.detail.lines().enumerate() {
        let indent = if number == 0 { "    " } else { "      " };
        for line in wrap(line) {
            writeln!(out, "{indent}{line}")?;
        }
    }
    if let Some(remediation) = &finding.remediation {
        for (number, line) in remediation.lines().enumerate() {
            let head = if number == 0 { "fix:" } else { "    " };
            writeln!(out, "    {BOLD}{head}{BOLD:#} {line}")?;
        }
    }
    Ok(())
}

/// A line of the config, and a caret under each column of the value. What is too long for a terminal is cut: the terminal would break
/// it, and the rest would stand where this program's own lines begin.
fn write_snippet(line: u32, snippet: &Snippet, severity: Severity, out: &mut dyn Write) -> io::Result<()> {
    let number = line.to_string();
    let room = room("       | ".len() + number.len());
    let columns =
        |chars: &mut dyn Iterator<Item = char>| textwrap::core::display_width(&chars.collect::<String>());
    let mut chars = snippet.text.chars();
    let before = columns(&mut chars.by_ref().take(snippet.from)).min(room - 1);
    let carets = columns(&mut chars.take(snippet.length)).clamp(1, room - before);
    let style = colour(severity);
    writeln!(out, "      {DIM}{number} |{DIM:#} {}", cut(&snippet.text, room))?;
    let (gutter, before, carets) = (" ".repeat(number.len()), " ".repeat(before), "^".repeat(carets));
    writeln!(out, "      {DIM}{gutter} |{DIM:#} {before}{style}{carets}{style:#}")
}

/// Under a long report, how many findings each policy has, and how many of its checks were not assessed.
fn write_table(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    if report.findings.len() <= MANY {
        return Ok(());
    }
    let rows = by_policy(report);
    let width = rows.keys().map(|policy| policy.len()).max().unwrap_or_default().max("BY POLICY".len());
    writeln!(
        out,
        "\n{ASIDE}{:width$}  critical  warn  info  not assessed{ASIDE:#}",
        "BY POLICY",
        width = width + 2
    )?;
    for (policy, Tally { critical, warn, info, not_assessed }) in rows {
        let [critical, warn, info, not_assessed] = [critical, warn, info, not_assessed]
            .map(|count| if count == 0 { "-".to_owned() } else { count.to_string() });
        writeln!(out, "  {policy:width$}  {critical:>8}  {warn:>4}  {info:>4}  {not_assessed:>12}")?;
    }
    Ok(())
}

fn write_summary(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let (summary, counts) = (&report.summary, &report.counts);
    writeln!(
        out,
        "\n{BOLD}{} critical, {} warn, {} info{BOLD:#}; of {} checks {} are clean, {} have findings, {} are not assessed, \
         {} are not applicable",
        summary.critical,
        summary.warn,
        summary.info,
        report.assessment.len(),
        counts.clean,
        counts.finding,
        counts.not_assessed,
        counts.not_applicable,
    )?;
    if let Some(Change { new, new_check, known, gone }) = since_baseline(report) {
        writeln!(
            out,
            "since the baseline: {new} new, {new_check} of new checks, {known} known, {gone} gone"
        )?;
    }
    let Exit { code, reason } = &report.exit;
    writeln!(out, "exit {code}: {reason}")?;
    if let Some(missing) = report.confinement.as_ref().and_then(Confinement::told) {
        writeln!(out, "{DIM}not confined in full, missing: {}{DIM:#}", visible(&missing))?;
    }
    // What is known comes last here, too.
    let (known, new): (Vec<&Finding>, Vec<&Finding>) =
        report.findings.iter().partition(|finding| is_known(finding));
    let in_order = || new.iter().chain(&known);
    let own = in_order().find(|finding| catalog::explains(&finding.check));
    let added = || in_order().find(|finding| finding.origin == Origin::Installed);
    if let Some(first) = own.or_else(added) {
        writeln!(out, "{DIM}more about a check: chitin explain {}{DIM:#}", first.check_id)?;
    }
    let lacks = |open: &Open| open.kind == Kind::Withheld;
    if report.assessment.iter().flat_map(|check| &check.unassessed).any(lacks) {
        writeln!(
            out,
            "{DIM}to grant a policy more: --grant behind its file, or chitin policy update ID --grant CAPABILITY where it was added{DIM:#}"
        )?;
    }
    if report.is_curable && report.target.sysroot.is_none() {
        let flags = flags(report);
        writeln!(out, "{DIM}what can be cured safely, and how: chitin fix --dry-run{flags}{DIM:#}")?;
    }
    if *code == Exit::NOTHING {
        writeln!(
            out,
            "{DIM}another place: chitin audit --state-dir DIR, --config FILE or --profile NAME{DIM:#}"
        )?;
    } else if !report.is_deep && *code != Exit::UNUSABLE {
        let what = match (report.target.scope, &report.target.sysroot) {
            // It has neither code nor a gateway.
            (Scope::Config, _) => return Ok(()),
            (Scope::Installation, Some(_)) => "the code of plugins and skills",
            (Scope::Installation, None) => "the code of plugins and skills, and the live gateway",
        };
        writeln!(out, "{DIM}{what}: chitin audit --deep{}{DIM:#}", flags(report))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::constructed::{finding, report, value};
    use super::*;
    use crate::audit::{SuppressedBy, Suppression};

    fn plain(short: bool, report: Report) -> String {
        let mut out = anstream::StripStream::new(Vec::new());
        Text { short }.write(&[report], &mut out).unwrap();
        String::from_utf8(out.into_inner()).unwrap()
    }

    /// A text has these lines, one behind the other.
    fn has(text: &str, lines: &str) {
        assert!(text.contains(lines.trim_matches('\n')), "{text}\ndoes not have\n{lines}");
    }

    #[test]
    fn the_line_of_the_config_has_carets_under_the_value() {
        let mut found = finding("gateway.short", Severity::Warn, 15);
        found.locations.extend((16..30).map(|line| value("/a", line, "'漢字': 'é漢',", (6, 4))));
        found.locations.insert(1, value("/gateway/auth/other", 15, "token: \"***\",", (7, 5)));
        let text = plain(false, report(vec![found]));
        has(
            &text,
            r#"
WARN
  gateway.short Gateway token is short
    at /home/ann/.openclaw/openclaw.json:15:9 (gateway.auth.token)
      15 | token: "***",
         |        ^^^^^
    at /home/ann/.openclaw/openclaw.json:15:9 (gateway.auth.other)
    at /home/ann/.openclaw/openclaw.json:16:9 (a)
      16 | '漢字': 'é漢',
         |         ^^^^^
    at /home/ann/.openclaw/openclaw.json:17:9 (a)
"#,
        );
        assert_eq!(text.matches(" | ").count(), 2 * SNIPPETS);
    }

    #[test]
    fn a_line_that_is_too_long_is_cut() {
        for (from, length) in [(5, 1000), (1000, 5), (5, 2), (5, 0)] {
            let mut found = finding("a.b", Severity::Warn, 7);
            found.locations = vec![value("/a", 7, &"漢".repeat(1100), (from, length))];
            let text = plain(false, report(vec![found]));
            let block: Vec<&str> = text.lines().filter(|line| line.contains(" | ")).collect();
            assert!(block[0].ends_with("漢…") && block[1].contains('^'), "{text}");
            let width = |line: &&str| textwrap::core::display_width(line);
            assert!(block.iter().all(|line| width(line) <= 106), "{text}");
        }
    }

    #[test]
    fn what_a_baseline_and_the_settings_say_is_told() {
        let mut news = finding("a.new", Severity::Critical, 1);
        news.baseline_state = Some(BaselineState::New);
        news.declared_severity = Some(Severity::Info);
        let mut check = finding("a.check", Severity::Warn, 2);
        check.baseline_state = Some(BaselineState::NewCheck);
        let mut known = finding("a.known", Severity::Critical, 3);
        known.baseline_state = Some(BaselineState::Unchanged);
        known.origin = Origin::Installed;
        let mut report = report(vec![news, known, check]);
        let suppression = Suppression {
            by: SuppressedBy::Settings,
            reason: Some("the host is alone".to_owned()),
            expires: Some("2027-01-31".to_owned()),
        };
        let finding = finding("a.out", Severity::Info, 4);
        report.suppressed = vec![Suppressed { finding, suppression }];
        let gone = |count| Gone {
            check_id: "a.gone".to_owned(),
            fingerprint: String::new(),
            place: "openclaw.json (a.b)".to_owned(),
            count,
        };
        report.gone = vec![gone(1), gone(2)];
        let text = plain(false, report.clone());
        has(&text, "\nCRITICAL\n  a.new Gateway token is short (its policy says info)\n");
        has(&text, "\nWARN\n  a.check Gateway token is short (a new check)\n");
        has(
            &text,
            r"
KNOWN (baseline)
  critical a.known /home/ann/.openclaw/openclaw.json:3:9 (gateway.auth.token): Gateway token is short (said by gateway-auth)

GONE
  a.gone openclaw.json (a.b)
  a.gone openclaw.json (a.b) (2 times)

SUPPRESSED
  info a.out /home/ann/.openclaw/openclaw.json:4:9 (gateway.auth.token): Gateway token is short
    by the settings, until 2027-01-31: the host is alone

2 critical, 1 warn, 0 info;",
        );
        has(&text, "\nsince the baseline: 1 new, 1 of new checks, 1 known, 3 gone\nexit 1: findings\n");
        assert!(text.find("a.check").unwrap() < text.find("KNOWN").unwrap());

        let short = plain(true, report);
        has(
            &short,
            r"
OpenClaw of an unknown release in /home/ann/.openclaw
critical a.new /home/ann/.openclaw/openclaw.json:1:9 (gateway.auth.token): Gateway token is short (its policy says info)
warn a.check /home/ann/.openclaw/openclaw.json:2:9 (gateway.auth.token): Gateway token is short (a new check)
critical a.known /home/ann/.openclaw/openclaw.json:3:9 (gateway.auth.token): Gateway token is short (known, said by gateway-auth)

2 critical, 1 warn, 0 info;",
        );
    }

    #[test]
    fn a_long_report_ends_with_a_table() {
        let mut findings: Vec<Finding> = (1..=11).map(|line| finding("a.b", Severity::Warn, line)).collect();
        findings[3].severity = Severity::Critical;
        findings[4].policy = "a-policy-of-a-longer-name".to_owned();
        has(
            &plain(false, report(findings.clone())),
            r"
BY POLICY                    critical  warn  info  not assessed
  a-policy-of-a-longer-name         -     1     -             -
  gateway-auth                      1     9     -             -

1 critical, 10 warn, 0 info;",
        );
        findings.pop();
        assert!(!plain(false, report(findings)).contains("BY POLICY"));
    }
}
