//! Measured values and comparisons.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// Measured values of one kind.
#[derive(Serialize)]
pub struct Section {
    pub name: &'static str,
    /// A sentence about the method.
    pub how: String,
    pub figures: Vec<Figure>,
}

/// A measured value, or `None` if it could not be measured.
#[derive(Serialize)]
pub struct Figure {
    pub name: String,
    pub unit: Unit,
    pub ours: Option<f64>,
    pub comparison: Option<Comparison>,
    pub target: Option<f64>,
}

/// The value of something else, for comparison.
#[derive(Serialize)]
pub struct Comparison {
    pub what: &'static str,
    pub amount: f64,
}

impl Figure {
    pub fn new(name: impl Into<String>, unit: Unit, ours: impl Into<Option<f64>>) -> Self {
        Self {
            name: name.into(),
            unit,
            ours: ours.into(),
            comparison: None,
            target: None,
        }
    }

    pub fn compared_with(mut self, what: &'static str, amount: impl Into<Option<f64>>) -> Self {
        self.comparison = amount.into().map(|amount| Comparison { what, amount });
        self
    }

    /// Sets a maximum.
    pub fn target(mut self, target: impl Into<Option<f64>>) -> Self {
        self.target = target.into();
        self
    }
}

#[derive(Clone, Copy, Serialize)]
pub enum Unit {
    #[serde(rename = "KiB")]
    Kibibytes,
    /// Pages of linear memory, 64 KiB each.
    #[serde(rename = "pages")]
    Pages,
    #[serde(rename = "µs")]
    Microseconds,
    /// Instructions of WebAssembly or of the processor.
    #[serde(rename = "instructions")]
    Instructions,
    #[serde(rename = "times")]
    Times,
    #[serde(rename = "runs per GiB")]
    RunsPerGibibyte,
}

impl Unit {
    /// Formats an amount with its unit.
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

/// Formats a whole number with a separator after every three digits.
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

/// Repeated measurements of one duration.
#[derive(Default)]
pub struct Times(Vec<Duration>);

impl Times {
    pub fn add(&mut self, time: Duration) {
        self.0.push(time);
    }

    /// Returns the quantile for this share, in microseconds.
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
