//! Everything public on everything thinkable: nothing panics, all forms of a layer agree to the bit, and an error leaves everything as it was.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, dead_code, reason = "a test")]

mod common;

use common::{assert_same, noise};
use ndarray::{ArrayD, ArrayViewD, ArrayViewMutD, Axis, IxDyn, Slice};
use ndarray_activations::{
    ActivationError, ActivationExt, Element, Entry, Family, Layer, LayerExt, PReLU, ReLU, Result, Softmax, by_name, catalog, functional,
};
use proptest::{collection::vec, prelude::*, sample::select, test_runner::RngSeed};

/// The same cases in every run.
fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, rng_seed: RngSeed::Fixed(20), ..ProptestConfig::default() }
}

const SPECIAL: [f64; 14] =
    [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1e-310, -5e-324, 1e-40, 3.4e38, -3.4e38, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 1e15];

/// Hyper-parameters: small whole numbers, which may be axes and numbers of pieces, ordinary numbers, and extraordinary ones.
fn arguments() -> impl Strategy<Value = Vec<f64>> {
    let argument = prop_oneof![3 => (0..5_u32).prop_map(f64::from), 3 => -4.0..4.0, 1 => select(SPECIAL.to_vec())];
    prop_oneof![1 => Just(Vec::new()), 3 => vec(argument, 1..4)]
}

/// Up to five axes, some of them empty; now and then larger than what goes through buffers at a time.
fn shape() -> impl Strategy<Value = Vec<usize>> {
    let length = prop_oneof![1 => Just(0_usize), 8 => 1..5_usize, 2 => Just(6), 1 => Just(21)];
    let small = vec(length, 0..=5).prop_filter("not too large", |shape| shape.iter().product::<usize>() < 3000);
    let large = vec(select(vec![1_usize, 2, 5, 16, 33, 70, 128, 257, 600, 1024, 4096, 20_011]), 1..=4)
        .prop_filter("not too large", |shape| (3000..100_000).contains(&shape.iter().fold(1, |size: usize, &length| size.saturating_mul(length))));
    prop_oneof![25 => small, 1 => large]
}

/// How an array lies in memory: the order of its axes, and for each a step and a direction.
#[derive(Clone, Debug)]
struct Lay {
    order: u64,
    steps: Vec<usize>,
    backwards: Vec<bool>,
}

fn lay() -> impl Strategy<Value = Lay> {
    (any::<u64>(), vec(1..4_usize, 5), vec(any::<bool>(), 5)).prop_map(|(order, steps, backwards)| Lay { order, steps, backwards })
}

/// An array with room between its elements.
struct Spread<A> {
    storage: ArrayD<A>,
    lay: Lay,
    axes: Vec<usize>,
    shape: Vec<usize>,
}

impl<A: Element> Spread<A> {
    /// The same logical elements as `array`.
    fn new(array: &ArrayD<A>, lay: &Lay) -> Self {
        let shape = array.shape().to_vec();
        // Where each axis of the storage comes to stand.
        let mut axes: Vec<usize> = (0..shape.len()).collect();
        let mut order = lay.order;
        for i in (1..axes.len()).rev() {
            axes.swap(i, order as usize % (i + 1));
            order /= 7;
        }
        let mut lengths = vec![0; shape.len()];
        for (logical, &stored) in axes.iter().enumerate() {
            lengths[stored] = shape[logical] * lay.steps[stored];
        }
        let mut spread = Self { storage: ArrayD::from_elem(lengths, A::rounded(0.625)), lay: lay.clone(), axes, shape };
        spread.view_mut().assign(array);
        spread
    }

    fn view_mut(&mut self) -> ArrayViewMutD<'_, A> {
        let mut view = self.storage.view_mut();
        for axis in 0..self.shape.len() {
            view.slice_axis_inplace(Axis(axis), Slice::new(0, None, self.lay.steps[axis] as isize));
            if self.lay.backwards[axis] {
                view.invert_axis(Axis(axis));
            }
        }
        view.permuted_axes(self.axes.clone())
    }

    fn owned(&mut self) -> ArrayD<A> {
        self.view_mut().to_owned()
    }

    /// The elements without room between them, the axes in this order in memory.
    fn reordered(&mut self) -> ArrayD<A> {
        let mut stored = vec![0; self.axes.len()];
        for (logical, &axis) in self.axes.iter().enumerate() {
            stored[axis] = logical;
        }
        self.view_mut().permuted_axes(stored).as_standard_layout().into_owned().permuted_axes(self.axes.clone())
    }
}

