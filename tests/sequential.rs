//! The chain: all nine forms, the cache's life, failures, memory orders.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test")]

use ndarray::{Array2, ArrayD, ArrayView2, Axis, Ix2, IxDyn, ShapeBuilder, Slice, array};
use ndarray_activations::*;

type Boxed = Box<dyn Layer<f64>>;

/// `x · weight`, from the four methods that a layer must have and `output_shape`.
#[derive(Debug)]
struct Dense {
    weight: Param<f64>,
    input: Option<ArrayD<f64>>,
}

impl Dense {
    fn new(inputs: usize, outputs: usize) -> Self {
        let weight = Array2::from_shape_fn((inputs, outputs), |(i, j)| ((3 * i + 5 * j) % 7) as f64 * 0.3 - 0.8);
        Self { weight: Param::new("weight", weight.into_dyn()), input: None }
    }
    fn weight(&self) -> ArrayView2<'_, f64> {
        self.weight.value.view().into_dimensionality().unwrap()
    }
}

impl Layer<f64> for Dense {
    fn forward(&mut self, input: &ArrayD<f64>) -> Result<ArrayD<f64>> {
        self.input = Some(input.clone());
        self.infer(input)
    }
    fn backward(&mut self, grad_output: &ArrayD<f64>) -> Result<ArrayD<f64>> {
        let input = self.input.as_ref().ok_or_else(|| ActivationError::BackwardBeforeForward { layer: "dense".into() })?;
        let grad = grad_output.view().into_dimensionality::<Ix2>()?;
        let grad_input = grad.dot(&self.weight().t()).into_dyn();
        self.weight.grad += &input.view().into_dimensionality::<Ix2>()?.t().dot(&grad);
        Ok(grad_input)
    }
    fn infer(&self, input: &ArrayD<f64>) -> Result<ArrayD<f64>> {
        Ok(input.view().into_dimensionality::<Ix2>()?.dot(&self.weight()).into_dyn())
    }
    fn name(&self) -> &str {
        "dense"
    }
    fn output_shape(&self, input_shape: &[usize]) -> Result<Vec<usize>> {
        let batch = input_shape.first().copied().unwrap_or(0);
        ActivationError::check_shape("dense", "input", &[batch, self.weight().nrows()], input_shape)?;
        Ok(vec![batch, self.weight().ncols()])
    }
    fn params(&self) -> Vec<&Param<f64>> {
        vec![&self.weight]
    }
    fn params_mut(&mut self) -> Vec<&mut Param<f64>> {
        vec![&mut self.weight]
    }
    fn clear_cache(&mut self) {
        self.input = None;
    }
}

/// The identity, which fails for inputs or gradients above 100, whatever `output_shape` said.
#[derive(Debug)]
struct Moody;

impl Layer<f64> for Moody {
    fn forward(&mut self, input: &ArrayD<f64>) -> Result<ArrayD<f64>> {
        self.infer(input)
    }
    fn backward(&mut self, grad_output: &ArrayD<f64>) -> Result<ArrayD<f64>> {
        self.infer(grad_output)
    }
    fn infer(&self, input: &ArrayD<f64>) -> Result<ArrayD<f64>> {
        if input.iter().any(|&x| x > 100.0) {
            return Err(ActivationError::Other { layer: "moody".into(), message: "not today".into() });
        }
        Ok(input.clone())
    }
    fn name(&self) -> &str {
        "moody"
    }
}

fn boxed(layer: impl Layer<f64> + 'static) -> Boxed {
    Box::new(layer)
}

/// Shapes 3 → 4 → 4 → 4 → 2 → 2 → 3 → 3: runs of the same shape, and changes between them.
fn layers() -> Vec<Boxed> {
    vec![
        boxed(Dense::new(3, 4)),
        boxed(GELU::new()),
        boxed(Tanh::new()),
        boxed(Dense::new(4, 2)),
        boxed(PReLU::shared(0.25)),
        boxed(Dense::new(2, 3)),
        boxed(Softmax::last_axis()),
    ]
}

