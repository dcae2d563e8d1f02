//! Elements per second of every layer of the catalogue: infer, forward, backward, both element types, three sizes, on one thread, into arrays that are there.
//!
//! `cargo bench` runs all; `cargo bench -- gelu/f32` what matches; `cargo bench -- --quick` in a shorter time. Two baselines go with them: `memcpy`, which no
//! function that reads and writes an array can beat, and `mapv_libm`, what a plain `mapv` with the functions of the standard library gives.
#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark")]

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use ndarray::{ArrayD, IxDyn};
use ndarray_activations::{Element, catalog};

const SHAPES: [[usize; 2]; 3] = [[64, 64], [256, 1024], [1024, 4096]];

/// Inputs between -4 and 4, where nothing is subnormal and every branch of a formula would be taken.
fn input<A: Element>(shape: [usize; 2]) -> ArrayD<A> {
    let mut state = 1_u32;
    ArrayD::from_shape_simple_fn(IxDyn(&shape), || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        A::rounded(f64::from(state) / f64::from(u32::MAX) * 8.0 - 4.0)
    })
}

fn all<A: Element>(criterion: &mut Criterion, element: &str) {
    for shape in SHAPES {
        let x = input::<A>(shape);
        let size = format!("{}x{}", shape[0], shape[1]);
        for entry in catalog() {
            let mut layer = entry.layer::<A>();
            let mut y = layer.forward(&x).unwrap();
            let g = y.clone();
            let mut back = x.clone();
            let mut group = criterion.benchmark_group(format!("{}/{element}", entry.name()));
            group.throughput(Throughput::Elements(x.len() as u64));
            group.bench_function(BenchmarkId::new("infer", &size), |b| b.iter(|| layer.infer_into(x.view(), y.view_mut()).unwrap()));
            group.bench_function(BenchmarkId::new("forward", &size), |b| b.iter(|| layer.forward_into(x.view(), y.view_mut()).unwrap()));
            group.bench_function(BenchmarkId::new("backward", &size), |b| b.iter(|| layer.backward_into(g.view(), back.view_mut()).unwrap()));
        }
        let mut y = x.clone();
        let mut group = criterion.benchmark_group(format!("baseline/{element}"));
        group.throughput(Throughput::Elements(x.len() as u64));
        group.bench_function(BenchmarkId::new("memcpy", &size), |b| b.iter(|| y.as_slice_mut().unwrap().copy_from_slice(x.as_slice().unwrap())));
        group.bench_function(BenchmarkId::new("mapv_libm relu", &size), |b| b.iter(|| x.mapv(|v| v.max(A::zero()))));
        group.bench_function(BenchmarkId::new("mapv_libm sigmoid", &size), |b| b.iter(|| x.mapv(|v| A::one() / (A::one() + (-v).exp()))));
        group.bench_function(BenchmarkId::new("mapv_libm tanh", &size), |b| b.iter(|| x.mapv(A::tanh)));
    }
}

fn throughput(criterion: &mut Criterion) {
    // One thread: how it scales is another question.
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global().unwrap();
    all::<f32>(criterion, "f32");
    all::<f64>(criterion, "f64");
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(10).warm_up_time(Duration::from_millis(50)).measurement_time(Duration::from_millis(200));
    targets = throughput
}
criterion_main!(benches);
