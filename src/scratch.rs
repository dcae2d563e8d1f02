//! Buffers that a thread uses again and again.

use std::{
    mem::take,
    ops::{Deref, DerefMut},
};

use crate::element::Element;

/// A buffer of the thread's own, whatever stands in it. It goes back when it is dropped, so that from the second time on nothing is allocated; buffers that are in
/// use at the same time are different ones.
#[derive(Debug)]
pub(crate) struct Scratch<A: Element> {
    buffer: Vec<A>,
    length: usize,
}

impl<A: Element> Scratch<A> {
    /// So many elements. For none at all nobody is asked.
    #[inline]
    pub(crate) fn new(length: usize) -> Self {
        if length == 0 {
            return Self { buffer: Vec::new(), length };
        }
        let mut buffer = A::buffers().take();
        let mut own = buffer.pop().unwrap_or_default();
        A::buffers().replace(buffer);
        if own.len() < length {
            own.resize(length, A::zero());
        }
        Self { buffer: own, length }
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
        &self.buffer[..self.length]
    }
}

impl<A: Element> DerefMut for Scratch<A> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [A] {
        &mut self.buffer[..self.length]
    }
}
