//! Layers from closures.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test")]

mod common;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicUsize, Ordering},
};

use common::on_threads;
use ndarray::{ArrayD, IxDyn, array};
use ndarray_activations::{ActivationError, Closures, Cost, Custom, Element, Elementwise, Layer, Pointwise, Real, Result, testing};

fn ramp(shape: &[usize]) -> ArrayD<f64> {
    let n: usize = shape.iter().product();
    ArrayD::from_shape_vec(shape, (0..n).map(|i| ((i * 37 + 11) % 101) as f64 / 25.0 - 2.0).collect()).unwrap()
}

/// As gradcheck takes it.
fn train<L: Layer<f64> + ?Sized>(layer: &mut L, x: &ArrayD<f64>, g: &ArrayD<f64>) -> Result<(ArrayD<f64>, ArrayD<f64>)> {
    Ok((layer.forward(x)?, layer.backward(g)?))
}

#[test]
fn closures() {
    let (x, g) = (ramp(&[3, 40]), ramp(&[3, 40]) + 0.5);
    let mut square = Custom::new("square", |x: f64| x * x, |x: f64| 2.0 * x);
    let (y, gradient) = train(&mut square, &x, &g).unwrap();
    assert_eq!(y, x.mapv(|x| x * x));
    assert_eq!(gradient, &x * 2.0 * &g);
    assert_eq!(square.infer(&x).unwrap(), y);
    assert_eq!((square.name(), square.spec(), square.to_string()), ("square", "square".to_owned(), "square".to_owned()));
    assert!(square.kinks().is_empty());
    assert_eq!(square.with_kinks(vec![1.0, 2.0]).kinks(), [1.0, 2.0]);
}

#[test]
fn single_precision_boxes_and_function_pointers() {
    /// A user's own network: the closures' types have no names, a box or a pointer has.
    fn leaky<A: Element>(slope: A) -> Box<dyn Layer<A>> {
        let sloped = move |x: A, above: A| if x > A::zero() { above } else { slope };
        Box::new(Custom::new(String::from("leaky"), move |x: A| x * sloped(x, A::one()), move |x| sloped(x, A::one())))
    }
    let mut layer = leaky(0.5_f32);
    assert_eq!(layer.forward(&array![-2.0, 2.0].into_dyn()).unwrap(), array![-1.0, 2.0].into_dyn());
    assert_eq!(layer.backward(&array![3.0, 3.0].into_dyn()).unwrap(), array![1.5, 3.0].into_dyn());
    train(&mut *leaky(0.5_f64), &ramp(&[4]), &ramp(&[4])).unwrap();

    type Function = fn(f32) -> f32;
    struct Block {
        activation: Custom<Function, Function>,
    }
    let block = Block { activation: Custom::new("sine", f32::sin, f32::cos) };
    assert_eq!(block.activation.infer(&array![1.0].into_dyn()).unwrap()[0], 1.0_f32.sin());
}

#[test]
fn clone_and_debug() {
    let factor = 3.0;
    let mut triple = Custom::new("triple", move |x: f64| factor * x, move |_| factor);
    triple.forward(&ramp(&[5])).unwrap();
    let mut clone = triple.clone();
    assert_eq!(clone.backward(&ramp(&[5])).unwrap(), ramp(&[5]) * 3.0);
    let shown = format!("{triple:?}");
    assert!(shown.contains("\"triple\"") && shown.contains(".."), "{shown}");
    let formula: &Closures<_, _> = triple.formula();
    assert_eq!(format!("{formula:?}"), "Closures { name: \"triple\", kinks: [], .. }");
}

#[test]
fn a_panic_leaves_nothing_half_written() {
    for n in [10, 1 << 18] {
        // Panics at the last element, when the others are kept already: in the value, or in the derivative.
        for in_value in [true, false] {
            let bad = |x: f64| assert!(x != 99.0, "a panic of the user's own");
            let value = move |x: f64| {
                if in_value {
                    bad(x);
                }
                2.0 * x
            };
            let derivative = move |x: f64| {
                bad(x);
                2.0
            };
            let mut layer = Custom::new("own", value, derivative);
            let good = ArrayD::ones(IxDyn(&[n]));
            let mut x = good.clone();
            x[n - 1] = 99.0;
            let mut check = || {
                layer.forward(&good).unwrap();
                let panic = catch_unwind(AssertUnwindSafe(|| layer.forward(&x))).unwrap_err();
                assert_eq!(panic.downcast_ref::<&str>().unwrap(), &"a panic of the user's own");
                assert!(matches!(layer.backward(&good), Err(ActivationError::BackwardBeforeForward { layer }) if layer == "own"));
                // And the layer works on.
                assert_eq!(layer.forward(&good).unwrap(), &good * 2.0);
                assert_eq!(layer.backward(&good).unwrap(), &good * 2.0);
                // A panic in infer leaves what forward kept.
                if in_value {
                    assert!(catch_unwind(AssertUnwindSafe(|| layer.infer(&x))).is_err());
                }
                assert_eq!(layer.backward(&good).unwrap(), &good * 2.0);
            };
            on_threads(2, &mut check);
            // Outside of any pool.
            check();
        }
    }
}

