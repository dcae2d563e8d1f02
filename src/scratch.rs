//! Buffers that a thread uses again and again.

use std::{
    mem::take,
    ops::{Deref, DerefMut},
};

use crate::element::Element;

/// A buffer of the thread's own, whatever stands in it. It goes back when it is dropped, so that from the second time on nothing is allocated; buffers that are in
/// use at the same time are different ones.
#[derive(Debug, Default)]
pub(crate) struct Scratch<A: Element> {
    buffer: Vec<A>,
    /// Where a line of the cache begins: a vector that lies across two takes twice the time, or more where it is read soon after it was written.
    first: usize,
    length: usize,
}

/// The bytes of a line of the cache.
pub(crate) const LINE: usize = 64;

impl<A: Element> Scratch<A> {
    /// So many elements.
    #[inline]
    pub(crate) fn new(length: usize) -> Self {
        let mut scratch = Self::default();
        scratch.of(length);
        scratch
    }

    /// So many elements of it. For none at all nobody is asked.
    #[inline]
    pub(crate) fn of(&mut self, length: usize) -> &mut [A] {
        if self.buffer.is_empty() && length > 0 {
            self.buffer = A::buffers().with_borrow_mut(Vec::pop).unwrap_or_default();
        }
        let room = length + LINE / size_of::<A>();
        if self.buffer.len() < room && length > 0 {
            self.buffer.resize(room, A::zero());
        }
        // As far as it can be told where that is.
        self.first = self.buffer.as_ptr().align_offset(LINE).min(self.buffer.len() - length);
        self.length = length;
        self
    }
}

impl<A: Element> Drop for Scratch<A> {
    #[inline]
    fn drop(&mut self) {
        if !self.buffer.is_empty() {
            // A thread that ends takes no buffer back.
            let _ = A::buffers().try_with(|buffers| buffers.borrow_mut().push(take(&mut self.buffer)));
        }
    }
}

impl<A: Element> Deref for Scratch<A> {
    type Target = [A];
    #[inline(always)]
    fn deref(&self) -> &[A] {
        &self.buffer[self.first..][..self.length]
    }
}

impl<A: Element> DerefMut for Scratch<A> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [A] {
        &mut self.buffer[self.first..][..self.length]
    }
}