/// Numbers of all sizes; with special ones in between, where they are wanted.
fn numbers<A: Element>(shape: &[usize], special: bool, seed: u64) -> ArrayD<A> {
    let values = noise(shape.iter().product(), seed).into_iter().enumerate();
    let values = values.map(|(i, v)| if special && (v * 1e6) as i64 % 6 == 0 { SPECIAL[i % SPECIAL.len()] } else { v * [0.3, 2.0, 9.0, 120.0][i % 4] });
    ArrayD::from_shape_vec(IxDyn(shape), values.map(A::rounded).collect()).unwrap()
}

/// Fails if what should fail does not, or leaves traces in the layer or the destination.
fn assert_fails<A: Element>(layer: &mut dyn Layer<A>, shape: &[usize], call: impl FnOnce(&mut dyn Layer<A>, ArrayViewMutD<'_, A>) -> Result<()>, what: &str) {
    let before = format!("{layer:?}");
    let mut destination = numbers::<A>(shape, true, 99);
    let expected = destination.clone();
    let error = call(layer, destination.view_mut()).expect_err(what);
    assert!(!error.to_string().is_empty());
    assert_same(destination.view(), expected.view(), what);
    assert_eq!(before, format!("{layer:?}"), "{what}: {error} changed the layer");
}

/// All forms of a layer on one input.
fn all_forms<A: Element>(make: impl Fn() -> Box<dyn Layer<A>>, shape: &[usize], other: &[usize], lays: &[Lay; 2], special: bool, seed: u64) {
    let x = numbers::<A>(shape, special, seed);
    let mut layer = make();
    let _ = (layer.name(), layer.spec(), layer.kinks(), layer.params().len());
    let what = format!("{} of shape {shape:?}, {lays:?}, seed {seed}", layer.spec());
    assert_fails(layer.as_mut(), shape, |layer, destination| layer.backward_into(x.view(), destination), &what);
    let output_shape = match layer.infer(&x) {
        Ok(y) => y.shape().to_vec(),
        Err(error) => {
            assert_eq!(layer.output_shape(shape), Err(error), "{what}");
            assert_fails(layer.as_mut(), shape, |layer, destination| layer.infer_into(x.view(), destination), &what);
            assert_fails(layer.as_mut(), shape, |layer, destination| layer.forward_into(x.view(), destination), &what);
            assert_fails(layer.as_mut(), shape, |layer, destination| layer.forward_inplace(destination), &what);
            assert_fails(layer.as_mut(), shape, |layer, destination| layer.infer_inplace(destination), &what);
            assert!(layer.forward(&x).is_err() && layer.backward(&x).is_err() && layer.infer_nd(&x).is_err(), "{what}");
            return;
        }
    };
    assert_eq!(layer.output_shape(shape).unwrap(), output_shape, "{what}");
    let changes = output_shape != shape;
    let (empty, g) = (ArrayD::<A>::zeros(&output_shape[..]), numbers::<A>(&output_shape, special, seed + 1));

    let inferred = layer.infer(&x).unwrap();
    let same = |found: ArrayD<A>, expected: &ArrayD<A>, form: &str| assert_same(found.view(), expected.view(), &format!("{form}, {what}"));
    let mut source = Spread::new(&x, &lays[0]);
    let mut destination = Spread::new(&empty, &lays[1]);
    layer.infer_into(source.view_mut().view(), destination.view_mut()).unwrap();
    same(destination.owned(), &inferred, "infer_into");
    same(layer.infer_nd(&source.view_mut()).unwrap(), &inferred, "infer_nd");
    same(layer.infer(&source.reordered()).unwrap(), &inferred, "infer of another order");

    // Each form on a layer of its own: the random ones draw anew with each forward.
    let forward = layer.forward(&x).unwrap();
    let backward = layer.backward(&g).unwrap();
    same(layer.backward(&g).unwrap(), &backward, "backward again");
    assert_eq!(backward.shape(), shape, "{what}");
    let mut into = make();
    into.forward_into(source.view_mut().view(), destination.view_mut()).unwrap();
    same(destination.owned(), &forward, "forward_into");
    let mut gradient = Spread::new(&g, &lays[0]);
    let mut result = Spread::new(&x, &lays[1]);
    into.backward_into(gradient.view_mut().view(), result.view_mut()).unwrap();
    same(result.owned(), &backward, "backward_into");
    same(into.backward_nd(&gradient.view_mut()).unwrap(), &backward, "backward_nd");
    same(make().forward_nd(&source.view_mut()).unwrap(), &forward, "forward_nd");
    let mut inplace = make();
    let mut values = Spread::new(&x, &lays[1]);
    if changes {
        assert_fails(inplace.as_mut(), shape, |layer, values| layer.forward_inplace(values), &what);
        assert_fails(inplace.as_mut(), shape, |layer, values| layer.infer_inplace(values), &what);
        assert_fails(layer.as_mut(), &output_shape, |layer, values| layer.backward_inplace(values), &what);
    } else {
        inplace.infer_inplace(values.view_mut()).unwrap();
        same(values.owned(), &inferred, "infer_inplace");
        values = Spread::new(&x, &lays[1]);
        inplace.forward_inplace(values.view_mut()).unwrap();
        same(values.owned(), &forward, "forward_inplace");
        inplace.backward_inplace(gradient.view_mut()).unwrap();
        same(gradient.owned(), &backward, "backward_inplace");
    }

    // Shapes that do not fit.
    if other != output_shape {
        let wrong = numbers::<A>(other, special, seed + 2);
        assert_fails(layer.as_mut(), other, |layer, destination| layer.infer_into(x.view(), destination), &what);
        assert_fails(layer.as_mut(), other, |layer, destination| layer.forward_into(x.view(), destination), &what);
        assert_fails(layer.as_mut(), shape, |layer, destination| layer.backward_into(wrong.view(), destination), &what);
        assert_fails(layer.as_mut(), other, |layer, values| layer.backward_inplace(values), &what);
        assert!(layer.backward(&wrong).is_err(), "{what}");
    }
    if other != shape {
        assert_fails(layer.as_mut(), other, |layer, destination| layer.backward_into(g.view(), destination), &what);
    }
    same(layer.backward(&g).unwrap(), &backward, "backward after errors");
    layer.zero_grad();
    layer.clear_cache();
    assert!(matches!(layer.backward(&g), Err(ActivationError::BackwardBeforeForward { .. })), "{what}");
}

macro_rules! functions {
    ($($function:ident $derivative:ident ($($argument:ident),*) $method:ident;)*) => {
        /// Value and derivative by the functions, and by the method where there is one.
        fn by_function<A: Element>(name: &str, arguments: &[f64], x: &ArrayD<A>) -> Option<(ArrayD<A>, ArrayD<A>)> {
            let mut arguments = arguments.iter().copied();
            match name {
                $(stringify!($function) => {
                    $(let $argument = arguments.next()?;)*
                    let value = functional::$function(x $(, $argument)*);
                    functions!(@$method $function x value $($argument)*);
                    Some((value, functional::$derivative(x $(, $argument)*)))
                })*
                _ => panic!("{name} is missing in tests/fuzz.rs"),
            }
        }
    };
    (@method $function:ident $x:ident $value:ident $($argument:ident)*) => { assert_same($x.$function($($argument),*).view(), $value.view(), stringify!($function)) };
    (@hidden $function:ident $x:ident $value:ident $($argument:ident)*) => {};
}
functions! {
    identity identity_derivative () hidden; sigmoid sigmoid_derivative () method; tanh tanh_derivative () hidden; relu relu_derivative () method;
    relu6 relu6_derivative () method; relu_squared relu_squared_derivative () method; leaky_relu leaky_relu_derivative (a) method;
    thresholded_relu thresholded_relu_derivative (a) method; elu elu_derivative (a) method; celu celu_derivative (a) method; selu selu_derivative () method;
    gelu gelu_derivative () method; gelu_tanh gelu_tanh_derivative () method; gelu_sigmoid gelu_sigmoid_derivative () method; silu silu_derivative () method;
    swish swish_derivative (a) method; mish mish_derivative () method; softplus softplus_derivative (a) method; log_sigmoid log_sigmoid_derivative () method;
    softsign softsign_derivative () method; hard_sigmoid hard_sigmoid_derivative () method; hard_swish hard_swish_derivative () method;
    hard_tanh hard_tanh_derivative (a, b) method; hard_shrink hard_shrink_derivative (a) method; soft_shrink soft_shrink_derivative (a) method;
    shrink shrink_derivative (a, b) method; tanh_shrink tanh_shrink_derivative () method; threshold threshold_derivative (a, b) method;
    exponential exponential_derivative () hidden; squareplus squareplus_derivative (a) method; sparse_plus sparse_plus_derivative () method;
    sparse_sigmoid sparse_sigmoid_derivative () method; sign sign_derivative () hidden; step step_derivative () hidden;
}

/// The functions and the layer, of the same numbers.
fn functions_agree<A: Element>(entry: &Entry, arguments: &[f64], shape: &[usize], seed: u64) {
    let Ok(mut layer) = entry.build::<A>(arguments) else { return };
    let x = numbers::<A>(shape, true, seed);
    let Some((value, derivative)) = by_function(entry.name(), arguments, &x) else { return };
    if arguments.len() <= entry.parameters().len() {
        let what = format!("{} of shape {shape:?}, seed {seed}", layer.spec());
        assert_same(layer.forward(&x).unwrap().view(), value.view(), &what);
        assert_same(layer.backward(&x.mapv(|_| A::one())).unwrap().view(), derivative.view(), &what);
    }
}

fn entry() -> impl Strategy<Value = &'static Entry> {
    select(catalog().collect::<Vec<_>>())
}

