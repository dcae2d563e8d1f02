//! The public names that programs outside the project use, as a program.
#![cfg(feature = "rand")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test")]

use ndarray::{Array2, ArrayD, ArrayViewD, ArrayViewMutD, Axis, IxDyn, array};
use ndarray_activations::{
    ActivationError, ActivationExt, AllMasked, AlphaDropout, Bilinear, CELU, Custom, ELU, Element, Exponential, GEGLU, GELU, GLU, HardShrink, HardSigmoid,
    HardSwish, HardTanh, Hardmax, Identity, Layer, LayerExt, LeakyReLU, LogSigmoid, LogSoftmax, Maxout, Mish, PReLU, Param, RReLU, ReGLU, ReLU, ReLU6,
    ReLUSquared, Result, SELU, Sequential, Shrink, SiLU, Sigmoid, Sign, SoftShrink, Softmax, Softmin, Softplus, Softsign, SparsePlus, SparseSigmoid, Sparsemax,
    Squareplus, Step, SwiGLU, Swish, Tanh, TanhShrink, Threshold, ThresholdedReLU, by_name, catalog, diagnostics, functional, gradcheck, init,
};

/// A layer of the user's own: four methods, and `output_shape` because the shape changes. Everything else has a default.
#[derive(Debug)]
struct Dense<A> {
    weight: Param<A>,
    input: Option<ArrayD<A>>,
}

impl Layer<f64> for Dense<f64> {
    fn forward(&mut self, input: &ArrayD<f64>) -> Result<ArrayD<f64>> {
        let output = self.infer(input)?;
        self.input = Some(input.clone());
        Ok(output)
    }
    fn backward(&mut self, grad_output: &ArrayD<f64>) -> Result<ArrayD<f64>> {
        let input = self.input.as_ref().ok_or_else(|| ActivationError::BackwardBeforeForward { layer: "dense".into() })?;
        let (x, g): (Array2<f64>, Array2<f64>) = (input.clone().into_dimensionality().unwrap(), grad_output.clone().into_dimensionality().unwrap());
        let w: Array2<f64> = self.weight.value.clone().into_dimensionality().unwrap();
        self.weight.grad += &x.t().dot(&g);
        Ok(g.dot(&w.t()).into_dyn())
    }
    fn infer(&self, input: &ArrayD<f64>) -> Result<ArrayD<f64>> {
        let (x, w): (Array2<f64>, Array2<f64>) = (input.clone().into_dimensionality().unwrap(), self.weight.value.clone().into_dimensionality().unwrap());
        Ok(x.dot(&w).into_dyn())
    }
    fn name(&self) -> &str {
        "dense"
    }
    fn output_shape(&self, input_shape: &[usize]) -> Result<Vec<usize>> {
        Ok(vec![input_shape[0], self.weight.value.shape()[1]])
    }
    fn params(&self) -> Vec<&Param<f64>> {
        vec![&self.weight]
    }
    fn params_mut(&mut self) -> Vec<&mut Param<f64>> {
        vec![&mut self.weight]
    }
}