fn x() -> ArrayD<f64> {
    array![[-2.0, -0.5, 0.25], [0.5, 1.0, 3.0], [1.5, -1.0, 0.125], [0.0, 2.0, -0.75]].into_dyn()
}

fn gradient() -> ArrayD<f64> {
    array![[1.0, -1.0, 0.5], [0.25, 2.0, -3.0], [-0.5, 0.0, 1.0], [3.0, 1.0, 1.0]].into_dyn()
}

/// What the layers give one by one: output, gradient of the input, gradients of the parameters.
fn by_hand(mut layers: Vec<Boxed>, x: &ArrayD<f64>, gradient: &ArrayD<f64>) -> (ArrayD<f64>, ArrayD<f64>, Vec<ArrayD<f64>>) {
    let y = layers.iter_mut().fold(x.clone(), |x, layer| layer.forward(&x).unwrap());
    let dx = layers.iter_mut().rev().fold(gradient.clone(), |g, layer| layer.backward(&g).unwrap());
    (y, dx, layers.iter().flat_map(|layer| layer.params()).map(|param| param.grad.clone()).collect())
}

#[test]
fn every_form_is_the_layers_one_by_one() {
    let (x, g) = (x(), gradient());
    let (y, dx, dw) = by_hand(layers(), &x, &g);
    let grads = |net: &mut Sequential<f64>| {
        let grads: Vec<_> = net.params().into_iter().map(|param| param.grad.clone()).collect();
        net.zero_grad();
        grads
    };
    let mut net = Sequential::new(layers());
    // Twice, so that the second round meets buffers with old numbers in them.
    for _ in 0..2 {
        assert_eq!(net.infer(&x).unwrap(), y);
        assert_eq!(net.forward(&x).unwrap(), y);
        assert_eq!(net.backward(&g).unwrap(), dx);
        assert_eq!(grads(&mut net), dw);

        let mut out = ArrayD::from_elem(x.raw_dim(), f64::NAN);
        net.infer_into(x.view(), out.view_mut()).unwrap();
        assert_eq!(out, y);
        out.fill(f64::NAN);
        net.forward_into(x.view(), out.view_mut()).unwrap();
        assert_eq!(out, y);
        net.backward_into(g.view(), out.view_mut()).unwrap();
        assert_eq!(out, dx);
        assert_eq!(grads(&mut net), dw);

        // In and out have the same shape, so it works in place, whatever happens in between.
        out.assign(&x);
        net.infer_inplace(out.view_mut()).unwrap();
        assert_eq!(out, y);
        out.assign(&x);
        net.forward_inplace(out.view_mut()).unwrap();
        assert_eq!(out, y);
        out.assign(&g);
        net.backward_inplace(out.view_mut()).unwrap();
        assert_eq!(out, dx);
        assert_eq!(grads(&mut net), dw);
    }
    // Twice for one forward: the gradients of the parameters add up.
    net.backward(&g).unwrap();
    net.backward(&g).unwrap();
    assert_eq!(grads(&mut net), dw.iter().map(|grad| grad * 2.0).collect::<Vec<_>>());
}

#[test]
fn the_gradient_is_the_slope_of_the_loss() {
    let (x, g) = (x(), gradient());
    let mut net = Sequential::new(layers());
    let loss = |net: &Sequential<f64>, x: &ArrayD<f64>| (net.infer(x).unwrap() * &g).sum();
    net.forward(&x).unwrap();
    let dx = net.backward(&g).unwrap();
    let step = 1e-6;
    let close = |found: f64, up: f64, down: f64| assert!((found - (up - down) / (2.0 * step)).abs() < 1e-7 * (1.0 + found.abs()), "{found}");
    for (index, &found) in dx.indexed_iter() {
        let shifted = |by: f64| {
            let mut x = x.clone();
            x[&index] += by;
            loss(&net, &x)
        };
        close(found, shifted(step), shifted(-step));
    }
    let grads: Vec<_> = net.params().into_iter().map(|param| param.grad.clone()).collect();
    assert_eq!(grads.iter().map(ndarray::ArrayBase::len).collect::<Vec<_>>(), [12, 8, 1, 6]);
    assert!(grads.iter().all(|grad| grad.iter().any(|&value| value != 0.0)));
    for (position, grad) in grads.iter().enumerate() {
        for (index, &found) in grad.indexed_iter() {
            let mut shifted = |by: f64| {
                net.params_mut()[position].value[&index] += by;
                let loss = loss(&net, &x);
                net.params_mut()[position].value[&index] -= by;
                loss
            };
            let (up, down) = (shifted(step), shifted(-step));
            close(found, up, down);
        }
    }
}

