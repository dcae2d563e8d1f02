//! The table of results: a file of comma-separated values, the page made from it, and the sentences for the formulas' documentation.

use std::{collections::BTreeSet, error::Error, fmt::Write as _, fs, path::PathBuf};

use ndarray_activations::catalog;
use serde::{Deserialize, Serialize};

use crate::{
    bounds,
    measure::{Errors, Levels},
};

/// What was measured of one activation in one direction, for one element type and instruction set.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Row {
    /// `f32`, `f64`, `rows` or `parameters`.
    pub(crate) part: String,
    pub(crate) activation: String,
    /// Of the worst case, separated by blanks; for rows the length.
    pub(crate) parameters: String,
    pub(crate) direction: String,
    pub(crate) element: String,
    pub(crate) level: String,
    pub(crate) checked: u64,
    pub(crate) max: f64,
    /// The input of the largest error.
    pub(crate) at: Option<f64>,
    pub(crate) mean: Option<f64>,
    pub(crate) bound: f64,
    pub(crate) root_ulp: Option<f64>,
    pub(crate) root_absolute: Option<f64>,
    pub(crate) root_at: Option<f64>,
    pub(crate) root_bound: Option<f64>,
}

impl Row {
    pub(crate) fn kept(&self) -> bool {
        let near = |(ulp, (absolute, bound)): (f64, (f64, f64))| ulp <= self.bound || absolute <= bound;
        self.max <= self.bound && self.root_ulp.zip(self.root_absolute.zip(self.root_bound)).is_none_or(near)
    }
}

impl Row {
    /// Takes over what is worse in another row, and its parameters with the largest error.
    pub(crate) fn merge(&mut self, other: Self) {
        self.checked += other.checked;
        if other.max > self.max {
            (self.max, self.at, self.parameters) = (other.max, other.at, other.parameters);
        }
        self.root_ulp = self.root_ulp.into_iter().chain(other.root_ulp).reduce(f64::max);
        if other.root_absolute > self.root_absolute {
            (self.root_absolute, self.root_at, self.root_bound) = (other.root_absolute, other.root_at, other.root_bound);
        }
    }
}

/// Four digits, rounded up: a bound read from the table holds.
fn rounded_up(x: f64) -> f64 {
    if x == 0.0 || !x.is_finite() {
        return x;
    }
    let unit = f64::powi(10.0, x.log10().floor() as i32 - 3);
    // Through text, so that the file shows four digits.
    format!("{:.3e}", (x / unit).ceil() * unit).parse().unwrap_or(x)
}

/// Instruction sets without fused multiply-add may take twice the bounds.
pub(crate) fn slack(level: &str) -> f64 {
    if level == "sse2" { 2.0 } else { 1.0 }
}

/// The rows of a pointwise activation. `bounds`: of the value, the derivative, and the derivative next to a root.
pub(crate) fn rows(part: &str, activation: &str, parameters: &str, element: &str, levels: &Levels, bounds: (f64, f64, f64)) -> Vec<Row> {
    let mut rows = Vec::new();
    for (level, errors) in levels {
        for (errors, (direction, bound)) in errors.iter().zip([("value", bounds.0), ("derivative", bounds.1)]) {
            let Errors { checked, ulp, at, root_ulp, root_absolute, root_at, .. } = *errors;
            let root = root_absolute > 0.0;
            rows.push(Row {
                part: part.to_owned(),
                activation: activation.to_owned(),
                parameters: parameters.to_owned(),
                direction: direction.to_owned(),
                element: element.to_owned(),
                level: (*level).to_owned(),
                checked,
                max: rounded_up(ulp),
                at: (ulp > 0.0).then_some(at),
                mean: Some(rounded_up(errors.mean())),
                bound: bound * slack(level),
                root_ulp: root.then(|| rounded_up(root_ulp)),
                root_absolute: root.then(|| rounded_up(root_absolute)),
                root_at: root.then_some(root_at),
                root_bound: root.then(|| bounds.2 * slack(level)),
            });
        }
    }
    rows
}

