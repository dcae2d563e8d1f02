//! Truths for layers that work along rows, and for the gradient of PReLU's slope: sums in two words, whatever their length.

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
    pub(crate) fn over(self, other: Self) -> Self {
        let first = self.hi / other.hi;
        let rest = self.add(other.times(Self { hi: -first, lo: 0.0 }));
        Self::default().add(Self::sum(first, rest.hi / other.hi))
    }
}
