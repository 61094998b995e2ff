//! libFuzzer around [`cascade_tests::checks::samples`]; decides nothing itself.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| cascade_tests::checks::samples(input).unwrap());
