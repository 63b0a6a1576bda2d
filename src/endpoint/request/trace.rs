//! The caller's trace (W3C Trace Context). It is sent with each request to Hightouch; the endpoint
//! does not create one.

/// Maximum length of `traceparent`, in bytes. Version 00 has 55 bytes; a later one may have more.
const MAX_PARENT: usize = 256;
/// Maximum length of `tracestate`, in bytes: the length that every participant should pass on (W3C
/// Trace Context, section 3.3.1.5).
const MAX_STATE: usize = 512;

/// Returns the headers to send.
///
/// A value that is too long is not sent, because hosts may reject it. `tracestate` is not sent
/// without `traceparent`, because it means nothing then. Several `traceparent` headers are invalid;
/// several `tracestate` headers form one list.
pub(super) fn trace<'a>(
    parents: impl IntoIterator<Item = &'a str>,
    states: impl IntoIterator<Item = &'a str>,
) -> Vec<(&'static str, String)> {
    let mut parents = parents.into_iter();
    let (Some(parent), None) = (parents.next(), parents.next()) else {
        return Vec::new();
    };
    let parent = parent.trim_ascii();
    if parent.is_empty() || parent.len() > MAX_PARENT {
        return Vec::new();
    }
    let mut headers = vec![("traceparent", parent.into())];
    let lines = states
        .into_iter()
        .map(str::trim_ascii)
        .filter(|line| !line.is_empty());
    let state = lines.collect::<Vec<_>>().join(",");
    if !state.is_empty() && state.len() <= MAX_STATE {
        headers.push(("tracestate", state));
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn of(parents: &[&str], states: &[&str]) -> Vec<(&'static str, String)> {
        trace(parents.iter().copied(), states.iter().copied())
    }

    #[test]
    fn the_lines_of_a_state_are_one_list() {
        let with = |state: &str| vec![("traceparent", PARENT.into()), ("tracestate", state.into())];
        assert_eq!(of(&[PARENT], &["a=1"]), with("a=1"));
        assert_eq!(
            of(&[PARENT], &["a=1", " ", "b=2, c=3"]),
            with("a=1,b=2, c=3")
        );
        assert_eq!(of(&[PARENT], &[]), [("traceparent", PARENT.into())]);
    }

    #[test]
    fn a_value_that_is_too_long_or_invalid_is_not_sent() {
        let most = "x".repeat(MAX_STATE);
        assert_eq!(of(&[PARENT], &[&most]).len(), 2);
        assert_eq!(of(&[PARENT], &[&most, "y"]).len(), 1);
        assert_eq!(of(&[&"0".repeat(MAX_PARENT)], &["a=1"]).len(), 2);
        assert!(of(&[&"0".repeat(MAX_PARENT + 1)], &["a=1"]).is_empty());
        for parents in [&[][..], &[""], &[PARENT, PARENT]] {
            assert!(of(parents, &["a=1"]).is_empty(), "{parents:?}");
        }
    }
}
