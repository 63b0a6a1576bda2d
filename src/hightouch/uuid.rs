//! The UUIDs of sequences and of their runs. A value of these types can be part of a request's path
//! without escaping.

use core::fmt;
use core::str::FromStr;

use super::InvalidId;

/// Length in bytes of a UUID's text (RFC 9562, section 4).
pub(super) const UUID_LEN: usize = 36;
/// Positions of the hyphens in it.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// Whether a text is a UUID of any version.
fn is_uuid(text: &str) -> bool {
    let matches = |(at, byte): (usize, u8)| {
        if HYPHENS.contains(&at) {
            byte == b'-'
        } else {
            byte.is_ascii_hexdigit()
        }
    };
    text.len() == UUID_LEN && text.bytes().enumerate().all(matches)
}

macro_rules! uuid {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        pub struct $name(String);

        impl $name {
            /// Returns the UUID in the letter case in which it was written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq for $name {
            /// Compares without regard to letter case.
            fn eq(&self, other: &Self) -> bool {
                self.0.eq_ignore_ascii_case(&other.0)
            }
        }

        impl Eq for $name {}

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                if is_uuid(text) { Ok(Self(text.into())) } else { Err(InvalidId::Uuid($what)) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }
    };
}

uuid!(
    /// A sequence's UUID.
    SequenceId,
    "sequence's"
);
uuid!(
    /// The UUID of a run of a sequence.
    SequenceRunId,
    "sequence run's"
);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const UUID: &str = "0cb7da35-1fff-4d4a-bf1b-6534d515e5b5";

    #[test]
    fn a_uuid_needs_no_escaping_in_a_path() {
        for text in [
            "",
            "runs",
            "0cb7da351fff4d4abf1b6534d515e5b5",
            "{0cb7da35-1fff-4d4a-bf1b-6534d515e5b5}",
            "0cb7da35-1fff-4d4a-bf1b-6534d515e5b",
            "0cb7da35-1fff-4d4a-bf1b-6534d515e5b55",
            "0cb7da35-1fff-4d4a-bf1b-6534d515e5bg",
            "0cb7da35-1fff-4d4a-bf1b-6534d515e5/.",
            "0cb7da35-1fff-4d4a-bf1b6-534d515e5b5",
            "------------------------------------",
            "0cb7da35-1fff-4d4a-bf1b-6534d515e5\u{e4}",
        ] {
            assert!(text.parse::<SequenceId>().is_err(), "{text:?}");
            assert!(text.parse::<SequenceRunId>().is_err(), "{text:?}");
        }
        assert_eq!(UUID.parse::<SequenceId>().unwrap().as_str(), UUID);
    }

    #[test]
    fn uuids_are_compared_without_regard_to_letter_case() {
        let (lower, upper): (SequenceRunId, SequenceRunId) = (
            UUID.parse().unwrap(),
            UUID.to_ascii_uppercase().parse().unwrap(),
        );
        assert_eq!(lower, upper);
        assert_eq!(upper.to_string(), UUID.to_ascii_uppercase());
    }
}
