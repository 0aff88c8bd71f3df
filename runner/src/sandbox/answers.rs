//! Answers of built-in policies that are known already. A policy is a function of its input and of what the runner tells it when it asks.
//! A run is a chain of steps: from the input follows what it asks first, from that and what it is told what it asks next, and in the end
//! the answer. Where another target has the same input, the runner asks that target what the policy would ask, and takes the answer only
//! where every step was told the same. So nothing goes from one target to another that the other one would not have said itself.
//!
//! A step is known by a digest of all that came before it. No secret is in one: of a hidden value a policy is told lengths and kinds of
//! characters, and which of those that it asked for are equal.

use std::collections::HashMap;
use std::fmt::{self, Debug, Write as _};
use std::sync::{Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use super::bindings::policy::chitin::policy::input::Input;
use super::bindings::policy::chitin::policy::{secrets, state};
use super::host::HostState;
use super::types;

/// Most bytes of questions and answers that are kept.
const MAX_BYTES: usize = 8 << 20;

/// The longest answer that is kept, and the longest that a policy may be told in one step of a run that is kept, in bytes.
const MAX_TEXT: usize = 8 << 10;

/// Most bytes of questions and of what was told in such a run.
const MAX_TRANSCRIPT: usize = 64 << 10;

/// A call of an import that can be made again, about another target.
#[derive(Clone, Debug)]
pub(super) enum Question {
    Stat(types::Path),
    Resolve(types::Path),
    List(types::Path),
    Read(types::Path, u32),
    Walk(types::Path, state::WalkOptions),
    Secret(secrets::Subject),
    Literals(String),
    Display(String),
    Rows { table: String, columns: Vec<String>, start: u32, max: u32 },
}

/// The calls of a run with their results as text, as far as they are kept.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    asked: Vec<(Question, String)>,
    bytes: usize,
}

/// The next step of a run: its next call, or its answer.
enum Step {
    Asks(Question),
    Answers(types::Answer),
}

/// A digest of a run so far: its policy, its input, and the result of each call.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 32]);

/// Steps of built-in policies.
#[derive(Default)]
pub(super) struct Answers {
    steps: HashMap<Key, Step>,
    bytes: usize,
}

struct Digest(Sha256);

impl fmt::Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text);
        Ok(())
    }
}

impl Key {
    /// The key of a run that has made no call yet.
    pub(super) fn new(policy: usize, input: &Input) -> Self {
        let Input {
            config,
            release,
            problems,
            views,
            environment,
            withheld,
            platform,
            permissions,
            deep,
            now,
        } = input;
        let mut digest = Digest(Sha256::new());
        // A digest takes all.
        let _ = write!(
            digest,
            "{policy} {deep} {now} {release:?} {permissions:?} {platform:?} {withheld:?} {environment:?} {views:?} \
             {problems:?} {config}"
        );
        Self(digest.0.finalize().into())
    }

    /// The key of the same run behind one more call, with this result.
    fn then(self, told: &str) -> Self {
        Self(Sha256::new().chain_update(self.0).chain_update(told).finalize().into())
    }
}

impl Transcript {
    /// Adds a question and what was told, unless that is too long to be kept, or the run is.
    pub(super) fn add(&mut self, question: impl FnOnce() -> Question, told: &impl Debug) {
        if self.bytes > MAX_TRANSCRIPT {
            return;
        }
        if let Some(told) = short(told) {
            let question = question();
            self.bytes += told.len() + size_of_question(&question);
            self.asked.push((question, told));
        }
    }

    /// It has each of so many calls.
    pub(super) fn is_whole(&self, calls: u64) -> bool {
        self.asked.len() as u64 == calls
    }
}

/// A result as text; none where it is too long to be kept.
pub(super) fn short(told: &impl Debug) -> Option<String> {
    struct Short(String);
    impl fmt::Write for Short {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            if self.0.len() + text.len() > MAX_TEXT {
                return Err(fmt::Error);
            }
            self.0.push_str(text);
            Ok(())
        }
    }
    let mut text = Short(String::new());
    write!(text, "{told:?}").ok().map(|()| text.0)
}

fn size_of_question(question: &Question) -> usize {
    size_of::<(Key, Step)>() + format!("{question:?}").len()
}

/// The answer of a run, by what is known of it and what its target says; none where that is not known.
pub(super) fn recall(answers: &Mutex<Answers>, mut key: Key, state: &mut HostState) -> Option<types::Answer> {
    loop {
        // Nobody waits for another one's file system.
        let question = match answers.lock().unwrap_or_else(PoisonError::into_inner).steps.get(&key)? {
            Step::Answers(answer) => return Some(answer.clone()),
            Step::Asks(question) => question.clone(),
        };
        // A limit that ends this call ends the policy's own run, too.
        key = key.then(&state.ask(&question).ok()??);
    }
}

impl Answers {
    /// Keeps a run.
    pub(super) fn keep(&mut self, mut key: Key, transcript: Transcript, answer: &types::Answer) {
        let Some(text) = short(answer) else { return };
        if self.bytes > MAX_BYTES {
            *self = Self::default();
        }
        self.bytes += transcript.bytes + text.len() + size_of::<(Key, Step)>();
        for (question, told) in transcript.asked {
            self.steps.insert(key, Step::Asks(question));
            key = key.then(&told);
        }
        self.steps.insert(key, Step::Answers(answer.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> Key {
        Key([0; 32]).then(&number.to_string())
    }

    fn question() -> Question {
        Question::Display("state".to_owned())
    }

    fn transcript(told: &[&str]) -> Transcript {
        let mut transcript = Transcript::default();
        for told in told {
            transcript.add(question, told);
        }
        transcript
    }

    #[test]
    fn a_run_that_was_told_much_is_not_kept() {
        assert!(transcript(&["a", "b"]).is_whole(2));
        let long = "x".repeat(MAX_TEXT);
        assert!(!transcript(&["a", &long]).is_whole(2), "one step was too long");
        let many: Vec<&str> = vec!["x"; MAX_TRANSCRIPT];
        let run = transcript(&many);
        assert!(!run.is_whole(many.len() as u64) && run.bytes < MAX_TRANSCRIPT + MAX_TEXT);
    }

    #[test]
    fn what_is_kept_has_an_end() {
        let (mut answers, told) = (Answers::default(), "x".repeat(MAX_TEXT / 2));
        let answer = types::Answer { findings: Vec::new(), unassessed: Vec::new() };
        let mut most = 0;
        for number in 0..2 * MAX_BYTES / MAX_TEXT {
            answers.keep(key(number), transcript(&[&told, &told]), &answer);
            most = most.max(answers.bytes);
        }
        assert!((MAX_BYTES..MAX_BYTES + 2 * MAX_TEXT).contains(&most), "{most}");
        assert!(answers.bytes < MAX_BYTES, "it began anew");
        let before = answers.steps.len();
        let reason = types::Reason::Unreadable("x".repeat(MAX_TEXT));
        let open = types::Unassessed { check_id: String::new(), reason, location: None };
        answers.keep(key(0), Transcript::default(), &types::Answer { unassessed: vec![open], ..answer });
        assert_eq!(answers.steps.len(), before, "a long answer is given anew each time");
    }
}
