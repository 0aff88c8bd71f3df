//! `chitin diff`: two reports beside each other.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use chitin::audit::finding::{Finding, Location};
use chitin::audit::{Assessment, Report, Status, visible};
use chitin::policy::manifest::Severity;
use chitin::target::read_regular;
use clap::Args;
use serde::Serialize;

use super::{show, user_error};

/// The largest report that is read, in bytes.
const MAX_BYTES: u64 = 256 << 20;

#[derive(Args)]
#[command(
    after_help = "Exit codes:\n  0  nothing appeared\n  1  something appeared, or is worse than it was\n  2  wrong usage, or no report"
)]
pub(super) struct Arguments {
    /// The earlier report, of `chitin audit --json`
    old: PathBuf,
    /// The later one
    new: PathBuf,
    /// Print the comparison as JSON
    #[arg(long)]
    json: bool,
}

/// What two reports differ in.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Difference {
    /// Findings that the later report has and the earlier one has not.
    appeared: Vec<Told>,
    /// Findings of another severity.
    changed: Vec<Changed>,
    /// Findings that the earlier report has and the later one has not, though it looked.
    gone: Vec<Told>,
    /// Findings that the earlier report has, of checks that the later one did not assess.
    not_assessed: Vec<Told>,
    /// Checks that were assessed and are not any more.
    lost: Vec<String>,
}

/// A finding, in a line.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    check_id: String,
    severity: Severity,
    title: String,
    place: String,
    fingerprint: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Changed {
    #[serde(flatten)]
    finding: Told,
    /// The severity in the earlier report.
    was: Severity,
}

impl Told {
    fn new(finding: &Finding) -> Self {
        // The reports are files, and may be anybody's.
        Self {
            check_id: visible(&finding.check_id),
            severity: finding.severity,
            title: visible(&finding.title),
            place: finding
                .locations
                .first()
                .map_or_else(String::new, |place| visible(&Location::display(place))),
            fingerprint: visible(&finding.fingerprint),
        }
    }

    fn write(&self, sign: &str, out: &mut dyn Write) -> std::io::Result<()> {
        writeln!(out, "{sign} {} {} {}\n    at {}", self.severity, self.check_id, self.title, self.place)
    }
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<u8> {
    let (old, new) = (read(&arguments.old)?, read(&arguments.new)?);
    let difference = Difference::of(&old, &new);
    show(|out| {
        if arguments.json {
            serde_json::to_writer_pretty(&mut *out, &difference)?;
            return writeln!(out);
        }
        difference.write(out)
    })?;
    let is_worse = difference.changed.iter().any(|changed| changed.finding.severity > changed.was);
    Ok(u8::from(!difference.appeared.is_empty() || is_worse))
}

fn read(path: &Path) -> anyhow::Result<Report> {
    let wrong = |why: String| {
        user_error(
            format!("{}: {why}", path.display()),
            "chitin audit --output json=FILE writes a report; reports of several targets are compared one by one",
        )
    };
    let bytes = read_regular(path, MAX_BYTES).map_err(|error| wrong(error.to_string()))?;
    let value: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|error| wrong(format!("it is no JSON: {error}")))?;
    match value.get("schemaVersion").and_then(serde_json::Value::as_u64) {
        Some(version) if version == u64::from(chitin::audit::SCHEMA_VERSION) => {}
        Some(version) => {
            return Err(wrong(format!(
                "it is a report of version {version}, which this program does not know"
            )));
        }
        None => return Err(wrong("it is no report".to_owned())),
    }
    serde_json::from_value(value).map_err(|error| wrong(format!("it is no report: {error}")))
}

type Key<'r> = (&'r str, &'r str);

fn by_key(report: &Report) -> BTreeMap<Key<'_>, Vec<&Finding>> {
    let mut all: BTreeMap<Key<'_>, Vec<&Finding>> = BTreeMap::new();
    for finding in &report.findings {
        all.entry((&finding.check_id, &finding.fingerprint)).or_default().push(finding);
    }
    all
}

impl Difference {
    fn of(old: &Report, new: &Report) -> Self {
        let (before, after) = (by_key(old), by_key(new));
        let mut difference = Self {
            appeared: Vec::new(),
            changed: Vec::new(),
            gone: Vec::new(),
            not_assessed: Vec::new(),
            lost: Vec::new(),
        };
        for (key, findings) in &after {
            let known = before.get(key).map(Vec::as_slice).unwrap_or_default();
            for (finding, was) in
                findings.iter().zip(known).filter(|(finding, was)| finding.severity != was.severity)
            {
                difference.changed.push(Changed { finding: Told::new(finding), was: was.severity });
            }
            difference.appeared.extend(findings.iter().skip(known.len()).map(|finding| Told::new(finding)));
        }
        let is_open =
            |check: &Assessment| check.status == Status::NotAssessed || !check.unassessed.is_empty();
        let open = |finding: &Finding| {
            new.assessment.iter().any(|check| check.policy == finding.policy && is_open(check))
                || !new.assessment.iter().any(|check| check.policy == finding.policy)
        };
        for (key, findings) in &before {
            let left = after.get(key).map_or(0, Vec::len);
            for finding in findings.iter().skip(left) {
                let list = if open(finding) { &mut difference.not_assessed } else { &mut difference.gone };
                list.push(Told::new(finding));
            }
        }
        let assessed = |report: &Report, id: &str| {
            report
                .assessment
                .iter()
                .any(|check| check.check_id == id && matches!(check.status, Status::Clean | Status::Finding))
        };
        let lost = old
            .assessment
            .iter()
            .filter(|check| assessed(old, &check.check_id) && !assessed(new, &check.check_id));
        difference.lost = lost.map(|check| visible(&check.check_id)).collect();
        difference
    }

    fn write(&self, out: &mut dyn Write) -> std::io::Result<()> {
        self.appeared.iter().try_for_each(|told| told.write("+", out))?;
        for Changed { finding, was } in &self.changed {
            finding.write("~", out)?;
            writeln!(out, "    was {was}")?;
        }
        self.gone.iter().try_for_each(|told| told.write("-", out))?;
        self.not_assessed.iter().try_for_each(|told| told.write("?", out))?;
        for check in &self.lost {
            writeln!(out, "? {check} is not assessed any more")?;
        }
        writeln!(
            out,
            "{} appeared, {} changed, {} gone, {} not assessed any more",
            self.appeared.len(),
            self.changed.len(),
            self.gone.len(),
            self.not_assessed.len()
        )
    }
}
