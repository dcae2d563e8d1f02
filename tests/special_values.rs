//! NaN, infinities, signed zeros and kinks: design conventions, for every layer, element type, instruction set, and position.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, dead_code, reason = "a test")]

mod common;

use common::layer;
use ndarray::{Array1, ArrayD, Axis, array};
use ndarray_activations::*;

const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;

/// Value and derivative at one input, wherever it stands: in the vector body, in the tail, alone.
#[track_caller]
fn at<A: Element>(spec: &str, x: f64) -> (f64, f64) {
    let mut results = Vec::new();
    for (length, place) in [(1, 0), (64, 5), (64, 63), (71, 70), (130, 129)] {
        let mut input = ArrayD::from_elem(vec![length], A::rounded(0.25));
        input[[place]] = A::rounded(x);
        let mut layer: Box<dyn Layer<A>> = layer(spec);
        let y = layer.forward(&input).unwrap()[[place]];
        let slope = layer.backward(&ArrayD::from_elem(vec![length], A::one())).unwrap()[[place]];
        results.push((y.widened(), slope.widened()));
    }
    let bits = |(y, d): (f64, f64)| (y.is_nan() || y.to_bits() == results[0].0.to_bits()) && (d.is_nan() || d.to_bits() == results[0].1.to_bits());
    assert!(results.iter().all(|&r| bits(r)), "{spec} at {x} depends on the position: {results:?}");
    results[0]
}

/// spec, x, value, derivative; a value of 0 counts with its sign where `signed`.
fn check(rows: &[(&str, f64, f64, f64)]) {
    testing::each_level(|level| {
        for &(spec, x, value, slope) in rows {
            for (kind, (y, d)) in [("f32", at::<f32>(spec, x)), ("f64", at::<f64>(spec, x))] {
                let tolerance = if kind == "f32" { 1.2e-7 } else { 2.3e-16 };
                let close = |found: f64, expected: f64| {
                    (found.is_nan() && expected.is_nan()) || found == expected || (found - expected).abs() <= tolerance * expected.abs()
                };
                assert!(close(y, value), "{spec} of {x} in {kind} at {level}: {y}, expected {value}");
                assert!(close(d, slope), "{spec}' at {x} in {kind} at {level}: {d}, expected {slope}");
            }
        }
    });
}

