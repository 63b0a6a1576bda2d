//! A handler of WASI 0.3 with one behaviour for each path, for tests of the embedded host.

// The exported symbols have names that only a linker for WebAssembly accepts.
#![cfg(target_arch = "wasm32")]

// Generated code. The WIT has the documentation.
#[allow(missing_docs, unreachable_pub, unsafe_code, clippy::all)]
mod bindings {
    wit_bindgen::generate!({
        path: "../../../wit",
        inline: "
            package example:probe;
            world probe {
                import wasi:http/client@0.3.0;
                import wasi:clocks/monotonic-clock@0.3.0;
                import wasi:cli/environment@0.3.0;
                import wasi:cli/stderr@0.3.0;
                import spin:variables/variables@3.0.0;
                export wasi:http/handler@0.3.0;
            }
        ",
        world: "example:probe/probe",
        generate_all,
    });
}

use bindings::exports::wasi::http0_3_0::handler::Guest;
use bindings::spin::variables::variables;
use bindings::wasi::cli0_3_0::{environment, stderr};
use bindings::wasi::clocks0_3_0::monotonic_clock;
use bindings::wasi::http0_3_0::client;
use bindings::wasi::http0_3_0::types::{
    ErrorCode, Fields, Request, RequestOptions, Response, Scheme,
};
use bindings::{wit_future, wit_stream};
use wit_bindgen::rt::async_support::{StreamWriter, spawn_local};

/// A duration in nanoseconds.
const SECOND: u64 = 1_000_000_000;
const HOUR: u64 = 3600 * SECOND;
const DAY: u64 = 24 * HOUR;
/// Maximum lateness of a timer in the tests, in nanoseconds.
const MAX_LATENESS: u64 = 20_000_000;

struct Probe;

impl Guest for Probe {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let path = request.get_path_with_query().unwrap_or_default();
        match path.as_str() {
            "/hello" => Ok(respond(200, "hello")),
            "/silent" => Err(ErrorCode::LoopDetected),
            "/trap" => trap(),
            "/begin-and-trap" => Ok(begin_and_then(async {
                trap();
            })),
            "/begin-and-wait" => Ok(begin_and_then(async {
                monotonic_clock::wait_for(DAY).await;
            })),
            "/respond-and-wait" => {
                spawn_local(async {
                    monotonic_clock::wait_for(DAY).await;
                });
                Ok(respond(200, "hello"))
            }
            "/spin" => loop {
                std::hint::spin_loop();
            },
            "/wait-an-hour" => Ok(wait_an_hour().await),
            "/write-stderr" => {
                write_stderr("hello").await;
                Ok(respond(200, "hello"))
            }
            "/environment" => {
                let value = environment::get_environment().swap_remove(0).1;
                Ok(respond(200, &value))
            }
            "/variable" => Ok(match variables::get("hello".to_owned()).await {
                Ok(value) => respond(200, &value),
                Err(variables::Error::InvalidName(_)) => respond(500, "hello"),
                Err(variables::Error::Undefined(_)) => respond(501, "hello"),
                Err(_) => respond(502, "hello"),
            }),
            "/grow" => {
                let grown = std::arch::wasm32::memory_grow::<0>(64) != usize::MAX;
                Ok(respond(if grown { 200 } else { 507 }, "hello"))
            }
            "/fetch" => Ok(respond(fetch(Scheme::Http).await, "hello")),
            "/fetch-tls" => Ok(respond(fetch(Scheme::Https).await, "hello")),
            _ => Ok(respond(404, "hello")),
        }
    }
}

fn trap() -> ! {
    std::arch::wasm32::unreachable()
}

/// Returns a complete response.
fn respond(status: u16, text: &str) -> Response {
    let (mut body, response) = begin(status);
    let bytes = text.as_bytes().to_vec();
    spawn_local(async move {
        body.write_all(bytes).await;
    });
    response
}

/// Returns a response whose body begins with `hello`. It ends after `then`.
fn begin_and_then(then: impl Future<Output = ()> + 'static) -> Response {
    let (mut body, response) = begin(200);
    spawn_local(async move {
        body.write_all(b"hello".to_vec()).await;
        then.await;
        drop(body);
    });
    response
}

