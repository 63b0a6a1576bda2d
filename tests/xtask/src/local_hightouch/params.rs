//! Parses and validates parameters and body fields.

use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::responses::ApiResponse;
use super::run::Flags;

/// Named values of one request. It records invalid values, and [`Params::finish`] reports all of
/// them.
#[derive(Debug, Default)]
pub(super) struct Params {
    given: Map<String, Value>,
    wrong: Map<String, Value>,
}

impl Params {
    /// Parses the parameters of a query. The last value of a repeated parameter counts.
    pub(super) fn of_query(query: &str) -> Self {
        Self {
            given: pairs(query),
            wrong: Map::new(),
        }
    }

    /// Parses the body of a trigger: JSON, a form, or nothing.
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

    /// Takes a whole number that is not negative.
    pub(super) fn number(&mut self, name: &str) -> Option<u64> {
        let value = self.given.remove(name)?;
        let number = match &value {
            Value::String(text) => whole(text),
            _ => None,
        };
        self.noted(name, "invalid float number", value, number)
    }

    /// Takes a time in RFC 3339 format.
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

    /// Takes one of the names that `read` accepts.
    pub(super) fn choice<T>(&mut self, name: &str, read: impl Fn(&str) -> Option<T>) -> Option<T> {
        let value = self.given.remove(name)?;
        let choice = value.as_str().and_then(read);
        self.noted(name, "should be one of the following values", value, choice)
    }

    /// Takes a boolean of a trigger. The default is false.
    fn flag(&mut self, name: &str) -> bool {
        let Some(value) = self.given.remove(name) else {
            return false;
        };
        // In a form, all values are text.
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

    /// Returns a 422 response that lists all invalid values. An unknown name is invalid too,
    /// because nothing else would reveal a misspelt name.
    pub(super) fn finish(mut self) -> Result<(), ApiResponse> {
        for (name, value) in std::mem::take(&mut self.given) {
            let message = format!("\"{name}\" is an excess property and therefore is not allowed");
            self.reject(&name, &message, value);
        }
        if self.wrong.is_empty() {
            Ok(())
        } else {
            Err(ApiResponse::validation_failed(Value::Object(self.wrong)))
        }
    }
}

/// Parses a whole number that is not negative. It accepts `42.0` too, because every number in the
/// API is a float.
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
            let response = params.finish().unwrap_err();
            assert_eq!(response.status, 422);
            response.body
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