/// Every layer can be made for any element, boxed, named, shown, cloned and sent to another thread.
fn all<A: Element>() -> Vec<Box<dyn Layer<A>>> {
    vec![
        Box::new(Identity::new()),
        Box::new(Sigmoid::new()),
        Box::new(Tanh::new()),
        Box::new(ReLU::new()),
        Box::new(ReLU6::new()),
        Box::new(ReLUSquared::new()),
        Box::new(LeakyReLU::new(0.01)),
        Box::new(ThresholdedReLU::new(1.0)),
        Box::new(ELU::new(1.0)),
        Box::new(CELU::new(1.0)),
        Box::new(SELU::new()),
        Box::new(GELU::new()),
        Box::new(GELU::tanh()),
        Box::new(GELU::sigmoid()),
        Box::new(SiLU::new()),
        Box::new(Swish::new(1.5)),
        Box::new(Mish::new()),
        Box::new(Softplus::new(1.0)),
        Box::new(Softplus::new(1.0).threshold(20.0)),
        Box::new(LogSigmoid::new()),
        Box::new(Softsign::new()),
        Box::new(HardSigmoid::new()),
        Box::new(HardSigmoid::with(0.2, 0.5)),
        Box::new(HardSwish::new()),
        Box::new(HardTanh::new(-1.0, 1.0)),
        Box::new(HardShrink::new(0.5)),
        Box::new(SoftShrink::new(0.5)),
        Box::new(Shrink::new(0.5, 0.5)),
        Box::new(TanhShrink::new()),
        Box::new(Threshold::new(0.1, 20.0)),
        Box::new(Exponential::new()),
        Box::new(Squareplus::new(4.0)),
        Box::new(SparsePlus::new()),
        Box::new(SparseSigmoid::new()),
        Box::new(Sign::new()),
        Box::new(Step::new()),
        Box::new(RReLU::new(0.125, 1.0 / 3.0, 7)),
        Box::new(AlphaDropout::new(0.1, 7)),
        Box::new(PReLU::shared(0.25)),
        Box::new(PReLU::per_channel(3, 0.25)),
        Box::new(PReLU::per_channel(3, 0.25).axis(Axis(1))),
        Box::new(Softmax::new(Axis(1))),
        Box::new(Softmax::last_axis()),
        Box::new(Softmax::over(&[Axis(0), Axis(1)])),
        Box::new(LogSoftmax::new(Axis(1))),
        Box::new(Softmin::new(Axis(1))),
        Box::new(Sparsemax::new(Axis(1))),
        Box::new(Hardmax::new(Axis(1))),
        Box::new(GLU::new(Axis(1))),
        Box::new(ReGLU::new(Axis(1))),
        Box::new(GEGLU::new(Axis(1))),
        Box::new(SwiGLU::new(Axis(1))),
        Box::new(Bilinear::new(Axis(1))),
        Box::new(Maxout::new(2, Axis(1))),
    ]
}

#[test]
fn names() -> Result<()> {
    for layer in all::<f32>() {
        let _: (&str, String, Vec<f64>) = (layer.name(), layer.spec(), layer.kinks());
    }
    assert_eq!(all::<f64>().len(), all::<f32>().len());
    assert_eq!(format!("{}", LeakyReLU::<f32>::new(0.2)), "leaky_relu(0.2)");
    assert_eq!(by_name::<f32>("leaky_relu(0.2)")?.spec(), "leaky_relu(0.2)");
    assert!(matches!(by_name::<f64>("leeky_relu"), Err(ActivationError::UnknownActivation { .. })));
    for entry in catalog() {
        let _: (&str, &str) = (entry.name(), entry.formula());
        let _: Box<dyn Layer<f64>> = entry.layer::<f64>();
    }
    Ok(())
}

#[test]
fn forms() -> Result<()> {
    let x: ArrayD<f64> = array![[-2.0, -0.5, 0.0], [0.5, 1.0, 3.0]].into_dyn();
    let mut layer = GELU::new();
    let (y, mut out) = (layer.forward(&x)?, ArrayD::zeros(x.raw_dim()));
    layer.forward_into(x.view(), out.view_mut())?;
    assert_eq!(y, out);
    layer.infer_into(x.view(), out.view_mut())?;
    let mut z = x.clone();
    layer.infer_inplace(z.view_mut())?;
    assert_eq!(y, z);
    z.assign(&x);
    layer.forward_inplace(z.view_mut())?;
    let g = layer.backward(&y)?;
    layer.backward_into(y.view(), out.view_mut())?;
    assert_eq!(g, out);
    layer.backward_inplace(z.view_mut())?;
    layer.clear_cache();
    assert!(matches!(layer.backward(&y), Err(ActivationError::BackwardBeforeForward { .. })));
    let x2: Array2<f64> = array![[-1.0, 1.0]];
    let (y2, i2): (Array2<f64>, Array2<f64>) = (layer.forward_nd(&x2)?, layer.infer_nd(&x2)?);
    let _: Array2<f64> = layer.backward_nd(&y2)?;
    assert_eq!(y2, i2);
    assert!(matches!(layer.backward(&x), Err(ActivationError::ShapeMismatch { .. })));
    assert!(matches!(Softmax::new(Axis(7)).forward(&x), Err(ActivationError::AxisOutOfRange { .. })));
    Ok(())
}

