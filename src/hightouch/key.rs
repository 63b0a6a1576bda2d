//! The API key: it goes into one header and nowhere else.

use core::fmt;

/// A Hightouch API key. Its `Debug` prints nothing of it, and it has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

/// Why a text is no API key. It does not quote the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the Hightouch API key must be 1 to 4096 printable ASCII characters without blanks")]
pub struct InvalidKey;

/// From how many of its characters on the beginning of a key tells something of it.
const TELLING: usize = 4;
/// What stands where a key was.
const REDACTED: &str = "[redacted]";

impl ApiKey {
    /// Takes a key that can stand in an HTTP header.
    pub fn new(text: &str) -> Result<Self, InvalidKey> {
        let fits = (1..=4096).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(text.into())) } else { Err(InvalidKey) }
    }

    /// The value of the `Authorization` header.
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// Takes the key out of a text that came from elsewhere, such as an answer that echoes the request's headers.
    pub fn redact(&self, text: &mut String) {
        if text.contains(&self.0) {
            *text = text.replace(&self.0, REDACTED);
        }
        // A text that was cut may end in the middle of the key.
        let begun = |at: &usize| self.0.get(..*at).is_some_and(|beginning| text.ends_with(beginning));
        if let Some(at) = (TELLING..self.0.len()).rev().find(begun) {
            text.truncate(text.len() - at);
            text.push_str(REDACTED);
        }
    }
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
        for text in ["", "a b", "a\r\nHost: evil", "ключ", "\t", &"k".repeat(4097)] {
            let error = ApiKey::new(text).unwrap_err();
            assert!(text.is_empty() || !error.to_string().contains(text.trim()) || text.trim().is_empty());
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
}
