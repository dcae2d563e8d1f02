//! The errors of layers that work along rows, and of the gradient of PReLU's slope, against sums in two words of `f64`: no length costs them a digit.

use ndarray::{ArrayD, Axis};
use ndarray_activations::{Element, Layer, LogSoftmax, PReLU, Softmax, Softmin};

use super::measure::{Double, Errors, Levels, at_each_level};

/// An unevaluated sum of two numbers, good to about 100 bits.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Two {
    pub(crate) hi: f64,
    pub(crate) lo: f64,
}

impl Two {
    /// The exact sum (Knuth).
    pub(crate) fn sum(a: f64, b: f64) -> Self {
        let hi = a + b;
        let part = hi - a;
        Self { hi, lo: (a - (hi - part)) + (b - part) }
    }
    /// The exact product (Dekker).
    pub(crate) fn product(a: f64, b: f64) -> Self {
        let hi = a * b;
        Self { hi, lo: a.mul_add(b, -hi) }
    }
    pub(crate) fn add(self, other: Self) -> Self {
        let sum = Self::sum(self.hi, other.hi);
        let lo = sum.lo + (self.lo + other.lo);
        Self { hi: sum.hi + lo, lo: lo - ((sum.hi + lo) - sum.hi) }
    }
    pub(crate) fn times(self, other: Self) -> Self {
        let product = Self::product(self.hi, other.hi);
        let lo = product.lo + (self.hi * other.lo + self.lo * other.hi);
        Self { hi: product.hi + lo, lo: lo - ((product.hi + lo) - product.hi) }
    }
    fn negate(self) -> Self {
        Self { hi: -self.hi, lo: -self.lo }
    }
    pub(crate) fn over(self, other: Self) -> Self {
        let first = self.hi / other.hi;
        let rest = self.add(other.times(Self { hi: -first, lo: 0.0 }));
        Self::default().add(Self::sum(first, rest.hi / other.hi))
    }

    /// e^self: the Taylor series of a 64th of what is left without multiples of ln 2, squared six times.
    pub(crate) fn exp(self) -> Self {
        const LN_2: Two = Two { hi: std::f64::consts::LN_2, lo: 2.319_046_813_846_3e-17 };
        let multiple = (self.hi * std::f64::consts::LOG2_E).round();
        let rest = self.add(LN_2.times(Self { hi: -multiple, lo: 0.0 }));
        let part = Self { hi: rest.hi / 64.0, lo: rest.lo / 64.0 };
        let one = Self { hi: 1.0, lo: 0.0 };
        let series = (1..=12).rev().fold(one, |sum, n| one.add(sum.times(part).over(Self { hi: f64::from(n), lo: 0.0 })));
        let whole = (0..6).fold(series, |power, _| power.times(power));
        let scale = f64::powi(2.0, multiple as i32);
        Self { hi: whole.hi * scale, lo: whole.lo * scale }
    }

    /// ln(1 + self) for self >= 0: its series, or one step of Newton's from the nearest `f64`.
    pub(crate) fn ln_1p(self) -> Self {
        if self.hi < 1e-4 {
            return (1..=9).rev().fold(Self::default(), |sum, n| {
                let coefficient = Self { hi: 1.0, lo: 0.0 }.over(Self { hi: f64::from(n), lo: 0.0 });
                coefficient.add(sum.negate()).times(self)
            });
        }
        let near = Self { hi: self.hi.ln_1p(), lo: 0.0 };
        let ratio = self.add(Self { hi: 1.0, lo: 0.0 }).times(near.negate().exp());
        near.add(ratio.add(Self { hi: -1.0, lo: 0.0 }))
    }

    /// As a truth with errors counted in this unit.
    fn in_units(self, unit: f64) -> Double {
        Double { near: self.hi, rest: self.lo / unit, unit }
    }

    /// As a truth with errors counted in units in the last place.
    fn in_ulp<A: Element>(self) -> Double {
        let Format { digits, lowest, .. } = Format::of::<A>();
        // Just below a power of two the unit is half as large.
        let below = self.hi.to_bits() << 12 == 0 && self.hi * self.lo < 0.0;
        let exponent = ((self.hi.abs().to_bits() >> 52) as i32 - 1023 - i32::from(below)).max(lowest);
        self.in_units(f64::powi(2.0, exponent - digits))
    }
}

/// What is known of an element type.
struct Format {
    /// Behind the point of a significand.
    digits: i32,
    /// Of a normal number.
    lowest: i32,
    /// Half a unit in the last place of 1.
    u: f64,
}

impl Format {
    fn of<A: Element>() -> Self {
        let digits = if size_of::<A>() == 4 { 23 } else { 52 };
        Self { digits, lowest: if digits == 23 { -126 } else { -1022 }, u: f64::powi(2.0, -digits - 1) }
    }
}

/// Numbers from N(0, 1), the same in each run: SplitMix64, Box and Muller.
fn normal(seed: u64) -> impl Iterator<Item = f64> {
    let uniform = move |index: u64| {
        let mut z = (seed << 40).wrapping_add(index + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 11) as f64 / f64::powi(2.0, 53)
    };
    (0..).map(move |i| (-2.0 * (1.0 - uniform(2 * i)).ln()).sqrt() * (std::f64::consts::TAU * uniform(2 * i + 1)).cos())
}

/// The layers that are measured by [`along_rows`].
pub(crate) const ROW_LAYERS: [&str; 3] = ["softmax", "log_softmax", "softmin"];

