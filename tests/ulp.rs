//! Errors in units in the last place, over the whole range of `f32`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, missing_docs, reason = "a test")]

#[path = "common/oracle.rs"]
mod oracle;

use ndarray::{Array1, ArrayD};
use ndarray_activations::*;
use oracle::*;

type Row = (Box<dyn Fn() -> Box<dyn Layer<f32>>>, fn(f64) -> f64, fn(f64) -> f64);

#[rustfmt::skip]
fn rows() -> Vec<Row> {
    fn row<L: Layer<f32> + 'static>(make: fn() -> L, value: fn(f64) -> f64, slope: fn(f64) -> f64) -> Row {
        (Box::new(move || Box::new(make()) as Box<dyn Layer<f32>>), value, slope)
    }
    const SCALE: f64 = 1.0507009873554804934193349852946;
    const ALPHA: f64 = 1.6732632423543772848170429916717;
    const A7: f64 = 0.7_f32 as f64;
    const A001: f64 = 0.01_f32 as f64;
    vec![
        row(Sigmoid::new, sigmoid, sigmoid_slope),
        row(Tanh::new, libm::tanh, tanh_slope),
        row(|| ELU::new(1.0), |x| if x > 0.0 { x } else { libm::expm1(x) }, |x| if x > 0.0 { 1.0 } else { libm::exp(x) }),
        row(
            SELU::new,
            |x| if x > 0.0 { SCALE * x } else { SCALE * ALPHA * libm::expm1(x) },
            |x| if x > 0.0 { SCALE } else { SCALE * ALPHA * libm::exp(x) },
        ),
        row(GELU::new, gelu, gelu_slope),
        row(GELU::tanh, |x| gated(x, tanh_argument(x)), |x| gated_slope(tanh_argument(x), tanh_argument_slope(x))),
        row(|| CELU::new(0.7), |x| if x > 0.0 { x } else { A7 * libm::expm1(x / A7) }, |x| if x > 0.0 { 1.0 } else { libm::exp(x / A7) }),
        row(|| ELU::new(0.7), |x| if x > 0.0 { x } else { A7 * libm::expm1(x) }, |x| if x > 0.0 { 1.0 } else { A7 * libm::exp(x) }),
        row(SiLU::new, |x| gated(x, x), |x| gated_slope(x, x)),
        row(|| Swish::new(0.7), |x| gated(x, A7 * x), |x| gated_slope(A7 * x, A7 * x)),
        row(|| Swish::new(0.01), |x| gated(x, A001 * x), |x| gated_slope(A001 * x, A001 * x)),
        row(Mish::new, mish, mish_slope),
        row(|| Softplus::new(1.0), softplus, sigmoid),
        row(|| Softplus::new(0.7), |x| softplus(A7 * x) / A7, |x| sigmoid(A7 * x)),
        row(|| Softplus::new(10.0), |x| softplus(10.0 * x) / 10.0, |x| sigmoid(10.0 * x)),
        row(LogSigmoid::new, |x| -softplus(-x), |x| sigmoid(-x)),
        row(
            Softsign::new,
            |x| if x.is_infinite() { x.signum() } else { x / (1.0 + x.abs()) },
            |x| 1.0 / (1.0 + x.abs()) / (1.0 + x.abs()),
        ),
        row(HardSigmoid::new, |x| if x.is_nan() { x } else { ((x + 3.0) / 6.0).clamp(0.0, 1.0) }, |x| if x.abs() < 3.0 || x.is_nan() { 1.0 / 6.0 } else { 0.0 }),
        row(
            HardSwish::new,
            |x| if x <= -3.0 { -0.0 } else if x >= 3.0 { x } else { x * (x + 3.0) / 6.0 },
            |x| if x <= -3.0 { 0.0 } else if x >= 3.0 { 1.0 } else { (x + 1.5) / 3.0 },
        ),
        row(TanhShrink::new, tanh_shrink, |x| libm::tanh(x) * libm::tanh(x)),
        row(Exponential::new, libm::exp, libm::exp),
        row(|| Squareplus::new(4.0), |x| squareplus(x, 4.0), |x| squareplus_slope(x, 4.0)),
        row(
            SparsePlus::new,
            |x| if x <= -1.0 { 0.0 } else if x >= 1.0 { x } else { (x + 1.0) * (x + 1.0) / 4.0 },
            |x| if x <= -1.0 { 0.0 } else if x >= 1.0 { 1.0 } else { (x + 1.0) / 2.0 },
        ),
        row(SparseSigmoid::new, |x| if x.is_nan() { x } else { (0.5 * x + 0.5).clamp(0.0, 1.0) }, |x| if x.abs() < 1.0 || x.is_nan() { 0.5 } else { 0.0 }),
        row(ReLUSquared::new, |x| if x > 0.0 { x * x } else if x.is_nan() { x } else { 0.0 }, |x| if x > 0.0 { 2.0 * x } else if x.is_nan() { x } else { 0.0 }),
        row(GELU::sigmoid, |x| gated(x, 1.702 * x), |x| gated_slope(1.702 * x, 1.702 * x)),
    ]
}

