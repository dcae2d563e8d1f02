//! The gradient checker: right layers pass, and every kind of wrong one is found and told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test")]

use ndarray::{Array1, Array2, ArrayD, Axis, IxDyn, array};
use ndarray_activations::{
    ActivationError, ELU, GELU, Identity, Layer, LeakyReLU, PReLU, Param, ReLU, Result, SELU, Sigmoid, Softmax, Tanh,
    gradcheck::{Gradcheck, Source, gradcheck},
};

/// x · w + b, with a factor on each gradient: 1 where it is right.
#[derive(Clone, Debug)]
struct Dense {
    weight: Param<f64>,
    bias: Param<f64>,
    input: Option<Array2<f64>>,
    weight_factor: f64,
    fails: bool,
}

impl Dense {
    fn new() -> Self {
        let mut weight = Param::new("weight", array![[0.3, -1.2], [2.0, 0.7], [-0.4, 0.1]].into_dyn());
        let mut bias = Param::new("bias", array![0.5, -0.25].into_dyn());
        // What an earlier step left behind.
        weight.grad.fill(7.0);
        bias.grad.fill(f64::NAN);
        Self { weight, bias, input: None, weight_factor: 1.0, fails: false }
    }
    fn assert_untouched(&self) {
        let fresh = Self::new();
        assert_eq!((&self.weight, &self.bias.value), (&fresh.weight, &fresh.bias.value));
        assert!(self.bias.grad.iter().all(|g| g.is_nan()));
    }
}

impl Layer<f64> for Dense {
    fn forward(&mut self, input: &ArrayD<f64>) -> Result<ArrayD<f64>> {
        self.input = Some(input.clone().into_dimensionality()?);
        self.infer(input)
    }
    fn backward(&mut self, grad_output: &ArrayD<f64>) -> Result<ArrayD<f64>> {
        if self.fails {
            return Err(ActivationError::Other { layer: "dense".into(), message: "broken".into() });
        }
        let input = self.input.as_ref().unwrap();
        let gradient: Array2<f64> = grad_output.clone().into_dimensionality()?;
        let weight: Array2<f64> = self.weight.value.clone().into_dimensionality()?;
        self.weight.grad += &(input.t().dot(&gradient) * self.weight_factor);
        self.bias.grad += &gradient.sum_axis(Axis(0));
        Ok(gradient.dot(&weight.t()).into_dyn())
    }
    fn infer(&self, input: &ArrayD<f64>) -> Result<ArrayD<f64>> {
        let (input, weight): (Array2<f64>, Array2<f64>) = (input.clone().into_dimensionality()?, self.weight.value.clone().into_dimensionality()?);
        Ok(input.dot(&weight).into_dyn() + &self.bias.value)
    }
    fn name(&self) -> &str {
        "dense"
    }
    fn params(&self) -> Vec<&Param<f64>> {
        vec![&self.weight, &self.bias]
    }
    fn params_mut(&mut self) -> Vec<&mut Param<f64>> {
        vec![&mut self.weight, &mut self.bias]
    }
}

/// A function of one number with its derivative, which may be wrong: everywhere, or in one element by the number added there.
#[derive(Clone, Debug)]
struct Formula {
    value: fn(f64) -> f64,
    derivative: fn(f64) -> f64,
    spoil: Option<(usize, f64)>,
    noise: f64,
    kinks: Vec<f64>,
    input: ArrayD<f64>,
}

fn formula(value: fn(f64) -> f64, derivative: fn(f64) -> f64) -> Formula {
    Formula { value, derivative, spoil: None, noise: 0.0, kinks: vec![], input: ArrayD::zeros(IxDyn(&[0])) }
}

impl Layer<f64> for Formula {
    fn forward(&mut self, input: &ArrayD<f64>) -> Result<ArrayD<f64>> {
        self.input.clone_from(input);
        Ok(self.infer(input)? + self.noise)
    }
    fn backward(&mut self, grad_output: &ArrayD<f64>) -> Result<ArrayD<f64>> {
        let mut slopes = self.input.mapv(self.derivative);
        if let Some((place, error)) = self.spoil {
            *slopes.iter_mut().nth(place).unwrap() += error;
        }
        Ok(slopes * grad_output)
    }
    fn infer(&self, input: &ArrayD<f64>) -> Result<ArrayD<f64>> {
        Ok(input.mapv(self.value))
    }
    fn name(&self) -> &str {
        "formula"
    }
    fn kinks(&self) -> Vec<f64> {
        self.kinks.clone()
    }
}

fn cube() -> Formula {
    formula(|x| x * x * x, |x| 3.0 * x * x)
}

