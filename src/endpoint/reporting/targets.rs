//! The settings of lineage events, notifications and following.

use core::fmt;
use core::time::Duration;

use http::Uri;

use crate::endpoint::response::problem::Problem;
use crate::endpoint::settings::{NOTIFY_URL, OPENLINEAGE_API_KEY, Settings};
use crate::hightouch::{ApiKey, Origin, whole_number};

/// The origin of an OpenLineage consumer.
const OPENLINEAGE_URL: &str = "OPENLINEAGE_URL";
/// The path of the consumer's API.
const OPENLINEAGE_ENDPOINT: &str = "OPENLINEAGE_ENDPOINT";
/// The namespace of the jobs.
const OPENLINEAGE_NAMESPACE: &str = "OPENLINEAGE_NAMESPACE";
/// The runs that cause a notification.
const NOTIFY_ON: &str = "NOTIFY_ON";
/// The format of notifications.
const NOTIFY_FORMAT: &str = "NOTIFY_FORMAT";
/// How long a run is followed after the response, in seconds.
const FOLLOW_SECONDS: &str = "FOLLOW_SECONDS";

/// The default of [`OPENLINEAGE_ENDPOINT`]. It is the default of OpenLineage's own clients.
const DEFAULT_ENDPOINT: &str = "api/v1/lineage";
/// The default of [`OPENLINEAGE_NAMESPACE`].
const DEFAULT_NAMESPACE: &str = "hightouch";
/// Maximum of [`FOLLOW_SECONDS`]: one day.
const MAX_FOLLOW_SECONDS: u64 = 86_400;

/// The settings of lineage events, notifications and following.
#[derive(Clone, Debug, Default)]
pub(in crate::endpoint) struct Targets {
    pub(super) lineage: Option<Lineage>,
    pub(super) notify: Option<Notify>,
    /// How long a run is followed after the response.
    pub(in crate::endpoint) follow: Duration,
}

/// Where lineage events are sent.
#[derive(Clone, Debug)]
pub(super) struct Lineage {
    pub(super) consumer: Consumer,
    /// The namespace of the jobs.
    pub(super) namespace: String,
}

/// Where notifications are sent.
#[derive(Clone, Debug)]
pub(super) struct Notify {
    pub(super) consumer: Consumer,
    /// Whether runs that succeed cause notifications too.
    pub(super) includes_success: bool,
    pub(super) format: NotifyFormat,
}

/// The format of notifications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum NotifyFormat {
    /// A text, an ID, and the report or the problem.
    #[default]
    Json,
    /// Only a text.
    Text,
    /// An Adaptive Card.
    Teams,
}

/// The values of [`NOTIFY_FORMAT`].
const FORMATS: [(&str, NotifyFormat); 3] = [
    ("json", NotifyFormat::Json),
    ("text", NotifyFormat::Text),
    ("teams", NotifyFormat::Teams),
];
/// The values of [`NOTIFY_ON`], and whether runs that succeed cause notifications too.
const OCCASIONS: [(&str, bool); 2] = [("failure", false), ("all", true)];

/// A server that receives messages.
#[derive(Clone)]
pub(in crate::endpoint) struct Consumer {
    pub(in crate::endpoint) origin: Origin,
    /// The path and the query. They may be a secret.
    pub(in crate::endpoint) target: String,
    /// The bearer token.
    pub(in crate::endpoint) token: Option<ApiKey>,
}

impl fmt::Debug for Consumer {
    /// Shows only the origin.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.origin, out)
    }
}

/// Minimum length in bytes of a part of a URL that counts as a secret. Shorter parts are words.
const MIN_SECRET_LEN: usize = 12;

impl Consumer {
    /// Returns the parts of the path and of the query that may be secrets.
    ///
    /// A part without digits and without upper-case letters counts as words, such as
    /// `hightouch-failures`. If it counted as a secret, its words would be redacted in every
    /// message.
    pub(super) fn secrets(&self) -> impl Iterator<Item = ApiKey> {
        let parts = self.target.split(['/', '?', '&', '=', '%']);
        let is_word = |part: &str| {
            !part.contains(|character: char| {
                character.is_ascii_digit() || character.is_ascii_uppercase()
            })
        };
        parts
            .filter(move |part| part.len() >= MIN_SECRET_LEN && !is_word(part))
            .filter_map(|part| ApiKey::new(part).ok())
    }
}

