//! The caller's trace (W3C Trace Context), to go on with the calls to Hightouch. None is made up.

/// The most of `traceparent` that goes on, in bytes. Version 00 has 55; a later one may have more.
const MAX_PARENT: usize = 256;
/// The most of `tracestate` that goes on, in bytes: what every participant has to pass on (section 3.3.1.5).
const MAX_STATE: usize = 512;

/// The headers that go on. What is too long does not, for a host may refuse headers of that length: without `traceparent`, `tracestate` means
/// nothing and is left out too. Several `traceparent` are no trace; several `tracestate` are one list.
pub(super) fn trace(parents: &[String], states: &[String]) -> Vec<(&'static str, String)> {
    let [parent] = parents else { return Vec::new() };
    let parent = parent.trim_ascii();
    if parent.is_empty() || parent.len() > MAX_PARENT {
        return Vec::new();
    }
    let mut trace = vec![("traceparent", parent.into())];
    let lines = states
        .iter()
        .map(|line| line.trim_ascii())
        .filter(|line| !line.is_empty());
    let state = lines.collect::<Vec<_>>().join(",");
    if !state.is_empty() && state.len() <= MAX_STATE {
        trace.push(("tracestate", state));
    }
    trace
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn of(parents: &[&str], states: &[&str]) -> Vec<(&'static str, String)> {
        let owned = |lines: &[&str]| {
            lines
                .iter()
                .map(|line| String::from(*line))
                .collect::<Vec<_>>()
        };
        trace(&owned(parents), &owned(states))
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
    fn what_is_too_long_or_no_trace_does_not_go_on() {
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
