//! E7 and E8: units that learn nothing any more, because they are dead or saturated.

use indicatif::ProgressBar;
use ndarray::{ArrayD, Axis};
use ndarray_activations::{Layer, Sigmoid, diagnostics::summarize};

use crate::{
    chart::Result,
    network::{PLAN, Plan, Run, cross_entropy},
    report::{Report, Sample},
};

/// What is said of the hidden units and of the whole network, in per cent; a sample over the seeds each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health {
    /// Units that give exactly 0 for every training point.
    pub(crate) dead: Sample,
    /// Units that are on their negative side for every training point.
    pub(crate) negative: Sample,
    pub(crate) accuracy: Sample,
}

impl Health {
    fn look(&mut self, run: &Run) -> Result<()> {
        let hidden = run.hidden()?;
        let layers = hidden.len() as f64;
        let negative =
            |outputs: &ArrayD<f32>| outputs.axis_iter(Axis(1)).filter(|unit| unit.iter().all(|&y| y <= 0.0)).count() as f64 / outputs.len_of(Axis(1)) as f64;
        self.dead.0.push(100.0 * hidden.iter().map(|outputs| summarize(outputs).dead_fraction()).sum::<f64>() / layers);
        self.negative.0.push(100.0 * hidden.iter().map(negative).sum::<f64>() / layers);
        self.accuracy.0.push(run.accuracy()?);
        Ok(())
    }
}

const HURRY: usize = 50;
pub(crate) const SMALL_STEPS: f32 = 0.001;
pub(crate) const LARGE_STEPS: f32 = 1.0;

/// After training at this rate, and after as much again at the small one.
pub(crate) fn hurried(activation: &'static str, learning_rate: f32, runs: u64, progress: &ProgressBar) -> Result<[Health; 2]> {
    let mut found = [Health::default(), Health::default()];
    for seed in 1..=runs {
        let mut run = Run::new(&Plan { hidden: &[32, 32], activation, learning_rate, ..PLAN }, seed)?;
        run.train(HURRY)?;
        found[0].look(&run)?;
        run.learning_rate(SMALL_STEPS);
        run.train(HURRY)?;
        found[1].look(&run)?;
        progress.inc(1);
    }
    Ok(found)
}

pub(crate) fn dying_relu(runs: u64, progress: &ProgressBar) -> Result<Report> {
    let mut rows = Vec::new();
    let mut at_large = Vec::new();
    for learning_rate in [SMALL_STEPS, 0.1, LARGE_STEPS] {
        for activation in ["relu", "leaky_relu(0.01)", "leaky_relu(0.2)"] {
            let [after, later] = hurried(activation, learning_rate, runs, progress)?;
            let told = match activation {
                "relu" if learning_rate > SMALL_STEPS => "a large part dies for good",
                "relu" => "",
                _ => "does not die",
            };
            let cells = [&after.dead, &later.dead, &after.negative, &after.accuracy, &later.accuracy].map(ToString::to_string);
            rows.push([activation.to_owned(), learning_rate.to_string()].into_iter().chain(cells).chain([told.to_owned()]).collect());
            if learning_rate == LARGE_STEPS {
                at_large.push((after, later));
            }
        }
    }
    let [(relu, relu_later), (leaky, _), (leakier, _)] = &at_large[..] else { return Err("three activations".into()) };
    let recovered = relu.dead.mean() - relu_later.dead.mean();
    Ok(Report {
        title: "E7: dying ReLUs",
        about: format!(
            "The circles with two hidden layers of 32; {HURRY} epochs of Adam at the rate given, then {HURRY} more at {SMALL_STEPS}. Dead: the output is \
             exactly 0 for every training point, so no gradient comes through. Negative: on the negative side for every training point, dead or not. All \
             numbers in per cent."
        ),
        head: &[
            "activation",
            "learning rate",
            "dead",
            "dead after the second half",
            "negative",
            "accuracy",
            "accuracy after the second half",
            "the tutorials say",
        ],
        rows,
        verdict: format!(
            "What holds: at a learning rate of {LARGE_STEPS}, {:.0} % of the ReLUs die and {}, while no leaky unit is ever dead in this sense ({:.0} %), and \
             the accuracy is {:.0} % and {:.0} % with slopes of 0.01 and 0.2 where ReLU has {:.0} %. What the tutorials leave out: with slope 0.01 still \
             {:.0} % of the units see nothing but their negative side, and it takes a slope like 0.2 to bring that down, to {:.0} %.",
            relu.dead.mean(),
            if recovered < 1.0 { "do not recover at a small one".to_owned() } else { format!("{recovered:.0} % recover at a small one") },
            leaky.dead.mean().max(leakier.dead.mean()),
            leaky.accuracy.mean(),
            leakier.accuracy.mean(),
            relu.accuracy.mean(),
            leaky.negative.mean(),
            leakier.negative.mean()
        ),
        pictures: Vec::new(),
    })
}

