//! Large pages for large arrays: the one place with unsafe code.

/// From how many bytes on allocators take a new array's pages from the system each time, and to write a page for the first time takes longer than any function.
pub(crate) const FRESH: usize = 1 << 25;

/// A vector with room for so many items, in [large pages](ask) if it has many.
pub(crate) fn room<T>(count: usize) -> Vec<T> {
    let mut items = Vec::with_capacity(count);
    ask(items.spare_capacity_mut());
    items
}

/// Makes it so many items; if that takes more room, what stood there is replaced by `item` too.
pub(crate) fn resize<T: Copy>(items: &mut Vec<T>, count: usize, item: T) {
    if items.capacity() < count {
        // What there was is given back first.
        *items = Vec::new();
        *items = room(count);
    }
    items.resize(count, item);
}

/// Asks the system to make much memory of large pages, as far as these lie in it whole. It makes a page when it is first written to; of the usual 4 KiB that takes several times
/// as long as to write what stands in it. Whether it follows, nothing depends on.
#[inline]
pub(crate) fn ask<T>(memory: &mut [T]) {
    if size_of_val(memory) >= FRESH {
        advise(memory);
    }
}

#[cfg(all(target_os = "linux", not(miri)))]
#[cold]
#[allow(unsafe_code, reason = "one call to the system, argued where it stands")]
fn advise<T>(memory: &mut [T]) {
    /// Of x86-64, and of ARM with small pages of 4 KiB; a multiple of all small pages that there are.
    const LARGE: usize = 1 << 21;
    let start = memory.as_mut_ptr().cast::<u8>();
    let before = start.align_offset(LARGE);
    let length = size_of_val(memory).saturating_sub(before) / LARGE * LARGE;
    if length > 0 {
        // SAFETY: the system neither reads nor changes what stands in memory for this advice, and leaves its rights as they are: it decides in what units the memory is
        // backed, which no program can see but by its speed. So there is nothing that the memory has to be, and yet it is that of `memory` alone: `before + length` is at most its size,
        // and it is borrowed exclusively. A refusal (an old system, one without large pages) changes nothing, and is not looked at.
        let _ = unsafe { libc::madvise(start.wrapping_add(before).cast(), length, libc::MADV_HUGEPAGE) };
    }
}

#[cfg(not(all(target_os = "linux", not(miri))))]
fn advise<T>(_memory: &mut [T]) {}

#[cfg(test)]
#[allow(clippy::print_stdout, reason = "a test")]
mod tests {
    use std::fs;

    use super::{FRESH, ask, resize, room};

    /// Whether the system notes that it is to use large pages at an address, as far as it tells.
    fn asked(address: usize) -> Option<bool> {
        fs::metadata("/sys/kernel/mm/transparent_hugepage").ok()?;
        let map = fs::read_to_string("/proc/self/smaps").ok()?;
        let mut inside = false;
        for line in map.lines() {
            if let Some((start, end)) = line.split_whitespace().next().and_then(|range| range.split_once('-')) {
                if let (Ok(start), Ok(end)) = (usize::from_str_radix(start, 16), usize::from_str_radix(end, 16)) {
                    inside = (start..end).contains(&address);
                }
            } else if let (true, Some(flags)) = (inside, line.strip_prefix("VmFlags:")) {
                return Some(flags.split_whitespace().any(|flag| flag == "hg"));
            }
        }
        None
    }

    #[test]
    fn many_items_lie_in_large_pages() {
        let (many, few, plain): (Vec<f32>, Vec<u8>, Vec<u8>) = (room(FRESH / 2), room(FRESH - 1), Vec::with_capacity(FRESH));
        match [many.as_ptr().addr() + FRESH, few.as_ptr().addr() + FRESH / 2, plain.as_ptr().addr() + FRESH / 2].map(asked) {
            [Some(many), Some(few), Some(plain)] => assert!(many && few == plain, "{many} {few} {plain}"),
            _ => println!("skipped: this system does not tell"),
        }
    }

    #[test]
    fn what_has_room_keeps_it() {
        let mut items = vec![1, 2, 3];
        resize(&mut items, 5, 0);
        assert_eq!(items, [0; 5]);
        items.fill(7);
        let there = items.as_ptr();
        resize(&mut items, 2, 0);
        resize(&mut items, 4, 1);
        assert_eq!(items, [7, 7, 1, 1]);
        assert_eq!(items.as_ptr(), there);
    }

    #[test]
    fn what_stands_there_stays() {
        let number = |i: usize| (i % 251) as u8;
        let mut bytes: Vec<u8> = (0..3 * FRESH).map(number).collect();
        for (start, end) in [(0, 3 * FRESH), (1, FRESH + 1), (4097, 2 * FRESH), (FRESH, FRESH), (FRESH, FRESH + 5)] {
            ask(&mut bytes[start..end]);
            assert!(bytes.iter().enumerate().all(|(i, &byte)| byte == number(i)), "{start}..{end}");
        }
        ask::<u64>(&mut []);
        ask(&mut [(); usize::MAX]);
    }
}
