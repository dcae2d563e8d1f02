//! PReLU with slopes of every shape that broadcasts, in every memory layout and at every instruction set, beside the definition.
#![allow(clippy::unwrap_used, missing_docs, dead_code, reason = "a test")]

mod common;

use common::{Held, LAYOUTS, Layout, Results, assert_same, input, on_threads};
use ndarray::{ArrayD, Axis, Zip};
use ndarray_activations::{Element, Layer, PReLU, testing};

/// Runs longer than a chunk, of which a part is left over, along each axis; and short ones that are whole lines, for which slopes and sums are laid out
/// otherwise; and long ones that are whole lines, which new arrays take one after the other, in several parts.
const SHAPES: [&[usize]; 6] = [&[67, 3, 75], &[43, 5, 16], &[43, 3, 48], &[19, 5, 64], &[23, 5, 16, 3], &[3, 4, 1536]];

fn every_shape<A: Element>() {
    for shape in SHAPES {
        every_slope::<A>(shape);
    }
}

fn every_slope<A: Element>(whole: &[usize]) {
    let (x, g): (ArrayD<A>, ArrayD<A>) = (input(whole, false, 31), input(whole, false, 32));
    for broadcast in 0..1 << whole.len() {
        let shape: Vec<usize> = whole.iter().enumerate().map(|(axis, &length)| if broadcast >> axis & 1 == 1 { 1 } else { length }).collect();
        let alpha: ArrayD<A> = input(&shape, false, 33);
        let wide = alpha.broadcast(x.raw_dim()).unwrap().to_owned();
        let sloped =
            |value: &ArrayD<A>| Zip::from(value).and(&x).and(&wide).map_collect(|&value, &x, &slope| if x > A::zero() { value } else { value * slope });
        let mut products = vec![0.0_f64; alpha.len()];
        let places = ArrayD::from_shape_vec(shape.clone(), (0..alpha.len()).collect()).unwrap();
        Zip::from(&x).and(&g).and(&places.broadcast(x.raw_dim()).unwrap()).for_each(|&x, &g, &place| {
            if x < A::zero() {
                products[place] += (g * x).widened();
            }
        });
        for layout in LAYOUTS {
            let what = format!("slopes {shape:?} of {whole:?}, {layout:?}, {}", std::any::type_name::<A>());
            let (held, gradient) = (Held::new(&x, layout), Held::new(&g, layout));
            let (mut y, mut dx) = (Held::new(&x, layout), Held::new(&x, layout));
            let mut layer = PReLU::with_alpha(alpha.clone());
            layer.forward_into(held.view(), y.view_mut()).unwrap();
            assert_same(y.view(), sloped(&x).view(), &what);
            layer.backward_into(gradient.view(), dx.view_mut()).unwrap();
            assert_same(dx.view(), sloped(&g).view(), &what);
            layer.infer_into(held.view(), y.view_mut()).unwrap();
            assert_same(y.view(), sloped(&x).view(), &what);
            let once = layer.params()[0].grad.clone();
            layer.zero_grad();
            y.view_mut().assign(&x);
            layer.forward_inplace(y.view_mut()).unwrap();
            assert_same(y.view(), sloped(&x).view(), &what);
            dx.view_mut().assign(&g);
            layer.backward_inplace(dx.view_mut()).unwrap();
            assert_same(dx.view(), sloped(&g).view(), &what);
            for (found, &expected) in once.iter().chain(&layer.params()[0].grad).zip(products.iter().chain(&products)) {
                // Rounded once to the element type; sums of up to 16,560 terms in another order.
                let bound = 2.0 * f64::from(if size_of::<A>() == 4 { f32::EPSILON } else { 0.0 }) * expected.abs() + 1e-9;
                assert!((found.widened() - expected).abs() <= bound, "gradient of {what}: {} and {expected}", found.widened());
            }
            if layout == Layout::C {
                let mut layer = PReLU::with_alpha(alpha.clone());
                assert_same(layer.forward(&x).unwrap().view(), sloped(&x).view(), &what);
                assert_same(layer.backward(&g).unwrap().view(), sloped(&g).view(), &what);
                assert_same(layer.params()[0].grad.view(), once.view(), &format!("gradient of {what}, new arrays"));
            }
        }
    }
}

#[test]
fn every_shape_f32() {
    testing::each_level(|_| every_shape::<f32>());
}

#[test]
fn every_shape_f64() {
    testing::each_level(|_| every_shape::<f64>());
}

/// New arrays and arrays that are there, on one thread and on several: large enough to be shared, with a part of a line left over or without.
#[test]
fn threads_and_new_arrays() {
    fn check<A: Element>(shape: &[usize], layer: impl Fn() -> PReLU<A> + Sync) {
        let (x, g): (ArrayD<A>, ArrayD<A>) = (input(shape, false, 34), input(shape, false, 35));
        let new = || {
            let mut layer = layer();
            let (infer, forward, backward) = (layer.infer(&x).unwrap(), layer.forward(&x).unwrap(), layer.backward(&g).unwrap());
            Results { forward, infer, backward, params: vec![layer.params()[0].grad.clone()] }
        };
        let mut expected = Results { forward: x.clone(), infer: x.clone(), backward: x.clone(), params: Vec::new() };
        let mut there = layer();
        on_threads(1, || {
            there.infer_into(x.view(), expected.infer.view_mut()).unwrap();
            there.forward_into(x.view(), expected.forward.view_mut()).unwrap();
            there.backward_into(g.view(), expected.backward.view_mut()).unwrap();
        });
        expected.params.push(there.params()[0].grad.clone());
        for threads in [1, 2, 3] {
            on_threads(threads, || new().assert_same(&expected, &format!("{shape:?}, {threads} threads, {}", std::any::type_name::<A>())));
        }
    }
    for shape in [&[300_000][..], &[300_009], &[3, 64, 1024], &[2, 40, 3136], &[50, 64, 49], &[5000, 64]] {
        check::<f32>(shape, || PReLU::shared(0.25));
        check::<f64>(shape, || PReLU::shared(0.25));
        if shape.len() > 1 {
            check::<f32>(shape, || PReLU::per_channel(shape[1], 0.25).axis(Axis(1)));
            check::<f64>(shape, || PReLU::per_channel(shape[1], 0.25).axis(Axis(1)));
        }
    }
}
