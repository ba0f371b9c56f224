//! How fast and how small the program is: `cargo bench --bench speed` prints the tables of the README.
//!
//! A crowd of clients and an upstream made for load share the machine with the built program. Each load is put on the upstream
//! itself (*direct*), then on the program (*proxied*), in turn, several times in one run; a figure is the median of them. What
//! a request must cost at the least, the *ideal*, is measured part by part in the same run. `--compare CMD` puts another proxy, or
//! an earlier build of this one, under the same loads; see [`process::Subject::other`] for what CMD finds.
//!
//! `-- --only load,paced` runs a part: parts, load, paced, apis, slow, queue, footprint, growth. `-- --million` also looks at the memory
//! over a million requests.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a benchmark may fail, and prints its table"
)]

#[cfg(target_os = "linux")]
mod speed {
    #[expect(dead_code, reason = "the tests need more of it")]
    #[path = "../../it/harness.rs"]
    mod harness;

    mod apis;
    mod body;
    mod crowd;
    mod figures;
    #[path = "../machine.rs"]
    mod machine;
    mod parts;
    mod poll;
    mod process;
    mod scenes;
    mod upstream;

    pub(crate) use scenes::run;
}

#[cfg(target_os = "linux")]
fn main() {
    // `cargo test --all-targets` starts benchmarks too, without this.
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("nothing is measured without --bench: cargo bench --bench speed");
        return;
    }
    speed::run();
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("it reads /proc, and so runs on Linux only");
}
