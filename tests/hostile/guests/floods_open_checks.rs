//! expect: unassessed limit: 100 allowed, 101 given
//!
//! Leaves one check open too often.

use chitin_hostile::{Answer, CHECK, Input, NotAssessed, Verdict, guest};

fn audit(_: Input) -> Verdict {
    let mut answer = Answer::new();
    for number in 0..101 {
        answer.leave_open(CHECK, NotAssessed::absent(format!("thing {number}")));
    }
    Ok(answer)
}

guest!(audit);
