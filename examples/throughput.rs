//! Throughput of every layer of the catalogue, in elements a second: `cargo run --release --example throughput -- --help`.
#![allow(clippy::print_stdout, reason = "a program's output")]

use std::{
    error::Error,
    hint::black_box,
    time::{Duration, Instant},
};

use clap::{Parser, ValueEnum};
use ndarray::{ArrayD, Axis, Slice};
use ndarray_activations::{Element, Entry, Family, Layer, by_name, catalog, testing};
use ndarray_rand::{RandomExt, rand::SeedableRng, rand_distr::Normal};
use rand::rngs::StdRng;

/// How a layer is used.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum Mode {
    /// `infer`: a new array.
    Infer,
    /// `infer_into` an array that is there.
    InferInto,
    /// `infer_inplace`.
    InferInplace,
    /// `forward_into`.
    ForwardInto,
    /// `backward_into`.
    BackwardInto,
    /// `forward` and `backward`, two new arrays.
    Train,
    /// `forward_into` and `backward_into`.
    TrainInto,
}

/// How the input lies in memory; the output of the `_into` forms lies in standard order.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Layout {
    Contiguous,
    /// Every second element of longer rows.
    Strided,
    /// Column by column.
    Transposed,
}

impl Layout {
    fn array<A: Element>(self, mut shape: Vec<usize>, mut make: impl FnMut(Vec<usize>) -> ArrayD<A>) -> ArrayD<A> {
        match self {
            Self::Contiguous => make(shape),
            Self::Strided => {
                let last = shape.len() - 1;
                shape[last] *= 2;
                let mut longer = make(shape);
                longer.slice_axis_inplace(Axis(last), Slice::new(0, None, 2));
                longer
            }
            Self::Transposed => {
                shape.reverse();
                make(shape).reversed_axes()
            }
        }
    }
}

/// The place of an axis.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Position {
    First,
    Middle,
    Last,
}

/// Prints how many thousand million elements a second each layer takes, on inputs from N(0, 1).
#[derive(Debug, Parser)]
struct Options {
    /// These layers alone, by their names in the catalogue; `copy` is the plain copy.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Numbers of elements.
    #[arg(long, value_delimiter = ',', default_value = "4096,65536,1048576")]
    sizes: Vec<usize>,
    /// The length of the rows.
    #[arg(long, default_value_t = 1024)]
    row: usize,
    /// Where the rows lie. A middle axis has up to 64 rows side by side. Layers to which an axis means nothing are left out, other than along the last.
    #[arg(long, value_enum, default_value = "last")]
    axis: Position,
    /// Ways of use.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "infer,infer_into,forward_into,backward_into,train,train_into")]
    modes: Vec<Mode>,
    /// `f32`, `f64`.
    #[arg(long, value_delimiter = ',', default_value = "f32")]
    elements: Vec<String>,
    /// Threads.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// The instruction set, on one thread: `avx512`, `avx2`, `sse2` or `native`, as far as the CPU has it. Without it the best one.
    #[arg(long)]
    level: Option<String>,
    /// How the input lies in memory.
    #[arg(long, value_enum, default_value = "contiguous")]
    layout: Layout,
    /// Milliseconds for one figure.
    #[arg(long, default_value_t = 20)]
    budget: u64,
    /// Clock cycles an element instead: less noisy where the clock changes. A chain of dependent operations, four cycles a pair, is the clock.
    #[arg(long, conflicts_with = "csv")]
    cycles: bool,
    /// The shortest call instead of the median one: for a machine that does other things too.
    // Of cycles the smallest number would be that of the clock measured worst.
    #[arg(long, conflicts_with = "cycles")]
    shortest: bool,
    /// Comma-separated values instead of a table.
    #[arg(long)]
    csv: bool,
}

