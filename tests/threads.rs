//! Callers from outside of any pool, and seven threads: more than a test's machine may have, and no power of two.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, dead_code, reason = "a test")]

mod common;

use std::{
    collections::HashSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Condvar, Mutex, Once},
    thread::{self, ThreadId},
    time::Duration,
};

use common::{input, on_threads, run, special, specs};
use ndarray::{ArrayD, IxDyn};
use ndarray_activations::{Custom, Layer};

const THREADS: usize = if cfg!(feature = "rayon") { 7 } else { 1 };

fn seven_threads() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| rayon::ThreadPoolBuilder::new().num_threads(7).build_global().unwrap());
}

/// The threads that have come to work, and those who wait for one more.
#[derive(Default)]
struct Roll {
    threads: Mutex<HashSet<ThreadId>>,
    one_more: Condvar,
}

impl Roll {
    /// Notes a thread, and keeps it until all are there.
    fn call(&self) {
        let mut threads = self.threads.lock().unwrap();
        if threads.insert(thread::current().id()) {
            self.one_more.notify_all();
        }
        let (threads, late) = self.one_more.wait_timeout_while(threads, Duration::from_secs(20), |threads| threads.len() < THREADS).unwrap();
        assert!(!late.timed_out(), "{} threads", threads.len());
    }
}

#[test]
fn everybody_helps() {
    seven_threads();
    for _ in 0..3 {
        let roll = Roll::default();
        let layer = Custom::new(
            "calling",
            |x: f64| {
                if x == 1.0 {
                    roll.call();
                }
                x
            },
            |_| 1.0,
        );
        let x = ArrayD::ones(IxDyn(&[1 << 18]));
        assert_eq!(layer.infer(&x).unwrap(), x);
        assert_eq!(roll.threads.lock().unwrap().len(), THREADS);
    }
}

/// Several callers who have the same helpers, with so little work that these are in time or not, and then with more.
#[test]
fn callers_side_by_side() {
    seven_threads();
    let large = ["relu", "gelu", "softmax", "prelu(0.25)", "glu"].map(str::to_owned);
    // The last two: rows that go into a new array as they are made, long and short ones.
    let along = ["softmax", "log_softmax", "softmin", "sparsemax", "hardmax"].map(str::to_owned);
    for (shape, specs) in [([4, 10, 4100], specs()), ([7, 10, 15_004], large.to_vec()), ([32, 8, 1000], along.to_vec()), ([64, 410, 10], along.to_vec())] {
        for spec in specs {
            let x = input::<f32>(&shape, special(&spec), 11);
            let expected = on_threads(1, || run(&spec, &x, 12));
            thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| {
                        for _ in 0..4 {
                            run(&spec, &x, 12).assert_same(&expected, &spec);
                        }
                    });
                }
            });
        }
    }
}

/// Wherever the number stands at which a closure panics, the caller hears of it, and helpers go on helping.
#[test]
fn a_panic_reaches_the_caller() {
    seven_threads();
    let n = 1 << 18;
    let layer = Custom::new("own", |x: f64| if x == 99.0 { panic!("a panic of the user's own") } else { 2.0 * x }, |_| 2.0);
    for place in (0..n).step_by(n / 13) {
        let mut x = ArrayD::ones(IxDyn(&[n]));
        x[place] = 99.0;
        let panic = catch_unwind(AssertUnwindSafe(|| layer.infer(&x))).unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>().unwrap(), &"a panic of the user's own", "{place}");
        x[place] = 1.0;
        assert_eq!(layer.infer(&x).unwrap(), &x * 2.0);
    }
}
