//! Figures, and what stands beside them.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// Figures of one kind.
#[derive(Serialize)]
pub struct Section {
    pub name: &'static str,
    /// How they were measured, in a sentence.
    pub how: String,
    pub figures: Vec<Figure>,
}

/// One figure. What could not be had is none.
#[derive(Serialize)]
pub struct Figure {
    pub name: String,
    pub unit: Unit,
    pub ours: Option<f64>,
    pub beside: Option<Beside>,
    pub target: Option<f64>,
}

/// The same of something else.
#[derive(Serialize)]
pub struct Beside {
    pub what: &'static str,
    pub amount: f64,
}

impl Figure {
    pub fn new(name: impl Into<String>, unit: Unit, ours: impl Into<Option<f64>>) -> Self {
        Self {
            name: name.into(),
            unit,
            ours: ours.into(),
            beside: None,
            target: None,
        }
    }

    pub fn beside(mut self, what: &'static str, amount: impl Into<Option<f64>>) -> Self {
        self.beside = amount.into().map(|amount| Beside { what, amount });
        self
    }

    /// At most this much.
    pub fn target(mut self, target: impl Into<Option<f64>>) -> Self {
        self.target = target.into();
        self
    }
}

#[derive(Clone, Copy, Serialize)]
pub enum Unit {
    #[serde(rename = "KiB")]
    Kibibytes,
    /// Of linear memory, 64 KiB each.
    #[serde(rename = "pages")]
    Pages,
    #[serde(rename = "µs")]
    Microseconds,
    /// WebAssembly's or the processor's.
    #[serde(rename = "instructions")]
    Instructions,
    #[serde(rename = "times")]
    Times,
    #[serde(rename = "runs per GiB")]
    RunsPerGibibyte,
}

impl Unit {
    /// An amount of it, for a person.
    pub fn show(self, amount: f64) -> impl fmt::Display {
        match self {
            Self::Kibibytes => format!("{amount:.1} KiB"),
            Self::Pages => format!("{amount:.0} pages"),
            Self::Microseconds => format!("{amount:.1} µs"),
            Self::Instructions => grouped(amount),
            Self::Times => format!("{amount:.2} ×"),
            Self::RunsPerGibibyte => grouped(amount),
        }
    }
}

/// A whole number with its digits in threes.
fn grouped(amount: f64) -> String {
    let digits = format!("{amount:.0}");
    let parts: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|part| std::str::from_utf8(part).unwrap())
        .collect();
    parts.join(",")
}

/// Times of the same thing, measured again and again.
#[derive(Default)]
pub struct Times(Vec<Duration>);

impl Times {
    pub fn note(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// Such that this share of them is shorter, in microseconds.
    pub fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let index = (sorted.len() as f64 * share) as usize;
        sorted[index.min(sorted.len() - 1)].as_secs_f64() * 1e6
    }

    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }
}
