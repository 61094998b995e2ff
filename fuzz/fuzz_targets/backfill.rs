//! libFuzzer around [`cascade_tests::checks::backfill`]; decides nothing itself.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| cascade_tests::checks::backfill(input).unwrap());
