//! expect: hostile.finding: the policy says that it lacks stat:state, and its manifest does not ask for that, or it was granted it
//!
//! Has all that it declares, and says that the operator withheld something, which would be no failure.

use chitin_hostile::{CHECK, Input, NotAssessed, Verdict, guest, leave_open};

fn audit(_: Input) -> Verdict {
    leave_open(CHECK, NotAssessed::withheld("stat:state"))
}

guest!(audit, "files = [\"stat:state\"]");
