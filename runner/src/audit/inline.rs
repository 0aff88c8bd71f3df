//! Suppressions in comments of the config that is audited. They are the target's word on itself, so they count only where the operator
//! says so.

use crate::audit::finding::{Finding, Location};
use crate::audit::outlet;
use crate::audit::own::{self, Matter};
use crate::audit::report::{Assessment, Status};
use crate::audit::subject::Subject;
use crate::audit::suppress::{Suppressed, SuppressedBy, Suppression};
use crate::audit::visible;
use crate::config::Said;
use crate::policy::catalog;
use crate::policy::manifest::fits;
use crate::settings::{Day, OWN, SECONDS_OF_A_DAY};

/// A comment that can be understood.
struct Holding {
    file: String,
    line: u32,
    about: u32,
    said: Said,
    until: Option<Day>,
    is_used: bool,
}

/// The findings that remain, with those on the comments themselves, and those that comments take out.
pub(super) fn apply(
    subject: &Subject,
    assessment: &[Assessment],
    findings: Vec<Finding>,
    suppressed: &mut Vec<Suppressed>,
) -> Vec<Finding> {
    let today = subject.now / SECONDS_OF_A_DAY;
    let (mut holding, mut kept) = (Vec::new(), Vec::new());
    for allowance in subject.config.allowances() {
        let Some(file) = subject.config.files.get(allowance.file).map(|file| visible::path(&file.path))
        else {
            continue;
        };
        let place = Location::Text { path: file.clone(), line: allowance.line, column: 1 };
        let understood = allowance.said.and_then(|said| {
            let until = said.until.clone().map(Day::try_from).transpose().ok()?;
            (!said.check.starts_with(OWN) && !said.check.contains('*')).then_some((said, until))
        });
        let Some((said, until)) = understood else {
            let detail = "The comment begins with \"chitin: allow\"; behind it a check id, a day that may be left out, and a reason are due. \
                          It leaves out nothing.";
            kept.push(own::finding(
                Matter::Malformed,
                &format!("{file} {}", allowance.line),
                detail.to_owned(),
                place,
            ));
            continue;
        };
        let said = Said {
            check: outlet::clean_reason(subject, &said.check),
            reason: outlet::clean_reason(subject, &said.reason),
            ..said
        };
        match &until {
            Some(day) if today > day.number => {
                let detail = format!("The comment allows {} until {}: {}", said.check, day.text, said.reason);
                kept.push(own::finding(Matter::Expired, &format!("{file} {}", said.check), detail, place));
            }
            _ => holding.push(Holding {
                file,
                line: allowance.line,
                about: allowance.about,
                said,
                until,
                is_used: false,
            }),
        }
    }
    for finding in findings {
        let is_meant = |one: &&mut Holding| {
            let is_there = |place: &Location| matches!(place, Location::Config { file: Some(file), line, .. } if *file == one.file && *line == one.about);
            one.said.check == finding.check_id && finding.locations.first().is_some_and(is_there)
        };
        match holding.iter_mut().find(is_meant) {
            Some(one) => {
                one.is_used = true;
                let suppression = Suppression {
                    by: SuppressedBy::Comment,
                    reason: Some(one.said.reason.clone()),
                    expires: one.until.as_ref().map(|day| day.text.clone()),
                };
                suppressed.push(Suppressed { finding, suppression });
            }
            None => kept.push(finding),
        }
    }
    for Holding { file, line, said, until, is_used, .. } in holding {
        let is_assessed = |check: &Assessment| {
            fits(&check.check_id, &said.check) && matches!(check.status, Status::Clean | Status::Finding)
        };
        // One that no policy has is misspelt.
        let is_unknown = catalog::of_check(&said.check).is_none()
            && !assessment.iter().any(|check| fits(&check.check_id, &said.check));
        let matter = if is_used { Matter::NoExpiry } else { Matter::Unused };
        let is_matter =
            if is_used { until.is_none() } else { is_unknown || assessment.iter().any(is_assessed) };
        if is_matter {
            let place = Location::Text { path: file.clone(), line, column: 1 };
            let detail = format!("The comment allows {}: {}", said.check, said.reason);
            kept.push(own::finding(matter, &format!("{file} {}", said.check), detail, place));
        }
    }
    kept
}
