;; Code that the test guests share. HANDLE is replaced by the guest's own code, which can use `$request` and `$out`.
;; The imports write their results to the address `$RET`.
(module
  (import "wasi:http/types@0.2.2" "[constructor]fields" (func $fields (result i32)))
  (import "wasi:http/types@0.2.2" "[constructor]outgoing-response" (func $response (param i32) (result i32)))
  (import "wasi:http/types@0.2.2" "[method]outgoing-response.set-status-code"
    (func $set-status (param i32 i32) (result i32)))
  (import "wasi:http/types@0.2.2" "[method]outgoing-response.body" (func $response-body (param i32 i32)))
  (import "wasi:http/types@0.2.2" "[static]response-outparam.set"
    (func $set (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.2" "[method]outgoing-body.write" (func $body-write (param i32 i32)))
  (import "wasi:http/types@0.2.2" "[static]outgoing-body.finish" (func $body-finish (param i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.2" "[constructor]outgoing-request" (func $outgoing (param i32) (result i32)))
  (import "wasi:http/types@0.2.2" "[method]outgoing-request.set-authority"
    (func $set-authority (param i32 i32 i32 i32) (result i32)))
  (import "wasi:http/types@0.2.2" "[method]outgoing-request.set-scheme"
    (func $set-scheme (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi:http/types@0.2.2" "[method]outgoing-request.set-path-with-query"
    (func $set-path (param i32 i32 i32 i32) (result i32)))
  (import "wasi:http/types@0.2.2" "[constructor]request-options" (func $options (result i32)))
  (import "wasi:http/types@0.2.2" "[method]request-options.set-first-byte-timeout"
    (func $set-timeout (param i32 i32 i64) (result i32)))
  (import "wasi:http/types@0.2.2" "[method]future-incoming-response.subscribe"
    (func $future-subscribe (param i32) (result i32)))
  (import "wasi:http/types@0.2.2" "[method]future-incoming-response.get" (func $future-get (param i32 i32)))
  (import "wasi:http/types@0.2.2" "[method]incoming-response.consume" (func $consume (param i32 i32)))
  (import "wasi:http/types@0.2.2" "[method]incoming-body.stream" (func $body-stream (param i32 i32)))
  (import "wasi:http/types@0.2.2" "http-error-code" (func $error-code (param i32 i32)))
  (import "wasi:http/outgoing-handler@0.2.2" "handle" (func $handle (param i32 i32 i32 i32)))
  (import "wasi:io/poll@0.2.2" "[method]pollable.block" (func $block (param i32)))
  (import "wasi:io/streams@0.2.2" "[method]output-stream.blocking-write-and-flush"
    (func $write (param i32 i32 i32 i32)))
  (import "wasi:io/streams@0.2.2" "[resource-drop]output-stream" (func $drop-stream (param i32)))
  (import "wasi:io/streams@0.2.2" "[method]input-stream.blocking-read" (func $read (param i32 i64 i32)))
  (import "wasi:clocks/monotonic-clock@0.2.2" "now" (func $now (result i64)))
  (import "wasi:clocks/monotonic-clock@0.2.2" "subscribe-duration" (func $after (param i64) (result i32)))
  (import "wasi:cli/environment@0.2.2" "get-environment" (func $environment (param i32)))
  (import "wasi:cli/stderr@0.2.2" "get-stderr" (func $stderr (result i32)))
  (import "fermyon:spin/variables@2.0.0" "get" (func $variable (param i32 i32 i32)))

  (memory (export "memory") 2)
  (global $RET i32 (i32.const 512))
  (global $free (mut i32) (i32.const 4096))
  (data (i32.const 64) "hello")
  (data (i32.const 72) "/")

  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
    (global.set $free (i32.add (local.get $at) (local.get 3)))
    (local.get $at))

  ;; Returns the word at this offset in the last result.
  (func $ret (param $offset i32) (result i32)
    (i32.load (i32.add (global.get $RET) (local.get $offset))))

  ;; Returns the byte at this offset in the last result.
  (func $ret8 (param $offset i32) (result i32)
    (i32.load8_u (i32.add (global.get $RET) (local.get $offset))))

  ;; Begins a response with these bytes. It does not finish the body.
  (func $begin (param $out i32) (param $status i32) (param $at i32) (param $len i32) (result i32)
    (local $response i32) (local $body i32) (local $stream i32)
    (local.set $response (call $response (call $fields)))
    (drop (call $set-status (local.get $response) (local.get $status)))
    (call $response-body (local.get $response) (global.get $RET))
    (local.set $body (call $ret (i32.const 4)))
    (call $set (local.get $out) (i32.const 0) (local.get $response)
      (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
    (call $body-write (local.get $body) (global.get $RET))
    (local.set $stream (call $ret (i32.const 4)))
    (call $write (local.get $stream) (local.get $at) (local.get $len) (global.get $RET))
    (call $drop-stream (local.get $stream))
    (local.get $body))

  ;; Sends a complete response.
  (func $respond (param $out i32) (param $status i32) (param $at i32) (param $len i32)
    (call $body-finish
      (call $begin (local.get $out) (local.get $status) (local.get $at) (local.get $len))
      (i32.const 0) (i32.const 0) (global.get $RET)))

  ;; Waits for this number of nanoseconds.
  (func $sleep (param $duration i64)
    (call $block (call $after (local.get $duration))))

  ;; Sends `GET /` to this authority with the scheme of this number, and reads the response to its end. Returns 200, or 600
  ;; plus the number of the error code that ended the request, or 800 plus the error code that ended the body (899 if it has
  ;; none).
  (func $fetch (param $scheme i32) (param $at i32) (param $len i32) (param $timeout i64) (result i32)
    (local $request i32) (local $options i32) (local $future i32) (local $body i32) (local $stream i32)
    (local.set $request (call $outgoing (call $fields)))
    (drop (call $set-authority (local.get $request) (i32.const 1) (local.get $at) (local.get $len)))
    (drop (call $set-scheme (local.get $request) (i32.const 1) (local.get $scheme) (i32.const 0) (i32.const 0)))
    (drop (call $set-path (local.get $request) (i32.const 1) (i32.const 72) (i32.const 1)))
    (local.set $options (call $options))
    (drop (call $set-timeout (local.get $options) (i32.const 1) (local.get $timeout)))
    (call $handle (local.get $request) (i32.const 1) (local.get $options) (global.get $RET))
    (if (call $ret8 (i32.const 0))
      (then (return (i32.add (i32.const 600) (call $ret8 (i32.const 8))))))
    (local.set $future (call $ret (i32.const 8)))
    (call $block (call $future-subscribe (local.get $future)))
    (call $future-get (local.get $future) (global.get $RET))
    (if (call $ret8 (i32.const 16))
      (then (return (i32.add (i32.const 600) (call $ret8 (i32.const 24))))))
    (call $consume (call $ret (i32.const 24)) (global.get $RET))
    (local.set $body (call $ret (i32.const 4)))
    (call $body-stream (local.get $body) (global.get $RET))
    (local.set $stream (call $ret (i32.const 4)))
    (loop $more
      (call $read (local.get $stream) (i64.const 4096) (global.get $RET))
      (br_if $more (i32.eqz (call $ret8 (i32.const 0)))))
    (if (call $ret8 (i32.const 4)) (then (return (i32.const 200))))
    (call $error-code (call $ret (i32.const 8)) (global.get $RET))
    (if (call $ret8 (i32.const 0))
      (then (return (i32.add (i32.const 800) (call $ret8 (i32.const 8))))))
    (i32.const 899))

  (func (export "wasi:http/incoming-handler@0.2.2#handle") (param $request i32) (param $out i32)
    HANDLE))
