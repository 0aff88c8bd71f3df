//! Numbers in the text format of Prometheus, for the textfile collector of its node exporter: how many findings, checks and policies there
//! are of each kind, the verdict, and when the audit was made.

use std::borrow::Cow;
use std::io::{self, Write};

use super::gauges::GAUGES;
use super::place::target;
use super::{Format, without_commands};
use crate::audit::Report;

/// Gauges with the target as a label. No text of a finding is in them.
pub struct Prometheus;

impl Format for Prometheus {
    fn write(&self, reports: &[Report], out: &mut dyn Write) -> io::Result<()> {
        for (name, help, samples) in GAUGES {
            // Samples of one name stand together, whatever target they are of.
            writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge")?;
            for report in reports {
                for (labels, value) in samples(report) {
                    write!(out, "{name}{{target=\"{}\"", escaped(target(report)))?;
                    // Names of several targets can look the same, and a series that is there twice spoils the whole file.
                    if let Some(key) = &report.target.key {
                        write!(out, ",key=\"{key}\"")?;
                    }
                    for (label, value) in labels {
                        write!(out, ",{label}=\"{}\"", escaped(&value))?;
                    }
                    writeln!(out, "}} {value}")?;
                }
            }
        }
        Ok(())
    }

    fn without_commands<'t>(&self, written: &'t str) -> Cow<'t, str> {
        without_commands(written, false)
    }
}

/// The value of a label, fit to stand in quotes.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::super::place::is_known;
    use super::super::sample;
    use super::*;

    fn written(reports: &[Report]) -> String {
        let mut out = Vec::new();
        Prometheus.write(reports, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_gauge_has_its_samples_together() {
        let text = written(&[sample::hostile(), sample::clean()]);
        let mut open = None;
        let mut seen = Vec::new();
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let name = help.split(' ').next().unwrap();
                assert!(!seen.contains(&name), "{name} is there twice");
                seen.push(name);
                open = Some(name);
            } else if !line.starts_with('#') {
                let (name, rest) = line.split_once('{').unwrap();
                assert_eq!(Some(name), open);
                let (labels, value) = rest.rsplit_once("} ").unwrap();
                assert!(labels.starts_with("target=\"") && labels.ends_with('"'), "{line}");
                value.parse::<u64>().unwrap();
            }
        }
        assert_eq!(seen.len(), GAUGES.len());
    }

    #[test]
    fn what_is_known_is_counted_apart() {
        let mut report = sample::hostile();
        let known = report.findings.iter().filter(|finding| is_known(finding)).count();
        let all = report.findings.len();
        "a \"b\"\\\nc".clone_into(report.target.id.get_or_insert_default());
        let text = written(&[report]);
        let value = |start: &str| -> usize {
            let line = text.lines().find(|line| line.starts_with(start)).unwrap();
            line.rsplit(' ').next().unwrap().parse().unwrap()
        };
        let of = "target=\"a \\\"b\\\"\\\\\\nc\"";
        let open: usize = ["critical", "warn", "info"]
            .iter()
            .map(|severity| value(&format!("chitin_findings{{{of},severity=\"{severity}\"")))
            .sum();
        assert_eq!(
            (open, value(&format!("chitin_findings_set_aside{{{of},by=\"baseline\""))),
            (all - known, known)
        );
    }
}
