//! Trains a network on 1,797 handwritten digits, once with each of ten activations, and compares them.
//!
//! It shows how the crate's layers fit into a training loop of one's own: a fully connected layer written by hand (`../common/dense.rs`) implements the same
//! [`Layer`] trait as the activations, a network is a `Vec` of boxed layers, and an optimizer (`../common/adam.rs`) finds all learnable parameters, those of
//! `PReLU` among them, through [`Layer::params_mut`].
//!
//! ```text
//! cargo run --release --example train_digits
//! cargo run --release --example train_digits -- --activation gelu,prelu --epochs 50 --seed 7
//! ```
//!
//! The table goes to the standard output, the loss curves to `target/train_digits.svg`. To try another activation, add a line to [`ACTIVATIONS`].

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program's output")]

#[path = "../common/adam.rs"]
mod adam;
mod data;
#[path = "../common/dense.rs"]
mod dense;
mod plot;

use std::{
    fmt,
    fs::{self, File},
    io::Write,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    time::Instant,
};

use clap::{Parser, builder::PossibleValuesParser};
use indicatif::{ProgressBar, ProgressStyle};
use ndarray::{Array2, ArrayD, Axis};
use ndarray_activations::{ELU, GELU, Identity, Layer, LeakyReLU, LogSoftmax, PReLU, ReLU, SELU, Sigmoid, Softmax, Tanh};
use ndarray_rand::{RandomExt, rand_distr::StandardNormal};
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};

use crate::{
    Init::{HeNormal, LecunNormal},
    adam::Adam,
    data::{CLASSES, Images, PIXELS},
    dense::Dense,
};

/// The widths of the hidden layers.
const HIDDEN: [usize; 2] = [128, 64];
const WEIGHT_DECAY: f32 = 0.01;

/// How the initial weights are scaled; either keeps the signal's variance from layer to layer, for a different kind of activation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Init {
    /// Variance 2 / inputs: makes up for the half of the signal that `ReLU` and its relatives cut off (He et al. 2015).
    HeNormal,
    /// Variance 1 / inputs: what `SELU`'s self-normalisation assumes (Klambauer et al. 2017), and right for activations that are the identity near zero.
    LecunNormal,
}

/// A name for `--activation`, the initial weights that suit the activation, and the activation for a hidden layer of a given width.
type Activation = (&'static str, Init, fn(usize) -> Box<dyn Layer<f32>>);

const ACTIVATIONS: &[Activation] = &[
    ("relu", HeNormal, |_| Box::new(ReLU::new())),
    ("leaky_relu", HeNormal, |_| Box::new(LeakyReLU::new(0.01))),
    ("prelu", HeNormal, |width| Box::new(PReLU::per_channel(width, 0.25).axis(Axis(1)))),
    ("elu", HeNormal, |_| Box::new(ELU::new(1.0))),
    ("selu", LecunNormal, |_| Box::new(SELU::new())),
    ("gelu", HeNormal, |_| Box::new(GELU::new())),
    ("gelu_tanh", HeNormal, |_| Box::new(GELU::tanh())),
    ("sigmoid", LecunNormal, |_| Box::new(Sigmoid::new())),
    ("tanh", LecunNormal, |_| Box::new(Tanh::new())),
    ("identity", LecunNormal, |_| Box::new(Identity::new())),
];

/// Trains a small network on handwritten digits with each activation, and compares them.
#[derive(Debug, Parser)]
struct Args {
    /// Which activations, several with commas between them [default: all]
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = PossibleValuesParser::new(ACTIVATIONS.iter().map(|&(name, ..)| name)))]
    activation: Vec<String>,
    /// How many times each training image is seen
    #[arg(long, value_name = "NUMBER", default_value = "30", allow_negative_numbers = true, value_parser = at_least_one)]
    epochs: NonZeroUsize,
    /// Decides the initial weights and the order of the training images
    #[arg(long, value_name = "NUMBER", default_value = "1")]
    seed: u64,
    /// Images per step
    #[arg(long, value_name = "NUMBER", default_value = "64", allow_negative_numbers = true, value_parser = at_least_one)]
    batch: NonZeroUsize,
    /// The learning rate
    #[arg(long, value_name = "NUMBER", default_value = "0.001", allow_negative_numbers = true, value_parser = positive)]
    lr: f32,
    /// The file for the loss curves
    #[arg(long, value_name = "PATH", default_value = "target/train_digits.svg")]
    svg: PathBuf,
}

