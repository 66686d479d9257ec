//! Results as a table on standard output, in Markdown.

use crate::race::Result;

/// One race; `unit` is what one call stands for, `per` how many of them one call does.
pub fn race(title: &str, unit: &str, per: usize, results: &[Result]) {
    println!("\n### {title}\n");
    println!("| who | ns a {unit} | ratio | allocations a {unit} | bytes allocated a {unit} |");
    println!("|---|---|---|---|---|");
    let per = per.max(1) as f64;
    for Result { name, nanoseconds, ratio, allocations, allocated_bytes } in results {
        println!(
            "| {name} | {:.1} | {ratio:.3} | {:.2} | {:.0} |",
            nanoseconds / per,
            allocations / per,
            allocated_bytes / per
        );
    }
}