impl Options {
    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }

    /// The shape of an array of about this many elements.
    fn shape(&self, size: usize) -> Vec<usize> {
        let row = self.row.min(size);
        let inner = (size / row).min(64);
        match self.axis {
            Position::First => vec![row, size / row],
            Position::Middle => vec![size / row / inner, row, inner],
            Position::Last => vec![size / row, row],
        }
    }

    /// The layer, where it can be used along this axis.
    fn layer<A: Element>(&self, entry: &Entry) -> Option<Box<dyn Layer<A>>> {
        match self.axis {
            Position::Last => Some(entry.layer()),
            _ if entry.family() != Family::Axis => None,
            Position::First => by_name(&format!("{}(0)", entry.name())).ok(),
            Position::Middle => by_name(&format!("{}(1)", entry.name())).ok(),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    rayon::ThreadPoolBuilder::new().num_threads(options.threads).build_global()?;
    // As in any program that has once freed a large array: some allocators keep what is freed from then on, instead of giving it back to the system.
    drop(black_box(vec![1_u8; 31 << 20]));
    let columns = options.modes.iter().filter_map(ValueEnum::to_possible_value).map(|mode| mode.get_name().to_owned());
    if options.csv {
        println!("name,element,threads,size,mode,nanoseconds");
    } else {
        println!("{:16} {:4} {:>9}{}", "", "", "elements", columns.map(|name| format!(" {name:>13}")).collect::<String>());
    }
    let Some(level) = &options.level else { return tables(&options) };
    let mut result = Err(format!("no level {level} on this CPU").into());
    testing::each_level(|name| {
        if name == level {
            result = tables(&options);
        }
    });
    result
}

fn tables(options: &Options) -> Result<(), Box<dyn Error>> {
    for element in &options.elements {
        match element.as_str() {
            "f32" => table::<f32>(options, element)?,
            "f64" => table::<f64>(options, element)?,
            other => return Err(format!("no element type {other}: f32 or f64").into()),
        }
    }
    Ok(())
}

fn table<A: Element>(options: &Options, element: &str) -> Result<(), Box<dyn Error>> {
    for &size in &options.sizes {
        let normal = Normal::new(0.0, 1.0)?;
        let mut rng = StdRng::seed_from_u64(1);
        let x = options.layout.array(options.shape(size), |shape| ArrayD::random_using(shape, normal, &mut rng).mapv(A::rounded));
        let size = x.len();
        let line = |name: &str, times: &[Option<f64>]| {
            if options.csv {
                for (mode, time) in options.modes.iter().zip(times) {
                    if let (Some(mode), Some(time)) = (mode.to_possible_value(), time) {
                        println!("{name},{element},{},{size},{},{:.1}", options.threads, mode.get_name(), time * 1e9);
                    }
                }
            } else {
                let cells = times.iter().map(|time| {
                    time.map_or(format!(" {:>13}", "-"), |time| {
                        format!(" {:>13.3}", if options.cycles { time / size as f64 } else { size as f64 / time / 1e9 })
                    })
                });
                println!("{name:16} {element:4} {size:>9}{}", cells.collect::<String>());
            }
        };
        if options.wants("copy") {
            let mut y = ArrayD::zeros(x.raw_dim());
            let time = typical(options, || y.assign(black_box(&x)));
            line("copy", &vec![Some(time); options.modes.len()]);
        }
        for entry in catalog().filter(|entry| options.wants(entry.name())) {
            let times = options.modes.iter().map(|&mode| measure(options, entry, &x, mode)).collect::<Result<Vec<_>, _>>()?;
            line(entry.name(), &times);
        }
    }
    Ok(())
}

/// The seconds of one call, where the layer can be used so.
fn measure<A: Element>(options: &Options, entry: &Entry, x: &ArrayD<A>, mode: Mode) -> Result<Option<f64>, Box<dyn Error>> {
    let Some(mut layer) = options.layer::<A>(entry) else { return Ok(None) };
    let Ok(shape) = layer.output_shape(x.shape()) else { return Ok(None) };
    let g = ArrayD::from_elem(shape.clone(), A::rounded(0.5));
    let (mut y, mut dx) = (g.clone(), x.clone());
    layer.forward(x)?;
    let mut failed = None;
    // Nothing is moved as long as all goes well: that would be a tenth of a call on 64 elements.
    let mut note = |result: ndarray_activations::Result<()>| {
        if let Err(error) = result {
            failed = Some(error);
        }
    };
    let time = match mode {
        Mode::Infer => typical(options, || note(layer.infer(black_box(x)).map(|y| drop(black_box(y))))),
        Mode::InferInto => typical(options, || note(layer.infer_into(black_box(x).view(), y.view_mut()))),
        Mode::InferInplace if x.shape() == y.shape() => {
            y.assign(x);
            typical(options, || note(layer.infer_inplace(black_box(&mut y).view_mut())))
        }
        Mode::InferInplace => return Ok(None),
        Mode::ForwardInto => typical(options, || note(layer.forward_into(black_box(x).view(), y.view_mut()))),
        Mode::BackwardInto => typical(options, || note(layer.backward_into(black_box(&g).view(), dx.view_mut()))),
        Mode::Train => typical(options, || {
            note(layer.forward(black_box(x)).and_then(|y| layer.backward(&g).map(|dx| drop(black_box((y, dx))))));
        }),
        Mode::TrainInto => typical(options, || {
            note(layer.forward_into(black_box(x).view(), y.view_mut()).and_then(|()| layer.backward_into(g.view(), dx.view_mut())));
        }),
    };
    failed.map_or(Ok(Some(time)), |error| Err(error.into()))
}

/// The median time of a call, or the shortest: of groups of calls, if one is too short for the clock.
fn typical(options: &Options, mut call: impl FnMut()) -> f64 {
    let started = Instant::now();
    let mut warm = 0_u32;
    while warm < 3 || started.elapsed() < Duration::from_millis(options.budget / 10) {
        call();
        warm += 1;
    }
    let group = (20e-6 * f64::from(warm) / started.elapsed().as_secs_f64()).ceil() as u32;
    let mut times = Vec::new();
    let started = Instant::now();
    while times.len() < 5 || started.elapsed() < Duration::from_millis(options.budget) {
        let cycle = if options.cycles { cycle() } else { 1.0 };
        let before = Instant::now();
        for _ in 0..group {
            call();
        }
        times.push(before.elapsed().as_secs_f64() / f64::from(group) / cycle);
    }
    times.sort_by(f64::total_cmp);
    times[if options.shortest { 0 } else { times.len() / 2 }]
}

/// The seconds of one clock cycle, now.
fn cycle() -> f64 {
    let before = Instant::now();
    let (mut product, factor) = (black_box(3_u64), black_box(5_u64));
    for _ in 0..2000 {
        product = (product ^ factor).wrapping_mul(factor);
    }
    black_box(product);
    before.elapsed().as_secs_f64() / 8000.0
}
