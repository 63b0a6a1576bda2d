//! Many cases of one promise and their results.

use std::any::Any;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

/// Number of cases that run at the same time. In virtual time they mostly wait for real I/O.
const PARALLEL_CASES: usize = 12;

/// Runs every case, and reports all failures.
pub fn each<T: Debug + Sync>(cases: &[T], test: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..PARALLEL_CASES.min(cases.len()) {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(cause) = catch_unwind(AssertUnwindSafe(|| test(case))) {
                        failed
                            .lock()
                            .unwrap()
                            .push(format!("{case:?}: {}", panic_message(cause.as_ref())));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    assert!(
        failed.is_empty(),
        "{} of {} cases failed:\n{}",
        failed.len(),
        cases.len(),
        failed.join("\n")
    );
}

/// Returns the message of a panic.
pub fn panic_message(cause: &(dyn Any + Send)) -> &str {
    let text = cause.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| cause.downcast_ref::<&str>().copied())
        .unwrap_or("it does not say why")
}

/// Returns the name and the data of the last event of a stream.
pub fn last_event(stream: &str) -> (String, Value) {
    let block = stream.trim_end().rsplit("\n\n").next().unwrap_or_default();
    let field = |name: &str| {
        block
            .lines()
            .find_map(|line| line.strip_prefix(name))
            .unwrap_or_default()
    };
    let data = field("data: ");
    (
        field("event: ").into(),
        serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {stream:?}")),
    )
}

/// Minimum length of a part of a secret that counts as a leak.
const MIN_LEAK: usize = 8;

/// Returns the part of a secret that appears in a text: as it is, or escaped as in URLs, JSON or
/// HTML, or in two of these ways.
pub fn find_leak(secret: &str, text: &str) -> Option<String> {
    let once = unescaped(text);
    let twice = unescaped(&once);
    let pieces = secret.as_bytes().windows(MIN_LEAK.min(secret.len()));
    let mut pieces = pieces.map(|piece| std::str::from_utf8(piece).unwrap());
    pieces
        .find(|piece| {
            [text, &once, &twice]
                .iter()
                .any(|form| form.contains(piece))
        })
        .map(str::to_owned)
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let code = |digits: &str, radix| {
            u32::from_str_radix(digits, radix)
                .ok()
                .and_then(char::from_u32)
        };
        let entity = || {
            let (name, _) = rest.strip_prefix('&')?.split_once(';')?;
            let found = match name.strip_prefix('#')? {
                hex if hex.starts_with(['x', 'X']) => code(hex.get(1..)?, 16)?,
                decimal => code(decimal, 10)?,
            };
            Some((found, name.len() + 2))
        };
        let found = match first {
            '%' => rest
                .get(1..3)
                .and_then(|digits| code(digits, 16))
                .map(|found| (found, 3)),
            '\\' if rest.starts_with("\\u") => rest
                .get(2..6)
                .and_then(|digits| code(digits, 16))
                .map(|found| (found, 6)),
            '\\' => rest
                .chars()
                .nth(1)
                .filter(|next| "\\/\"'".contains(*next))
                .map(|next| (next, 2)),
            '&' => entity(),
            _ => None,
        };
        let (found, length) = found.unwrap_or((first, first.len_utf8()));
        plain.push(found);
        rest = rest.get(length..).unwrap_or_default();
    }
    plain
}

#[test]
fn a_secret_is_found_in_every_form() {
    let secret = "s3cr3t/key+9f";
    for text in [
        "the s3cr3t/key+9f shows",
        "s3cr3t%2Fkey%2b9f",
        r"s3cr3t\/key",
        r"s3\u0063r3t/key",
        r"s3\\u0063r3t/key",
        "s3cr3t%252Fkey",
        "s3&#99;r3t&#x2f;key",
    ] {
        assert!(find_leak(secret, text).is_some(), "{text}");
    }
    assert_eq!(find_leak(secret, "s3cr3t, key 100%, a\\b & c"), None);
}
