//! Where the API lives.

use core::str::FromStr;

use super::text::cut;

/// The two schemes an API can be reached by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// In the clear: for a local server, or a proxy on the same machine.
    Http,
    /// TLS.
    Https,
}

/// `scheme://host[:port]`, to which [`BASE_PATH`](super::BASE_PATH) is appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiOrigin {
    scheme: Scheme,
    authority: String,
}

/// Why a text is no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the API origin must be http:// or https://, a host and at most a port, such as https://api.hightouch.com, \
     with no path, query or user name after or before it"
)]
pub struct InvalidOrigin;

impl ApiOrigin {
    /// The scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// `host[:port]`.
    pub fn authority(&self) -> &str {
        &self.authority
    }
}

impl Default for ApiOrigin {
    /// Hightouch's own: there are no regional hosts.
    fn default() -> Self {
        Self {
            scheme: Scheme::Https,
            authority: "api.hightouch.com".into(),
        }
    }
}

impl core::fmt::Display for ApiOrigin {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        write!(out, "{scheme}://{}", self.authority)
    }
}

impl FromStr for ApiOrigin {
    type Err = InvalidOrigin;
    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let (scheme, rest) = cut(text, b':').ok_or(InvalidOrigin)?;
        let authority = rest.strip_prefix("//").ok_or(InvalidOrigin)?;
        let scheme = match scheme {
            _ if scheme.eq_ignore_ascii_case("https") => Scheme::Https,
            _ if scheme.eq_ignore_ascii_case("http") => Scheme::Http,
            _ => return Err(InvalidOrigin),
        };
        // The address of an IPv6 host stands in brackets and has colons of its own.
        let (host, port) = match authority.strip_prefix("[") {
            Some(rest) => {
                let (address, after) = cut(rest, b']').ok_or(InvalidOrigin)?;
                // Whether it is an address is the host's to say; nothing else can stand here.
                let numbered = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
                (address.bytes().any(|byte| byte == b':') && address.bytes().all(numbered))
                    .then_some(())
                    .ok_or(InvalidOrigin)?;
                (
                    None,
                    after
                        .strip_prefix(":")
                        .or(after.is_empty().then_some(""))
                        .ok_or(InvalidOrigin)?,
                )
            }
            None => match cut(authority, b':') {
                Some((_, "")) => return Err(InvalidOrigin),
                Some((host, port)) => (Some(host), port),
                None => (Some(authority), ""),
            },
        };
        let named = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        if host.is_some_and(|host| host.is_empty() || !host.bytes().all(named)) {
            return Err(InvalidOrigin);
        }
        let numbered = port.bytes().all(|byte| byte.is_ascii_digit())
            && port.parse::<u16>().is_ok_and(|port| port > 0);
        if !(port.is_empty() && !authority.ends_with(":") || numbered) {
            return Err(InvalidOrigin);
        }
        Ok(Self {
            scheme,
            authority: authority.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_origin_is_a_scheme_a_host_and_at_most_a_port() {
        for text in [
            "https://api.hightouch.com",
            "http://127.0.0.1:4000",
            "http://localhost:4000",
            "http://[::1]:4000",
            "https://[2001:db8::1]",
        ] {
            assert_eq!(text.parse::<ApiOrigin>().unwrap().to_string(), text);
        }
        assert_eq!(
            "HTTPS://x".parse::<ApiOrigin>().unwrap().scheme(),
            Scheme::Https
        );
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in [
            "",
            "api.hightouch.com",
            "https://",
            "ftp://host",
            "https://host/",
            "https://host/api/v1",
            "https://host?x=1",
            "https://user@host",
            "https://user:pw@host",
            "https://host:",
            "https://host:0",
            "https://host:65536",
            "https://host:+80",
            "https://ho st",
            "https://host\r\nx",
            "http://[::1",
            "http://[zz]",
            "http://[::1]x",
            "http://[::1]:",
            "https://host#x",
            "https://a:b:c",
            "://host",
            "https:///host",
        ] {
            assert_eq!(text.parse::<ApiOrigin>(), Err(InvalidOrigin), "{text:?}");
        }
    }
}
