//! A sync and its destination, as `GET /syncs/{syncId}` and `GET /destinations/{destinationId}`
//! return them.

use serde::Deserialize;

use super::{DestinationId, ReadError, lenient};

/// The fields of a sync that describe it. A field is `None` if it is missing, empty, null, or of a
/// type other than the one that the API documents.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SyncDetails {
    /// `slug`, cut to 128 bytes.
    #[serde(deserialize_with = "lenient::name")]
    pub slug: Option<String>,
    /// `destinationId`.
    #[serde(deserialize_with = "lenient::id")]
    pub destination_id: Option<DestinationId>,
}

impl SyncDetails {
    /// Reads the response that describes a sync.
    ///
    /// # Errors
    /// The body is not a JSON object, or has a field twice.
    pub fn read(body: &[u8]) -> Result<Self, ReadError> {
        lenient::read_object(body)?.ok_or(ReadError::Missing("slug"))
    }
}

/// A destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// `type`, such as `salesforce`, cut to 128 bytes.
    pub kind: String,
    /// `slug`, cut to 128 bytes.
    pub slug: String,
}

impl Destination {
    /// Reads the response that describes a destination.
    ///
    /// # Errors
    /// The body is not JSON, has a field twice, or has no `type` or no `slug`.
    pub fn read(body: &[u8]) -> Result<Self, ReadError> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Fields {
            #[serde(rename = "type", deserialize_with = "lenient::name")]
            kind: Option<String>,
            #[serde(deserialize_with = "lenient::name")]
            slug: Option<String>,
        }
        let Fields { kind, slug } = lenient::read_object(body)?.unwrap_or_default();
        Ok(Self {
            kind: kind.ok_or(ReadError::Missing("type"))?,
            slug: slug.ok_or(ReadError::Missing("slug"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_sync_and_its_destination_are_read() {
        let sync =
            br#"{"id":1,"slug":"contacts","destinationId":"7","modelId":2,"disabled":false}"#;
        let SyncDetails {
            slug,
            destination_id,
        } = SyncDetails::read(sync).unwrap();
        assert_eq!(slug.as_deref(), Some("contacts"));
        assert_eq!(destination_id.map(DestinationId::get), Some(7));

        let destination =
            br#"{"id":7,"name":"CRM","slug":"crm","type":"salesforce","configuration":{}}"#;
        let expected = Destination {
            kind: "salesforce".into(),
            slug: "crm".into(),
        };
        assert_eq!(Destination::read(destination), Ok(expected));
    }

    #[test]
    fn unreadable_fields_count_as_missing() {
        for body in [
            "{}",
            r#"{"slug":" ","destinationId":0}"#,
            r#"{"slug":7,"destinationId":"seven"}"#,
            r#"{"slug":null,"destinationId":null}"#,
        ] {
            let read = SyncDetails::read(body.as_bytes());
            assert_eq!(read, Ok(SyncDetails::default()), "{body}");
        }
        for (body, missing) in [
            ("{}", "type"),
            (r#"{"type":"","slug":"crm"}"#, "type"),
            (r#"{"type":"salesforce","slug":7}"#, "slug"),
        ] {
            let read = Destination::read(body.as_bytes());
            assert_eq!(read, Err(ReadError::Missing(missing)), "{body}");
        }
        for body in [
            "",
            "<html>",
            "7",
            "[]",
            "null",
            r#"{"slug":"a","slug":"b"}"#,
        ] {
            assert!(SyncDetails::read(body.as_bytes()).is_err(), "{body}");
            assert!(Destination::read(body.as_bytes()).is_err(), "{body}");
        }
    }
}
