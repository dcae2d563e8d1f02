"""What the oracle of tests/common/oracle.rs cannot compute in f64: derivatives next to their roots, made with mpmath at 60 digits.

    pip install mpmath
    python3 tools/roots.py series > tests/common/roots.rs      Taylor series of f' about its root (cargo fmt lays it out)
    python3 tools/roots.py values > tests/data/roots.csv       f' at f32 numbers around the root, for a test of that series and of the layers

The formulas are the textbook ones; mpmath finds the root and differentiates.
"""

import struct
import sys

from mpmath import cosh, diff, exp, findroot, log1p, mp, mpf, ncdf, npdf, nstr, sqrt, tanh, pi

mp.dps = 60


def sigmoid(x):
    return 1 / (1 + exp(-x))


def silu_slope(y):
    return sigmoid(y) + y * sigmoid(y) * sigmoid(-y)


def gelu_tanh_slope(x):
    c = 2 * sqrt(2 / pi)
    y, slope = c * (x + mpf("0.044715") * x**3), c * (1 + 3 * mpf("0.044715") * x**2)
    return sigmoid(y) + x * slope * sigmoid(y) * sigmoid(-y)


def mish_slope(x):
    s = log1p(exp(x))
    return tanh(s) + x * sigmoid(x) / cosh(s) ** 2


SLOPES = {
    "gelu": (lambda x: ncdf(x) + x * npdf(x), -0.75),
    "gelu_tanh": (gelu_tanh_slope, -0.75),
    "gelu_sigmoid": (lambda x: silu_slope(mpf("1.702") * x), -0.75),
    "silu": (silu_slope, -1.28),
    "mish": (mish_slope, -1.19),
}
TERMS = 9


def f64(x):
    return mpf(float(x))


def series():
    print("//! Made by `tools/roots.py series`: the roots of derivatives in two words, and the Taylor coefficients of the derivatives about them.")
    print("\nuse super::oracle::Root;\n")
    for name, (slope, start) in SLOPES.items():
        root = findroot(slope, start)
        terms = [diff(slope, root, n) / mp.factorial(n) for n in range(1, TERMS + 1)]
        print(f"pub(crate) const {name.upper()}: Root = Root {{")
        print(f"    hi: {float(root)!r},\n    lo: {float(root - f64(root))!r},")
        print("    terms: [" + ", ".join(repr(float(term)) for term in terms) + "],\n};")


def values():
    """The nearest f32 to the root, and others at growing distances."""
    print("spec,x,derivative")
    for name, (slope, start) in SLOPES.items():
        root = findroot(slope, start)
        bits = struct.unpack("I", struct.pack("f", float(root)))[0]
        steps = sorted({0, *(sign * step for sign in (1, -1) for k in range(23) for step in (2**k, 3 * 2**k) if step < 2**21)})
        for step in steps:
            x = mpf(struct.unpack("f", struct.pack("I", bits + step))[0])
            print(f"{name},{float(x)!r},{nstr(slope(x), 20)}")


if __name__ == "__main__":
    {"series": series, "values": values}[sys.argv[1]]()
