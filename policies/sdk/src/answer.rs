//! What a policy answers: findings, and the checks that it could not assess.

use crate::{Answer, Finding, Hidden, Location, Reason, Unassessed};

/// Most reasons why one check is open. One leaves it open as well as a thousand, and the runner refuses an answer that has
/// 100 for each check of the manifest, of which one can stand for 18 channels.
const MAX_REASONS: usize = 5;

/// Why a verdict could not be reached. `?` passes it on, from what needs a value to the check that it is about, which
/// [`Answer::check`] notes as not assessed.
#[derive(Clone, Debug, PartialEq)]
pub struct NotAssessed {
    /// Why.
    pub reason: Reason,
    /// What stands in the way.
    pub location: Option<Location>,
}

impl NotAssessed {
    /// The verdict depends on a value that is hidden.
    #[must_use]
    pub fn hidden(hidden: Hidden, location: Location) -> Self {
        Self { reason: Reason::Hidden(hidden), location: Some(location) }
    }

    /// It needs a capability that the operator did not grant, by its name: `stat:state/agents`.
    #[must_use]
    pub fn withheld(capability: impl Into<String>) -> Self {
        Self { reason: Reason::Withheld(capability.into()), location: None }
    }

    /// What it is about is elsewhere, and is not here to be judged.
    #[must_use]
    pub fn absent(what: impl Into<String>) -> Self {
        Self { reason: Reason::Absent(what.into()), location: None }
    }

    /// What it needs could not be looked at.
    #[must_use]
    pub fn unreadable(why: impl Into<String>) -> Self {
        Self { reason: Reason::Unreadable(why.into()), location: None }
    }

    /// What it needs is larger than is taken.
    #[must_use]
    pub fn limit(name: impl Into<String>) -> Self {
        Self { reason: Reason::Limit(name.into()), location: None }
    }

    /// What it needs was looked at and is not understood.
    #[must_use]
    pub fn not_understood(why: impl Into<String>) -> Self {
        Self { reason: Reason::NotUnderstood(why.into()), location: None }
    }

    /// The same with its place, where it has none yet.
    #[must_use]
    pub fn at(mut self, location: Location) -> Self {
        self.location.get_or_insert(location);
        self
    }
}

/// One of them holds: one that is known to hold decides, else one that is not known leaves it open.
///
/// # Errors
/// Why it is open.
pub fn any(conditions: impl IntoIterator<Item = Result<bool, NotAssessed>>) -> Result<bool, NotAssessed> {
    decide(conditions, true)
}

/// All of them hold: one that is known not to hold decides, else one that is not known leaves it open.
///
/// # Errors
/// Why it is open.
pub fn all(conditions: impl IntoIterator<Item = Result<bool, NotAssessed>>) -> Result<bool, NotAssessed> {
    decide(conditions, false)
}

fn decide(
    conditions: impl IntoIterator<Item = Result<bool, NotAssessed>>,
    decisive: bool,
) -> Result<bool, NotAssessed> {
    let mut open = None;
    for condition in conditions {
        match condition {
            Ok(holds) if holds == decisive => return Ok(decisive),
            Ok(_) => {}
            Err(reason) => open = open.or(Some(reason)),
        }
    }
    open.map_or(Ok(!decisive), Err)
}

impl Answer {
    /// Nothing found, and everything looked at.
    #[must_use]
    pub fn new() -> Self {
        Self { findings: Vec::new(), unassessed: Vec::new() }
    }

    /// Adds what a check gave: its findings, of which there may be none, or why it has no verdict. A check that judges
    /// several things one by one is added once for each, so that one of them that is hidden costs the others nothing.
    pub fn check<F>(&mut self, id: &str, verdict: Result<F, NotAssessed>)
    where
        F: IntoIterator<Item = Finding>,
    {
        match verdict {
            Ok(findings) => self.findings.extend(findings),
            Err(reason) => self.leave_open(id, reason),
        }
    }

    /// Adds what several checks that are judged together gave. Where there is no verdict, none of them has one.
    pub fn checks<F>(&mut self, ids: &[&str], verdict: Result<F, NotAssessed>)
    where
        F: IntoIterator<Item = Finding>,
    {
        match verdict {
            Ok(findings) => self.findings.extend(findings),
            Err(reason) => ids.iter().for_each(|id| self.leave_open(id, reason.clone())),
        }
    }

    /// Notes that a check was not assessed, or not in full. Of many reasons the first ones stay.
    pub fn leave_open(&mut self, id: &str, reason: NotAssessed) {
        let NotAssessed { reason, location } = reason;
        let open = Unassessed { check_id: id.to_owned(), reason, location };
        let known = self.unassessed.iter().filter(|known| known.check_id == id);
        // Several accounts can depend on one hidden value.
        if known.clone().count() < MAX_REASONS && !known.clone().any(|known| *known == open) {
            self.unassessed.push(open);
        }
    }
}

impl Default for Answer {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::info;

    #[test]
    fn a_check_that_has_no_verdict_costs_the_others_nothing() {
        let mut answer = Answer::new();
        answer.check("a", Ok([info("a", "title")]));
        answer.check("b", Err::<Vec<Finding>, _>(NotAssessed::withheld("config:/x")));
        answer.checks(&["b", "c"], Err::<Vec<Finding>, _>(NotAssessed::withheld("config:/x")));
        let open: Vec<&str> = answer.unassessed.iter().map(|open| open.check_id.as_str()).collect();
        assert_eq!((answer.findings.len(), open), (1, vec!["b", "c"]));
    }

    #[test]
    fn a_check_is_open_for_few_reasons() {
        let mut answer = Answer::new();
        for number in 0..100 {
            answer.leave_open("a", NotAssessed::withheld(number.to_string()));
            answer.leave_open("b", NotAssessed::withheld("x"));
        }
        let of = |id: &str| answer.unassessed.iter().filter(|open| open.check_id == id).count();
        assert_eq!((of("a"), of("b")), (MAX_REASONS, 1));
    }

    #[test]
    fn the_first_place_stays() {
        let place = |text: &str| Location::Config(text.to_owned());
        let reason = NotAssessed::absent("x").at(place("/a")).at(place("/b"));
        assert_eq!(reason.location, Some(place("/a")));
    }

    #[test]
    fn what_is_known_decides_before_what_is_not() {
        let open = || NotAssessed::withheld("x");
        assert_eq!(any([Err(open()), Ok(true)]), Ok(true));
        assert_eq!(any([Ok(false), Err(open())]), Err(open()));
        assert_eq!(any([Ok(false)]), Ok(false));
        assert_eq!(all([Err(open()), Ok(false)]), Ok(false));
        assert_eq!(all([Ok(true), Err(open())]), Err(open()));
        assert_eq!(all([Ok(true)]), Ok(true));
    }
}
