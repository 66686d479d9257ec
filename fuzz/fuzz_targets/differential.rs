#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| salut_fuzz::differential::run(bytes));
