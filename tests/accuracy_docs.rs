//! The errors that the documentation of the formulas states are those of the table in `accuracy/results.csv`, rounded up to one digit behind the point.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test")]

#[path = "common/bounds.rs"]
mod bounds;

use std::{collections::BTreeSet, fs, path::Path};

use ndarray_activations::{Family, catalog};

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// `cargo run --release --manifest-path accuracy/Cargo.toml -- docs --write` puts them there.
#[test]
fn the_documentation_states_the_errors_of_the_table() {
    let table = read("accuracy/results.csv");
    for (name, lines) in bounds::lines(&table) {
        let source = read(&format!("src/formula/{name}.rs"));
        let stated: Vec<&str> = source.lines().filter(|line| line.contains("Max error")).collect();
        assert_eq!(stated, lines, "src/formula/{name}.rs");
    }
}

/// Nothing is left out: all pointwise activations, both types, value and derivative, every f32.
#[test]
fn the_table_is_complete_and_keeps_the_bounds() {
    let table = read("accuracy/results.csv");
    let columns: Vec<&str> = table.lines().next().unwrap().split(',').collect();
    let column = |name: &str| columns.iter().position(|column| *column == name).unwrap();
    let mut found = BTreeSet::new();
    for line in table.lines().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let number = |name: &str| fields[column(name)].parse::<f64>().ok();
        let (part, activation, direction) = (fields[column("part")], fields[column("activation")], fields[column("direction")]);
        let near = number("root_ulp") <= number("bound") || number("root_absolute") <= number("root_bound");
        assert!(number("max") <= number("bound") && near, "{line}");
        if part == "f32" || part == "f64" {
            let least = if part == "f32" { f64::powi(2.0, 32) } else { 1e7 };
            assert!(number("checked").unwrap() >= least, "measured in part: {line}");
            found.insert((part.to_owned(), activation.to_owned(), direction.to_owned()));
        }
    }
    for entry in catalog().filter(|entry| entry.family() == Family::Pointwise) {
        for part in ["f32", "f64"] {
            for direction in ["value", "derivative"] {
                assert!(found.contains(&(part.to_owned(), entry.name().to_owned(), direction.to_owned())), "no {direction} of {} in {part}", entry.name());
            }
        }
    }
}

#[test]
fn sentences_from_a_table() {
    let table = "part,activation,direction,element,level,max,root_absolute\n\
                 f32,silu,value,f32,avx512,0.61,\nf32,silu,value,f32,avx2,0.52,\nf32,silu,derivative,f32,avx2,0.7001,2.341e-8\nf32,silu,value,f32,sse2,1.2,\n\
                 f32,silu,derivative,f32,sse2,1.5,2.341e-8\nf64,relu,value,f64,avx2,0,\nf64,relu,derivative,f64,avx2,0,\nf64,relu,value,f64,sse2,0,\nf64,relu,derivative,f64,sse2,0,\n\
                 f64,gelu_tanh,value,f64,avx2,0.5,\nf64,gelu_tanh,derivative,f64,avx2,1,\nparameters,silu,value,f32,avx2,9,\n";
    let lines = bounds::lines(table);
    assert_eq!(
        lines["silu"],
        [
            "/// Max error (`f32`): value 0.7 ULP, derivative 0.8 ULP; within 0.25 of its root 2.4e-8 absolute.",
            "/// Max error (`f32`, without fused multiply-add): value 1.2 ULP, derivative 1.5 ULP; within 0.25 of its root 2.4e-8 absolute."
        ]
    );
    assert_eq!(lines["relu"], ["/// Max error (`f64`): value exact, derivative exact."]);
    assert_eq!(lines["gelu"], ["/// Max error of `gelu_tanh` (`f64`): value 0.5 ULP, derivative 1.0 ULP."]);
}