/// What weights of some size do to the hidden units; a sample over the seeds each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Saturation {
    /// The derivative of the activations, on average over units and points.
    pub(crate) derivative: Sample,
    /// How many derivatives are below 0.01, in per cent.
    pub(crate) flat: Sample,
    /// The norm of the gradient of the first layer's weights.
    pub(crate) gradient: Sample,
    /// After training.
    pub(crate) accuracy: Sample,
}

const PATIENCE: usize = 100;

pub(crate) fn scaled(activation: &'static str, scale: f32, runs: u64, progress: &ProgressBar) -> Result<Saturation> {
    let mut found = Saturation::default();
    for seed in 1..=runs {
        let mut run = Run::new(&Plan { hidden: &[32, 32, 32], activation, learning_rate: 0.01, scale }, seed)?;
        let logits = run.network.forward(&run.train.places)?;
        run.network.backward(&cross_entropy(&logits, &run.train.labels)?.1)?;
        let norm = run.network.params().first().map_or(0.0, |weight| weight.grad.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt());
        found.gradient.0.push(norm);
        let derivatives = derivatives(&mut run)?;
        found.derivative.0.push(derivatives.iter().sum::<f64>() / derivatives.len() as f64);
        found.flat.0.push(100.0 * derivatives.iter().filter(|&&slope| slope < 0.01).count() as f64 / derivatives.len() as f64);
        run.network.zero_grad();
        run.train(PATIENCE)?;
        found.accuracy.0.push(run.accuracy()?);
        progress.inc(1);
    }
    Ok(found)
}

/// Of all hidden units at all training points: what a gradient of ones becomes on its way back through the activations.
fn derivatives(run: &mut Run) -> Result<Vec<f64>> {
    let mut found = Vec::new();
    for (layer, outputs) in run.hidden()?.iter().enumerate() {
        let activation = run.network.get_mut(2 * layer + 1).ok_or("an activation behind every hidden layer")?;
        found.extend(activation.backward(&ArrayD::ones(outputs.raw_dim()))?.iter().map(|&slope| f64::from(slope)));
    }
    Ok(found)
}

pub(crate) fn saturation(runs: u64, progress: &ProgressBar) -> Result<Report> {
    let mut sigmoid = Sigmoid::<f64>::new();
    let at = ndarray::array![0.0, 5.0].into_dyn();
    sigmoid.forward(&at)?;
    let slopes = sigmoid.backward(&ArrayD::ones(at.raw_dim()))?;
    let mut rows = Vec::new();
    let mut at_ends = Vec::new();
    for activation in ["sigmoid", "tanh", "relu"] {
        for scale in [1.0, 5.0, 25.0, 100.0] {
            let found = scaled(activation, scale, runs, progress)?;
            let told = if activation == "relu" || scale == 1.0 { "" } else { "gradients near 0" };
            let (derivative, gradient) = (format!("{:.3}", found.derivative), format!("{:.1e}", found.gradient.mean()));
            rows.push(vec![
                activation.to_owned(),
                format!("{scale} × Glorot"),
                derivative,
                found.flat.to_string(),
                gradient,
                found.accuracy.to_string(),
                told.to_owned(),
            ]);
            if scale == 1.0 || scale == 100.0 {
                at_ends.push(found);
            }
        }
    }
    let [sigmoid, large_sigmoid, tanh, large_tanh, _, large_relu] = &at_ends[..] else { return Err("three activations at two scales".into()) };
    let grown = large_sigmoid.gradient.mean() > sigmoid.gradient.mean() && large_tanh.gradient.mean() > tanh.gradient.mean();
    Ok(Report {
        title: "E8: saturation",
        about: format!(
            "The circles with three hidden layers of 32 whose initial weights are larger than Glorot's; derivatives and gradient before training, accuracy \
             after {PATIENCE} epochs of Adam at 0.01. The sigmoid's derivative is {:.4} at 0 and {:.4} at ±5, as the tutorials say.",
            slopes[0], slopes[1]
        ),
        head: &["activation", "weights", "mean f'", "f' below 0.01, %", "gradient of the first weights", "accuracy, %", "the tutorials say"],
        rows,
        verdict: format!(
            "What holds: behind weights 100 times too large {:.0} % of the sigmoids and {:.0} % of the tanhs have a derivative below 0.01, and training ends \
             at {:.0} and {:.0} % (ReLU: {:.0} %). What does not: the gradient at the first layer {}, from {:.1e} to {:.1e} and from {:.1e} to {:.1e}, \
             because the same large weights multiply it on its way back. It is near 0 with ordinary weights, behind three sigmoids.",
            large_sigmoid.flat.mean(),
            large_tanh.flat.mean(),
            large_sigmoid.accuracy.mean(),
            large_tanh.accuracy.mean(),
            large_relu.accuracy.mean(),
            if grown { "does not vanish with them but grows" } else { "changes" },
            sigmoid.gradient.mean(),
            large_sigmoid.gradient.mean(),
            tanh.gradient.mean(),
            large_tanh.gradient.mean()
        ),
        pictures: Vec::new(),
    })
}
