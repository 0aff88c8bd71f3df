//! The hostile guests, and the built-in policies as strangers' components, built and listed for the runner's tests. The list is generated, so that a guest without a test
//! does not compile. Beside them, a sigstore for tests.

pub mod sigstore;

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

/// The component of a guest under another policy id, and with the check ids that go with it. The id is as long as
/// "hostile": it takes the place of that word everywhere.
///
/// # Panics
/// Where it is not as long, or the component cannot be read.
#[must_use]
#[allow(
    clippy::panic,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test that is set up wrongly must stop"
)]
pub fn renamed(guest: Guest, id: &str) -> Vec<u8> {
    const NAME: &[u8] = b"hostile";
    assert_eq!(id.len(), NAME.len(), "{id}");
    let mut component = std::fs::read(guest.component).expect("the guest was built");
    let places: Vec<usize> = component
        .windows(NAME.len())
        .enumerate()
        .filter(|(_, text)| *text == NAME)
        .map(|(at, _)| at)
        .collect();
    for at in places {
        for (byte, new) in component.iter_mut().skip(at).zip(id.bytes()) {
            *byte = new;
        }
    }
    component
}

/// A component that says this of itself, and has one finding, `hostile.finding`.
///
/// # Panics
/// Where the guest cannot be read.
#[must_use]
pub fn with_manifest(manifest: &str) -> Vec<u8> {
    manifested(guest("has_no_manifest"), manifest)
}

/// The component of a guest that has no manifest, with this one.
///
/// # Panics
/// Where the guest cannot be read.
#[must_use]
#[allow(clippy::expect_used, clippy::disallowed_methods, reason = "a test that is set up wrongly must stop")]
pub fn manifested(guest: Guest, manifest: &str) -> Vec<u8> {
    const NAME: &[u8] = b"chitin-manifest";
    let mut component = std::fs::read(guest.component).expect("the guest was built");
    let body = [&[u8::try_from(NAME.len()).expect("it is short")], NAME, manifest.as_bytes()].concat();
    component.push(0);
    let mut length = body.len();
    while length >= 0x80 {
        component.push(u8::try_from(length & 0x7f).expect("seven bits") | 0x80);
        length >>= 7;
    }
    component.push(u8::try_from(length).expect("seven bits"));
    component.extend(body);
    component
}
