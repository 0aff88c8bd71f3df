//! expect: refused: it names "moon/", in a view that it was not given
//!
//! Names an object in a view that does not exist.

use chitin_hostile::{Input, Verdict, guest, harmless, path, say};

fn audit(_: Input) -> Verdict {
    say(vec![harmless().at_object(&path("moon", ""))])
}

guest!(audit, "files = [\"stat:state\"]");
