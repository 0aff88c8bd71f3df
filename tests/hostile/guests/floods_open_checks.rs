//! expect: unassessed limit: 100 allowed, 101 given
//!
//! Leaves one check open too often.

use chitin_hostile::{Answer, CHECK, Input, NotAssessed, Verdict, guest};

fn audit(_: Input) -> Verdict {
    let mut answer = Answer::new();
    answer.leave_open(CHECK, NotAssessed::absent("a thing"));
    // The guest library would keep a few.
    let open = answer.unassessed.clone();
    answer.unassessed = open.into_iter().cycle().take(101).collect();
    Ok(answer)
}

guest!(audit);
