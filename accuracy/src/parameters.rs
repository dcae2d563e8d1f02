//! Other parameters than the defaults.

use std::error::Error;

use indicatif::ProgressBar;

use crate::{
    double,
    report::{self, Row},
    single,
};

/// The parameters to try, by activation.
pub(crate) fn specs() -> Vec<(&'static str, Vec<String>)> {
    // 25 numbers from 1e-3 to 1e3; those between the powers of ten have digits all the way.
    let wide: Vec<f64> = (-12..=12).map(|k| 10_f64.powf(f64::from(k) / 4.0)).collect();
    let narrow: Vec<f64> = wide.iter().copied().filter(|x| (0.1..=10.0).contains(x)).collect();
    let signed: Vec<f64> = narrow.iter().flat_map(|&x| [x, -x]).chain([0.0]).collect();
    let slopes: Vec<f64> = (-20..=20).map(|k| f64::from(k) / 10.0).chain([1e-3, 1.0 / 3.0, -0.77777]).collect();
    let pairs = [(0.1, 20.0), (-1.5, 0.3), (1.0, 7.0), (0.0, -0.0), (3.3, 1e-3)];
    let one = |name: &'static str, values: &[f64]| (name, values.iter().map(|a| format!("{name}({a})")).collect());
    let two = |name: &'static str, values: &[(f64, f64)]| (name, values.iter().map(|(a, b)| format!("{name}({a}, {b})")).collect());
    vec![
        one("elu", &wide),
        one("celu", &wide),
        one("leaky_relu", &slopes),
        one("softplus", &narrow),
        one("swish", &signed),
        one("squareplus", &wide),
        one("thresholded_relu", &signed),
        one("hard_shrink", &narrow),
        one("soft_shrink", &narrow),
        two("shrink", &pairs.map(|(a, b)| (f64::abs(a), b))),
        two("threshold", &pairs),
        two("hard_tanh", &[(-2.0, 0.5), (-0.1, 0.3), (0.2, 7.7), (-5.5, -1.0 / 3.0)]),
        two("hard_sigmoid", &[(0.2, 0.5), (0.25, 0.5), (1.0 / 6.0, 0.5), (0.1, 0.3), (3.0, 0.7)]),
    ]
}

/// The worst of each direction and instruction set, over all parameters of an activation.
pub(crate) fn sweep(name: &str, specs: &[String], element: &str, step: u64, progress: &ProgressBar) -> Result<Vec<Row>, Box<dyn Error>> {
    let mut worst: Vec<Row> = Vec::new();
    let hidden = ProgressBar::hidden();
    progress.set_length(specs.len() as u64);
    for spec in specs {
        let (levels, absolute) = match element {
            "f32" => (single::sweep(spec, 4001 * step, &hidden)?, f64::powi(2.0, -24)),
            _ => (double::sweep(spec, 100_000 / step, &hidden)?, f64::powi(2.0, -53)),
        };
        let parameters = crate::oracle::parts(spec).1.iter().map(f64::to_string).collect::<Vec<_>>().join(" ");
        for row in report::rows("parameters", name, &parameters, element, &levels, (4.0, 8.0, absolute)) {
            let row = Row { mean: None, ..row };
            match worst.iter_mut().find(|old| (&old.level, &old.direction) == (&row.level, &row.direction)) {
                Some(old) => old.merge(row),
                None => worst.push(row),
            }
        }
        progress.inc(1);
    }
    Ok(worst)
}
