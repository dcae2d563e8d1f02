//! Measures the errors of every activation of ndarray-activations: all `f32`, and samples of `f64` against MPFR.
//!
//! `cargo run --release --manifest-path accuracy/Cargo.toml -- --help`; what comes out is in `docs/accuracy.md`.

use std::{error::Error, fs};

use clap::{Parser, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use measure::Errors;
use ndarray_activations::{Element, Family, catalog};
use report::Row;

#[path = "../../tests/common/bounds.rs"]
mod bounds;
mod double;
#[path = "../../tests/common/measure.rs"]
mod measure;
mod mpfr;
#[path = "../../tests/common/oracle.rs"]
mod oracle;
mod parameters;
mod report;
#[path = "../../tests/common/roots.rs"]
mod roots;
#[path = "../../tests/common/rows.rs"]
mod rows;
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
            info.lines()
                .find_map(|line| line.strip_prefix("model name")?.split_once(": ").map(|(_, name)| name.to_owned()))
                .unwrap_or_else(|| std::env::consts::ARCH.to_owned())
        };
        let machine = self.machine.clone().unwrap_or_else(cpu);
        let date = self.date.clone().unwrap_or_else(|| chrono::Local::now().format("%Y-%m-%d").to_string());
        format!("Measured on {machine}, {}, {date}.", std::env::consts::OS)
    }

    /// Prints the rows, and stores them if they are to be kept.
    fn deliver(&self, rows: Vec<Row>) -> Result<(), Box<dyn Error>> {
        for row in &rows {
            let Row { part, activation, parameters, direction, element, level, .. } = row;
            let [max, at, mean, root_ulp, root] = [Some(row.max), row.at, row.mean, row.root_ulp, row.root_absolute].map(report::shown);
            let near = if root.is_empty() { root } else { format!("; near the root {root_ulp}, absolute {root}") };
            let broken = if row.kept() { "" } else { "   BROKEN" };
            println!("{part:10} {activation:16} {parameters:21} {direction:10} {element} {level:6} max {max:9} at {at:24} mean {mean:9}{near}{broken}");
        }
        if self.write { report::store(rows) } else { Ok(()) }
    }
}

/// Softmax and the like along rows of all lengths up to 2^24, and the gradient of PReLU's slope.
fn along_rows<A: Element>(arguments: &Arguments, element: &str, progress: &ProgressBar) -> Result<(), Box<dyn Error>> {
    let lengths = [(20_000, 10), (200, 1000), (4, 100_000), (2, 1 << 20), (1, 1 << 24)];
    progress.set_length(lengths.len() as u64 + 1);
    let mut found = Vec::new();
    for (count, length) in lengths {
        for (name, levels) in rows::along_rows::<A>(count, length) {
            found.extend(report::rows("rows", name, &length.to_string(), element, &levels, (4.0, 8.0, 0.0)));
        }
        progress.inc(1);
    }
    for (level, errors) in rows::prelu_slope::<A>(10_000_000) {
        let levels = vec![(level, [Errors::default(), errors])];
        let mut of_prelu = report::rows("rows", "prelu", "shared", element, &levels, (0.0, 1e-6, 0.0));
        of_prelu.retain(|row| row.direction == "derivative");
        found.extend(of_prelu.into_iter().map(|row| Row { bound: 1e-6, at: None, mean: None, ..row }));
    }
    progress.finish_and_clear();
    arguments.deliver(found)
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
    if wanted(What::Rows) {
        along_rows::<f32>(&arguments, "f32", &bar("f32 rows"))?;
        along_rows::<f64>(&arguments, "f64", &bar("f64 rows"))?;
    }
    if wanted(What::Parameters) {
        for (name, specs) in parameters::specs().iter().filter(|(name, _)| chosen(name)) {
            for element in ["f32", "f64"] {
                let progress = bar(&format!("{element} {name}(…)"));
                let rows = parameters::sweep(name, specs, element, arguments.step, &progress)?;
                progress.finish_and_clear();
                arguments.deliver(rows)?;
            }
        }
    }
    if arguments.write || arguments.what == What::Page {
        report::write_page(&arguments.header())?;
    }
    Ok(())
}