impl Targets {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// Returns a problem if a setting is invalid. The problem does not contain the setting's value.
    pub(in crate::endpoint) fn read(settings: &dyn Settings) -> Result<Self, Problem> {
        let lineage = match settings.get(OPENLINEAGE_URL)? {
            Some(url) => Some(Lineage::read(&url, settings)?),
            None => None,
        };
        let notify = match settings.get(NOTIFY_URL)? {
            Some(url) => Some(Notify::read(&url, settings)?),
            None => None,
        };
        let expected = format!("it must be a whole number from 0 to {MAX_FOLLOW_SECONDS}");
        let seconds = parse(settings, FOLLOW_SECONDS, &expected, |value| {
            whole_number(value).filter(|seconds| *seconds <= MAX_FOLLOW_SECONDS)
        })?;
        Ok(Self {
            lineage,
            notify,
            follow: Duration::from_secs(seconds.unwrap_or_default()),
        })
    }

    /// Returns whether lineage events are sent.
    pub(in crate::endpoint) fn has_lineage(&self) -> bool {
        self.lineage.is_some()
    }

    /// Returns whether nothing is reported and no run is followed.
    pub(in crate::endpoint) fn is_empty(&self) -> bool {
        self.lineage.is_none() && self.notify.is_none() && self.follow.is_zero()
    }
}

impl Lineage {
    fn read(url: &str, settings: &dyn Settings) -> Result<Self, Problem> {
        let origin = url.strip_suffix('/').unwrap_or(url).parse();
        let origin = origin.map_err(|error| Problem::invalid_setting(OPENLINEAGE_URL, error))?;
        let expected = "it must be the path of the consumer's API, such as api/v1/lineage";
        let target = parse(settings, OPENLINEAGE_ENDPOINT, expected, |path| {
            path_and_query(&format!("/{}", path.trim_start_matches('/')))
        })?;
        let token = settings.get(OPENLINEAGE_API_KEY)?;
        let token = token.map(|token| ApiKey::new(&token)).transpose();
        let token = token.map_err(|_| {
            let error = "it must be printable ASCII characters without blanks";
            Problem::invalid_setting(OPENLINEAGE_API_KEY, error)
        })?;
        let namespace = settings.get(OPENLINEAGE_NAMESPACE)?;
        Ok(Self {
            consumer: Consumer {
                origin,
                target: target.unwrap_or_else(|| format!("/{DEFAULT_ENDPOINT}")),
                token,
            },
            namespace: namespace.unwrap_or_else(|| DEFAULT_NAMESPACE.into()),
        })
    }
}

impl Notify {
    fn read(url: &str, settings: &dyn Settings) -> Result<Self, Problem> {
        let consumer = consumer(url).ok_or_else(|| {
            let error = "it must be a URL with http:// or https://, without a user name and without \
                         a fragment";
            Problem::invalid_setting(NOTIFY_URL, error)
        })?;
        Ok(Self {
            consumer,
            includes_success: word(settings, NOTIFY_ON, &OCCASIONS)?,
            format: word(settings, NOTIFY_FORMAT, &FORMATS)?,
        })
    }
}

/// Reads the URL of a consumer.
fn consumer(url: &str) -> Option<Consumer> {
    let uri: Uri = url.parse().ok().filter(|_| !url.contains('#'))?;
    let origin = format!("{}://{}", uri.scheme_str()?, uri.authority()?);
    Some(Consumer {
        origin: origin.parse().ok()?,
        target: path_and_query(uri.path_and_query()?.as_str())?,
        token: None,
    })
}

/// Checks a path with an optional query.
fn path_and_query(text: &str) -> Option<String> {
    let is_visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    let uri: Uri = text.parse().ok()?;
    (is_visible && uri.path_and_query()?.as_str() == text).then(|| text.into())
}

/// Reads a setting whose value is one of a few words. If it is not set, the default is returned.
fn word<T: Copy + Default>(
    settings: &dyn Settings,
    name: &str,
    words: &[(&str, T)],
) -> Result<T, Problem> {
    let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let expected = format!("it must be one of: {}", names.join(", "));
    let read = |value: &str| words.iter().find(|(word, _)| *word == value);
    let found = parse(settings, name, &expected, read)?;
    Ok(found.map(|(_, meaning)| *meaning).unwrap_or_default())
}

