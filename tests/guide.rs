//! The tables of the guide say what the crate says, and its quotations are to be found.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test")]

use std::{collections::BTreeSet, fs, path::Path};

use ndarray::{Array1, ArrayD};
use ndarray_activations::*;

const CHOOSING: &str = include_str!("../docs/guide/choosing.md");
const MIGRATING: &str = include_str!("../docs/guide/migrating.md");
const TUTORIALS: &str = include_str!("../docs/guide/tutorials.md");
const EXPERIMENTS: &str = include_str!("../docs/experiments.md");
const README: &str = include_str!("../README.md");

/// The rows of the table under this header, cell by cell, without the marks of code.
fn table<'a>(text: &'a str, header: &str) -> Vec<Vec<&'a str>> {
    let rows = text.split_once(header).unwrap_or_else(|| panic!("no table {header}")).1.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect()).collect()
}

/// A number as the tables print it.
fn number(text: &str) -> f64 {
    let text = text.trim().replace('−', "-").replace('∞', "inf");
    text.parse().unwrap_or_else(|_| panic!("{text} is not a number"))
}

/// What is printed with two decimals.
#[track_caller]
fn agree(printed: f64, exact: f64, what: &str) {
    assert!(printed == exact || (printed - exact).abs() <= 0.005 + 1e-12, "{what}: {printed} is printed, {exact} is right");
}

fn values(layer: &dyn Layer<f64>, x: &Array1<f64>) -> Array1<f64> {
    layer.infer_nd(x).unwrap()
}

/// E[f(z)] for z ~ N(0, 1), by the midpoint rule.
fn mean(layer: &dyn Layer<f64>) -> f64 {
    let z = Array1::from_shape_fn(20_000, |i| (i as f64 + 0.5) / 1000.0 - 10.0);
    let density = z.mapv(|z| (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt() / 1000.0);
    (density * values(layer, &z)).sum()
}

/// Whether x lies in the dead zone "x ≤ 0, x ≥ 6".
fn dead(zone: &str, x: f64) -> bool {
    zone != "none"
        && zone.split(", ").any(|part| match part.split_once(" ≤ ") {
            Some((_, bound)) => x <= number(bound),
            None => x >= number(part.split_once(" ≥ ").unwrap_or_else(|| panic!("{part}")).1),
        })
}

#[test]
fn the_table_for_choosing_is_true() {
    let rows = table(CHOOSING, "| name | smooth | range | mean | dead zone | monotonic | cost | weights |");
    assert!(rows.len() > 20);
    // 0, ±1, ±3 and 6 are among them.
    let x = Array1::from_shape_fn(1601, |i| (i as f64 - 800.0) / 100.0);
    for row in rows {
        let [name, smooth, range, average, zone, monotonic, cost, weights] = row[..] else { panic!("{row:?}") };
        let entry = catalog().find(|entry| entry.name() == name).unwrap_or_else(|| panic!("no {name}"));
        let mut layer = entry.layer::<f64>();

        assert_eq!(smooth == "yes", entry.kinks().is_empty(), "{name}: smooth");
        let (low, high) = range.split_once(" … ").unwrap();
        agree(number(low), entry.range().0, name);
        agree(number(high), entry.range().1, name);
        agree(number(average), mean(&*layer), name);

        let y = values(&*layer, &x);
        let rising = y.windows(2).into_iter().all(|pair| pair[0] <= pair[1]);
        assert_eq!(monotonic == "yes", rising, "{name}: monotonic");
        assert!(entry.family() != Family::Pointwise || entry.monotonic() == rising, "{name}: monotonic in the catalogue");

        layer.forward_nd(&x).unwrap();
        let slopes = layer.backward_nd(&Array1::ones(x.len())).unwrap();
        for (i, &x) in x.iter().enumerate() {
            // An interval, not a root alone: a neighbour is 0 too.
            let flat = |i: Option<&f64>| i.is_some_and(|&slope| slope == 0.0);
            let zero = slopes[i] == 0.0 && (flat(slopes.get(i + 1)) || flat(slopes.get(i.wrapping_sub(1))));
            assert_eq!(zero, dead(zone, x), "{name}: the derivative at {x} is {}", slopes[i]);
        }

        let (function, gain) = weights.split_once(' ').unwrap();
        agree(number(gain), init::gain(&layer), name);
        assert!(["he", "glorot", "lecun", "normal"].contains(&function), "{name}: init::{function}");
        let (infer, train) = cost.split_once(" / ").unwrap();
        assert!(number(infer) <= number(train), "{name}: {cost}");
    }
}

#[test]
fn names_elsewhere_are_read() {
    let rows = table(MIGRATING, "| PyTorch | Keras 3 | here | spec |");
    assert!(rows.len() > 30);
    for row in rows {
        let [torch, keras, here, spec] = row[..] else { panic!("{row:?}") };
        for name in [torch, keras, spec].into_iter().filter(|name| !name.is_empty()) {
            assert_eq!(by_name::<f32>(name).unwrap_or_else(|error| panic!("{error}")).spec(), spec, "{name}");
        }
        let name = here.split("::").next().unwrap();
        assert_eq!(by_name::<f32>(name).unwrap().spec(), spec, "{here}");
    }
}

/// The other defaults that the text names.
#[test]
fn common_names_are_read() {
    for (name, spec) in [("gelu_new", "gelu_tanh"), ("gelu_pytorch_tanh", "gelu_tanh"), ("quick_gelu", "gelu_sigmoid"), ("relu2", "relu_squared")] {
        assert!(MIGRATING.contains(&format!("`{name}`")));
        assert_eq!(by_name::<f32>(name).unwrap().spec(), spec);
    }
    // Keras' swish has no parameter: the same function, another entry.
    let x = ArrayD::from_elem(vec![1], -0.7);
    assert_eq!(by_name::<f64>("swish").unwrap().infer(&x).unwrap(), SiLU::new().infer(&x).unwrap());
}

#[test]
fn quotations_are_to_be_found() {
    let quotations: Vec<&str> = TUTORIALS.lines().filter_map(|line| line.strip_prefix("> ")).collect();
    assert!(quotations.len() > 8);
    for quotation in quotations {
        assert!(EXPERIMENTS.contains(quotation), "docs/experiments.md no longer says {quotation:?}");
    }
}

/// Rows that begin with a constructor: `ELU::new(alpha)`.
#[test]
fn the_readme_lists_all_layers() {
    let list = README.split_once("## The layers").unwrap().1.split_once("\n## ").unwrap().0;
    let rows = list.lines().filter(|line| line.starts_with("| `"));
    let spans = rows.flat_map(|row| row.split(" | ").next().unwrap().split('`').skip(1).step_by(2));
    let mut listed = BTreeSet::new();
    for span in spans.filter(|span| span.starts_with(char::is_uppercase) && !span.starts_with("Custom") && !span.starts_with("Elementwise")) {
        let name = match span.split('(').next().unwrap() {
            "GELU::tanh" => "gelu_tanh",
            "GELU::sigmoid" => "gelu_sigmoid",
            other => other.split("::").next().unwrap(),
        };
        listed.insert(by_name::<f32>(name).unwrap_or_else(|error| panic!("{span}: {error}")).name().to_owned());
    }
    assert_eq!(listed, catalog().map(|entry| entry.name().to_owned()).collect());
}

/// Apart from what is filled in between the marks, where other files are generated too.
#[test]
fn the_readme_leads_to_files() {
    let (start, rest) = README.split_once("<!-- accuracy -->").unwrap();
    let end = rest.split_once("<!-- /speed -->").unwrap().1;
    for target in [start, end].concat().split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join(target);
        assert!(target.starts_with("https://") || target.starts_with('#') || here.exists(), "README.md leads to {target}");
    }
}

