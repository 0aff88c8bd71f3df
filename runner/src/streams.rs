//! Whether standard output was open when the process began. Before `main`, the Rust runtime opens `/dev/null` in place of a
//! standard stream that is closed, so that a report would be lost there without a word. Only what runs before the runtime
//! can see it, and for that the language wants `unsafe`.

use std::sync::atomic::{AtomicBool, Ordering};

static CLOSED: AtomicBool = AtomicBool::new(false);

/// Standard output was closed by the one who started the process.
pub(crate) fn output_was_closed() -> bool {
    CLOSED.load(Ordering::Relaxed)
}

#[cfg(target_os = "linux")]
mod early {
    #![allow(unsafe_code, reason = "neither a section's name nor a bare descriptor can be given otherwise")]

    use std::os::fd::BorrowedFd;
    use std::sync::atomic::Ordering;

    use rustix::io::{Errno, fcntl_getfd};

    // SAFETY: the C runtime calls each pointer in this section once, before `main`, with the C calling convention. `look`
    // has that convention, makes one system call and sets a flag: it needs nothing of the Rust runtime.
    #[unsafe(link_section = ".init_array")]
    #[used]
    static LOOK: extern "C" fn() = look;

    extern "C" fn look() {
        // SAFETY: the number is none that stands for "no descriptor", nothing else runs yet that could close it, and it is
        // only asked whether it is open.
        let output = unsafe { BorrowedFd::borrow_raw(1) };
        super::CLOSED.store(fcntl_getfd(output) == Err(Errno::BADF), Ordering::Relaxed);
    }
}
