//! Sparsemax and hardmax against exact arithmetic, and in every layout.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, dead_code, reason = "a test")]

mod common;

use common::{Held, LAYOUTS, assert_same, on_threads, same};
use ndarray::{Array1, ArrayD, Axis, IxDyn, array};
use ndarray_activations::*;
use rand::{Rng, SeedableRng, rngs::StdRng};

/// The projection of the integers x, in units of 1 / `one`, onto the simplex: numerators of the results and their common denominator, exactly.
fn projection(x: &[i128], one: i128) -> (Vec<i128>, i128) {
    let mut sorted = x.to_vec();
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    // The condition of Martins and Astudillo, Algorithm 1: 1 + k z_k > Σ_{j <= k} z_j.
    let (mut sum, mut best) = (0, (0, 0));
    for (k, &z) in (1..).zip(&sorted) {
        sum += z;
        if one + k * z > sum {
            best = (k, sum);
        }
    }
    let (k, sum) = best;
    (x.iter().map(|&x| (k * x - (sum - one)).max(0)).collect(), k * one)
}

/// |y - numerator / denominator| in units in the last place of the truth.
fn ulps<A: Element>(y: A, numerator: i128, denominator: i128) -> f64 {
    if numerator == 0 {
        return if y == A::zero() { 0.0 } else { f64::INFINITY };
    }
    // y is an integer times 2^-s: compare without any rounding.
    let (mut scaled, mut s) = (y.widened(), 0);
    while scaled.fract() != 0.0 {
        scaled *= 2.0;
        s += 1;
    }
    let truth = numerator as f64 / denominator as f64;
    let exponent = truth.log2().floor();
    let digits = if size_of::<A>() == 4 { 23.0 } else { 52.0 };
    // |y · denominator - numerator| / denominator, both scaled by 2^s; wide enough since y has at most 53 bits.
    let difference = (scaled as i128).checked_mul(denominator).zip(numerator.checked_mul(1 << s.min(126))).map(|(a, b)| (a - b).abs() as f64);
    let error = match difference {
        Some(difference) => difference / denominator as f64 / 2f64.powi(s),
        None => (y.widened() - truth).abs(),
    };
    error / (exponent - digits).exp2()
}

/// Numerators of random rows: values between -spread and spread, in units of 2^-`bits`.
fn random_row(rng: &mut StdRng, length: usize, spread: f64, bits: i32) -> Vec<i128> {
    (0..length).map(|_| (rng.random_range(-spread..spread) * 2f64.powi(bits)).round() as i128).collect()
}

fn compare<A: Element>(x: &[i128], bits: i32, what: &str) {
    let one = 1_i128 << bits;
    let row: Array1<A> = x.iter().map(|&x| A::rounded(x as f64 / one as f64)).collect();
    let (numerators, denominator) = projection(x, one);
    let y = Sparsemax::last_axis().infer(&row.into_dyn()).unwrap();
    for (i, (&y, &numerator)) in y.iter().zip(&numerators).enumerate() {
        let error = ulps(y, numerator, denominator);
        assert!(error <= 1.0, "{what}, element {i}: {y} is {error} ULP from {numerator}/{denominator}");
    }
}

#[test]
fn exact_rows() {
    let mut rng = StdRng::seed_from_u64(1);
    for length in (1..=70).chain([257, 1000, 4099]) {
        for spread in [0.01, 0.4, 1.0, 2.0] {
            compare::<f32>(&random_row(&mut rng, length, spread, 22), 22, &format!("f32, length {length}, spread {spread}"));
            compare::<f64>(&random_row(&mut rng, length, spread, 48), 48, &format!("f64, length {length}, spread {spread}"));
        }
        // Ties, and elements exactly on the border of the support.
        let coarse = random_row(&mut rng, length, 1.5, 2);
        compare::<f32>(&coarse, 2, &format!("f32, coarse, length {length}"));
        compare::<f64>(&coarse, 2, &format!("f64, coarse, length {length}"));
    }
}

