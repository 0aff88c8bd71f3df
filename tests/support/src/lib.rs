//! The hostile guests, built and listed for the runner's tests. The list is generated, so that a guest without a test
//! does not compile.

/// A guest.
#[derive(Clone, Copy, Debug)]
pub struct Guest {
    /// The name of its file, and of its test.
    pub name: &'static str,
    /// Its component.
    pub component: &'static str,
    /// The words with which the runner stops it; "no failure" where it may finish.
    pub expect: &'static str,
}

include!(concat!(env!("OUT_DIR"), "/guests.rs"));

/// The guest of this name.
///
/// # Panics
/// Where there is none.
#[must_use]
#[allow(clippy::panic, reason = "a test that names a guest wrongly must stop")]
pub fn guest(name: &str) -> Guest {
    let found = GUESTS.iter().find(|guest| guest.name == name);
    *found.unwrap_or_else(|| panic!("there is no guest {name} in tests/hostile/guests"))
}
