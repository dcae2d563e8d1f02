//! Gains against PyTorch's table, closed forms and mpmath; weights against the variances they promise.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test")]

use ndarray::{ArrayD, Axis, array};
use ndarray_activations::{
    ActivationError, ELU, GELU, Identity, Layer, LeakyReLU, PReLU, Param, ReLU, Result, SELU, Sigmoid, Softmax, Tanh, catalog, init::gain,
};

/// A function of one number under any name.
#[derive(Debug)]
struct Formula {
    name: &'static str,
    value: fn(f64) -> f64,
    kinks: Vec<f64>,
    alpha: Vec<Param<f64>>,
}

fn formula(value: fn(f64) -> f64, kinks: &[f64]) -> Formula {
    Formula { name: "formula", value, kinks: kinks.to_vec(), alpha: vec![] }
}

impl Layer<f64> for Formula {
    fn forward(&mut self, input: &ArrayD<f64>) -> Result<ArrayD<f64>> {
        self.infer(input)
    }
    fn backward(&mut self, _: &ArrayD<f64>) -> Result<ArrayD<f64>> {
        Err(ActivationError::BackwardBeforeForward { layer: self.name.into() })
    }
    fn infer(&self, input: &ArrayD<f64>) -> Result<ArrayD<f64>> {
        Ok(input.mapv(self.value))
    }
    fn name(&self) -> &str {
        self.name
    }
    fn kinks(&self) -> Vec<f64> {
        self.kinks.clone()
    }
    fn params(&self) -> Vec<&Param<f64>> {
        self.alpha.iter().collect()
    }
}

fn assert_close(found: f64, expected: f64, tolerance: f64) {
    assert!((found / expected - 1.0).abs() <= tolerance, "{found} is not {expected}");
}

#[test]
fn the_table() {
    macro_rules! table {
        ($element:ty) => {
            let layers: [(Box<dyn Layer<$element>>, f64); 8] = [
                (Box::new(Identity::new()), 1.0),
                (Box::new(Sigmoid::new()), 1.0),
                (Box::new(Tanh::new()), 5.0 / 3.0),
                (Box::new(ReLU::new()), 2_f64.sqrt()),
                (Box::new(LeakyReLU::new(0.01)), (2.0 / (1.0 + 0.01 * 0.01_f64)).sqrt()),
                (Box::new(LeakyReLU::new(0.2)), (2.0 / (1.0 + 0.2 * 0.2_f64)).sqrt()),
                (Box::new(LeakyReLU::new(-3.0)), (2.0 / 10_f64).sqrt()),
                (Box::new(SELU::new()), 1.0),
            ];
            for (layer, expected) in layers {
                assert_close(gain(&*layer), expected, 1e-15);
                assert_eq!(gain(&layer), gain(&*layer));
            }
            // No number where there is none.
            assert_eq!(gain(&LeakyReLU::<$element>::new(f64::NAN)), 1.0);
            assert_eq!(gain(&LeakyReLU::<$element>::new(f64::INFINITY)), 1.0);
        };
    }
    table!(f32);
    table!(f64);
}