fn file(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

pub(crate) fn read() -> Result<Vec<Row>, Box<dyn Error>> {
    let path = file("results.csv");
    if !path.exists() {
        return Ok(Vec::new());
    }
    Ok(csv::Reader::from_path(path)?.deserialize().collect::<Result<_, _>>()?)
}

/// Puts these rows in the place of those that measured the same before, and writes the file in the order of the catalogue.
pub(crate) fn store(new: Vec<Row>) -> Result<(), Box<dyn Error>> {
    let of = |row: &Row| (row.part.clone(), row.activation.clone(), row.element.clone());
    let replaced: BTreeSet<_> = new.iter().map(of).collect();
    let mut rows = read()?;
    rows.retain(|row| !replaced.contains(&of(row)));
    rows.extend(new);
    let part = |row: &Row| PARTS.iter().position(|(name, ..)| *name == row.part);
    let place = |row: &Row| catalog().position(|entry| entry.name() == row.activation);
    rows.sort_by_cached_key(|row| (part(row), place(row), row.element.clone(), row.direction == "derivative"));
    let mut writer = csv::Writer::from_path(file("results.csv"))?;
    for row in &rows {
        writer.serialize(row)?;
    }
    Ok(writer.flush()?)
}

/// The parts of the table: name, heading, and what stands above it.
const PARTS: [(&str, &str, &str); 4] = [
    (
        "f32",
        "Every `f32`",
        "All 2³² inputs, NaN and infinities among them. Required: value ≤ 2 ULP, derivative ≤ 4 ULP; within 0.25 of a root of the derivative ≤ 2⁻²⁴ = 6.0e-8 absolute is \
         enough. The truths are computed in `f64`, next to the roots from series made with mpmath.",
    ),
    (
        "f64",
        "Samples of `f64`",
        "Inputs over all exponents, most of them where the functions are not constant, and dense around kinks, thresholds and roots, against MPFR with 128 bits. \
         Required: value ≤ 2 ULP, derivative ≤ 4 ULP; within 0.25 of a root of the derivative ≤ 2⁻⁵³ = 1.2e-16 absolute is enough.",
    ),
    (
        "rows",
        "Along a row, and PReLU's slope",
        "Logits from N(0, 10); the column of the parameters has the length of the row. Values in ULP, required ≤ 4; the gradient of softmax and softmin in units of \
         u·y·(|g| + Σ|g|y), u = half a unit in the last place of 1, that of log_softmax in units of u·(|g| + y·Σ|g|), required ≤ 8; the gradient of PReLU's α relative to the \
         sum of the terms' magnitudes, required ≤ 1e-6.",
    ),
    (
        "parameters",
        "Other parameters",
        "Many values of each parameter, the worst of which is named. Relative to the parameter as rounded to the element type; required: value ≤ 4 ULP, derivative ≤ 8 ULP.",
    ),
];

/// A number as it stands in the table.
pub(crate) fn shown(x: Option<f64>) -> String {
    match x {
        None => String::new(),
        Some(0.0) => "0".to_owned(),
        Some(x) if (0.001..10_000.0).contains(&x.abs()) => format!("{x}"),
        Some(x) => format!("{x:e}"),
    }
}

/// The page. `header`: when and where.
pub(crate) fn page(header: &str) -> Result<String, Box<dyn Error>> {
    let rows = read()?;
    let mut text = format!(
        "# Errors in units in the last place\n\n\
         Made by the program in `accuracy/`; do not edit. {header}\n\n\
         The error of a result y is |y − truth| / ulp(truth), where a subnormal truth counts in units of the smallest number; 0.5 is correctly rounded. The derivative is what \
         `backward` gives for a gradient of 1. Instruction sets without fused multiply-add (`sse2`) may take twice the bounds.\n\n\
         To repeat it (GMP and MPFR are built from source the first time, which needs a C compiler and m4):\n\n\
         ```sh\n\
         cargo run --release --manifest-path accuracy/Cargo.toml -- all --write\n\
         cargo run --release --manifest-path accuracy/Cargo.toml -- f32 --only gelu --write   # one function anew\n\
         ```\n\n\
         `accuracy/results.csv` has the same numbers for programs.\n"
    );
    for (part, heading, explanation) in PARTS {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.part == part).collect();
        if rows.is_empty() {
            continue;
        }
        let broken = rows.iter().filter(|row| !row.kept()).count();
        write!(text, "\n## {heading}\n\n{explanation} ")?;
        match broken {
            0 => writeln!(text, "Every line keeps its bound.\n")?,
            _ => writeln!(text, "**{broken} lines do not keep their bounds.**\n")?,
        }
        text +=
            "| activation | parameters | | type | instructions | inputs | largest | at | mean | bound | near the root: ULP | absolute | at | bound kept |\n";
        text += "|---|---|---|---|---|--:|--:|--:|--:|--:|--:|--:|--:|---|\n";
        for row in rows {
            let Row { activation, parameters, direction, element, level, checked, .. } = row;
            writeln!(
                text,
                "| {activation} | {parameters} | {direction} | {element} | {level} | {checked} | {} | {} | {} | {} | {} | {} | {} | {} |",
                shown(Some(row.max)),
                shown(row.at),
                shown(row.mean),
                shown(Some(row.bound)),
                shown(row.root_ulp),
                shown(row.root_absolute),
                shown(row.root_at),
                if row.kept() { "yes" } else { "**no**" },
            )?;
        }
    }
    Ok(text)
}

