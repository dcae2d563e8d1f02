"""Reference values for tests/references.rs, made with mpmath at 50 digits.

    pip install mpmath
    python3 tools/reference_values.py > tests/data/reference.csv

Each line: spec, x (the exact value of an f32, as the shortest decimal that gives it back in f64), f(x), f'(x), the results with 25 digits. The inputs cross
the middle, both tails down to the smallest subnormal results of f32, kinks, and the surroundings of roots of derivatives, where nothing else is exact enough.
The formulas are the textbook ones: at 50 digits (and more in the tails) no stable form is needed.
"""

import struct
from mpmath import mp, mpf, exp, expm1, log1p, tanh, erfc, sqrt, pi, nstr, cosh

mp.dps = 120  # cancellation in the tails costs up to 60 digits; 25 of the rest are printed


def f32(x):
    """The nearest f32, exactly."""
    return mpf(struct.unpack("f", struct.pack("f", float(x)))[0])


def sigmoid(x):
    return 1 / (1 + exp(-x))


def normal(x):
    return erfc(-x / sqrt(2)) / 2


def density(x):
    return exp(-x * x / 2) / sqrt(2 * pi)


ALPHA = mpf("1.6732632423543772848170429916717")
SCALE = mpf("1.0507009873554804934193349852946")
C = 2 * sqrt(2 / pi)


def gated(y, slope):
    """x s(y(x)) and its derivative."""
    return (lambda x: x * sigmoid(y(x)), lambda x: sigmoid(y(x)) + x * slope(x) * sigmoid(y(x)) * sigmoid(-y(x)))


def elu(alpha, scale=1):
    return (
        lambda x: scale * x if x > 0 else scale * alpha * expm1(x),
        lambda x: mpf(scale) if x > 0 else scale * alpha * exp(x),
    )


def celu(alpha):
    return (lambda x: x if x > 0 else alpha * expm1(x / alpha), lambda x: mpf(1) if x >= 0 else exp(x / alpha))


def softplus(beta):
    return (lambda x: log1p(exp(beta * x)) / beta, lambda x: sigmoid(beta * x))


def squareplus(b):
    return (lambda x: (x + sqrt(x * x + b)) / 2, lambda x: (1 + x / sqrt(x * x + b)) / 2)


def mish_slope(x):
    s = log1p(exp(x))
    return tanh(s) + x * sigmoid(x) / cosh(s) ** 2


FUNCTIONS = {
    "sigmoid": (sigmoid, lambda x: sigmoid(x) * sigmoid(-x)),
    "tanh": (tanh, lambda x: 1 / cosh(x) ** 2),
    "elu(1)": elu(mpf(1)),
    "elu(0.5)": elu(mpf("0.5")),
    "celu(1)": celu(mpf(1)),
    "celu(0.5)": celu(mpf("0.5")),
    "celu(3)": celu(mpf(3)),
    "selu": elu(ALPHA, SCALE),
    "gelu": (lambda x: x * normal(x), lambda x: normal(x) + x * density(x)),
    "gelu_tanh": gated(lambda x: C * (x + mpf("0.044715") * x**3), lambda x: C * (1 + 3 * mpf("0.044715") * x**2)),
    "gelu_sigmoid": gated(lambda x: mpf("1.702") * x, lambda x: mpf("1.702")),
    "silu": gated(lambda x: x, lambda x: mpf(1)),
    "swish(1.5)": gated(lambda x: mpf("1.5") * x, lambda x: mpf("1.5")),
    "swish(-2)": gated(lambda x: -2 * x, lambda x: mpf(-2)),
    "mish": (lambda x: x * tanh(log1p(exp(x))), mish_slope),
    "softplus(1)": softplus(mpf(1)),
    "softplus(0.5)": softplus(mpf("0.5")),
    "softplus(8)": softplus(mpf(8)),
    "log_sigmoid": (lambda x: -log1p(exp(-x)), lambda x: sigmoid(-x)),
    "softsign": (lambda x: x / (1 + abs(x)), lambda x: 1 / (1 + abs(x)) ** 2),
    "tanh_shrink": (lambda x: x - tanh(x), lambda x: tanh(x) ** 2),
    "exponential": (exp, exp),
    "squareplus(4)": squareplus(mpf(4)),
    "squareplus(1)": squareplus(mpf(1)),
    "hard_sigmoid": (lambda x: min(max(x / 6 + mpf(1) / 2, 0), 1), lambda x: mpf(1) / 6 if abs(x) < 3 else mpf(0)),
    "hard_swish": (
        lambda x: x * min(max(x + 3, 0), 6) / 6,
        lambda x: mpf(0) if x <= -3 else mpf(1) if x >= 3 else x / 3 + mpf(1) / 2,
    ),
}

ROOTS = ["-0.75179152469356446", "-0.75246142207101626", "-0.75115993", "-1.2784645427610738", "-0.85230969517404920", "0.6392322713805369", "-1.1924312145154952", "-1.5"]

MIDDLE = "1e-40 3e-20 1e-8 1e-5 0.001 0.01 0.1 0.25 0.34 0.4 0.5 0.75 0.9 1 1.1 1.5 2 2.5 2.99 3 3.01 3.5 4 5 5.5 6 7.3 8 9.5"
TAILS = "10.5 12 13 13.9 14.1 16.7 17.4 20 26 30 36.7 40 50 60 75 87.3 88.7 91.8 95 100 103.5"


def inputs():
    for magnitude in f"{MIDDLE} {TAILS}".split():
        for sign in ("", "-"):
            yield f32(sign + magnitude)
    for root in ROOTS:
        for offset in ("0", "1e-6", "-1e-6", "1e-4", "-1e-4", "0.01", "-0.01", "0.2", "-0.2", "0.3", "-0.3"):
            yield f32(mpf(root) + mpf(offset))


def main():
    print("spec,x,value,derivative")
    for spec, (value, slope) in FUNCTIONS.items():
        for x in sorted(set(inputs())):
            y, d = value(x), slope(x)
            print(f"{spec.replace(',', ';')},{float(x)!r},{nstr(y, 25)},{nstr(d, 25)}")


if __name__ == "__main__":
    main()