#[test]
fn of_every_length() {
    for length in 0..5 {
        let make =
            || vec![boxed(Tanh::new()), boxed(Dense::new(3, 3)), boxed(ELU::new(0.5)), boxed(Sigmoid::new())].into_iter().take(length).collect::<Vec<_>>();
        let (y, dx, _) = by_hand(make(), &x(), &gradient());
        let mut net = Sequential::new(make());
        assert_eq!((net.len(), net.is_empty(), net.iter().count()), (length, length == 0, length));
        assert!(matches!(net.backward(&x()), Err(ActivationError::BackwardBeforeForward { .. })));
        let mut out = ArrayD::zeros(y.raw_dim());
        net.forward_into(x().view(), out.view_mut()).unwrap();
        assert_eq!((net.infer(&x()).unwrap(), &out), (y.clone(), &y));
        net.backward_into(gradient().view(), out.view_mut()).unwrap();
        assert_eq!(out, dx);
        let (mut values, mut again) = (x(), x());
        net.forward_inplace(values.view_mut()).unwrap();
        net.infer_inplace(again.view_mut()).unwrap();
        assert_eq!((&values, &again), (&y, &y));
        values.assign(&gradient());
        net.backward_inplace(values.view_mut()).unwrap();
        assert_eq!(values, dx);
    }
}

#[test]
fn any_memory_order_gives_the_same_bits_in_the_same_order() {
    let (y, dx, _) = by_hand(vec![boxed(Tanh::new()), boxed(GELU::new()), boxed(ELU::new(1.0))], &x(), &gradient());
    let mut net = Sequential::new(vec![boxed(Tanh::new()), boxed(GELU::new()), boxed(ELU::new(1.0))]);
    let mut f = ArrayD::zeros(IxDyn(&[4, 3]).f());
    f.assign(&x());
    let out = net.forward(&f).unwrap();
    assert_eq!((&out, out.strides()), (&y, &[1, 4][..]));
    let out = net.infer(&f).unwrap();
    assert_eq!((&out, out.strides()), (&y, &[1, 4][..]));
    let out = net.backward(&gradient()).unwrap();
    assert_eq!((&out, out.strides()), (&dx, &[1, 4][..]));

    // A stepped, reversed destination, and a permuted input of three axes.
    let mut wide = ArrayD::<f64>::zeros(IxDyn(&[8, 6]));
    let mut stepped = wide.slice_each_axis_mut(|axis| Slice::new(0, None, if axis.axis == Axis(0) { -2 } else { 2 }));
    net.forward_into(f.view(), stepped.view_mut()).unwrap();
    assert_eq!(stepped, y);
    net.backward_into(gradient().view(), stepped.view_mut()).unwrap();
    assert_eq!(stepped, dx);
    let cube = ArrayD::from_shape_fn(IxDyn(&[2, 3, 5]), |index| (index[0] * 15 + index[1] * 5 + index[2]) as f64 * 0.2 - 3.0);
    let plain = net.forward(&cube).unwrap();
    let back = net.backward(&plain).unwrap();
    let permuted = cube.permuted_axes(vec![2, 0, 1]);
    assert_eq!(net.forward(&permuted).unwrap(), plain.view().permuted_axes(vec![2, 0, 1]));
    assert_eq!(net.backward(&plain.permuted_axes(vec![2, 0, 1])).unwrap(), back.permuted_axes(vec![2, 0, 1]));

    // Without axes, without elements, broadcast.
    for shape in [&[][..], &[0], &[3, 0, 2], &[1, 1]] {
        let x = ArrayD::from_elem(shape, 0.5);
        assert_eq!(net.forward(&x).unwrap().shape(), shape);
        assert_eq!(net.backward(&x).unwrap().shape(), shape);
    }
    let row = array![0.25, -1.0, 3.0];
    let broadcast = row.broadcast((4, 3)).unwrap().into_dyn();
    let mut out = ArrayD::zeros(broadcast.raw_dim());
    net.forward_into(broadcast.view(), out.view_mut()).unwrap();
    assert_eq!(out, net.infer(&broadcast.to_owned()).unwrap());
}

