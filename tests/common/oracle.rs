//! Reference values that share neither code nor formulas with the crate: textbook forms in `f64`, each stable where it is used, on the system's elementary
//! functions and, for erfc, the `libm` crate; next to the roots of derivatives Taylor series from mpmath.
//!
//! Good to about 1e-7 units in the last place of `f32`; `tests/ulp.rs` holds it against mpmath. Value and derivative come together, from one exponential.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use super::roots;

/// Values and derivatives at these inputs.
pub(crate) type Truth = Box<dyn Fn(&[f32], &mut [f64], &mut [f64]) + Send + Sync>;

fn truth(f: impl Fn(f64) -> (f64, f64) + Send + Sync + 'static) -> Option<Truth> {
    Some(Box::new(move |inputs, values, slopes| {
        for ((&x, value), slope) in inputs.iter().zip(values).zip(slopes) {
            (*value, *slope) = f(f64::from(x));
        }
    }))
}

/// The same for two slopes, where a NaN counts as the upper side.
fn two_slopes(upper: f64, f: impl Fn(f64) -> (f64, f64) + Send + Sync + 'static) -> Option<Truth> {
    truth(move |x| if x.is_nan() { (x, upper) } else { f(x) })
}

/// A name and its numbers, from `"elu(0.5)"`.
pub(crate) fn parts(spec: &str) -> (&str, Vec<f64>) {
    let (name, rest) = spec.split_once('(').unwrap_or((spec, ""));
    (name, rest.trim_end_matches(')').split(',').filter_map(|number| number.trim().parse().ok()).collect())
}

/// The truth of a layer with this spec, its parameters rounded to `f32`; none for a layer that is not known here.
pub(crate) fn oracle(spec: &str) -> Option<Truth> {
    let (name, parameters) = parts(spec);
    let p: Vec<f64> = parameters.iter().map(|&p| f64::from(p as f32)).collect();
    let a = p.first().copied().unwrap_or(f64::NAN);
    let b = p.get(1).copied().unwrap_or(f64::NAN);
    match name {
        "identity" => two_slopes(1.0, |x| (x, 1.0)),
        "relu" => two_slopes(1.0, |x| if x > 0.0 { (x, 1.0) } else { (0.0, 0.0) }),
        "relu6" => two_slopes(1.0, |x| {
            if x >= 6.0 {
                (6.0, 0.0)
            } else if x > 0.0 {
                (x, 1.0)
            } else {
                (0.0, 0.0)
            }
        }),
        "relu_squared" => truth(|x| if x <= 0.0 { (0.0, 0.0) } else { (x * x, 2.0 * x) }),
        "leaky_relu" => two_slopes(1.0, move |x| if x > 0.0 { (x, 1.0) } else { (a * x, a) }),
        "thresholded_relu" => two_slopes(1.0, move |x| if x > a { (x, 1.0) } else { (0.0, 0.0) }),
        "threshold" => two_slopes(1.0, move |x| if x > a { (x, 1.0) } else { (b, 0.0) }),
        "hard_tanh" => two_slopes(1.0, move |x| {
            if x <= a {
                (a, 0.0)
            } else if x >= b {
                (b, 0.0)
            } else {
                (x, 1.0)
            }
        }),
        "hard_shrink" => two_slopes(1.0, move |x| if x.abs() > a { (x, 1.0) } else { (0.0, 0.0) }),
        "soft_shrink" => two_slopes(1.0, move |x| shrink(x, a, a)),
        "shrink" => two_slopes(1.0, move |x| shrink(x, a, b)),
        "hard_sigmoid" if p.is_empty() => two_slopes(1.0 / 6.0, |x| ramp(x.abs() < 3.0, (x + 3.0) / 6.0, 1.0 / 6.0)),
        "hard_sigmoid" => two_slopes(a, move |x| {
            let line = a * x + b;
            // Inside is where the rounded line is.
            ramp(line > 0.0 && (line as f32) < 1.0, line, a)
        }),
        "sparse_sigmoid" => two_slopes(0.5, |x| ramp(x.abs() < 1.0, 0.5 * x + 0.5, 0.5)),
        "sign" => two_slopes(0.0, |x| (if x == 0.0 { x } else { x.signum() }, 0.0)),
        "step" => two_slopes(0.0, |x| (f64::from(x > 0.0), 0.0)),
        "hard_swish" => truth(|x| match x {
            _ if x <= -3.0 => (-0.0, 0.0),
            _ if x >= 3.0 => (x, 1.0),
            _ => (x * (x + 3.0) / 6.0, (x + 1.5) / 3.0),
        }),
        "sparse_plus" => truth(|x| match x {
            _ if x <= -1.0 => (0.0, 0.0),
            _ if x >= 1.0 => (x, 1.0),
            _ => ((x + 1.0) * (x + 1.0) / 4.0, (x + 1.0) / 2.0),
        }),
        "elu" => truth(move |x| elu(x, a, a, 1.0)),
        "selu" => truth(|x| elu(x, SELU_ALPHA * SELU_SCALE, SELU_ALPHA * SELU_SCALE, SELU_SCALE)),
        "celu" => truth(move |x| {
            if x >= 0.0 {
                return (x, 1.0);
            }
            let (e, m) = exponentials(x / a);
            (a * m, e)
        }),
        "exponential" => truth(|x| {
            let e = x.exp();
            (e, e)
        }),
        "sigmoid" => truth(|x| {
            let (s, mirrored) = gate(x);
            (s, s * mirrored)
        }),
        "tanh" => truth(tanh),
        "tanh_shrink" => truth(|x| {
            let (t, _) = tanh(x);
            (if x.abs() > 0.2 { x - t } else { tanh_shrink_series(x) }, t * t)
        }),
        "softsign" => truth(|x| {
            let s = 1.0 / (1.0 + x.abs());
            (if x.is_infinite() { x.signum() } else { x * s }, s * s)
        }),
        "squareplus" => truth(move |x| squareplus(x, a)),
        "softplus" => truth(move |x| {
            let y = a * x;
            if y > b { (x, 1.0) } else { softplus(x, y, a) }
        }),
        "log_sigmoid" => truth(|x| {
            let (value, slope) = softplus(-x, -x, 1.0);
            (-value, slope)
        }),
        "gelu" => truth(gelu),
        "gelu_tanh" => truth(|x| {
            // 2 sqrt(2/π); beyond 20 the gate is open or shut.
            let c = 1.595_769_121_605_730_7;
            let held = x.clamp(-20.0, 20.0);
            let w = 0.044_715 * held * held;
            let (value, slope) = gated(x, c * held * (1.0 + w), c * held * (1.0 + 3.0 * w));
            (value, roots::GELU_TANH.near(x).unwrap_or(slope))
        }),
        "gelu_sigmoid" => truth(|x| {
            let (value, slope) = gated(x, 1.702 * x, 1.702 * x);
            (value, roots::GELU_SIGMOID.near(x).unwrap_or(slope))
        }),
        "silu" => truth(|x| swish(x, 1.0)),
        "swish" if a == 0.0 => truth(|x| (0.5 * x, if x.is_nan() { x } else { 0.5 })),
        "swish" => truth(move |x| swish(x, a)),
        "mish" => truth(mish),
        _ => None,
    }
}

