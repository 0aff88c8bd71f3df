//! How long sessions are kept, how much of them, and sizes elsewhere.

use serde_json::Value;

use crate::config::release::{NEWER_STRUCTURE, Release};
use crate::config::rules::Judge;
use crate::config::rules::forms::{duration, size};
use crate::config::rules::spot::Spot;

/// A text or a number as text.
fn written(spot: &Spot<'_>) -> Option<String> {
    match spot.value {
        Value::Number(number) => Some(number.to_string()),
        _ => spot.text().map(str::to_owned),
    }
}

/// Times that sessions are kept for are durations.
pub(super) fn durations(judge: &mut Judge<'_>) {
    let Some(maintenance) = judge.at("session/maintenance") else { return };
    let composed = judge.takes_composed_durations();
    // Before, it was enough to be a duration.
    let must_be_positive = judge.release >= NEWER_STRUCTURE;
    for key in ["pruneAfter", "archiveDashboardAfter", "preserveRecent", "resetArchiveRetention"] {
        let Some(spot) = maintenance.get(key) else { continue };
        let is_none = key == "archiveDashboardAfter" && spot.value.as_f64() == Some(0.0);
        let Some(text) = written(&spot).filter(|_| !is_none) else { continue };
        let fits = duration(&text, "d", composed).is_some_and(|length| length > 0.0 || !must_be_positive);
        if !fits {
            let message = if must_be_positive {
                "The age must be a duration above 0 such as 30d (ms, s, m, h or d)."
            } else {
                "The age must be a duration such as 30d."
            };
            judge.refuse(spot.pointer, message);
        }
    }
}

/// The first release of which it is not known that it judges `rotateBytes`.
const ROTATE_FREE: Release = Release::new(2026, 4, 29);

/// Limits on the size of sessions are sizes.
pub(super) fn sizes(judge: &mut Judge<'_>) {
    let Some(maintenance) = judge.at("session/maintenance") else { return };
    for key in ["rotateBytes", "maxDiskBytes", "highWaterBytes"] {
        let Some(spot) = maintenance.get(key) else { continue };
        // Run: 2026.5.28 and 2026.7.35 take any text, 2026.2.19 does not; the key is gone later.
        let is_free = key == "rotateBytes" && judge.release >= ROTATE_FREE;
        if !is_free && written(&spot).is_some_and(|text| size(&text).is_none()) {
            judge.refuse(spot.pointer, "The size must be a number of bytes such as 10mb.");
        }
    }
}

/// The time that sessions of jobs are kept for is a duration.
pub(super) fn cron_retention(judge: &mut Judge<'_>) {
    let Some(spot) = judge.at("cron/sessionRetention") else { return };
    let composed = judge.takes_composed_durations();
    if written(&spot).is_some_and(|text| duration(&text, "h", composed).is_none()) {
        judge.refuse(spot.pointer, "The age must be false or a duration such as 24h (ms, s, m, h or d).");
    }
}

/// The size at which the log of jobs is cut is a size.
pub(super) fn cron_log(judge: &mut Judge<'_>) {
    let Some(spot) = judge.at("cron/runLog/maxBytes") else { return };
    if written(&spot).is_some_and(|text| size(&text).is_none()) {
        judge.refuse(spot.pointer, "The size must be a number of bytes such as 2mb.");
    }
}

/// The size at which a conversation is shortened is a size.
pub(super) fn compaction(judge: &mut Judge<'_>) {
    let Some(compaction) = judge.at("agents/defaults/compaction") else { return };
    for path in ["maxActiveTranscriptBytes", "memoryFlush/forceFlushTranscriptBytes"] {
        let Some(spot) = compaction.at(path) else { continue };
        if spot.text().is_some_and(|text| size(text).is_none()) {
            judge.refuse(spot.pointer, "The size must be a number of bytes such as 2mb.");
        }
    }
}

/// First release whose durations can have several parts, as in `1h30m`.
pub(super) const COMPOSED_SINCE: Release = Release::new(2026, 2, 23);