#[test]
fn hard_rows() {
    let unit = 1_i128 << 50;
    // Each pass of Newton's method loses few elements only.
    let geometric: Vec<i128> = (0..50).map(|i| -unit + (unit >> i)).collect();
    compare::<f64>(&geometric, 50, "geometric");
    let harmonic: Vec<i128> = (1..3000).map(|i| -unit + unit / i).collect();
    compare::<f64>(&harmonic, 50, "harmonic");
    let logarithmic: Vec<i128> = (0..3000).map(|i| -((1.0 + f64::from(i)).log2() / 12.0 * unit as f64) as i128).collect();
    compare::<f64>(&logarithmic, 50, "logarithmic");
    let slow: Vec<i128> = (0..40).flat_map(|i| std::iter::repeat_n(-unit + (unit >> i), 1 << (i / 4))).collect();
    compare::<f64>(&slow, 50, "more and more elements nearer and nearer");
    // One element at exactly max - 1.
    compare::<f64>(&[0, -unit], 50, "border of two");
    compare::<f64>(&[0, -unit + 1], 50, "inside the border of two");
    compare::<f64>(&[0, -unit / 2, -3 * unit / 4], 50, "border of three");
    // The mean of three is not a binary fraction.
    compare::<f64>(&[0, -unit / 4, -unit / 4, -unit / 2, -unit / 2 - 1, -unit / 2 + 1], 50, "border of four");
}

/// The sum without rounding errors that matter.
fn exact_sum<A: Element>(y: &ArrayD<A>) -> f64 {
    let (mut sum, mut rest) = (0.0_f64, 0.0);
    for y in y {
        let y = y.widened();
        let next = sum + y;
        rest += if sum.abs() >= y.abs() { (sum - next) + y } else { (y - next) + sum };
        sum = next;
    }
    sum + rest
}

#[test]
fn long_rows_sum_to_one() {
    fn check<A: Element>(epsilon: f64) {
        let n = (1 << 20) + 5;
        // One element far above a million others, which share what it leaves.
        let mut x = ArrayD::from_elem(IxDyn(&[n]), A::rounded(-0.5));
        x[12345] = A::zero();
        let y = Sparsemax::last_axis().infer(&x).unwrap();
        let small = 0.5 / n as f64;
        assert!((exact_sum(&y) - 1.0).abs() <= 2.0 * epsilon, "{}", exact_sum(&y) - 1.0);
        assert!((y[0].widened() / small - 1.0).abs() <= 2.0 * epsilon, "{} {small}", y[0]);
        let mut rng = StdRng::seed_from_u64(2);
        let x = ArrayD::from_shape_fn(IxDyn(&[n]), |_| A::rounded(rng.random_range(-1e-3..1e-3)));
        let y = Sparsemax::last_axis().infer(&x).unwrap();
        assert!((exact_sum(&y) - 1.0).abs() <= 2.0 * epsilon, "{}", exact_sum(&y) - 1.0);
        assert!(y.iter().any(|&y| y == A::zero()));
        // All the same.
        let y = Sparsemax::last_axis().infer(&ArrayD::from_elem(IxDyn(&[n]), A::rounded(0.1))).unwrap();
        assert!(y.iter().all(|&y| y == A::rounded(1.0 / n as f64)));
    }
    check::<f32>(f64::from(f32::EPSILON));
    check::<f64>(f64::EPSILON);
}

fn sparse(x: &[f64]) -> Vec<f64> {
    Sparsemax::last_axis().infer(&Array1::from(x.to_vec()).into_dyn()).unwrap().into_iter().collect()
}

