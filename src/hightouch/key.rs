//! The API key, which is sent in one header and must not appear anywhere else.

use core::fmt;
use core::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::lenient;
use super::uuid::UUID_LEN;

/// A Hightouch API key. Its `Debug` output does not contain the key, and it has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    text: String,
    fragments: Fragments,
}

/// The error for a string that is not an API key. It does not quote the string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the Hightouch API key must be 1 to {} printable ASCII characters without spaces",
    MAX_KEY_LEN
)]
pub struct InvalidKey;

/// Maximum length in bytes of a key. Hightouch documents no maximum; this one keeps the header
/// within the limits of common servers.
const MAX_KEY_LEN: usize = 4096;
/// Minimum length in bytes of a fragment that is redacted. The fragment may come from any part of
/// the key. A shorter key is redacted only as a whole.
const MIN_FRAGMENT_LEN: usize = size_of::<u64>();
/// Minimum length in bytes of a prefix of the key that is redacted at the end of a text, because
/// the text may have been cut there.
const MIN_PREFIX_LEN: usize = 4;
/// Maximum length in bytes of the whitespace around an ID that is compared with the key.
const MAX_BLANKS_LEN: usize = 64;
/// The replacement of a redacted key.
const REDACTED: &str = "[redacted]";

impl ApiKey {
    /// Creates a key from a string that can be part of an HTTP header.
    ///
    /// # Errors
    /// The text is empty, too long, or contains a character that is not printable ASCII.
    pub fn new(text: &str) -> Result<Self, InvalidKey> {
        let is_key = (1..=MAX_KEY_LEN).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_key {
            return Err(InvalidKey);
        }
        Ok(Self {
            text: text.into(),
            fragments: Fragments::of(text),
        })
    }

    /// Whether a text is the key, in any letter case and with any blanks around it.
    pub fn is(&self, text: &str) -> bool {
        text.trim().eq_ignore_ascii_case(&self.text)
    }

    /// Whether a number is the key.
    pub fn is_number(&self, number: u64) -> bool {
        self.text.parse() == Ok(number)
    }

