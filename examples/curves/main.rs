//! Draws every activation of the catalogue and its derivative, and an overview of all, as SVG pictures.
//!
//! ```text
//! cargo run --release --example curves
//! cargo run --release --example curves -- --out some/folder
//! ```
//!
//! The derivatives are what the layers' `backward` gives. Where one jumps, hollow points show the limits from either side and a filled one the convention.

#![allow(clippy::print_stdout, reason = "a program's output")]

mod catalogue;
#[path = "../common/chart.rs"]
mod chart;

use std::{fs, path::PathBuf};

use clap::Parser;

/// Draws every activation of the catalogue and its derivative.
#[derive(Debug, Parser)]
struct Args {
    /// The folder for the pictures
    #[arg(long, value_name = "FOLDER", default_value = "docs/curves")]
    out: PathBuf,
}

fn main() -> chart::Result<()> {
    let args = Args::parse();
    fs::create_dir_all(&args.out)?;
    let pictures = catalogue::pictures()?;
    for (name, svg) in &pictures {
        fs::write(args.out.join(name), svg)?;
    }
    println!("{} pictures in {}", pictures.len(), args.out.display());
    Ok(())
}
