//! The origins of the API and of other servers.

use core::str::FromStr;

/// The scheme of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// HTTP without TLS, for a server or a proxy on the same machine.
    Http,
    /// HTTP over TLS.
    Https,
}

/// An origin, `scheme://host[:port]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    scheme: Scheme,
    authority: String,
}

/// The error for a string that is not an origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the origin must be http:// or https://, a host and optionally a port, such as https://api.hightouch.com, \
     without a user name, path or query"
)]
pub struct InvalidOrigin;

impl Origin {
    /// Returns the scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns `host[:port]`.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Returns the host, without the port.
    pub fn host(&self) -> &str {
        let authority = &self.authority;
        let port = authority.rfind(':').filter(|_| !authority.ends_with(']'));
        authority
            .get(..port.unwrap_or(authority.len()))
            .unwrap_or_default()
    }
}

impl Default for Origin {
    /// Returns Hightouch's public origin, the only server in its OpenAPI document.
    fn default() -> Self {
        Self {
            scheme: Scheme::Https,
            authority: "api.hightouch.com".into(),
        }
    }
}

impl core::fmt::Display for Origin {
    fn fmt(&self, out: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        write!(out, "{scheme}://{}", self.authority)
    }
}

impl FromStr for Origin {
    type Err = InvalidOrigin;
    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let (scheme, authority) = text.split_once("://").ok_or(InvalidOrigin)?;
        let scheme = match scheme {
            _ if scheme.eq_ignore_ascii_case("https") => Scheme::Https,
            _ if scheme.eq_ignore_ascii_case("http") => Scheme::Http,
            _ => return Err(InvalidOrigin),
        };
        let (host, port) = match authority.strip_prefix('[') {
            // An IPv6 address, which has colons of its own.
            Some(rest) => {
                let (address, port) = rest.split_once(']').ok_or(InvalidOrigin)?;
                (Host::Address(address), port)
            }
            None => {
                let port = authority.find(':').unwrap_or(authority.len());
                let (name, port) = authority.split_at(port);
                (Host::Name(name), port)
            }
        };
        if host.is_valid() && is_optional_port(port) {
            Ok(Self {
                scheme,
                authority: authority.into(),
            })
        } else {
            Err(InvalidOrigin)
        }
    }
}

/// The host of an origin.
enum Host<'a> {
    /// A name or an IPv4 address.
    Name(&'a str),
    /// An IPv6 address without its brackets.
    Address(&'a str),
}

impl Host<'_> {
    /// Whether the name or address has only characters that are allowed there. The Wasm runtime
    /// checks the rest when it connects.
    fn is_valid(&self) -> bool {
        match self {
            Self::Name(name) => {
                let is_name =
                    |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
                !name.is_empty() && name.bytes().all(is_name)
            }
            Self::Address(address) => {
                let is_address = |byte: u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
                address.contains(':') && address.bytes().all(is_address)
            }
        }
    }
}

/// Whether a text is empty, or a colon and a port.
fn is_optional_port(text: &str) -> bool {
    text.is_empty()
        || text.strip_prefix(':').is_some_and(|port| {
            port.bytes().all(|byte| byte.is_ascii_digit())
                && port.parse::<u16>().is_ok_and(|port| port > 0)
        })
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
            assert_eq!(text.parse::<Origin>().unwrap().to_string(), text);
        }
        assert_eq!(
            "HTTPS://x".parse::<Origin>().unwrap().scheme(),
            Scheme::Https
        );
    }

    #[test]
    fn the_host_is_known_without_the_port() {
        for (text, host) in [
            ("https://api.hightouch.com", "api.hightouch.com"),
            ("http://127.0.0.1:4000", "127.0.0.1"),
            ("http://[::1]:4000", "[::1]"),
            ("https://[2001:db8::1]", "[2001:db8::1]"),
        ] {
            assert_eq!(text.parse::<Origin>().unwrap().host(), host);
        }
    }

    #[test]
    fn a_text_that_is_not_an_origin_is_refused() {
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
            assert_eq!(text.parse::<Origin>(), Err(InvalidOrigin), "{text:?}");
        }
    }
}
