#!/usr/bin/env python3
"""This crate beside PyTorch (and JAX, if it is installed), on the same shapes in one session.

    pip install torch            # into any environment; the crate needs none of it
    python3 tools/compare.py     # --help for sizes, element types, threads

For each activation the two programs run one after the other, so that both meet
the same noise; figures are medians.  What is compared:

| column     | this crate                      | PyTorch                               |
|------------|---------------------------------|---------------------------------------|
| infer      | `infer`, a new array            | the function, a new tensor            |
| infer_into | `infer_into`                    | `out=`, where it has that, else as above |
| train      | `forward` and `backward`        | the function and autograd             |
| train_into | `forward_into`, `backward_into` | the same                              |
"""

import argparse
import csv
import json
import math
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODES = ("infer", "infer_into", "train", "train_into")


def torch_functions(torch):
    """Name in the catalogue: (function of x, function of x and out or None)."""
    f, aten = torch.nn.functional, torch.ops.aten
    out = lambda name, *more: lambda x, y: getattr(aten, name).out(x, *more, out=y)
    return {
        "relu": (f.relu, lambda x, y: torch.clamp_min(x, 0, out=y)),
        "relu6": (f.relu6, lambda x, y: torch.clamp(x, 0, 6, out=y)),
        "leaky_relu": (f.leaky_relu, out("leaky_relu")),
        "prelu": (None, None),
        "rrelu": (lambda x: f.rrelu(x, training=x.requires_grad), None),
        "elu": (f.elu, out("elu")),
        "selu": (f.selu, None),
        "celu": (f.celu, None),
        "gelu": (f.gelu, out("gelu")),
        "gelu_tanh": (lambda x: f.gelu(x, approximate="tanh"), lambda x, y: aten.gelu.out(x, approximate="tanh", out=y)),
        "silu": (f.silu, out("silu")),
        "mish": (f.mish, out("mish")),
        "sigmoid": (torch.sigmoid, lambda x, y: torch.sigmoid(x, out=y)),
        "log_sigmoid": (f.logsigmoid, None),
        "hard_sigmoid": (f.hardsigmoid, out("hardsigmoid")),
        "tanh": (torch.tanh, lambda x, y: torch.tanh(x, out=y)),
        "hard_tanh": (f.hardtanh, out("hardtanh")),
        "tanh_shrink": (f.tanhshrink, None),
        "softplus": (f.softplus, out("softplus")),
        "softsign": (f.softsign, None),
        "hard_swish": (f.hardswish, out("hardswish")),
        "hard_shrink": (f.hardshrink, out("hardshrink")),
        "soft_shrink": (f.softshrink, out("softshrink")),
        "threshold": (lambda x: f.threshold(x, 0.0, 0.0), lambda x, y: aten.threshold.out(x, 0.0, 0.0, out=y)),
        "exponential": (torch.exp, lambda x, y: torch.exp(x, out=y)),
        "softmax": (lambda x: f.softmax(x, -1), lambda x, y: aten._softmax.out(x, -1, False, out=y)),
        "log_softmax": (lambda x: f.log_softmax(x, -1), lambda x, y: aten._log_softmax.out(x, -1, False, out=y)),
        "glu": (lambda x: f.glu(x, -1), lambda x, y: aten.glu.out(x, -1, out=y)),
    }


def median(call, budget):
    """The median seconds of a call, in groups long enough for the clock."""
    started, warm = time.perf_counter(), 0
    while warm < 3 or time.perf_counter() - started < budget / 10:
        call()
        warm += 1
    group = math.ceil(20e-6 * warm / (time.perf_counter() - started))
    times, started = [], time.perf_counter()
    while len(times) < 5 or time.perf_counter() - started < budget:
        before = time.perf_counter()
        for _ in range(group):
            call()
        times.append((time.perf_counter() - before) / group)
    return statistics.median(times)


def torch_times(torch, name, x, budget):
    """Seconds by mode; no entry where PyTorch has no such function."""
    function, into = torch_functions(torch)[name]
    if name == "prelu":
        weight = torch.full((1,), 0.25, dtype=x.dtype, requires_grad=True)
        function = lambda x: torch.nn.functional.prelu(x, weight)
    with torch.no_grad():
        y = function(x)
        grad = torch.full_like(y, 0.5)
        times = {"infer": median(lambda: function(x), budget)}
        times["infer_into"] = median(lambda: into(x, y), budget) if into else times["infer"]
    x.requires_grad_(True)

    def train():
        x.grad = None
        function(x).backward(grad)

    times["train"] = times["train_into"] = median(train, budget)
    x.requires_grad_(False)
    x.grad = None
    return times


def jax_times(jax, name, x, budget):
    """Seconds of inference, compiled."""
    functions = {"exponential": jax.numpy.exp, "tanh": jax.numpy.tanh, "log_sigmoid": jax.nn.log_sigmoid, "softsign": jax.nn.soft_sign,
                 "hard_swish": jax.nn.hard_swish, "hard_tanh": jax.nn.hard_tanh, "gelu": lambda x: jax.nn.gelu(x, approximate=False),
                 "gelu_tanh": jax.nn.gelu}
    function = functions.get(name, getattr(jax.nn, name, None))
    if function is None:
        return None
    compiled = jax.jit(function)
    return median(lambda: compiled(x).block_until_ready(), budget)


