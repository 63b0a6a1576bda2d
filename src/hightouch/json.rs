//! Reading JSON as it comes: a body is checked once, as a whole, and then looked at where it matters.
//!
//! Everything here works on the text of a value, so that one small reader serves every form of answer, and a value that nobody asks for
//! takes no memory, however large it is. `serde_json` says what JSON is. What is left to do here is to find where in a text that has been
//! checked a value ends, and to read its strings and numbers: to have that done by `serde_json` as well would be 6 KB of each component.

use std::borrow::Cow;

use serde::de::IgnoredAny;

use super::text::cut;

/// Why a text is not what is looked for in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// It is no JSON: why, and where.
    NoJson(String),
    /// It has a field twice, so that it says two things.
    Twice(&'static str),
}

impl From<serde_json::Error> for Flaw {
    fn from(error: serde_json::Error) -> Self {
        // The category and the place, not serde's own text, which can quote the body.
        let what = if error.is_eof() {
            "it ends too early"
        } else {
            "it is no JSON"
        };
        Self::NoJson(format!(
            "{what}, line {} column {}",
            error.line(),
            error.column()
        ))
    }
}

/// The most of a name that is read, in bytes, which no known one comes near.
const NAME: usize = 64;

/// The text of one JSON value, which has been checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Json<'a>(&'a str);

impl<'a> Json<'a> {
    /// Takes bytes that are one JSON value and nothing beside.
    pub(crate) fn check(bytes: &'a [u8]) -> Result<Self, Flaw> {
        serde_json::from_slice::<IgnoredAny>(bytes)?;
        let text =
            core::str::from_utf8(bytes).map_err(|_| Flaw::NoJson("it is not UTF-8".into()))?;
        Ok(Self(text.trim_ascii()))
    }

