//! What becomes of a system call that a profile does not allow: it is not carried out, the process says which one it was, and
//! ends.

#![allow(unsafe_code, reason = "only a signal handler learns which system call was refused")]

use std::sync::atomic::{AtomicBool, Ordering};

/// The exit status of a process that was ended so: 128 and the number of the signal, as shells count.
pub const STATUS: i32 = 128 + libc::SIGSYS;

/// What stands before the number.
const WORDS: &[u8] = b"chitin: refused system call ";

/// The number of the refused system call that a process named in its last words.
#[must_use]
pub fn call_in(words: &str) -> Option<i32> {
    let text = std::str::from_utf8(WORDS).unwrap_or_default();
    words.lines().rev().find_map(|line| line.strip_prefix(text)?.trim().parse().ok())
}

/// Installs the handler, once.
pub(super) fn install() {
    static DONE: AtomicBool = AtomicBool::new(false);
    if DONE.swap(true, Ordering::Relaxed) {
        return;
    }
    // SAFETY: the structure is plain data, and all zeroes are a valid value of it. The handler has the convention that
    // SA_SIGINFO asks for, and does nothing but `write` and `_exit`, which signal handlers may call.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = told;
        action.sa_sigaction = handler as usize;
        action.sa_flags = libc::SA_SIGINFO;
        // Where it cannot be installed the signal ends the process, too.
        libc::sigaction(libc::SIGSYS, &raw const action, std::ptr::null_mut());
    }
}

/// Where the number stands in what the kernel tells of the signal: behind the signal's own three numbers, padded to eight
/// bytes, and the address of the call.
#[cfg(target_pointer_width = "64")]
const NUMBER_AT: usize = 24;

extern "C" fn told(_signal: libc::c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: the kernel gives a whole `siginfo_t`, which is 128 bytes long; the number of a SIGSYS lies in it, aligned.
    let number = unsafe { info.byte_add(NUMBER_AT).cast::<i32>().read() };
    let mut text = [0; 48];
    let mut length = 0;
    let mut digits = [0; 10];
    let mut count = 0;
    let mut left = number.unsigned_abs();
    loop {
        if let Some(place) = digits.get_mut(count) {
            *place = b'0' + u8::try_from(left % 10).unwrap_or(0);
        }
        count += 1;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    let digits = digits.iter().take(count).rev();
    for byte in WORDS.iter().chain(digits).chain(b"\n") {
        if let Some(place) = text.get_mut(length) {
            *place = *byte;
            length += 1;
        }
    }
    // SAFETY: the text is that long, and descriptor 2 takes it or does not. Nothing runs behind `_exit`.
    unsafe {
        let _ = libc::write(2, text.as_ptr().cast(), length);
        libc::_exit(STATUS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_name_the_call() {
        assert_eq!(call_in("a panic\nchitin: refused system call 41\n"), Some(41));
        assert_eq!(call_in("chitin: refused system call x\n"), None);
        assert_eq!(call_in(""), None);
    }
}
