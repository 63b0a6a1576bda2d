//! Each property, tried on its corpus and on what becomes of the corpus when it is bent.

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

/// How many inputs each property is tried on.
const CASES: u32 = 1000;

fn fuzz(under: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fuzz")
        .join(under)
}

fn files(under: &str) -> Vec<PathBuf> {
    let folder = fuzz(under);
    let entries =
        fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// What is kept of a corpus. What a fuzzer found here and nobody named has no ending.
fn corpus(name: &str) -> Vec<PathBuf> {
    files(&format!("corpus/{name}"))
        .into_iter()
        .filter(|file| file.extension().is_some())
        .collect()
}

#[test]
fn every_property_has_a_fuzz_target_and_a_corpus() {
    let names: BTreeSet<String> = ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    let stems = |under| -> BTreeSet<String> {
        files(under)
            .iter()
            .map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names.len(), ALL.len());
    assert_eq!(stems("fuzz_targets"), names);
    assert_eq!(stems("corpus"), names);
    let manifest: toml::Table = fs::read_to_string(fuzz("Cargo.toml"))
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
fn every_property_holds_of_its_corpus() {
    for (name, property) in ALL {
        for file in corpus(name) {
            println!("{}", file.display());
            property(&fs::read(file).unwrap());
        }
    }
}

#[test]
fn every_property_holds_of_its_corpus_bent() {
    for (name, property) in ALL {
        let seeds: Vec<Vec<u8>> = corpus(name)
            .into_iter()
            .map(|file| fs::read(file).unwrap())
            .collect();
        let bent = (select(seeds.clone()), vec(change(seeds), 0..6)).prop_map(|(seed, changes)| {
            Input(
                changes
                    .into_iter()
                    .fold(seed, |bytes, change| change.made_to(bytes)),
            )
        });
        tried(name, property, &bent);
    }
}

#[test]
fn every_property_holds_of_any_bytes() {
    let bytes = prop_oneof![
        vec(any::<u8>(), 0..200),
        any::<String>().prop_map(String::into_bytes)
    ]
    .prop_map(Input);
    for (name, property) in ALL {
        tried(name, property, &bytes);
    }
}

/// The same inputs each time, so that a test that passed here passes everywhere; new ones are for the fuzzer to find.
fn tried(name: &str, property: &super::Property, inputs: &impl Strategy<Value = Input>) {
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

/// Bytes that show as text.
#[derive(Clone)]
struct Input(Vec<u8>);

impl fmt::Debug for Input {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(bytes) = self;
        let shown = bytes.get(..2000).unwrap_or(bytes);
        write!(out, "{} bytes: {}", bytes.len(), shown.escape_ascii())
    }
}

/// One way to bend an input.
#[derive(Clone, Debug)]
enum Change {
    /// Ends it there.
    Cut(Index),
    /// Turns bits of a byte.
    Turn(Index, u8),
    /// Leaves out what is between.
    LeaveOut(Index, Index),
    /// Says something twice.
    Repeat(Index, Index),
    /// Puts something in.
    Insert(Index, Vec<u8>),
    /// Goes on as another of the corpus does from there on.
    GoOnAs(Index, Vec<u8>, Index),
    /// Puts another value in the place of one, where it is JSON.
    Retype(Index, String),
}

fn change(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Change> {
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
        1 => at().prop_map(Change::Cut),
        2 => (at(), any::<u8>()).prop_map(|(at, bits)| Change::Turn(at, bits)),
        2 => (at(), at()).prop_map(|(from, to)| Change::LeaveOut(from, to)),
        2 => (at(), at()).prop_map(|(from, to)| Change::Repeat(from, to)),
        3 => (at(), insert).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        1 => (at(), select(seeds), at()).prop_map(|(at, other, from)| Change::GoOnAs(at, other, from)),
        6 => (at(), json()).prop_map(|(at, value)| Change::Retype(at, value)),
    ]
}

/// A value in JSON, of a kind that may not have been thought of.
fn json() -> impl Strategy<Value = String> {
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

impl Change {
    fn made_to(self, mut bytes: Vec<u8>) -> Vec<u8> {
        let place = |at: Index, bytes: &[u8]| at.index(bytes.len() + 1);
        let between = |from: Index, to: Index, bytes: &[u8]| {
            let (from, to) = (place(from, bytes), place(to, bytes));
            from.min(to)..from.max(to)
        };
        match self {
            Self::Cut(at) => bytes.truncate(place(at, &bytes)),
            Self::Turn(at, bits) if !bytes.is_empty() => {
                let at = at.index(bytes.len());
                bytes[at] ^= bits;
            }
            Self::Turn(..) => {}
            Self::LeaveOut(from, to) => drop(bytes.drain(between(from, to, &bytes))),
            Self::Repeat(from, to) => {
                let range = between(from, to, &bytes);
                let (said, end) = (bytes[range.clone()].to_vec(), range.end);
                bytes.splice(end..end, said);
            }
            Self::Insert(at, more) => {
                let at = place(at, &bytes);
                bytes.splice(at..at, more);
            }
            Self::GoOnAs(at, other, from) => {
                bytes.truncate(place(at, &bytes));
                bytes.extend_from_slice(&other[place(from, &other)..]);
            }
            Self::Retype(at, value) => return retyped(&bytes, at, &value).unwrap_or(bytes),
        }
        bytes
    }
}

/// The same JSON with another value in one place.
fn retyped(bytes: &[u8], at: Index, value: &str) -> Option<Vec<u8>> {
    const HERE: &str = "here it goes";
    let mut json: Value = serde_json::from_slice(bytes).ok()?;
    let mut left = at.index(values(&json));
    *nth(&mut json, &mut left)? = Value::from(HERE);
    Some(
        json.to_string()
            .replacen(&format!("\"{HERE}\""), value, 1)
            .into_bytes(),
    )
}

/// How many values there are in one, itself among them.
fn values(json: &Value) -> usize {
    1 + match json {
        Value::Array(list) => list.iter().map(values).sum(),
        Value::Object(fields) => fields.values().map(values).sum(),
        _ => 0,
    }
}

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
