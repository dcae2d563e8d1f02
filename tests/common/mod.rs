//! What the tests share: layers, inputs, layouts, bitwise comparison.
#![allow(dead_code, reason = "each test uses a part")]
#![allow(clippy::needless_pass_by_value, reason = "views are passed as ndarray passes them")]

use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn, Slice};
use ndarray_activations::{Custom, Element, Layer, by_name, catalog, testing};

macro_rules! arrange {
    ($view:expr, $layout:expr) => {{
        let mut view = $view;
        let ndim = view.ndim();
        match $layout {
            Layout::C => {}
            Layout::F => view = view.reversed_axes(),
            Layout::Permuted => view = view.permuted_axes((0..ndim).map(|i| (i + ndim - 1) % ndim).collect::<Vec<_>>()),
            Layout::Stepped => {
                if ndim > 0 {
                    view.slice_axis_inplace(Axis(0), Slice::new(0, None, 3));
                }
                if ndim > 1 {
                    view.slice_axis_inplace(Axis(ndim - 1), Slice::new(0, None, 2));
                }
            }
            Layout::Reversed => {
                for axis in 0..ndim {
                    view.invert_axis(Axis(axis));
                }
            }
        }
        view
    }};
}
/// Every entry of the catalogue with its default parameters, some with others, and one that is not in it.
pub(crate) fn specs() -> Vec<String> {
    #[rustfmt::skip]
    let others = [
        "leaky_relu(0.2)", "leaky_relu(-0.5)", "leaky_relu(0)", "leaky_relu(1)", "elu(0.2)", "elu(0)", "elu(-1)", "celu(0.5)", "celu(3)", "celu(-2)", "swish(1.5)",
        "swish(-1)", "swish(0)", "softplus(0.5)", "softplus(2, 20)", "hard_sigmoid(0.2, 0.5)", "hard_tanh(-2, 0.5)", "shrink(0.5, 0.5)", "threshold(0.1, 20)",
        "thresholded_relu(0.3)", "squareplus(1)", "squareplus(0)", "soft_shrink(0)", "hard_shrink(1.5)", "prelu(-0.5)", "softmax(0)", "softmax(0, 1)", "softmax(0, 2)",
        "softmax(0, 1, 2)", "log_softmax(1)", "softmin(0)",
        "rrelu(0.1, 0.4, 3)", "alpha_dropout(0.3, 9)", "alpha_dropout(0)", "alpha_dropout(1)", "custom",
    ];
    catalog().map(|entry| entry.name().to_owned()).chain(others.map(str::to_owned)).collect()
}

pub(crate) fn layer<A: Element>(spec: &str) -> Box<dyn Layer<A>> {
    if spec == "custom" {
        return Box::new(Custom::new(spec, |x: A| x * x.abs(), |x: A| x.abs() + x.abs()));
    }
    by_name(spec).unwrap()
}

/// Pseudo-random numbers between -1 and 1, the same each time.
pub(crate) fn noise(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1);
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        })
        .collect()
}

/// An array of this shape over a wide range, with special values in between unless they would spoil whole rows.
pub(crate) fn input<A: Element>(shape: &[usize], special: bool, seed: u64) -> ArrayD<A> {
    let values = noise(shape.iter().product(), seed);
    let specials = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1e30, -1e30, 1e-40, -1e-40, 3.0, -3.0, 6.0, 1.0, -1.0, 0.5, -0.5];
    let numbers = values.iter().enumerate().map(|(i, &v)| {
        let scale = [0.3, 2.0, 9.0, 60.0][i % 4];
        if special && i % 5 == 3 { specials[i / 5 % specials.len()] } else { v * scale }
    });
    ArrayD::from_shape_vec(IxDyn(shape), numbers.map(A::rounded).collect()).unwrap()
}

/// Equal to the bit; any NaN equals any other.
pub(crate) fn same<A: Element>(a: A, b: A) -> bool {
    (a.is_nan() && b.is_nan()) || a.widened().to_bits() == b.widened().to_bits()
}

#[track_caller]
pub(crate) fn assert_same<A: Element>(a: ArrayViewD<'_, A>, b: ArrayViewD<'_, A>, what: &str) {
    assert_eq!(a.shape(), b.shape(), "{what}: shapes");
    for ((index, &a), &b) in a.indexed_iter().zip(&b) {
        assert!(same(a, b), "{what}: {a:?} and {b:?} at {index:?}");
    }
}

/// Whether special values may stand in the input: not where a NaN would spoil whole rows and hide everything else.
pub(crate) fn special(spec: &str) -> bool {
    !spec.contains("soft") || spec.contains("softplus") || spec.contains("softsign") || spec.contains("soft_shrink")
}

/// What a layer gives.
pub(crate) struct Results<A> {
    pub(crate) forward: ArrayD<A>,
    pub(crate) infer: ArrayD<A>,
    pub(crate) backward: ArrayD<A>,
    /// The gradients of the parameters.
    pub(crate) params: Vec<ArrayD<A>>,
}

