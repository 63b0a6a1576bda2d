//! The IDs and slugs of syncs and runs. A value of these types can be part of a request's path or
//! query without escaping.

use core::fmt;
use core::str::FromStr;

use super::lenient::whole_number;

/// The error for a string or a number that is not an ID or a slug.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// It is not a whole number from 1 to 2⁶⁴ − 1, written in digits only.
    #[error("the {0} ID must be a whole number of at least 1, written in digits only")]
    Number(&'static str),
    /// It is not a slug.
    #[error(
        "a sync's slug must be 1 to {} letters, digits, hyphens, underscores or dots",
        MAX_SLUG_LEN
    )]
    Slug,
    /// It is not a UUID.
    #[error(
        "the {0} ID must be a UUID: 36 characters, hexadecimal digits in five groups with hyphens between them"
    )]
    Uuid(&'static str),
}

/// Reads a whole number of at least 1 that is written in digits only.
fn positive(text: &str) -> Option<u64> {
    whole_number(text).filter(|number| *number > 0)
}

/// Returns whether a string is a decimal number, whole or not, such as `-1`, `.5` or `1e3`. If such
/// a string names a sync, it can only be an ID.
///
/// The standard library's `f64` parser accepts the same texts, and also `inf` and `nan`, which can
/// be slugs. Its tables would add 10 KiB to the memory of each instance.
fn reads_as_number(text: &str) -> bool {
    let (number, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole = without_sign(whole);
    let exponent = without_sign(exponent);
    (!whole.is_empty() || !fraction.is_empty())
        && !exponent.is_empty()
        && [whole, fraction, exponent]
            .iter()
            .all(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
}

fn without_sign(text: &str) -> &str {
    text.strip_prefix(['+', '-']).unwrap_or(text)
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// Returns the ID as a number.
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
id!(
    /// A destination's numeric ID, at least 1.
    DestinationId,
    "destination's"
);

/// Maximum length in bytes of a slug. Hightouch documents no maximum; this one keeps requests
/// short.
pub(super) const MAX_SLUG_LEN: usize = 255;

/// A sync's slug: 1 to 255 of the characters `A-Z a-z 0-9 - _ .`. A decimal number, such as `1e3`,
/// is not a slug, unless it is a whole number of at least 1 in digits only.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Slug(String);

impl Slug {
    /// Returns the slug as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Slug {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let is_slug = (1..=MAX_SLUG_LEN).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        match is_slug {
            true if reads_as_number(text) && positive(text).is_none() => {
                Err(InvalidId::Number("sync's"))
            }
            true => Ok(Self(text.into())),
            false => Err(InvalidId::Slug),
        }
    }
}

/// A sync, identified by its ID or by its slug.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SyncRef {
    /// The sync's numeric ID.
    Id(SyncId),
    /// The sync's slug.
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
    /// Reads a text that is a number as an ID, and any other text as a slug.
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
    /// The sync's ID.
    pub sync: SyncId,
    /// The run's ID.
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
    fn a_slug_needs_no_escaping_in_a_query() {
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
    fn a_number_is_a_syncs_id() {
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

    #[test]
    fn the_texts_that_read_as_numbers_are_those_that_the_standard_library_reads() {
        let by_the_standard_library = |text: &str| {
            text.bytes().any(|byte| byte.is_ascii_digit()) && text.parse::<f64>().is_ok()
        };
        // Every text of up to seven of these characters.
        const CHARACTERS: [char; 6] = ['1', '+', '-', '.', 'e', 'x'];
        let mut texts = vec![String::new()];
        for _ in 0..=7 {
            for text in &texts {
                assert_eq!(
                    reads_as_number(text),
                    by_the_standard_library(text),
                    "{text:?}"
                );
            }
            texts = texts
                .iter()
                .flat_map(|text| CHARACTERS.map(|character| format!("{text}{character}")))
                .collect();
        }
        for text in [
            "1E5",
            "1e+400",
            "-inf",
            "1infinity",
            "nan1",
            "1 ",
            " 1",
            "1_0",
            "\u{661}",
        ] {
            assert_eq!(
                reads_as_number(text),
                by_the_standard_library(text),
                "{text:?}"
            );
        }
    }
}
