//! The report as one page for a browser: no script, nothing that is loaded from elsewhere, and all that strangers wrote escaped. What it
//! looks like stands in `templates/`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

use askama::Template;
use data_encoding::BASE64;
use sha2::{Digest as _, Sha256};

use super::Format;
use super::place::{self, flags};
use super::tally::{Change, Tally, by_policy, is_known, out_of_reach, since_baseline, told};
use crate::audit::finding::{BaselineState, Finding, Location};
use crate::audit::{Exit, Open, Origin, Report, Snippet, Status, worst};
use crate::confine::Confinement;
use crate::policy::manifest::Severity;
use crate::wording::is_invisible;

/// What the page looks like. The page's own policy for browsers names its digest, and allows nothing else.
const STYLE: &str = include_str!("../../templates/report.css");
/// More findings than this are folded until somebody opens them.
const UNFOLDED: usize = 60;
/// The most lines of the config that are shown for one finding.
const SNIPPETS: usize = 4;
/// The most places of one finding that stand unfolded.
const PLACES: usize = 6;
/// The most policies whose table stands unfolded.
const POLICIES: usize = 8;
/// All of a ring or of a bar.
const WHOLE: usize = 1000;
/// The least of it that a part has which is not nothing, so that it is seen.
const SEEN: usize = 30;
/// What stands between two parts of a ring.
const GAP: usize = 8;

/// A page.
#[derive(Clone, Copy, Default)]
pub struct Html;

impl Format for Html {
    fn write(&self, reports: &[Report], out: &mut dyn Write) -> io::Result<()> {
        let digest = BASE64.encode(&Sha256::digest(STYLE));
        let audits = reports.iter().enumerate().map(|(number, report)| Audit::new(number + 1, report));
        let verdict = Verdict::new(&worst(reports));
        Page { style: STYLE, digest, audits: audits.collect(), verdict }.write_into(out)
    }

    /// The escaper leaves none.
    fn without_commands<'t>(&self, written: &'t str) -> Cow<'t, str> {
        Cow::Borrowed(written)
    }
}

/// Makes text of what could be markup, what cannot be seen, or a command for the log of a CI.
#[derive(Clone, Copy)]
pub(crate) struct Escape;

impl askama::filters::Escaper for Escape {
    fn write_escaped_str<W: fmt::Write>(&self, mut out: W, text: &str) -> fmt::Result {
        let (mut before, mut done) = (' ', 0);
        for (at, c) in text.char_indices() {
            let escaped = match c {
                '&' => "&amp;",
                '<' => "&lt;",
                '>' => "&gt;",
                '"' => "&quot;",
                '\'' => "&#39;",
                '#' if before == '#' => "&#35;",
                ':' if before == ':' => "&#58;",
                c if is_invisible(c) => "",
                _ => {
                    before = c;
                    continue;
                }
            };
            before = c;
            out.write_str(text.get(done..at).unwrap_or_default())?;
            out.write_str(escaped)?;
            if escaped.is_empty() {
                write!(out, "{}", c.escape_unicode())?;
            }
            done = at + c.len_utf8();
        }
        out.write_str(text.get(done..).unwrap_or_default())
    }
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'r> {
    style: &'static str,
    /// The digest of the style.
    digest: String,
    audits: Vec<Audit<'r>>,
    /// Over all of them.
    verdict: Verdict,
}

/// One target.
struct Audit<'r> {
    /// From 1.
    number: usize,
    report: &'r Report,
    /// Where it lies, or what the list calls it.
    target: &'r str,
    /// What names it to another command.
    flags: String,
    release: String,
    told: Option<String>,
    verdict: Verdict,
    rings: Vec<Ring>,
    policies: Vec<Row<'r>>,
    more_policies: Vec<Row<'r>>,
    /// What the baseline does not have, by place.
    groups: Vec<Group<'r>>,
    /// How many these are.
    shown: usize,
    is_unfolded: bool,
    known: Vec<&'r Finding>,
    out_of_reach: Vec<(&'r Open, String)>,
    confinement: Option<String>,
    time: String,
}

/// The verdict in words.
struct Verdict {
    /// For the style.
    class: &'static str,
    word: &'static str,
    reason: String,
    code: u8,
}

