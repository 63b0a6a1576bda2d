//! Lenient reading of JSON with serde.
//!
//! Each field is first taken as a [`RawValue`], which borrows the field's own text, and is then
//! read as the type that the project needs. A field of another type therefore counts as missing,
//! and neither its type nor its depth makes the rest of the body unreadable.

use core::fmt;
use core::str::FromStr;
use std::borrow::Cow;

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde::{Deserialize, de};
use serde_json::value::RawValue;

use super::ReadError;

/// Maximum number of bytes that are kept of a status, a UUID or a timestamp. Hightouch's own are at
/// most 36 bytes long.
pub(super) const MAX_SHORT_TEXT_LEN: usize = 128;

/// Maximum number of bytes that are kept of any other string of a response.
pub(super) const MAX_TEXT_LEN: usize = 16 * 1024;

/// Maximum length in bytes of the JSON that one byte of text takes, as in `\u0000`.
const MAX_ESCAPE_LEN: usize = 6;

/// Maximum length in bytes of the JSON of a whole number: the 20 digits of the highest `u64` as a
/// string, each of them escaped.
const MAX_NUMBER_JSON_LEN: usize = 2 + 20 * MAX_ESCAPE_LEN;

/// Returns the body's text.
///
/// # Errors
/// The body is not UTF-8. JSON must be UTF-8 (RFC 8259, section 8.1).
pub(super) fn body_text(body: &[u8]) -> Result<&str, ReadError> {
    core::str::from_utf8(body).map_err(|_| ReadError::Json("it is not UTF-8".into()))
}

/// Whether a JSON text is an object. The text need not be valid JSON.
pub(super) fn is_object(json: &str) -> bool {
    json.trim_ascii_start().starts_with('{')
}

/// Reads a body that is an object; returns `None` if it is any other JSON value.
///
/// # Errors
/// The body is not JSON, or has one of the object's fields twice.
pub(super) fn read_object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<Option<T>, ReadError> {
    let json = body_text(body)?;
    // The derived code would read a list as an object whose fields are in their order of
    // declaration.
    if is_object(json) {
        return Ok(Some(serde_json::from_str(json)?));
    }
    serde_json::from_str::<IgnoredAny>(json)?;
    Ok(None)
}

/// Reads a value that is an object; returns `None` if it is any other JSON value, or has a name
/// that is not Unicode.
///
/// # Errors
/// The object has one of its fields twice.
pub(super) fn read_nested<'a, T: Deserialize<'a>>(
    value: &'a RawValue,
) -> Result<Option<T>, serde_json::Error> {
    if !is_object(value.get()) {
        return Ok(None);
    }
    match serde_json::from_str(value.get()) {
        Ok(object) => Ok(Some(object)),
        Err(error) if error.is_data() => Err(error),
        Err(_) => Ok(None),
    }
}

/// Returns a whole number, which may be a string of digits.
pub(super) fn as_u64(value: &RawValue) -> Option<u64> {
    let json = value.get();
    if json.len() > MAX_NUMBER_JSON_LEN {
        return None;
    }
    match decode(json) {
        Some(digits) => whole_number(&digits),
        None => whole_number(json),
    }
}

/// Returns an ID, which may be a number or a string of digits.
pub(super) fn as_id<T: TryFrom<u64>>(value: &RawValue) -> Option<T> {
    T::try_from(as_u64(value)?).ok()
}

/// Returns a boolean, which may be a string in any letter case with blanks around it.
pub(super) fn as_bool(value: &RawValue) -> Option<bool> {
    let word = as_text(value, MAX_SHORT_TEXT_LEN);
    match word.as_deref().unwrap_or(value.get()).trim_ascii() {
        word if word.eq_ignore_ascii_case("true") => Some(true),
        word if word.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// Returns the text of a string, cut to at most `max` bytes; `None` for any other value. The text is
/// borrowed if nothing in it is escaped. However long the string is, this takes no more memory than
/// a few times `max` × [`MAX_ESCAPE_LEN`].
pub(super) fn as_text(value: &RawValue, max: usize) -> Option<Cow<'_, str>> {
    let json = value.get();
    if !json.starts_with('"') {
        return None;
    }
    let max_json = 1 + max.saturating_mul(MAX_ESCAPE_LEN);
    if json.len() <= max_json || !json.contains('\\') {
        return decode(json).map(|text| match text {
            Cow::Borrowed(text) => Cow::Borrowed(prefix(text, max)),
            Cow::Owned(text) => Cow::Owned(prefix(&text, max).into()),
        });
    }
    // The cut may fall into an escape sequence, or between the two halves of a surrogate pair.
    (0..2 * MAX_ESCAPE_LEN).find_map(|less| {
        let string = format!("{}\"", prefix(json, max_json.saturating_sub(less)));
        decode(&string).map(|text| Cow::Owned(prefix(&text, max).into()))
    })
}

/// Returns the text of a string or the JSON of any other value, cut to at most `max` bytes.
pub(super) fn as_text_or_json(value: &RawValue, max: usize) -> Cow<'_, str> {
    as_text(value, max).unwrap_or_else(|| prefix(value.get(), max).into())
}