/// Begins a response. A status above 599 is not valid in WASI 0.3, so it is in the header
/// `x-status`.
fn begin(status: u16) -> (StreamWriter<u8>, Response) {
    let (body, contents) = wit_stream::new();
    let (trailers, no_trailers) = wit_future::new(|| Ok(None));
    drop(trailers);
    let headers = Fields::new();
    if status > 599 {
        let _ = headers.append("x-status", status.to_string().as_bytes());
    }
    let (response, _sent) = Response::new(headers, Some(contents), no_trailers);
    let _ = response.set_status_code(status);
    (body, response)
}

/// Waits for half an hour, and then until the hour is over. Responds 200 if the clock advanced by
/// an hour and at most by twice the maximum lateness more, else 500.
async fn wait_an_hour() -> Response {
    let started = monotonic_clock::now();
    let end = started + HOUR;
    monotonic_clock::wait_for(HOUR / 2).await;
    monotonic_clock::wait_until(end).await;
    let late = monotonic_clock::now().checked_sub(end);
    let in_time = late.is_some_and(|late| late <= MAX_LATENESS);
    respond(if in_time { 200 } else { 500 }, "hello")
}

async fn write_stderr(text: &str) {
    let (mut writer, reader) = wit_stream::new();
    let written = stderr::write_via_stream(reader);
    writer.write_all(text.as_bytes().to_vec()).await;
    drop(writer);
    let _ = written.await;
}

/// Sends `GET /` to the authority in the first environment variable, waits up to 30 seconds for the
/// response's head, and reads the body to its end. Returns 200, 600 plus the number of the error
/// code that ended the request, or 800 plus the number of the error code that ended the body.
async fn fetch(scheme: Scheme) -> u16 {
    let authority = environment::get_environment().swap_remove(0).1;
    let options = RequestOptions::new();
    let _ = options.set_first_byte_timeout(Some(30 * SECOND));
    let (trailers, no_trailers) = wit_future::new(|| Ok(None));
    drop(trailers);
    let (request, _sent) = Request::new(Fields::new(), None, no_trailers, Some(options));
    let _ = request.set_scheme(Some(&scheme));
    let _ = request.set_authority(Some(&authority));
    let _ = request.set_path_with_query(Some("/"));
    let response = match client::send(request).await {
        Ok(response) => response,
        Err(code) => return 600 + number(&code),
    };
    let (result, no_error) = wit_future::new(|| Ok(()));
    drop(result);
    let (mut body, trailers) = Response::consume_body(response, no_error);
    let mut buffer = Vec::with_capacity(4096);
    loop {
        let (status, read) = body.read(buffer).await;
        if !matches!(
            status,
            wit_bindgen::rt::async_support::StreamResult::Complete(_)
        ) {
            break;
        }
        buffer = read;
        buffer.clear();
    }
    match trailers.await {
        Ok(_) => 200,
        Err(code) => 800 + number(&code),
    }
}

/// Returns the number of an error code in the WIT.
fn number(code: &ErrorCode) -> u16 {
    match code {
        ErrorCode::DnsTimeout => 0,
        ErrorCode::DnsError(_) => 1,
        ErrorCode::DestinationNotFound => 2,
        ErrorCode::DestinationUnavailable => 3,
        ErrorCode::ConnectionRefused => 6,
        ErrorCode::ConnectionTerminated => 7,
        ErrorCode::ConnectionTimeout => 8,
        ErrorCode::ConnectionReadTimeout => 9,
        ErrorCode::ConnectionWriteTimeout => 10,
        ErrorCode::TlsProtocolError => 12,
        ErrorCode::TlsCertificateError => 13,
        ErrorCode::TlsAlertReceived(_) => 14,
        ErrorCode::HttpRequestDenied => 15,
        ErrorCode::HttpResponseIncomplete => 25,
        ErrorCode::HttpResponseTimeout => 33,
        ErrorCode::HttpProtocolError => 35,
        ErrorCode::InternalError(_) => 38,
        _ => 99,
    }
}

bindings::export!(Probe with_types_in bindings);