#[rustfmt::skip]
const AT_INFINITY: &[(&str, f64, f64, f64)] = &[
    ("identity", INF, INF, 1.0), ("identity", -INF, -INF, 1.0),
    ("sigmoid", INF, 1.0, 0.0), ("sigmoid", -INF, 0.0, 0.0),
    ("tanh", INF, 1.0, 0.0), ("tanh", -INF, -1.0, 0.0),
    ("relu", INF, INF, 1.0), ("relu", -INF, 0.0, 0.0),
    ("relu6", INF, 6.0, 0.0), ("relu6", -INF, 0.0, 0.0),
    ("relu_squared", INF, INF, INF), ("relu_squared", -INF, 0.0, 0.0),
    ("leaky_relu(0.5)", INF, INF, 1.0), ("leaky_relu(0.5)", -INF, -INF, 0.5),
    ("thresholded_relu(1)", INF, INF, 1.0), ("thresholded_relu(1)", -INF, 0.0, 0.0),
    ("elu(0.5)", INF, INF, 1.0), ("elu(0.5)", -INF, -0.5, 0.0),
    ("celu(0.5)", INF, INF, 1.0), ("celu(0.5)", -INF, -0.5, 0.0),
    ("selu", INF, INF, 1.050_700_987_355_480_5), ("selu", -INF, -1.758_099_340_847_376_8, 0.0),
    ("gelu", INF, INF, 1.0), ("gelu", -INF, 0.0, 0.0),
    ("gelu_tanh", INF, INF, 1.0), ("gelu_tanh", -INF, 0.0, 0.0),
    ("gelu_sigmoid", INF, INF, 1.0), ("gelu_sigmoid", -INF, 0.0, 0.0),
    ("silu", INF, INF, 1.0), ("silu", -INF, 0.0, 0.0),
    ("swish(2)", INF, INF, 1.0), ("swish(2)", -INF, 0.0, 0.0),
    ("swish(-2)", INF, 0.0, 0.0), ("swish(-2)", -INF, -INF, 1.0),
    ("swish(0)", INF, INF, 0.5), ("swish(0)", -INF, -INF, 0.5),
    ("mish", INF, INF, 1.0), ("mish", -INF, 0.0, 0.0),
    ("softplus(0.5)", INF, INF, 1.0), ("softplus(0.5)", -INF, 0.0, 0.0),
    ("log_sigmoid", INF, 0.0, 0.0), ("log_sigmoid", -INF, -INF, 1.0),
    ("softsign", INF, 1.0, 0.0), ("softsign", -INF, -1.0, 0.0),
    ("hard_sigmoid", INF, 1.0, 0.0), ("hard_sigmoid", -INF, 0.0, 0.0),
    ("hard_sigmoid(0.25, 0.5)", INF, 1.0, 0.0), ("hard_sigmoid(0.25, 0.5)", -INF, 0.0, 0.0),
    ("hard_swish", INF, INF, 1.0), ("hard_swish", -INF, 0.0, 0.0),
    ("hard_tanh(-1, 2)", INF, 2.0, 0.0), ("hard_tanh(-1, 2)", -INF, -1.0, 0.0),
    ("hard_shrink(0.5)", INF, INF, 1.0), ("hard_shrink(0.5)", -INF, -INF, 1.0),
    ("soft_shrink(0.5)", INF, INF, 1.0), ("soft_shrink(0.5)", -INF, -INF, 1.0),
    ("shrink(0.5, 0.25)", INF, INF, 1.0), ("shrink(0.5, 0.25)", -INF, -INF, 1.0),
    ("tanh_shrink", INF, INF, 1.0), ("tanh_shrink", -INF, -INF, 1.0),
    ("threshold(1, 7)", INF, INF, 1.0), ("threshold(1, 7)", -INF, 7.0, 0.0),
    ("exponential", INF, INF, INF), ("exponential", -INF, 0.0, 0.0),
    ("squareplus(4)", INF, INF, 1.0), ("squareplus(4)", -INF, 0.0, 0.0),
    ("sparse_plus", INF, INF, 1.0), ("sparse_plus", -INF, 0.0, 0.0),
    ("sparse_sigmoid", INF, 1.0, 0.0), ("sparse_sigmoid", -INF, 0.0, 0.0),
    ("sign", INF, 1.0, 0.0), ("sign", -INF, -1.0, 0.0),
    ("step", INF, 1.0, 0.0), ("step", -INF, 0.0, 0.0),
    ("prelu(0.5)", INF, INF, 1.0), ("prelu(0.5)", -INF, -INF, 0.5),
];

#[test]
fn infinities_give_the_limit() {
    check(AT_INFINITY);
}

#[test]
fn soft_shrinkage_by_more_than_any_element() {
    // Infinite as an f32.
    for (x, value) in [(INF, INF), (-INF, -INF), (1e38, 0.0), (-3.0, 0.0)] {
        assert_eq!(at::<f32>("soft_shrink(1e300)", x).0, value);
        assert_eq!(at::<f64>("soft_shrink(1e300)", x).0, value);
    }
}

