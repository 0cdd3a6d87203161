#![no_main]

libfuzzer_sys::fuzz_target!(|stream: &str| podid::k8s::tests::fuzz::watch(stream));
