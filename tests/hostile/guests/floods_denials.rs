//! expect: inconclusive: 32 long names refused
//!
//! Asks for what it was not given by names of 1 MiB: the list of what was denied must stay readable.

use chitin_hostile::{Input, Verdict, guest, kept_out, path, secrets, state};

fn audit(_: Input) -> Verdict {
    let mut refused = 0;
    for number in 0..16 {
        let name = format!("{number}{}", "x".repeat(1 << 20));
        refused += u32::from(state::stat(&path(&name, "")).is_err());
        refused += u32::from(secrets::inspect(&secrets::Subject::Env(name)).is_err());
    }
    kept_out(format!("{refused} long names refused"))
}

guest!(audit);