proptest! {
    #![proptest_config(config(1500))]

    #[test]
    fn every_layer(entry in entry(), arguments in arguments(), shape in shape(), other in shape(), lays in [lay(), lay()], special in any::<bool>(), seed in 0..1000_u64) {
        if entry.build::<f64>(&arguments).is_ok() {
            all_forms::<f32>(|| entry.build(&arguments).unwrap(), &shape, &other, &lays, special, seed);
            all_forms::<f64>(|| entry.build(&arguments).unwrap(), &shape, &other, &lays, special, seed);
        }
    }

    #[test]
    fn every_function(entry in entry(), arguments in arguments(), shape in shape(), seed in 0..1000_u64) {
        if entry.family() == Family::Pointwise {
            functions_agree::<f32>(entry, &arguments, &shape, seed);
            functions_agree::<f64>(entry, &arguments, &shape, seed);
        }
    }

    #[test]
    fn any_alpha_and_mask(alpha in shape(), mask in shape(), shape in shape(), axis in 0..6_usize, lays in [lay(), lay()], seed in 0..1000_u64) {
        let slopes = numbers::<f64>(&alpha, true, seed);
        all_forms(|| Box::new(PReLU::with_alpha(slopes.clone())), &shape, &alpha, &lays, true, seed);
        all_forms(|| Box::new(PReLU::with_alpha(slopes.clone()).axis(Axis(axis))), &shape, &alpha, &lays, true, seed);
        let keep = numbers::<f64>(&mask, false, seed).mapv(|x| x > -1.0);
        let masked = || {
            let mut softmax = Softmax::<f64>::new(Axis(axis));
            softmax.set_mask(Some(keep.clone()));
            softmax
        };
        all_forms(|| Box::new(masked()), &shape, &mask, &lays, false, seed);
    }

    /// Any text at all, and text that looks right.
    #[test]
    fn any_name(text in ".{0,60}", name in select(catalog().map(|entry| entry.name().to_owned()).collect::<Vec<_>>()), arguments in "[-+0-9.,einfaN ]{0,20}") {
        for text in [text, name.clone(), format!("{name}({arguments})"), format!("{name}{arguments})"), format!("({name}")] {
            if let Ok(layer) = by_name::<f32>(&text) {
                let spec = layer.spec();
                prop_assert_eq!(by_name::<f32>(&spec).unwrap().spec(), spec);
            }
        }
    }
}

