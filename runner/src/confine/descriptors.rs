//! Descriptors that a process was given by whoever started the program: a child of ours has no use for them, and whoever takes
//! it over might.

#![allow(unsafe_code, reason = "descriptors are closed by their numbers")]

/// Closes all but the standard streams. To be called first, while this process has opened nothing itself.
pub fn forget_inherited() {
    const FIRST: libc::c_uint = 3;
    // SAFETY: numbers alone. Nothing in this process owns a descriptor from the first one on: it has just begun.
    if unsafe { libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, 0) } == 0 {
        return;
    }
    // An old kernel. More than so many are open in no process that starts this one.
    for number in 3..4096 {
        // SAFETY: as above.
        unsafe { libc::close(number) };
    }
}