    /// Returns the value of the `Authorization` header.
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.text)
    }

    /// Whether a response has the key in place of an ID. Such a response echoes the key, so its ID
    /// must not be reported.
    pub fn is_echoed_as_id(&self, body: &[u8]) -> bool {
        // A key that is neither a UUID nor a number cannot be read as an ID.
        let is_uuid = self.text.len() == UUID_LEN
            && self
                .text
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        if !is_uuid && !self.text.bytes().all(|byte| byte.is_ascii_digit()) {
            return false;
        }
        if !self.may_be_in(body) {
            return false;
        }
        let json = lenient::body_text(body).unwrap_or_default();
        let mut is_named = false;
        let mut check = |value: &RawValue| {
            let max = self.text.len() + MAX_BLANKS_LEN;
            is_named |= self.is(&lenient::as_text_or_json(value, max));
        };
        // An error is ignored: a body with an error is rejected elsewhere, but the IDs before the
        // error may already have been read.
        let _ = lenient::for_each_member(json, |field, value: &RawValue| match field {
            IdField::Id => check(value),
            IdField::List => {
                let _ = lenient::for_each_entry(value, |entry| {
                    lenient::for_each_member(entry.get(), |field, value| {
                        if matches!(field, IdField::Id) {
                            check(value);
                        }
                    })
                });
            }
            IdField::Other => {}
        });
        is_named
    }

    /// Whether a body may contain the key, which consists of hexadecimal digits and hyphens. This
    /// takes much less time than reading the body, and is false for almost every body.
    fn may_be_in(&self, body: &[u8]) -> bool {
        // A JSON string may escape each character of the key as `\u0000`.
        let can_be_key =
            |byte: &&u8| byte.is_ascii_hexdigit() || matches!(**byte, b'-' | b'\\' | b'u');
        let length = self.text.len();
        // Wherever the key is, it covers a position that is a multiple of its length, so only these
        // positions are checked.
        (0..body.len()).step_by(length).any(|at| {
            let (before, after) = body.split_at(at);
            let after = after.iter().take_while(can_be_key).count();
            after > 0 && before.iter().rev().take_while(can_be_key).count() + after >= length
        })
    }

    /// Replaces the key and its fragments in a text that comes from elsewhere, such as a response
    /// that echoes the request's headers. It finds them in any letter case, in base64, in
    /// hexadecimal digits, and with the escapes of URLs, JSON and HTML.
    pub fn redact(&self, text: &mut String) {
        // The key itself may contain what looks like an escape, so the raw text is searched too.
        let mut found = self.fragments_in(text, unchanged);
        if text.contains(['%', '\\', '&']) {
            found.extend(self.fragments_in(text, unescaped));
            found.sort_unstable_by_key(|range| range.start);
        }
        if !found.is_empty() {
            let mut redacted = String::new();
            let mut end = 0;
            for range in merged(found) {
                redacted += text.get(end..range.start).unwrap_or_default();
                redacted += REDACTED;
                end = range.end;
            }
            redacted += text.get(end..).unwrap_or_default();
            *text = redacted;
        }
        // The text may have been cut in the middle of the key.
        let ends_with_prefix = |length: &usize| {
            let end = text
                .len()
                .checked_sub(*length)
                .and_then(|begin| text.get(begin..));
            self.text
                .get(..*length)
                .zip(end)
                .is_some_and(|(prefix, end)| prefix.eq_ignore_ascii_case(end))
        };
        let mut lengths = MIN_PREFIX_LEN..self.text.len().min(MIN_FRAGMENT_LEN);
        if let Some(length) = lengths.rfind(ends_with_prefix) {
            text.truncate(text.len() - length);
            text.push_str(REDACTED);
        }
    }

    /// Returns the positions of fragments of the key in a text, in ascending order and with
    /// overlapping fragments merged. `decode` decodes the first character of a text and returns the
    /// number of bytes that it takes.
    fn fragments_in(&self, text: &str, decode: fn(&[u8]) -> (u8, usize)) -> Vec<Range<usize>> {
        let length = self.fragments.length;
        let mut found: Vec<Range<usize>> = Vec::new();
        // `last` holds the most recent characters as one number, and `positions` holds the index at
        // which each of them begins. For character `n`, that is `positions[n % MIN_FRAGMENT_LEN]`.
        let (mut last, mut positions) = (0, [0; MIN_FRAGMENT_LEN]);
        let (mut at, mut count) = (0, 0);
        while let Some(rest) = text.as_bytes().get(at..).filter(|rest| !rest.is_empty()) {
            let (byte, width) = decode(rest);
            if let Some(position) = positions.get_mut(count % MIN_FRAGMENT_LEN) {
                *position = at;
            }
            last = self.fragments.shifted(last, byte);
            (at, count) = (at + width, count + 1);
            if count < length || !self.fragments.contains(last) {
                continue;
            }
            let begin = positions
                .get((count - length) % MIN_FRAGMENT_LEN)
                .copied()
                .unwrap_or(at);
            match found.last_mut() {
                Some(before) if begin < before.end => before.end = at,
                _ => found.push(begin..at),
            }
        }
        found
    }
}

/// A set of all fragments of a key's forms, in lower case, as big-endian numbers.
///
/// It is a hash table with linear probing. Unlike a sorted list, it is built in a short time: most
/// calls redact only a few short texts.
#[derive(Clone, PartialEq, Eq)]
struct Fragments {
    /// Length of a fragment in bytes.
    length: usize,
    /// A free slot is zero. The number of slots is a power of two.
    slots: Vec<u64>,
}

impl Fragments {
    fn of(key: &str) -> Self {
        let length = MIN_FRAGMENT_LEN.min(key.len());
        let forms = forms(key);
        let count: usize = forms.iter().map(String::len).sum();
        // At most four fifths of the slots are used, so that searches end soon.
        let slots = vec![0; (count + count / 4 + 1).next_power_of_two()];
        let mut fragments = Self { length, slots };
        for form in forms {
            let mut last = 0;
            for (index, byte) in form.bytes().enumerate() {
                last = fragments.shifted(last, byte);
                if index + 1 >= length {
                    let slot = fragments.slot(last);
                    if let Some(slot) = fragments.slots.get_mut(slot) {
                        *slot = last;
                    }
                }
            }
        }
        fragments
    }

