//! The truth for `f64`: textbook formulas in 128 bits (MPFR), free of cancellation or with digits to spare.

use rug::{Float, float::Constant};

use crate::{measure::Double, oracle::parts};

/// Two limbs, the fastest that is enough: 75 bits are left for roundings.
pub(crate) const BITS: u32 = 128;

/// Value and derivative of a function at an input, which is given twice.
pub(crate) type Truth = Box<dyn Fn(&Float, f64) -> (Float, Float) + Send + Sync>;

macro_rules! float {
    ($value:expr) => {
        Float::with_val(BITS, $value)
    };
}

fn truth(f: impl Fn(&Float, f64) -> (Float, Float) + Send + Sync + 'static) -> Option<Truth> {
    Some(Box::new(move |x, near| if near.is_nan() { (x.clone(), x.clone()) } else { f(x, near) }))
}

/// Two slopes, exact: the value by one formula, a NaN on the upper side.
fn two_slopes(upper: f64, f: impl Fn(&Float, f64) -> (Float, f64) + Send + Sync + 'static) -> Option<Truth> {
    Some(Box::new(move |x, near| {
        if near.is_nan() {
            return (x.clone(), float!(upper));
        }
        let (value, slope) = f(x, near);
        (value, float!(slope))
    }))
}

/// The truth of a layer with this spec; none for a layer that is not known here.
pub(crate) fn oracle(spec: &str) -> Option<Truth> {
    let (name, parameters) = parts(spec);
    let a = parameters.first().copied().unwrap_or(f64::NAN);
    let b = parameters.get(1).copied().unwrap_or(f64::NAN);
    match name {
        "identity" => two_slopes(1.0, |x, _| (x.clone(), 1.0)),
        "relu" => two_slopes(1.0, |x, near| if near > 0.0 { (x.clone(), 1.0) } else { (float!(0), 0.0) }),
        "relu6" => two_slopes(1.0, |x, near| {
            if near >= 6.0 {
                (float!(6), 0.0)
            } else if near > 0.0 {
                (x.clone(), 1.0)
            } else {
                (float!(0), 0.0)
            }
        }),
        "relu_squared" => truth(|x, near| if near <= 0.0 { (float!(0), float!(0)) } else { (float!(x * x), float!(x * 2)) }),
        "leaky_relu" => two_slopes(1.0, move |x, near| if near > 0.0 { (x.clone(), 1.0) } else { (float!(x * a), a) }),
        "thresholded_relu" => two_slopes(1.0, move |x, near| if near > a { (x.clone(), 1.0) } else { (float!(0), 0.0) }),
        "threshold" => two_slopes(1.0, move |x, near| if near > a { (x.clone(), 1.0) } else { (float!(b), 0.0) }),
        "hard_tanh" => two_slopes(1.0, move |x, near| {
            if near <= a {
                (float!(a), 0.0)
            } else if near >= b {
                (float!(b), 0.0)
            } else {
                (x.clone(), 1.0)
            }
        }),
        "hard_shrink" => two_slopes(1.0, move |x, near| if near.abs() > a { (x.clone(), 1.0) } else { (float!(0), 0.0) }),
        "soft_shrink" => two_slopes(1.0, move |x, near| shrink(x, near, a, a)),
        "shrink" => two_slopes(1.0, move |x, near| shrink(x, near, a, b)),
        "hard_sigmoid" if parameters.is_empty() => {
            let sixfold = two_slopes(1.0, |x, near| match near {
                _ if near <= -3.0 => (float!(0), 0.0),
                _ if near >= 3.0 => (float!(6), 0.0),
                _ => (float!(x + 3), 1.0),
            })?;
            Some(Box::new(move |x, near| {
                let (value, slope) = sixfold(x, near);
                (value / 6, slope / 6)
            }))
        }
        "hard_sigmoid" => two_slopes(a, move |x, _| {
            let line = float!(x * a) + b;
            if line <= 0 {
                (float!(0), 0.0)
            } else {
                // Inside is where the rounded line is.
                let slope = if line.to_f64() < 1.0 { a } else { 0.0 };
                (if line > 1 { float!(1) } else { line }, slope)
            }
        }),
        "sparse_sigmoid" => two_slopes(0.5, |x, near| match near {
            _ if near <= -1.0 => (float!(0), 0.0),
            _ if near >= 1.0 => (float!(1), 0.0),
            _ => (float!(x + 1) / 2, 0.5),
        }),
        "sign" => two_slopes(0.0, |_, near| (float!(if near == 0.0 { 0.0 } else { near.signum() }), 0.0)),
        "step" => two_slopes(0.0, |_, near| (float!(u8::from(near > 0.0)), 0.0)),
        "hard_swish" => truth(|x, near| match near {
            _ if near <= -3.0 => (float!(0), float!(0)),
            _ if near >= 3.0 => (x.clone(), float!(1)),
            _ => (float!(x + 3) * x / 6, float!(x + 1.5) / 3),
        }),
        "sparse_plus" => truth(|x, near| match near {
            _ if near <= -1.0 => (float!(0), float!(0)),
            _ if near >= 1.0 => (x.clone(), float!(1)),
            _ => (float!(x + 1).square() / 4, float!(x + 1) / 2),
        }),
        "elu" => truth(move |x, near| elu(x, near, &float!(a), &float!(1))),
        "selu" => {
            // Klambauer et al. 2017.
            let scale = decimal("1.0507009873554804934193349852946");
            let alpha = decimal("1.6732632423543772848170429916717") * &scale;
            truth(move |x, near| elu(x, near, &alpha, &scale))
        }
        "celu" => truth(move |x, near| {
            if near >= 0.0 {
                return (x.clone(), float!(1));
            }
            let (e, m) = exponentials(float!(x / a));
            (m * a, e)
        }),
        "exponential" => truth(|x, _| {
            let e = x.clone().exp();
            (e.clone(), e)
        }),
        "sigmoid" => truth(|x, _| {
            let (s, mirrored) = gate(x);
            let slope = float!(&s * &mirrored);
            (s, slope)
        }),
        "tanh" => truth(tanh),
        "tanh_shrink" => truth(|x, near| {
            let (t, _) = tanh(x, near);
            let value = if near.abs() < 1.0 / 1024.0 { tanh_shrink_series(x) } else { float!(x - &t) };
            (value, t.square())
        }),
        "softsign" => truth(|x, near| {
            if near.is_infinite() {
                return (float!(near.signum()), float!(0));
            }
            let s = (float!(x.abs_ref()) + 1_u32).recip();
            (float!(x * &s), s.square())
        }),
        "squareplus" => truth(move |x, near| squareplus(x, near, a)),
        "softplus" => truth(move |x, _| {
            let y = float!(x * a);
            if y > b { (x.clone(), float!(1)) } else { softplus(x, &y, &float!(a)) }
        }),
        "log_sigmoid" => truth(|x, _| {
            let mirrored = float!(-x);
            let (value, slope) = softplus(&mirrored, &mirrored, &float!(1));
            (-value, slope)
        }),
        "gelu" => {
            let root_half = float!(0.5).sqrt();
            let density = (float!(Constant::Pi) * 2_u32).sqrt().recip();
            truth(move |x, near| {
                if near.abs() > 60.0 {
                    return open_or_shut(x, near);
                }
                let below = (-float!(x * &root_half)).erfc() / 2;
                let density = (-float!(x.square_ref()) / 2_u32).exp() * &density;
                let slope = float!(x * &density) + &below;
                (below * x, slope)
            })
        }
        "gelu_tanh" => {
            let linear = (float!(8) / float!(Constant::Pi)).sqrt();
            let cubic = decimal("0.044715");
            truth(move |x, near| {
                if near.abs() > 100.0 {
                    return open_or_shut(x, near);
                }
                let w = float!(x.square_ref()) * &cubic;
                let line = float!(x * &linear);
                let (y, z) = (float!(&w + 1) * &line, (w * 3 + 1) * line);
                gated(x, &y, &z)
            })
        }
        "gelu_sigmoid" => {
            let factor = decimal("1.702");
            truth(move |x, _| {
                let y = float!(x * &factor);
                gated(x, &y, &y)
            })
        }
        "silu" => truth(|x, _| gated(x, x, x)),
        "swish" if a == 0.0 => truth(|x, _| (float!(x / 2), float!(0.5))),
        "swish" => truth(move |x, _| {
            let y = float!(x * a);
            gated(x, &y, &y)
        }),
        "mish" => truth(|x, near| {
            if near.abs() > 2000.0 {
                return open_or_shut(x, near);
            }
            // With n = (1 + e^x)² - 1, tanh(ln(1 + e^x)) = n / (n + 2).
            let e = x.clone().exp();
            let n = float!(&e + 2) * &e;
            let t = float!(&n / float!(&n + 2));
            let slope = (float!(1) - float!(t.square_ref())) * x * float!(&e / float!(&e + 1)) + &t;
            (t * x, slope)
        }),
        _ => None,
    }
}