#[test]
fn closed_forms() {
    // Two elements: (1 + d) / 2 between 0 and 1 (the paper's figure 1, the hard sigmoid).
    for d in [-1.5, -1.0, -0.75, 0.0, 0.25, 0.5, 1.0, 3.0_f64] {
        let y = ((1.0 + d) / 2.0).clamp(0.0, 1.0);
        assert_eq!(sparse(&[d, 0.0]), [y, 1.0 - y]);
    }
    // Adding a constant changes nothing; in large numbers too.
    for shift in [0.0, 1.0, -3.0, 1e6, 2f64.powi(48)] {
        assert_eq!(sparse(&[shift + 0.5, shift, shift - 4.0]), [0.75, 0.25, 0.0]);
    }
    assert_eq!(sparse(&[1e300, 1e300, -1e300]), [0.5, 0.5, 0.0]);
    assert_eq!(sparse(&[f64::MAX, -f64::MAX]), [1.0, 0.0]);
    assert_eq!(sparse(&[-f64::MAX, -f64::MAX]), [0.5, 0.5]);
    assert_eq!(sparse(&[1e-300, 0.0]), [0.5, 0.5]);
    assert_eq!(sparse(&[-7.0]), [1.0]);
    // The simplex itself stays where it is.
    assert_eq!(sparse(&[0.5, 0.25, 0.125, 0.125, 0.0]), [0.5, 0.25, 0.125, 0.125, 0.0]);
    let single = Sparsemax::<f32>::last_axis().infer(&array![f32::MAX, f32::MIN, f32::MAX].into_dyn()).unwrap();
    assert_eq!(single, array![0.5, 0.0, 0.5].into_dyn());
}

#[test]
fn special_values() {
    const INF: f64 = f64::INFINITY;
    assert_eq!(sparse(&[-INF, 0.5, 0.0, -INF]), [0.0, 0.75, 0.25, 0.0]);
    assert_eq!(sparse(&[INF, 3.0, -INF]), [1.0, 0.0, 0.0]);
    assert_eq!(sparse(&[INF, 3.0, INF, INF, INF]), [0.25, 0.0, 0.25, 0.25, 0.25]);
    for row in [&[-INF][..], &[-INF, -INF], &[f64::NAN, 1.0], &[1.0, INF, f64::NAN], &[-INF, f64::NAN]] {
        assert!(sparse(row).iter().all(|y| y.is_nan()), "{row:?}");
    }
    // Only the row with the NaN; its gradient is NaN too.
    let mut layer = Sparsemax::last_axis();
    let y = layer.forward(&array![[1.0, f64::NAN], [1.0, 0.0]].into_dyn()).unwrap();
    assert!(y[[0, 0]].is_nan() && y[[0, 1]].is_nan() && y[[1, 0]] == 1.0 && y[[1, 1]] == 0.0);
    let g = layer.backward(&array![[1.0, 2.0], [3.0, 4.0]].into_dyn()).unwrap();
    assert!(g[[0, 0]].is_nan() && g[[0, 1]].is_nan() && g[[1, 0]] == 0.0 && g[[1, 1]] == 0.0);
    // The gradient off the support counts for nothing.
    layer.forward(&array![0.5, 0.0, -3.0, -INF].into_dyn()).unwrap();
    let g = layer.backward(&array![1.0, 3.0, f64::NAN, INF].into_dyn()).unwrap();
    assert_eq!(g, array![-1.0, 1.0, 0.0, 0.0].into_dyn());
    // +∞: the mass is shared, and so is the gradient.
    layer.forward(&array![INF, 0.0, INF].into_dyn()).unwrap();
    assert_eq!(layer.backward(&array![1.0, 9.0, 3.0].into_dyn()).unwrap(), array![-1.0, 0.0, 1.0].into_dyn());
}

#[test]
fn gradients() {
    let mut rng = StdRng::seed_from_u64(3);
    for length in [1, 2, 3, 5, 15, 16, 17, 33, 100, 1000] {
        let x = ArrayD::from_shape_fn(IxDyn(&[length]), |_| rng.random_range(-0.5..0.5));
        let g = ArrayD::from_shape_fn(IxDyn(&[length]), |_| rng.random_range(-1.0..3.0));
        let mut layer = Sparsemax::last_axis();
        let y = layer.forward(&x).unwrap();
        let found = layer.backward(&g).unwrap();
        assert_eq!(found, layer.backward(&g).unwrap());
        let support: Vec<f64> = g.iter().zip(&y).filter(|(_, y)| **y > 0.0).map(|(g, _)| *g).collect();
        let mean = exact_sum(&Array1::from(support.clone()).into_dyn()) / support.len() as f64;
        for i in 0..length {
            let wanted = if y[i] > 0.0 { g[i] - mean } else { 0.0 };
            assert!((found[i] - wanted).abs() <= 4.0 * f64::EPSILON * wanted.abs().max(mean.abs()), "{length} {i}: {} {wanted}", found[i]);
        }
        // Central differences; the border of the support is farther away than the step for these seeds.
        let step = 1e-7;
        for i in 0..length.min(20) {
            let along = |step: f64| {
                let mut moved = x.clone();
                moved[i] += step;
                (Sparsemax::last_axis().infer(&moved).unwrap() * &g).sum()
            };
            let difference = (along(step) - along(-step)) / (2.0 * step);
            assert!((difference - found[i]).abs() < 1e-6, "length {length}, element {i}: {} against {difference}", found[i]);
        }
        // f32 against f64.
        let mut single = Sparsemax::<f32>::last_axis();
        let (x32, g32) = (x.mapv(|x| x as f32), g.mapv(|x| x as f32));
        single.forward(&x32).unwrap();
        layer.forward(&x32.mapv(f64::from)).unwrap();
        let wanted = layer.backward(&g32.mapv(f64::from)).unwrap();
        for (found, wanted) in single.backward(&g32).unwrap().iter().zip(wanted) {
            assert_eq!(*found, wanted as f32);
        }
    }
}