    /// The values of these fields; none where it is no object. It cannot be read where it has one of them twice.
    pub(crate) fn fields<const N: usize>(
        self,
        names: [&'static str; N],
    ) -> Result<Option<[Option<Self>; N]>, Flaw> {
        let mut values = [None; N];
        Ok(self.fill(&names, &mut values)?.then_some(values))
    }

    fn fill(self, names: &[&'static str], values: &mut [Option<Self>]) -> Result<bool, Flaw> {
        let Some(members) = self.members() else {
            return Ok(false);
        };
        for (name, value) in members {
            // Read once, however many there are to compare it with.
            let Some(name) = name.name() else { continue };
            let known = names
                .iter()
                .zip(&mut *values)
                .find(|(known, _)| **known == name);
            if let Some((known, slot)) = known
                && slot.replace(value).is_some()
            {
                return Err(Flaw::Twice(known));
            }
        }
        Ok(true)
    }

    /// The names, strings all of them, and the values of an object; none where it is none.
    pub(crate) fn members(self) -> Option<impl Iterator<Item = (Self, Self)>> {
        let mut inner = Values(self.0.strip_prefix("{")?);
        Some(core::iter::from_fn(move || {
            Some((inner.next()?, inner.next()?))
        }))
    }

    /// The entries of a list; none where it is none.
    pub(crate) fn entries(self) -> Option<impl Iterator<Item = Self>> {
        self.0.strip_prefix("[").map(Values)
    }

    /// A truth value.
    pub(crate) fn flag(self) -> Option<bool> {
        match self.0 {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// A truth value, or a string of one in any letter case.
    pub(crate) fn lenient_flag(self) -> Option<bool> {
        self.flag().or_else(|| match self.string()? {
            text if text.trim_ascii().eq_ignore_ascii_case("true") => Some(true),
            text if text.trim_ascii().eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        })
    }

    /// Whether it is `null`.
    pub(crate) fn is_null(self) -> bool {
        self.0 == "null"
    }

    /// A whole number, or a string of digits.
    pub(crate) fn number(self) -> Option<u64> {
        let text = self.string().unwrap_or(Cow::Borrowed(self.0));
        text.bytes()
            .all(|byte| byte.is_ascii_digit())
            .then(|| text.parse().ok())
            .flatten()
    }

    /// Any finite number, or a string of one, and how it is written.
    pub(super) fn real(self) -> Option<(f64, String)> {
        let text = self.string().unwrap_or(Cow::Borrowed(self.0));
        // What a string holds has not been checked.
        let written = Json::check(text.as_bytes()).ok()?.0;
        decimal(written)
            .filter(|number| number.is_finite())
            .map(|number| (number, written.into()))
    }

    /// The whole text of a string.
    pub(crate) fn string(self) -> Option<Cow<'a, str>> {
        let inner = self.0.strip_prefix("\"")?.strip_suffix("\"")?;
        if !has_escapes(inner) {
            return Some(Cow::Borrowed(inner));
        }
        unescape(inner).map(Cow::Owned)
    }

    /// The text of a name, of which no more is unescaped than a known one can have.
    fn name(self) -> Option<Cow<'a, str>> {
        if has_escapes(self.0) {
            self.text(NAME).map(Cow::Owned)
        } else {
            self.string()
        }
    }

    /// The beginning of the text of a string, at most so many bytes. However long the string is, this needs no more memory than a few times
    /// that.
    pub(crate) fn text(self, most: usize) -> Option<String> {
        /// The most bytes of JSON that one byte of text takes: `\u0000`.
        const ESCAPED: usize = 6;
        self.0.starts_with("\"").then_some(())?;
        let enough = 1 + most.saturating_mul(ESCAPED);
        if self.0.len() <= enough || !has_escapes(self.0) {
            return self.string().map(|text| beginning(&text, most).into());
        }
        // The cut may fall into an escaped character, or between the two halves of one.
        (0..2 * ESCAPED).find_map(|less| {
            let cut = format!("{}\"", beginning(self.0, enough - less));
            Json(&cut)
                .string()
                .map(|text| beginning(&text, most).into())
        })
    }

    /// Whether it is a string of just this text.
    pub(crate) fn is_text(self, text: &str) -> bool {
        // A longer one is not unescaped to find out, but for one character more, which has up to four bytes.
        self.text(text.len() + 4).is_some_and(|own| own == text)
    }

    /// The text of a string, the JSON of anything else, at most so many bytes.
    pub(crate) fn text_or_json(self, most: usize) -> String {
        self.text(most)
            .unwrap_or_else(|| beginning(self.0, most).into())
    }
}

/// The beginning of a text, at most so many bytes.
pub(super) fn beginning(text: &str, most: usize) -> &str {
    text.get(..text.floor_char_boundary(most)).unwrap_or(text)
}

fn has_escapes(string: &str) -> bool {
    string.bytes().any(|byte| byte == b'\\')
}

/// What is left of the inside of an object or a list that has been checked: its values one after the other, names among them.
struct Values<'a>(&'a str);

impl<'a> Iterator for Values<'a> {
    type Item = Json<'a>;
    fn next(&mut self) -> Option<Json<'a>> {
        let separates = |byte: &u8| matches!(byte, b',' | b':') || byte.is_ascii_whitespace();
        let begin = self.0.bytes().position(|byte| !separates(&byte))?;
        let text = self.0.get(begin..)?;
        let end = end_of_value(text.as_bytes());
        self.0 = text.get(end..)?;
        // What begins with the end of the whole is no value.
        text.get(..end).filter(|value| !value.is_empty()).map(Json)
    }
}

/// How long the value is that a text begins with.
fn end_of_value(text: &[u8]) -> usize {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.iter().enumerate() {
        if in_string {
            in_string = escaped || *byte != b'"';
            escaped = !escaped && *byte == b'\\';
            if in_string || depth > 0 {
                continue;
            }
            return at + 1;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' if depth > 1 => depth -= 1,
            b']' | b'}' => return at + depth,
            b',' | b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => return at,
            _ => {}
        }
    }
    text.len()
}

/// The text of a string of which this is the inside; none where half of a pair of surrogates stands alone.
fn unescape(mut inner: &str) -> Option<String> {
    let mut text = String::new();
    while let Some((plain, escaped)) = cut(inner, b'\\') {
        text += plain;
        let (character, rest) = unescape_one(escaped)?;
        text.push(character);
        inner = rest;
    }
    Some(text + inner)
}

