//! PReLU with slopes of every shape that broadcasts, in every memory layout and at every instruction set, beside the definition.
#![allow(clippy::unwrap_used, missing_docs, dead_code, reason = "a test")]

mod common;

use common::{Held, LAYOUTS, assert_same, input};
use ndarray::{ArrayD, Zip};
use ndarray_activations::{Element, Layer, PReLU, testing};

/// Runs longer than a chunk, of which a part is left over, along each axis; and short ones that are whole lines, for which slopes and sums are laid out
/// otherwise.
const SHAPES: [&[usize]; 5] = [&[67, 3, 75], &[43, 5, 16], &[43, 3, 48], &[19, 5, 64], &[23, 5, 16, 3]];

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