/// Where `NonZeroUsize` by itself would speak of its type.
fn at_least_one(text: &str) -> Result<NonZeroUsize, &'static str> {
    text.parse().map_err(|_| "expected a whole number above zero")
}

fn positive(text: &str) -> Result<f32, &'static str> {
    match text.parse::<f32>() {
        Ok(number) if number.is_finite() && number > 0.0 => Ok(number),
        _ => Err("expected a number above zero"),
    }
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    // Opened before the training, so that a wrong path is not told after it.
    let mut svg = create(&args.svg)?;
    let (train, test) = data::load()?;

    let network = [PIXELS].into_iter().chain(HIDDEN).chain([CLASSES]).map(|width| width.to_string()).collect::<Vec<_>>().join("-");
    println!("Handwritten digits: {} training and {} test images, a network {network},", train.len(), test.len());
    println!("Adam with learning rate {:?}, epochs: {}, batch size: {}, seed: {}.\n", args.lr, args.epochs, args.batch, args.seed);

    let chosen: Vec<&Activation> =
        ACTIVATIONS.iter().filter(|(name, ..)| args.activation.is_empty() || args.activation.iter().any(|wanted| wanted == name)).collect();
    let width = chosen.iter().map(|activation| label(activation).len()).chain(["activation".len()]).max().unwrap_or(0);

    println!("{:<width$}  test accuracy  training loss  seconds", "activation");
    let mut trained = Vec::new();
    for activation in chosen {
        let run = train_network(activation, &train, &test, &args)?;
        println!("{:<width$}  {:>11.2} %  {:>13.6}  {:>7.2}", run.label, 100.0 * run.test_accuracy, run.final_loss(), run.seconds);
        trained.push(run);
    }

    for run in &trained {
        for (layer, alphas) in run.alphas.iter().enumerate() {
            println!("{}{}", if layer == 0 { "\n" } else { "" }, describe(&run.label, layer + 1, alphas));
        }
    }

    svg.write_all(plot::loss_curves(&trained, &format!("Handwritten digits, {network} network"))?.as_bytes())?;
    println!("\nLoss curves: {}", args.svg.display());
    Ok(())
}

/// What came of the training with one activation.
#[derive(Debug)]
struct Trained {
    label: String,
    /// The mean loss of every epoch.
    losses: Vec<f64>,
    /// From 0 to 1.
    test_accuracy: f64,
    seconds: f64,
    /// What the hidden layers' activations learnt, where they learn something.
    alphas: Vec<ArrayD<f32>>,
}

impl Trained {
    fn final_loss(&self) -> f64 {
        self.losses.last().copied().unwrap_or(f64::NAN)
    }
}

/// The activation as the crate prints it, with its numbers; of width 1, since that of `PReLU` would count the channels of one hidden layer.
fn label((.., layer): &Activation) -> String {
    layer(1).spec()
}

type Network = Vec<Box<dyn Layer<f32>>>;

fn weights(inputs: usize, outputs: usize, init: Init, rng: &mut StdRng) -> Array2<f32> {
    let gain: f32 = match init {
        HeNormal => 2.0,
        LecunNormal => 1.0,
    };
    let std = (gain / inputs as f32).sqrt();
    Array2::<f32>::random_using((inputs, outputs), StandardNormal, rng) * std
}

fn build_network(&(_, init, activation): &Activation, rng: &mut StdRng) -> Network {
    let mut network: Network = Vec::new();
    let mut inputs = PIXELS;
    for width in HIDDEN {
        network.push(Box::new(Dense::new(weights(inputs, width, init, rng))));
        network.push(activation(width));
        inputs = width;
    }
    // No activation at the end: the loss takes the logits.
    network.push(Box::new(Dense::new(weights(inputs, CLASSES, LecunNormal, rng))));
    network
}

