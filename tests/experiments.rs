//! The trends of the tutorials' experiments, in a small version of each; `examples/experiments` runs the full one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "a test")]
#![allow(dead_code, reason = "the reports are for the example")]

#[path = "../examples/common/adam.rs"]
mod adam;
#[path = "../examples/common/chart.rs"]
mod chart;
#[path = "../examples/experiments/circles.rs"]
mod circles;
#[path = "../examples/experiments/deep.rs"]
mod deep;
#[path = "../examples/common/dense.rs"]
mod dense;
#[path = "../examples/experiments/network.rs"]
mod network;
#[path = "../examples/experiments/report.rs"]
mod report;
#[path = "../examples/experiments/units.rs"]
mod units;

use approx::assert_relative_eq;
use indicatif::ProgressBar;
use ndarray::{ArrayD, Axis};

use crate::report::Sample;

const RUNS: u64 = 8;

fn quiet() -> ProgressBar {
    ProgressBar::hidden()
}

/// Half of the points lie on each circle, the circles have radii 1 and 0.5, and no test point is learnt from.
#[test]
fn the_circles_are_circles() {
    let (train, test) = network::circles(3).unwrap();
    assert_eq!((train.places.shape(), test.places.shape()), (&[128, 2][..], &[40, 2][..]));
    for points in [&train, &test] {
        for (place, label) in points.places.outer_iter().zip(&points.labels) {
            let radius = place[0].hypot(place[1]);
            // Four standard deviations of the noise.
            assert!((radius - if *label == 1.0 { 0.5 } else { 1.0 }).abs() < 0.2, "{place} {label}");
        }
    }
    assert!((50..78).contains(&(train.labels.sum() as i32)));
    assert!(test.places.outer_iter().all(|test| train.places.outer_iter().all(|train| train != test)));
}

/// From the definition, -t ln σ(z) - (1 - t) ln(1 - σ(z)) on average, and its difference quotients.
#[test]
fn the_loss_is_the_cross_entropy() {
    let logits = ArrayD::from_shape_vec(vec![3, 1], vec![0.3_f32, -1.2, 2.0]).unwrap();
    let labels = ArrayD::from_shape_vec(vec![3, 1], vec![1.0_f32, 0.0, 0.0]).unwrap();
    let by_definition = |logits: [f64; 3]| -> f64 {
        let sigma = logits.map(|z| 1.0 / (1.0 + (-z).exp()));
        -(sigma[0].ln() + (1.0 - sigma[1]).ln() + (1.0 - sigma[2]).ln()) / 3.0
    };
    let at = [0.3, -1.2, 2.0];
    let (loss, gradient) = network::cross_entropy(&logits, &labels).unwrap();
    assert_relative_eq!(f64::from(loss), by_definition(at), max_relative = 1e-6);
    for (index, found) in gradient.iter().enumerate() {
        let shifted = |step: f64| by_definition(std::array::from_fn(|i| if i == index { at[i] + step } else { at[i] }));
        assert_relative_eq!(f64::from(*found), (shifted(1e-5) - shifted(-1e-5)) / 2e-5, epsilon = 1e-7);
    }
}

/// E5. A line has at most 2/3 of all points on the right side.
#[test]
fn without_an_activation_the_circles_are_not_separated() {
    let found = circles::compare(&circles::ACTIVATIONS, 100, RUNS, &quiet()).unwrap();
    let (nothing, relu) = (&found[0], &found[1]);
    assert!(nothing.mean() < 60.0 && nothing.max() < 80.0, "{nothing:?}");
    assert!(relu.mean() > 97.0 && relu.min() > 90.0, "{relu:?}");
}

/// E2, between its ends; the steps between need more runs.
#[test]
fn wider_is_better() {
    let found = circles::compare(&circles::WIDTHS, 50, RUNS, &quiet()).unwrap();
    assert!(found[3].mean() > found[0].mean() + 10.0, "{found:?}");
    assert!(found[2].mean() > found[0].mean(), "{found:?}");
}

