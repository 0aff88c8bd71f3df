//! Versions of policies.

use std::fmt;
use std::str::FromStr;

/// Three numbers. One version has one spelling, so that it can be a tag in a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version([u32; 3]);

impl FromStr for Version {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut numbers = [0; 3];
        let mut parts = text.split('.');
        for number in &mut numbers {
            let part = parts.next().ok_or(())?;
            // "01" and "+1" are numbers for a parser, and no part of a version.
            *number = part.parse().map_err(|_| ())?;
            if number.to_string() != part {
                return Err(());
            }
        }
        if parts.next().is_some() { Err(()) } else { Ok(Self(numbers)) }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self([major, minor, patch]) = self;
        write!(f, "{major}.{minor}.{patch}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_an_order_of_numbers() {
        let version = |text: &str| text.parse::<Version>();
        assert!(version("1.10.0") > version("1.9.9"));
        for text in ["1.0", "1.0.0.0", "01.0.0", "+1.0.0", "1.0.0-rc1", "v1.0.0", "", "1..0"] {
            assert!(version(text).is_err(), "{text}");
        }
    }
}
