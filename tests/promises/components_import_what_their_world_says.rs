//! A built component imports only what its world declares: no filesystem, no sockets, no terminals.

use xtask::build::{Kind, Wasi, components, declared_exports, declared_imports, exports, imports};

/// The contract's list, repeated here so that a change of the world is noticed too.
fn allowed(kind: Kind) -> Vec<&'static str> {
    let mut allowed = vec!["hightouch:sync/types@0.1.1"];
    allowed.extend(match kind.wasi() {
        Wasi::V0_2 => &[
            "wasi:clocks/monotonic-clock@0.2.2",
            "wasi:http/outgoing-handler@0.2.2",
            "wasi:http/types@0.2.2",
            "wasi:io/error@0.2.2",
            "wasi:io/poll@0.2.2",
            "wasi:io/streams@0.2.2",
        ][..],
        Wasi::V0_3 => &[
            "wasi:clocks/monotonic-clock@0.3.0",
            "wasi:clocks/types@0.3.0",
            "wasi:http/client@0.3.0",
            "wasi:http/types@0.3.0",
        ],
    });
    // For the messages of panics. See `wit/worlds.wit`.
    let old_stderr = [
        "wasi:cli/stderr@0.2.2",
        "wasi:io/error@0.2.2",
        "wasi:io/streams@0.2.2",
    ];
    let stderr = ["wasi:cli/stderr@0.3.0", "wasi:cli/types@0.3.0"];
    match kind {
        Kind::Library | Kind::AsyncLibrary => {}
        Kind::Endpoint => allowed.extend(["wasi:cli/environment@0.2.2", "wasi:cli/stderr@0.2.2"]),
        Kind::SpinEndpoint => {
            allowed.extend(["fermyon:spin/variables@2.0.0", "wasi:cli/stderr@0.2.2"])
        }
        Kind::Service => {
            allowed.push("wasi:cli/environment@0.3.0");
            allowed.extend(stderr.into_iter().chain(old_stderr));
        }
        Kind::SpinService => {
            allowed.push("spin:variables/variables@3.0.0");
            allowed.extend(stderr.into_iter().chain(old_stderr));
        }
    }
    allowed.sort_unstable();
    allowed
}

#[test]
fn imports_are_those_of_the_table() {
    for kind in Kind::ALL {
        let mut found = imports(components().unwrap().path(kind)).unwrap();
        found.sort();
        assert_eq!(found, allowed(kind), "{kind:?}");
        let declared = declared_imports(kind).unwrap();
        assert!(
            found.iter().all(|import| declared.contains(import)),
            "{kind:?}: {declared:?}"
        );
    }
}

#[test]
fn exports_are_those_of_the_world() {
    for kind in Kind::ALL {
        let (mut found, mut declared) = (
            exports(components().unwrap().path(kind)).unwrap(),
            declared_exports(kind).unwrap(),
        );
        found.sort();
        declared.sort();
        assert_eq!(found, declared, "{kind:?}");
        let (runs, handler) = match kind.wasi() {
            Wasi::V0_2 => (
                "hightouch:sync/runs@0.1.1",
                "wasi:http/incoming-handler@0.2.2",
            ),
            Wasi::V0_3 => ("hightouch:sync/async-runs@0.1.1", "wasi:http/handler@0.3.0"),
        };
        assert!(found.contains(&runs.into()), "{kind:?}: {found:?}");
        let has_handler = found.contains(&handler.into());
        assert_eq!(has_handler, !kind.is_library(), "{kind:?}: {found:?}");
    }
}
