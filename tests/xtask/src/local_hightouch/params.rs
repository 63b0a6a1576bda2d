//! Parameters and body fields, and what is wrong with them.

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::answers::Answer;
use super::run::Flags;

/// Named values of one request. Those that cannot be read are noted, and [`Params::finish`] names them all.
#[derive(Debug, Default)]
pub(super) struct Params {
    given: Map<String, Value>,
    wrong: Map<String, Value>,
}

impl Params {
    /// The parameters of a query. Of one that is repeated the last counts.
    pub(super) fn of_query(query: &str) -> Self {
        Self {
            given: pairs(query),
            wrong: Map::new(),
        }
    }

    /// The fields of a trigger's body: JSON, a form, or nothing.
    pub(super) fn of_body(content_type: Option<&str>, body: &str) -> Self {
        if body.trim().is_empty() {
            return Self::default();
        }
        let essence = content_type.and_then(|given| given.split(';').next());
        let essence = essence.unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "application/json" => match serde_json::from_str(body) {
                Ok(Value::Object(given)) => Self {
                    given,
                    wrong: Map::new(),
                },
                _ => Self::unreadable("invalid object", body),
            },
            "application/x-www-form-urlencoded" => Self {
                given: pairs(body),
                wrong: Map::new(),
            },
            _ => Self::unreadable("unsupported content type", &essence),
        }
    }

    fn unreadable(message: &str, value: &str) -> Self {
        let mut params = Self::default();
        params.reject("body", message, value.into());
        params
    }

    /// A whole number from zero up.
    pub(super) fn number(&mut self, name: &str) -> Option<u64> {
        let value = self.given.remove(name)?;
        let number = match &value {
            Value::String(text) => whole(text),
            _ => None,
        };
        self.noted(name, "invalid float number", value, number)
    }

    /// A time in RFC 3339.
    pub(super) fn time(&mut self, name: &str) -> Option<OffsetDateTime> {
        let value = self.given.remove(name)?;
        let time = value
            .as_str()
            .and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
        self.noted(name, "invalid ISO 8601 datetime format", value, time)
    }

    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        let value = self.given.remove(name)?;
        let text = value.as_str().map(str::to_owned);
        self.noted(name, "invalid string value", value, text)
    }

    /// One of the names that `read` knows.
    pub(super) fn choice<T>(&mut self, name: &str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let value = self.given.remove(name)?;
        let choice = value.as_str().and_then(read);
        self.noted(name, "should be one of the following values", value, choice)
    }

    /// A flag of a trigger, false if it is not given.
    fn flag(&mut self, name: &str) -> bool {
        let Some(value) = self.given.remove(name) else {
            return false;
        };
        // A form has only text.
        let flag = match &value {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) => text.parse().ok(),
            _ => None,
        };
        self.noted(name, "invalid boolean value", value, flag)
            .unwrap_or_default()
    }

    pub(super) fn flags(&mut self) -> Flags {
        Flags {
            full_resync: self.flag("fullResync"),
            reset_cdc: self.flag("resetCDC"),
            clear_and_fill: self.flag("clearAndFill"),
        }
    }

    fn noted<T>(&mut self, name: &str, message: &str, value: Value, read: Option<T>) -> Option<T> {
        if read.is_none() {
            self.reject(name, message, value);
        }
        read
    }

    pub(super) fn reject(&mut self, name: &str, message: &str, value: Value) {
        self.wrong
            .insert(name.to_owned(), json!({"message": message, "value": value}));
    }

    /// The 422 that names all that is wrong. What nobody asked for is wrong too: nothing else would show a
    /// misspelt name.
    pub(super) fn finish(mut self) -> Result<(), Answer> {
        for (name, value) in std::mem::take(&mut self.given) {
            let message = format!("\"{name}\" is an excess property and therefore is not allowed");
            self.reject(&name, &message, value);
        }
        if self.wrong.is_empty() {
            Ok(())
        } else {
            Err(Answer::validation_failed(Value::Object(self.wrong)))
        }
    }
}

/// A whole number from zero up, also where it is written as `42.0`: every number of the API is a float.
pub(super) fn whole(text: &str) -> Option<u64> {
    text.strip_suffix(".0").unwrap_or(text).parse().ok()
}

fn pairs(text: &str) -> Map<String, Value> {
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(text).unwrap_or_default();
    pairs
        .into_iter()
        .map(|(name, value)| (name, Value::String(value)))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const JSON: Option<&str> = Some("application/json; charset=utf-8");
    const FORM: Option<&str> = Some("application/x-www-form-urlencoded");

    #[test]
    fn flags_are_read_from_json_from_a_form_and_from_nothing() {
        let read = |content_type, body| {
            let mut params = Params::of_body(content_type, body);
            let flags = params.flags();
            params.finish().map(|()| flags)
        };
        let full = Flags {
            full_resync: true,
            ..Flags::default()
        };
        assert_eq!(
            read(JSON, r#"{"fullResync":true,"resetCDC":false}"#),
            Ok(full)
        );
        assert_eq!(read(FORM, "fullResync=true&clearAndFill=false"), Ok(full));
        assert_eq!(read(JSON, ""), Ok(Flags::default()));
        assert_eq!(read(None, ""), Ok(Flags::default()));
    }

    #[test]
    fn whatever_cannot_be_read_is_named() {
        let wrong = |content_type, body| {
            let mut params = Params::of_body(content_type, body);
            params.flags();
            let answer = params.finish().unwrap_err();
            assert_eq!(answer.status, 422);
            answer.body
        };
        assert!(wrong(JSON, r#"{"fullResync":1}"#).contains(r#""fullResync":{"message""#));
        assert!(wrong(JSON, r#"{"full_resync":true}"#).contains("full_resync"));
        assert!(wrong(JSON, "[]").contains("Validation failed"));
        assert!(wrong(JSON, "{").contains("Validation failed"));
        assert!(wrong(Some("text/plain"), "fullResync").contains("text/plain"));
        assert!(wrong(None, "{}").contains("content type"));
    }

    #[test]
    fn a_query_with_a_wrong_number_and_a_wrong_time_names_both() {
        let mut params = Params::of_query("runId=-1&after=yesterday&limit=5&offset=7.0");
        assert_eq!(params.number("limit"), Some(5));
        assert_eq!(params.number("offset"), Some(7));
        assert_eq!(params.number("runId"), None);
        assert_eq!(params.time("after"), None);
        let body = params.finish().unwrap_err().body;
        assert!(
            body.contains("runId") && body.contains("yesterday"),
            "{body}"
        );
    }
}
