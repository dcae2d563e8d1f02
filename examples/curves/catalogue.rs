//! The picture of every activation in the catalogue, and the overview of all.

use ndarray::{ArrayD, Axis};
use ndarray_activations::{Entry, Family, Layer, by_name, catalog};

use crate::chart::{Key, Mark, Panel, Point, Result, Series, Sheet};

/// Where the default range, or the default parameters alone, would show too little.
#[rustfmt::skip]
const SPECIAL: &[(&str, f64, f64, &[&str])] = &[
    ("sigmoid", -10.0, 10.0, &[]),
    ("tanh", -10.0, 10.0, &[]),
    ("softsign", -10.0, 10.0, &[]),
    ("relu6", -3.0, 9.0, &[]),
    ("relu_squared", -2.0, 2.0, &[]),
    ("leaky_relu", -5.0, 5.0, &["leaky_relu(0)", "leaky_relu(0.1)", "leaky_relu(1)"]),
    ("prelu", -5.0, 5.0, &["prelu(0.25)", "prelu(-0.25)"]),
    ("elu", -5.0, 5.0, &["elu(0)", "elu(0.2)", "elu(0.5)", "elu(1)"]),
    ("celu", -5.0, 5.0, &["celu(0.5)", "celu(1)", "celu(2)"]),
    ("selu", -2.0, 2.0, &[]),
    ("gelu", -2.0, 2.0, &[]),
    ("gelu_tanh", -2.0, 2.0, &[]),
    ("gelu_sigmoid", -2.0, 2.0, &[]),
    ("silu", -2.0, 2.0, &[]),
    ("swish", -2.0, 2.0, &["swish(0.5)", "swish(1)", "swish(4)"]),
    ("softplus", -4.0, 4.0, &["softplus(0.5)", "softplus(1)", "softplus(4)"]),
    ("squareplus", -4.0, 4.0, &["squareplus(0)", "squareplus(1)", "squareplus(4)"]),
    ("hard_sigmoid", -5.0, 5.0, &["hard_sigmoid", "hard_sigmoid(0.2, 0.5)"]),
    ("hard_tanh", -3.0, 3.0, &[]),
    ("hard_shrink", -2.0, 2.0, &[]),
    ("soft_shrink", -2.0, 2.0, &[]),
    ("shrink", -2.0, 2.0, &["shrink(0.5)", "shrink(0.5, 0.5)", "shrink(1, 0.25)"]),
    ("threshold", -3.0, 3.0, &["threshold(0, 0)", "threshold(1, -0.5)"]),
    ("thresholded_relu", -3.0, 3.0, &[]),
    ("exponential", -3.0, 2.0, &[]),
    ("sparse_plus", -2.0, 2.0, &[]),
    ("sparse_sigmoid", -2.0, 2.0, &[]),
    ("sign", -2.0, 2.0, &[]),
    ("step", -2.0, 2.0, &[]),
    ("softmax", -2.0, 2.0, &[]),
];
const RANGE: Point = (-5.0, 5.0);
const STEPS: usize = 480;
/// How far beside a jump its limits are taken.
const BESIDE: f64 = 1e-9;
/// Smaller differences are no jump.
const JUMP: f64 = 1e-6;

/// A straight way through the inputs of a layer: at x the input is `start` + x · `direction`. The derivative by x is the gradient's share in that direction.
#[derive(Clone, Copy, Debug)]
struct Way {
    label: &'static str,
    start: &'static [f64],
    direction: &'static [f64],
    /// Which output is looked at.
    output: usize,
}

const ONE: &[Way] = &[Way { label: "", start: &[0.0], direction: &[1.0], output: 0 }];
const THREE: &[Way] = &[
    Way { label: "output for x", start: &[0.0, 0.5, -0.5], direction: &[1.0, 0.0, 0.0], output: 0 },
    Way { label: "for 0.5", start: &[0.0, 0.5, -0.5], direction: &[1.0, 0.0, 0.0], output: 1 },
    Way { label: "for -0.5", start: &[0.0, 0.5, -0.5], direction: &[1.0, 0.0, 0.0], output: 2 },
];
const HALVES: &[Way] = &[
    Way { label: "a = 1, b = x", start: &[1.0, 0.0], direction: &[0.0, 1.0], output: 0 },
    Way { label: "a = x, b = 1", start: &[0.0, 1.0], direction: &[1.0, 0.0], output: 0 },
];
const PIECES: &[Way] = &[Way { label: "maxout of x and -x/2", start: &[0.0, 0.0], direction: &[1.0, -0.5], output: 0 }];