#[test]
#[rustfmt::skip]
fn kinks_follow_the_conventions() {
    check(&[
        ("relu", 0.0, 0.0, 0.0), ("relu", -0.0, 0.0, 0.0),
        ("leaky_relu(0.5)", 0.0, 0.0, 0.5), ("prelu(0.25)", 0.0, 0.0, 0.25),
        ("elu(0.5)", 0.0, 0.0, 0.5), ("selu", 0.0, 0.0, 1.758_099_340_847_376_8), ("celu(0.5)", 0.0, 0.0, 1.0),
        ("relu6", 0.0, 0.0, 0.0), ("relu6", 6.0, 6.0, 0.0),
        ("hard_tanh(-1, 1)", -1.0, -1.0, 0.0), ("hard_tanh(-1, 1)", 1.0, 1.0, 0.0),
        ("hard_sigmoid", -3.0, 0.0, 0.0), ("hard_sigmoid", 3.0, 1.0, 0.0),
        ("hard_sigmoid(0.25, 0.5)", -2.0, 0.0, 0.0), ("hard_sigmoid(0.25, 0.5)", 2.0, 1.0, 0.0),
        ("hard_swish", -3.0, 0.0, 0.0), ("hard_swish", 3.0, 3.0, 1.0),
        ("hard_shrink(0.5)", 0.5, 0.0, 0.0), ("hard_shrink(0.5)", -0.5, 0.0, 0.0),
        ("soft_shrink(0.5)", 0.5, 0.0, 0.0), ("soft_shrink(0.5)", -0.5, 0.0, 0.0),
        ("threshold(1, 7)", 1.0, 7.0, 0.0), ("thresholded_relu(1)", 1.0, 0.0, 0.0),
        ("sign", 0.0, 0.0, 0.0), ("step", 0.0, 0.0, 0.0),
    ]);
}

/// What the big frameworks get wrong.
#[test]
fn tails() {
    check(&[
        // mpmath, 50 digits.
        ("gelu", -10.0, -7.619_853_024_160_526e-23, -7.618_400_096_464_814e-22),
        ("sigmoid", 20.0, 0.999_999_997_938_846_4, 2.061_153_613_941_849e-9),
        ("tanh", 10.0, 0.999_999_995_877_692_8, 8.244_614_455_767_397e-9),
        ("elu(1)", 100.0, 100.0, 1.0),
        ("selu", 100.0, 105.070_098_735_548_05, 1.050_700_987_355_480_5),
    ]);
    for (y, tolerance) in [(at::<f32>("elu(1)", -1e-8).0, 1e-7), (at::<f64>("elu(1)", -1e-8).0, 1e-15)] {
        assert!((y / -9.999_999_950_000_000_2e-9 - 1.0).abs() < tolerance, "elu(-1e-8) = {y:e}");
    }
    for (y, tolerance) in [(at::<f32>("tanh_shrink", 1e-5).0, 1e-6), (at::<f64>("tanh_shrink", 1e-5).0, 1e-15)] {
        assert!((y / 3.333_333_333_2e-16 - 1.0).abs() < tolerance, "tanh_shrink(1e-5) = {y:e}");
    }
    assert_eq!(at::<f32>("hard_swish", f64::from(f32::MAX)).0, f64::from(f32::MAX));
    assert_eq!(at::<f64>("hard_swish", f64::MAX).0, f64::MAX);
}

#[test]
fn nan_stays_nan() {
    testing::each_level(|level| {
        for entry in catalog().filter(|entry| matches!(entry.family(), Family::Pointwise | Family::Learned | Family::Random)) {
            for (y, d) in [at::<f32>(entry.name(), NAN), at::<f64>(entry.name(), NAN)] {
                assert!(y.is_nan(), "{} of NaN at {level}: {y}", entry.name());
                // A function with two slopes keeps one bit: a NaN counts as the upper side.
                let upper = match entry.name() {
                    "identity" | "relu" | "relu6" | "leaky_relu" | "thresholded_relu" | "hard_tanh" | "hard_shrink" | "soft_shrink" | "shrink"
                    | "threshold" | "prelu" | "rrelu" => Some(1.0),
                    "hard_sigmoid" => Some(1.0 / 6.0),
                    "sparse_sigmoid" => Some(0.5),
                    "sign" | "step" => Some(0.0),
                    _ => None,
                };
                match upper {
                    Some(slope) => assert!((d - slope).abs() < 1e-7, "{}' at NaN at {level}: {d}", entry.name()),
                    None if entry.family() == Family::Pointwise => assert!(d.is_nan(), "{}' at NaN at {level}: {d}", entry.name()),
                    None => {}
                }
            }
        }
    });
}