fn kinked() -> Formula {
    Formula { kinks: vec![0.0], ..formula(|x| x.max(0.0), |x| if x > 0.0 { 1.0 } else { 0.0 }) }
}

fn grid() -> ArrayD<f64> {
    array![[-2.0, -0.5, 0.1], [0.5, 1.0, 3.0]].into_dyn()
}

#[test]
fn right_layers_pass() {
    let report = gradcheck(&mut cube(), &grid()).unwrap();
    assert!(report.passed(), "{report}");
    assert_eq!((report.compared(), report.skipped(), report.failed()), (6, 0, 0));
    assert!(report.to_string().starts_with("gradcheck of formula: passed, 6 numbers compared; worst: input at ["), "{report}");

    let mut dense = Dense::new();
    let report = gradcheck(&mut dense, &array![[1.0, -2.0, 0.5], [0.3, 0.0, -1.0]].into_dyn()).unwrap();
    assert!(report.passed(), "{report}");
    assert_eq!(report.compared(), 6 + 6 + 2);
    dense.assert_untouched();
}

#[test]
fn the_layers_of_this_crate_pass() {
    let layers: Vec<Box<dyn Layer<f64>>> = vec![
        Box::new(Identity::new()),
        Box::new(ReLU::new()),
        Box::new(LeakyReLU::new(0.2)),
        Box::new(ELU::new(0.7)),
        Box::new(SELU::new()),
        Box::new(GELU::new()),
        Box::new(GELU::tanh()),
        Box::new(GELU::sigmoid()),
        Box::new(Sigmoid::new()),
        Box::new(Tanh::new()),
    ];
    // Across 0, and not at it.
    let x = Array1::from_iter((-40..40).map(|k| (f64::from(k) + 0.5) / 8.0)).into_shape_with_order((8, 10)).unwrap().into_dyn();
    for mut layer in layers {
        // Boxed, and behind the trait object itself.
        for report in [gradcheck(&mut layer, &x).unwrap(), gradcheck(&mut *layer, &x).unwrap()] {
            assert!(report.passed() && report.compared() == 80 && report.worst().unwrap().kink().is_none(), "{report}");
        }
        // At 0 where it is smooth there; the others are skipped.
        let at_zero = Gradcheck::default().skip_kinks(true).check(&mut layer, &ArrayD::zeros(IxDyn(&[3]))).unwrap();
        assert!(at_zero.passed() && at_zero.compared() + at_zero.skipped() == 3, "{at_zero}");
        assert_eq!(at_zero.skipped() == 3, layer.kinks().contains(&0.0), "{at_zero}");
    }
}

#[test]
fn layers_with_parameters_or_axes_pass() {
    let x = array![[-2.0, -0.5, 0.1], [0.5, -1.0, 3.0]].into_dyn();
    let mut prelu = PReLU::per_channel(3, 0.25);
    let before = prelu.params()[0].clone();
    let report = gradcheck(&mut prelu, &x).unwrap();
    assert!(report.passed() && report.compared() == 6 + 3, "{report}");
    assert_eq!(prelu.params()[0], &before);
    for axis in [Axis(0), Axis(1)] {
        let report = gradcheck(&mut Softmax::new(axis), &x).unwrap();
        assert!(report.passed() && report.compared() == 6, "{report}");
    }
}

#[test]
fn a_wrong_derivative_fails() {
    let mut wrong = formula(|x| x * x * x, |x| 2.0 * x * x);
    let report = gradcheck(&mut wrong, &grid()).unwrap();
    assert!(!report.passed());
    assert_eq!(report.failed(), 6);
    let text = report.to_string();
    assert!(text.starts_with("gradcheck of formula: FAILED, 6 of 6 numbers differ; worst: input at ["), "{text}");

    // Relatively a little more, and a little less, than the tolerance.
    let off = |factor: fn(f64) -> f64| gradcheck(&mut formula(|x| x, factor), &grid()).unwrap().passed();
    assert!(!off(|_| 1.0012) && !off(|_| 0.9988) && off(|_| 1.0009) && off(|_| 0.9991) && !off(|_| -1.0) && !off(|_| 0.0));
}

