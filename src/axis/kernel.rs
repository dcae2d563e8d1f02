//! A formula on one row of elements, for both element types and every instruction set.

use std::fmt::Debug;

use fearless_simd::Level;

use crate::{
    element::Element,
    kernel::copy,
    parts::{RowSlices, Space},
};

/// What `forward` keeps of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// One number an element.
    Row,
    /// Nothing.
    Nothing,
}

/// A formula on rows of the elements `A`, compiled.
pub trait RowKernel<A: Element>: Debug + Send + Sync {
    /// The layer's name.
    fn name(&self) -> &'static str;
    /// What has to be kept.
    fn keeps(&self) -> Keeps;
    /// Whether it takes several rows side by side.
    fn side_by_side(&self) -> bool;
    /// Makes the images of rows, and fills what is kept, if anything is. `zeros` asks for zeros, not NaN, where all is -infinity.
    fn forward(&self, level: Level, slices: RowSlices<'_, A>, zeros: bool, space: &mut Space<A>);
    /// Makes the gradient with respect to the rows from the one with respect to their images.
    fn backward(&self, level: Level, slices: RowSlices<'_, A>, space: &mut Space<A>);
}

/// A row formula compiled for both element types, in this crate.
pub(crate) trait CompiledRow {
    fn forward_single(&self, level: Level, slices: RowSlices<'_, f32>, zeros: bool, space: &mut Space<f32>);
    fn forward_double(&self, level: Level, slices: RowSlices<'_, f64>, zeros: bool, space: &mut Space<f64>);
    fn backward_single(&self, level: Level, slices: RowSlices<'_, f32>, space: &mut Space<f32>);
    fn backward_double(&self, level: Level, slices: RowSlices<'_, f64>, space: &mut Space<f64>);
}

/// The same slices with everything in the rows.
pub(crate) fn inplace<A: Element>(slices: RowSlices<'_, A>) -> RowSlices<'_, A> {
    if !slices.input.is_empty() {
        copy(slices.input, slices.row);
    }
    RowSlices { input: &[], ..slices }
}

/// Compiles row formulas for both element types: each gives `NAME`, `KEEPS`, `SIDE_BY_SIDE` and generic `forward_at` and `backward_at`.
macro_rules! row_kernels {
    ($($formula:ty),* $(,)?) => {$(
        impl $crate::axis::kernel::CompiledRow for $formula {
            row_kernels!(@compiled f32 forward_single backward_single);
            row_kernels!(@compiled f64 forward_double backward_double);
        }
        impl<A: $crate::element::Element> $crate::axis::RowKernel<A> for $formula {
            fn name(&self) -> &'static str {
                Self::NAME
            }
            fn keeps(&self) -> $crate::axis::Keeps {
                Self::KEEPS
            }
            fn side_by_side(&self) -> bool {
                Self::SIDE_BY_SIDE
            }
            fn forward(&self, level: fearless_simd::Level, slices: $crate::parts::RowSlices<'_, A>, zeros: bool, space: &mut $crate::parts::Space<A>) {
                A::row_forward(self, level, slices, zeros, space);
            }
            fn backward(&self, level: fearless_simd::Level, slices: $crate::parts::RowSlices<'_, A>, space: &mut $crate::parts::Space<A>) {
                A::row_backward(self, level, slices, space);
            }
        }
    )*};
    (@compiled $a:ident $forward:ident $backward:ident) => {
        fn $forward(&self, level: fearless_simd::Level, slices: $crate::parts::RowSlices<'_, $a>, zeros: bool, space: &mut $crate::parts::Space<$a>) {
            $crate::kernel::at_level!(level, simd => match slices.one_row(Self::SIDE_BY_SIDE) {
                Ok(slices) => Self::forward_at(simd, slices, zeros, space),
                Err(slices) => Self::forward_at(simd, slices, zeros, space),
            });
        }
        fn $backward(&self, level: fearless_simd::Level, slices: $crate::parts::RowSlices<'_, $a>, space: &mut $crate::parts::Space<$a>) {
            $crate::kernel::at_level!(level, simd => match slices.one_row(Self::SIDE_BY_SIDE) {
                Ok(slices) => Self::backward_at(simd, slices, space),
                Err(slices) => Self::backward_at(simd, slices, space),
            });
        }
    };
}
pub(crate) use row_kernels;
