//! `GET /` is one page that loads nothing. Its policy allows exactly its own style and script.
//! `.ci/page` uses the page in a browser.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac_sha256::Hash;

use super::stored_keys_are_for_those_who_show_the_token::configured;
use super::support::stage::{send_request, with_each_endpoint};

/// Returns each part of a text from a start mark to the next end mark.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Vec<&'a str> {
    let parts = text.split(start).skip(1);
    parts
        .map(|part| part.split_once(end).expect("the part has an end").0)
        .collect()
}

#[test]
fn the_policy_allows_only_what_the_page_contains() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let endpoint = stage.endpoint(kind, &hightouch.origin()).await;
        let page = send_request(endpoint.get("/")).await;
        assert_eq!(
            (page.status, page.header("content-type")),
            (200, Some("text/html; charset=utf-8"))
        );
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(page.header("referrer-policy"), Some("no-referrer"));

        let html = page.text.as_str();
        let hash_of = |parts: Vec<&str>| {
            assert_eq!(parts.len(), 1, "the page has one style and one script");
            format!(
                "'sha256-{}'",
                STANDARD.encode(Hash::hash(parts[0].as_bytes()))
            )
        };
        let style = hash_of(between(html, "<style>", "</style>"));
        let script = hash_of(between(html, "<script type=\"module\">", "</script>"));
        assert_eq!(html.matches("<script").count(), 1);
        assert_eq!(
            page.header("content-security-policy"),
            Some(
                format!(
                    "default-src 'none'; style-src {style}; script-src {script}; img-src data:; \
                         connect-src 'self'; base-uri 'none'; form-action 'none'; \
                         frame-ancestors 'none'; require-trusted-types-for 'script'; \
                         trusted-types 'none'"
                )
                .as_str()
            )
        );
        // No attribute contains a style or code, and nothing is loaded.
        for attribute in [
            " style=", " src=", " srcset=", " action=", "@import", "url(",
        ] {
            assert!(!html.contains(attribute), "{attribute}");
        }
        for attribute in html.split(' ').filter_map(|word| word.split_once('=')) {
            assert!(!attribute.0.starts_with("on"), "{attribute:?}");
        }
        assert_eq!(between(html, " href=\"", "\""), ["data:,"]);
        assert_eq!(hightouch.requests().len(), 0);
    });
}

#[test]
fn the_page_needs_no_setting_and_no_token() {
    with_each_endpoint(async |stage, kind| {
        let hightouch = stage.local().await;
        let key = [("HIGHTOUCH_API_KEY", "local")];
        let endpoint = configured(&stage, kind, &hightouch.origin(), &key).await;
        for path in ["/", "/?account=x"] {
            let page = send_request(endpoint.get(path)).await;
            assert_eq!(page.status, 200, "{path}");
            assert!(page.text.starts_with("<!doctype html>"), "{path}");
        }
        let head = send_request(endpoint.request("HEAD", "/")).await;
        assert_eq!((head.status, head.text.as_str()), (200, ""));
        let post = send_request(endpoint.post("/")).await;
        assert_eq!(
            (post.status, post.header("allow")),
            (405, Some("GET, HEAD"))
        );
    });
}