#[test]
fn learning() -> Result<()> {
    let x: ArrayD<f64> = array![[-2.0, -0.5, 0.0], [0.5, 1.0, 3.0]].into_dyn();
    let mut prelu = PReLU::per_channel(3, 0.25);
    prelu.forward(&x)?;
    prelu.backward(&x)?;
    for p in prelu.params_mut() {
        assert_eq!((p.name(), p.weight_decay()), ("alpha", false));
        let step = &p.grad * 0.1;
        p.value -= &step;
    }
    prelu.zero_grad();
    assert!(prelu.params()[0].grad.iter().all(|&g| g == 0.0));
    let dense = Dense { weight: Param::new("weight", ArrayD::from_elem(IxDyn(&[3, 2]), 0.5)), input: None };
    let mut net = Sequential::new(vec![Box::new(dense) as Box<dyn Layer<f64>>, Box::new(PReLU::shared(0.25)), Box::new(Softmax::last_axis())]);
    let y = net.forward(&x)?;
    net.backward(&y)?;
    assert_eq!(net.params().len(), 2);
    let mut softmax = Softmax::new(Axis(1)).all_masked(AllMasked::Zeros);
    softmax.set_mask(Some(array![[true, false, true], [false, false, false]].into_dyn()));
    assert!((softmax.infer(&x)?.sum() - 1.0).abs() < 1e-12);
    Ok(())
}

#[test]
fn checking() -> Result<()> {
    let x: ArrayD<f64> = array![[-2.0, -0.5, 0.1], [0.5, 1.0, 3.0]].into_dyn();
    let report = gradcheck::Gradcheck::default().step(1e-6).atol(1e-5).rtol(1e-3).check(&mut GELU::new(), &x)?;
    assert!(report.passed(), "{report}");
    let mut own = Custom::new("square", |x: f64| x * x, |x: f64| 2.0 * x);
    assert!(gradcheck::gradcheck(&mut own, &x)?.passed());
    let mut wrong = Custom::new("wrong", |x: f64| x * x, |x: f64| 3.0 * x);
    assert!(!gradcheck::gradcheck(&mut wrong, &x)?.passed());
    Ok(())
}

#[test]
fn around() -> Result<()> {
    let x = array![[-1.0f32, 0.0, 2.0]];
    let y: Array2<f32> = functional::gelu(&x);
    assert_eq!(y, x.gelu());
    let _: Array2<f32> = functional::gelu_derivative(&x);
    let _: Array2<f32> = functional::leaky_relu(&x, 0.2);
    let _: Array2<f32> = functional::softmax(&x, Axis(1))?;
    let _: Array2<f32> = x.softmax(Axis(1))?;
    let gain: f64 = init::gain(&ReLU::<f32>::new());
    assert!((gain - 2f64.sqrt()).abs() < 1e-12);
    let _: Array2<f32> = init::he_normal((64, 32), 1);
    let _: Array2<f32> = init::glorot_uniform((64, 32), 1);
    let _: Array2<f32> = init::lecun_normal((64, 32), 1);
    let report = diagnostics::summarize(&ReLU::<f32>::new().infer(&x.into_dyn())?);
    let _: (f64, f64, f64, f64) = (report.dead_fraction(), report.saturated_fraction(), report.mean(), report.std());
    Ok(())
}

#[allow(dead_code, reason = "only the types matter")]
fn object_safe(layer: &mut dyn Layer<f32>, x: ArrayViewD<'_, f32>, y: ArrayViewMutD<'_, f32>) -> Result<()> {
    layer.forward_into(x, y)
}
