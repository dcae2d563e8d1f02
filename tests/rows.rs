//! A row gives the same bits alone and among others, which stand beside it in the vectors: for every length, axis and instruction set, whatever is in them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, dead_code, reason = "a test")]

mod common;

use common::{assert_same, input, layer, on_threads};
use ndarray::{Array1, ArrayD, Axis, Dimension, IxDyn};
use ndarray_activations::{AllMasked, Element, Layer, LogSoftmax, Softmax, Softmin, testing};

/// More rows than stand side by side at a time, and so many that those left over do as well.
const ROWS: usize = 27;

/// Rows of all kinds: the numbers of one lie far apart, those of another are all the same; there are rows with infinities and with NaN, and of -infinity alone.
fn rows<A: Element>(length: usize, seed: u64) -> Vec<ArrayD<A>> {
    let row = |index: usize| {
        let mut row: ArrayD<A> = input(&[length], false, seed + index as u64);
        let (somewhere, elsewhere) = (index * 7 % length, index * 5 % length);
        match index % 9 {
            1 => row[somewhere] = A::nan(),
            2 => row[somewhere] = A::neg_infinity(),
            3 => (row[somewhere], row[elsewhere]) = (A::infinity(), A::infinity()),
            4 => row.fill(A::neg_infinity()),
            5 => {
                row.fill(A::neg_infinity());
                row[somewhere] = A::nan();
            }
            6 => row.fill(A::infinity()),
            7 => row = ArrayD::from_elem(vec![length], row[somewhere]),
            8 => row.mapv_inplace(|x| x * A::rounded(1e4)),
            _ => {}
        }
        row
    };
    (0..ROWS).map(row).collect()
}

/// The rows as an array along its last, its first or a middle axis.
fn arranged<A: Element>(rows: &[ArrayD<A>], axis: usize) -> ArrayD<A> {
    let length = rows[0].len();
    match axis {
        0 => ArrayD::from_shape_fn(vec![length, rows.len()], |i| rows[i[1]][i[0]]),
        1 => ArrayD::from_shape_fn(vec![2, length, rows.len()], |i| rows[(i[2] + i[0]) % rows.len()][i[1]]),
        _ => ArrayD::from_shape_fn(vec![1, rows.len(), length], |i| rows[i[1]][i[2]]),
    }
}

fn check<A: Element, L: Layer<A>>(make: impl Fn(usize) -> L, what: &str) {
    for length in (1..=70).chain([255, 1000]) {
        let (x, g) = (rows::<A>(length, 1), rows::<A>(length, 50));
        let mut alone = make(0);
        let (mut y, mut back) = (Vec::new(), Vec::new());
        for (x, g) in x.iter().zip(&g) {
            y.push(alone.forward(x).unwrap());
            assert_same(alone.infer(x).unwrap().view(), y[y.len() - 1].view(), what);
            back.push(alone.backward(g).unwrap());
        }
        for axis in 0..3 {
            let what = format!("{what}, rows of {length} along axis {axis}");
            let mut layer = make(axis);
            assert_same(layer.infer(&arranged(&x, axis)).unwrap().view(), arranged(&y, axis).view(), &what);
            assert_same(layer.forward(&arranged(&x, axis)).unwrap().view(), arranged(&y, axis).view(), &what);
            assert_same(layer.backward(&arranged(&g, axis)).unwrap().view(), arranged(&back, axis).view(), &format!("gradient, {what}"));
        }
    }
}

fn check_all<A: Element>() {
    testing::each_level(|level| {
        let what = format!("{}, {level}", std::any::type_name::<A>());
        check::<A, _>(|axis| Softmax::new(Axis(axis)), &what);
        check::<A, _>(|axis| Softmin::new(Axis(axis)), &what);
        check::<A, _>(|axis| LogSoftmax::new(Axis(axis)), &what);
        check::<A, _>(|axis| Softmax::new(Axis(axis)).all_masked(AllMasked::Zeros), &what);
        check::<A, _>(|axis| LogSoftmax::new(Axis(axis)).all_masked(AllMasked::Zeros), &what);
    });
}

#[test]
fn alone_and_among_others_f32() {
    check_all::<f32>();
}

#[test]
fn alone_and_among_others_f64() {
    check_all::<f64>();
}