impl<A: Element> Results<A> {
    #[track_caller]
    pub(crate) fn assert_same(&self, expected: &Self, what: &str) {
        assert_same(self.forward.view(), expected.forward.view(), what);
        assert_same(self.infer.view(), expected.infer.view(), what);
        assert_same(self.backward.view(), expected.backward.view(), what);
        assert_eq!(self.params.len(), expected.params.len(), "{what}: parameters");
        for (found, expected) in self.params.iter().zip(&expected.params) {
            assert_same(found.view(), expected.view(), what);
        }
    }
}

/// `infer`, `forward` and `backward` for a gradient drawn from a seed.
pub(crate) fn run<A: Element>(spec: &str, x: &ArrayD<A>, seed: u64) -> Results<A> {
    let mut layer: Box<dyn Layer<A>> = layer(spec);
    let infer = layer.infer(x).unwrap();
    let forward = layer.forward(x).unwrap();
    let g = input(forward.shape(), false, seed);
    let backward = layer.backward(&g).unwrap();
    Results { forward, infer, backward, params: layer.params().iter().map(|p| p.grad.clone()).collect() }
}

/// Runs `body` on so many threads.
pub(crate) fn on_threads<R: Send>(threads: usize, body: impl FnOnce() -> R + Send) -> R {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(body)
}

/// Memory layouts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Layout {
    C,
    F,
    /// The axes rotated.
    Permuted,
    /// Every other element along the last axis, every third along the first.
    Stepped,
    /// All axes backwards.
    Reversed,
}

pub(crate) const LAYOUTS: [Layout; 5] = [Layout::C, Layout::F, Layout::Permuted, Layout::Stepped, Layout::Reversed];

/// An array that holds others' elements in some layout.
pub(crate) struct Held<A> {
    storage: ArrayD<A>,
    layout: Layout,
}

impl<A: Element> Held<A> {
    /// The same logical elements as `array`, laid out like this.
    pub(crate) fn new(array: &ArrayD<A>, layout: Layout) -> Self {
        let ndim = array.ndim();
        let shape = array.shape();
        let storage = match layout {
            Layout::C | Layout::Reversed => ArrayD::zeros(shape),
            Layout::F => ArrayD::zeros(shape.iter().rev().copied().collect::<Vec<_>>()),
            Layout::Permuted => ArrayD::zeros((0..ndim).map(|i| shape[(i + 1) % ndim]).collect::<Vec<_>>()),
            Layout::Stepped => {
                let factor = |i: usize| match i {
                    0 => 3,
                    _ if i + 1 == ndim => 2,
                    _ => 1,
                };
                ArrayD::zeros((0..ndim).map(|i| shape[i] * factor(i)).collect::<Vec<_>>())
            }
        };
        let mut held = Self { storage, layout };
        held.view_mut().assign(array);
        held
    }

    pub(crate) fn view(&self) -> ArrayViewD<'_, A> {
        arrange!(self.storage.view(), self.layout)
    }

    pub(crate) fn view_mut(&mut self) -> ndarray::ArrayViewMutD<'_, A> {
        arrange!(self.storage.view_mut(), self.layout)
    }
}

/// The layer gives these results bit for bit on arrays of every layout, into arrays of every layout.
pub(crate) fn assert_every_layout<A: Element>(layer: &mut dyn Layer<A>, [x, g]: [&ArrayD<A>; 2], [y, grad]: [&ArrayD<A>; 2]) {
    for (layout, other) in LAYOUTS.into_iter().flat_map(|layout| LAYOUTS.map(|other| (layout, other))) {
        let what = format!("{}, {:?}, {layout:?} into {other:?}", layer.spec(), x.shape());
        let (x, mut out) = (Held::new(x, layout), Held::new(y, other));
        layer.infer_into(x.view(), out.view_mut()).unwrap();
        assert_same(out.view(), y.view(), &what);
        out.view_mut().fill(A::nan());
        layer.forward_into(x.view(), out.view_mut()).unwrap();
        assert_same(out.view(), y.view(), &what);
        for third in LAYOUTS {
            let (g, mut out) = (Held::new(g, third), Held::new(grad, other));
            out.view_mut().fill(A::nan());
            layer.backward_into(g.view(), out.view_mut()).unwrap();
            assert_same(out.view(), grad.view(), &format!("{what}, gradient {third:?}"));
        }
    }
}

/// A new layer gives the same results bit for bit on any number of threads and with any instruction set.
pub(crate) fn assert_any_threads<L: Layer<f64>>(make: impl Fn() -> L + Sync, input: &ArrayD<f64>) {
    for layout in [Layout::C, Layout::F, Layout::Stepped] {
        let x = Held::new(input, layout);
        let run = || {
            let (mut layer, mut y) = (make(), ArrayD::zeros(x.view().raw_dim()));
            layer.forward_into(x.view(), y.view_mut()).unwrap();
            let g = layer.backward(&y).unwrap();
            (y, g)
        };
        let expected = on_threads(1, run);
        let compare = |found: (ArrayD<f64>, ArrayD<f64>), what: &str| {
            assert_same(found.0.view(), expected.0.view(), what);
            assert_same(found.1.view(), expected.1.view(), what);
        };
        for threads in [2, 3, 7] {
            compare(on_threads(threads, run), &format!("{threads} threads"));
        }
        on_threads(1, || testing::each_level(|level| compare(run(), level)));
    }
}