pub(crate) fn write_page(header: &str) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(file("../docs"))?;
    Ok(fs::write(file("../docs/accuracy.md"), page(header)?)?)
}

/// Prints the sentences for the formulas' documentation, or puts them into the files in the place of the old ones.
pub(crate) fn docs(write: bool) -> Result<(), Box<dyn Error>> {
    for (name, lines) in bounds::lines(&fs::read_to_string(file("results.csv"))?) {
        let path = file(&format!("../src/formula/{name}.rs"));
        println!("src/formula/{name}.rs\n{}", lines.join("\n"));
        if write {
            let source = fs::read_to_string(&path)?;
            fs::write(path, with_bounds(&source, &lines))?;
        }
    }
    Ok(())
}

/// The source with these lines at the end of the first public type's documentation, and without older sentences about errors there.
fn with_bounds(source: &str, lines: &[String]) -> String {
    let mut result: Vec<String> = Vec::new();
    let mut done = false;
    for line in source.lines() {
        if !done && line.starts_with("#[derive") {
            done = true;
            result.extend_from_slice(lines);
        }
        let kept = if done { line.to_owned() } else { without_bound(line) };
        if kept.trim() != "///" || line.trim() == "///" {
            result.push(kept);
        }
    }
    result.join("\n") + "\n"
}

/// A line of documentation without the sentence that begins with "Max error".
fn without_bound(line: &str) -> String {
    let Some((before, after)) = line.starts_with("///").then(|| line.split_once("Max error")).flatten() else { return line.to_owned() };
    // A sentence ends at a point that no digit follows.
    let rest = after.split_once(". ").map_or("", |(_, rest)| rest);
    format!("{before}{rest}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_replaced() {
        let source =
            "/// f(x). Max error: 0.5 ULP. λ too.\n/// Max error: 1.5 ULP; derivative 3 ULP.\n#[derive(Debug)]\npub struct F;\n/// Max error: 2 ULP.\n";
        let line = "/// Max error (`f32`): value exact, derivative 0.6 ULP.".to_owned();
        let expected = format!("/// f(x). λ too.\n{line}\n#[derive(Debug)]\npub struct F;\n/// Max error: 2 ULP.\n");
        assert_eq!(with_bounds(source, std::slice::from_ref(&line)), expected);
        assert_eq!(with_bounds(&expected, &[line]), expected);
    }

    /// Every file has a place for the sentences, and nothing else about errors is left in its documentation.
    #[test]
    fn all_formulas_have_a_place_for_them() -> Result<(), Box<dyn Error>> {
        let line = "/// Max error (`f32`): value exact, derivative exact.".to_owned();
        for path in fs::read_dir(file("../src/formula"))? {
            let path = path?.path();
            let result = with_bounds(&fs::read_to_string(&path)?, std::slice::from_ref(&line));
            assert_eq!(result.matches("Max error").count(), 1, "{}: {result}", path.display());
            assert_eq!(result.split_once(&line).map(|(_, rest)| rest.starts_with("\n#[derive")), Some(true), "{}", path.display());
        }
        Ok(())
    }

    #[test]
    fn four_digits_up() {
        assert_eq!([0.0, 0.500_000_01, 1.0, 12.345_6, 2.384_1e-8].map(rounded_up), [0.0, 0.500_1, 1.0, 12.35, 2.385e-8]);
    }
}
