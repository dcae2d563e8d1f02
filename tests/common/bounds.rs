//! The sentences about errors in the documentation of formulas, from `accuracy/results.csv`.

use std::collections::{BTreeMap, BTreeSet};

/// A line of the table, as far as the sentences need it.
struct Row<'a> {
    activation: &'a str,
    element: &'a str,
    fused: bool,
    derivative: bool,
    ulp: f64,
    root_absolute: Option<f64>,
}

fn rows(csv: &str) -> impl Iterator<Item = Row<'_>> {
    let columns: Vec<&str> = csv.lines().next().unwrap_or_default().split(',').collect();
    csv.lines().skip(1).filter_map(move |line| {
        let fields: BTreeMap<&str, &str> = columns.iter().copied().zip(line.split(',')).collect();
        matches!(fields["part"], "f32" | "f64").then(|| Row {
            activation: fields["activation"],
            element: fields["element"],
            fused: fields["level"] != "sse2",
            derivative: fields["direction"] == "derivative",
            ulp: fields["max"].parse().unwrap_or(f64::INFINITY),
            root_absolute: fields["root_absolute"].parse().ok(),
        })
    })
}

/// The file in `src/formula` that an activation of the catalogue is described in, without its ending.
fn file(activation: &str) -> &str {
    if activation.starts_with("gelu") { "gelu" } else { activation }
}

/// Rounded up to one digit behind the point.
fn up(ulp: f64) -> f64 {
    (ulp * 10.0).ceil() / 10.0
}

fn error(ulp: f64) -> String {
    if ulp == 0.0 { "exact".to_owned() } else { format!("{:.1} ULP", up(ulp)) }
}

/// What a number has to stay below, with two digits.
fn two_digits_up(x: f64) -> String {
    let unit = f64::powi(10.0, x.log10().floor() as i32 - 1);
    format!("{:.1e}", (x / unit).ceil() * unit)
}

/// For each file in `src/formula` the lines that have to stand in it. Instruction sets without fused multiply-add have a line of their own where it differs.
pub(crate) fn lines(csv: &str) -> BTreeMap<String, Vec<String>> {
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut done = BTreeSet::new();
    for name in rows(csv).map(|row| row.activation).filter(|name| done.insert(*name)) {
        let of = if file(name) == "gelu" { format!(" of `{name}`") } else { String::new() };
        let lines = lines.entry(file(name).to_owned()).or_default();
        for element in ["f32", "f64"] {
            let mut before = String::new();
            for fused in [true, false] {
                let largest = |derivative: bool, number: fn(&Row<'_>) -> Option<f64>| {
                    let chosen = rows(csv).filter(|row| (row.activation, row.element, row.fused, row.derivative) == (name, element, fused, derivative));
                    chosen.filter_map(|row| number(&row)).reduce(f64::max)
                };
                let (Some(value), Some(slope)) = (largest(false, |row| Some(row.ulp)), largest(true, |row| Some(row.ulp))) else { continue };
                let root = largest(true, |row| row.root_absolute).map(|root| format!("; within 0.25 of its root {} absolute", two_digits_up(root)));
                let errors = format!("value {}, derivative {}{}.", error(value), error(slope), root.unwrap_or_default());
                if errors != before {
                    lines.push(format!("/// Max error{of} (`{element}`{}): {errors}", if fused { "" } else { ", without fused multiply-add" }));
                }
                before = errors;
            }
        }
    }
    lines.retain(|_, lines| !lines.is_empty());
    lines
}