/// Returns the beginning of a text, at most `max` bytes.
pub(super) fn prefix(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max)).unwrap_or(text)
}

/// Returns the text of a JSON string, borrowed if nothing in it is escaped. `json` must be valid
/// JSON, or a string without its end.
fn decode(json: &str) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    // serde's error for a type other than a string would quote the value.
    let content = json.strip_prefix('"')?;
    if !json.contains('\\') {
        return content.strip_suffix('"').map(Cow::Borrowed);
    }
    serde_json::from_str::<Text<'_>>(json)
        .ok()
        .map(|Text(text)| text)
}

/// Reads a whole number for `deserialize_with`; any other value counts as missing.
pub(super) fn u64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(as_u64)
}

/// Reads a whole number that is written in digits only, without a sign or blanks.
pub fn whole_number(text: &str) -> Option<u64> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// Reads a numeric ID for `deserialize_with`; any other value counts as missing.
pub(super) fn id<'de, D: Deserializer<'de>, T: TryFrom<u64>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(as_id)
}

/// Reads a UUID for `deserialize_with`; any other value counts as missing.
pub(super) fn uuid<'de, D: Deserializer<'de>, T: FromStr>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    let value = <&RawValue>::deserialize(deserializer)?;
    Ok(as_text(value, MAX_SHORT_TEXT_LEN).and_then(|text| text.trim_ascii().parse().ok()))
}

/// Reads a status or a timestamp for `deserialize_with`; any value but a string counts as missing.
pub(super) fn short_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(|value| {
        let text = as_text(value, MAX_SHORT_TEXT_LEN)?;
        Some(text.into_owned())
    })
}

/// Reads a name for `deserialize_with`; blanks count as missing, and so does any value but a string.
pub(super) fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    short_text(deserializer).map(|text| text.filter(|text| has_content(text)))
}

/// Reads free text for `deserialize_with`: the text of a string or the JSON of any other value.
/// Blanks and `null` count as missing.
pub(super) fn free_text<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(as_free_text)
}

/// Returns the text of a string or the JSON of any other value; `None` for blanks and for `null`.
pub(super) fn as_free_text(value: &RawValue) -> Option<String> {
    let text = as_text_or_json(value, MAX_TEXT_LEN);
    has_content(&text).then(|| text.into_owned())
}

/// Whether a text has any content: blanks and `null` have none.
pub(super) fn has_content(text: &str) -> bool {
    !text.trim_ascii().is_empty() && text != "null"
}

