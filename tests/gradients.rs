//! Every layer of the catalogue against central differences, on a grid that crosses each kink.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, dead_code, reason = "a test")]

mod common;

use common::{layer, specs};
use ndarray::{Array1, ArrayD, IxDyn};
use ndarray_activations::{Family, catalog, gradcheck::Gradcheck};

/// From -8 to 8, and close to each kink on both sides, never within a step of it.
fn grid(kinks: &[f64]) -> ArrayD<f64> {
    let mut points: Vec<f64> = (0..=64).map(|i| -8.0 + 0.25 * f64::from(i) + 0.003).collect();
    for kink in kinks {
        points.extend([kink - 0.01, kink - 1e-4, kink + 1e-4, kink + 0.01]);
    }
    // An even count, for the layers that halve an axis.
    if points.len() % 2 == 1 {
        points.push(0.37);
    }
    Array1::from(points).into_dyn()
}

/// Whether a layer draws at random in forward, so that infer is another function.
fn random(spec: &str) -> bool {
    let name = spec.split('(').next().unwrap();
    catalog().any(|entry| entry.name() == name && entry.family() == Family::Random)
}

#[test]
fn every_layer_on_a_grid() {
    for spec in specs().iter().filter(|spec| !random(spec)) {
        let mut layer = layer::<f64>(spec);
        let line = grid(&layer.kinks());
        if layer.output_shape(line.shape()).is_err() {
            continue; // needs more axes: below
        }
        let report = Gradcheck::default().check(&mut *layer, &line).unwrap();
        assert!(report.passed(), "{spec}: {report}");
        assert!(report.compared() >= line.len(), "{spec}: only {} compared", report.compared());
    }
}

#[test]
fn every_layer_on_three_axes() {
    for spec in specs().iter().filter(|spec| !random(spec)) {
        let mut layer = layer::<f64>(spec);
        let kinks = layer.kinks();
        let values = common::noise(3 * 4 * 6, 21).into_iter().map(|v| {
            let x = 3.0 * v;
            // Away from the kinks, where both sides would be compared with one.
            if kinks.iter().any(|kink| (x - kink).abs() < 1e-3) { x + 2e-3 } else { x }
        });
        let x = ArrayD::from_shape_vec(IxDyn(&[3, 4, 6]), values.collect()).unwrap();
        let report = Gradcheck::default().check(&mut *layer, &x).unwrap();
        assert!(report.passed(), "{spec}: {report}");
    }
}
