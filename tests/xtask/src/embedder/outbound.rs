//! Restricts the destinations of a guest's requests.

use anyhow::{Context as _, ensure};
use hyper::Uri;
use hyper::http::uri::Scheme;

/// The allowed destinations of a guest's HTTP requests. The default allows none.
///
/// A request to any other destination fails with wasi:http's `http-request-denied`. No name is
/// resolved and nothing is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outbound {
    /// Only these destinations. Each is an origin (`https://api.hightouch.com`) or an authority for
    /// both schemes (`127.0.0.1:4000`). Without a port, the scheme's default port applies.
    Only(Vec<String>),
    /// All destinations.
    Any,
}

impl Outbound {
    /// Allows only these origins and authorities.
    pub fn only<T: Into<String>>(entries: impl IntoIterator<Item = T>) -> Self {
        Self::Only(entries.into_iter().map(Into::into).collect())
    }

    /// Parses the entries for comparison with requests.
    pub(super) fn parse(&self) -> anyhow::Result<Allowed> {
        match self {
            Self::Any => Ok(Allowed::Any),
            Self::Only(entries) => Ok(Allowed::Only(
                entries
                    .iter()
                    .map(|entry| {
                        Origin::parse(entry).with_context(|| {
                            format!("{entry:?} is not an origin, so it cannot be allowed")
                        })
                    })
                    .collect::<anyhow::Result<_>>()?,
            )),
        }
    }
}

impl Default for Outbound {
    fn default() -> Self {
        Self::Only(Vec::new())
    }
}

/// A parsed [`Outbound`].
#[derive(Clone, Debug)]
pub(super) enum Allowed {
    Only(Vec<Origin>),
    Any,
}

impl Allowed {
    /// Returns whether a request to this URI may be sent.
    pub(super) fn allows(&self, uri: &Uri) -> bool {
        match self {
            Self::Any => true,
            Self::Only(origins) => origins.iter().any(|origin| origin.is_of(uri)),
        }
    }
}

/// A parsed destination.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    scheme: Option<Scheme>,
    host: String,
    port: Option<u16>,
}

impl Origin {
    fn parse(entry: &str) -> anyhow::Result<Self> {
        let uri: Uri = entry.parse()?;
        let authority = uri.authority().context("it names no host")?;
        ensure!(
            uri.scheme()
                .is_none_or(|scheme| default_port(scheme).is_some()),
            "its scheme is neither http nor https"
        );
        ensure!(
            matches!(uri.path(), "" | "/") && uri.query().is_none(),
            "it has a path"
        );
        ensure!(!authority.as_str().contains('@'), "it has a user name");
        Ok(Self {
            scheme: uri.scheme().cloned(),
            host: authority.host().to_owned(),
            port: authority.port_u16(),
        })
    }

    fn is_of(&self, uri: &Uri) -> bool {
        let (Some(scheme), Some(host)) = (uri.scheme(), uri.host()) else {
            return false;
        };
        let port = uri.port_u16().or_else(|| default_port(scheme));
        self.scheme.as_ref().is_none_or(|own| own == scheme)
            && self.host.eq_ignore_ascii_case(host)
            && self.port.or_else(|| default_port(scheme)) == port
    }
}

fn default_port(scheme: &Scheme) -> Option<u16> {
    match scheme.as_str() {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn allows(entry: &str, uri: &str) -> bool {
        let allowed = Outbound::only([entry]).parse().unwrap();
        allowed.allows(&uri.parse().unwrap())
    }

    #[test]
    fn an_origin_allows_its_scheme_host_and_port_only() {
        assert!(allows(
            "http://127.0.0.1:4000",
            "http://127.0.0.1:4000/api/v1/syncs?x=1"
        ));
        assert!(!allows("http://127.0.0.1:4000", "https://127.0.0.1:4000/"));
        assert!(!allows("http://127.0.0.1:4000", "http://127.0.0.1:4001/"));
        assert!(!allows("http://127.0.0.1:4000", "http://127.0.0.2:4000/"));
        assert!(!allows(
            "https://hightouch.com",
            "https://api.hightouch.com/"
        ));
        assert!(!allows(
            "https://api.hightouch.com",
            "https://api.hightouch.com.example/"
        ));
    }

    #[test]
    fn the_default_port_need_not_be_written() {
        assert!(allows(
            "https://api.hightouch.com",
            "https://api.hightouch.com:443/"
        ));
        assert!(allows(
            "https://api.hightouch.com:443/",
            "https://API.Hightouch.com/"
        ));
        assert!(!allows(
            "https://api.hightouch.com",
            "https://api.hightouch.com:444/"
        ));
    }

    #[test]
    fn an_authority_allows_both_schemes() {
        assert!(allows("127.0.0.1:4000", "http://127.0.0.1:4000/"));
        assert!(allows("127.0.0.1:4000", "https://127.0.0.1:4000/"));
        assert!(allows("localhost", "http://localhost:80/"));
        assert!(allows("[::1]:4000", "http://[::1]:4000/"));
    }

    #[test]
    fn nothing_is_allowed_by_default() {
        let uri = "http://127.0.0.1/".parse().unwrap();
        assert!(!Outbound::default().parse().unwrap().allows(&uri));
        assert!(Outbound::Any.parse().unwrap().allows(&uri));
    }

    #[test]
    fn an_entry_that_is_not_an_origin_is_rejected() {
        for entry in [
            "",
            "http://",
            "/path",
            "http://host/path",
            "ftp://host",
            "http://me@host",
            "host?x",
        ] {
            assert!(
                Outbound::only([entry]).parse().is_err(),
                "{entry:?} was taken"
            );
        }
    }
}