/// Where the derivative of a function is 0 within its bulk, and how far around it relative errors mean little.
pub(crate) fn root(spec: &str) -> Option<(f64, f64)> {
    let (name, parameters) = parts(spec);
    Some(match name {
        "gelu" => (roots::GELU.hi, 0.25),
        "gelu_tanh" => (roots::GELU_TANH.hi, 0.25),
        "gelu_sigmoid" => (roots::GELU_SIGMOID.hi, 0.25),
        "silu" => (roots::SILU.hi, 0.25),
        "swish" if parameters[0] != 0.0 => (roots::SILU.hi / parameters[0], 0.25 / parameters[0].abs().max(1.0)),
        "mish" => (roots::MISH.hi, 0.25),
        "hard_swish" => (-1.5, 0.25),
        _ => return None,
    })
}

/// The root of a derivative in two words, and the derivative's Taylor coefficients about it from the first power up.
pub(crate) struct Root {
    pub(crate) hi: f64,
    pub(crate) lo: f64,
    pub(crate) terms: [f64; 9],
}

impl Root {
    /// The derivative next to its root, where any formula in `f64` loses digits.
    fn near(&self, x: f64) -> Option<f64> {
        let d = (x - self.hi) - self.lo;
        (d.abs() < 1.0 / 128.0).then(|| d * self.terms.iter().rev().fold(0.0, |sum, term| sum * d + term))
    }
}

// Klambauer et al. 2017.
const SELU_ALPHA: f64 = 1.6732632423543772848170429916717;
const SELU_SCALE: f64 = 1.0507009873554804934193349852946;

fn shrink(x: f64, lambda: f64, bias: f64) -> (f64, f64) {
    if x.abs() > lambda { (if x > 0.0 { x - bias } else { x + bias }, 1.0) } else { (0.0, 0.0) }
}

/// A line between 0 and 1 that has a slope inside.
fn ramp(inside: bool, line: f64, slope: f64) -> (f64, f64) {
    (line.clamp(0.0, 1.0), if inside { slope } else { 0.0 })
}

