//! The API key: it goes into one header and nowhere else.

use core::fmt;
use core::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::json::Json;

/// A Hightouch API key. Its `Debug` prints nothing of it, and it has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    text: String,
    /// Every [`PIECE`] of its forms, in lower case, as a number, sorted.
    pieces: Vec<u64>,
}

/// Why a text is no API key. It does not quote the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the Hightouch API key must be 1 to 4096 printable ASCII characters without blanks")]
pub struct InvalidKey;

/// How many characters in a row tell something of a key, wherever in it they stand; a shorter key tells something only as a whole.
const PIECE: usize = size_of::<u64>();
/// From how many of its characters on the beginning of a key tells something of it at the end of a text.
const TELLING: usize = 4;
/// What stands where a key was.
const REDACTED: &str = "[redacted]";

impl ApiKey {
    /// Takes a key that can stand in an HTTP header.
    pub fn new(text: &str) -> Result<Self, InvalidKey> {
        let fits =
            (1..=4096).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !fits {
            return Err(InvalidKey);
        }
        let number = |piece: &[u8]| {
            piece.iter().fold(0, |number, byte| {
                number << 8 | u64::from(byte.to_ascii_lowercase())
            })
        };
        let mut pieces: Vec<u64> = Vec::new();
        for form in forms(text) {
            pieces.extend(form.as_bytes().windows(PIECE.min(text.len())).map(number));
        }
        pieces.sort_unstable();
        pieces.dedup();
        Ok(Self {
            text: text.into(),
            pieces,
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

    /// The value of the `Authorization` header.
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.text)
    }

    /// Whether a response gives the key as the ID of something: an echo, which must not be reported as an ID.
    pub fn is_named_by(&self, body: &[u8]) -> bool {
        // No other key can be read as an ID.
        let is_uuid = self.text.len() == UUID
            && self
                .text
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        if !is_uuid && !self.text.bytes().all(|byte| byte.is_ascii_digit()) {
            return false;
        }
        let Ok(json) = Json::check(body) else {
            return false;
        };
        let entries = |name: &str| {
            let mut fields = json.members().into_iter().flatten();
            fields
                .find(|(field, _)| field.is_text(name))
                .and_then(|(_, list)| list.entries())
        };
        let lists = ["data", "syncRuns"]
            .into_iter()
            .filter_map(entries)
            .flatten();
        core::iter::once(json).chain(lists).any(|object| {
            let ids = object
                .members()
                .into_iter()
                .flatten()
                .filter(|(name, _)| ID_FIELDS.iter().any(|id| name.is_text(id)));
            // With room for blanks around it.
            ids.map(|(_, id)| id.text_or_json(self.text.len() + 64))
                .any(|id| self.is(&id))
        })
    }

    /// Takes the key and its pieces out of a text that came from elsewhere, such as an answer that echoes the request's headers: as they
    /// are, in any letter case, in base64 or hexadecimal digits, or as URLs, JSON and HTML escape them.
    pub fn redact(&self, text: &mut String) {
        // A key can hold what looks escaped, so that it is found only as it is.
        let found = [self.pieces_in(text, unescaped), self.pieces_in(text, plain)];
        if found.iter().any(|found| !found.is_empty()) {
            let mut rest = found.each_ref().map(|found| found.iter().peekable());
            let mut told = String::new();
            let mut end = 0;
            // The next of either, with all that overlaps it.
            while let Some(begin) = rest
                .iter_mut()
                .filter_map(|rest| rest.peek().map(|next| next.start))
                .min()
            {
                told += text.get(end..begin).unwrap_or_default();
                told += REDACTED;
                end = begin + 1;
                let mut grown = true;
                while grown {
                    grown = false;
                    for rest in &mut rest {
                        while let Some(next) = rest.next_if(|next| next.start < end) {
                            end = end.max(next.end);
                            grown = true;
                        }
                    }
                }
            }
            told += text.get(end..).unwrap_or_default();
            *text = told;
        }
        // A text that was cut may end in the middle of the key.
        let begun = |at: &usize| {
            let end = text
                .len()
                .checked_sub(*at)
                .and_then(|begin| text.get(begin..));
            self.text
                .get(..*at)
                .zip(end)
                .is_some_and(|(beginning, end)| beginning.eq_ignore_ascii_case(end))
        };
        if let Some(at) = (TELLING..self.text.len().min(PIECE)).rev().find(begun) {
            text.truncate(text.len() - at);
            text.push_str(REDACTED);
        }
    }

    /// Where there are pieces of the key in a text that is read so, in order; pieces that overlap are one.
    fn pieces_in(&self, text: &str, read_one: fn(&[u8]) -> (u8, usize)) -> Vec<Range<usize>> {
        let length = PIECE.min(self.text.len());
        let mask = u64::MAX >> (8 * (PIECE - length));
        let mut found: Vec<Range<usize>> = Vec::new();
        // The last characters as a number, and where each of them began, the oldest first.
        let (mut last, mut begins) = (0, [0; PIECE]);
        let (mut at, mut read) = (0, 0);
        while let Some(rest) = text.as_bytes().get(at..).filter(|rest| !rest.is_empty()) {
            let (byte, width) = read_one(rest);
            begins.rotate_left(1);
            if let Some(begin) = begins.last_mut() {
                *begin = at;
            }
            last = (last << 8 | u64::from(byte.to_ascii_lowercase())) & mask;
            (at, read) = (at + width, read + 1);
            if read < length || self.pieces.binary_search(&last).is_err() {
                continue;
            }
            let begin = begins.get(PIECE - length).copied().unwrap_or(at);
            match found.last_mut() {
                Some(before) if begin < before.end => before.end = at,
                _ => found.push(begin..at),
            }
        }
        found
    }
}

/// The length of a UUID in characters.
const UUID: usize = 36;
/// The fields that hold IDs in responses.
const ID_FIELDS: [&str; 3] = ["id", "syncId", "syncRunId"];

/// A key as servers write it: as it is, and, if it is not shorter than a piece, in hexadecimal digits, and in base64 at each place that it can
/// have in an encoded text.
fn forms(text: &str) -> Vec<String> {
    let mut forms = vec![String::from(text)];
    if text.len() < PIECE {
        return forms;
    }
    forms.push(
        text.bytes()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .filter_map(|digit| char::from_digit(digit.into(), 16))
            .collect(),
    );
    for before in 0..3 {
        let mut bytes = vec![0; before];
        bytes.extend_from_slice(text.as_bytes());
        // The characters that do not depend on what stands before and behind it.
        let (begin, end) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
        for alphabet in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            forms.extend(alphabet.encode(&bytes).get(begin..end).map(Into::into));
        }
    }
    forms
}

