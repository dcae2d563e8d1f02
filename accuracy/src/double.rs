//! Samples of `f64` against MPFR.

use std::error::Error;

use indicatif::ProgressBar;
use ndarray_activations::{Layer, by_name};
use rug::Float;

use crate::{
    measure::{Double, Levels, measure, merged, on_all_cores},
    mpfr::{BITS, double, oracle},
    oracle::root,
};

/// How many samples are one job.
const BLOCK: u64 = 1 << 14;

/// The `index`th of a fixed series of well mixed numbers (Steele, Lea and Flood 2014, SplitMix64).
fn random(index: u64) -> u64 {
    let mut z = index.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The `index`th input, the same in every run.
///
/// Of 20: ten of any exponent from 2^-60 to 2^10, where most functions are not constant; three evenly from ±40, three from ±750; two of any exponent there is; and
/// two close to what matters: within 2^-k of it, or so many numbers away.
pub(crate) fn sample(index: u64, special: &[f64]) -> f64 {
    let bits = random(2 * index);
    let significand = bits & ((1 << 52) - 1);
    let sign = bits & 1 << 63;
    let choice = random(2 * index + 1);
    let of_exponent = |lowest: u64, count: u64| f64::from_bits(sign | (lowest + (choice >> 16) % count) << 52 | significand);
    let evenly = |bound: f64| (significand as f64 / f64::powi(2.0, 51) - 1.0) * bound;
    match index % 20 {
        0..=9 => of_exponent(1023 - 60, 71),
        10..=12 => evenly(40.0),
        13..=15 => evenly(750.0),
        16..=17 => of_exponent(0, 2047),
        _ => {
            let center = special[(choice >> 32) as usize % special.len()];
            match choice % 3 {
                0 => center + evenly(f64::powi(2.0, -((choice >> 8) as i32 & 63))),
                1 if center != 0.0 => f64::from_bits(center.to_bits() - 512 + (bits >> 54)),
                _ => center * (1.0 + evenly(f64::powi(2.0, -((choice >> 8) as i32 & 31)))),
            }
        }
    }
}

/// What matters: kinks, the root, the ends of the ranges of exponentials (and their halves and roots), and what the layers switch at.
fn special(layer: &dyn Layer<f64>) -> Vec<f64> {
    let mut special = vec![0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN];
    for x in [
        0.25, 0.35, 0.5, 0.75, 1.0, 2.5, 3.0, 6.0, 15.0, 20.0, 24.0, 36.7, 37.5, 38.6, 39.0, 40.0, 50.0, 100.0, 200.0, 354.9, 372.6, 600.0, 708.4, 709.8,
        745.1, 1060.0,
    ] {
        special.extend([x, -x]);
    }
    special.extend(layer.kinks());
    // Twice, so that the root gets its share.
    special.extend(root(&layer.spec()).into_iter().flat_map(|(root, _)| [root; 6]));
    special
}

/// The errors of the layer with this spec at so many samples.
pub(crate) fn sweep(spec: &str, samples: u64, progress: &ProgressBar) -> Result<Levels, Box<dyn Error>> {
    let layer = by_name::<f64>(spec)?;
    let spec = layer.spec();
    let truth = oracle(&spec).ok_or_else(|| format!("no oracle for {spec}"))?;
    let special = special(layer.as_ref());
    let zone = root(&spec);
    progress.set_length(samples);
    let workers = on_all_cores(
        samples.div_ceil(BLOCK),
        || (by_name::<f64>(&spec), Levels::new()),
        |(layer, levels), block| {
            let Ok(layer) = layer else { return };
            let inputs: Vec<f64> = (block * BLOCK..samples.min((block + 1) * BLOCK)).map(|index| sample(index, &special)).collect();
            let (values, slopes): (Vec<Double>, Vec<Double>) = inputs
                .iter()
                .map(|&x| {
                    let (value, slope) = truth(&Float::with_val(BITS, x), x);
                    (double(&value), double(&slope))
                })
                .unzip();
            measure(layer.as_mut(), &inputs, &values, &slopes, zone, levels);
            progress.inc(inputs.len() as u64);
        },
    );
    Ok(merged(workers.into_iter().map(|(_, levels)| levels)))
}
