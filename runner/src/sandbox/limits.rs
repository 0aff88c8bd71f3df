//! What one run of a policy may use. Every limit has a name; who hits it is told the limit and the actual.

use std::time::Duration;

/// Limits of one policy run.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Linear memory of all instances together, in bytes.
    pub memory: usize,
    /// Elements of each table.
    pub table_elements: usize,
    /// Core instances, memories and tables, each.
    pub instances: usize,
    /// Instructions, roughly; decides before the time, so that a verdict does not depend on a busy machine.
    pub fuel: u64,
    /// Processor time behind the fuel: what a policy makes the runner do costs it no fuel, during the run and when its
    /// answer is looked at. Not the time on the wall, so that it does not decide before the fuel where the machine is busy.
    /// Where many policies run, each has an equal slice of the audit's, which may be less.
    pub time: Duration,
    /// Calls of imports.
    pub host_calls: u64,
    /// Objects asked for by name; each may be a call of the operating system. Each entry that a listing or a walk has given
    /// adds one, so that what is there can be asked for, however much it is.
    pub looks: u64,
    /// Bytes read from files.
    pub read_bytes: u64,
    /// Directory entries listed.
    pub entries: u64,
    /// Bytes that one call may pass to the runner.
    pub call_bytes: usize,
    /// Live resource handles.
    pub handles: usize,
    /// Findings in one answer.
    pub findings: usize,
    /// Fixes proposed in one answer.
    pub fixes: usize,
    /// Bytes of text in one answer.
    pub text_bytes: usize,
    /// Bytes that the runner keeps of one answer: its texts, and what the runner adds to its places.
    pub answer_bytes: usize,
    /// Bytes of standard output and error that are kept.
    pub log_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            // A large language runtime has some 20,000 functions in its table.
            table_elements: 100_000,
            // The component tools make about five per module.
            instances: 64,
            // One to two seconds of work on the machine this was measured on.
            fuel: 1_000_000_000,
            time: Duration::from_secs(10),
            host_calls: 1_000_000,
            // About two seconds of work for paths of the greatest length.
            looks: 100_000,
            read_bytes: 64 << 20,
            // Four times the largest installation that is known.
            entries: 4_000_000,
            call_bytes: 4 << 20,
            handles: 1_000,
            findings: 1_000,
            // Every transcript of a long-lived agent may need one.
            fixes: 5_000,
            text_bytes: 1 << 20,
            // Some 10,000 places with their paths, or the longest texts and half as many.
            answer_bytes: 2 << 20,
            log_bytes: 64 << 10,
        }
    }
}

/// Bytes that the runner keeps of all answers of one built-in policy, and as much of those of all other policies together:
/// a finding is held some three times until the report is written, so that a tenth of an audit's memory becomes a third.
pub const MAX_ANSWERS_BYTES: usize = 48 << 20;

impl Limits {
    /// The limits of one of so many runs that share the memory for answers.
    #[must_use]
    pub fn shared_by(mut self, runs: usize) -> Self {
        self.answer_bytes = self.answer_bytes.min(MAX_ANSWERS_BYTES / runs.max(1));
        self
    }
}

/// The largest component that is looked at: a Python policy has 18 MB, a JavaScript one 12 MB.
pub const MAX_COMPONENT_BYTES: u64 = 64 << 20;

/// The name of the limit on the process's address space (`ulimit -v`).
pub const ADDRESS_SPACE: &str = "address space";

/// A limit was hit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} limit: {allowed} allowed, {actual}")]
pub struct LimitError {
    /// The name of the limit, for example "memory".
    pub what: &'static str,
    /// What is allowed, with its unit.
    pub allowed: String,
    /// What the policy asked for or did.
    pub actual: String,
}

impl LimitError {
    /// A limit with plain numbers.
    #[allow(clippy::needless_pass_by_value, reason = "numbers and texts alike, at the call as they are")]
    pub fn new(what: &'static str, allowed: impl ToString, actual: impl ToString) -> Self {
        Self { what, allowed: allowed.to_string(), actual: actual.to_string() }
    }

    /// A limit in bytes.
    #[must_use]
    pub fn bytes(what: &'static str, allowed: usize, asked: usize) -> Self {
        Self::new(what, bytes(allowed), format!("{} asked for", bytes(asked)))
    }
}

/// A number of bytes in the largest unit that keeps it exact.
#[must_use]
pub fn bytes(number: usize) -> String {
    match number {
        0 => "0 bytes".to_owned(),
        n if n % (1 << 20) == 0 => format!("{} MiB", n >> 20),
        n if n % (1 << 10) == 0 => format!("{} KiB", n >> 10),
        n => format!("{n} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_names_itself_the_limit_and_the_actual() {
        let error = LimitError::bytes("memory", 64 << 20, (64 << 20) + 1);
        assert_eq!(error.to_string(), "memory limit: 64 MiB allowed, 67108865 bytes asked for");
        assert_eq!(bytes(64 << 10), "64 KiB");
    }
}