def crate_times(program, name, element, threads, size, row, budget):
    if threads > 1:
        time.sleep(0.3)  # PyTorch's threads go on for a while in a loop that waits for more work.
    command = [program, "--csv", "--only", name, "--elements", element, "--threads", str(threads), "--sizes", str(size), "--row", str(row),
               "--budget", str(int(budget * 1000)), "--modes", ",".join(MODES)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return {line["mode"]: float(line["nanoseconds"]) * 1e-9 for line in csv.DictReader(lines)}


def means(figures):
    """A table of the geometric means of the ratios over all functions, and of the smallest, for each element type, number of threads and size."""
    lines = ["| | " + " | ".join(f"`{mode}`" for mode in MODES) + " |", "|---|" + "---|" * len(MODES)]
    for element, threads, size in dict.fromkeys((f["element"], f["threads"], f["size"]) for f in figures):
        chosen = [f for f in figures if (f["element"], f["threads"], f["size"]) == (element, threads, size)]
        cells = []
        for mode in MODES:
            ratios = [f["torch"][mode] / f["ours"][mode] for f in chosen]
            cells.append(f"{statistics.geometric_mean(ratios):.2f} ({min(ratios):.2f})")
        lines.append(f"| `{element}`, {size:,} elements, {threads} thread{'s' if threads > 1 else ''} | " + " | ".join(cells) + " |")
    return lines


def markdown(figures):
    """The means, and a table for each element type, size and number of threads: our rate and the ratio to PyTorch's."""
    lines, heading = ["", *means(figures)], None
    for figure in figures:
        here = f"### {figure['element']}, {figure['size']:,} elements, {figure['threads']} thread(s)"
        if here != heading:
            heading = here
            lines += ["", here, "", "| | " + " | ".join(f"`{mode}`" for mode in MODES) + " |", "|---|" + "---|" * len(MODES)]
        cells = [f"{figure['size'] / figure['ours'][mode]:.2f} ({figure['torch'][mode] / figure['ours'][mode]:.2f}×)" for mode in MODES]
        lines.append(f"| `{figure['name']}` | " + " | ".join(cells) + " |")
    return "\n".join(lines[1:]) + "\n"


def build():
    command = ["cargo", "build", "--release", "--example", "throughput", "--message-format", "json"]
    lines = subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    found = [json.loads(line).get("executable") for line in lines]
    return [path for path in found if path][-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", help="names in the catalogue")
    parser.add_argument("--elements", nargs="*", default=["f32"], choices=["f32", "f64"])
    parser.add_argument("--sizes", nargs="*", type=int, default=[4096, 65536, 1 << 20])
    parser.add_argument("--threads", nargs="*", type=int, default=[1])
    parser.add_argument("--row", type=int, default=1024, help="length of the last axis")
    parser.add_argument("--budget", type=float, default=0.02, help="seconds for one figure")
    parser.add_argument("--markdown", type=Path, help="all tables into this file")
    parser.add_argument("--json", type=Path, help="all figures, in nanoseconds, into this file")
    options = parser.parse_args()
    try:
        import torch
    except ImportError:
        sys.exit("PyTorch is not installed here: pip install torch")
    try:
        import jax
    except ImportError:
        jax = None
    # As in any program that has once freed a large tensor, and as our program does: some allocators keep what is freed from then on.
    torch.ones(31 << 20, dtype=torch.uint8)
    program = build()
    print(f"PyTorch {torch.__version__}" + (f", JAX {jax.__version__}" if jax else "") + ". Rates in 10^9 elements a second, ours / theirs = ratio.")
    figures, ratios = [], {}
    for threads in options.threads:
        torch.set_num_threads(threads)
        for element in options.elements:
            for size in options.sizes:
                print(f"\n{element}, {size} elements, {threads} thread(s)\n{'':14}" + "".join(f"{mode:>24}" for mode in MODES) + ("    JAX infer" if jax else ""))
                row = min(options.row, size)
                x = torch.randn(size // row, row, dtype=getattr(torch, {"f32": "float32", "f64": "float64"}[element]))
                for name in options.only or torch_functions(torch):
                    ours = crate_times(program, name, element, threads, size, row, options.budget)
                    theirs = torch_times(torch, name, x, options.budget)
                    line = f"{name:14}"
                    for mode in MODES:
                        ratio = theirs[mode] / ours[mode]
                        ratios.setdefault((mode, "from 64 Ki" if size >= 65536 else "below 64 Ki"), []).append(ratio)
                        line += f"{size / ours[mode] / 1e9:9.3f} /{size / theirs[mode] / 1e9:6.3f} ={ratio:5.2f}"
                    figure = dict(name=name, element=element, size=size, threads=threads, ours={m: t * 1e9 for m, t in ours.items()},
                                  torch={m: t * 1e9 for m, t in theirs.items()})
                    if jax and element == "f32":
                        seconds = jax_times(jax, name, jax.numpy.asarray(x.numpy()), options.budget)
                        if seconds:
                            figure["jax"] = seconds * 1e9
                            line += f"{size / seconds / 1e9:13.3f}"
                    figures.append(figure)
                    print(line, flush=True)
    print("\nGeometric means of the ratios, and the smallest")
    for (mode, sizes), values in ratios.items():
        print(f"{mode:12} {sizes:12} {statistics.geometric_mean(values):6.2f} {min(values):6.2f}")
    if options.markdown:
        options.markdown.write_text(markdown(figures))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
