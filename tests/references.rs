//! Values and derivatives against mpmath at 50 digits and more (`tests/data/reference.csv`, made by `tools/reference_values.py`): the middle, both tails down to
//! subnormal results, and the surroundings of the derivatives' roots, in both element types and at every instruction set.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, dead_code, reason = "a test")]

mod common;

use std::collections::BTreeMap;

use ndarray::{Array1, ArrayD};
use ndarray_activations::{Element, testing};

struct Row {
    x: f64,
    value: f64,
    slope: f64,
}

fn rows() -> BTreeMap<String, Vec<Row>> {
    let mut rows: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for line in include_str!("data/reference.csv").lines().skip(1) {
        let mut fields = line.split(',');
        let spec = fields.next().unwrap().to_owned();
        let mut number = || fields.next().unwrap().parse().unwrap();
        rows.entry(spec).or_default().push(Row { x: number(), value: number(), slope: number() });
    }
    rows
}

/// The distance in units in the last place of the truth; subnormals count in units of the smallest.
fn ulps<A: Element>(found: A, truth: f64, single: bool) -> f64 {
    let (digits, smallest) = if single { (23, -126) } else { (52, -1022) };
    if truth == 0.0 {
        return if found.widened() == 0.0 { 0.0 } else { f64::INFINITY };
    }
    let exponent = truth.abs().log2().floor().max(f64::from(smallest)) as i32;
    let unit = f64::powi(2.0, exponent - digits);
    if unit == 0.0 || !unit.is_normal() { (found.widened() - truth).abs() / f64::from_bits(1) } else { (found.widened() - truth).abs() / unit }
}

/// Where the derivative of a function is 0 within its bulk.
fn roots(spec: &str) -> &'static [f64] {
    match spec {
        "gelu" => &[-0.751_791_524_693_564_5],
        "gelu_tanh" => &[-0.752_461_422_071_016_3],
        "gelu_sigmoid" => &[-0.751_154_255_441_289_7],
        "silu" => &[-1.278_464_542_761_073_8],
        "swish(1.5)" => &[-0.852_309_695_174_049_2],
        "swish(-2)" => &[0.639_232_271_380_536_9],
        "mish" => &[-1.192_431_214_515_495_2],
        "hard_swish" => &[-1.5],
        _ => &[],
    }
}

fn check<A: Element>(level: &str, single: bool) {
    // Without fused multiply-add twice the bounds.
    let slack = if level == "sse2" { 2.0 } else { 1.0 };
    for (spec, rows) in rows() {
        // Beyond the range of the element type there is nothing to compare.
        let (largest, absolute) = if single { (f64::from(f32::MAX), f64::powi(2.0, -24)) } else { (f64::MAX, f64::powi(2.0, -53)) };
        let x: ArrayD<A> = Array1::from_iter(rows.iter().map(|row| A::rounded(row.x))).into_dyn();
        let mut layer = common::layer::<A>(&spec);
        let y = layer.forward(&x).unwrap();
        let slopes = layer.backward(&x.mapv(|_| A::one())).unwrap();
        for (row, (&y, &slope)) in rows.iter().zip(y.iter().zip(&slopes)) {
            if row.value.abs() < largest {
                let error = ulps(y, row.value, single);
                assert!(error <= 2.0 * slack, "{spec} of {:e} at {level}: {y:e} is {error} ULP from {:e}", row.x, row.value);
            }
            if row.slope.abs() < largest {
                let error = ulps(slope, row.slope, single);
                let near = roots(&spec).iter().any(|root| (row.x - root).abs() <= 0.25);
                let close = near && (slope.widened() - row.slope).abs() <= absolute * slack;
                assert!(error <= 4.0 * slack || close, "{spec}' at {:e} at {level}: {slope:e} is {error} ULP from {:e}", row.x, row.slope);
            }
        }
    }
}

#[test]
fn single() {
    testing::each_level(|level| check::<f32>(level, true));
}

#[test]
fn double() {
    testing::each_level(|level| check::<f64>(level, false));
}