/// Reads an object for `deserialize_with`; any other value counts as missing.
pub(super) fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    read_nested(<&RawValue>::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// Deserializes a list by passing each entry to a function, so that the list is never in memory as
/// a whole. The result is whether the value is a list.
pub(super) struct ForEachEntry<F>(pub(super) F);

impl<'de, F> DeserializeSeed<'de> for ForEachEntry<F>
where
    F: FnMut(&'de RawValue) -> Result<(), serde_json::Error>,
{
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, F> Visitor<'de> for ForEachEntry<F>
where
    F: FnMut(&'de RawValue) -> Result<(), serde_json::Error>,
{
    type Value = bool;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<bool, A::Error> {
        while let Some(entry) = list.next_element()? {
            (self.0)(entry).map_err(A::Error::custom)?;
        }
        Ok(true)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<bool, A::Error> {
        IgnoredAny.visit_map(map)?;
        Ok(false)
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_unit<E: de::Error>(self) -> Result<bool, E> {
        Ok(false)
    }
}

/// Passes each entry of a value that is a list to a function; does nothing for any other value.
///
/// # Errors
/// Returns the error of the function.
pub(super) fn for_each_entry<'a>(
    value: &'a RawValue,
    each: impl FnMut(&'a RawValue) -> Result<(), serde_json::Error>,
) -> Result<(), serde_json::Error> {
    if value.get().starts_with('[') {
        let mut list = serde_json::Deserializer::from_str(value.get());
        ForEachEntry(each).deserialize(&mut list)?;
    }
    Ok(())
}

/// Passes the name and the value of each member of an object to a function, including members with
/// the same name. Does nothing for any other JSON value.
///
/// # Errors
/// The text is not JSON, or the object has a name that is not Unicode.
pub(super) fn for_each_member<'a, N: Deserialize<'a>>(
    json: &'a str,
    each: impl FnMut(N, &'a RawValue),
) -> Result<(), serde_json::Error> {
    struct Members<N, F>(F, core::marker::PhantomData<N>);

    impl<'de, N: Deserialize<'de>, F: FnMut(N, &'de RawValue)> Visitor<'de> for Members<N, F> {
        type Value = ();

        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
            while let Some((name, value)) = map.next_entry()? {
                (self.0)(name, value);
            }
            Ok(())
        }
    }

    if !is_object(json) {
        return serde_json::from_str::<IgnoredAny>(json).map(|_| ());
    }
    let mut deserializer = serde_json::Deserializer::from_str(json);
    (&mut deserializer).deserialize_map(Members(each, core::marker::PhantomData))?;
    deserializer.end()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Fields {
        #[serde(deserialize_with = "u64")]
        data: Option<u64>,
    }

    fn read(body: &str) -> Result<Option<Option<u64>>, ReadError> {
        let fields: Option<Fields> = read_object(body.as_bytes())?;
        Ok(fields.map(|fields| fields.data))
    }

    #[test]
    fn names_may_be_escaped_and_no_field_may_come_twice() {
        assert_eq!(read(r#"{"d\u0061ta":1,"x":{"data":2}}"#), Ok(Some(Some(1))));
        for twice in [
            r#"{"data":1,"data":1}"#,
            r#"{"data":1,"d\u0061ta":1}"#,
            r#"{"data":null,"x":1,"data":"x"}"#,
        ] {
            assert_eq!(
                read(twice),
                Err(ReadError::Duplicate("data".into())),
                "{twice}"
            );
        }
        for other in [
            "{\"data\u{e4}\":1,\"data\u{1f980}\":1,\"datax\":1,\"dat\":1,\"x\":1,\"x\":1}",
            r#"{"d\u0061t\u0061\u00e4":1}"#,
            r#"{"data":null}"#,
        ] {
            assert_eq!(read(other), Ok(Some(None)), "{other}");
        }
        for value in [r#"["data",1]"#, "[1]", r#""data""#, " null ", "1e999"] {
            assert_eq!(read(value), Ok(None), "{value}");
        }
    }

    #[test]
    fn the_error_of_a_body_that_is_not_json_does_not_quote_it() {
        for body in [
            r#"{"data":1} secret"#,
            r#"{"data":secret}"#,
            r#"{"secret"}"#,
            "secret",
        ] {
            let error = read(body).unwrap_err().to_string();
            assert!(
                error.contains("line 1") && !error.contains("secret"),
                "{error}"
            );
        }
        let latin1 = read_object::<Fields>(b"{\"x\":\"\xe4\"}");
        assert!(matches!(latin1, Err(ReadError::Json(_))));
    }

    #[test]
    fn a_whole_number_may_be_a_string_of_digits() {
        for (json, expected) in [
            ("7", Some(7)),
            (r#""7""#, Some(7)),
            (r#""007""#, Some(7)),
            (r#""\u0037""#, Some(7)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            (r#""""#, None),
            (r#"" 7""#, None),
            (r#""+7""#, None),
            ("-7", None),
            ("7.0", None),
            ("7e0", None),
            ("true", None),
            ("null", None),
            ("[7]", None),
        ] {
            let body = format!(r#"{{"data":{json}}}"#);
            assert_eq!(read(&body), Ok(Some(expected)), "{json}");
        }
        let escaped = r"\u0031".repeat(20);
        let body = format!(r#"{{"data":"{escaped}"}}"#);
        assert_eq!(read(&body), Ok(Some("1".repeat(20).parse().ok())));
    }
}
