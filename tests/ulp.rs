//! Errors in units in the last place (ULP): a part of what the program in `accuracy/` measures, small enough for every run of the tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, dead_code, reason = "a test")]

#[path = "common/measure.rs"]
mod measure;
#[path = "common/oracle.rs"]
mod oracle;
#[path = "common/roots.rs"]
mod roots;
#[path = "common/rows.rs"]
mod rows;

use std::sync::Mutex;

use measure::{Errors, Levels, around, measure, on_all_cores};
use ndarray::ArrayD;
use ndarray_activations::{Element, Elementwise, Exponential, Family, Layer, Pointwise, Real, Result, by_name, catalog, math, testing};

/// Without fused multiply-add the bounds are twice as large.
fn slack(level: &str) -> f64 {
    if level == "sse2" { 2.0 } else { 1.0 }
}

/// Every so many bit patterns, and all of those near what matters: kinks, the root, what formulas switch at, where exponentials end.
fn inputs(step: usize, layer: &dyn Layer<f32>) -> Vec<f32> {
    let mut inputs: Vec<f32> = (0..=u32::MAX).step_by(step).map(f32::from_bits).collect();
    let switches = [0.0, 0.347, 0.5, 1.0, 3.0, 12.0, 13.0, 15.0, 50.0, 87.336_54, 88.722_84, 103.972_08, 130.0, f64::from(f32::MAX)];
    let root = oracle::root(&layer.spec()).map(|(root, _)| root);
    inputs.extend(around(switches.into_iter().chain(layer.kinks()).chain(root), 500));
    inputs
}

/// How many inputs are measured at a time: truths of all together would be hundreds of megabytes.
const BLOCK: usize = 1 << 16;

/// The errors of a layer at these inputs, against the truth of this spec.
fn errors(mut layer: Box<dyn Layer<f32>>, spec: &str, inputs: &[f32]) -> Levels {
    let truth = oracle::oracle(spec).unwrap_or_else(|| panic!("no oracle for {spec}: add it to tests/common/oracle.rs"));
    let (mut values, mut slopes) = (vec![0.0; BLOCK], vec![0.0; BLOCK]);
    let mut levels = Levels::new();
    for inputs in inputs.chunks(BLOCK) {
        let (values, slopes) = (&mut values[..inputs.len()], &mut slopes[..inputs.len()]);
        truth(inputs, values, slopes);
        measure(layer.as_mut(), inputs, values, slopes, oracle::root(spec), &mut levels);
    }
    levels
}

/// Whether the errors keep a bound in ULP, or next to a root an absolute one.
fn kept(errors: &Errors, ulps: f64, absolute: f64) -> bool {
    errors.ulp <= ulps && (errors.root_ulp <= ulps || errors.root_absolute <= absolute)
}

/// What breaks its bound, as sentences.
fn broken(spec: &str, levels: &Levels, value: f64, slope: f64) -> Vec<String> {
    let mut broken = Vec::new();
    for (level, [values, slopes]) in levels {
        let slack = slack(level);
        if !kept(values, value * slack, 0.0) {
            broken.push(format!("{spec} at {level}: {} ULP at {:e}", values.ulp, values.at));
        }
        if !kept(slopes, slope * slack, f64::powi(2.0, -24) * slack) {
            let Errors { ulp, at, root_ulp, root_absolute, root_at, .. } = slopes;
            broken.push(format!("{spec}' at {level}: {ulp} ULP at {at:e}; near the root {root_ulp} ULP, {root_absolute:e} absolute at {root_at:e}"));
        }
    }
    broken
}

