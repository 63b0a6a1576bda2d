//! Small test components, each with one behaviour, for WASI 0.2 and for WASI 0.3.

use std::fs;
use std::path::PathBuf;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const WORLD: &str = "
    package test:guests;
    world guest {
        import wasi:http/outgoing-handler@0.2.2;
        import wasi:clocks/monotonic-clock@0.2.2;
        import wasi:cli/environment@0.2.2;
        import wasi:cli/stderr@0.2.2;
        import fermyon:spin/variables@2.0.0;
        export wasi:http/incoming-handler@0.2.2;
    }
";

/// A behaviour of a guest.
#[derive(Clone, Copy)]
pub(super) struct Behaviour {
    /// The path at which the guest `probe` shows it, for WASI 0.3.
    pub(super) path: &'static str,
    /// The handler that shows it at every path, for WASI 0.2. See `guest.wat`.
    pub(super) wat: &'static str,
}

/// Responds 200 with `hello`.
pub(super) const HELLO: Behaviour = Behaviour {
    path: "/hello",
    wat: "(call $respond (local.get $out) (i32.const 200) (i32.const 64) (i32.const 5))",
};

/// Traps before it responds.
pub(super) const TRAP: Behaviour = Behaviour {
    path: "/trap",
    wat: "unreachable",
};

/// Returns without a response.
pub(super) const SILENT: Behaviour = Behaviour {
    path: "/silent",
    wat: "nop",
};

/// Begins a response, then traps.
pub(super) const BEGIN_AND_TRAP: Behaviour = Behaviour {
    path: "/begin-and-trap",
    wat: "
    (drop (call $begin (local.get $out) (i32.const 200) (i32.const 64) (i32.const 5)))
    unreachable",
};

/// Begins a response, then waits for a day.
pub(super) const BEGIN_AND_WAIT: Behaviour = Behaviour {
    path: "/begin-and-wait",
    wat: "
    (drop (call $begin (local.get $out) (i32.const 200) (i32.const 64) (i32.const 5)))
    (call $sleep (i64.const 86400000000000))",
};

/// Sends a complete response, then waits for a day.
pub(super) const RESPOND_AND_WAIT: Behaviour = Behaviour {
    path: "/respond-and-wait",
    wat: "
    (call $respond (local.get $out) (i32.const 200) (i32.const 64) (i32.const 5))
    (call $sleep (i64.const 86400000000000))",
};

/// Computes forever.
pub(super) const SPIN: Behaviour = Behaviour {
    path: "/spin",
    wat: "(loop $forever (br $forever))",
};

/// Waits for an hour. Responds 200 if its clock advanced by an hour and at most 20 ms more, else
/// 500.
pub(super) const WAIT_AN_HOUR: Behaviour = Behaviour {
    path: "/wait-an-hour",
    wat: "
    (local $started i64)
    (local.set $started (call $now))
    (call $sleep (i64.const 3600000000000))
    (call $respond
      (local.get $out)
      (select (i32.const 200) (i32.const 500)
        (i64.le_u
          (i64.sub (i64.sub (call $now) (local.get $started)) (i64.const 3600000000000))
          (i64.const 20000000)))
      (i32.const 64) (i32.const 5))",
};

/// Writes `hello` to its stderr, then responds.
pub(super) const WRITE_STDERR: Behaviour = Behaviour {
    path: "/write-stderr",
    wat: "
    (call $write (call $stderr) (i32.const 64) (i32.const 5) (global.get $RET))
    (call $respond (local.get $out) (i32.const 200) (i32.const 64) (i32.const 5))",
};

/// Responds with the value of the first environment variable.
pub(super) const ENVIRONMENT: Behaviour = Behaviour {
    path: "/environment",
    wat: "
    (call $environment (global.get $RET))
    (call $respond (local.get $out) (i32.const 200)
      (i32.load offset=8 (call $ret (i32.const 0)))
      (i32.load offset=12 (call $ret (i32.const 0))))",
};

/// Responds with the value of the variable `hello`, or with status 500 plus the number of the
/// error.
pub(super) const VARIABLE: Behaviour = Behaviour {
    path: "/variable",
    wat: "
    (call $variable (i32.const 64) (i32.const 5) (global.get $RET))
    (if (call $ret8 (i32.const 0))
      (then (call $respond (local.get $out) (i32.add (i32.const 500) (call $ret8 (i32.const 4)))
        (i32.const 64) (i32.const 5)))
      (else (call $respond (local.get $out) (i32.const 200) (call $ret (i32.const 4)) (call $ret (i32.const 8)))))",
};

/// Requests more memory than its limit. Responds 200 if it got the memory, else 507.
pub(super) const GROW: Behaviour = Behaviour {
    path: "/grow",
    wat: "
    (call $respond
      (local.get $out)
      (select (i32.const 507) (i32.const 200) (i32.eq (memory.grow (i32.const 64)) (i32.const -1)))
      (i32.const 64) (i32.const 5))",
};

/// Sends `GET /` to the authority in the first environment variable, and waits up to 30 seconds for
/// the response's head. Responds 200, or with the error as `$fetch` in `guest.wat` encodes it.
pub(super) const FETCH: Behaviour = Behaviour {
    path: "/fetch",
    wat: "
    (call $environment (global.get $RET))
    (call $respond
      (local.get $out)
      (call $fetch
        (i32.const 0)
        (i32.load offset=8 (call $ret (i32.const 0)))
        (i32.load offset=12 (call $ret (i32.const 0)))
        (i64.const 30000000000))
      (i32.const 64) (i32.const 5))",
};

/// Like [`FETCH`], over TLS.
pub(super) const FETCH_TLS: Behaviour = Behaviour {
    path: "/fetch-tls",
    wat: "
    (call $environment (global.get $RET))
    (call $respond
      (local.get $out)
      (call $fetch
        (i32.const 1)
        (i32.load offset=8 (call $ret (i32.const 0)))
        (i32.load offset=12 (call $ret (i32.const 0)))
        (i64.const 30000000000))
      (i32.const 64) (i32.const 5))",
};

/// A guest's file in a temporary folder, which is removed when this is dropped.
pub(super) struct Guest(PathBuf);

impl Guest {
    pub(super) fn path(&self) -> PathBuf {
        self.0.join("guest.wasm")
    }

    /// Returns the other files in the folder.
    pub(super) fn artifacts(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.0).expect("the guest's directory");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        paths.filter(|path| *path != self.path()).collect()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Builds the guest with this handler. `name` distinguishes it from the guests of other tests.
pub(super) fn build(name: &str, handle: &str) -> Guest {
    let text = include_str!("guest.wat").replacen("HANDLE))", &format!("{handle}))"), 1);
    let mut module = wat::parse_str(&text).expect("the guest's text");
    let mut resolve = Resolve::default();
    resolve
        .push_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit"))
        .expect("wit/");
    let package = resolve.push_str("guests.wit", WORLD).expect("the world");
    let world = resolve
        .select_world(&[package], Some("guest"))
        .expect("the world");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .expect("the module's metadata");
    let component = ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|mut encoder| encoder.encode())
        .expect("the component");
    let directory = format!("hightouch-sync-{}-{name}", std::process::id());
    let guest = Guest(std::env::temp_dir().join(directory));
    fs::create_dir_all(&guest.0).expect("a directory for the guest");
    fs::write(guest.path(), component).expect("the guest's file");
    guest
}
