//! expect: trapped: the policy called exit
//!
//! Ends the process with success, as if the audit were over and clean.
#![allow(clippy::exit, reason = "this is the attack")]

use chitin_hostile::{Input, Verdict, guest};

fn audit(_: Input) -> Verdict {
    std::process::exit(0)
}

guest!(audit);