fn data<A: Element>(shape: &[usize], seed: u64) -> ArrayD<A> {
    let mut rng = StdRng::seed_from_u64(seed);
    ArrayD::from_shape_fn(IxDyn(shape), |_| A::rounded(rng.random_range(-1.0..1.0)))
}

fn every_layout<A: Element>(make: impl Fn() -> Box<dyn Layer<A>>, shape: &[usize]) {
    let (x, g) = (data::<A>(shape, 4), data::<A>(shape, 5));
    let mut layer = make();
    let (y, grad) = (layer.forward(&x).unwrap(), layer.backward(&g).unwrap());
    for (layout, other) in LAYOUTS.into_iter().flat_map(|layout| LAYOUTS.map(|other| (layout, other))) {
        let what = format!("{}, {shape:?}, {layout:?} into {other:?}", layer.spec());
        let (mut x, g, mut out) = (Held::new(&x, layout), Held::new(&g, layout), Held::new(&x, other));
        layer.forward_into(x.view(), out.view_mut()).unwrap();
        assert_same(out.view(), y.view(), &what);
        layer.backward_into(g.view(), out.view_mut()).unwrap();
        assert_same(out.view(), grad.view(), &what);
        layer.infer_into(x.view(), out.view_mut()).unwrap();
        assert_same(out.view(), y.view(), &what);
        layer.forward_inplace(x.view_mut()).unwrap();
        assert_same(x.view(), y.view(), &what);
    }
}

fn identical<A: Element>(a: &[ArrayD<A>], b: &[ArrayD<A>]) -> bool {
    a.iter().flatten().zip(b.iter().flatten()).all(|(&a, &b)| same(a, b))
}

#[test]
fn layouts_and_axes() {
    for axis in 0..3 {
        every_layout::<f32>(|| Box::new(Sparsemax::new(Axis(axis))), &[7, 18, 33]);
        every_layout::<f64>(|| Box::new(Sparsemax::new(Axis(axis))), &[7, 18, 33]);
        every_layout::<f32>(|| Box::new(Hardmax::new(Axis(axis))), &[7, 18, 33]);
    }
    every_layout::<f64>(|| Box::new(Sparsemax::over(&[Axis(0), Axis(2)])), &[3, 5, 9]);
    every_layout::<f64>(|| Box::new(Hardmax::over(&[Axis(0), Axis(2)])), &[3, 5, 9]);
    // Over several axes is over the flattened row.
    let x = data::<f64>(&[3, 5, 9], 6);
    let y = Sparsemax::over(&[Axis(1), Axis(2)]).infer(&x).unwrap();
    let flat = Sparsemax::last_axis().infer(&x.into_shape_with_order(IxDyn(&[3, 45])).unwrap()).unwrap();
    assert_eq!(y.into_shape_with_order(IxDyn(&[3, 45])).unwrap(), flat);
}

