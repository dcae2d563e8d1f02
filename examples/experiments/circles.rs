//! E1 to E5: how well networks of different widths, depths and activations tell two circles apart.

use indicatif::ProgressBar;
use ndarray::ArrayD;
use ndarray_activations::Layer;

use crate::{
    chart::{Key, Mark, Panel, Point, Result, Series, Sheet},
    network::{PLAN, Plan, Run},
    report::{Report, Sample},
};

const EPOCHS: usize = 50;
/// Half a test point, in per cent: an accuracy as near as this to the tutorial's rounded one is the same.
const HALF_POINT: f64 = 1.25;
const HEAD: &[&str] = &["network", "test accuracy, %", "lowest to highest", "the tutorial's one run", "our runs that reach it"];

/// For each number of epochs the test accuracies of all seeds.
pub(crate) fn accuracies(plan: &Plan, epochs: &[usize], runs: u64, progress: &ProgressBar) -> Result<Vec<Sample>> {
    let mut samples = vec![Sample::default(); epochs.len()];
    for seed in 1..=runs {
        let mut run = Run::new(plan, seed)?;
        let mut before = 0;
        for (sample, &epochs) in samples.iter_mut().zip(epochs) {
            run.train(epochs - before)?;
            sample.0.push(run.accuracy()?);
            before = epochs;
        }
        progress.inc(1);
    }
    Ok(samples)
}

/// One plan after another, all for as many epochs.
pub(crate) fn compare(plans: &[Plan], epochs: usize, runs: u64, progress: &ProgressBar) -> Result<Vec<Sample>> {
    plans.iter().map(|plan| Ok(accuracies(plan, &[epochs], runs, progress)?.remove(0))).collect()
}

fn row(label: &str, found: &Sample, tutorial: Option<f64>) -> Vec<String> {
    let range = format!("{:.1} to {:.1}", found.min(), found.max());
    let (told, reached) = tutorial.map_or_else(
        || ("cannot separate them".to_owned(), String::new()),
        |accuracy| (format!("{accuracy:.0}"), format!("{} of {}", found.reach(accuracy - HALF_POINT), found.0.len())),
    );
    vec![label.to_owned(), found.to_string(), range, told, reached]
}

/// Whether the means never fall.
pub(crate) fn rising(samples: &[Sample]) -> bool {
    samples.windows(2).all(|pair| pair[0].mean() <= pair[1].mean())
}

/// In how many runs the accuracies themselves never fall.
fn rising_runs(samples: &[Sample]) -> usize {
    let runs = samples.first().map_or(0, |sample| sample.0.len());
    (0..runs).filter(|&run| samples.windows(2).all(|pair| pair[0].0[run] <= pair[1].0[run])).count()
}

/// In how many runs this one is better than all the others.
fn wins(samples: &[Sample], which: usize) -> usize {
    let best = |run: usize| samples.iter().enumerate().all(|(other, sample)| other == which || sample.0[run] < samples[which].0[run]);
    (0..samples[which].0.len()).filter(|&run| best(run)).count()
}

pub(crate) fn one_layer(runs: u64, progress: &ProgressBar) -> Result<Report> {
    let found = compare(&[PLAN], EPOCHS, runs, progress)?.remove(0);
    let reached = found.reach(98.0 - HALF_POINT);
    let judgement = match reached as f64 / runs as f64 {
        share if share < 0.1 => "a stroke of luck",
        share if share < 0.4 => "a lucky run",
        share if share < 0.7 => "an ordinary run",
        _ => "less than one may expect",
    };
    Ok(Report {
        title: "E1: one hidden layer of 32 ReLUs",
        about: format!("{EPOCHS} epochs of Adam with Keras' defaults: learning rate 0.001, Glorot-uniform weights, batches of 32."),
        head: HEAD,
        rows: vec![row("2-32-1", &found, Some(98.0))],
        verdict: format!(
            "What holds: one hidden layer can be enough, the best run has {:.0} %. What was luck: {reached} of {runs} runs reach 98 %, so the tutorial saw \
             {judgement}; expect {found} %.",
            found.max()
        ),
        pictures: Vec::new(),
    })
}

pub(crate) const WIDTHS: [Plan; 4] =
    [Plan { hidden: &[4], ..PLAN }, Plan { hidden: &[8], ..PLAN }, Plan { hidden: &[32], ..PLAN }, Plan { hidden: &[64], ..PLAN }];