#[test]
fn an_error_before_the_start_changes_nothing() {
    let (x, g) = (x(), gradient());
    let mut net = Sequential::new(layers());
    let (_, dx, dw) = by_hand(layers(), &x, &g);
    net.forward(&x).unwrap();
    let mut wrong = ArrayD::from_elem(IxDyn(&[4, 2]), 7.0);
    let mismatch = |result: Result<()>, layer: &str, what: &str, expected: &[usize], found: &[usize]| match result {
        Err(ActivationError::ShapeMismatch { layer: l, what: w, expected: e, found: f }) => assert_eq!((&*l, &*w, &*e, &*f), (layer, what, expected, found)),
        other => panic!("{other:?}"),
    };
    mismatch(net.forward(&wrong).map(drop), "dense", "input", &[4, 3], &[4, 2]);
    mismatch(net.infer(&wrong).map(drop), "dense", "input", &[4, 3], &[4, 2]);
    mismatch(net.forward_into(x.view(), wrong.view_mut()), "sequential", "destination", &[4, 3], &[4, 2]);
    mismatch(net.infer_into(x.view(), wrong.view_mut()), "sequential", "destination", &[4, 3], &[4, 2]);
    mismatch(net.backward(&wrong).map(drop), "sequential", "gradient", &[4, 3], &[4, 2]);
    mismatch(net.backward_inplace(wrong.view_mut()), "sequential", "gradient", &[4, 3], &[4, 2]);
    mismatch(net.backward_into(g.view(), wrong.view_mut()), "sequential", "destination", &[4, 3], &[4, 2]);
    assert!(wrong.iter().all(|&value| value == 7.0));
    // A parameter of another shape is found out before the layers behind it have run.
    let kept = std::mem::replace(&mut net.params_mut()[1].value, ArrayD::zeros(IxDyn(&[5, 2])));
    mismatch(net.backward(&g).map(drop), "dense", "input", &[4, 5], &[4, 4]);
    net.params_mut()[1].value = kept;
    let kept = std::mem::replace(&mut net.params_mut()[3].value, ArrayD::zeros(IxDyn(&[2, 5])));
    mismatch(net.backward(&g).map(drop), "dense", "output", &[4, 3], &[4, 5]);
    net.params_mut()[3].value = kept;
    let kept = std::mem::replace(&mut net.params_mut()[2].value, ArrayD::zeros(IxDyn(&[7])));
    assert!(matches!(net.backward(&g), Err(ActivationError::NotBroadcastable { .. })));
    assert!(matches!(net.forward(&x), Err(ActivationError::NotBroadcastable { .. })));
    net.params_mut()[2].value = kept;
    // None of it was remembered.
    assert_eq!(net.backward(&g).unwrap(), dx);
    assert_eq!(net.params().into_iter().map(|param| param.grad.clone()).collect::<Vec<_>>(), dw);

    let mut shrinking = Sequential::new(vec![boxed(Dense::new(3, 4)), boxed(Dense::new(4, 2))]);
    let mut values = x.clone();
    assert!(matches!(shrinking.infer_inplace(values.view_mut()), Err(ActivationError::ShapeChanges { .. })));
    assert!(matches!(shrinking.forward_inplace(values.view_mut()), Err(ActivationError::ShapeChanges { .. })));
    assert!(matches!(shrinking.backward(&wrong), Err(ActivationError::BackwardBeforeForward { .. })));
    assert_eq!(values, x);
    shrinking.forward(&x).unwrap();
    assert!(matches!(shrinking.backward_inplace(wrong.view_mut()), Err(ActivationError::ShapeChanges { .. })));
    shrinking.backward_into(wrong.view(), values.view_mut()).unwrap();
}

