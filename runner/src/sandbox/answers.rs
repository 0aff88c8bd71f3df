//! Answers of built-in policies that are known already. A policy is a function of its input and of what the runner tells it when it asks:
//! one that asked nothing answers the same input the same. What a policy is given has no secret in it, and so have the keys here.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::bindings::policy::chitin::policy::input::Input;
use super::types;

/// Most answers that are kept: some 16 MiB, if all were as long as they may be.
const MAX_ANSWERS: usize = 1_000;

/// The longest input, and the longest answer, in bytes.
const MAX_TEXT: usize = 8 << 10;

/// Answers of built-in policies by their keys.
#[derive(Default)]
pub(super) struct Answers(HashMap<String, types::Answer>);

/// All that decides what a policy answers that asks nothing; none where that is too long to be kept.
pub(super) fn key(policy: usize, input: &Input) -> Option<String> {
    let Input { config, release, problems, views, environment, withheld, platform, permissions, deep, now } =
        input;
    if config.len() > MAX_TEXT {
        return None;
    }
    let mut key = String::with_capacity(config.len() + 256);
    // Writing to a text does not fail.
    let _ = write!(
        key,
        "{policy} {deep} {now} {release:?} {permissions:?} {platform:?} {withheld:?} {environment:?} "
    );
    let _ = write!(key, "{views:?} {problems:?} {config}");
    (key.len() <= MAX_TEXT).then_some(key)
}

impl Answers {
    pub(super) fn get(&self, key: &str) -> Option<types::Answer> {
        self.0.get(key).cloned()
    }

    /// Keeps the answer of a policy that asked nothing.
    pub(super) fn keep(&mut self, key: String, answer: &types::Answer) {
        let types::Answer { findings, unassessed } = answer;
        if format!("{findings:?}{unassessed:?}").len() > MAX_TEXT {
            return;
        }
        // The time is part of each key, so that what is old serves nobody.
        if self.0.len() >= MAX_ANSWERS {
            self.0.clear();
        }
        self.0.insert(key, answer.clone());
    }
}