pub(crate) fn width(runs: u64, progress: &ProgressBar) -> Result<Report> {
    let found = compare(&WIDTHS, EPOCHS, runs, progress)?;
    let rows = ["2-4-1", "2-8-1", "2-32-1", "2-64-1"].iter().zip(&found).zip([35.0, 58.0, 88.0, 100.0]);
    Ok(Report {
        title: "E2: wider",
        about: format!("One hidden layer of 4, 8, 32 or 64 ReLUs, {EPOCHS} epochs, otherwise as E1."),
        head: HEAD,
        rows: rows.map(|((label, found), tutorial)| row(label, found, Some(tutorial))).collect(),
        verdict: format!(
            "What holds: {}; the widest has {:.0} points more than the narrowest. What was luck: that a single series showed it, for in {} of {runs} seeds \
             the four accuracies are not in this order.",
            if rising(&found) { "on average wider is never worse" } else { "wider is better from end to end, though not at every step" },
            found[3].mean() - found[0].mean(),
            runs as usize - rising_runs(&found),
        ),
        pictures: Vec::new(),
    })
}

const DEPTHS: [Plan; 4] =
    [Plan { hidden: &[8], ..PLAN }, Plan { hidden: &[8, 8], ..PLAN }, Plan { hidden: &[8, 8, 8], ..PLAN }, Plan { hidden: &[8, 8, 8, 8], ..PLAN }];

pub(crate) fn depth(runs: u64, progress: &ProgressBar) -> Result<Report> {
    let found = compare(&DEPTHS, EPOCHS, runs, progress)?;
    let rows = ["2-8-1", "2-8-8-1", "2-8-8-8-1", "2-8-8-8-8-1"].iter().zip(&found).zip([70.0, 73.0, 85.0, 70.0]);
    let judgement = if rising(&found) {
        "up to four hidden layers deeper is better on average, against the tutorial's conclusion"
    } else {
        "deeper is not always better, as the tutorial concludes"
    };
    Ok(Report {
        title: "E3: deeper",
        about: format!("One to four hidden layers of 8 ReLUs, {EPOCHS} epochs, otherwise as E1."),
        head: HEAD,
        rows: rows.map(|((label, found), tutorial)| row(label, found, Some(tutorial))).collect(),
        verdict: format!(
            "What holds: {judgement}. What was luck: the tutorial's best, three layers, beats the other three in {} of {runs} seeds, four layers in {}.",
            wins(&found, 2),
            wins(&found, 3)
        ),
        pictures: Vec::new(),
    })
}

pub(crate) fn epochs(runs: u64, progress: &ProgressBar) -> Result<Report> {
    const AT: [usize; 4] = [10, 20, 30, 40];
    let found = accuracies(&Plan { hidden: &[8, 16, 32, 8], ..PLAN }, &AT, runs, progress)?;
    let rows = AT.iter().zip(&found).zip([65.0, 88.0, 100.0, 100.0]);
    Ok(Report {
        title: "E4: longer",
        about: "Hidden layers of 8, 16, 32 and 8 ReLUs after 10, 20, 30 and 40 epochs, otherwise as E1.".to_owned(),
        head: HEAD,
        rows: rows.map(|((epochs, found), tutorial)| row(&format!("{epochs} epochs"), found, Some(tutorial))).collect(),
        verdict: format!(
            "What holds: {}. What was luck: 100 % after 30 epochs, which {} of {runs} runs reach ({} after 40).",
            if rising(&found) { "the accuracy grows with every ten epochs" } else { "the accuracy grows from the first to the last epoch" },
            found[2].reach(100.0),
            found[3].reach(100.0)
        ),
        pictures: Vec::new(),
    })
}

/// Faster and longer than Keras' defaults, so that all have the time to learn it that can.
const PATIENT: Plan = Plan { learning_rate: 0.01, ..PLAN };
const LONG: usize = 100;
pub(crate) const ACTIVATIONS: [Plan; 4] =
    [Plan { activation: "identity", ..PATIENT }, PATIENT, Plan { activation: "leaky_relu(0.2)", ..PATIENT }, Plan { activation: "tanh", ..PATIENT }];

