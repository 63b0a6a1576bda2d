//! The three components, and what tells them apart.

/// One of the three components.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Exports `runs` and nothing else.
    Library,
    /// The HTTP endpoint, configured by the environment.
    Endpoint,
    /// The HTTP endpoint, configured by Spin's variables.
    SpinEndpoint,
}

impl Kind {
    /// All three, in the order in which they are built.
    pub const ALL: [Self; 3] = [Self::Library, Self::Endpoint, Self::SpinEndpoint];

    /// Its world in `wit/`.
    #[must_use]
    pub const fn world(self) -> &'static str {
        match self {
            Self::Library => "library",
            Self::Endpoint => "endpoint",
            Self::SpinEndpoint => "spin-endpoint",
        }
    }

    /// The crate's features that choose that world.
    #[must_use]
    pub const fn features(self) -> &'static [&'static str] {
        match self {
            Self::Library => &[],
            Self::Endpoint => &["endpoint"],
            Self::SpinEndpoint => &["spin"],
        }
    }

    /// Whether it can write to the host's stderr.
    #[must_use]
    pub const fn has_stderr(self) -> bool {
        !matches!(self, Self::Library)
    }

    /// The component's file in `target/components/`.
    #[must_use]
    pub fn file_name(self) -> String {
        format!("{}.wasm", self.world())
    }
}