#[test]
fn levels_and_threads() {
    fn both<A: Element>() {
        // Rows of every length modulo 16, and enough elements for several threads.
        for length in 1..70 {
            let (x, g) = (data::<A>(&[3, length], 7), data::<A>(&[3, length], 8));
            let mut results = Vec::new();
            testing::each_level(|_| {
                let mut layer = Sparsemax::last_axis();
                results.push([layer.forward(&x).unwrap(), layer.backward(&g).unwrap()]);
                results.push([layer.infer(&x).unwrap(), layer.backward(&g).unwrap()]);
            });
            assert!(results.windows(2).all(|pair| identical(&pair[0], &pair[1])), "length {length}");
        }
        let (x, g) = (data::<A>(&[512, 1030], 9), data::<A>(&[512, 1030], 10));
        for axis in 0..2 {
            let run = |threads| {
                on_threads(threads, || {
                    let mut layer = Sparsemax::new(Axis(axis));
                    [layer.forward(&x).unwrap(), layer.backward(&g).unwrap()]
                })
            };
            assert!(identical(&run(1), &run(4)));
        }
    }
    both::<f32>();
    both::<f64>();
}

#[test]
fn hardmax() {
    let mut layer = Hardmax::last_axis();
    let x = array![[1.0, 5.0, 5.0, -1.0], [-0.0, 0.0, -3.0, f64::NEG_INFINITY], [2.0, f64::INFINITY, 7.0, f64::INFINITY]].into_dyn();
    let y = layer.forward(&x).unwrap();
    assert_eq!(y, array![[0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]].into_dyn());
    let g = layer.backward(&array![[1.0, f64::NAN, f64::INFINITY, 2.0], [1.0; 4], [-1.0; 4]].into_dyn()).unwrap();
    assert!(g.iter().all(|g| g.to_bits() == 0));
    let y = layer.infer(&array![[f64::NEG_INFINITY, f64::NEG_INFINITY], [1.0, f64::NAN], [f64::NAN, f64::NEG_INFINITY]].into_dyn()).unwrap();
    assert_eq!((y[[0, 0]], y[[0, 1]]), (1.0, 0.0));
    assert!(y.iter().skip(2).all(|y| y.is_nan()));
    // The first maximum of every length, wherever it stands.
    for length in 1..70 {
        for place in 0..length {
            let x = Array1::from_shape_fn(length, |i| if i == place || i + 1 == length { 2.0_f32 } else { -1.0 }).into_dyn();
            let y = Hardmax::last_axis().infer(&x).unwrap();
            assert!(y.iter().enumerate().all(|(i, &y)| y == f32::from(u8::from(i == place))), "length {length}, place {place}");
        }
    }
}

#[test]
fn mistakes_and_borders() {
    let x: ArrayD<f64> = array![[0.5, 0.0], [1.0, 3.0]].into_dyn();
    let mut layer = Sparsemax::new(Axis(1));
    assert!(matches!(layer.backward(&x), Err(ActivationError::BackwardBeforeForward { .. })));
    layer.forward(&x).unwrap();
    let before = layer.backward(&x).unwrap();
    assert!(matches!(layer.backward(&array![1.0].into_dyn()), Err(ActivationError::ShapeMismatch { .. })));
    let mut out = array![9.0].into_dyn();
    assert!(layer.forward_into(x.view(), out.view_mut()).is_err());
    assert!(matches!(layer.forward(&array![1.0].into_dyn()), Err(ActivationError::AxisOutOfRange { axis: 1, ndim: 1, .. })));
    assert_eq!((out[0], layer.backward(&x).unwrap()), (9.0, before));
    for shape in [&[0, 3][..], &[3, 0], &[0]] {
        let empty = ArrayD::<f64>::zeros(IxDyn(shape));
        for mut layer in [Box::new(Sparsemax::last_axis()) as Box<dyn Layer<f64>>, Box::new(Hardmax::last_axis())] {
            assert_eq!(layer.forward(&empty).unwrap().shape(), shape);
            assert_eq!(layer.backward(&empty).unwrap().shape(), shape);
        }
    }
    assert_eq!(Sparsemax::<f64>::new(Axis(1)).spec(), "sparsemax(1)");
    assert_eq!(by_name::<f64>("hardmax(0, 2)").unwrap().spec(), "hardmax(0, 2)");
    assert_eq!(Hardmax::<f32>::default().to_string(), "hardmax");
}
