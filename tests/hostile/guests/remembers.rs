//! expect: no failure
//!
//! Keeps what it was told, and tells it the next time.

use std::sync::Mutex;

use chitin_hostile::{Finding, Input, Verdict, guest, harmless, say};

static BEFORE: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn audit(input: Input) -> Verdict {
    let mut before = BEFORE.lock().unwrap();
    before.push(input.config);
    say(vec![Finding { detail: format!("It was told {} times: {before:?}", before.len()), ..harmless() }])
}

guest!(audit, "config = [\"\"]");
