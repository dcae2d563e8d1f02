//! Repeats the experiments that tutorials on activation functions show, with many seeds where they had one run, and says what holds.
//!
//! ```text
//! cargo run --release --example experiments -- all
//! cargo run --release --example experiments -- circles --runs 50
//! cargo run --release --example experiments -- all --write docs
//! ```
//!
//! A table for each experiment goes to the standard output; `--write FOLDER` puts them into `FOLDER/experiments.md` and the pictures into `FOLDER/experiments`.

#![allow(clippy::print_stdout, reason = "a program's output")]

#[path = "../common/adam.rs"]
mod adam;
#[path = "../common/chart.rs"]
mod chart;
mod circles;
mod deep;
#[path = "../common/dense.rs"]
mod dense;
mod network;
mod report;
mod units;

use std::{fmt::Write, fs, path::PathBuf};

use clap::{Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{chart::Result, deep::Stack, report::Report};

/// Repeats the experiments of the tutorials.
#[derive(Debug, Parser)]
struct Args {
    /// Which of them
    #[arg(value_enum)]
    which: Which,
    /// How many seeds
    #[arg(long, value_name = "NUMBER", default_value = "20", value_parser = clap::value_parser!(u64).range(2..1_000_000))]
    runs: u64,
    /// A folder for the tables and pictures
    #[arg(long, value_name = "FOLDER")]
    write: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Which {
    /// E1, E2, E4 and E5: two circles to be told apart
    Circles,
    /// E3: the circles with deeper networks
    Depth,
    /// E6: a signal through fifty layers
    SelfNormalizing,
    /// E7: a learning rate too large
    DyingRelu,
    /// E8: weights too large
    Saturation,
    /// All of them
    All,
}

/// Name, how often the progress bar moves in a run, and what to do with a number of runs.
type Experiment = (Which, &'static str, u64, fn(u64, &ProgressBar) -> Result<Report>);

const EXPERIMENTS: &[Experiment] = &[
    (Which::Circles, "E1", 1, circles::one_layer),
    (Which::Circles, "E2", 4, circles::width),
    (Which::Depth, "E3", 4, circles::depth),
    (Which::Circles, "E4", 1, circles::epochs),
    (Which::Circles, "E5", 4, circles::no_activation),
    (Which::SelfNormalizing, "E6", 1, |runs, progress| deep::self_normalizing(Stack { width: 400, batch: 128 }, runs, progress)),
    (Which::DyingRelu, "E7", 9, units::dying_relu),
    (Which::Saturation, "E8", 12, units::saturation),
];

fn main() -> Result<()> {
    let args = Args::parse();
    let mut reports = Vec::new();
    for (_, name, steps, run) in EXPERIMENTS.iter().filter(|(which, ..)| args.which == Which::All || args.which == *which) {
        // Draws on the standard error, and only where that is a terminal.
        let progress = ProgressBar::new(steps * args.runs).with_prefix(*name);
        progress.set_style(ProgressStyle::with_template("{prefix} {wide_bar} run {pos} of {len}, {eta} left")?);
        let report = run(args.runs, &progress)?;
        progress.finish_and_clear();
        println!("{report}");
        reports.push(report);
    }
    if let Some(folder) = args.write {
        let pictures = folder.join("experiments");
        fs::create_dir_all(&pictures)?;
        let mut text = format!(
            "# The tutorials' experiments, repeated\n\nWritten by `cargo run --release --example experiments -- all --write docs`. {} runs each, every one with its own \
             seed for points, weights and order; ± is the standard deviation from run to run. The circles: 200 points, noise 0.05, the inner circle half as large; \
             128 to learn from, 32 put aside, 40 for the test, so that one point is 2.5 %. Last digits depend on the CPU.\n\n",
            args.runs
        );
        for report in &reports {
            writeln!(text, "{report}")?;
            for (file, shows, svg) in &report.pictures {
                fs::write(pictures.join(file), svg)?;
                writeln!(text, "![{shows}](experiments/{file})\n")?;
            }
        }
        fs::write(folder.join("experiments.md"), text.trim_end().to_owned() + "\n")?;
    }
    Ok(())
}