#[test]
fn the_others_by_quadrature() {
    // From tools/init_reference.py.
    let expected = [
        (gain(&GELU::<f64>::new()), gain(&GELU::<f32>::new()), 1.5335304411955353),
        (gain(&GELU::<f64>::tanh()), gain(&GELU::<f32>::tanh()), 1.533580521666147),
        (gain(&GELU::<f64>::sigmoid()), gain(&GELU::<f32>::sigmoid()), 1.5394587622988314),
        (gain(&ELU::<f64>::new(1.0)), gain(&ELU::<f32>::new(1.0)), 1.2451983007007066),
        (gain(&ELU::<f64>::new(0.7)), gain(&ELU::<f32>::new(0.7)), 1.3233450660909112),
    ];
    for (double, single, expected) in expected {
        assert_close(double, expected, 1e-12);
        assert_close(single, expected, 1e-7);
    }
    assert_close(gain(&formula(|x| x / (1.0 + (-x).exp()), &[])), 1.676532470331091, 1e-12);
    assert_close(gain(&formula(|x| x / (1.0 + (-100.0 * x).exp()), &[])), 1.4142154172047418, 1e-10);
    assert_close(gain(&formula(|x| x.clamp(-1.0, 1.0), &[-1.0, 1.0])), 1.3920361404483097, 1e-12);
    // A jump, at a place that is not on the grid; declared and not.
    let shrink = |x: f64| if x.abs() > 0.3 { x } else { 0.0 };
    assert_close(gain(&formula(shrink, &[0.3, -0.3])), 1.0035135082942817, 1e-12);
    assert_close(gain(&formula(shrink, &[])), 1.0035135082942817, 1e-3);
    assert_close(gain(&formula(|x| x.abs().max(0.3), &[])), gain(&formula(|x| x.abs().max(0.3), &[0.3, -0.3])), 1e-5);
    // E[1] = 1, E[z²] = 1, E[z⁴; z > 0] = 3/2, E[e^(2z)] = e².
    assert_close(gain(&formula(|_| 1.0, &[])), 1.0, 1e-13);
    assert_close(gain(&formula(|x| x, &[f64::NAN, f64::INFINITY, 0.01])), 1.0, 1e-13);
    assert_close(gain(&formula(|x| x.max(0.0).powi(2), &[0.0])), 1.5_f64.sqrt().recip(), 1e-13);
    assert_close(gain(&formula(f64::exp, &[])), (-1.0_f64).exp(), 1e-12);
}

#[test]
fn every_activation_has_one() {
    for entry in catalog() {
        let (double, single) = (gain(&entry.layer::<f64>()), gain(&entry.layer::<f32>()));
        assert!(double.is_finite() && double > 0.0 && (single / double - 1.0).abs() < 1e-7, "{}: {double} {single}", entry.name());
    }
}