#[test]
#[rustfmt::skip]
fn minus_zero_keeps_its_sign() {
    let odd_or_linear = [
        "identity", "tanh", "leaky_relu(0.5)", "elu(1)", "elu(0.5)", "celu(0.5)", "selu", "gelu", "gelu_tanh", "gelu_sigmoid", "silu", "swish(2)", "mish", "softsign",
        "hard_swish", "hard_tanh(-1, 1)", "tanh_shrink", "sign", "prelu(0.5)",
    ];
    testing::each_level(|level| {
        for spec in odd_or_linear {
            for (y, zero) in [(at::<f32>(spec, -0.0).0, at::<f32>(spec, 0.0).0), (at::<f64>(spec, -0.0).0, at::<f64>(spec, 0.0).0)] {
                assert!(y == 0.0 && y.is_sign_negative(), "{spec} of -0 at {level}: {y}");
                assert!(zero == 0.0 && zero.is_sign_positive(), "{spec} of 0 at {level}: {zero}");
            }
        }
    });
}

/// Where the slope is 0, a gradient that is NaN or infinite gives 0.
#[test]
#[rustfmt::skip]
fn dead_zones_stop_any_gradient() {
    for (spec, x) in [
        ("relu", -1.0), ("relu6", 7.0), ("relu6", -1.0), ("hard_tanh(-1, 1)", 2.0), ("hard_sigmoid", 4.0), ("hard_shrink(0.5)", 0.1), ("soft_shrink(0.5)", 0.1),
        ("shrink(0.5, 0.1)", 0.1), ("threshold(1, 7)", 0.0), ("thresholded_relu(1)", 0.5), ("sparse_sigmoid", -2.0), ("sign", 1.0), ("step", 1.0), ("leaky_relu(0)", -1.0),
    ] {
        for gradient in [NAN, INF, -INF] {
            let mut layer: Box<dyn Layer<f64>> = layer(spec);
            layer.forward(&ArrayD::from_elem(vec![70], x)).unwrap();
            let back = layer.backward(&ArrayD::from_elem(vec![70], gradient)).unwrap();
            assert!(back.iter().all(|&g| g == 0.0), "{spec} at {x} with gradient {gradient}: {}", back[[0]]);
        }
    }
}

/// Values stay in their range, monotonic functions never fall, over all of f32 in order.
#[test]
fn ranges_and_monotony() {
    let mut inputs: Vec<f32> = (0..=u32::MAX).step_by(65_521).map(f32::from_bits).filter(|x| !x.is_nan()).collect();
    inputs.extend((-40_000..40_000).map(|i| i as f32 / 1000.0));
    inputs.sort_by(f32::total_cmp);
    let x = Array1::from(inputs.clone()).into_dyn();
    testing::each_level(|level| {
        for entry in catalog().filter(|entry| entry.family() == Family::Pointwise) {
            let y = entry.layer::<f32>().infer(&x).unwrap();
            let (lower, upper) = entry.range();
            for (&x, &y) in inputs.iter().zip(&y) {
                // The bounds themselves are rounded.
                assert!(y >= lower as f32 && y <= upper as f32, "{} of {x:e} at {level}: {y:e} outside {lower}..{upper}", entry.name());
            }
            if entry.monotonic() {
                // Neighbours may differ by a rounding; beyond two units in the last place it would be a fall.
                for (i, pair) in y.as_slice().unwrap().windows(2).enumerate() {
                    assert!(
                        pair[1] >= pair[0] || pair[1] >= pair[0] - 2.0 * f32::EPSILON * pair[0].abs(),
                        "{} falls at {level} behind {:e}: {:e}, {:e}",
                        entry.name(),
                        inputs[i],
                        pair[0],
                        pair[1]
                    );
                }
            }
        }
    });
}

