//! Runs other programs without input. It keeps or prints their output and can limit their duration.

use std::ffi::OsStr;
use std::io::Read;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::Children;

/// The output of a program that succeeded.
pub(super) struct Output {
    pub(super) stdout: String,
}

/// Runs a program to its end.
///
/// # Errors
/// Fails if the program fails or runs longer than `limit`. The error contains the output.
pub(super) fn run(command: &mut Command, limit: Option<Duration>) -> Result<Output> {
    let (status, output) = run_any(command, limit)?;
    if !status.success() {
        bail!("{} ended with {status}{}", name(command), indented(&output));
    }
    Ok(Output {
        stdout: output.stdout,
    })
}

/// Like [`run`], but returns the status of a program that fails.
pub(super) fn run_any(
    command: &mut Command,
    limit: Option<Duration>,
) -> Result<(ExitStatus, Captured)> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {}", name(command)))?;
    let stdout = child.stdout.take().map(Reader::start);
    let stderr = child.stderr.take().map(Reader::start);
    let text = |reader: Option<Reader>, wait: bool| {
        reader.map(|reader| reader.text(wait)).unwrap_or_default()
    };

    let begin = Instant::now();
    let status = loop {
        match limit {
            None => break child.wait()?,
            Some(limit) => {
                if let Some(status) = child.try_wait()? {
                    break status;
                }
                if begin.elapsed() >= limit {
                    child.kill()?;
                    child.wait()?;
                    // A grandchild may keep the pipes open, so do not wait until they close.
                    let output = Captured {
                        stdout: text(stdout, false),
                        stderr: text(stderr, false),
                    };
                    bail!(
                        "{} did not end within {} s{}",
                        name(command),
                        limit.as_secs(),
                        indented(&output)
                    );
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
    };
    Ok((
        status,
        Captured {
            stdout: text(stdout, true),
            stderr: text(stderr, true),
        },
    ))
}

/// Like [`run`] without a limit, but prints the program's stderr immediately if `children` is
/// [`Children::Shown`].
pub(super) fn run_shown(command: &mut Command, children: Children) -> Result<()> {
    match children {
        Children::OnFailure => run(command, None).map(drop),
        Children::Shown => {
            let status = command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .status()
                .with_context(|| format!("cannot run {}", name(command)))?;
            if !status.success() {
                bail!("{} ended with {status}", name(command));
            }
            Ok(())
        }
    }
}

/// The output of a program.
#[derive(Debug)]
pub(super) struct Captured {
    pub(super) stdout: String,
    pub(super) stderr: String,
}

/// A thread that reads a pipe continuously, so that the program never blocks on output.
struct Reader {
    bytes: Arc<Mutex<Vec<u8>>>,
    thread: thread::JoinHandle<()>,
}

impl Reader {
    fn start(mut pipe: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&bytes);
        let thread = thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(length @ 1..) = pipe.read(&mut chunk) {
                let read = chunk.get(..length).unwrap_or_default();
                sink.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .extend_from_slice(read);
            }
        });
        Self { bytes, thread }
    }

    fn text(self, wait: bool) -> String {
        if wait {
            // If the thread panicked, use the output that it has read.
            let _ = self.thread.join();
        }
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

fn name(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(OsStr::to_string_lossy).collect();
    format!("`{}`", words.join(" "))
}

fn indented(output: &Captured) -> String {
    let lines = output.stdout.lines().chain(output.stderr.lines());
    lines.fold(String::new(), |text, line| text + "\n    " + line)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )]
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_program_gets_no_input() {
        assert_eq!(
            run(&mut shell("cat; echo end"), None).unwrap().stdout,
            "end\n"
        );
    }

    #[test]
    fn an_error_holds_what_the_program_printed() {
        let error = run(&mut shell("echo out; echo err >&2; exit 3"), None)
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("    out\n    err"), "{error}");
    }

    #[test]
    fn a_program_that_hangs_is_killed_even_if_its_child_keeps_the_pipe_open() {
        let begin = Instant::now();
        let limit = Some(Duration::from_millis(200));
        let error = run(&mut shell("echo begun; sleep 5; true"), limit)
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains("did not end within") && error.contains("begun"),
            "{error}"
        );
        assert!(begin.elapsed() < Duration::from_secs(3));
    }
}