/// A constant from its digits.
fn decimal(digits: &str) -> Float {
    float!(Float::parse(digits).unwrap_or_else(|error| unreachable!("{digits}: {error}")))
}

fn open_or_shut(x: &Float, near: f64) -> (Float, Float) {
    if near > 0.0 { (x.clone(), float!(1)) } else { (float!(0), float!(0)) }
}

fn shrink(x: &Float, near: f64, lambda: f64, bias: f64) -> (Float, f64) {
    if near.abs() > lambda { (if near > 0.0 { float!(x - bias) } else { float!(x + bias) }, 1.0) } else { (float!(0), 0.0) }
}

/// e^y and e^y - 1.
fn exponentials(y: Float) -> (Float, Float) {
    if float!(y.abs_ref()) < 0.25 {
        let m = y.exp_m1();
        (float!(&m + 1), m)
    } else {
        let e = y.exp();
        let m = float!(&e - 1);
        (e, m)
    }
}

fn elu(x: &Float, near: f64, alpha: &Float, scale: &Float) -> (Float, Float) {
    if near > 0.0 {
        return (float!(x * scale), scale.clone());
    }
    let (e, m) = exponentials(x.clone());
    (m * alpha, e * alpha)
}

/// σ(y) and σ(-y).
fn gate(y: &Float) -> (Float, Float) {
    let e = (-float!(y.abs_ref())).exp();
    let s = float!(&e + 1).recip();
    let mirrored = e * &s;
    if y.is_sign_negative() { (mirrored, s) } else { (s, mirrored) }
}