impl Verdict {
    fn new(Exit { code, reason }: &Exit) -> Self {
        let (class, word) = match *code {
            0 => ("clean", "Passed"),
            1 => ("critical", "Not passed"),
            3 => ("open", "Incomplete"),
            Exit::NOTHING => ("none", "Nothing to audit"),
            _ => ("critical", "Cannot be audited"),
        };
        // The word says it already.
        let reason = ["incomplete: ", "nothing to audit: "]
            .iter()
            .find_map(|known| reason.strip_prefix(known))
            .unwrap_or(reason);
        let mut chars = reason.chars();
        let first = chars.next().map(|first| first.to_uppercase().to_string());
        Self { class, word, reason: first.unwrap_or_default() + chars.as_str(), code: *code }
    }
}

/// A ring, as large as its parts together.
struct Ring {
    title: &'static str,
    total: usize,
    /// What is counted.
    unit: &'static str,
    parts: Vec<Part>,
}

/// A part of a ring or of a bar.
struct Part {
    /// For the style.
    class: &'static str,
    label: &'static str,
    count: usize,
    /// Where it begins.
    from: usize,
    /// How much of the whole it has; 0 where it is not drawn.
    length: usize,
}

/// Parts of a whole, each that is not nothing large enough to be seen.
fn parts<const N: usize>(counts: [(&'static str, &'static str, usize); N], whole: usize) -> Vec<Part> {
    let total: usize = counts.iter().map(|(.., count)| count).sum();
    let share = |count: usize| match count {
        0 => 0,
        count => (count.saturating_mul(whole) / total.max(1)).max(SEEN),
    };
    let shares: usize = counts.iter().map(|(.., count)| share(*count)).sum();
    let mut from = 0;
    let mut parts = Vec::new();
    for (class, label, count) in counts {
        let length = share(count) * whole / shares.max(1);
        parts.push(Part { class, label, count, from, length });
        from += length;
    }
    parts
}

impl Ring {
    fn new<const N: usize>(
        title: &'static str,
        unit: &'static str,
        counts: [(&'static str, &'static str, usize); N],
    ) -> Self {
        let mut parts = parts(counts, WHOLE);
        if parts.iter().filter(|part| part.count > 0).count() > 1 {
            for part in &mut parts {
                part.length = part.length.saturating_sub(GAP);
            }
        }
        Self { title, total: parts.iter().map(|part| part.count).sum(), unit, parts }
    }

    /// For those who cannot see it.
    fn words(&self) -> String {
        let parts = self.parts.iter().map(|part| format!("{} {}", part.count, part.label));
        format!("{} {}: {}", self.total, self.unit, parts.collect::<Vec<_>>().join(", "))
    }
}

/// A policy in the table.
struct Row<'r> {
    policy: &'r str,
    tally: Tally,
    bar: Vec<Part>,
}

/// The rows of the table, the worst first.
fn rows(report: &Report) -> Vec<Row<'_>> {
    let mut tallies: Vec<(&str, Tally)> = by_policy(report).into_iter().collect();
    let weight = |tally: &Tally| (tally.critical, tally.warn, tally.info, tally.not_assessed);
    tallies.sort_by_key(|(_, tally)| std::cmp::Reverse(weight(tally)));
    let total = |tally: &Tally| tally.critical + tally.warn + tally.info + tally.not_assessed;
    let longest = tallies.iter().map(|(_, tally)| total(tally)).max().unwrap_or_default().max(1);
    let row = |(policy, tally): (_, Tally)| {
        let counts = [
            ("critical", "critical", tally.critical),
            ("warn", "warn", tally.warn),
            ("info", "info", tally.info),
            ("open", "not assessed", tally.not_assessed),
        ];
        let whole = (total(&tally).saturating_mul(WHOLE) / longest).max(SEEN);
        Row { policy, tally, bar: parts(counts, whole) }
    };
    tallies.into_iter().map(row).collect()
}

/// The findings at one place.
struct Group<'r> {
    place: &'r str,
    counts: String,
    worst: Severity,
    findings: Vec<Shown<'r>>,
}

/// A finding with what is shown of it.
struct Shown<'r> {
    finding: &'r Finding,
    /// Line and column.
    position: Option<String>,
    marks: Vec<String>,
    places: Vec<Place<'r>>,
    more_places: Vec<String>,
    origin: &'static str,
}

