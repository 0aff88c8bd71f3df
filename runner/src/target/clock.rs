//! Processor time, by which work is bounded that counts cannot bound: one look may cost thousand times what another does.

use std::time::Duration;

/// Processor time of this thread so far.
#[must_use]
pub fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let part = |number: i64| u64::try_from(number).unwrap_or(0);
    Duration::from_secs(part(time.tv_sec)) + Duration::from_nanos(part(time.tv_nsec))
}
