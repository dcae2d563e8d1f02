//! Layers from text, and the catalogue.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, dead_code, reason = "a test")]

mod common;

use std::time::{Duration, Instant};

use common::{input, layer, specs};
use ndarray::ArrayD;
use ndarray_activations::*;

#[test]
fn what_a_layer_prints_is_read_back() {
    for spec in specs().into_iter().filter(|spec| spec != "custom") {
        let first = layer::<f64>(&spec);
        let second = by_name::<f64>(&first.spec()).unwrap();
        assert_eq!(first.spec(), second.spec(), "{spec}");
        let x: ArrayD<f64> = input(&[2, 4, 6], false, 1);
        assert_eq!(first.infer(&x).unwrap(), second.infer(&x).unwrap(), "{spec}");
        assert_eq!(first.name(), first.spec().split('(').next().unwrap(), "{spec}");
    }
}

#[test]
#[rustfmt::skip]
fn other_spellings() {
    for (text, spec) in [
        ("swish", "swish(1)"), ("Swish", "swish(1)"), ("SiLU", "silu"), ("hard_silu", "hard_swish"), ("hardswish", "hard_swish"), ("HardSwish", "hard_swish"),
        ("gelu_pytorch_tanh", "gelu_tanh"), ("GELU-Tanh", "gelu_tanh"), ("quick_gelu", "gelu_sigmoid"), ("relu2", "relu_squared"), ("logistic", "sigmoid"),
        ("linear", "identity"), ("none", "identity"), ("  ReLU  ", "relu"), ("LeakyReLU", "leaky_relu(0.01)"), ("leaky relu ( 0.2 )", "leaky_relu(0.2)"),
        ("elu()", "elu(1)"), ("logsoftmax", "log_softmax"), ("Softmax(1)", "softmax(1)"), ("softmax(0,2)", "softmax(0, 2)"), ("hardsigmoid", "hard_sigmoid"),
        ("softplus(2, 20)", "softplus(2, 20)"), ("exp", "exponential"), ("leaky_relu(1e-3)", "leaky_relu(0.001)"),
    ] {
        assert_eq!(by_name::<f32>(text).unwrap().spec(), spec, "{text}");
    }
}

#[test]
fn no_name_means_two_things() {
    let plain = |name: &str| name.replace(['_', '-', ' '], "").to_lowercase();
    let mut seen = std::collections::HashMap::new();
    for entry in catalog() {
        for name in std::iter::once(entry.name()).chain(entry.aliases().iter().copied()) {
            if let Some(other) = seen.insert(plain(name), entry.name()) {
                panic!("{name} is {other} and {}", entry.name());
            }
        }
    }
}

#[test]
fn the_catalogue_tells_the_truth() {
    for entry in catalog() {
        let layer = entry.layer::<f32>();
        assert_eq!(layer.name(), entry.name());
        assert_eq!(layer.kinks(), entry.kinks());
        assert!(!entry.formula().is_empty());
        let defaults: Vec<f64> = entry.parameters().iter().map(|&(_, default)| default).collect();
        assert_eq!(entry.build::<f32>(&defaults).unwrap().spec(), layer.spec(), "{}: the defaults are the defaults", entry.name());
        assert!(matches!(entry.build::<f32>(&[1.0; 9]), Err(ActivationError::InvalidParameter { .. })), "{}", entry.name());
    }
}

#[test]
#[rustfmt::skip]
fn nonsense_gives_a_sentence() {
    for (text, part) in [
        ("leeky_relu", "did you mean \"leaky_relu\"?"), ("gellu", "did you mean \"gelu\"?"), ("", "known are: identity"), ("xyzzy", "known are: identity"),
        ("(", "closing parenthesis"), ("relu(", "closing parenthesis"), ("relu(1)", "at most 0 arguments"), ("leaky_relu(a)", "\"a\" is not a number"),
        ("leaky_relu(0.1, 0.2)", "at most 1 arguments"), ("leaky_relu(0.1,)", "is not a number"), ("celu(0)", "alpha must not be 0"), ("hard_tanh(2, 1)", "lies above"),
        ("soft_shrink(-1)", "must not be negative"), ("softmax(-1)", "whole number"), ("softmax(0.5)", "whole number"), ("softmax(1e300)", "whole number"),
        ("ρελυ", "known are"), ("relu)", "unknown activation"), ("gelu\0", "unknown activation"),
    ] {
        let error = by_name::<f64>(text).unwrap_err().to_string();
        assert!(error.contains(part), "{text:?}: {error}");
    }
    assert!(!by_name::<f32>("xyzzy").unwrap_err().to_string().contains("did you mean"));
}

#[test]
fn ten_megabytes_are_answered_at_once() {
    for text in ["a".repeat(10_000_000), format!("relu({})", "1,".repeat(5_000_000)), "é".repeat(5_000_000)] {
        let start = Instant::now();
        let error = by_name::<f32>(&text).unwrap_err();
        assert!(start.elapsed() < Duration::from_millis(50));
        assert!(error.to_string().len() < 2000);
    }
}