/// The case most often left out: the functions along an axis agree with the layers, on axes in and out of range.
#[test]
fn functions_along_an_axis() {
    let x = numbers::<f64>(&[3, 4, 6], false, 5);
    macro_rules! agree {
        ($($function:ident)*) => {$(
            for axis in 0..5 {
                let layer = by_name::<f64>(&format!("{}({axis})", stringify!($function))).unwrap();
                match (layer.infer(&x), functional::$function(&x, Axis(axis)), x.$function(Axis(axis))) {
                    (Ok(expected), Ok(function), Ok(method)) => {
                        assert_same(function.view(), expected.view(), stringify!($function));
                        assert_same(method.view(), expected.view(), stringify!($function));
                    }
                    (expected, function, method) => assert!(expected.is_err() && function == expected && method == expected),
                }
            }
        )*};
    }
    agree!(softmax log_softmax softmin sparsemax hardmax glu reglu geglu swiglu bilinear);
    for (pieces, axis) in [(0, 1), (2, 1), (3, 1), (2, 2), (6, 2), (2, 3)] {
        let found = functional::maxout(&x, pieces, Axis(axis));
        assert_eq!(found, x.maxout(pieces, Axis(axis)));
        assert_eq!(found.is_ok(), matches!((pieces, axis), (2, 1 | 2) | (6, 2)));
    }
}