fn train_network(activation: &Activation, train: &Images, test: &Images, args: &Args) -> Result<Trained, Failure> {
    let label = label(activation);
    // Draws on the standard error, and only where that is a terminal.
    let progress = ProgressBar::new(args.epochs.get() as u64).with_prefix(label.clone());
    progress.set_style(ProgressStyle::with_template("{prefix} {wide_bar} epoch {pos} of {len}, loss {msg}")?);

    let start = Instant::now();
    // The same seed for every activation: the same random numbers for the weights, and the same order of images.
    let mut rng = StdRng::seed_from_u64(args.seed);
    let mut network = build_network(activation, &mut rng);
    let mut optimizer = Adam::new(args.lr, WEIGHT_DECAY);
    let mut order: Vec<usize> = (0..train.len()).collect();
    let mut losses = Vec::new();
    for epoch in 1..=args.epochs.get() {
        order.shuffle(&mut rng);
        let mut sum = 0.0;
        for indices in order.chunks(args.batch.get()) {
            let batch = train.select(indices);
            let logits = forward(&mut network, &batch.pixels)?;
            let (loss, gradient) = cross_entropy(&logits, &batch.labels)?;
            backward(&mut network, gradient)?;
            optimizer.step(network.iter_mut().flat_map(|layer| layer.params_mut()));
            sum += loss * batch.len() as f64;
        }
        let loss = sum / train.len() as f64;
        if !loss.is_finite() {
            return Err(Failure(format!("{label}: the loss is {loss} in epoch {epoch}; a smaller --lr may help")));
        }
        losses.push(loss);
        progress.set_message(format!("{loss:.6}"));
        progress.inc(1);
    }
    progress.finish_and_clear();
    let seconds = start.elapsed().as_secs_f64();

    let test_accuracy = accuracy(&infer(&network, &test.pixels)?, &test.labels);
    let alphas = network.iter().flat_map(|layer| layer.params()).filter(|param| param.name() == "alpha").map(|param| param.value.clone()).collect();
    Ok(Trained { label, losses, test_accuracy, seconds, alphas })
}

/// Training: every layer remembers what its `backward` needs.
fn forward(network: &mut Network, input: &ArrayD<f32>) -> Result<ArrayD<f32>, Failure> {
    let mut values = input.clone();
    for layer in network {
        values = layer.forward(&values)?;
    }
    Ok(values)
}

/// From the gradient at the output to the gradients of all parameters, by the chain rule.
fn backward(network: &mut Network, grad_output: ArrayD<f32>) -> Result<(), Failure> {
    let mut grad = grad_output;
    for layer in network.iter_mut().rev() {
        grad = layer.backward(&grad)?;
    }
    Ok(())
}

/// Evaluation: nothing is remembered, so the network need not be mutable.
fn infer(network: &Network, input: &ArrayD<f32>) -> Result<ArrayD<f32>, Failure> {
    let mut values = input.clone();
    for layer in network {
        values = layer.infer(&values)?;
    }
    Ok(values)
}

/// The mean of -log p(label) over the batch, where p = softmax(logits), and its gradient with respect to the logits: (p - one-hot) / batch.
///
/// Softmax and loss are one function because together their gradient is this simple, and because log-softmax is finite where log(softmax) is -∞.
fn cross_entropy(logits: &ArrayD<f32>, labels: &[usize]) -> Result<(f64, ArrayD<f32>), Failure> {
    let log_probabilities = LogSoftmax::new(Axis(1)).infer(logits)?;
    let mut gradient = Softmax::last_axis().infer(logits)?;
    let mut loss = 0.0;
    for (row, &label) in labels.iter().enumerate() {
        loss -= f64::from(log_probabilities[[row, label]]);
        gradient[[row, label]] -= 1.0;
    }
    Ok((loss / labels.len() as f64, gradient / labels.len() as f32))
}

/// The fraction of rows whose largest logit is the label's.
fn accuracy(logits: &ArrayD<f32>, labels: &[usize]) -> f64 {
    let right = logits.outer_iter().zip(labels).filter(|(row, label)| {
        let best = row.iter().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b));
        best.is_some_and(|(class, _)| class == **label)
    });
    right.count() as f64 / labels.len() as f64
}

fn describe(label: &str, layer: usize, alphas: &ArrayD<f32>) -> String {
    let start = format!("{label}, hidden layer {layer}: alpha");
    if alphas.len() == 1 {
        return format!("{start} {:.3}", alphas.sum());
    }
    let (min, max) = alphas.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(min, max), &alpha| (min.min(alpha), max.max(alpha)));
    format!("{start} mean {:.3}, min {min:.3}, max {max:.3} ({} channels)", alphas.mean().unwrap_or(f32::NAN), alphas.len())
}

/// A new file, with the folders that lead to it.
fn create(path: &Path) -> Result<File, Failure> {
    let file = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| File::create(path));
    file.map_err(|error| Failure(format!("cannot write {}: {error}", path.display())))
}

/// Why the program stops, as a sentence.
struct Failure(String);

/// `main` prints its error with `Debug`, so that has to be the readable form.
impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}