/// The first byte of a text.
fn plain(text: &[u8]) -> (u8, usize) {
    (text.first().copied().unwrap_or_default(), 1)
}

/// The first character of a text that may be escaped, and how many bytes it takes. Bytes that are not ASCII are taken one by one.
fn unescaped(text: &[u8]) -> (u8, usize) {
    let first = plain(text);
    let hex = |from: usize, digits: usize| {
        text.get(from..from + digits)
            .and_then(|digits| number(digits, 16))
    };
    let found = match first.0 {
        b'%' => {
            // The sign itself may be escaped, also more than once.
            let mut at = 1;
            while text.get(at..).is_some_and(|rest| rest.starts_with(b"25")) {
                at += 2;
            }
            // In `%25` alone it is what is escaped.
            hex(at, 2)
                .map(|byte| (byte, at + 2))
                .or((at > 1).then_some((b'%', at)))
        }
        b'\\' => {
            // The sign itself may be escaped, also more than once.
            let signs = text.iter().take_while(|byte| **byte == b'\\').count();
            match text.get(signs) {
                Some(b'u') => hex(signs + 1, 4).map(|byte| (byte, signs + 5)),
                Some(mark) if mark.is_ascii_punctuation() => Some((*mark, signs + 1)),
                _ => Some((b'\\', signs)),
            }
        }
        b'&' => entity(text),
        _ => None,
    };
    found.unwrap_or(first)
}

/// The ASCII character that a text begins with as HTML escapes it.
fn entity(text: &[u8]) -> Option<(u8, usize)> {
    /// The longest that is known here, `&#x0002F;`, with room for two zeros more.
    const LONGEST: usize = 11;
    let end = text.iter().take(LONGEST).position(|byte| *byte == b';')?;
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

/// The byte whose number is written in these digits, at least one.
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
    fn a_key_shows_in_no_debug_output_and_is_taken_out_of_texts() {
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
    fn a_key_is_found_in_pieces_and_however_it_is_escaped() {
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
            for behind in ["", "y", ":password"] {
                let whole = format!("{before}{text}{behind}");
                for alphabet in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
                    let mut echo = alphabet.encode(&whole);
                    key.redact(&mut echo);
                    assert!(
                        echo.contains(REDACTED)
                            && echo.len() < REDACTED.len() + 14 + 2 * behind.len(),
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
    fn an_id_that_is_the_key_is_told_from_one_that_is_not() {
        let key = ApiKey::new("5f7c2a10-93d4-4b7e-8d11-6a0c1f2e3b4d").unwrap();
        for body in [
            r#"{"id":"5f7c2a10-93d4-4b7e-8d11-6a0c1f2e3b4d"}"#,
            r#"{"id":"5F7C2A10-93D4-4B7E-8D11-6A0C1F2E3B4D","x":1}"#,
            r#"{"id":"\u0035f7c2a10-93d4-4b7e-8d11-6a0c1f2e3b4d"}"#,
        ] {
            assert!(key.is_named_by(body.as_bytes()), "{body}");
        }
        for body in [
            &br#"{"id":12345678}"#[..],
            br#"{"id":" 12345678\n"}"#,
            br#"{"data":[{"id":1},{"id":"12345678","slug":"demo"}]}"#,
            br#"{"id":"x","syncRuns":[{"syncId":12345678}]}"#,
            br#"{"id":"x","syncRuns":[{"syncId":1,"syncRunId":" 12345678"}]}"#,
        ] {
            assert!(
                ApiKey::new("12345678").unwrap().is_named_by(body),
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
            assert!(!key.is_named_by(body.as_bytes()), "{body}");
        }
    }

    #[test]
    fn a_key_that_looks_escaped_or_is_short_is_taken_out_as_it_is() {
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