/// Reads a setting; `None` if it is not set.
///
/// # Errors
///
/// Returns a problem with the text `expected` if `read` does not accept the value.
fn parse<T>(
    settings: &dyn Settings,
    name: &str,
    expected: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, Problem> {
    let value = settings.get(name)?;
    let read = value.map(|value| read(&value).ok_or(expected)).transpose();
    read.map_err(|expected| Problem::invalid_setting(name, expected))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::endpoint::settings::fixed::Fixed;

    fn read(settings: &[(&str, &str)]) -> Result<Targets, Problem> {
        let [environment, _] = Fixed::of_each_source(settings);
        Targets::read(&environment)
    }

    #[test]
    fn without_settings_nothing_is_reported() {
        assert!(read(&[]).unwrap().is_empty());
        let others = [
            ("OPENLINEAGE_NAMESPACE", "x"),
            ("NOTIFY_ON", "all"),
            ("FOLLOW_SECONDS", "0"),
            ("NOTIFY_URL", " "),
        ];
        assert!(read(&others).unwrap().is_empty());
    }

    #[test]
    fn every_setting_has_a_default() {
        let targets = read(&[
            ("OPENLINEAGE_URL", "http://127.0.0.1:5000/"),
            ("NOTIFY_URL", "https://hooks.example.com/services/T0/x?y=z"),
        ]);
        let Targets {
            lineage,
            notify,
            follow,
        } = targets.unwrap();
        let (lineage, notify) = (lineage.unwrap(), notify.unwrap());
        assert_eq!(lineage.consumer.target, "/api/v1/lineage");
        assert_eq!(lineage.namespace, "hightouch");
        assert_eq!(notify.consumer.target, "/services/T0/x?y=z");
        assert_eq!(
            format!("{:?}", notify.consumer),
            "https://hooks.example.com"
        );
        assert!(!notify.includes_success);
        assert_eq!(
            (notify.format, follow),
            (NotifyFormat::Json, Duration::ZERO)
        );
    }

    #[test]
    fn words_in_the_url_of_notifications_are_no_secrets() {
        for (url, secrets) in [
            (
                "https://h/services/T00000000/B00000000/Xy3456789012345678",
                &["Xy3456789012345678"][..],
            ),
            (
                "https://h/hooks/x3rfhbnkbtgrtfyb1ofxqx1w4e",
                &["x3rfhbnkbtgrtfyb1ofxqx1w4e"],
            ),
            (
                "https://h/v1/spaces/A/messages?key=AIzaSyDd0123&token=a-b_c0123456%3D",
                &["AIzaSyDd0123", "a-b_c0123456"],
            ),
            (
                "https://h/powerautomate/workflows/0a1b2c3d4e5f/paths/invoke?sp=%2Ftriggers%2Fmanual%2Frun&sig=aBcDeFgHiJkLmN",
                &["0a1b2c3d4e5f", "aBcDeFgHiJkLmN"],
            ),
            ("https://h/hooks/hightouch-failures", &[]),
        ] {
            let consumer = consumer(url).unwrap();
            let expected: Vec<ApiKey> = secrets
                .iter()
                .map(|text| ApiKey::new(text).unwrap())
                .collect();
            assert!(consumer.secrets().eq(expected), "{url}");
        }
    }

    #[test]
    fn an_invalid_setting_is_named_and_not_quoted() {
        let lineage = ("OPENLINEAGE_URL", "http://127.0.0.1:5000");
        let notify = ("NOTIFY_URL", "http://127.0.0.1:5000/marked");
        for (with, name, value) in [
            (None, "OPENLINEAGE_URL", "marked"),
            (None, "OPENLINEAGE_URL", "https://host/marked"),
            (None, "OPENLINEAGE_URL", "https://marked@host"),
            (Some(lineage), "OPENLINEAGE_ENDPOINT", "a b marked"),
            (Some(lineage), "OPENLINEAGE_ENDPOINT", "a#marked"),
            (Some(lineage), "OPENLINEAGE_ENDPOINT", "a\u{e4}marked"),
            (Some(lineage), "OPENLINEAGE_API_KEY", "two marked"),
            (None, "NOTIFY_URL", "marked"),
            (None, "NOTIFY_URL", "/marked"),
            (None, "NOTIFY_URL", "ftp://host/marked"),
            (None, "NOTIFY_URL", "https://user:marked@host/"),
            (None, "NOTIFY_URL", "https://host/#marked"),
            (None, "NOTIFY_URL", "https://host:0/marked"),
            (None, "NOTIFY_URL", "https://host/marked marked"),
            (Some(notify), "NOTIFY_ON", "marked"),
            (Some(notify), "NOTIFY_ON", "ALL marked"),
            (Some(notify), "NOTIFY_FORMAT", "marked"),
            (None, "FOLLOW_SECONDS", "marked"),
            (None, "FOLLOW_SECONDS", "-1"),
            (None, "FOLLOW_SECONDS", "+1"),
            (None, "FOLLOW_SECONDS", "1.5"),
            (None, "FOLLOW_SECONDS", "86401"),
            (None, "FOLLOW_SECONDS", "99999999999999999999"),
        ] {
            let settings: Vec<_> = with.into_iter().chain([(name, value)]).collect();
            let problem = read(&settings).unwrap_err();
            assert_eq!(
                (problem.status, problem.kind),
                (500, "not-configured"),
                "{value}"
            );
            let text = serde_json::to_string(&problem).unwrap();
            assert!(text.contains(name) && !text.contains("marked"), "{text}");
        }
    }
}