/// A place, and the line that stands there.
struct Place<'r> {
    text: String,
    line: Option<Line<'r>>,
}

/// A line of the config, with its value apart.
#[derive(PartialEq)]
struct Line<'r> {
    number: u32,
    before: &'r str,
    value: &'r str,
    after: &'r str,
}

impl<'r> Line<'r> {
    fn new(number: u32, snippet: &'r Snippet) -> Self {
        let text = snippet.text.as_str();
        let at = |count: usize| text.char_indices().nth(count).map_or(text.len(), |(at, _)| at);
        let (before, rest) = text.split_at(at(snippet.from));
        let (value, after) = rest.split_at(at(snippet.from.saturating_add(snippet.length)) - before.len());
        Self { number, before, value, after }
    }
}

impl<'r> Shown<'r> {
    fn new(finding: &'r Finding) -> Self {
        let state = match finding.baseline_state {
            Some(BaselineState::New) => Some("new".to_owned()),
            Some(BaselineState::NewCheck) => Some("new check".to_owned()),
            Some(BaselineState::Unchanged) | None => None,
        };
        let declared = finding.declared_severity.map(|declared| format!("its policy says {declared}"));
        let position = match finding.locations.first() {
            Some(
                Location::Config { line, column, file: Some(_), .. } | Location::Text { line, column, .. },
            ) => Some(format!("{line}:{column}")),
            _ => None,
        };
        let mut places: Vec<Place> = Vec::new();
        for location in finding.locations.iter().take(PLACES) {
            let line = match location {
                Location::Config { line, snippet: Some(snippet), .. } => Some(Line::new(*line, snippet)),
                _ => None,
            };
            let lines = || places.iter().filter_map(|place| place.line.as_ref());
            // Several keys may be missing in one section.
            let line = line.filter(|line| lines().count() < SNIPPETS && !lines().any(|known| known == line));
            places.push(Place { text: location.display(), line });
        }
        let origin = match finding.origin {
            Origin::BuiltIn => "built in",
            Origin::Installed => "added by the operator",
            Origin::File => "from a file",
        };
        let more_places = finding.locations.iter().skip(PLACES).map(Location::display).collect();
        let marks = state.into_iter().chain(declared).collect();
        Self { finding, position, marks, places, more_places, origin }
    }
}

/// The findings by their first place: the place with the worst first, and at one the line first that stands first.
fn groups<'r>(findings: impl Iterator<Item = &'r Finding>) -> Vec<Group<'r>> {
    let mut places: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        let place = match finding.locations.first() {
            None => "the target",
            Some(Location::Env { .. }) => "the environment",
            Some(Location::Config { file: None, .. }) => "the config",
            Some(location) => location.order().0,
        };
        places.entry(place).or_default().push(finding);
    }
    let group = |(place, mut findings): (&'r str, Vec<&'r Finding>)| {
        let order = |finding: &Finding| {
            finding.locations.first().map(|first| (first.order().1, first.order().2)).unwrap_or_default()
        };
        findings.sort_by_key(|finding| (order(finding), std::cmp::Reverse(finding.severity)));
        let counts = Severity::ALL.map(|severity| {
            (severity, findings.iter().filter(|finding| finding.severity == severity).count())
        });
        let counts: Vec<String> = counts
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(severity, count)| format!("{count} {severity}"))
            .collect();
        let worst = findings.iter().map(|finding| finding.severity).max().unwrap_or(Severity::Info);
        let findings = findings.into_iter().map(Shown::new).collect();
        Group { place, counts: counts.join(", "), worst, findings }
    };
    let mut groups: Vec<Group> = places.into_iter().map(group).collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.worst));
    groups
}

impl<'r> Audit<'r> {
    fn new(number: usize, report: &'r Report) -> Self {
        let release = report.target.release.as_ref();
        let named = release.map_or_else(
            || "of an unknown release".to_owned(),
            |release| {
                let also = release.also.as_ref().map_or(String::new(), |also| format!(" or {also}"));
                format!("{}{also}", release.version)
            },
        );
        let mut policies = rows(report);
        let more_policies = policies.split_off(policies.len().min(POLICIES));
        let groups = groups(report.findings.iter().filter(|finding| !is_known(finding)));
        let shown = groups.iter().map(|group| group.findings.len()).sum();
        Self {
            number,
            report,
            target: place::target(report),
            flags: flags(report),
            release: named,
            told: release.map(told),
            verdict: Verdict::new(&report.exit),
            rings: rings(report),
            policies,
            more_policies,
            groups,
            shown,
            is_unfolded: shown <= UNFOLDED,
            known: report.findings.iter().filter(|finding| is_known(finding)).collect(),
            out_of_reach: out_of_reach(report)
                .into_iter()
                .map(|(open, ids)| (open, ids.join(", ")))
                .collect(),
            confinement: report.confinement.as_ref().map(confined),
            time: time(report.ts),
        }
    }
}