/// A rectifier that is wrong in one way.
#[derive(Debug)]
struct Wrong {
    inner: ReLU<f64>,
    way: &'static str,
}

impl Layer<f64> for Wrong {
    fn forward(&mut self, input: &ArrayD<f64>) -> Result<ArrayD<f64>> {
        self.inner.forward(input)
    }
    fn backward(&mut self, grad_output: &ArrayD<f64>) -> Result<ArrayD<f64>> {
        let result = self.inner.backward(grad_output);
        if result.is_err() && self.way == "forgets after an error" {
            self.inner.clear_cache();
        }
        result
    }
    fn infer(&self, input: &ArrayD<f64>) -> Result<ArrayD<f64>> {
        if self.way == "standard order alone" && !input.is_standard_layout() { Ok(input.mapv(|x| x.max(1e-300))) } else { self.inner.infer(input) }
    }
    fn infer_into(&self, input: ArrayViewD<'_, f64>, mut output: ArrayViewMutD<'_, f64>) -> Result<()> {
        if self.way == "spoils the destination" {
            output.fill(0.0);
        }
        self.inner.infer_into(input, output)
    }
    fn forward_inplace(&mut self, mut values: ArrayViewMutD<'_, f64>) -> Result<()> {
        self.inner.forward_inplace(values.view_mut())?;
        if self.way == "another result in place" {
            values.map_inplace(|x| *x *= 1.0 + f64::EPSILON);
        }
        Ok(())
    }
    fn clear_cache(&mut self) {
        self.inner.clear_cache();
    }
    fn name(&self) -> &str {
        self.way
    }
}

/// The checks above find what is wrong, and nothing where nothing is.
#[test]
fn the_checks_catch_wrong_layers() {
    let lay = Lay { order: 3, steps: vec![1, 2, 1, 1, 1], backwards: vec![false; 5] };
    let lays = [lay.clone(), lay];
    let checked = |way| std::panic::catch_unwind(|| all_forms(|| Box::new(Wrong { inner: ReLU::new(), way }), &[4, 3, 5], &[2], &lays, true, 1)).is_ok();
    assert!(checked("right"));
    for way in ["forgets after an error", "standard order alone", "spoils the destination", "another result in place"] {
        assert!(!checked(way), "{way}");
    }
}