#[test]
fn one_wrong_element_is_named() {
    for place in 0..6 {
        for error in [0.05, -0.05, f64::NAN, f64::INFINITY] {
            let report = gradcheck(&mut Formula { spoil: Some((place, error)), ..cube() }, &grid()).unwrap();
            assert_eq!((report.failed(), report.compared()), (1, 6), "{report}");
            let worst = report.worst().unwrap();
            assert_eq!((worst.source(), worst.index()), (&Source::Input, &[place / 3, place % 3][..]));
            let x = grid().iter().copied().nth(place).unwrap();
            // Both numbers are the slope times the gradient of the output, which is 1 to 2 in size.
            let factor = worst.numeric() / (3.0 * x * x);
            assert!((1.0 - 1e-6..2.0 + 1e-6).contains(&factor.abs()), "{report}");
            assert!((worst.tolerance() - (1e-5 + 1e-3 * worst.numeric().abs())).abs() < 1e-12);
            if error.is_finite() {
                assert!((worst.analytic() - factor * (3.0 * x * x + error)).abs() < 1e-6, "{report}");
            }
            assert!(report.to_string().contains(&format!("input at [{}, {}]: analytic {:e}", place / 3, place % 3, worst.analytic())), "{report}");
        }
    }
}

#[test]
fn a_wrong_parameter_gradient_fails() {
    let mut dense = Dense { weight_factor: 1.01, ..Dense::new() };
    let report = gradcheck(&mut dense, &array![[1.0, -2.0, 0.5]].into_dyn()).unwrap();
    assert_eq!((report.passed(), report.failed(), report.compared()), (false, 6, 3 + 6 + 2));
    let worst = report.worst().unwrap();
    assert_eq!(worst.source(), &Source::Param { position: 0, name: "weight".into() });
    assert_eq!(worst.index().len(), 2);
    assert!(report.to_string().contains("worst: parameter 0 (weight) at ["), "{report}");
    dense.assert_untouched();
}

#[test]
fn a_gradient_that_sums_wrongly_fails() {
    /// Each output is the sum of all inputs; the gradient goes back to where it came from only.
    #[derive(Debug)]
    struct Sum;
    impl Layer<f64> for Sum {
        fn forward(&mut self, input: &ArrayD<f64>) -> Result<ArrayD<f64>> {
            self.infer(input)
        }
        fn backward(&mut self, grad_output: &ArrayD<f64>) -> Result<ArrayD<f64>> {
            Ok(grad_output.clone())
        }
        fn infer(&self, input: &ArrayD<f64>) -> Result<ArrayD<f64>> {
            Ok(ArrayD::from_elem(input.raw_dim(), input.sum()))
        }
        fn name(&self) -> &str {
            "sum"
        }
    }
    assert_eq!(gradcheck(&mut Sum, &grid()).unwrap().failed(), 6);
}

#[test]
fn kinks_are_told_or_skipped() {
    let x = array![-1.0, 0.0, 1.0, 5e-7, -5e-7, 2e-6].into_dyn();
    let report = gradcheck(&mut kinked(), &x).unwrap();
    // At 0 the numeric slope is 1/2; at ±5e-7 it is 3/4 and 1/4.
    assert_eq!((report.failed(), report.compared(), report.skipped()), (3, 6, 0));
    assert_eq!(report.worst().unwrap().kink(), Some(0.0));
    assert!(report.to_string().contains("within a step of the kink at 0: one-sided derivatives explain a difference"), "{report}");
    let report = Gradcheck::default().skip_kinks(true).check(&mut kinked(), &x).unwrap();
    assert!(report.passed(), "{report}");
    assert_eq!((report.compared(), report.skipped()), (3, 3));
    assert!(report.to_string().contains("3 numbers compared, 3 near kinks left out"), "{report}");
    // A smaller step sees past the kink.
    assert_eq!(Gradcheck::default().step(1e-8).check(&mut kinked(), &x).unwrap().failed(), 1);

    // Kinks are places of the input, not of the parameters.
    #[derive(Debug)]
    struct Kinked(Dense);
    impl Layer<f64> for Kinked {
        fn forward(&mut self, input: &ArrayD<f64>) -> Result<ArrayD<f64>> {
            self.0.forward(input)
        }
        fn backward(&mut self, grad_output: &ArrayD<f64>) -> Result<ArrayD<f64>> {
            self.0.backward(grad_output)
        }
        fn infer(&self, input: &ArrayD<f64>) -> Result<ArrayD<f64>> {
            self.0.infer(input)
        }
        fn name(&self) -> &str {
            "kinked"
        }
        fn params(&self) -> Vec<&Param<f64>> {
            self.0.params()
        }
        fn params_mut(&mut self) -> Vec<&mut Param<f64>> {
            self.0.params_mut()
        }
        fn kinks(&self) -> Vec<f64> {
            vec![0.3, 0.5]
        }
    }
    let report = Gradcheck::default().skip_kinks(true).check(&mut Kinked(Dense::new()), &array![[1.0, 2.0, 3.0]].into_dyn()).unwrap();
    assert_eq!((report.compared(), report.skipped()), (3 + 6 + 2, 0));
}