/// The ways that show what a layer does, and the captions of its value and of its derivative.
fn ways(entry: &Entry) -> (&'static [Way], [&'static str; 2]) {
    match (entry.family(), entry.name()) {
        (Family::Axis, _) => (THREE, ["outputs for the inputs x, 0.5, -0.5", "their derivatives by x"]),
        (_, "maxout") => (PIECES, ["f(x)", "f'(x)"]),
        (Family::Reducing, _) => (HALVES, ["output", "its derivative by x"]),
        (Family::Random, _) => (ONE, ["infer(x), and one draw of forward", "one draw of backward"]),
        _ => (ONE, ["f(x)", "f'(x)"]),
    }
}

/// All pictures with the names of their files: one for each entry of the catalogue, and the overview.
pub(crate) fn pictures() -> Result<Vec<(String, String)>> {
    let mut pictures = vec![("overview.svg".to_owned(), overview()?)];
    for entry in catalog() {
        pictures.push((format!("{}.svg", entry.name()), picture(entry)?));
    }
    Ok(pictures)
}

fn picture(entry: &Entry) -> Result<String> {
    let (x, specs) = special(entry);
    let (ways, captions) = ways(entry);
    let mut panels = captions.map(|caption| Panel { caption: caption.to_owned(), x, ..Panel::default() });
    let mut legend = Vec::new();
    let count = specs.len() * ways.len();
    for (spec, way) in specs.iter().flat_map(|spec| ways.iter().map(move |way| (spec, way))) {
        let mut layer = by_name::<f64>(spec)?;
        let colour = legend.len();
        // Curves may coincide for a part: the earlier ones show beside the later ones.
        let width = 2.0 + 1.4 * (count - 1 - colour) as f64;
        for (panel, series) in panels.iter_mut().zip(series(layer.as_mut(), entry, way, x)?) {
            panel.series.push(Series { colour, width, ..series });
        }
        let label = if way.label.is_empty() { layer.spec() } else { way.label.to_owned() };
        legend.push(Key { label, mark: Mark::Line(width), colour });
    }

    let any = |points: fn(&Series) -> &Vec<Point>| panels.iter().flat_map(|panel| &panel.series).any(|series| !points(series).is_empty());
    let marks = [
        (Mark::Dot, "one draw", any(|s| &s.dots)),
        (Mark::Hollow, "limit at a jump", any(|s| &s.hollow)),
        (Mark::Filled, "value at a jump", any(|s| &s.filled)),
    ];
    legend.extend(marks.iter().filter(|mark| mark.2).map(|&(mark, label, _)| Key { label: label.to_owned(), mark, colour: if count > 1 { 6 } else { 0 } }));
    let title = format!("{}: {}", entry.name(), entry.formula());
    Sheet { title, panels: panels.into(), columns: 2, panel: (370, 240), font: 11, numbers: 6, legend }.svg()
}

fn overview() -> Result<String> {
    let panels = catalog().map(|entry| {
        let (x, _) = special(entry);
        let ways = ways(entry).0;
        let mut panel = Panel { caption: entry.name().to_owned(), x, ..Panel::default() };
        for (colour, series) in [1, 0].into_iter().zip(series(entry.layer().as_mut(), entry, &ways[0], x)?.into_iter().rev()) {
            // At this size the dots of random layers stay, the marks of jumps go.
            let dots = series.dots.into_iter().step_by(4).collect();
            panel.series.push(Series { colour, width: 1.6, lines: series.lines, dots, ..Series::default() });
        }
        Ok(panel)
    });
    let key = |label: &str, colour| Key { label: label.to_owned(), mark: Mark::Line(1.6), colour };
    let legend = vec![key("f, with the default parameters", 0), key("its derivative, as backward gives it", 1)];
    let title = "The activations of ndarray-activations".to_owned();
    Sheet { title, panels: panels.collect::<Result<_>>()?, columns: 7, panel: (140, 116), font: 8, numbers: 4, legend }.svg()
}

fn special(entry: &Entry) -> (Point, Vec<&str>) {
    let found = SPECIAL.iter().find(|row| row.0 == entry.name());
    let specs = found.map(|row| row.3).filter(|specs| !specs.is_empty());
    (found.map_or(RANGE, |row| (row.1, row.2)), specs.map_or_else(|| vec![entry.name()], <[_]>::to_vec))
}