    /// Appends a byte to a fragment. If the fragment is already complete, drops its first byte.
    fn shifted(&self, fragment: u64, byte: u8) -> u64 {
        let mask = u64::MAX >> (8 * (MIN_FRAGMENT_LEN - self.length));
        (fragment << 8 | u64::from(byte.to_ascii_lowercase())) & mask
    }

    fn contains(&self, fragment: u64) -> bool {
        self.slots.get(self.slot(fragment)) == Some(&fragment)
    }

    /// Returns the slot of a fragment, or the free slot for it if it is not in the set.
    fn slot(&self, fragment: u64) -> usize {
        let last = self.slots.len() - 1;
        // The multiplier of Fibonacci hashing. The upper bits of the product depend on all bytes.
        let hash = fragment.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let mut slot = hash as usize & last;
        while self
            .slots
            .get(slot)
            .is_some_and(|used| *used != 0 && *used != fragment)
        {
            slot = (slot + 1) & last;
        }
        slot
    }
}

/// The fields of a response that can hold an ID.
#[derive(Deserialize)]
#[serde(field_identifier)]
enum IdField {
    #[serde(rename = "id", alias = "syncId", alias = "syncRunId")]
    Id,
    /// A list of objects that have IDs.
    #[serde(rename = "data", alias = "syncRuns")]
    List,
    #[serde(other)]
    Other,
}

