#![no_main]

#[path = "../targets.rs"]
#[expect(dead_code, reason = "each target is a program")]
mod targets;

libfuzzer_sys::fuzz_target!(|text: &str| targets::lines(text));