/// What is seen at a glance.
fn rings(report: &Report) -> Vec<Ring> {
    let (summary, counts) = (&report.summary, &report.counts);
    let findings = [
        ("critical", "critical", summary.critical),
        ("warn", "warn", summary.warn),
        ("info", "info", summary.info),
    ];
    let checks = [
        ("clean", "clean", counts.clean),
        ("warn", "with findings", counts.finding),
        ("open", "not assessed", counts.not_assessed),
        ("none", "not applicable", counts.not_applicable),
    ];
    let change = since_baseline(report).map(|Change { new, new_check, known, gone }| {
        let counts = [
            ("critical", "new", new),
            ("info", "of new checks", new_check),
            ("none", "known", known),
            ("clean", "gone", gone),
        ];
        Ring::new("Since the baseline", "findings", counts)
    });
    let rings = [Ring::new("Findings", "findings", findings), Ring::new("Checks", "checks", checks)];
    rings.into_iter().chain(change).collect()
}

fn confined(confinement: &Confinement) -> String {
    let holds: Vec<String> = confinement.holds.iter().map(ToString::to_string).collect();
    let holds =
        if holds.is_empty() { "nothing holds".to_owned() } else { format!("{} hold", holds.join(", ")) };
    let missing = confinement.told().map_or(String::new(), |missing| format!("; missing: {missing}"));
    format!("asked for {}: {holds}{missing}", confinement.asked.as_str())
}

/// A time in milliseconds since the epoch, as people write it.
fn time(ts: u64) -> String {
    /// The last second that has four digits for its year.
    const LAST: u64 = 253_402_300_799;
    let time = UNIX_EPOCH + Duration::from_secs((ts / 1000).min(LAST));
    humantime::format_rfc3339_seconds(time).to_string().replace('T', " ").replace('Z', " UTC")
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Clean => "clean",
        Status::Finding => "finding",
        Status::NotAssessed => "not assessed",
        Status::NotApplicable => "not applicable",
    }
}

#[cfg(test)]
mod tests {
    use super::super::constructed::{finding, report, value};
    use super::*;
    use crate::audit::open::{Class, Kind};
    use crate::audit::{Assessment, Deep, Gone, Incomplete, JudgedBy, Suppressed, Suppression};
    use crate::config::release::{Source, Sure};
    use crate::confine::{Asked, Layer, Missing};
    use crate::output::without_commands;
    use crate::probe::Gateway;

    /// What strangers write, so that a browser would do something else than show it.
    const EVIL: [&str; 12] = [
        "<script>document.title = 'ran'</script>",
        "\"><img src=x onerror=\"document.title = 'ran'\">",
        "' autofocus onfocus='document.title = 1' x='",
        "javascript:document.title='ran'",
        "</style><script>1</script>",
        "</title></textarea></svg></pre><base href=//example.org>",
        "]]><!--<script>",
        "--><iframe srcdoc=x>",
        "{{ 7 * 7 }}{% raw %}&lt;&#x3c;script>",
        "a\0b\u{1b}[31mc",
        "\u{202e}gpj\u{2066}\u{200b}\u{feff}",
        "##[error]x ::error file=a::b ##vso[task.complete]",
    ];

