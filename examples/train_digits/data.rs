//! The handwritten digits, and their split into a training and a test set.

use ndarray::{ArrayD, Axis};
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};

use crate::Failure;

/// Pixels per image: 8 × 8.
pub(crate) const PIXELS: usize = 64;
/// The digits 0 to 9.
pub(crate) const CLASSES: usize = 10;

const BRIGHTEST: f32 = 16.0;
const TEST_IMAGES: usize = 360;
/// Not the seed of the command line: all runs should be measured on the same images.
const SPLIT_SEED: u64 = 0;

/// Images with their labels.
#[derive(Debug)]
pub(crate) struct Images {
    /// Shape [images, `PIXELS`].
    pub(crate) pixels: ArrayD<f32>,
    /// The digit on each image.
    pub(crate) labels: Vec<usize>,
}

impl Images {
    pub(crate) fn len(&self) -> usize {
        self.labels.len()
    }

    /// The images with these indices, in this order.
    pub(crate) fn select(&self, indices: &[usize]) -> Self {
        Self { pixels: self.pixels.select(Axis(0), indices), labels: indices.iter().map(|&index| self.labels[index]).collect() }
    }
}

/// The training and the test set, 1,437 and 360 images.
pub(crate) fn load() -> Result<(Images, Images), Failure> {
    // Compiled into the program, so that it runs from any folder.
    let all = parse(include_str!("../data/digits.csv"))?;
    let (train, test) = stratified_split(&all.labels);
    let (mut train, mut test) = (all.select(&train), all.select(&test));

    // Zero mean and unit variance suit every activation here. Mean and deviation come from the training set alone: the test set stays unseen.
    let (mean, std) = (train.pixels.mean().unwrap_or(0.0), train.pixels.std(0.0));
    for images in [&mut train, &mut test] {
        images.pixels.mapv_inplace(|pixel| (pixel - mean) / std);
    }
    Ok((train, test))
}

/// Reads lines of `PIXELS` brightnesses from 0 to 16 and a label, after a header; the pixels become 0 to 1.
fn parse(csv: &str) -> Result<Images, Failure> {
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    for (index, line) in csv.lines().enumerate().skip(1) {
        let at_line = |problem: String| Failure(format!("digits.csv, line {}: {problem}", index + 1));
        let numbers = line.split(',').map(|field| field.trim().parse::<u8>()).collect::<Result<Vec<_>, _>>().map_err(|error| at_line(error.to_string()))?;
        match numbers.as_slice() {
            [brightnesses @ .., label] if brightnesses.len() == PIXELS && usize::from(*label) < CLASSES => {
                pixels.extend(brightnesses.iter().map(|&brightness| f32::from(brightness) / BRIGHTEST));
                labels.push(usize::from(*label));
            }
            _ => return Err(at_line(format!("expected {PIXELS} pixels and a label below {CLASSES}"))),
        }
    }
    Ok(Images { pixels: ArrayD::from_shape_vec(vec![labels.len(), PIXELS], pixels)?, labels })
}

/// The indices of the training and of the test images, with the same share of every digit in both.
fn stratified_split(labels: &[usize]) -> (Vec<usize>, Vec<usize>) {
    let mut order: Vec<usize> = (0..labels.len()).collect();
    order.shuffle(&mut StdRng::seed_from_u64(SPLIT_SEED));
    // A stable sort: the images of one digit lie together, in random order.
    order.sort_by_key(|&index| labels[index]);

    // Evenly spaced places of this list go to the test set. Every digit then has its fair share there, up to rounding, and the total is exact.
    let is_test = |place: usize| (place + 1) * TEST_IMAGES / labels.len() > place * TEST_IMAGES / labels.len();
    let (test, train): (Vec<_>, Vec<_>) = order.into_iter().enumerate().partition(|&(place, _)| is_test(place));
    let indices = |part: Vec<(usize, usize)>| part.into_iter().map(|(_, index)| index).collect();
    (indices(train), indices(test))
}