/// Errors of values (in ULP) and gradients along so many rows of this length, logits from N(0, 10). In every other row one logit stands out, so that its logarithm
/// is next to 0.
///
/// The unit of gradients is u y (|g| + Σ|g|y), for `log_softmax` u (|g| + y Σ|g|); and u times the smallest normal number more, where results are subnormal.
pub(crate) fn along_rows<A: Element>(rows: usize, length: usize) -> Vec<(&'static str, Levels)> {
    let mut logits: Vec<A> = normal(1).take(rows * length).map(|x| A::rounded(10.0 * x)).collect();
    for (i, row) in logits.chunks_mut(length).enumerate() {
        if i % 2 == 1 {
            row[i % length] = A::rounded(60.0 + (i % 40) as f64);
        }
    }
    let gradient: Vec<A> = normal(2).take(rows * length).map(A::rounded).collect();
    // For each row the largest logit, e^(x - max), their sum, the largest one's 1 left out.
    let exact: Vec<(f64, Vec<Two>, Two)> = logits
        .chunks(length)
        .map(|row| {
            let top = (0..length).reduce(|best, i| if row[i] > row[best] { i } else { best }).unwrap_or(0);
            let max = row[top].widened();
            let exponentials: Vec<Two> = row.iter().map(|x| Two::sum(x.widened(), -max).exp()).collect();
            let others = exponentials.iter().enumerate().filter(|&(i, _)| i != top).fold(Two::default(), |sum, (_, e)| sum.add(*e));
            (max, exponentials, others)
        })
        .collect();
    let shaped = |values: &[A]| ArrayD::from_shape_vec(vec![rows, length], values.to_vec()).unwrap();
    let layers: [Box<dyn Layer<A>>; 3] = [Box::new(Softmax::new(Axis(1))), Box::new(LogSoftmax::new(Axis(1))), Box::new(Softmin::new(Axis(1)))];
    let Format { u, lowest, .. } = Format::of::<A>();
    let smallest = f64::powi(2.0, lowest);
    ROW_LAYERS
        .into_iter()
        .zip(layers)
        .map(|(name, mut layer)| {
            let (logarithm, sign) = (name == "log_softmax", if name == "softmin" { -1.0 } else { 1.0 });
            let x: Vec<A> = logits.iter().map(|&x| A::rounded(sign * x.widened())).collect();
            let mut levels = Levels::new();
            at_each_level(layer.as_mut(), &shaped(&x), &shaped(&gradient), &mut levels, |[values, gradients], y, slope| {
                for (i, (max, exponentials, others)) in exact.iter().enumerate() {
                    let range = i * length..(i + 1) * length;
                    let (x, y, slope, g) = (&x[range.clone()], &y[range.clone()], &slope[range.clone()], &gradient[range]);
                    let inverse = Two { hi: 1.0, lo: 0.0 }.over(others.add(Two { hi: 1.0, lo: 0.0 }));
                    let ln = others.ln_1p();
                    let weighted = |weight: fn(Two) -> Two| {
                        let terms = g.iter().zip(exponentials).map(|(&g, &e)| {
                            if logarithm { weight(Two { hi: g.widened(), lo: 0.0 }) } else { weight(Two { hi: g.widened(), lo: 0.0 }.times(e)) }
                        });
                        terms.fold(Two::default(), Two::add)
                    };
                    let scale = if logarithm { Two { hi: 1.0, lo: 0.0 } } else { inverse };
                    let sum = weighted(|term| term).times(scale);
                    let magnitudes = weighted(|term| if term.hi < 0.0 { term.negate() } else { term }).times(scale).hi;
                    for j in 0..length {
                        let p = exponentials[j].times(inverse);
                        let g = Two { hi: g[j].widened(), lo: 0.0 };
                        let (value, truth, unit) = if logarithm {
                            let shift = Two::sum(sign * x[j].widened(), -max);
                            (shift.add(ln.negate()), g.add(p.times(sum).negate()), g.hi.abs() + p.hi * magnitudes)
                        } else {
                            let truth = g.add(sum.negate()).times(p);
                            (p, if sign < 0.0 { truth.negate() } else { truth }, p.hi.max(smallest) * (g.hi.abs() + magnitudes))
                        };
                        values.add_one(x[j], y[j], value.in_ulp::<A>());
                        gradients.add_one(x[j], slope[j], truth.in_units(u * (unit + smallest)));
                    }
                }
            });
            (name, levels)
        })
        .collect()
}

/// The error of the gradient of PReLU's slope over so many elements, relative to the sum of the terms' magnitudes.
pub(crate) fn prelu_slope<A: Element>(elements: usize) -> Vec<(&'static str, Errors)> {
    let numbers = |seed| ArrayD::from_shape_vec(vec![elements], normal(seed).take(elements).map(A::rounded).collect()).unwrap();
    let (x, g): (ArrayD<A>, ArrayD<A>) = (numbers(3), numbers(4));
    let terms = || x.iter().zip(&g).filter(|(x, _)| x.widened() < 0.0).map(|(x, g)| Two::product(x.widened(), g.widened()));
    let sum = terms().fold(Two::default(), Two::add);
    let magnitude: f64 = terms().map(|term| term.hi.abs()).sum();
    let mut errors = Vec::new();
    ndarray_activations::testing::each_level(|level| {
        let mut layer = PReLU::<A>::shared(0.25);
        layer.forward(&x).unwrap();
        layer.backward(&g).unwrap();
        let mut error = Errors::default();
        error.add_one(A::zero(), layer.alpha().grad[[0]], sum.in_units(magnitude));
        error.checked = elements as u64;
        errors.push((level, error));
    });
    errors
}
