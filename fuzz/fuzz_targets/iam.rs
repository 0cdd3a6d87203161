#![no_main]

libfuzzer_sys::fuzz_target!(|answer: &str| podid::aws::fuzz_tests::iam(answer));
