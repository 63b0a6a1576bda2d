#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| hightouch_sync::properties::details(bytes));