#[test]
fn one_call_for_each_element() {
    let (values, derivatives) = (AtomicUsize::new(0), AtomicUsize::new(0));
    // Closures may borrow.
    let count = |counter: &AtomicUsize, x: f64| {
        counter.fetch_add(1, Ordering::Relaxed);
        x
    };
    let mut layer = Custom::new("counting", |x| count(&values, x), |x| count(&derivatives, x));
    layer.infer(&ramp(&[7, 3])).unwrap();
    assert_eq!((values.load(Ordering::Relaxed), derivatives.load(Ordering::Relaxed)), (21, 0));
    layer.forward(&ramp(&[7, 3]).reversed_axes()).unwrap();
    assert_eq!((values.load(Ordering::Relaxed), derivatives.load(Ordering::Relaxed)), (42, 21));
    layer.backward(&ramp(&[3, 7])).unwrap();
    assert_eq!((values.load(Ordering::Relaxed), derivatives.load(Ordering::Relaxed)), (42, 21));
}

#[test]
fn errors_change_nothing() {
    let x = ramp(&[3, 4]);
    let mut layer = Custom::new("own", |x: f64| x * x, |x: f64| 2.0 * x);
    assert!(matches!(layer.backward(&x), Err(ActivationError::BackwardBeforeForward { .. })));
    layer.forward(&x).unwrap();
    let mut wrong = ArrayD::from_elem(IxDyn(&[4, 3]), 9.0);
    let error = layer.forward_into(x.view(), wrong.view_mut()).unwrap_err();
    assert_eq!(error.to_string(), "own: the destination should have shape [3, 4], found [4, 3]");
    assert!(wrong.iter().all(|&v| v == 9.0));
    assert!(matches!(layer.backward(&wrong), Err(ActivationError::ShapeMismatch { .. })));
    assert_eq!(layer.backward(&x).unwrap(), &x * 2.0 * &x);
}

#[test]
fn no_elements_and_no_axes() {
    let mut layer = Custom::new("own", |x: f64| x + 1.0, |_| 1.0);
    for shape in [&[0][..], &[3, 0, 2]] {
        let empty = ArrayD::zeros(shape);
        assert_eq!(train(&mut layer, &empty, &empty).unwrap().1.shape(), shape);
        assert_eq!(layer.infer(&empty).unwrap().shape(), shape);
    }
    let one = ArrayD::ones(IxDyn(&[]));
    assert_eq!(train(&mut layer, &one, &one).unwrap(), (&one + 1.0, one));
}

/// x² + x, computed in one word or in wider numbers as it is told: an example of each cost, for each has loops of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Quadratic<const COST: u8> {
    wide: bool,
}

impl<const COST: u8> Pointwise for Quadratic<COST> {
    const COST: Cost = match COST {
        0 => Cost::Memory,
        1 => Cost::Arithmetic,
        _ => Cost::Transcendental,
    };
    fn name(&self) -> &'static str {
        "quadratic"
    }
    fn widens(&self) -> bool {
        self.wide
    }
    #[inline(always)]
    fn value<T: Real>(self, x: T) -> T {
        x * x + x
    }
    #[inline(always)]
    fn derivative<T: Real>(self, x: T) -> T {
        x * 2.0 + 1.0
    }
}

/// Whole numbers, of which all results are exact: wherever a loop or a thread ends, what it leaves undone or does twice shows.
fn every_form_is_exact<A: Element, const COST: u8>(wide: bool) {
    for length in [0, 1, 7, 8, 9, 31, 32, 33, 63, 64, 65, 1000, 4096 + 17, 300_000 + 41] {
        let number = |i: usize| A::rounded((i % 2039) as f64 - 1000.0);
        let x = ArrayD::from_shape_vec(IxDyn(&[length]), (0..length).map(number).collect()).unwrap();
        let (values, gradient) = (x.mapv(|x| x * x + x), x.mapv(|x| (x + x + A::one()) * x));
        let mut layer = Elementwise::of(Quadratic::<COST> { wide });
        assert_eq!(layer.infer(&x).unwrap(), values, "{length}");
        assert_eq!(layer.forward(&x).unwrap(), values, "{length}");
        assert_eq!(layer.backward(&x).unwrap(), gradient, "{length}");
        let mut y = ArrayD::zeros(x.raw_dim());
        layer.infer_into(x.view(), y.view_mut()).unwrap();
        assert_eq!(y, values, "{length}");
        let mut y = x.clone();
        layer.infer_inplace(y.view_mut()).unwrap();
        assert_eq!(y, values, "{length}");
        let mut y = x.clone();
        layer.forward_inplace(y.view_mut()).unwrap();
        assert_eq!(y, values, "{length}");
        let mut dx = x.clone();
        layer.backward_inplace(dx.view_mut()).unwrap();
        assert_eq!(dx, gradient, "{length}");
    }
}

#[test]
fn formulas_of_every_cost() {
    for threads in [1, 3] {
        on_threads(threads, || {
            testing::each_level(|_| {
                for wide in [false, true] {
                    every_form_is_exact::<f32, 0>(wide);
                    every_form_is_exact::<f32, 1>(wide);
                    every_form_is_exact::<f32, 2>(wide);
                    every_form_is_exact::<f64, 0>(wide);
                    every_form_is_exact::<f64, 1>(wide);
                    every_form_is_exact::<f64, 2>(wide);
                }
            });
        });
    }
}