/// Merges ranges that overlap. They must be in ascending order of their starts.
fn merged(ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    let mut merged: Vec<Range<usize>> = Vec::new();
    for range in ranges {
        match merged.last_mut() {
            Some(last) if range.start < last.end => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    merged
}

/// Returns the forms in which servers write a key: the key itself, and, if it is long enough to
/// have fragments, the key in hexadecimal digits and in base64. Base64 has three forms, because it
/// depends on the number of bytes before the key.
fn forms(text: &str) -> Vec<String> {
    let mut forms = vec![String::from(text)];
    if text.len() < MIN_FRAGMENT_LEN {
        return forms;
    }
    let mut hex = String::with_capacity(2 * text.len());
    for digit in text.bytes().flat_map(|byte| [byte >> 4, byte & 15]) {
        hex.extend(char::from_digit(digit.into(), 16));
    }
    forms.push(hex);
    for bytes_before in 0..3 {
        let mut bytes = vec![0; bytes_before];
        bytes.extend_from_slice(text.as_bytes());
        // The characters that do not depend on the bytes before and after the key.
        let (begin, end) = ((bytes_before * 8).div_ceil(6), bytes.len() * 8 / 6);
        let mut encoded = STANDARD_NO_PAD.encode(&bytes);
        encoded.truncate(end);
        let encoded = encoded.split_off(begin);
        if encoded.contains(['+', '/']) {
            // The URL-safe alphabet.
            forms.push(encoded.replace('+', "-").replace('/', "_"));
        }
        forms.push(encoded);
    }
    forms
}

/// Returns the first byte of a text, and its length of 1.
fn unchanged(text: &[u8]) -> (u8, usize) {
    (text.first().copied().unwrap_or_default(), 1)
}

/// Returns the first character of a string that may contain escapes, and the number of bytes that
/// it takes. Bytes that are not ASCII are returned one by one.
fn unescaped(text: &[u8]) -> (u8, usize) {
    let first = unchanged(text);
    let hex = |from: usize, digits: usize| {
        text.get(from..from + digits)
            .and_then(|digits| number(digits, 16))
    };
    let found = match first.0 {
        b'%' => {
            // The percent sign may itself be escaped, any number of times.
            let mut at = 1;
            while text.get(at..).is_some_and(|rest| rest.starts_with(b"25")) {
                at += 2;
            }
            // A lone `%25` is an escaped percent sign.
            hex(at, 2)
                .map(|byte| (byte, at + 2))
                .or((at > 1).then_some((b'%', at)))
        }
        b'\\' => {
            // The backslash may itself be escaped, any number of times.
            let backslashes = text.iter().take_while(|byte| **byte == b'\\').count();
            match text.get(backslashes) {
                Some(b'u') => hex(backslashes + 1, 4).map(|byte| (byte, backslashes + 5)),
                Some(mark) if mark.is_ascii_punctuation() => Some((*mark, backslashes + 1)),
                _ => Some((b'\\', backslashes)),
            }
        }
        b'&' => entity(text),
        _ => None,
    };
    found.unwrap_or(first)
}

/// Returns the ASCII character of the HTML character reference that a text begins with, and the
/// reference's length.
fn entity(text: &[u8]) -> Option<(u8, usize)> {
    /// Maximum length in bytes of a character reference: the 9 bytes of `&#x0002F;`, and two for
    /// more zeros.
    const MAX_LEN: usize = 11;
    let end = text.iter().take(MAX_LEN).position(|byte| *byte == b';')?;
    let byte = match text.get(1..end)? {
        b"amp" => b'&',
        b"lt" => b'<',
        b"gt" => b'>',
        b"quot" => b'"',
        b"apos" => b'\'',
        [b'#', b'x' | b'X', hex @ ..] => number(hex, 16)?,
        [b'#', code @ ..] => number(code, 10)?,
        _ => return None,
    };
    Some((byte, end + 1))
}

/// Reads a number of at least one digit that fits in a byte.
fn number(digits: &[u8], radix: u32) -> Option<u8> {
    let first = (!digits.is_empty()).then_some(0_u32)?;
    let add = |number: u32, digit: &u8| {
        char::from(*digit)
            .to_digit(radix)
            .map(|digit| number.saturating_mul(radix).saturating_add(digit))
    };
    digits
        .iter()
        .try_fold(first, add)
        .and_then(|number| u8::try_from(number).ok())
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("ApiKey")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    #[test]
    fn a_key_that_could_break_a_header_is_refused_without_being_quoted() {
        for text in [
            "",
            "a b",
            "a\r\nHost: evil",
            "ключ",
            "\t",
            &"k".repeat(4097),
        ] {
            let error = ApiKey::new(text).unwrap_err();
            assert!(
                text.is_empty()
                    || !error.to_string().contains(text.trim())
                    || text.trim().is_empty()
            );
        }
    }

    #[test]
    fn a_key_is_not_in_debug_output_and_is_redacted_in_texts() {
        let key = ApiKey::new("marked-key-1").unwrap();
        assert!(!format!("{key:?}").contains("marked"));
        let mut text = String::from("bad token marked-key-1 (Bearer marked-key-1)");
        key.redact(&mut text);
        assert_eq!(text, "bad token [redacted] (Bearer [redacted])");
        let mut cut = String::from("Bearer marked-ke");
        key.redact(&mut cut);
        assert_eq!(cut, "Bearer [redacted]");
    }

    #[test]
    fn a_key_is_found_in_fragments_and_in_every_escaped_form() {
        let key = ApiKey::new("a1/b2+c3=d4&e5<f6").unwrap();
        for (text, expected) in [
            ("", ""),
            ("nothing of it", "nothing of it"),
            ("\u{e4}a1/b2+c3=d4&e5<f6\u{e4}", "\u{e4}[redacted]\u{e4}"),
            ("a1/b2+c3=d4&e5<f6a1/b2+c3=d4&e5<f6", "[redacted][redacted]"),
            (
                "?key=a1%2Fb2%2bc3%3Dd4%26e5%3Cf6&x=1",
                "?key=[redacted]&x=1",
            ),
            ("a1%252Fb2%25252Bc3%253Dd4", "[redacted]"),
            (
                r#"{"k":"a1\/b2+c3=d4\u0026e5\u003cf6"}"#,
                r#"{"k":"[redacted]"}"#,
            ),
            (r#""\\u0061\\u0031\\/b2+c3=d4""#, r#""[redacted]""#),
            (
                "<b>a1&#x2F;b2&#43;c3&#0061;d4&amp;e5&lt;f6</b>",
                "<b>[redacted]</b>",
            ),
            ("the end is c3=d4&e5<f6", "the end is [redacted]"),
            (
                "a1/b2+c3 and =d4&e5<f6, in two halves",
                "[redacted] and [redacted], in two halves",
            ),
            ("cut at a1/b2", "cut at [redacted]"),
            ("a1/b2+c3%3Da1/b2+c3", "[redacted][redacted]"),
            ("too little: a1/b2, d4&e5<f", "too little: a1/b2, d4&e5<f"),
            (
                "100 % of \\ and & and %2 and \\u00 and &#x; and %25",
                "100 % of \\ and & and %2 and \\u00 and &#x; and %25",
            ),
        ] {
            let mut redacted = String::from(text);
            key.redact(&mut redacted);
            assert_eq!(redacted, expected, "{text}");
        }
    }

    #[test]
    fn a_key_is_found_in_any_letter_case_in_base64_and_in_hexadecimal_digits() {
        let text = "Marked-key-7f3a";
        let key = ApiKey::new(text).unwrap();
        let hex = |text: &str| {
            text.bytes()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        for before in ["", "x", "Bearer ", "user:"] {
            for after in ["", "y", ":password"] {
                let whole = format!("{before}{text}{after}");
                for alphabet in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
                    let mut echo = alphabet.encode(&whole);
                    key.redact(&mut echo);
                    assert!(
                        echo.contains(REDACTED)
                            && echo.len() < REDACTED.len() + 14 + 2 * after.len(),
                        "{whole}: {echo}"
                    );
                }
                for mut echo in [
                    hex(&whole),
                    hex(&whole).to_uppercase(),
                    whole.to_uppercase(),
                    whole.to_lowercase(),
                ] {
                    key.redact(&mut echo);
                    assert!(echo.contains(REDACTED), "{whole}: {echo}");
                }
            }
        }
        let mut other = String::from("TWFya2V 4d61726 LARKED KEYS");
        key.redact(&mut other);
        assert_eq!(other, "TWFya2V 4d61726 LARKED KEYS");
    }

    #[test]
    fn a_key_in_place_of_an_id_is_recognized() {
        let key = ApiKey::new("5f7c2a10-93d4-4b7e-8d11-6a0c1f2e3b4d").unwrap();
        for body in [
            r#"{"id":"5f7c2a10-93d4-4b7e-8d11-6a0c1f2e3b4d"}"#,
            r#"{"id":"5F7C2A10-93D4-4B7E-8D11-6A0C1F2E3B4D","x":1}"#,
            r#"{"id":"\u0035f7c2a10-93d4-4b7e-8d11-6a0c1f2e3b4d"}"#,
        ] {
            assert!(key.is_echoed_as_id(body.as_bytes()), "{body}");
        }
        for body in [
            &br#"{"id":12345678}"#[..],
            br#"{"id":" 12345678\n"}"#,
            br#"{"data":[{"id":1},{"id":"12345678","slug":"demo"}]}"#,
            br#"{"id":"x","syncRuns":[{"syncId":12345678}]}"#,
            br#"{"id":"x","syncRuns":[{"syncId":1,"syncRunId":" 12345678"}]}"#,
        ] {
            assert!(
                ApiKey::new("12345678").unwrap().is_echoed_as_id(body),
                "{}",
                String::from_utf8_lossy(body)
            );
        }
        for body in [
            "",
            "{}",
            r#"{"id":"5f7c2a10-93d4-4b7e-8d11-6a0c1f2e3b4e"}"#,
            r#"{"id":42}"#,
        ] {
            assert!(!key.is_echoed_as_id(body.as_bytes()), "{body}");
        }
    }

    #[test]
    fn a_key_that_looks_escaped_or_is_short_is_redacted_as_a_whole() {
        for key in [
            "%41%42%43%44%45",
            r"\u0061\u0062\\c",
            "&amp;&lt;&gt;",
            "short",
            "abcdefgh",
        ] {
            let mut text = format!("({key})");
            ApiKey::new(key).unwrap().redact(&mut text);
            assert_eq!(text, "([redacted])", "{key}");
        }
    }
}
