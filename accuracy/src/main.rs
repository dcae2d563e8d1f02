//! Measures the errors of every activation of ndarray-activations: all `f32`, and samples of `f64` against MPFR.
//!
//! `cargo run --release --manifest-path accuracy/Cargo.toml -- --help`; what comes out is in `docs/accuracy.md`.

use std::{error::Error, fs};

use clap::{Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use ndarray_activations::{Family, catalog};
use report::Row;

#[path = "../../tests/common/bounds.rs"]
mod bounds;
#[path = "../../tests/common/measure.rs"]
mod measure;
#[path = "../../tests/common/oracle.rs"]
mod oracle;
#[path = "../../tests/common/roots.rs"]
mod roots;
mod double;
mod mpfr;
mod report;
mod single;

/// What to measure.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum What {
    /// Every f32, at every instruction set of this CPU.
    F32,
    /// Samples of f64 against MPFR.
    F64,
    /// Softmax and the like along long rows, and the gradient of PReLU's slope.
    Rows,
    /// Other parameters than the defaults.
    Parameters,
    /// All of it.
    All,
    /// Measures nothing: the page from the results there are.
    Page,
    /// Measures nothing: the sentences for the formulas' documentation from the results there are; with --write, into src/formula.
    Docs,
}

/// Measures errors in units in the last place.
#[derive(Debug, Parser)]
struct Arguments {
    what: What,
    /// Every so many inputs: f32 bit patterns, samples of f64.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    step: u64,
    /// This activation alone (may be given more than once).
    #[arg(long)]
    only: Vec<String>,
    /// Put the results into accuracy/results.csv and docs/accuracy.md.
    #[arg(long)]
    write: bool,
    /// The date for the page; today's by default.
    #[arg(long)]
    date: Option<String>,
    /// The machine for the page; the CPU's own name by default.
    #[arg(long)]
    machine: Option<String>,
}

impl Arguments {
    fn header(&self) -> String {
        let cpu = || {
            let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
            info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name.to_owned())).unwrap_or_else(|| std::env::consts::ARCH.to_owned())
        };
        let machine = self.machine.clone().unwrap_or_else(cpu);
        let date = self.date.clone().unwrap_or_else(|| chrono::Local::now().format("%Y-%m-%d").to_string());
        format!("Measured on {machine}, {}, {date}.", std::env::consts::OS)
    }

    /// Prints the rows, and stores them if they are to be kept.
    fn deliver(&self, rows: Vec<Row>) -> Result<(), Box<dyn Error>> {
        for row in &rows {
            let Row { part, activation, parameters, direction, element, level, max, at, mean, .. } = row;
            let root = row.root_ulp.zip(row.root_absolute).map(|(ulp, absolute)| format!(", near the root {ulp} ULP, {absolute:e} absolute")).unwrap_or_default();
            let input = at.map(|at| format!(" at {at:e}")).unwrap_or_default();
            let average = mean.map(|mean| format!(", mean {mean}")).unwrap_or_default();
            let broken = if row.kept() { "" } else { "   BROKEN" };
            println!("{part:10} {activation:16} {parameters:12} {direction:10} {element} {level:6} {max:8}{input}{average}{root}{broken}");
        }
        if self.write { report::store(rows) } else { Ok(()) }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let wanted = |what: What| arguments.what == what || arguments.what == What::All;
    let chosen = |name: &str| arguments.only.is_empty() || arguments.only.iter().any(|only| only == name);
    let style = ProgressStyle::with_template("{prefix:24} {bar:40} {percent:>3} % {elapsed} of {duration}")?;
    let bar = |name: &str| ProgressBar::new(1).with_style(style.clone()).with_prefix(name.to_owned());
    let pointwise = || catalog().filter(|entry| entry.family() == Family::Pointwise && chosen(entry.name()));
    if arguments.what == What::Docs {
        return report::docs(arguments.write);
    }
    if wanted(What::F32) {
        for entry in pointwise() {
            let progress = bar(&format!("f32 {}", entry.name()));
            let levels = single::sweep(entry.name(), arguments.step, &progress)?;
            progress.finish_and_clear();
            arguments.deliver(report::rows("f32", entry.name(), "", "f32", &levels, (2.0, 4.0, f64::powi(2.0, -24))))?;
        }
    }
    if wanted(What::F64) {
        for entry in pointwise() {
            let progress = bar(&format!("f64 {}", entry.name()));
            let levels = double::sweep(entry.name(), 10_000_000 / arguments.step, &progress)?;
            progress.finish_and_clear();
            arguments.deliver(report::rows("f64", entry.name(), "", "f64", &levels, (2.0, 4.0, f64::powi(2.0, -53))))?;
        }
    }
    if arguments.write || arguments.what == What::Page {
        report::write_page(&arguments.header())?;
    }
    Ok(())
}