/// |y - truth| in units in the last place of the truth, subnormals in units of the smallest.
fn ulp_error(y: f32, truth: f64) -> f64 {
    if truth.is_nan() || y.is_nan() {
        return if truth.is_nan() && y.is_nan() { 0.0 } else { f64::INFINITY };
    }
    let rounded = truth as f32;
    if rounded.is_infinite() || y.is_infinite() {
        return if rounded == y { 0.0 } else { f64::INFINITY };
    }
    let exponent = (truth.abs().to_bits() >> 52) as i32 - 1023;
    let ulp = f64::powi(2.0, exponent.max(-126) - 23);
    (f64::from(y) - truth).abs() / ulp
}

/// Where the derivative of a function is 0 within its bulk: relative errors mean little within 0.25 of it.
fn root(spec: &str) -> Option<f64> {
    Some(match spec {
        "gelu" => -0.751_791_524_693_564_5,
        "gelu_tanh" => -0.752_461_422_071_016_3,
        "gelu_sigmoid" => -1.278_464_542_761_073_8 / 1.702,
        "silu" => -1.278_464_542_761_073_8,
        "swish(0.7)" => -1.278_464_542_761_073_8 / 0.7,
        "swish(0.01)" => -1.278_464_542_761_073_8 / 0.01,
        "mish" => -1.192_431_214_515_495_2,
        "hard_swish" => -1.5,
        _ => return None,
    })
}

/// The largest error in ULP, and where; near a root of the derivative an error below 2^-24 counts as none.
fn worst(inputs: &[f32], results: &ArrayD<f32>, truth: fn(f64) -> f64, root: Option<f64>, slack: f64) -> (f64, f32) {
    let mut worst = (0.0, 0.0);
    for (&x, &y) in inputs.iter().zip(results) {
        let t = truth(f64::from(x));
        let error = ulp_error(y, t);
        if error > worst.0 {
            let near = root.is_some_and(|root| (f64::from(x) - root).abs() <= 0.25);
            if !(near && (f64::from(y) - t).abs() <= f64::powi(2.0, -24) * slack) {
                worst = (error, x);
            }
        }
    }
    worst
}

/// Every so many bit patterns, and all of them around what matters.
fn inputs() -> Vec<f32> {
    let step = std::env::var("ULP_STEP").ok().and_then(|step| step.parse().ok()).unwrap_or(1009);
    let mut inputs: Vec<f32> = (0..=u32::MAX).step_by(step).map(f32::from_bits).collect();
    for center in [0.5_f32, 1.0, 2.5, 3.0, 0.751_791_5, 0.752_461_4, 1.278_464_5, 1.192_431_2, 12.0, 13.0, 15.0, 50.0, 87.336_54, 88.722_84, 103.972_08] {
        for offset in 0..2000_u32 {
            for bits in [center.to_bits() - offset, center.to_bits() + offset] {
                inputs.extend([f32::from_bits(bits), -f32::from_bits(bits)]);
            }
        }
    }
    inputs
}

/// The bounds: values within 2 ULP, derivatives within 4, at every instruction set; without fused multiply-add twice that.
#[test]
fn strided_sweep() {
    let inputs = inputs();
    let x = Array1::from(inputs.clone()).into_dyn();
    let ones = x.mapv(|_| 1.0);
    testing::each_level(|level| {
        let slack = if level == "sse2" { 2.0 } else { 1.0 };
        for (make, value, slope) in rows() {
            let mut layer = make();
            let y = layer.forward(&x).unwrap();
            let g = layer.backward(&ones).unwrap();
            let spec = layer.spec();
            let values = worst(&inputs, &y, value, None, slack);
            let slopes = worst(&inputs, &g, slope, root(&spec), slack);
            println!("{level:6} {spec:16} value {:.3} ULP at {:e}, derivative {:.3} ULP at {:e}", values.0, values.1, slopes.0, slopes.1);
            assert!(values.0 <= 2.0 * slack, "{spec} at {level}: {} ULP at {:e}", values.0, values.1);
            assert!(slopes.0 <= 4.0 * slack, "{spec}' at {level}: {} ULP at {:e}", slopes.0, slopes.1);
        }
    });
}