#[test]
fn no_gain_is_one() {
    assert_eq!(gain(&formula(|_| 0.0, &[])), 1.0);
    assert_eq!(gain(&formula(|_| f64::NAN, &[])), 1.0);
    assert_eq!(gain(&formula(|x| x * f64::INFINITY, &[])), 1.0);

    /// Mixes elements, changes the shape, or fails.
    #[derive(Debug)]
    struct Whole(&'static str);
    impl Layer<f32> for Whole {
        fn forward(&mut self, input: &ArrayD<f32>) -> Result<ArrayD<f32>> {
            self.infer(input)
        }
        fn backward(&mut self, grad_output: &ArrayD<f32>) -> Result<ArrayD<f32>> {
            Ok(grad_output.clone())
        }
        fn infer(&self, input: &ArrayD<f32>) -> Result<ArrayD<f32>> {
            let sign = if self.0 == "softmin" { -1.0 } else { 1.0 };
            let exp = input.mapv(|x| (sign * x).exp());
            match self.0 {
                "softmax" | "softmin" => Ok(&exp / exp.sum()),
                "log_softmax" => Ok(input - exp.sum().ln()),
                "glu" => Ok(input.slice_axis(Axis(0), (0..input.len() as isize / 2).into()).to_owned()),
                _ => Err(ActivationError::AxisOutOfRange { layer: self.0.into(), axis: 1, ndim: 1 }),
            }
        }
        fn name(&self) -> &str {
            self.0
        }
    }
    assert_eq!((gain(&Softmax::<f32>::new(Axis(1))), gain(&Softmax::<f64>::last_axis())), (1.0, 1.0));
    for name in ["softmax", "softmin", "log_softmax", "glu", "failing"] {
        assert_eq!(gain(&Whole(name)), 1.0, "{name}");
    }
}

#[test]
fn prelu_by_its_alpha() {
    let prelu = |alpha: ArrayD<f64>| Formula { name: "prelu", alpha: vec![Param::new("alpha", alpha)], ..formula(|x| x, &[0.0]) };
    assert_close(gain(&prelu(ArrayD::from_elem([].as_slice(), 0.25))), (2.0 / 1.0625_f64).sqrt(), 1e-15);
    assert_close(gain(&prelu(array![0.0, 0.5, -1.0].into_dyn())), (2.0 / (1.0 + 1.25 / 3.0_f64)).sqrt(), 1e-15);
    assert_eq!(gain(&prelu(ArrayD::zeros([0].as_slice()))), 1.0);
    // Channels along axis 1, which an array of one axis has not.
    assert_close(gain(&PReLU::<f32>::per_channel(3, 0.25)), (2.0 / 1.0625_f64).sqrt(), 1e-15);
}

#[cfg(feature = "rand")]
mod weights {
    use ndarray::{Array0, Array1, Array2, Array3, Array4, ArrayD, IxDyn, ShapeBuilder};
    use ndarray_activations::{
        Element,
        init::{self, Fan},
    };

    /// Mean 0, the variance, and the excess: within five standard errors of a sample of this size.
    fn assert_moments<A: Element>(what: &str, weights: &ArrayD<A>, variance: f64, uniform: bool) {
        let numbers: Vec<f64> = weights.iter().map(|w| w.widened()).collect();
        let count = numbers.len() as f64;
        let mean = numbers.iter().sum::<f64>() / count;
        let moment = |power: i32| numbers.iter().map(|x| (x * x / variance).powi(power)).sum::<f64>() / count;
        assert!(mean.abs() < 5.0 * (variance / count).sqrt(), "{what}: mean {mean}");
        // E[z⁴] and E[z⁸] of the standard distributions; if uniform, E[z²ᵏ] = 3ᵏ / (2k + 1).
        let (fourth, eighth) = if uniform { (9.0 / 5.0, 9.0) } else { (3.0, 105.0) };
        assert!((moment(1) - 1.0).abs() < 5.0 * ((fourth - 1.0) / count).sqrt(), "{what}: variance off by the factor {}", moment(1));
        assert!((moment(2) - fourth).abs() < 5.0 * ((eighth - fourth * fourth) / count).sqrt(), "{what}: kurtosis {}", moment(2));
        let greatest = numbers.iter().fold(0.0, |a: f64, b| a.max(b.abs())) / variance.sqrt();
        if uniform {
            // 40,000 numbers leave a gap of 1/500 at the end with a probability of e⁻⁸⁰.
            assert!((1.0 - 2e-3..=1.0 + 1e-7).contains(&(greatest / 3_f64.sqrt())), "{what}: greatest {greatest}");
        } else {
            assert!((3.5..6.5).contains(&greatest), "{what}: greatest {greatest}");
        }
    }

    fn named<A: Element>() {
        let (inputs, outputs) = (400, 100);
        let shape = IxDyn(&[inputs, outputs]);
        for (name, weights, variance, uniform) in [
            ("he_normal", init::he_normal::<A, _>(shape.clone(), 1), 2.0 / 400.0, false),
            ("he_uniform", init::he_uniform(shape.clone(), 2), 2.0 / 400.0, true),
            ("glorot_normal", init::glorot_normal(shape.clone(), 3), 2.0 / 500.0, false),
            ("glorot_uniform", init::glorot_uniform(shape.clone(), 4), 2.0 / 500.0, true),
            ("lecun_normal", init::lecun_normal(shape.clone(), 5), 1.0 / 400.0, false),
            ("lecun_uniform", init::lecun_uniform(shape.clone(), 6), 1.0 / 400.0, true),
            ("normal", init::normal(shape.clone(), 3.0, Fan::Out, 7), 9.0 / 100.0, false),
            ("uniform", init::uniform(shape.clone(), 0.5, Fan::Average, 8), 0.25 / 250.0, true),
        ] {
            assert_moments(name, &weights, variance, uniform);
        }
    }

    #[test]
    fn moments() {
        named::<f32>();
        named::<f64>();
    }

    #[test]
    fn fans_of_other_shapes() {
        // 3 × 5 × 20 × 40 and so on: the field multiplies both fans.
        let kernel: Array4<f64> = init::he_normal((3, 5, 20, 40), 1);
        assert_moments("kernel, in", &kernel.into_dyn(), 2.0 / 300.0, false);
        let kernel: Array4<f64> = init::normal((3, 5, 20, 40), 1.0, Fan::Out, 1);
        assert_moments("kernel, out", &kernel.into_dyn(), 1.0 / 600.0, false);
        let kernel: Array3<f64> = init::glorot_uniform((10, 20, 200), 1);
        assert_moments("kernel, both", &kernel.into_dyn(), 2.0 / 2200.0, true);
        let vector: Array1<f64> = init::glorot_normal(40_000, 1);
        assert_moments("vector", &vector.into_dyn(), 1.0 / 40_000.0, false);
        // One number, which has nothing to divide by: equal to that of another seed only by a miracle.
        let (one, other): (Array0<f64>, Array0<f64>) = (init::lecun_normal((), 1), init::lecun_normal((), 2));
        assert!(one != other && one.sum().abs() < 6.0);
        assert_eq!(init::normal::<f64, _>((), 2.0, Fan::Average, 1), one * 2.0);
    }

    #[test]
    fn the_generator_is_the_published_one() {
        // ChaCha8 keyed by rand's seed_from_u64(1), 53 bits a number; from tools/init_reference.py.
        let numbers = [0.40248566366484806, 0.08038370892978197, 0.5965601809348549, 0.2193245804838001, 0.28369059130373764, 0.7106102236811087];
        let weights: Array2<f64> = init::uniform((2, 3), 1.0, Fan::Out, 1);
        for (weight, number) in weights.iter().zip(numbers) {
            // Variance 1/3, so between ±1.
            assert!((weight - (2.0 * number - 1.0)).abs() < 1e-15, "{weight} {number}");
        }
    }

    #[test]
    fn the_same_seed_the_same_weights() {
        let weights: Array2<f64> = init::he_normal((17, 9), 42);
        assert_eq!(weights, init::he_normal((17, 9), 42));
        assert_ne!(weights, init::he_normal::<f64, _>((17, 9), 43));
        // Whatever the memory order and the element type.
        let columns: Array2<f64> = init::he_normal((17, 9).f(), 42);
        assert!(!columns.is_standard_layout());
        assert_eq!(weights, columns);
        assert_eq!(weights.mapv(|w| w as f32), init::he_normal::<f32, _>((17, 9), 42));
        // All the ways to write a shape, and all the names.
        assert_eq!(weights.clone().into_dyn(), init::kaiming_normal::<f64, _>(vec![17, 9], 42));
        assert_eq!(weights, init::normal([17, 9], 2_f64.sqrt(), Fan::In, 42));
        assert_eq!(init::he_uniform::<f32, _>((3, 4), 1), init::kaiming_uniform((3, 4), 1));
        assert_eq!(init::glorot_normal::<f32, _>((3, 4), 1), init::xavier_normal((3, 4), 1));
        assert_eq!(init::glorot_uniform::<f32, _>((3, 4), 1), init::xavier_uniform((3, 4), 1));
    }

    #[test]
    fn nothing_to_draw() {
        for shape in [&[0][..], &[0, 5], &[5, 0], &[0, 0, 3, 4], &[3, 3, 0, 4]] {
            for weights in [init::he_normal::<f32, _>(shape, 1), init::glorot_uniform(shape, 1), init::lecun_uniform(shape, 1)] {
                assert_eq!((weights.len(), weights.shape()), (0, shape));
            }
        }
        assert!(init::normal::<f64, _>((2, 2), f64::NAN, Fan::In, 1).iter().all(|w| w.is_nan()));
        assert!(init::uniform::<f64, _>((2, 2), 0.0, Fan::In, 1).iter().all(|&w| w == 0.0));
    }
}