/// Sweeps all the specs, a core each, and fails with everything that breaks its bound.
fn sweep(specs: &[String], step: usize, value: f64, slope: f64) {
    let found = Mutex::new(Vec::new());
    on_all_cores(
        specs.len() as u64,
        || (),
        |(), i| {
            let layer = by_name::<f32>(&specs[i as usize]).unwrap();
            let spec = layer.spec();
            let inputs = inputs(step, layer.as_ref());
            found.lock().unwrap().extend(broken(&spec, &errors(layer, &spec, &inputs), value, slope));
        },
    );
    let found = found.into_inner().unwrap();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The whole catalogue: an activation without an oracle fails.
#[test]
fn every_pointwise_activation() {
    let specs: Vec<String> = catalog().filter(|entry| entry.family() == Family::Pointwise).map(|entry| entry.name().to_owned()).collect();
    assert!(specs.len() > 30);
    sweep(&specs, 251, 2.0, 4.0);
}

#[test]
fn other_parameters() {
    #[rustfmt::skip]
    let specs = [
        "elu(0.001)", "elu(0.7)", "elu(1000)", "celu(0.001)", "celu(0.7)", "celu(1000)", "leaky_relu(-2)", "leaky_relu(0.3)", "leaky_relu(2)", "softplus(0.1)", "softplus(0.7)", "softplus(10)",
        "softplus(1, 20)", "swish(0.01)", "swish(0.7)", "swish(-3)", "swish(0)", "squareplus(0.001)", "squareplus(0)", "squareplus(1000)", "hard_sigmoid(0.2, 0.5)", "hard_tanh(-0.1, 0.3)",
        "hard_shrink(0.1)", "soft_shrink(0.1)", "shrink(0.5, 0.3)", "threshold(0.1, 20)", "thresholded_relu(-0.3)",
    ];
    sweep(&specs.map(str::to_owned), 4001, 4.0, 8.0);
}

/// A function of `ndarray_activations::math` as a formula, `f32` numbers as they are or widened.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Elementary {
    function: &'static str,
    wide: bool,
}

impl Pointwise for Elementary {
    fn name(&self) -> &'static str {
        self.function
    }
    fn widens(&self) -> bool {
        self.wide
    }
    #[inline(always)]
    fn value<T: Real>(self, x: T) -> T {
        match self.function {
            "exp" => math::exp(x),
            "expm1" => math::expm1(x),
            "log1p" => math::log1p(x),
            "tanh" => math::tanh(x),
            _ => math::erfc(x),
        }
    }
    #[inline(always)]
    fn derivative<T: Real>(self, x: T) -> T {
        x
    }
}

/// The bounds that the documentation of `math` states, with and without fused multiply-add.
#[test]
fn the_elementary_functions() {
    type Truth = fn(f64) -> f64;
    let functions: [(_, Truth, _, _); 5] = [
        ("exp", libm::exp, 1.1, 1.1),
        ("expm1", libm::expm1, 1.7, 1.7),
        ("log1p", libm::log1p, 0.6, 1.5),
        ("tanh", libm::tanh, 1.4, 1.4),
        ("erfc", libm::erfc, 1.8, 2.2),
    ];
    let inputs = ArrayD::from_shape_vec(vec![(1 << 32) / 251 + 1], (0..=u32::MAX).step_by(251).map(f32::from_bits).collect()).unwrap();
    for (function, truth, fused, unfused) in functions {
        for wide in [false, true] {
            let layer = Elementwise::<_, f32>::of(Elementary { function, wide });
            testing::each_level(|level| {
                let mut errors = Errors::default();
                for (&x, &y) in inputs.iter().zip(&layer.infer(&inputs).unwrap()) {
                    errors.add_one(x, y, truth(f64::from(x)));
                }
                let bound = if level == "sse2" { unfused } else { fused };
                assert!(errors.ulp <= bound, "{function}, wide {wide}, at {level}: {} ULP at {:e}", errors.ulp, errors.at);
            });
        }
    }
}

fn along_rows<A: Element>() {
    for (rows, length) in [(2000, 10), (20, 1000), (2, 30_001)] {
        for (name, levels) in rows::along_rows::<A>(rows, length) {
            for (level, [values, gradients]) in levels {
                let (value, gradient) = (4.0 * slack(level), 8.0 * slack(level));
                assert!(values.ulp <= value, "{name} of {length} at {level}: {} ULP at {:e}", values.ulp, values.at);
                assert!(gradients.ulp <= gradient, "the gradient of {name} of {length} at {level}: {} at {:e}", gradients.ulp, gradients.at);
            }
        }
    }
    for (level, error) in rows::prelu_slope::<A>(200_000) {
        assert!(error.ulp <= 1e-6, "prelu at {level}: the gradient of alpha is off by {:e}", error.ulp);
    }
}

