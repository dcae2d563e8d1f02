//! What the tutorials teach: identities, worked numbers, conventions.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, dead_code, reason = "a test")]

use approx::assert_relative_eq;
use ndarray::{Array1, ArrayD, array};
use ndarray_activations::*;

fn line() -> ArrayD<f64> {
    Array1::linspace(-30.0, 30.0, 2401).into_dyn()
}

/// As far as two results agree that may each be off by 2 units in the last place.
#[track_caller]
fn agree(a: &ArrayD<f64>, b: &ArrayD<f64>) {
    for (a, b) in a.iter().zip(b) {
        assert_relative_eq!(a, b, max_relative = 9e-16, epsilon = 1e-300);
    }
}

#[test]
fn identities() {
    let x = line();
    let infer = |layer: &dyn Layer<f64>, x: &ArrayD<f64>| layer.infer(x).unwrap();
    let minus = -&x;
    // sigmoid(x) = softmax([x, 0])[0]
    let pairs = ArrayD::from_shape_fn(vec![x.len(), 2], |i| if i[1] == 0 { x[[i[0]]] } else { 0.0 });
    let softmax = infer(&Softmax::last_axis(), &pairs);
    agree(&infer(&Sigmoid::new(), &x), &softmax.index_axis(ndarray::Axis(1), 0).to_owned());
    // tanh x = 2σ(2x) - 1, as far as the subtraction has digits.
    let sigmoid = infer(&Sigmoid::new(), &(&x * 2.0));
    for (tanh, s) in infer(&Tanh::new(), &x).iter().zip(&sigmoid) {
        assert_relative_eq!(*tanh, 2.0 * s - 1.0, epsilon = 4e-16);
    }
    assert_eq!(infer(&ELU::new(0.0), &x), infer(&ReLU::new(), &x));
    assert_eq!(infer(&LeakyReLU::new(0.0), &x), infer(&ReLU::new(), &x));
    assert_eq!(infer(&LeakyReLU::new(1.0), &x), infer(&Identity::new(), &x));
    assert_eq!(infer(&ReLU::new(), &infer(&ReLU::new(), &x)), infer(&ReLU::new(), &x));
    agree(&infer(&SELU::new(), &x), &(infer(&ELU::new(1.673_263_242_354_377_2), &x) * 1.050_700_987_355_480_5));
    agree(&infer(&SiLU::new(), &x), &infer(&Swish::new(1.0), &x));
    agree(&infer(&CELU::new(1.0), &x), &infer(&ELU::new(1.0), &x));
    for ((x, plus), minus) in x.iter().zip(&infer(&GELU::new(), &x)).zip(&infer(&GELU::new(), &minus)) {
        assert_relative_eq!(plus - minus, *x, max_relative = 4e-16, epsilon = 1e-300);
    }
    for ((x, plus), minus) in x.iter().zip(&infer(&Softplus::new(1.0), &x)).zip(&infer(&Softplus::new(1.0), &minus)) {
        assert_relative_eq!(plus - minus, *x, max_relative = 4e-16, epsilon = 4e-16);
    }
    agree(&functional::softplus_derivative(&x, 1.0), &infer(&Sigmoid::new(), &x));
    agree(&functional::sparse_plus_derivative(&x), &infer(&SparseSigmoid::new(), &x));
    agree(&infer(&LogSigmoid::new(), &x), &-infer(&Softplus::new(1.0), &minus));
}

/// Tutorial 003, whose numbers were rounded in half precision: three digits are right.
#[test]
fn worked_numbers_of_003() {
    let x = array![-2.0, -1.0, 0.0, 2.0, 3.0, 5.0];
    let check = |found: Array1<f64>, expected: [f64; 6]| {
        for (found, expected) in found.iter().zip(expected) {
            assert_relative_eq!(*found, expected, max_relative = 1e-3);
        }
    };
    check(x.relu(), [0.0, 0.0, 0.0, 2.0, 3.0, 5.0]);
    check(x.leaky_relu(0.2), [-0.4, -0.2, 0.0, 2.0, 3.0, 5.0]);
    check(x.gelu_tanh(), [-0.0454, -0.1589, 0.0, 1.955, 2.996, 5.0]);
    check(functional::tanh(&x), [-0.964, -0.7617, 0.0, 0.964, 0.995, 1.0]);
    check(x.sigmoid(), [0.1192, 0.2688, 0.5, 0.8804, 0.9526, 0.993]);
    check(x.softmax(ndarray::Axis(0)).unwrap(), [7.625e-4, 2.073e-3, 5.634e-3, 4.163e-2, 0.1132, 0.8364]);
}

/// Tutorial 004.
#[test]
fn worked_numbers_of_004() {
    let z = array![-20.0, -1.0, 0.0, 1.2];
    let check = |found: Array1<f64>, expected: [f64; 4]| {
        for (found, expected) in found.iter().zip(expected) {
            assert_relative_eq!(*found, expected, max_relative = 5e-8);
        }
    };
    check(z.sigmoid(), [2.061_153_6e-9, 0.268_941_42, 0.5, 0.768_524_78]);
    check(functional::tanh(&z), [-1.0, -0.761_594_16, 0.0, 0.833_654_61]);
    check(z.relu(), [0.0, 0.0, 0.0, 1.2]);
    check(z.leaky_relu(0.01), [-0.2, -0.01, 0.0, 1.2]);
    check(z.elu(1.0), [-1.0, -0.632_120_56, 0.0, 1.2]);
    check(z.selu(), [-1.758_099_3, -1.111_330_7, 0.0, 1.260_841_2]);
}

/// The minimum of the swish that tutorial 003 names.
#[test]
fn minimum_of_swish() {
    let x = array![-1.278_46_f64];
    assert_relative_eq!(x.silu()[0], -0.278_464_54, max_relative = 1e-8);
    assert!(functional::silu_derivative(&x)[0].abs() < 1e-5);
}
