//! One for the largest element.

use fearless_simd::Simd;

use super::{
    Keeps,
    kernel::{inplace, row_kernels},
    softmax::largest,
};
use crate::{
    element::Element,
    parts::{PARTS, RowSlices, Space},
};

/// The hardmax along a row, $y_i = 1$ for the first of the largest elements and $0$ for all others: the limit of the softmax of $β x$ for $β → ∞$, ties broken.
///
/// The gradient is 0, whatever comes from above. Time linear in the number of elements; nothing is kept. Ties go to the first element, as in ONNX' `Hardmax` and `numpy.argmax`; so a row that is
/// all -∞ gives 1 at its first element. A NaN makes its row NaN. Exact.
///
/// ```
/// use ndarray::array;
/// use ndarray_activations::{Hardmax, Layer};
///
/// let y = Hardmax::last_axis().infer(&array![[1.0, 3.0, 2.0], [5.0, 5.0, 4.0]].into_dyn())?;
/// assert_eq!(y, array![[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]].into_dyn());
/// # Ok::<(), ndarray_activations::ActivationError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Hardmax;

row_kernels!(Hardmax);

impl Hardmax {
    pub(crate) const NAME: &'static str = "hardmax";
    const SIDE_BY_SIDE: bool = false;
    const KEEPS: Keeps = Keeps::Nothing;

    #[inline(always)]
    fn forward_at<S: Simd, A: Element>(simd: S, slices: RowSlices<'_, A>, _zeros: bool, space: &mut Space<A>) {
        let row = inplace(slices).row;
        let nan = row.iter().fold(false, |nan, x| nan | x.is_nan());
        let max = largest(simd, row, space);
        // A line at a time first, which is a question for vectors.
        let line = row.chunks(PARTS).position(
            #[inline(always)]
            |line| line.iter().fold(false, |found, &x| found | (x == max)),
        );
        let winner = line.and_then(|line| Some(line * PARTS + row[line * PARTS..].iter().position(|&x| x == max)?));
        row.fill(if nan { A::nan() } else { A::zero() });
        if let Some(y) = winner.filter(|_| !nan).and_then(|winner| row.get_mut(winner)) {
            *y = A::one();
        }
    }

    #[inline(always)]
    fn backward_at<S: Simd, A: Element>(_simd: S, slices: RowSlices<'_, A>, _space: &mut Space<A>) {
        let RowSlices { row: gradient, .. } = slices;
        gradient.fill(A::zero());
    }
}
