//! Layers to JSON and back: hyper-parameters and slopes, checked, without caches.
#![cfg(feature = "serde")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, dead_code, reason = "a test")]

use ndarray::{ArrayD, Axis, array};
use ndarray_activations::*;
use serde::{Serialize, de::DeserializeOwned};

fn round_trip<L: Layer<f64> + Serialize + DeserializeOwned>(layer: &L, text: &str) -> L {
    assert_eq!(serde_json::to_string(layer).unwrap(), text);
    let back: L = serde_json::from_str(text).unwrap();
    assert_eq!(back.spec(), layer.spec());
    let x = array![[-2.0, -0.3, 0.4, 1.7], [0.0, 3.0, -7.0, 0.1]].into_dyn();
    assert_eq!(back.infer(&x).unwrap(), layer.infer(&x).unwrap());
    back
}

#[test]
fn there_and_back() {
    round_trip(&GELU::tanh(), "\"gelu_tanh\"");
    round_trip(&LeakyReLU::new(0.2), "\"leaky_relu(0.2)\"");
    round_trip(&HardTanh::new(-2.0, 0.5), "\"hard_tanh(-2, 0.5)\"");
    round_trip(&Softplus::new(2.0).threshold(20.0), "\"softplus(2, 20)\"");
    round_trip(&HardSigmoid::new(), "\"hard_sigmoid\"");
    round_trip(&HardSigmoid::with(0.2, 0.5), "\"hard_sigmoid(0.2, 0.5)\"");
    round_trip(&CELU::new(0.5), "\"celu(0.5)\"");
    round_trip(&RReLU::new(0.1, 0.3, 7), "\"rrelu(0.1, 0.3, 7)\"");
    round_trip(&AlphaDropout::new(0.1, 7), "\"alpha_dropout(0.1, 7)\"");
    round_trip(&SwiGLU::new(Axis(1)), "\"swiglu(1)\"");
    round_trip(&Maxout::new(2, Axis(1)), "\"maxout(2, 1)\"");
    round_trip(&Sparsemax::new(Axis(0)), "{\"spec\":\"sparsemax(0)\"}");
    round_trip(&Softmax::over(&[Axis(0), Axis(1)]), "{\"spec\":\"softmax(0, 1)\"}");
}

/// Every type of the catalogue with its default parameters.
#[test]
fn all_of_the_catalogue() {
    let mut seen = Vec::new();
    macro_rules! each {
        ($($layer:ident)*) => {$(
            let layer = $layer::<f64>::default();
            let text = serde_json::to_string(&layer).unwrap();
            let back: $layer<f64> = serde_json::from_str(&text).unwrap();
            assert_eq!(Layer::<f64>::spec(&back), Layer::<f64>::spec(&layer), "{text}");
            assert_eq!(serde_json::to_string(&back).unwrap(), text);
            seen.push(Layer::<f64>::name(&layer).to_owned());
        )*};
    }
    each!(
        Identity Sigmoid Tanh ReLU ReLU6 ReLUSquared LeakyReLU ThresholdedReLU ELU CELU SELU GELU SiLU Swish Mish Softplus LogSigmoid Softsign HardSigmoid HardSwish
        HardTanh HardShrink SoftShrink Shrink TanhShrink Threshold Exponential Squareplus SparsePlus SparseSigmoid Sign Step PReLU RReLU AlphaDropout Softmax
        LogSoftmax Softmin Sparsemax Hardmax GLU ReGLU GEGLU SwiGLU Bilinear Maxout
    );
    for entry in catalog().filter(|entry| !entry.name().starts_with("gelu_")) {
        assert!(seen.iter().any(|name| name == entry.name()), "{} is not tested", entry.name());
    }
}

#[test]
fn slopes_and_masks_come_along_and_caches_do_not() {
    let mut prelu = PReLU::per_channel(4, 0.25).axis(Axis(1));
    prelu.params_mut()[0].value[[2]] = -0.5;
    let text = serde_json::to_string(&prelu).unwrap();
    prelu.forward(&array![[1.0, -1.0, -2.0, 3.0]].into_dyn()).unwrap();
    assert_eq!(serde_json::to_string(&prelu).unwrap(), text);
    let mut back: PReLU<f64> = serde_json::from_str(&text).unwrap();
    assert_eq!(back.params()[0].value, prelu.params()[0].value);
    assert_eq!((back.params()[0].name(), back.params()[0].weight_decay()), ("alpha", false));
    assert!(matches!(back.backward(&ArrayD::zeros(vec![1, 4])), Err(ActivationError::BackwardBeforeForward { .. })));
    let mut softmax = LogSoftmax::<f64>::new(Axis(1)).all_masked(AllMasked::Zeros);
    softmax.set_mask(Some(array![[true, false], [false, false]].into_dyn()));
    let back: LogSoftmax<f64> = serde_json::from_str(&serde_json::to_string(&softmax).unwrap()).unwrap();
    let x = array![[1.0, 2.0], [3.0, 4.0]].into_dyn();
    assert_eq!(back.infer(&x).unwrap(), softmax.infer(&x).unwrap());
}

#[test]
fn nonsense_is_refused() {
    for text in ["\"relu\"", "\"gellu\"", "\"gelu(1)\"", "3", "\"\"", "null"] {
        assert!(serde_json::from_str::<GELU<f32>>(text).is_err(), "{text}");
    }
    assert!(serde_json::from_str::<CELU<f64>>("\"celu(0)\"").unwrap_err().to_string().contains("alpha must not be 0"));
    assert!(serde_json::from_str::<RReLU<f64>>("\"rrelu(0.5, 0.1, 1)\"").is_err());
    assert!(serde_json::from_str::<Maxout<f64>>("\"maxout(0, 1)\"").is_err());
    assert!(serde_json::from_str::<Softmax<f64>>("{\"spec\":\"softmin(1)\"}").is_err());
    let two_axes = "{\"alpha\":{\"v\":1,\"dim\":[1,2],\"data\":[0.1,0.2]},\"axis\":0}";
    assert!(serde_json::from_str::<PReLU<f64>>(two_axes).is_err());
}