#[test]
fn after_a_failure_half_way_backward_is_refused_until_the_next_forward() {
    let mut net = Sequential::new(vec![boxed(Dense::new(3, 3)), boxed(Moody), boxed(ReLU::new())]);
    let (small, large) = (x(), x() * 1e4);
    let mut out = ArrayD::from_elem(small.raw_dim(), 7.0);
    for _ in 0..2 {
        let y = net.forward(&small).unwrap();
        assert!(matches!(net.forward_into(large.view(), out.view_mut()), Err(ActivationError::Other { .. })));
        assert!(matches!(net.backward(&y), Err(ActivationError::BackwardBeforeForward { .. })));
        assert_eq!(net.input_shape(), None);

        net.forward(&small).unwrap();
        assert!(matches!(net.backward_into((&y + 1e4).view(), out.view_mut()), Err(ActivationError::Other { .. })));
        assert!(matches!(net.backward(&y), Err(ActivationError::BackwardBeforeForward { .. })));

        // To infer is no training: it forgets nothing.
        net.forward(&small).unwrap();
        assert!(matches!(net.infer_into(large.view(), out.view_mut()), Err(ActivationError::Other { .. })));
        assert_eq!(net.input_shape(), Some(small.shape()));
        net.backward(&y).unwrap();
        assert!(out.iter().all(|&value| value == 7.0), "a destination is written by the last layer alone");
    }
}

#[test]
fn a_wrong_output_shape_is_an_error() {
    /// Halves its input's length, and does not say so.
    #[derive(Debug)]
    struct Liar;
    impl Layer<f64> for Liar {
        fn forward(&mut self, input: &ArrayD<f64>) -> Result<ArrayD<f64>> {
            self.infer(input)
        }
        fn backward(&mut self, grad_output: &ArrayD<f64>) -> Result<ArrayD<f64>> {
            Ok(grad_output.clone())
        }
        fn infer(&self, input: &ArrayD<f64>) -> Result<ArrayD<f64>> {
            Ok(input.slice_each_axis(|_| Slice::new(0, None, 2)).to_owned())
        }
        fn name(&self) -> &str {
            "liar"
        }
    }
    let mut net = Sequential::new(vec![boxed(ReLU::new()), boxed(Liar), boxed(ReLU::new())]);
    assert!(matches!(net.forward(&x()), Err(ActivationError::ShapeMismatch { .. })));
    assert!(matches!(net.infer(&x()), Err(ActivationError::ShapeMismatch { .. })));
    assert!(matches!(net.backward(&x()), Err(ActivationError::BackwardBeforeForward { .. })));

    /// Promises more than any memory holds.
    #[derive(Debug)]
    struct Braggart;
    impl Layer<f64> for Braggart {
        fn forward(&mut self, input: &ArrayD<f64>) -> Result<ArrayD<f64>> {
            Ok(input.clone())
        }
        fn backward(&mut self, grad_output: &ArrayD<f64>) -> Result<ArrayD<f64>> {
            Ok(grad_output.clone())
        }
        fn infer(&self, input: &ArrayD<f64>) -> Result<ArrayD<f64>> {
            Ok(input.clone())
        }
        fn name(&self) -> &str {
            "braggart"
        }
        fn output_shape(&self, _input_shape: &[usize]) -> Result<Vec<usize>> {
            Ok(vec![usize::MAX, 0, usize::MAX])
        }
    }
    let mut net = Sequential::new(vec![boxed(Braggart), boxed(ReLU::new())]);
    assert!(matches!(net.forward(&x()), Err(ActivationError::Shape(_))));
    let mut out = x();
    assert!(matches!(net.infer_into(x().view(), out.view_mut()), Err(ActivationError::Shape(_))));
}

