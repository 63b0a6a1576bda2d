//! The page for people: the response to `GET /`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac_sha256::Hash;

use super::Head;
use super::Response;
use super::chunked_buffer::ChunkedBuffer;

/// The page. It contains its style and its script, and loads nothing.
const PAGE: &str = include_str!("page.html");

impl Response {
    /// Returns the page.
    ///
    /// Its policy allows the style and the script in it, its own icon, and requests to its own
    /// origin. Texts cannot become HTML or code, and other pages cannot show the page in a frame
    /// ([Content Security Policy](https://www.w3.org/TR/CSP3/)).
    pub(in crate::endpoint) fn page() -> Self {
        let policy = format!(
            "default-src 'none'; style-src {}; script-src {}; img-src data:; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types 'none'",
            source_of("<style>", "</style>"),
            source_of("<script type=\"module\">", "</script>"),
        );
        let mut head = Head::new(200, "text/html; charset=utf-8");
        head.push("content-security-policy", policy);
        head.push("x-content-type-options", "nosniff".into());
        head.push("referrer-policy", "no-referrer".into());
        Self {
            head,
            body: ChunkedBuffer::of(PAGE),
        }
    }
}

/// Returns the hash of the part of the page between two tags, as a source in the policy.
fn source_of(start: &str, end: &str) -> String {
    let (_, rest) = PAGE.split_once(start).unwrap_or_default();
    let (part, _) = rest.split_once(end).unwrap_or_default();
    format!("'sha256-{}'", STANDARD.encode(Hash::hash(part.as_bytes())))
}