/// Long rows side by side, in numbers that divide sixteen and that do not, few enough to be worked on where they stand and too many for that, on all threads.
#[test]
fn beside_one_another() {
    fn check<A: Element>(name: &str) {
        let mut alone = layer::<A>(name);
        for (length, count) in [(64, 2), (255, 3), (300, 3), (200, 8), (140, 10), (1001, 16), (100, 40), (3000, 41), (140, 250), (66, 2050), (130, 2050)] {
            let (xs, gs) = (rows::<A>(length, 1), rows::<A>(length, 50));
            let (mut ys, mut backs) = (Vec::new(), Vec::new());
            for (x, g) in xs.iter().zip(&gs) {
                ys.push(alone.forward(x).unwrap());
                backs.push(alone.backward(g).unwrap());
            }
            let place = |rows: &[ArrayD<A>]| ArrayD::from_shape_fn(vec![5, length, count], |i| rows[(i[0] + i[2]) % ROWS][i[1]]);
            let what = format!("{name}, {count} rows of {length}");
            let mut layer = layer::<A>(&format!("{name}(1)"));
            // Eight threads part neighbours, two do not.
            for threads in [1, 2, 8] {
                on_threads(threads, || {
                    assert_same(layer.infer(&place(&xs)).unwrap().view(), place(&ys).view(), &what);
                    assert_same(layer.forward(&place(&xs)).unwrap().view(), place(&ys).view(), &what);
                    assert_same(layer.backward(&place(&gs)).unwrap().view(), place(&backs).view(), &format!("gradient, {what}"));
                });
            }
        }
    }
    for name in ["softmax", "log_softmax", "softmin"] {
        check::<f32>(name);
        check::<f64>(name);
    }
}

/// Rows that lie anyhow in memory: with gaps, backwards, few of them beside one another, along several axes that do not join.
#[test]
fn wherever_rows_lie() {
    let x: ArrayD<f32> = input(&[5, 20, 6, 7], false, 3);
    let g: ArrayD<f32> = input(&[5, 20, 6, 7], false, 4);
    for axes in [&[0][..], &[1], &[2], &[3], &[0, 1], &[1, 3], &[0, 2], &[0, 1, 3], &[0, 1, 2, 3]] {
        let list: Vec<String> = axes.iter().map(ToString::to_string).collect();
        for name in ["softmax", "log_softmax", "sparsemax", "hardmax"] {
            let spec = format!("{name}({})", list.join(", "));
            let mut whole = layer::<f32>(&spec);
            let (y, back) = (whole.forward(&x).unwrap(), whole.backward(&g).unwrap());
            let mut alone = layer::<f32>(name);
            let others: Vec<usize> = (0..4).filter(|axis| !axes.contains(axis)).collect();
            let row = |array: &ArrayD<f32>, index: &IxDyn| {
                let view = others.iter().rev().zip(index.slice().iter().rev()).fold(array.view(), |view, (&axis, &i)| view.index_axis_move(Axis(axis), i));
                Array1::from_iter(view.iter().copied()).into_dyn()
            };
            let shape: Vec<usize> = others.iter().map(|&axis| x.len_of(Axis(axis))).collect();
            for (index, ()) in ArrayD::from_elem(shape, ()).indexed_iter() {
                assert_same(alone.forward(&row(&x, &index)).unwrap().view(), row(&y, &index).view(), &spec);
                assert_same(alone.backward(&row(&g, &index)).unwrap().view(), row(&back, &index).view(), &spec);
            }
            let mut wide = ArrayD::zeros(vec![10, 20, 6, 21]);
            let mut place = wide.slice_each_axis_mut(|axis| {
                ndarray::Slice::new(
                    0,
                    None,
                    if axis.axis == Axis(0) {
                        2
                    } else if axis.axis == Axis(3) {
                        3
                    } else {
                        1
                    },
                )
            });
            place.invert_axis(Axis(1));
            place.invert_axis(Axis(3));
            place.assign(&x);
            let mut out = ArrayD::zeros(x.raw_dim());
            whole.infer_into(place.view(), out.view_mut()).unwrap();
            assert_same(out.view(), y.view(), &spec);
            whole.infer_inplace(place.view_mut()).unwrap();
            assert_same(place.view(), y.view(), &spec);
        }
    }
}
