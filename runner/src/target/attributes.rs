//! Extended attributes and access lists of an object that is held by its handle: read, compared, carried over.
//!
//! The kernel keeps a POSIX access list in one attribute: a version, then entries of tag, permissions and account. Where
//! there is one, the group bits of the mode are its mask, the most that named accounts and groups get of it. So a mode
//! that loses bits narrows it, and a mode that gets them back restores it exactly.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fremovexattr, fsetxattr};
use rustix::io::Errno;

/// The attribute that holds an object's access list.
pub const ACCESS: &[u8] = b"system.posix_acl_access";

/// The longest list of names, and the longest value, that Linux allows.
const MAX_BYTES: usize = 64 << 10;
/// Version of the access list's form.
const ACL_VERSION: [u8; 4] = 2_u32.to_le_bytes();
/// Bytes of one entry.
const ACL_ENTRY: usize = 8;

/// Names and values.
pub type Attributes = BTreeMap<Vec<u8>, Vec<u8>>;

/// All attributes of an object that this account can see; none where the file system has none.
///
/// # Errors
/// What the system says.
pub fn read(object: impl AsFd) -> Result<Attributes, Errno> {
    let mut names = vec![0; MAX_BYTES];
    let length = match flistxattr(&object, names.as_mut_slice()) {
        Ok(length) => length,
        Err(Errno::NOTSUP | Errno::NOSYS) => return Ok(Attributes::new()),
        Err(errno) => return Err(errno),
    };
    names.truncate(length);
    let mut all = Attributes::new();
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        if let Some(value) = value(&object, name)? {
            all.insert(name.to_vec(), value);
        }
    }
    Ok(all)
}

/// The access list of an object; none where its mode says it all.
///
/// # Errors
/// What the system says.
pub fn access(object: &OwnedFd) -> Result<Option<Vec<u8>>, Errno> {
    value(object, ACCESS)
}

fn value(object: impl AsFd, name: &[u8]) -> Result<Option<Vec<u8>>, Errno> {
    // Most lists and labels are short; only where one is not is there a second call.
    let mut short = [0; 256];
    match fgetxattr(&object, name, &mut short[..]) {
        Ok(length) => Ok(short.get(..length).map(<[u8]>::to_vec)),
        Err(Errno::NODATA | Errno::NOTSUP | Errno::NOSYS) => Ok(None),
        Err(Errno::RANGE) => {
            let mut long = vec![0; MAX_BYTES];
            let length = fgetxattr(&object, name, long.as_mut_slice())?;
            long.truncate(length);
            Ok(Some(long))
        }
        Err(errno) => Err(errno),
    }
}

/// The attributes that an object has once it has this mode.
#[must_use]
pub fn with_mode(attributes: &Attributes, mode: u32) -> Attributes {
    let mut all = attributes.clone();
    if let Some(list) = all.get_mut(ACCESS) {
        *list = access_with_mode(list, mode);
    }
    all
}

/// What becomes of an access list where the object gets a mode. One of an unknown form stays as it is.
#[must_use]
pub fn access_with_mode(list: &[u8], mode: u32) -> Vec<u8> {
    const OWNER: u16 = 0x01;
    const GROUP: u16 = 0x04;
    const MASK: u16 = 0x10;
    const OTHERS: u16 = 0x20;
    let mut list = list.to_vec();
    let Some((version, entries)) = list.split_at_mut_checked(ACL_VERSION.len()) else { return list };
    if *version != ACL_VERSION {
        return list;
    }
    let tag = |entry: &[u8]| match entry {
        [low, high, ..] => u16::from_le_bytes([*low, *high]),
        _ => 0,
    };
    let has_mask = entries.chunks_exact(ACL_ENTRY).any(|entry| tag(entry) == MASK);
    for entry in entries.chunks_exact_mut(ACL_ENTRY) {
        let shift = match tag(entry) {
            OWNER => 6,
            MASK => 3,
            GROUP if !has_mask => 3,
            OTHERS => 0,
            _ => continue,
        };
        if let [_, _, low, high, ..] = entry {
            [*low, *high] = (((mode >> shift) & 7) as u16).to_le_bytes();
        }
    }
    list
}

/// Takes from a new object what it got from its folder and the old one does not have: a folder's default access list.
///
/// # Errors
/// What the system says.
pub fn strip(new: &OwnedFd, old: &Attributes) -> Result<(), Errno> {
    for name in read(new)?.keys().filter(|name| !old.contains_key(*name)) {
        fremovexattr(new, name.as_slice())?;
    }
    Ok(())
}

/// Gives a new object the attributes of the old one.
///
/// # Errors
/// What the system says, for example to an account that may not set a label.
pub fn carry_over(new: &OwnedFd, old: &Attributes) -> Result<(), Errno> {
    let has = read(new)?;
    for (name, value) in old.iter().filter(|(name, value)| has.get(*name) != Some(*value)) {
        fsetxattr(new, name.as_slice(), value, XattrFlags::empty())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let mut bytes = ACL_VERSION.to_vec();
        for (tag, permissions, account) in entries {
            bytes.extend(tag.to_le_bytes());
            bytes.extend(permissions.to_le_bytes());
            bytes.extend(account.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn a_mode_is_the_owners_part_the_mask_and_the_others_part() {
        let with = |owner, group, mask, others| {
            list(&[(1, owner, !0), (2, 4, 1234), (4, group, !0), (0x10, mask, !0), (0x20, others, !0)])
        };
        assert_eq!(access_with_mode(&with(7, 5, 5, 4), 0o600), with(6, 5, 0, 0));
        assert_eq!(access_with_mode(&with(6, 5, 0, 0), 0o754), with(7, 5, 5, 4));
        let without = |group| list(&[(1, 6, !0), (4, group, !0), (0x20, 0, !0)]);
        assert_eq!(access_with_mode(&without(4), 0o600), without(0));
    }

    #[test]
    fn a_list_of_another_form_stays_as_it_is() {
        for odd in [&b""[..], b"\x02", b"\x03\0\0\0\x01\0\x07\0\0\0\0\0", b"\x02\0\0\0\x01\0\x07"] {
            assert_eq!(access_with_mode(odd, 0), odd);
        }
    }
}