#[test]
fn nan_on_one_side_is_a_failure() {
    // The square root below 0 is NaN on both sides.
    let x = array![-1.0, 4.0, 9.0].into_dyn();
    let mut root = formula(f64::sqrt, |x| 0.5 / x.sqrt());
    let report = gradcheck(&mut root, &x).unwrap();
    assert_eq!(report.failed(), 1, "numeric 0 (nothing changed), analytic NaN: {report}");
    assert!(report.worst().unwrap().analytic().is_nan());
    // A NaN input: NaN on both sides is agreement, and the other elements are not touched by it.
    let x = array![1.0, f64::NAN, 2.0].into_dyn();
    let report = gradcheck(&mut cube(), &x).unwrap();
    assert!(report.passed() && report.compared() == 3, "{report}");
    let mut flat = formula(|x| x, |_| 1.0);
    let report = gradcheck(&mut flat, &x).unwrap();
    assert_eq!((report.failed(), report.worst().unwrap().index()), (1, &[1][..]));
    // No difference at infinity.
    assert_eq!(gradcheck(&mut flat, &array![f64::INFINITY, f64::NEG_INFINITY, 0.0].into_dyn()).unwrap().failed(), 2);
    // An output that is NaN on one side of the input only.
    let mut root = formula(f64::sqrt, |_| 1e3);
    assert!(!gradcheck(&mut root, &array![0.0].into_dyn()).unwrap().passed());
}

#[test]
fn any_shape_and_layout() {
    for shape in [&[0][..], &[3, 0], &[]] {
        let x = ArrayD::from_elem(IxDyn(shape), 0.5);
        let report = gradcheck(&mut cube(), &x).unwrap();
        assert!(report.passed() && report.compared() == x.len() && report.worst().is_none() == x.is_empty(), "{report}");
    }
    let report = gradcheck(&mut Formula { spoil: Some((0, 1.0)), ..cube() }, &ArrayD::from_elem(IxDyn(&[]), 0.5)).unwrap();
    assert!(!report.passed() && report.worst().unwrap().index().is_empty(), "{report}");
    // Column-major: the index is still the one of the element.
    let mut x = ArrayD::zeros(ndarray::ShapeBuilder::f(IxDyn(&[2, 3])));
    x.assign(&grid());
    let report = gradcheck(&mut Formula { spoil: Some((1, 1.0)), ..cube() }, &x).unwrap();
    assert_eq!((report.failed(), report.worst().unwrap().index()), (1, &[0, 1][..]));
}

#[test]
fn large_inputs_take_a_larger_step() {
    // 1e-6 is lost beside 1e12: the difference would be 0 or nonsense.
    for x in [1e4, 1e8, -1e12, 1e100] {
        let report = gradcheck(&mut formula(|x| x * x, |x| 2.0 * x), &array![x].into_dyn()).unwrap();
        assert!(report.passed(), "{report}");
        assert!(!gradcheck(&mut formula(|x| x * x, |x| 2.01 * x), &array![x].into_dyn()).unwrap().passed());
    }
}

#[test]
fn each_number_is_put_back() {
    // x · w + b is linear in each number, so that differences are exact with any step, if the others are where they belong.
    let exact = Gradcheck::default().step(0.5).atol(1e-12).rtol(1e-12);
    let report = exact.check(&mut Dense::new(), &array![[1.0, -2.0, 0.5], [0.3, 0.0, -1.0]].into_dyn()).unwrap();
    assert!(report.passed(), "{report}");
}

#[test]
fn gradients_of_both_signs_go_back() {
    // Of 40 elements, each made the worst in turn, between a quarter and three quarters have a positive gradient.
    let x = ArrayD::ones(IxDyn(&[40]));
    let gradient = |place| {
        let report = gradcheck(&mut Formula { spoil: Some((place, 1.0)), ..formula(|x| x, |_| 1.0) }, &x).unwrap();
        report.worst().unwrap().numeric()
    };
    let positive = (0..40).filter(|&place| gradient(place) > 0.0).count();
    assert!((10..=30).contains(&positive), "{positive}");
}