#[test]
fn constructors_refuse_what_makes_no_sense() {
    assert!(matches!(CELU::<f32>::try_new(0.0), Err(ActivationError::InvalidParameter { .. })));
    assert!(matches!(HardTanh::<f32>::try_new(1.0, -1.0), Err(ActivationError::InvalidParameter { .. })));
    assert!(matches!(SoftShrink::<f32>::try_new(-0.5), Err(ActivationError::InvalidParameter { .. })));
    let panics = |make: fn()| std::panic::catch_unwind(make).is_err();
    assert!(panics(|| drop(CELU::<f32>::new(0.0))));
    assert!(panics(|| drop(HardTanh::<f32>::new(1.0, -1.0))));
    assert!(panics(|| drop(SoftShrink::<f32>::new(-0.5))));
}

/// Every other number is taken, NaN and infinities included; nothing panics.
#[test]
fn any_number_is_a_parameter() {
    let x: ArrayD<f32> = input(&[70], true, 1);
    for entry in catalog().filter(|entry| entry.family() != Family::Reducing) {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1e-310, 1e308, -1.0] {
            let arguments = vec![value; entry.parameters().len()];
            if let Ok(mut layer) = entry.build::<f32>(&arguments) {
                let y = layer.forward(&x).unwrap();
                layer.backward(&y).unwrap();
                layer.infer(&x).unwrap();
            }
        }
    }
}

#[test]
fn methods_and_functions_agree_with_layers() {
    let x = ndarray::array![[-1.5_f32, 0.25, 3.0], [0.0, -0.5, 8.0]];
    let dynamic = x.clone().into_dyn();
    assert_eq!(x.gelu().into_dyn(), GELU::new().infer(&dynamic).unwrap());
    assert_eq!(functional::leaky_relu(&x, 0.2).into_dyn(), LeakyReLU::new(0.2).infer(&dynamic).unwrap());
    assert_eq!(functional::gelu_tanh(&x).into_dyn(), GELU::tanh().infer(&dynamic).unwrap());
    assert_eq!(x.softmax(ndarray::Axis(0)).unwrap().into_dyn(), Softmax::new(ndarray::Axis(0)).infer(&dynamic).unwrap());
    assert!(x.softmax(ndarray::Axis(2)).is_err());
    // Everything along an axis has a function and a method.
    let wide = ndarray::array![[-1.5_f32, 0.25, 3.0, 0.5], [0.0, -0.5, 8.0, 8.0]];
    let axis = ndarray::Axis(1);
    let rows = [
        ("softmax(1)", functional::softmax(&wide, axis), wide.softmax(axis)),
        ("log_softmax(1)", functional::log_softmax(&wide, axis), wide.log_softmax(axis)),
        ("softmin(1)", functional::softmin(&wide, axis), wide.softmin(axis)),
        ("sparsemax(1)", functional::sparsemax(&wide, axis), wide.sparsemax(axis)),
        ("hardmax(1)", functional::hardmax(&wide, axis), wide.hardmax(axis)),
        ("glu(1)", functional::glu(&wide, axis), wide.glu(axis)),
        ("reglu(1)", functional::reglu(&wide, axis), wide.reglu(axis)),
        ("geglu(1)", functional::geglu(&wide, axis), wide.geglu(axis)),
        ("swiglu(1)", functional::swiglu(&wide, axis), wide.swiglu(axis)),
        ("bilinear(1)", functional::bilinear(&wide, axis), wide.bilinear(axis)),
        ("maxout(2, 1)", functional::maxout(&wide, 2, axis), wide.maxout(2, axis)),
    ];
    for (spec, function, method) in rows {
        let expected = layer::<f32>(spec).infer(&wide.clone().into_dyn()).unwrap();
        assert_eq!(function.unwrap().into_dyn(), expected, "{spec}");
        assert_eq!(method.unwrap().into_dyn(), expected, "{spec}");
    }
    assert!(functional::maxout(&wide, 0, axis).is_err());
    assert!(x.glu(axis).is_err(), "three columns have no halves");
    // Views, other orders, other dimensions.
    assert_eq!(x.t().mish(), x.mish().t());
    assert!(!functional::relu(&x.t()).is_standard_layout());
    assert_eq!(x.row(0).relu(), ndarray::array![0.0, 0.25, 3.0]);
    assert_eq!(ndarray::arr0(-2.0_f64).relu()[()], 0.0);
    for entry in catalog().filter(|entry| entry.family() == Family::Pointwise) {
        let mut layer = entry.layer::<f32>();
        layer.forward(&dynamic).unwrap();
        let slopes = layer.backward(&dynamic.mapv(|_| 1.0)).unwrap();
        let derivative = match entry.name() {
            "gelu" => functional::gelu_derivative(&x),
            "relu" => functional::relu_derivative(&x),
            "hard_sigmoid" => functional::hard_sigmoid_derivative(&x),
            "tanh" => functional::tanh_derivative(&x),
            "identity" => functional::identity_derivative(&x),
            "step" => functional::step_derivative(&x),
            "softplus" => functional::softplus_derivative(&x, 1.0),
            _ => continue,
        };
        assert_eq!(derivative.into_dyn(), slopes, "{}", entry.name());
    }
}