#[test]
fn rows_single() {
    along_rows::<f32>();
}

#[test]
fn rows_double() {
    along_rows::<f64>();
}

/// The oracle against mpmath, at the inputs of `tests/data`: between them the middle, the tails, and the numbers next to the derivatives' roots.
#[test]
fn the_oracle_agrees_with_mpmath() {
    let table = include_str!("data/reference.csv").lines().skip(1).map(|line| (line, true));
    let roots = include_str!("data/roots.csv").lines().skip(1).map(|line| (line, false));
    let mut checked = 0;
    for (line, with_value) in table.chain(roots) {
        let fields: Vec<&str> = line.split(',').collect();
        let [x, found @ ..] = &fields[1..] else { panic!("{line}") };
        let (mut value, mut slope) = ([0.0], [0.0]);
        oracle::oracle(&fields[0].replace(';', ",")).unwrap()(&[x.parse().unwrap()], &mut value, &mut slope);
        let found: Vec<f64> = found.iter().map(|number| number.parse().unwrap()).collect();
        let pairs = if with_value { vec![(value[0], found[0]), (slope[0], found[1])] } else { vec![(slope[0], found[0])] };
        for (oracle, mpmath) in pairs {
            // In ULP of f32, infinity and zero where f32 has nothing else.
            let unit = f64::max(mpmath.abs() * f64::powi(2.0, -24), f64::powi(2.0, -149));
            let both_huge = mpmath.abs() > f64::from(f32::MAX) && oracle.abs() > f64::from(f32::MAX);
            assert!(both_huge || (oracle - mpmath).abs() <= 1e-5 * unit, "{line}: the oracle says {oracle:e}");
            checked += 1;
        }
    }
    assert!(checked > 6000);
}

/// An exponential with a polynomial of its own, right unless told otherwise: what the measuring has to let pass, and what it has to catch.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Exp {
    /// The coefficient of r³.
    third: f64,
    /// By what the value is too large beyond 30.
    beyond_30: f64,
    /// By what the derivative is too large everywhere.
    slope: f64,
}

const RIGHT: Exp = Exp { third: 1.0 / 6.0, beyond_30: 0.0, slope: 0.0 };

impl Pointwise for Exp {
    fn name(&self) -> &'static str {
        "exponential"
    }
    #[inline(always)]
    fn value<T: Real>(self, x: T) -> T {
        let inside = x.at_most(130.0).at_least(-130.0);
        let halved = inside * 0.5;
        // e^x = (2^n e^r)² with r = x/2 - n ln 2.
        let (n, power) = halved.round_and_exp2(std::f64::consts::LOG2_E, x.splat(0.0));
        let r = n.mul_add(2.121_944_400_546_905_8e-4, n.mul_add(-0.693_359_375, halved)) * 2.0;
        let series = [1.0, 1.0, 0.5, self.third, 1.0 / 24.0, 1.0 / 120.0, 1.0 / 720.0, 1.0 / 5040.0, 1.0 / 40_320.0, 1.0 / 362_880.0];
        let y = r.polynomial(&series, &series) * power * power;
        T::select(x.gt(30.0), y * (1.0 + self.beyond_30), y)
    }
    #[inline(always)]
    fn derivative<T: Real>(self, x: T) -> T {
        self.value(x) * (1.0 + self.slope)
    }
}

/// The exponential, too large in the tail behind the last full vector of 8.
#[derive(Debug)]
struct WrongTail(Exponential);

impl WrongTail {
    fn spoilt(mut values: ArrayD<f32>) -> ArrayD<f32> {
        let full = values.len() / 8 * 8;
        values.iter_mut().skip(full).for_each(|y| *y *= 1.000_001);
        values
    }
}