/// x σ(y) and its derivative, with z = x y'.
fn gated(x: &Float, y: &Float, z: &Float) -> (Float, Float) {
    if float!(y.abs_ref()) > 4000 {
        return if y.is_sign_negative() { (float!(0), float!(0)) } else { (x.clone(), float!(1)) };
    }
    let (s, mirrored) = gate(y);
    let slope = (mirrored * z + 1) * &s;
    (s * x, slope)
}

fn tanh(x: &Float, near: f64) -> (Float, Float) {
    let (e, m) = exponentials(float!(x.abs_ref()) * -2);
    let s = float!(&m + 2).recip();
    let t = -m * &s;
    (if near.is_sign_negative() { -t } else { t }, e * s.square() * 4)
}

/// x - tanh x for |x| < 1/1024: x³/3 - 2x⁵/15 + … (DLMF 4.33.3).
fn tanh_shrink_series(x: &Float) -> Float {
    let terms = [(1, 3), (-2, 15), (17, 315), (-62, 2835), (1382, 155_925), (-21_844, 6_081_075), (929_569, 638_512_875)];
    let w = float!(x.square_ref());
    let sum = terms.iter().rev().fold(float!(0), |sum, &(numerator, denominator)| sum * &w + float!(numerator) / denominator);
    sum * w * x
}

/// ln(1 + e^y) / β for y = βx, and σ(y).
fn softplus(x: &Float, y: &Float, beta: &Float) -> (Float, Float) {
    let e = (-float!(y.abs_ref())).exp();
    let s = float!(&e + 1).recip();
    let slope = if y.is_sign_negative() { float!(&e * &s) } else { s };
    // For a small e: ln(1 + e) = e - e²/2 + …
    let rest = if e < f64::powi(2.0, -130) { e } else { e.ln_1p() } / beta;
    (if y.is_sign_negative() { rest } else { rest + x }, slope)
}

/// (x + √(x² + b)) / 2.
fn squareplus(x: &Float, near: f64, b: f64) -> (Float, Float) {
    if near.is_infinite() || b == 0.0 {
        return if near > 0.0 { (x.clone(), float!(1)) } else { (float!(0), float!(0)) };
    }
    let r = (float!(x.square_ref()) + b).sqrt();
    let value = if near < 0.0 { float!(b / 2.0) / float!(&r - x) } else { float!(&r + x) / 2 };
    let slope = float!(&value / r);
    (value, slope)
}

/// The truth in units of its last place as an `f64`.
pub(crate) fn double(truth: &Float) -> Double {
    let near = truth.to_f64();
    let Some(exponent) = truth.get_exp().filter(|_| near.is_finite()) else { return Double { near, rest: 0.0, unit: 1.0 } };
    // MPFR's significands lie between 1/2 and 1.
    let power = (exponent - 53).max(-1074);
    let rest = (float!(truth - near) >> power).to_f64();
    // A power of two in the subnormal range too.
    let unit = f64::powi(2.0, power / 2) * f64::powi(2.0, power - power / 2);
    Double { near, rest, unit }
}