#[test]
fn tolerances_and_step_count() {
    let off = || formula(|x| x, |_| 1.05);
    assert!(!gradcheck(&mut off(), &grid()).unwrap().passed());
    assert!(Gradcheck::default().rtol(0.06).check(&mut off(), &grid()).unwrap().passed());
    assert!(Gradcheck::default().atol(0.11).rtol(0.0).check(&mut off(), &grid()).unwrap().passed());
    // The central difference of x³ is 3x² + h².
    let coarse = |atol| Gradcheck::default().step(0.1).atol(atol).rtol(0.0).check(&mut cube(), &array![1.0].into_dyn()).unwrap();
    assert!(!coarse(0.0099).passed() && coarse(0.0201).passed());
    for bad in [
        Gradcheck::default().step(0.0),
        Gradcheck::default().step(-1e-6),
        Gradcheck::default().step(f64::NAN),
        Gradcheck::default().step(f64::INFINITY),
        Gradcheck::default().atol(-1.0),
        Gradcheck::default().atol(f64::NAN),
        Gradcheck::default().rtol(f64::INFINITY),
    ] {
        assert!(matches!(bad.check(&mut cube(), &grid()), Err(ActivationError::InvalidParameter { .. })));
    }
}

#[test]
fn a_random_forward_is_told() {
    let report = gradcheck(&mut Formula { noise: 0.5, ..cube() }, &grid()).unwrap();
    assert!(report.to_string().contains("forward and infer gave different outputs"), "{report}");
    assert!(!gradcheck(&mut cube(), &grid()).unwrap().to_string().contains("random"));
}

#[test]
fn errors_leave_the_parameters() {
    // infer fails: three axes.
    let mut dense = Dense::new();
    assert!(matches!(gradcheck(&mut dense, &ArrayD::zeros(IxDyn(&[1, 1, 3]))), Err(ActivationError::Shape(_))));
    dense.assert_untouched();
    // backward fails, after the gradients were set to zero.
    let mut dense = Dense { fails: true, ..Dense::new() };
    assert_eq!(gradcheck(&mut dense, &array![[1.0, 2.0, 3.0]].into_dyn()).unwrap_err().to_string(), "dense: broken");
    dense.assert_untouched();

    /// Fails where the first bias is above a limit, so in the midst of the differences; or gives gradients of a wrong shape; or hides its parameters.
    #[derive(Debug)]
    struct Odd {
        inner: Dense,
        limit: f64,
        flat: bool,
        hidden: bool,
    }
    impl Layer<f64> for Odd {
        fn forward(&mut self, input: &ArrayD<f64>) -> Result<ArrayD<f64>> {
            self.inner.forward(input)
        }
        fn backward(&mut self, grad_output: &ArrayD<f64>) -> Result<ArrayD<f64>> {
            let gradient = self.inner.backward(grad_output)?;
            Ok(if self.flat { gradient.sum_axis(Axis(0)) } else { gradient })
        }
        fn infer(&self, input: &ArrayD<f64>) -> Result<ArrayD<f64>> {
            let too_much = self.inner.bias.value.iter().any(|&bias| bias > self.limit);
            if too_much { Err(ActivationError::Other { layer: "odd".into(), message: "too much".into() }) } else { self.inner.infer(input) }
        }
        fn name(&self) -> &str {
            "odd"
        }
        fn params(&self) -> Vec<&Param<f64>> {
            if self.hidden { vec![] } else { self.inner.params() }
        }
        fn params_mut(&mut self) -> Vec<&mut Param<f64>> {
            self.inner.params_mut()
        }
    }
    let x = array![[0.0, 0.0, 0.0]].into_dyn();
    let odd = || Odd { inner: Dense::new(), limit: 9.0, flat: false, hidden: false };
    assert!(gradcheck(&mut odd(), &x).unwrap().passed());
    // The bias is 0.5, and a step of it goes beyond.
    let mut fails = Odd { limit: 0.5, ..odd() };
    assert_eq!(gradcheck(&mut fails, &x).unwrap_err().to_string(), "odd: too much");
    fails.inner.assert_untouched();
    let mut flat = Odd { flat: true, ..odd() };
    assert_eq!(gradcheck(&mut flat, &x).unwrap_err().to_string(), "odd: the gradient of the input should have shape [1, 3], found [3]");
    flat.inner.assert_untouched();
    let mut hidden = Odd { hidden: true, ..odd() };
    assert_eq!(gradcheck(&mut hidden, &x).unwrap_err().to_string(), "odd: params lists 0 parameters, params_mut 2");
    hidden.inner.assert_untouched();
    let mut reshaped = Dense::new();
    reshaped.bias.grad = ArrayD::zeros(IxDyn(&[5]));
    assert!(gradcheck(&mut reshaped, &x).unwrap().passed());
    assert_eq!(reshaped.bias.grad.shape(), [5]);
}