    fn page(reports: &[Report]) -> String {
        let mut out = Vec::new();
        Html.write(reports, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// A report with a text in each of its fields, and all of a page's sections.
    fn full(text: &str) -> Report {
        let own = || text.to_owned();
        let places = || {
            let mut places = vec![
                value(&format!("/{text}"), 7, text, (1, 3)),
                Location::Object { view: own(), rel: own(), path: own(), mode: Some(own()) },
                Location::Env { name: own() },
                Location::Text { path: own(), line: 1, column: 1 },
            ];
            if let Some(Location::Config { file, .. }) = places.first_mut() {
                *file = Some(own());
            }
            places
        };
        let mut findings = Vec::new();
        for (number, severity) in Severity::ALL.into_iter().enumerate() {
            for state in [BaselineState::New, BaselineState::NewCheck, BaselineState::Unchanged] {
                let mut places = places();
                places.rotate_left(number);
                places.extend((8..14).map(|line| value(&format!("/{text}"), line, text, (0, usize::MAX))));
                findings.push(Finding {
                    check_id: own(),
                    declared_severity: Some(Severity::Info),
                    title: own(),
                    detail: own(),
                    remediation: Some(own()),
                    policy: own(),
                    origin: Origin::File,
                    locations: places,
                    baseline_state: Some(state),
                    ..finding("a.b", severity, 1)
                });
            }
        }
        let mut report = report(findings);
        let finding = Finding { title: own(), locations: places(), ..finding(text, Severity::Warn, 1) };
        let suppression = Suppression { reason: Some(own()), expires: Some(own()), ..Suppression::default() };
        report.suppressed = vec![Suppressed { finding, suppression }];
        report.gone = vec![Gone { check_id: own(), fingerprint: own(), place: own(), count: 2 }];
        report.is_curable = true;
        report.incomplete = vec![Incomplete {
            policy: Some(own()),
            reason: own(),
            location: places().pop(),
            denied: vec![own()],
        }];
        let open = |class| Open {
            check_id: own(),
            check: own(),
            kind: Kind::Hidden,
            class,
            text: own(),
            location: places().pop(),
            is_common: false,
        };
        let check = |status| Assessment {
            check_id: own(),
            policy: own(),
            status,
            class: Some(Class::OutOfReach),
            reason: Some(own()),
            unassessed: vec![open(Class::OutOfReach), open(Class::Failed)],
        };
        report.assessment =
            [Status::Clean, Status::Finding, Status::NotAssessed, Status::NotApplicable].map(check).into();
        report.counts.clean = 1;
        report.counts.finding = 1;
        report.counts.not_assessed = 1;
        report.counts.not_applicable = 1;
        let gateway = Gateway {
            attempted: true,
            url: own(),
            ok: false,
            error: Some(own()),
            close: None,
            release: None,
        };
        report.deep = Some(Deep { gateway });
        let target = &mut report.target;
        for field in [
            &mut target.state_dir,
            &mut target.state_dir_from,
            &mut target.config_path,
            &mut target.config_path_from,
            &mut report.exit.reason,
        ] {
            *field = own();
        }
        target.release = Some(JudgedBy {
            version: own(),
            judged_as: Some(own()),
            source: Source::Stamp,
            from: own(),
            sure: Sure::Likely,
            also: Some(own()),
            evidence: Vec::new(),
        });
        let missing = vec![Missing { layer: Layer::Files, reason: own() }];
        report.confinement =
            Some(Confinement { asked: Asked::BestEffort, holds: vec![Layer::Process], missing });
        report
    }

    /// The tags of a page, without what stands between them.
    fn tags(page: &str) -> Vec<&str> {
        page.split('<').skip(1).filter_map(|part| part.split_once('>')).map(|(tag, _)| tag).collect()
    }

    #[test]
    fn nothing_of_a_stranger_is_markup() {
        let plain = page(&[full("x"), full("x")]);
        for evil in EVIL {
            let page = page(&[full(evil), full(evil)]);
            assert_eq!(tags(&page), tags(&plain), "{evil}");
            assert!(!page.contains(evil) || evil.starts_with("javascript:"), "{evil}");
            assert!(!page.contains(|c| c != '\n' && is_invisible(c)), "{evil}");
            assert_eq!(without_commands(&page, false), page);
        }
    }

    #[test]
    fn a_page_loads_nothing_and_runs_nothing() {
        let page = page(&[full("x")]);
        for never in [
            "<script", "src=", "url(", "@import", " style=", " on", "http:", "https:", "//", "<form", "<link",
        ] {
            assert!(!tags(&page).iter().any(|tag| format!("<{tag}").contains(never)), "{never}");
            assert!(never == " on" || !STYLE.contains(never), "{never}");
        }
        let links = page.split("href=\"").skip(1);
        assert!(links.into_iter().all(|link| link.starts_with('#')));
        let ids: Vec<&str> = page.split(" id=\"").skip(1).filter_map(|id| id.split('"').next()).collect();
        let unique: std::collections::HashSet<&&str> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len(), "{ids:?}");
    }

    #[test]
    fn the_policy_for_browsers_names_the_digest_of_the_one_style() {
        let page = page(&[full("x"), full("x")]);
        let between = |from: &str, to: &str| {
            let (_, rest) = page.split_once(from).unwrap();
            rest.split_once(to).unwrap().0.to_owned()
        };
        let digest = BASE64.encode(&Sha256::digest(between("<style>", "</style>")));
        let policy = between("http-equiv=\"Content-Security-Policy\" content=\"", "\">");
        assert_eq!(
            policy,
            format!("default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'")
        );
        assert_eq!(page.matches("<style").count(), 1);
    }

    #[test]
    fn what_a_report_has_stands_in_the_page() {
        let mut found = finding("gateway.short", Severity::Critical, 15);
        found.detail = "One line.\n  - another".to_owned();
        let page = page(&[report(vec![found])]);
        for text in [
            "<title>Not passed: audit of /home/ann/.openclaw</title>",
            "<desc id=\"ring-1-1-words\">1 findings: 1 critical, 0 warn, 0 info</desc>",
            "<span class=\"line\">15</span> token: <mark>&quot;***&quot;</mark>,</pre>",
            "One line.<br>  - another</p>",
            "<span>Take a longer one</span>",
            "<code>gateway.short</code> of the policy gateway-auth, built in",
            "2026-02-20 00:00:00 UTC",
        ] {
            assert!(page.contains(text), "{text} is not in {page}");
        }
        for text in ["Known", "Gone", "Suppressed", "Since the baseline", "Not assessed</h3>", "Out of reach"]
        {
            assert!(!page.contains(text), "{text}");
        }
    }

    #[test]
    fn ten_thousand_findings_are_folded() {
        let page = page(&[many()]);
        assert_eq!(page.matches("<details class=\"finding warn\">").count(), 10_000);
        assert!(page.len() < 20_000_000, "{}", page.len());
    }

    fn many() -> Report {
        let place = |number: u32| {
            let mut finding = finding("a.b", Severity::Warn, number);
            if number.is_multiple_of(10) {
                let path = format!("/home/ann/.openclaw/agents/main/sessions/{number}.jsonl");
                finding.locations =
                    vec![Location::Object { view: "state".to_owned(), rel: path.clone(), path, mode: None }];
            }
            finding
        };
        report((0..10_000).map(place).collect())
    }

    #[test]
    fn each_part_is_seen_and_none_is_beyond_the_whole() {
        for counts in [[0, 0, 0], [1, 0, 0], [1, 0, 10_000], [1, 1, usize::MAX / 4], [5, 5, 5]] {
            let [a, b, c] = counts;
            let parts = parts([("a", "a", a), ("b", "b", b), ("c", "c", c)], WHOLE);
            for part in &parts {
                assert_eq!(part.length >= SEEN / 2, part.count > 0, "{counts:?}");
                assert!(part.from + part.length <= WHOLE, "{counts:?}");
            }
        }
    }

    #[test]
    fn a_value_is_marked_wherever_it_is_said_to_stand() {
        let snippet = |from, length| Snippet { text: "a: é漢,".to_owned(), from, length };
        for (from, length, before, value, after) in [
            (3, 2, "a: ", "é漢", ","),
            (0, 0, "", "", "a: é漢,"),
            (3, usize::MAX, "a: ", "é漢,", ""),
            (usize::MAX, 1, "a: é漢,", "", ""),
        ] {
            let snippet = snippet(from, length);
            assert!(Line::new(1, &snippet) == Line { number: 1, before, value, after });
        }
    }

    /// Pages for `make check-html`, which shows them to a browser.
    #[test]
    fn pages_for_a_browser() {
        let Some(folder) = std::env::var_os("CHITIN_PAGES") else { return };
        let folder = std::path::PathBuf::from(folder);
        let evil: Vec<Report> = EVIL.into_iter().map(full).collect();
        for (name, reports) in [("evil", evil), ("many", vec![many()])] {
            std::fs::write(folder.join(format!("{name}.html")), page(&reports)).unwrap();
        }
    }
}