/// Value and derivative along a way.
fn series(layer: &mut dyn Layer<f64>, entry: &Entry, way: &Way, (low, high): Point) -> Result<[Series; 2]> {
    let mut grid: Vec<f64> = (0..=STEPS).map(|i| low + (high - low) * i as f64 / STEPS as f64).collect();
    if entry.family() == Family::Random {
        let value = grid.iter().copied().zip(layer.infer(&input(way, &grid))?).collect();
        let few: Vec<f64> = grid.into_iter().skip(3).step_by(6).collect();
        let drawn = sample(layer, way, &few)?;
        let dots = |which: usize| few.iter().zip(&drawn).map(|(&x, y)| (x, y[which])).collect();
        return Ok([Series { lines: vec![value], dots: dots(0), ..Series::default() }, Series { dots: dots(1), ..Series::default() }]);
    }

    let mut breaks = breaks(layer, way, &grid)?;
    breaks.retain(|&x| low < x && x < high);
    // Curves end beside a break and begin anew behind it; the break itself belongs to neither.
    grid.retain(|x| !breaks.contains(x));
    grid.extend(breaks.iter().flat_map(|x| [x - BESIDE, x + BESIDE]));
    grid.sort_by(f64::total_cmp);
    let values = sample(layer, way, &grid)?;
    let at_breaks = sample(layer, way, &breaks)?;
    Ok([0, 1].map(|which| {
        let mut series = Series { lines: vec![Vec::new()], ..Series::default() };
        let mut ahead = breaks.iter().zip(&at_breaks).peekable();
        for (&x, y) in grid.iter().zip(&values) {
            if let Some((&x_break, value)) = ahead.next_if(|(at, _)| **at < x)
                && let Some(&before) = series.lines.last().and_then(|line| line.last())
            {
                let (value, after) = ((x_break, value[which]), (x_break, y[which]));
                let sides: Vec<Point> = [(x_break, before.1), after].into_iter().filter(|side| (side.1 - value.1).abs() > JUMP).collect();
                if !sides.is_empty() {
                    series.lines.push(Vec::new());
                    series.hollow.extend(sides);
                    series.filled.push(value);
                }
            }
            if let Some(line) = series.lines.last_mut() {
                line.push((x, y[which]));
            }
        }
        series
    }))
}

/// Where value or derivative may jump: the layer's kinks, and what shows between the points of the grid (layers that mix elements declare none).
fn breaks(layer: &mut dyn Layer<f64>, way: &Way, grid: &[f64]) -> Result<Vec<f64>> {
    /// Less than this between two points needs no closer look.
    const SUSPICIOUS: f64 = 0.01;
    let mut found = layer.kinks();
    let distance = |a: [f64; 2], b: [f64; 2]| (a[0] - b[0]).abs() + (a[1] - b[1]).abs();
    let values = sample(layer, way, grid)?;
    for (ends, at_ends) in grid.windows(2).zip(values.windows(2)) {
        let ((mut left, mut right), mut y) = ((ends[0], ends[1]), [at_ends[0], at_ends[1]]);
        // Halving makes a steep slope small, and leaves a jump as it is.
        while right - left > BESIDE / 10.0 && distance(y[0], y[1]) > SUSPICIOUS {
            let middle = (left + right) / 2.0;
            let at_middle = sample(layer, way, &[middle])?[0];
            if distance(y[0], at_middle) > distance(at_middle, y[1]) { (right, y[1]) = (middle, at_middle) } else { (left, y[0]) = (middle, at_middle) }
        }
        let x = ((left + right) / 2.0 * 1e8).round() / 1e8;
        if distance(y[0], y[1]) > SUSPICIOUS && found.iter().all(|at| (x - at).abs() > 10.0 * BESIDE) {
            found.push(x);
        }
    }
    found.sort_by(f64::total_cmp);
    Ok(found)
}

fn input(way: &Way, xs: &[f64]) -> ArrayD<f64> {
    ArrayD::from_shape_fn(vec![xs.len(), way.start.len()], |at| way.start[at[1]] + xs[at[0]] * way.direction[at[1]])
}

/// Value and derivative at each x.
fn sample(layer: &mut dyn Layer<f64>, way: &Way, xs: &[f64]) -> Result<Vec<[f64; 2]>> {
    let output = layer.forward(&input(way, xs))?;
    let mut grad_output = ArrayD::zeros(output.raw_dim());
    grad_output.index_axis_mut(Axis(1), way.output).fill(1.0);
    let grad_input = layer.backward(&grad_output)?;
    let slope = |row: usize| grad_input.index_axis(Axis(0), row).iter().zip(way.direction).map(|(g, d)| g * d).sum();
    Ok((0..xs.len()).map(|row| [output[[row, way.output]], slope(row)]).collect())
}