pub(crate) fn no_activation(runs: u64, progress: &ProgressBar) -> Result<Report> {
    let found = compare(&ACTIVATIONS, LONG, runs, progress)?;
    let rows = ACTIVATIONS.iter().zip(&found).map(|(plan, found)| match plan.activation {
        "identity" => row("no activation", found, None),
        other => vec![other.to_owned(), found.to_string(), format!("{:.1} to {:.1}", found.min(), found.max()), String::new(), String::new()],
    });
    Ok(Report {
        title: "E5: no activation",
        about: format!(
            "One hidden layer of 32, {LONG} epochs at a learning rate of 0.01, so that all have the time to learn it that can. Without an activation the \
             layers are one matrix product, and the border is a straight line. The best one touches the inner circle and has all of it on one side, with a \
             third of the outer circle on the other: that makes 2/3 of all points right at most, give or take the noise and the choice of 40."
        ),
        head: HEAD,
        rows: rows.collect(),
        verdict: format!(
            "What holds: without an activation the circles cannot be separated, {:.0} % on average and {:.0} % in the best of {runs} runs, where ReLU has \
             {:.0} %. What was luck: nothing, it follows from the geometry.",
            found[0].mean(),
            found[0].max(),
            found[1].mean()
        ),
        pictures: vec![("boundaries.svg", "What networks take for the inner circle (blue) after training, and the test points", boundaries()?)],
    })
}

/// What some networks have learnt with the first seed.
fn boundaries() -> Result<String> {
    #[rustfmt::skip]
    let shown: [(&str, Plan, usize); 6] = [
        ("E5: 32 units, no activation", ACTIVATIONS[0], LONG),
        ("E5: 32 ReLUs", PATIENT, LONG),
        ("E5: 32 tanh", ACTIVATIONS[3], LONG),
        ("E2: 4 ReLUs", WIDTHS[0], EPOCHS),
        ("E1: 32 ReLUs", PLAN, EPOCHS),
        ("E4: 8-16-32-8 ReLUs, 40 epochs", Plan { hidden: &[8, 16, 32, 8], ..PLAN }, 40),
    ];
    let panels = shown.iter().map(|(caption, plan, epochs)| {
        let mut run = Run::new(plan, 1)?;
        run.train(*epochs)?;
        let places = run.test.places.outer_iter().zip(&run.test.labels);
        let class = |wanted: f32| places.clone().filter(|(_, label)| **label == wanted).map(|(place, _)| (f64::from(place[0]), f64::from(place[1]))).collect();
        let series = [Series { colour: 0, filled: class(1.0), ..Series::default() }, Series { colour: 1, filled: class(0.0), ..Series::default() }];
        let ends = (-HALF_WIDTH, HALF_WIDTH);
        Ok(Panel { caption: (*caption).to_owned(), x: ends, y: Some(ends), cells: inside(&run)?, series: series.into() })
    });
    let key = |label: &str, mark, colour| Key { label: label.to_owned(), mark, colour };
    let legend = vec![key("inner circle", Mark::Filled, 0), key("outer circle", Mark::Filled, 1), key("taken for the inner circle", Mark::Area, 0)];
    let title = "Two circles, learnt (seed 1)".to_owned();
    Sheet { title, panels: panels.collect::<Result<_>>()?, columns: 3, panel: (250, 250), font: 11, numbers: 4, legend }.svg()
}

const HALF_WIDTH: f64 = 1.4;
const CELLS: usize = 56;

/// Where the network sees the inner circle, as rectangles: in each row of cells, one for each run of neighbours. They overlap, lest seams show.
fn inside(run: &Run) -> Result<Vec<(Point, Point, usize)>> {
    let side = 2.0 * HALF_WIDTH / CELLS as f64;
    let edge = |cell: usize| cell as f64 * side - HALF_WIDTH;
    let middle = |cell: usize| (edge(cell) + side / 2.0) as f32;
    let places = ArrayD::from_shape_fn(vec![CELLS * CELLS, 2], |at| if at[1] == 0 { middle(at[0] % CELLS) } else { middle(at[0] / CELLS) });
    let inner: Vec<bool> = run.network.infer(&places)?.iter().map(|&logit| logit > 0.0).collect();
    let mut found = Vec::new();
    for (y, row) in inner.chunks(CELLS).enumerate() {
        let mut x = 0;
        for same in row.chunk_by(|a, b| a == b) {
            if same[0] {
                found.push(((edge(x), edge(y + 1)), (edge(x + same.len()), edge(y) - side / 3.0), 0));
            }
            x += same.len();
        }
    }
    Ok(found)
}
