//! One thread does it all.

use crate::{
    pages,
    threads::{Make, Parts, Split},
};

pub(super) fn threads() -> usize {
    1
}

pub(super) fn expected(_octave: u32) -> bool {
    false
}

impl Parts {
    pub(crate) fn share<P>(self, parts: impl Iterator<Item = P>, run: impl Fn(P)) {
        parts.for_each(run);
    }

    pub(crate) fn collect<P: Split, R, M: Make<P, R>>(self, total: usize, whole: P, maker: &M) -> Vec<R> {
        let mut results = pages::room(total / M::EACH + 1);
        maker.make(total, whole, &mut results);
        results
    }
}