/// E4: the same networks after more epochs.
#[test]
fn longer_is_better() {
    let plan = network::Plan { hidden: &[8, 16, 32, 8], ..network::PLAN };
    let found = circles::accuracies(&plan, &[10, 40], RUNS, &quiet()).unwrap();
    assert!(found[1].mean() > found[0].mean() + 20.0, "{found:?}");
}

/// E6.
#[test]
fn selu_normalises_itself_and_relu_does_not() {
    let found = deep::profiles(deep::Stack { width: 300, batch: 64 }, 2, &quiet()).unwrap();
    let within = |profile: &deep::Profile| {
        profile.means.iter().all(|mean| mean.max() < 0.1 && mean.min() > -0.1) && profile.stds.iter().all(|std| std.min() > 0.8 && std.max() < 1.2)
    };
    assert_eq!(found[0].means.len(), 50);
    assert!(within(&found[0]), "{:?}", found[0]);
    assert!(found[1..].iter().all(|profile| !within(profile)));
    // ReLU halves the second moment of a centred signal at each layer: 2^-25 in 50 layers, to some powers of two.
    let relu = found[1].stds[49].mean();
    assert!((1e-9..1e-6).contains(&relu), "{relu}");
}

/// E7.
#[test]
fn a_large_learning_rate_kills_relus_and_not_leaky_ones() {
    let dead = |activation, rate| units::hurried(activation, rate, RUNS, &quiet()).unwrap().map(|health| health.dead.mean());
    let [small, _] = dead("relu", units::SMALL_STEPS);
    let [large, later] = dead("relu", units::LARGE_STEPS);
    assert!(small < 20.0 && large > 50.0, "{small} {large}");
    assert!((later - large).abs() < 5.0, "{large} {later}");
    assert_eq!(dead("leaky_relu(0.01)", units::LARGE_STEPS), [0.0; 2]);
}

/// E8.
#[test]
fn sigmoids_and_tanhs_saturate_behind_large_weights() {
    let at = |activation, scale| units::scaled(activation, scale, 3, &quiet()).unwrap();
    for activation in ["sigmoid", "tanh"] {
        let (ordinary, large) = (at(activation, 1.0), at(activation, 100.0));
        assert!(ordinary.flat.mean() < 5.0 && large.flat.mean() > 80.0, "{activation}: {ordinary:?} {large:?}");
        assert!(large.derivative.mean() < 0.05 && large.accuracy.mean() < 75.0, "{activation}: {large:?}");
    }
    // ReLU has a slope of 1 for half of its inputs, whatever their size.
    assert_relative_eq!(at("relu", 100.0).derivative.mean(), 0.5, epsilon = 0.1);
}

/// Against numbers worked out by hand: 1, 2, 6 has mean 3 and a variance of (4 + 1 + 9) / 2 = 7.
#[test]
fn mean_and_spread() {
    let sample: Sample = [1.0, 2.0, 6.0].into_iter().collect();
    assert_eq!((sample.mean(), sample.spread(), sample.min(), sample.max(), sample.reach(2.0)), (3.0, 7_f64.sqrt(), 1.0, 6.0, 2));
    assert_eq!(Sample(vec![-0.001, 0.0]).to_string(), "0.0 ± 0.0");
}

/// The layers behind the activations, not the dense ones.
#[test]
fn hidden_layers_are_seen() {
    let run = network::Run::new(&network::Plan { hidden: &[3, 5], ..network::PLAN }, 1).unwrap();
    assert_eq!(run.hidden().unwrap().iter().map(|outputs| outputs.len_of(Axis(1))).collect::<Vec<_>>(), [3, 5]);
    assert!(run.hidden().unwrap().iter().all(|outputs| outputs.iter().all(|&y| y >= 0.0)));
}