#[test]
fn the_cache_lives_as_in_any_layer() {
    let mut net = Sequential::new(layers());
    let g = gradient();
    assert_eq!(net.input_shape(), None);
    net.forward(&x()).unwrap();
    assert_eq!(net.input_shape(), Some(&[4, 3][..]));
    let dx = net.backward(&g).unwrap();
    // Another batch size to infer in between, and then the gradient of the first.
    let first = x().slice_axis(Axis(0), Slice::from(..1)).to_owned();
    net.infer(&first).unwrap();
    assert_eq!(net.output_shape(&[7, 3]).unwrap(), [7, 3]);
    assert!(net.output_shape(&[7, 2]).is_err());
    assert_eq!(net.backward(&g).unwrap(), dx);
    // Smaller and larger batches use the same buffers.
    for rows in [1, 4, 2, 3] {
        let (x, g) = (x().slice_axis(Axis(0), Slice::from(..rows)).to_owned(), g.slice_axis(Axis(0), Slice::from(..rows)).to_owned());
        let (y, dx, _) = by_hand(layers(), &x, &g);
        assert_eq!((net.forward(&x).unwrap(), net.backward(&g).unwrap()), (y, dx));
    }
    net.clear_cache();
    assert!(matches!(net.backward(&g), Err(ActivationError::BackwardBeforeForward { .. })));
    net.get_mut(0).unwrap().clear_cache();
    net.forward(&x()).unwrap();
    // A layer that was changed through `get_mut` fails on its own; the chain then refuses, too.
    net.get_mut(1).unwrap().clear_cache();
    assert!(net.backward(&g).is_err());
    net.forward(&x()).unwrap();
    net.push(Sigmoid::new());
    assert_eq!(net.input_shape(), None);
    assert!(matches!(net.backward(&g), Err(ActivationError::BackwardBeforeForward { .. })));
    assert_eq!(net.forward(&x()).unwrap(), Sigmoid::new().infer(&by_hand(layers(), &x(), &g).0).unwrap());
    net.zero_grad();
    assert!(net.params().iter().all(|param| param.grad.iter().all(|&grad| grad == 0.0)));
}

#[test]
fn names_and_positions() {
    let inner = Sequential::new(vec![boxed(Tanh::new()), boxed(Dense::new(2, 3))]);
    let mut net = Sequential::new(vec![boxed(Dense::new(3, 2)), boxed(LeakyReLU::new(0.2))]);
    net.push(inner);
    let named = net.named_params();
    assert_eq!(named.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["0.weight", "2.1.weight"]);
    assert_eq!(named.iter().map(|(_, param)| *param as *const _).collect::<Vec<_>>(), net.params().iter().map(|param| *param as *const _).collect::<Vec<_>>());
    assert_eq!(net.to_string(), "sequential(dense, leaky_relu(0.2), sequential(tanh, dense))");
    let usual = Sequential::new(vec![boxed(Dense::new(3, 4)), boxed(PReLU::shared(0.25)), boxed(Softmax::last_axis())]);
    assert_eq!(usual.to_string(), "sequential(dense, prelu(0.25), softmax)");
    assert_eq!(usual.named_params().into_iter().map(|(name, _)| name).collect::<Vec<_>>(), ["0.weight", "1.alpha"]);
    assert_eq!((net.name(), net.kinks()), ("sequential", vec![]));
    assert_eq!(Sequential::<f32>::default().to_string(), "sequential()");
    assert!(format!("{net:?}").contains("Dense"));
    assert_eq!(net.get(1).unwrap().spec(), "leaky_relu(0.2)");
    assert!(net.get(3).is_none() && net.get_mut(3).is_none());
    assert_eq!(net.iter().rev().map(|layer| layer.name().to_owned()).collect::<Vec<_>>(), ["sequential", "leaky_relu", "dense"]);
    // A chain in a chain is one of its layers.
    let flat = vec![boxed(Dense::new(3, 2)), boxed(LeakyReLU::new(0.2)), boxed(Tanh::new()), boxed(Dense::new(2, 3))];
    let (y, dx, dw) = by_hand(flat, &x(), &gradient());
    assert_eq!((net.forward(&x()).unwrap(), net.backward(&gradient()).unwrap()), (y, dx));
    assert_eq!(net.params().into_iter().map(|param| param.grad.clone()).collect::<Vec<_>>(), dw);
}

#[test]
fn several_threads_infer_at_once() {
    let net = Sequential::new(layers());
    let y = net.infer(&x()).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..200).for_each(|_| assert_eq!(net.infer(&x()).unwrap(), y)));
        }
    });
}