/// The lines of documentation in all sources.
fn documentation(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            documentation(&path, found);
            continue;
        }
        let lines = fs::read_to_string(&path).unwrap();
        let mut paragraph = String::new();
        for line in lines.lines().map(str::trim).chain([""]) {
            let text = line.strip_prefix("///").or(line.strip_prefix("//!")).map_or("", str::trim);
            if text.is_empty() || text.starts_with("- ") {
                found.push((path.display().to_string(), std::mem::take(&mut paragraph)));
            }
            paragraph += &format!("{text}\n");
        }
    }
}

/// Markdown comes before KaTeX: it would take these for its own.
#[test]
fn formulas_survive_markdown() {
    let mut paragraphs = Vec::new();
    documentation(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut paragraphs);
    let mut count = 0;
    for (file, text) in paragraphs {
        let text: String = text.split('`').step_by(2).collect(); // code aside
        let parts: Vec<&str> = text.split('$').collect();
        assert!(parts.len() % 2 == 1, "{file}: a formula that does not end: {text}");
        for formula in parts.into_iter().skip(1).step_by(2) {
            count += 1;
            let escaped = formula.split('\\').skip(1).any(|rest| !rest.starts_with(|c: char| c.is_ascii_alphabetic()));
            let taken = ["}_", "*", "[", "]", "~", "<=", ">="].iter().find(|taken| formula.contains(**taken));
            assert!(!escaped && taken.is_none(), "{file}: {formula:?} does not survive");
            assert!(!(text.contains("\n| ") && formula.contains('|')), "{file}: {formula:?} ends a cell of a table");
        }
    }
    assert!(count > 150, "{count} formulas");
}
