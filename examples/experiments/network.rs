//! The concentric circles, and networks that learn to tell them apart.

use ndarray::{ArrayD, Axis};
use ndarray_activations::{Layer, Sequential, Sigmoid, Softplus, by_name, init};
use ndarray_rand::rand_distr::{Distribution, StandardNormal};
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};

use crate::{adam::Adam, chart::Result, dense::Dense};

const POINTS: usize = 200;
const NOISE: f64 = 0.05;
/// Radius of the inner circle; the outer one has 1.
const INNER: f64 = 0.5;
const TRAIN: usize = 128;
/// Kept apart, as in the tutorial; nothing is tuned on it here.
const VALIDATION: usize = 32;
const BATCH: usize = 32;

/// Points in the plane.
#[derive(Debug)]
pub(crate) struct Points {
    /// Shape [points, 2].
    pub(crate) places: ArrayD<f32>,
    /// 1 on the inner circle, 0 on the outer; shape [points, 1].
    pub(crate) labels: ArrayD<f32>,
}

impl Points {
    fn select(&self, indices: &[usize]) -> Self {
        Self { places: self.places.select(Axis(0), indices), labels: self.labels.select(Axis(0), indices) }
    }
}

/// 128 points to learn from and 40 for the test.
pub(crate) fn circles(seed: u64) -> Result<(Points, Points)> {
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut places, mut labels) = (Vec::new(), Vec::new());
    for point in 0..POINTS {
        let inner = point % 2 == 1;
        let angle = std::f64::consts::TAU * point as f64 / POINTS as f64;
        let radius = if inner { INNER } else { 1.0 };
        for place in [radius * angle.cos(), radius * angle.sin()] {
            let noise: f64 = StandardNormal.sample(&mut rng);
            places.push((place + NOISE * noise) as f32);
        }
        labels.push(f32::from(u8::from(inner)));
    }
    let all = Points { places: ArrayD::from_shape_vec(vec![POINTS, 2], places)?, labels: ArrayD::from_shape_vec(vec![POINTS, 1], labels)? };
    let mut order: Vec<usize> = (0..POINTS).collect();
    order.shuffle(&mut rng);
    Ok((all.select(&order[..TRAIN]), all.select(&order[TRAIN + VALIDATION..])))
}

/// What is trained, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// The widths of the hidden layers.
    pub(crate) hidden: &'static [usize],
    /// As `by_name` reads it.
    pub(crate) activation: &'static str,
    pub(crate) learning_rate: f32,
    /// Makes the initial weights, Glorot's as Keras has them, larger.
    pub(crate) scale: f32,
}

/// The tutorial's: Keras' defaults.
pub(crate) const PLAN: Plan = Plan { hidden: &[32], activation: "relu", learning_rate: 0.001, scale: 1.0 };

/// A network on its way.
pub(crate) struct Run {
    pub(crate) network: Sequential<f32>,
    pub(crate) train: Points,
    pub(crate) test: Points,
    optimizer: Adam,
    rng: StdRng,
}

impl Run {
    /// Everything random, the points too, comes from the seed.
    pub(crate) fn new(plan: &Plan, seed: u64) -> Result<Self> {
        let (train, test) = circles(seed)?;
        let mut network = Sequential::new(Vec::new());
        let mut inputs = 2;
        for (layer, &width) in plan.hidden.iter().chain(&[1]).enumerate() {
            if layer > 0 {
                network.push(by_name::<f32>(plan.activation)?);
            }
            let weight = init::glorot_uniform((inputs, width), 1000 * seed + layer as u64);
            network.push(Dense::new(weight * plan.scale));
            inputs = width;
        }
        Ok(Self { network, train, test, optimizer: Adam::new(plan.learning_rate, 0.0), rng: StdRng::seed_from_u64(seed) })
    }

    /// From here on at another pace.
    pub(crate) fn learning_rate(&mut self, learning_rate: f32) {
        self.optimizer = Adam::new(learning_rate, 0.0);
    }

    pub(crate) fn train(&mut self, epochs: usize) -> Result<()> {
        let mut order: Vec<usize> = (0..TRAIN).collect();
        for _ in 0..epochs {
            order.shuffle(&mut self.rng);
            for indices in order.chunks(BATCH) {
                let batch = self.train.select(indices);
                let logits = self.network.forward(&batch.places)?;
                self.network.backward(&cross_entropy(&logits, &batch.labels)?.1)?;
                self.optimizer.step(self.network.params_mut());
            }
        }
        Ok(())
    }

    /// The share of the test points on the right side, in per cent.
    pub(crate) fn accuracy(&self) -> Result<f64> {
        let logits = self.network.infer(&self.test.places)?;
        let right = logits.iter().zip(&self.test.labels).filter(|(logit, label)| (**logit > 0.0) == (**label > 0.5));
        Ok(100.0 * right.count() as f64 / logits.len() as f64)
    }

    /// The outputs of the hidden layers for all training points.
    pub(crate) fn hidden(&self) -> Result<Vec<ArrayD<f32>>> {
        let mut values = self.train.places.clone();
        let mut found = Vec::new();
        for (index, layer) in self.network.iter().enumerate() {
            values = layer.infer(&values)?;
            if index % 2 == 1 {
                found.push(values.clone());
            }
        }
        Ok(found)
    }
}

/// The mean of the binary cross-entropy, and its gradient with respect to the logits.
///
/// From the logits: -ln σ(z) is softplus(-z), finite where σ has rounded to 0, and the gradient is σ(z) less the label.
pub(crate) fn cross_entropy(logits: &ArrayD<f32>, labels: &ArrayD<f32>) -> Result<(f32, ArrayD<f32>)> {
    let losses = Softplus::new(1.0).infer(logits)? - logits * labels;
    let gradient = (Sigmoid::new().infer(logits)? - labels) / labels.len() as f32;
    Ok((losses.mean().unwrap_or(f32::NAN), gradient))
}
