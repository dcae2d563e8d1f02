//! The optimizer: Adam with decoupled weight decay ("AdamW": Kingma & Ba 2015, Loshchilov & Hutter 2019).

use ndarray::{ArrayD, Zip};
use ndarray_activations::Param;

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;
const EPSILON: f32 = 1e-8;

#[derive(Debug)]
pub(crate) struct Adam {
    learning_rate: f32,
    weight_decay: f32,
    steps: i32,
    /// One entry per parameter, in their order.
    moments: Vec<Moments>,
}

/// Running means of a parameter's gradient and of the gradient's square.
#[derive(Debug)]
struct Moments {
    first: ArrayD<f32>,
    second: ArrayD<f32>,
}

impl Adam {
    pub(crate) fn new(learning_rate: f32, weight_decay: f32) -> Self {
        Self { learning_rate, weight_decay, steps: 0, moments: Vec::new() }
    }

    /// Changes all parameters, the same in the same order each time, by one step against their gradients, and clears the gradients.
    pub(crate) fn step<'a>(&mut self, params: impl IntoIterator<Item = &'a mut Param<f32>>) {
        self.steps = self.steps.saturating_add(1);
        // The running means start at zero and would be too small at first: dividing by these makes up for it.
        let correction1 = 1.0 - BETA1.powi(self.steps);
        let correction2 = 1.0 - BETA2.powi(self.steps);

        for (index, param) in params.into_iter().enumerate() {
            if index == self.moments.len() {
                self.moments.push(Moments::zeros_like(param));
            }
            let Moments { first, second } = &mut self.moments[index];
            let decay = if param.weight_decay() { self.learning_rate * self.weight_decay } else { 0.0 };
            Zip::from(&mut param.value).and(&param.grad).and(first).and(second).for_each(|value, &grad, m, v| {
                *m = BETA1 * *m + (1.0 - BETA1) * grad;
                *v = BETA2 * *v + (1.0 - BETA2) * grad * grad;
                let step = (*m / correction1) / ((*v / correction2).sqrt() + EPSILON);
                *value -= self.learning_rate * step + decay * *value;
            });
            param.zero_grad();
        }
    }
}

impl Moments {
    fn zeros_like(param: &Param<f32>) -> Self {
        Self { first: ArrayD::zeros(param.value.raw_dim()), second: ArrayD::zeros(param.value.raw_dim()) }
    }
}
