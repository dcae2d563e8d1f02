//! Every `f32`.

use std::error::Error;

use indicatif::ProgressBar;
use ndarray_activations::{Layer, by_name};

use crate::{
    measure::{Levels, around, measure, merged, on_all_cores},
    oracle,
};

/// How many bit patterns are one job.
const BLOCK: u64 = 1 << 16;

/// The errors of the layer with this spec at every `step`th bit pattern; and where some are left out, at all those next to kinks and the root.
pub(crate) fn sweep(spec: &str, step: u64, progress: &ProgressBar) -> Result<Levels, Box<dyn Error>> {
    struct Worker {
        layer: Box<dyn Layer<f32>>,
        inputs: Vec<f32>,
        values: Vec<f64>,
        slopes: Vec<f64>,
        levels: Levels,
    }
    let layer = by_name::<f32>(spec)?;
    let truth = oracle::oracle(&layer.spec()).ok_or_else(|| format!("no oracle for {spec}"))?;
    let zone = oracle::root(&layer.spec());
    let count = (1_u64 << 32).div_ceil(step);
    let blocks = count.div_ceil(BLOCK);
    let special = layer.kinks().into_iter().chain(zone.map(|(root, _)| root));
    let dense = if step == 1 { Vec::new() } else { around(special, 2000) };
    let start = || by_name(spec).map(|layer| Worker { layer, inputs: Vec::new(), values: Vec::new(), slopes: Vec::new(), levels: Levels::new() });
    progress.set_length(count);
    let workers = on_all_cores(blocks + u64::from(step > 1), start, |worker, block| {
        let Ok(Worker { layer, inputs, values, slopes, levels }) = worker else { return };
        inputs.clear();
        if block < blocks {
            inputs.extend((block * BLOCK..count.min((block + 1) * BLOCK)).map(|i| f32::from_bits((i * step) as u32)));
        } else {
            inputs.extend_from_slice(&dense);
        }
        values.resize(inputs.len(), 0.0);
        slopes.resize(inputs.len(), 0.0);
        truth(inputs, values, slopes);
        measure(layer.as_mut(), inputs, values, slopes, zone, levels);
        progress.inc(inputs.len() as u64);
    });
    let parts: Vec<Levels> = workers.into_iter().map(|worker| worker.map(|worker| worker.levels)).collect::<Result<_, _>>()?;
    Ok(merged(parts))
}