#[test]
fn gelu_and_its_like_have_the_sign_and_bound_of_x() {
    let inputs: Vec<f32> = (0..=u32::MAX).step_by(4093).map(f32::from_bits).filter(|x| !x.is_nan()).collect();
    let x = Array1::from(inputs.clone()).into_dyn();
    testing::each_level(|level| {
        for name in ["gelu", "gelu_tanh", "gelu_sigmoid", "silu", "mish", "hard_swish", "tanh", "softsign", "tanh_shrink"] {
            let y = layer::<f32>(name).infer(&x).unwrap();
            for (&x, &y) in inputs.iter().zip(&y) {
                assert!(y == 0.0 || (y > 0.0) == (x > 0.0), "{name} of {x:e} at {level}: {y:e}");
                assert!(y.abs() <= x.abs(), "{name} of {x:e} at {level}: {y:e}");
            }
        }
    });
}

#[test]
fn softmax_conventions() {
    testing::each_level(|_| {
        let softmax = |x: ArrayD<f64>| Softmax::last_axis().infer(&x).unwrap();
        let log_softmax = |x: ArrayD<f64>| LogSoftmax::last_axis().infer(&x).unwrap();
        assert_eq!(softmax(array![-INF, 0.0, 0.0].into_dyn()), array![0.0, 0.5, 0.5].into_dyn());
        assert_eq!(softmax(array![INF, 0.0, INF].into_dyn()), array![0.5, 0.0, 0.5].into_dyn());
        assert!(softmax(array![-INF, -INF].into_dyn()).iter().all(|y| y.is_nan()));
        assert!(softmax(array![NAN, 1.0].into_dyn()).iter().all(|y| y.is_nan()));
        assert!(log_softmax(array![-INF, -INF].into_dyn()).iter().all(|y| y.is_nan()));
        assert_eq!(log_softmax(array![-INF, 5.0].into_dyn()), array![-INF, 0.0].into_dyn());
        // The top element is -ln(1 + e^-d), -e^-d for large d; PyTorch and JAX give 0.
        let top = log_softmax(array![18.44, 0.0].into_dyn())[[0]];
        let expected = -9.808_661_599_848_522e-9;
        assert!((top / expected - 1.0).abs() < 1e-14, "{top:e}");
        let zeros = Softmax::new(Axis(0)).all_masked(AllMasked::Zeros);
        assert_eq!(zeros.infer(&array![-INF, -INF].into_dyn()).unwrap(), array![0.0, 0.0].into_dyn());
        // Softmin is softmax of the negative.
        assert_eq!(Softmin::last_axis().infer(&array![INF, 0.0, 0.0].into_dyn()).unwrap(), array![0.0, 0.5, 0.5].into_dyn());
    });
}

/// Logits so large that the maximum is subtracted beforehand, in one row and in sixteen side by side: as the same ones near 0, if their differences are exact.
#[test]
fn softmax_far_from_zero() {
    fn check<A: Element>(level: &str, far: f64, largest: f64) {
        let same = |spec: &str, near: &[f64], shifted: &[f64]| {
            let layer: Box<dyn Layer<A>> = layer(spec);
            for columns in [1, 16, 21] {
                let of = |row: &[f64]| layer.infer(&ArrayD::from_shape_fn(vec![row.len(), columns], |at| A::rounded(row[at[0]]))).unwrap();
                let (near, shifted) = (of(near), of(shifted));
                assert!(near == shifted, "{spec} at {level}, {columns} columns: {shifted} for {near}");
            }
        };
        for sign in [1.0, -1.0] {
            for spec in if sign > 0.0 { &["softmax(0)", "log_softmax(0)"][..] } else { &["softmin(0)"] } {
                let signed = |row: &[f64]| row.iter().map(|x| sign * x).collect::<Vec<_>>();
                let near = signed(&[-2.0, 0.0, -8.0, -16.0, -INF]);
                for far in [far, -far] {
                    same(spec, &near, &signed(&[far - 2.0, far, far - 8.0, far - 16.0, -INF]));
                }
                same(spec, &signed(&[0.0, -INF, -INF]), &signed(&[INF, largest, 0.0]));
                same(spec, &signed(&[0.0, -INF]), &signed(&[-largest, -INF]));
                if *spec != "log_softmax(0)" {
                    same(spec, &signed(&[0.0, -INF, -INF]), &signed(&[largest, -largest, 0.0]));
                    same(spec, &signed(&[0.0, -INF, -INF]), &signed(&[far, -1e3 * far, 0.0]));
                }
            }
        }
    }
    testing::each_level(|level| {
        check::<f32>(level, 16_777_216.0, f64::from(f32::MAX));
        check::<f64>(level, 4_503_599_627_370_496.0, f64::MAX);
    });
}