impl Layer<f32> for WrongTail {
    fn forward(&mut self, input: &ArrayD<f32>) -> Result<ArrayD<f32>> {
        self.0.forward(input).map(Self::spoilt)
    }
    fn backward(&mut self, grad_output: &ArrayD<f32>) -> Result<ArrayD<f32>> {
        self.0.backward(grad_output)
    }
    fn infer(&self, input: &ArrayD<f32>) -> Result<ArrayD<f32>> {
        self.0.infer(input).map(Self::spoilt)
    }
    fn name(&self) -> &str {
        "exponential"
    }
}

#[test]
fn the_measuring_catches_what_is_wrong() {
    let inputs = inputs(4001, &Exponential::<f32>::new());
    let measured = |layer: Box<dyn Layer<f32>>| errors(layer, "exponential", &inputs);
    let own = |formula: Exp| measured(Box::new(Elementwise::<_, f32>::of(formula)));
    let caught = |levels: &Levels| broken("exponential", levels, 2.0, 4.0);
    let right = own(RIGHT);
    assert_eq!(caught(&right), Vec::<String>::new());

    // A coefficient of 0.166667 with 3 more in the last digit breaks the bounds of value and derivative; one that is wrong in the next digit shows in the table.
    assert_eq!(caught(&own(Exp { third: 0.166_670, ..RIGHT })).len(), 2 * right.len());
    let visible = own(Exp { third: 0.166_666_9, ..RIGHT });
    for ((_, [right, _]), (_, [changed, _])) in right.iter().zip(&visible) {
        assert!(changed.ulp > right.ulp + 0.1, "{} and {}", right.ulp, changed.ulp);
    }

    let beyond = caught(&own(Exp { beyond_30: 1e-6, ..RIGHT }));
    assert_eq!(beyond.len(), 2 * right.len(), "{beyond:?}");

    let derivative = caught(&own(Exp { slope: 1e-6, ..RIGHT }));
    assert!(derivative.len() == right.len() && derivative.iter().all(|sentence| sentence.contains("exponential'")), "{derivative:?}");

    let tail = caught(&measured(Box::new(WrongTail(Exponential::new()))));
    assert!(tail.len() == right.len() && tail.iter().all(|sentence| !sentence.contains("exponential'")), "{tail:?}");
}

/// A result next to a root, where absolute errors count; NaN, infinities, subnormals, and a truth beyond the largest number.
#[test]
fn the_measure_of_single_results() {
    let ulp = |y: f32, truth: f64| {
        let mut errors = Errors::default();
        errors.add_one(1.0, y, truth);
        errors.ulp
    };
    let (inf, nan) = (f64::INFINITY, f64::NAN);
    assert_eq!([ulp(1.0, 1.0), ulp(1.0, 1.0 + f64::powi(2.0, -24)), ulp(-2.0, -2.0 - f64::powi(2.0, -21))], [0.0, 0.5, 2.0]);
    assert_eq!([ulp(0.0, f64::powi(2.0, -149)), ulp(1e-45, f64::powi(2.0, -150)), ulp(f32::MIN_POSITIVE, f64::powi(2.0, -126))], [1.0, 0.5, 0.0]);
    assert_eq!([ulp(f32::NAN, nan), ulp(f32::INFINITY, inf), ulp(f32::INFINITY, 1e39), ulp(-f32::INFINITY, -inf)], [0.0; 4]);
    assert_eq!([ulp(f32::NAN, 1.0), ulp(1.0, nan), ulp(f32::MAX, inf), ulp(f32::INFINITY, -inf)], [inf; 4]);
    assert_eq!(ulp(f32::INFINITY, f64::from(f32::MAX)), 1.0);
    assert!(ulp(f32::INFINITY, 1e38) > 1e6);
    let mut near = Errors::default();
    near.add_all(&[1.0_f32, 1.1, 2.0], &[1e-9, 1e-3, 1.0], &[0.0, 1e-3, 1.0], Some((1.0, 0.25)));
    assert!(near.ulp == 0.0 && kept(&near, 2.0, 1e-8) && !kept(&near, 2.0, 1e-10), "{near:?}");
    near.add_all(&[1.0_f32], &[f32::NAN], &[0.0], Some((1.0, 0.25)));
    assert!(!kept(&near, 2.0, 1.0), "{near:?}");
}
