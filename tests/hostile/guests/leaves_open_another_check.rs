//! expect: refused: it emits "gateway.bind_no_auth", which its manifest does not declare
//!
//! Says that it could not assess a check of somebody else's.

use chitin_hostile::{Input, NotAssessed, Verdict, guest, leave_open};

fn audit(_: Input) -> Verdict {
    leave_open("gateway.bind_no_auth", NotAssessed::absent("the gateway"))
}

guest!(audit);
