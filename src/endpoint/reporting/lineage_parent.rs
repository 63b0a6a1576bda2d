//! The run that caused a run, as the caller names it.

use uuid::Uuid;

/// Maximum length of a caller's text, in characters.
const MAX_LEN: usize = 1024;

/// The OpenLineage run that caused a run: `namespace/job/run-uuid`, the form of OpenLineage's own
/// integrations. Namespaces may contain slashes, so the text is split at its last two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::endpoint) struct LineageParent {
    pub(in crate::endpoint) namespace: String,
    pub(in crate::endpoint) job: String,
    pub(in crate::endpoint) run: Uuid,
}

impl LineageParent {
    /// The form of a text that [`read`](Self::read) accepts.
    pub(in crate::endpoint) const EXPECTED: &str =
        "a text of the form `namespace/job/run-uuid`, of at most 1024 characters";

    /// Returns the names that the caller gave.
    pub(in crate::endpoint) fn names(&self) -> Vec<String> {
        vec![
            self.namespace.clone(),
            self.job.clone(),
            self.run.to_string(),
        ]
    }

    /// Reads a text; `None` if it does not have this form.
    pub(in crate::endpoint) fn read(text: &str) -> Option<Self> {
        let mut parts = text.rsplitn(3, '/');
        let (run, job, namespace) = (parts.next()?, parts.next()?, parts.next()?);
        // `Uuid` also reads forms without hyphens and with braces.
        let is_plain = run.len() == uuid::fmt::Hyphenated::LENGTH;
        let run = Uuid::try_parse(run).ok().filter(|_| is_plain)?;
        let is_name = |name: &str| {
            name.starts_with(|first: char| !first.is_whitespace())
                && !name.contains(char::is_control)
        };
        let is_valid = text.chars().count() <= MAX_LEN && is_name(job) && is_name(namespace);
        is_valid.then(|| Self {
            namespace: namespace.into(),
            job: job.into(),
            run,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const RUN: &str = "0cb7da35-1fff-4d4a-bf1b-6534d515e5b5";

    #[test]
    fn a_parent_is_split_at_its_last_two_slashes() {
        for (namespace, job) in [
            ("default", "nightly"),
            ("postgres://host:5432/db", "dag.task"),
            ("a/b", "c d"),
        ] {
            let parent = LineageParent::read(&format!("{namespace}/{job}/{RUN}")).unwrap();
            assert_eq!(
                (parent.namespace.as_str(), parent.job.as_str()),
                (namespace, job)
            );
            assert_eq!(parent.run.to_string(), RUN);
        }
    }

    #[test]
    fn any_other_text_is_refused() {
        let plain = RUN.replace('-', "");
        let long = "x".repeat(MAX_LEN);
        for text in [
            "",
            RUN,
            &format!("job/{RUN}"),
            &format!("/job/{RUN}"),
            &format!("namespace//{RUN}"),
            &format!(" /job/{RUN}"),
            &format!("namespace/job/{RUN}/"),
            &format!("namespace/job/{plain}"),
            &format!("namespace/job/{{{RUN}}}"),
            &format!("namespace/job/{RUN} "),
            &format!("name\nspace/job/{RUN}"),
            &format!("{long}/job/{RUN}"),
            "namespace/job/run",
        ] {
            assert_eq!(LineageParent::read(text), None, "{text}");
        }
    }
}
