//! The names of syncs and runs, made safe at the border: what exists can stand in a request's path as it is.

use core::fmt;
use core::str::FromStr;

/// Why a text or number names no sync or run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// Not a number of at least 1 that fits 64 bits, in digits only.
    #[error("the {0} ID must be a whole number of at least 1, written in digits only")]
    Number(&'static str),
    /// Not a slug.
    #[error(
        "a sync's slug has 1 to 255 letters, digits, hyphens, underscores or dots, and nothing else"
    )]
    Slug,
    /// Not a UUID.
    #[error(
        "the {0} ID must be a UUID: 36 characters, hexadecimal digits in five groups with hyphens between them"
    )]
    Uuid(&'static str),
}

/// A whole number of at least 1, written in digits and nothing else (no sign, no blank).
fn positive(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits
        .then(|| text.parse().ok())
        .flatten()
        .filter(|number| *number > 0)
}

/// Whether a text reads as a number, whole or not: such a text names no sync but by its ID, and no slug is written so.
fn reads_as_number(text: &str) -> bool {
    // `inf` and `nan` are words here.
    text.bytes().any(|byte| byte.is_ascii_digit()) && text.parse::<f64>().is_ok()
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// The ID as a number.
            pub fn get(self) -> u64 {
                self.0
            }
        }

        impl TryFrom<u64> for $name {
            type Error = InvalidId;
            fn try_from(number: u64) -> Result<Self, InvalidId> {
                if number == 0 { Err(InvalidId::Number($what)) } else { Ok(Self(number)) }
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                positive(text).map(Self).ok_or(InvalidId::Number($what))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(out)
            }
        }
    };
}

id!(
    /// A sync's numeric ID, at least 1.
    SyncId,
    "sync's"
);
id!(
    /// A run's numeric ID, at least 1.
    RunId,
    "run's"
);

/// A sync's slug: 1 to 255 of `A-Z a-z 0-9 - _ .`, so that it needs no escaping in a query. What reads as a number is none, unless it is an ID
/// in digits only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Slug(String);

impl Slug {
    /// The slug as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Slug {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let fits = (1..=255).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        match fits {
            true if reads_as_number(text) && positive(text).is_none() => {
                Err(InvalidId::Number("sync's"))
            }
            true => Ok(Self(text.into())),
            false => Err(InvalidId::Slug),
        }
    }
}

/// A sync, named either way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SyncRef {
    /// By its numeric ID.
    Id(SyncId),
    /// By its slug.
    Slug(Slug),
}

impl fmt::Display for SyncRef {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(out),
            Self::Slug(slug) => out.write_str(slug.as_str()),
        }
    }
}

impl FromStr for SyncRef {
    type Err = InvalidId;
    /// What reads as a number must be an ID, anything else a slug.
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if reads_as_number(text) {
            text.parse().map(Self::Id)
        } else {
            text.parse().map(Self::Slug)
        }
    }
}

/// One run of one sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RunRef {
    /// The sync that runs.
    pub sync: SyncId,
    /// The run.
    pub run: RunId,
}

impl fmt::Display for RunRef {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "run {} of sync {}", self.run, self.sync)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_id_is_a_number_of_at_least_1_in_digits_only() {
        for text in [
            "",
            "0",
            "00",
            "-1",
            "+1",
            " 1",
            "1 ",
            "1e3",
            "12ab",
            "18446744073709551616",
            "١",
        ] {
            assert!(text.parse::<SyncId>().is_err(), "{text:?}");
            assert!(text.parse::<RunId>().is_err(), "{text:?}");
        }
        assert_eq!(
            "18446744073709551615".parse::<RunId>().unwrap().get(),
            u64::MAX
        );
        assert_eq!("007".parse::<SyncId>().unwrap().get(), 7);
        assert!(SyncId::try_from(0).is_err());
    }

    #[test]
    fn a_slug_can_stand_in_a_query_as_it_is() {
        for text in [
            "",
            "a/b",
            "a b",
            "a?b",
            "a%2f",
            "ä",
            "a\r\nb",
            "a&b",
            &"a".repeat(256),
        ] {
            assert!(text.parse::<Slug>().is_err(), "{text:?}");
        }
        assert_eq!(
            "salesforce-accounts_2.v1".parse::<Slug>().unwrap().as_str(),
            "salesforce-accounts_2.v1"
        );
    }

    #[test]
    fn digits_only_name_a_sync_by_id() {
        assert_eq!("12".parse(), Ok(SyncRef::Id(SyncId(12))));
        assert_eq!("12ab".parse(), Ok(SyncRef::Slug(Slug("12ab".into()))));
        for number in [
            "0",
            "-1",
            "+1",
            "1.0",
            "1.",
            ".5",
            "-0",
            "1e3",
            "1E-3",
            "18446744073709551616",
        ] {
            assert_eq!(
                number.parse::<SyncRef>(),
                Err(InvalidId::Number("sync's")),
                "{number}"
            );
            assert!(number.parse::<Slug>().is_err(), "{number}");
        }
        for slug in [
            "12ab", "v1.0", "1-2", "1.0.0", "-", ".", "1_0", "nan", "inf", "infinity", "e3", "0x1",
            "--1",
        ] {
            assert_eq!(slug.parse(), Ok(SyncRef::Slug(Slug(slug.into()))), "{slug}");
        }
    }
}