/// e^-a for a >= 0; 0 where that is nothing in `f32`, whatever it is multiplied with.
fn decay(a: f64) -> f64 {
    if a > 400.0 { 0.0 } else { (-a).exp() }
}

/// e^y and e^y - 1.
fn exponentials(y: f64) -> (f64, f64) {
    if y.abs() < 0.7 {
        let m = y.exp_m1();
        (1.0 + m, m)
    } else {
        let e = if y < 0.0 { decay(-y) } else { y.exp() };
        (e, e - 1.0)
    }
}

fn elu(x: f64, alpha: f64, slope: f64, scale: f64) -> (f64, f64) {
    if x > 0.0 {
        return (scale * x, scale);
    }
    let (e, m) = exponentials(x);
    (alpha * m, slope * e)
}

/// σ(y) and σ(-y).
fn gate(y: f64) -> (f64, f64) {
    let e = decay(y.abs());
    let s = 1.0 / (1.0 + e);
    if y < 0.0 { (e * s, s) } else { (s, e * s) }
}

/// x σ(y) and its derivative, with z = x y'.
fn gated(x: f64, y: f64, z: f64) -> (f64, f64) {
    if y < -400.0 {
        return (-0.0, 0.0);
    }
    if y > 400.0 {
        return (x, 1.0);
    }
    let (s, mirrored) = gate(y);
    (x * s, s * (1.0 + z * mirrored))
}

/// x σ(βx). The product of two numbers of `f32` is exact in `f64`.
fn swish(x: f64, beta: f64) -> (f64, f64) {
    let y = beta * x;
    let (value, slope) = gated(x, y, y);
    (value, roots::SILU.near(y).unwrap_or(slope))
}

/// Φ(x) = erfc(-x/√2)/2, φ(x) = e^(-x²/2)/√(2π).
fn gelu(x: f64) -> (f64, f64) {
    if x < -40.0 {
        return (-0.0, 0.0);
    }
    if x > 40.0 {
        return (x, 1.0);
    }
    let below = 0.5 * libm::erfc(-x * FRAC_1_SQRT_2);
    let density = (-0.5 * x * x).exp() / (2.0 * PI).sqrt();
    (x * below, roots::GELU.near(x).unwrap_or(below + x * density))
}

fn tanh(x: f64) -> (f64, f64) {
    let (e, m) = exponentials(-2.0 * x.abs());
    let s = 1.0 / (2.0 + m);
    ((-m * s).copysign(x), 4.0 * e * s * s)
}

/// x - tanh x, by the series x³/3 - 2x⁵/15 + … (DLMF 4.33.3) where the difference loses digits.
fn tanh_shrink_series(x: f64) -> f64 {
    let w = x * x;
    let terms = [
        1.0 / 3.0,
        -2.0 / 15.0,
        17.0 / 315.0,
        -62.0 / 2835.0,
        1382.0 / 155_925.0,
        -21_844.0 / 6_081_075.0,
        929_569.0 / 638_512_875.0,
        -6_404_582.0 / 10_854_718_875.0,
        443_861_162.0 / 1_856_156_927_625.0,
    ];
    x * w * terms.iter().rev().fold(0.0, |sum, term| sum * w + term)
}

/// ln(1 + e^y) / β for y = βx, and σ(y).
fn softplus(x: f64, y: f64, beta: f64) -> (f64, f64) {
    let e = decay(y.abs());
    let s = 1.0 / (1.0 + e);
    let rest = e.ln_1p() / beta;
    if y > 0.0 { (x + rest, s) } else { (rest, e * s) }
}

/// x tanh(ln(1 + e^x)), word for word.
fn mish(x: f64) -> (f64, f64) {
    if x < -400.0 {
        return (-0.0, 0.0);
    }
    if x > 400.0 {
        return (x, 1.0);
    }
    let e = x.exp();
    let t = e.ln_1p().tanh();
    (x * t, roots::MISH.near(x).unwrap_or_else(|| t + x * (1.0 - t * t) * (e / (1.0 + e))))
}

/// (x + √(x² + b)) / 2.
fn squareplus(x: f64, b: f64) -> (f64, f64) {
    let r = (x * x + b).sqrt();
    match x {
        _ if b == 0.0 => (if x < 0.0 { 0.0 } else { x }, if x.is_nan() { x } else { f64::from(x > 0.0) }),
        _ if x == f64::NEG_INFINITY => (0.0, 0.0),
        _ if x == f64::INFINITY => (x, 1.0),
        _ if x < 0.0 => {
            let value = 0.5 * b / (r - x);
            (value, value / r)
        }
        _ => (0.5 * (x + r), 0.5 + 0.5 * x / r),
    }
}