/// A cell of the table: what an input gives, and whether rounding may take it to a neighbour.
fn cell(text: &str, x: f64) -> (f64, bool) {
    let (text, near) = text.strip_prefix("≈ ").map_or((text, false), |rest| (rest, true));
    let number = match text.replace('∞', "inf") {
        text if text == "x" => x,
        text if text == "-1/x" => -1.0 / x,
        text => text.strip_suffix('x').map_or_else(|| text.parse().unwrap(), |factor| factor.parse::<f64>().unwrap() * x),
    };
    (number, near)
}

/// What docs/special-values.md says: limits by hand and mpmath (`tools/special_values.py`), held against the layers and the limits above.
#[test]
fn the_table_in_the_docs() {
    fn check<A: Element>(name: &str, direction: usize, cells: &[&str], level: &str) {
        let (smallest, largest) = if size_of::<A>() == 4 { (f64::powi(2.0, -149), f64::from(f32::MAX)) } else { (5e-324, f64::MAX) };
        let unit = f64::powi(2.0, if size_of::<A>() == 4 { -24 } else { -53 });
        for (text, x) in cells.iter().zip([NAN, INF, -INF, 0.0, -0.0, smallest, -smallest, largest, -largest]) {
            let (value, slope) = at::<A>(name, x);
            let found = if direction == 0 { value } else { slope };
            let (expected, near) = cell(text, x);
            // Within 2 ULP, or 2 units of the smallest number.
            let right = match expected {
                e if e.is_nan() => found.is_nan(),
                e if e.is_infinite() => found == e,
                e if e == 0.0 && !near => found == 0.0 && (*text != "-0" || found.is_sign_negative()),
                e => (found - e).abs() <= f64::max(4.0 * unit * e.abs(), if near { 2.0 * smallest } else { 0.0 }),
            };
            assert!(right, "{name}{} of {x:e} at {level}: {found:e}, the table says {text}", if direction == 0 { "" } else { "'" });
            for row in AT_INFINITY.iter().filter(|row| x.is_infinite() && row.0 == layer::<A>(name).spec() && row.1 == x) {
                let by_hand = if direction == 0 { row.2 } else { row.3 };
                assert!(expected == by_hand || (expected / by_hand - 1.0).abs() < 1e-15, "the table says {text} for {name} at {x}, this test {by_hand}");
            }
        }
    }
    let table = include_str!("../docs/special-values.md");
    let parts: Vec<&str> = table.split("\n## ").skip(1).collect();
    assert_eq!(parts.len(), 2);
    for (direction, part) in parts.into_iter().enumerate() {
        let rows: Vec<Vec<&str>> =
            part.lines().filter(|line| line.starts_with("| `")).map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect();
        let names: Vec<String> = rows.iter().map(|row| row[0].trim_matches('`').to_owned()).collect();
        let expected: Vec<String> = catalog().filter(|entry| entry.family() == Family::Pointwise).map(|entry| entry.name().to_owned()).collect();
        assert_eq!(names, expected);
        testing::each_level(|level| {
            for (name, row) in names.iter().zip(&rows) {
                assert_eq!(row.len(), 10);
                check::<f32>(name, direction, &row[1..], level);
                check::<f64>(name, direction, &row[1..], level);
            }
        });
    }
}
