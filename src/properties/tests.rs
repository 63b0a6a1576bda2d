//! Checks each property on its corpus, on mutations of its corpus, and on random bytes.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::Value;

use super::ALL;

/// Number of random inputs for each property.
const CASES: u32 = 1000;

fn fuzz_path(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz")
        .join(path)
}

fn files(path: &str) -> Vec<PathBuf> {
    let folder = fuzz_path(path);
    let entries =
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Returns the files of a corpus that are in the repository. The files that a fuzzer adds have no
/// extension.
fn corpus(name: &str) -> Vec<PathBuf> {
    files(&format!("corpus/{name}"))
        .into_iter()
        .filter(|file| file.extension().is_some())
        .collect()
}

#[test]
fn every_property_has_a_fuzz_target_and_a_corpus() {
    let names: BTreeSet<String> = ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    let stems = |path| -> BTreeSet<String> {
        files(path)
            .iter()
            .map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names.len(), ALL.len());
    assert_eq!(stems("fuzz_targets"), names);
    assert_eq!(stems("corpus"), names);
    let manifest: toml::Table = fs::read_to_string(fuzz_path("Cargo.toml"))
        .unwrap()
        .parse()
        .unwrap();
    let built = manifest["bin"]
        .as_array()
        .unwrap()
        .iter()
        .map(|bin| bin["name"].as_str().unwrap().to_owned());
    assert_eq!(built.collect::<BTreeSet<_>>(), names);
    for name in names {
        assert!(!corpus(&name).is_empty(), "{name}");
    }
}

#[test]
fn every_property_holds_for_its_corpus() {
    for (name, property) in ALL {
        for file in corpus(name) {
            println!("{}", file.display());
            property(&fs::read(file).unwrap());
        }
    }
}

#[test]
fn every_property_holds_for_mutations_of_its_corpus() {
    for (name, property) in ALL {
        let seeds: Vec<Vec<u8>> = corpus(name)
            .into_iter()
            .map(|file| fs::read(file).unwrap())
            .collect();
        let mutated =
            (select(seeds.clone()), vec(mutation(seeds), 0..6)).prop_map(|(seed, mutations)| {
                Input(
                    mutations
                        .into_iter()
                        .fold(seed, |bytes, mutation| mutation.apply(bytes)),
                )
            });
        check(name, property, &mutated);
    }
}

#[test]
fn every_property_holds_for_any_bytes() {
    let bytes = prop_oneof![
        vec(any::<u8>(), 0..200),
        any::<String>().prop_map(String::into_bytes)
    ]
    .prop_map(Input);
    for (name, property) in ALL {
        check(name, property, &bytes);
    }
}

/// Checks a property on random inputs. They are the same each time, so that the test passes
/// everywhere or nowhere; the fuzzer finds new ones.
fn check(name: &str, property: &super::Property, inputs: &impl Strategy<Value = Input>) {
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner =
        TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let outcome = runner.run(inputs, |Input(bytes)| {
        property(&bytes);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{name}: {error}"));
}

/// Bytes whose `Debug` output is text.
#[derive(Clone)]
struct Input(Vec<u8>);

impl fmt::Debug for Input {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(bytes) = self;
        let shown = bytes.get(..2000).unwrap_or(bytes);
        write!(out, "{} bytes: {}", bytes.len(), shown.escape_ascii())
    }
}

/// A change of an input.
#[derive(Clone, Debug)]
enum Mutation {
    /// Removes the bytes after a position.
    Truncate(Index),
    /// Flips bits of a byte.
    FlipBits(Index, u8),
    /// Removes the bytes between two positions.
    Remove(Index, Index),
    /// Repeats the bytes between two positions.
    Repeat(Index, Index),
    /// Inserts bytes.
    Insert(Index, Vec<u8>),
    /// Replaces the bytes after a position with the end of another input of the corpus.
    Splice(Index, Vec<u8>, Index),
    /// Replaces a JSON value with another one.
    ReplaceValue(Index, String),
}

fn mutation(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Mutation> {
    let at = || any::<Index>();
    let insert = prop_oneof![
        vec(any::<u8>(), 1..20),
        select(vec![
            "\"", "\\", "{", "[", ",", "0", " ", "\r\n", "/", "..", "%2f", "?", "&", "=", ";",
            "\u{0}", "é", "9"
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        (1_usize..2000).prop_map(|times| b"x".repeat(times)),
    ];
    prop_oneof![
        1 => at().prop_map(Mutation::Truncate),
        2 => (at(), any::<u8>()).prop_map(|(at, bits)| Mutation::FlipBits(at, bits)),
        2 => (at(), at()).prop_map(|(from, to)| Mutation::Remove(from, to)),
        2 => (at(), at()).prop_map(|(from, to)| Mutation::Repeat(from, to)),
        3 => (at(), insert).prop_map(|(at, bytes)| Mutation::Insert(at, bytes)),
        1 => (at(), select(seeds), at()).prop_map(|(at, other, from)| Mutation::Splice(at, other, from)),
        6 => (at(), json_value()).prop_map(|(at, value)| Mutation::ReplaceValue(at, value)),
    ]
}

/// Returns a JSON value of any type, often an unusual one.
fn json_value() -> impl Strategy<Value = String> {
    let plain = [
        "null",
        "true",
        "false",
        "0",
        "-0",
        "1",
        "-1",
        "42",
        "0.5",
        "1e999",
        "1e-999",
        "18446744073709551615",
        "18446744073709551616",
        r#""""#,
        r#"" ""#,
        r#""42""#,
        r#""007""#,
        r#""null""#,
        r#""NaN""#,
        r#""success""#,
        r#""FAILED ""#,
        r#""\ud83d""#,
        r#""\ud83d\ude00""#,
        r#""\u0000""#,
        "[]",
        "[42]",
        "{}",
        r#"{"id":42}"#,
        r#"{"id":1,"id":2}"#,
        r#"{"join":null}"#,
        r#"{"message":"no"}"#,
    ];
    let deep = |open: &'static str, close: &'static str| {
        select(vec![1, 100, 126, 127, 128, 129, 20_000])
            .prop_map(move |depth| format!("{}1{}", open.repeat(depth), close.repeat(depth)))
    };
    prop_oneof![
        20 => select(plain.map(String::from).to_vec()),
        1 => deep("[", "]"),
        1 => deep(r#"{"a":"#, "}"),
        2 => (1_usize..40_000).prop_map(|length| format!("\"{}\"", "é".repeat(length / 2))),
    ]
}

impl Mutation {
    fn apply(self, mut bytes: Vec<u8>) -> Vec<u8> {
        let position = |at: Index, bytes: &[u8]| at.index(bytes.len() + 1);
        let between = |from: Index, to: Index, bytes: &[u8]| {
            let (from, to) = (position(from, bytes), position(to, bytes));
            from.min(to)..from.max(to)
        };
        match self {
            Self::Truncate(at) => bytes.truncate(position(at, &bytes)),
            Self::FlipBits(at, bits) if !bytes.is_empty() => {
                let at = at.index(bytes.len());
                bytes[at] ^= bits;
            }
            Self::FlipBits(..) => {}
            Self::Remove(from, to) => drop(bytes.drain(between(from, to, &bytes))),
            Self::Repeat(from, to) => {
                let range = between(from, to, &bytes);
                let (repeated, end) = (bytes[range.clone()].to_vec(), range.end);
                bytes.splice(end..end, repeated);
            }
            Self::Insert(at, more) => {
                let at = position(at, &bytes);
                bytes.splice(at..at, more);
            }
            Self::Splice(at, other, from) => {
                bytes.truncate(position(at, &bytes));
                bytes.extend_from_slice(&other[position(from, &other)..]);
            }
            Self::ReplaceValue(at, value) => {
                return with_value(&bytes, at, &value).unwrap_or(bytes);
            }
        }
        bytes
    }
}

/// Returns the same JSON with another value at one position; `None` if the bytes are not JSON.
fn with_value(bytes: &[u8], at: Index, value: &str) -> Option<Vec<u8>> {
    const PLACEHOLDER: &str = "placeholder of the value";
    let mut json: Value = serde_json::from_slice(bytes).ok()?;
    let mut left = at.index(count_values(&json));
    *nth(&mut json, &mut left)? = Value::from(PLACEHOLDER);
    Some(
        json.to_string()
            .replacen(&format!("\"{PLACEHOLDER}\""), value, 1)
            .into_bytes(),
    )
}

/// Returns the number of values in a JSON value, including itself.
fn count_values(json: &Value) -> usize {
    1 + match json {
        Value::Array(list) => list.iter().map(count_values).sum(),
        Value::Object(fields) => fields.values().map(count_values).sum(),
        _ => 0,
    }
}

/// Returns the value at a position, counted in the same order.
fn nth<'a>(json: &'a mut Value, left: &mut usize) -> Option<&'a mut Value> {
    if *left == 0 {
        return Some(json);
    }
    *left -= 1;
    match json {
        Value::Array(list) => list.iter_mut().find_map(|value| nth(value, left)),
        Value::Object(fields) => fields.values_mut().find_map(|value| nth(value, left)),
        _ => None,
    }
}