/// The character that a text begins with, which stood behind a backslash, and what stands behind it.
fn unescape_one(escaped: &str) -> Option<(char, &str)> {
    let mut rest = escaped.get(1..)?;
    let character = match escaped.as_bytes().first()? {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            let mut code = hexadecimal(rest)?;
            rest = rest.get(4..)?;
            if let 0xd800..=0xdbff = code {
                rest = rest.strip_prefix("\\u")?;
                let low = hexadecimal(rest)?
                    .checked_sub(0xdc00)
                    .filter(|low| *low < 0x400)?;
                code = 0x10000 + ((code - 0xd800) << 10) + low;
                rest = rest.get(4..)?;
            }
            char::from_u32(code)?
        }
        itself => char::from(*itself),
    };
    Some((character, rest))
}

/// The number of four hexadecimal digits.
fn hexadecimal(text: &str) -> Option<u32> {
    u32::from_str_radix(text.get(..4)?, 16).ok()
}

/// A JSON number that has been checked; none where it is another value. What is written in more than 17 digits may be off by as much as the last
/// of them says.
fn decimal(text: &str) -> Option<f64> {
    const TELLING: f64 = 1e17;
    let unsigned = text.strip_prefix("-").unwrap_or(text);
    let (mantissa, exponent) = cut(unsigned, b'e')
        .or_else(|| cut(unsigned, b'E'))
        .unwrap_or((unsigned, "0"));
    let (mut value, mut scale, mut fraction) = (0.0, exponent.parse::<i32>().ok()?, false);
    for byte in mantissa.bytes() {
        match byte {
            b'.' => fraction = true,
            b'0'..=b'9' if value < TELLING => {
                value = value * 10.0 + f64::from(byte - b'0');
                scale = scale.saturating_sub(i32::from(fraction));
            }
            b'0'..=b'9' => scale = scale.saturating_add(i32::from(!fraction)),
            _ => return None,
        }
    }
    // In two parts, for a small number may be a large one many times divided. Beyond both it is nothing, or more than there is.
    let power = |times: u32| (0..times).fold(1.0, |power, _| power * 10.0);
    let times = scale.unsigned_abs();
    let (near, far) = (
        power(times.min(300)),
        power(times.saturating_sub(300).min(100)),
    );
    let value = if scale < 0 {
        value / near / far
    } else {
        value * near * far
    };
    Some(if unsigned.len() < text.len() {
        -value
    } else {
        value
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;
    use proptest::test_runner::{Config, RngAlgorithm, TestCaseResult, TestRng, TestRunner};

    use super::*;

    fn check(text: &str) -> Json<'_> {
        Json::check(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_values_of_lists_and_objects_are_found_whatever_stands_in_them() {
        for values in [
            &[][..],
            &["1"],
            &["-1.5e+3", "true", "null", "\"\"", "[]", "{}"],
            &[
                r#""a\"b""#,
                r#""\\""#,
                r#""]},:""#,
                r#"[["]"],{"}":"{"}]"#,
                r#"{"a" : [ 1 , 2 ]}"#,
            ],
            &["\"\u{e4}\u{1f980}\"", "[[[[]]]]", "0"],
        ] {
            for (comma, blank) in [(",", ""), (" ,\t", "\r\n ")] {
                let list = format!("{blank}[{blank}{}{blank}]{blank}", values.join(comma));
                let entries: Vec<&str> = check(&list)
                    .entries()
                    .unwrap()
                    .map(|entry| entry.0)
                    .collect();
                assert_eq!(entries, values, "{list}");
                let members: Vec<String> = values
                    .iter()
                    .map(|value| format!("\"n:\"{blank}:{blank}{value}"))
                    .collect();
                let object = format!("{blank}{{{blank}{}{blank}}}{blank}", members.join(comma));
                let members: Vec<(&str, &str)> = check(&object)
                    .members()
                    .unwrap()
                    .map(|(name, value)| (name.0, value.0))
                    .collect();
                assert_eq!(
                    members,
                    values
                        .iter()
                        .map(|value| ("\"n:\"", *value))
                        .collect::<Vec<_>>(),
                    "{object}"
                );
            }
        }
    }

    /// The inside of a string: plain and escaped characters, halves of pairs among them.
    fn inside() -> impl Strategy<Value = String> {
        let escaped = select(vec![
            r#"\""#,
            r"\\",
            r"\/",
            r"\b",
            r"\f",
            r"\n",
            r"\r",
            r"\t",
            r"\u0000",
            r"\u00e4",
            r"\uFFff",
            r"\ud83e\udd80",
            r"\ud83e",
            r"\udd80",
        ]);
        let part = prop_oneof![
            any::<char>().prop_map(String::from),
            escaped.prop_map(String::from)
        ];
        vec(part, 0..8).prop_map(|parts| parts.concat())
    }

    /// Tries a property on inputs that are the same each time.
    fn tried<S: Strategy>(inputs: &S, property: impl Fn(S::Value) -> TestCaseResult) {
        let config = Config {
            cases: 2000,
            failure_persistence: None,
            ..Config::default()
        };
        let mut runner =
            TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
        runner.run(inputs, property).unwrap();
    }

    #[test]
    fn strings_are_read_as_serde_json_reads_them() {
        tried(&inside(), |inside| {
            let json = format!("\"{inside}\"");
            // What is no string, or half of a pair, it does not read.
            let expected = serde_json::from_str::<String>(&json).ok();
            let read = Json::check(json.as_bytes())
                .ok()
                .and_then(|json| Some(json.string()?.into_owned()));
            prop_assert_eq!(read, expected);
            Ok(())
        });
    }

    #[test]
    fn numbers_are_read_as_serde_json_reads_them() {
        tried(
            &r"-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?",
            |json| {
                let expected = serde_json::from_str::<f64>(&json).ok();
                let read = check(&json).real();
                prop_assert_eq!(read.is_some(), expected.is_some());
                if let (Some((read, written)), Some(expected)) = (read, expected) {
                    let apart = (read - expected).abs();
                    prop_assert!(
                        apart <= expected.abs() * 1e-14 || apart < 1e-300,
                        "{} for {}",
                        read,
                        expected
                    );
                    prop_assert_eq!(written, json);
                }
                Ok(())
            },
        );
    }

    #[test]
    fn a_number_may_be_a_string_and_a_string_that_is_none_is_none() {
        for (json, expected) in [
            ("0.54", Some(0.54)),
            ("\"0.54\"", Some(0.54)),
            ("\" 1 \"", Some(1.0)),
            ("5.4e-1", Some(0.54)),
            ("-7", Some(-7.0)),
            ("1e999", None),
            ("\"01\"", None),
            ("\"1,5\"", None),
            ("\"\"", None),
            ("\"NaN\"", None),
            ("\"true\"", None),
            ("true", None),
            ("null", None),
            ("[1]", None),
            ("{}", None),
        ] {
            assert_eq!(
                check(json).real().map(|(number, _)| number),
                expected,
                "{json}"
            );
        }
    }

    #[test]
    fn names_are_found_however_they_are_written_and_none_may_come_twice() {
        let fields = |text| {
            check(text)
                .fields(["data", "more"])
                .map(|fields| fields.map(|fields| fields.map(|field| field.map(|field| field.0))))
        };
        assert_eq!(
            fields(r#"{"d\u0061ta":1,"x":{"more":2}}"#),
            Ok(Some([Some("1"), None]))
        );
        assert_eq!(fields(r#"{"data":1,"data":1}"#), Err(Flaw::Twice("data")));
        for longer in [
            "{\"data\u{e4}\":1,\"data\u{1f980}\":1,\"datax\":1,\"dat\":1,\"\\ud800\":1}",
            r#"{"d\u0061t\u0061\u00e4":1}"#,
        ] {
            assert_eq!(fields(longer), Ok(Some([None, None])), "{longer}");
        }
        assert_eq!(fields(r#"["data",1]"#), Ok(None));
        assert_eq!(fields(r#""data""#), Ok(None));
    }
}
