//! Scenarios that change the format of a response but not its content.

use serde_json::{Map, Value, json};

use super::scenario::Scenario;

/// Fields that [`Scenario::MissingFields`] omits, in addition to nulls.
const MISSING: [&str; 7] = [
    "completionRatio",
    "createdAt",
    "failedRows",
    "hasMore",
    "plannedRows",
    "querySize",
    "successfulRows",
];

impl Scenario {
    /// Rewrites a response in the format of this scenario.
    pub(super) fn write(self, response: Value) -> Value {
        match self {
            Self::StringIds
            | Self::ErrorObjects
            | Self::UpperCase
            | Self::UnknownFields
            | Self::MissingFields => self.rewrite(response),
            _ => response,
        }
    }

    fn rewrite(self, value: Value) -> Value {
        match value {
            Value::Object(fields) => {
                let mut fields: Map<_, _> = fields
                    .into_iter()
                    .filter(|(name, value)| !self.leaves_out(name, value))
                    .map(|(name, value)| {
                        let value = self.rewrite_field(&name, value);
                        (name, value)
                    })
                    .collect();
                if self == Self::UnknownFields {
                    fields.insert("attempt".to_owned(), json!({"number": 1, "of": null}));
                    fields.insert(
                        "labels".to_owned(),
                        json!(["new", {"status": "unheard-of"}]),
                    );
                }
                Value::Object(fields)
            }
            Value::Array(items) => items.into_iter().map(|item| self.rewrite(item)).collect(),
            other => other,
        }
    }

    fn leaves_out(self, name: &str, value: &Value) -> bool {
        self == Self::MissingFields && (value.is_null() || MISSING.contains(&name))
    }

    fn rewrite_field(self, name: &str, value: Value) -> Value {
        let is_id = name == "id" || name.ends_with("Id");
        match (self, value) {
            (Self::StringIds, Value::Number(id)) if is_id => id.to_string().into(),
            (Self::StringIds, Value::String(id)) if is_id => match id.parse::<u64>() {
                Ok(id) => id.into(),
                Err(_) => id.into(),
            },
            (Self::UpperCase, Value::String(status)) if name == "status" => {
                status.to_uppercase().into()
            }
            (Self::ErrorObjects, Value::String(error)) if name == "error" => {
                json!({"message": error, "code": "DESTINATION_ERROR"})
            }
            (_, value) => self.rewrite(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_change_their_type_and_uuids_do_not() {
        let uuid = "0cb7da35-1fff-4d4a-bf1b-6534d515e5b5";
        assert_eq!(
            Scenario::StringIds
                .write(json!({"id": uuid, "syncRuns": [{"syncId": 1, "syncRunId": 2}]})),
            json!({"id": uuid, "syncRuns": [{"syncId": "1", "syncRunId": "2"}]})
        );
        assert_eq!(
            Scenario::StringIds.write(json!({"id": "42"})),
            json!({"id": 42})
        );
    }

    #[test]
    fn statuses_turn_to_upper_case() {
        assert_eq!(
            Scenario::UpperCase.write(json!({"data": [{"status": "success"}]})),
            json!({"data": [{"status": "SUCCESS"}]})
        );
    }

    #[test]
    fn an_error_becomes_an_object_and_none_stays_none() {
        assert_eq!(
            Scenario::ErrorObjects.write(json!({"data": [{"error": "no"}, {"error": null}]})),
            json!({"data": [{"error": {"message": "no", "code": "DESTINATION_ERROR"}}, {"error": null}]})
        );
    }

    #[test]
    fn fields_come_and_go() {
        let run = json!({"id": 42, "status": "queued", "error": null, "completionRatio": 0.0});
        assert_eq!(
            Scenario::MissingFields.write(run.clone()),
            json!({"id": 42, "status": "queued"})
        );
        let more = Scenario::UnknownFields.write(run.clone());
        assert_eq!(more.get("status"), run.get("status"));
        assert!(more.get("attempt").is_some());
    }
}
