//! Random bytes that nobody can guess, wherever the kernel gives them.

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

/// Fills the bytes from the kernel's call or, where that is missing or forbidden, from its device.
///
/// # Errors
/// Where there is neither.
pub fn fill(bytes: &mut [u8]) -> rustix::io::Result<()> {
    if rustix::rand::getrandom(&mut *bytes, rustix::rand::GetRandomFlags::empty()) == Ok(bytes.len()) {
        return Ok(());
    }
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let device = rustix::fs::open("/dev/urandom", flags, Mode::empty())?;
    if FileType::from_raw_mode(rustix::fs::fstat(&device)?.st_mode) != FileType::CharacterDevice {
        return Err(Errno::NOTSUP);
    }
    let length = bytes.len();
    if rustix::io::read(&device, bytes)? == length { Ok(()) } else { Err(Errno::IO) }
}
