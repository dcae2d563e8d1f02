"""The table docs/special-values.md: what every pointwise activation gives for NaN, infinities, zeros, the smallest and the largest numbers.

    pip install mpmath
    python3 tools/special_values.py > docs/special-values.md

Limits and conventions are written here by hand, finite values come from mpmath. tests/special_values.rs compares the table with the layers.
"""

from mpmath import floor, inf, mp, mpf, nint

import reference_values as reference

mp.dps = 60
NAN = "NaN"


def piecewise(*pieces):
    """(condition, value, slope) each; the first that holds."""
    return tuple(lambda x, k=k: next(mpf(piece[k](x)) for piece in pieces if piece[0](x)) for k in (1, 2))


always, line, one, zero = (lambda x: True), (lambda x: x), (lambda x: 1), (lambda x: 0)
rectified = piecewise((lambda x: x > 0, line, one), (always, zero, zero))
shrunk = piecewise((lambda x: abs(x) > 0.5, line, one), (always, zero, zero))
swish = reference.FUNCTIONS["silu"]

# Name: functions; f and f' at infinity and at -infinity; f' at NaN; whether a zero keeps its sign.
SIXTH = mpf(1) / 6
SCALE, ALPHA = reference.SCALE, reference.ALPHA
FUNCTIONS = {
    "identity": ((line, one), (inf, 1, -inf, 1), 1, True),
    "sigmoid": (reference.FUNCTIONS["sigmoid"], (1, 0, 0, 0), NAN, False),
    "tanh": (reference.FUNCTIONS["tanh"], (1, 0, -1, 0), NAN, True),
    "relu": (rectified, (inf, 1, 0, 0), 1, False),
    "relu6": (piecewise((lambda x: x >= 6, lambda x: 6, zero), (lambda x: x > 0, line, one), (always, zero, zero)), (6, 0, 0, 0), 1, False),
    "relu_squared": (piecewise((lambda x: x > 0, lambda x: x * x, lambda x: 2 * x), (always, zero, zero)), (inf, inf, 0, 0), NAN, False),
    "leaky_relu": (piecewise((lambda x: x > 0, line, one), (always, lambda x: x * mpf("0.01"), lambda x: mpf("0.01"))), (inf, 1, -inf, mpf("0.01")), 1, True),
    "thresholded_relu": (piecewise((lambda x: x > 1, line, one), (always, zero, zero)), (inf, 1, 0, 0), 1, False),
    "elu": (reference.elu(mpf(1)), (inf, 1, -1, 0), NAN, True),
    "celu": (reference.celu(mpf(1)), (inf, 1, -1, 0), NAN, True),
    "selu": (reference.FUNCTIONS["selu"], (inf, SCALE, -SCALE * ALPHA, 0), NAN, True),
    "gelu": (reference.FUNCTIONS["gelu"], (inf, 1, 0, 0), NAN, True),
    "gelu_tanh": (reference.FUNCTIONS["gelu_tanh"], (inf, 1, 0, 0), NAN, True),
    "gelu_sigmoid": (reference.FUNCTIONS["gelu_sigmoid"], (inf, 1, 0, 0), NAN, True),
    "silu": (swish, (inf, 1, 0, 0), NAN, True),
    "swish": (swish, (inf, 1, 0, 0), NAN, True),
    "mish": (reference.FUNCTIONS["mish"], (inf, 1, 0, 0), NAN, True),
    "softplus": (reference.softplus(mpf(1)), (inf, 1, 0, 0), NAN, False),
    "log_sigmoid": (reference.FUNCTIONS["log_sigmoid"], (0, 0, -inf, 1), NAN, False),
    "softsign": (reference.FUNCTIONS["softsign"], (1, 0, -1, 0), NAN, True),
    "hard_sigmoid": (reference.FUNCTIONS["hard_sigmoid"], (1, 0, 0, 0), SIXTH, False),
    "hard_swish": (reference.FUNCTIONS["hard_swish"], (inf, 1, 0, 0), NAN, True),
    "hard_tanh": (piecewise((lambda x: abs(x) < 1, line, one), (always, lambda x: x / abs(x), zero)), (1, 0, -1, 0), 1, True),
    "hard_shrink": (shrunk, (inf, 1, -inf, 1), 1, False),
    "soft_shrink": (piecewise((lambda x: abs(x) > 0.5, lambda x: x - 0.5 * x / abs(x), one), (always, zero, zero)), (inf, 1, -inf, 1), 1, False),
    "shrink": (shrunk, (inf, 1, -inf, 1), 1, False),
    "tanh_shrink": (reference.FUNCTIONS["tanh_shrink"], (inf, 1, -inf, 1), NAN, True),
    "threshold": (rectified, (inf, 1, 0, 0), 1, False),
    "exponential": (reference.FUNCTIONS["exponential"], (inf, inf, 0, 0), NAN, False),
    "squareplus": (reference.squareplus(mpf(4)), (inf, 1, 0, 0), NAN, False),
    "sparse_plus": (
        piecewise((lambda x: x >= 1, line, one), (lambda x: x <= -1, zero, zero), (always, lambda x: (x + 1) ** 2 / 4, lambda x: (x + 1) / 2)),
        (inf, 1, 0, 0),
        NAN,
        False,
    ),
    "sparse_sigmoid": (
        piecewise((lambda x: x >= 1, one, zero), (lambda x: x <= -1, zero, zero), (always, lambda x: (x + 1) / 2, lambda x: mpf(1) / 2)),
        (1, 0, 0, 0),
        mpf(1) / 2,
        False,
    ),
    "sign": (piecewise((lambda x: x == 0, zero, zero), (always, lambda x: x / abs(x), zero)), (1, 0, -1, 0), 0, True),
    "step": (piecewise((lambda x: x > 0, one, zero), (always, zero, zero)), (1, 0, 0, 0), 0, False),
}
# Digits of the significand, the smallest exponent, the largest number.
FORMATS = ((24, -149, mpf(2) ** 128 - mpf(2) ** 104), (53, -1074, mpf(2) ** 1024 - mpf(2) ** 971))


def rounded(y, digits, lowest, largest):
    if abs(y) == inf or y == 0:
        return y
    unit = mpf(2) ** max(floor(mp.log(abs(y), 2)) - digits + 1, lowest)
    result = nint(y / unit) * unit
    return result if abs(result) <= largest else inf * mp.sign(y)


def text(y, x=None):
    """As a number, or as a multiple of the input."""
    if isinstance(y, str):
        return y
    if abs(y) == inf:
        return "∞" if y > 0 else "-∞"
    ratio = y / x if x else mpf(0)
    if mpf(10) ** -4 < ratio < 3:
        return "x" if float(ratio) == 1 else f"{float(ratio):.16g}x"
    number = float(y)
    return str(int(number)) if number == int(number) else repr(number)


def finite(function, places):
    """The cell for an input that each format has another number for."""
    cells = set()
    for (digits, lowest, largest), x in zip(FORMATS, places):
        # The difference of two large numbers needs all digits between them.
        with mp.workdps(60 if abs(x) < 1 and abs(x) > mpf(10) ** -40 or x == 0 else 1500):
            y = function(x)
            near = rounded(y, digits, lowest, largest)
            tiny = 0 < abs(y) < mpf(2) ** -140 and near != y
            if abs(x) > 1 and abs(x * y + 1) < mpf(10) ** -30:
                cells.add("-1/x")
                continue
            cells.add(("≈ " if tiny else "") + text(near if tiny or abs(near) == inf else y, x))
    assert len(cells) == 1, cells
    return cells.pop()


def rows(which):
    smallest, largest = [mpf(2) ** f[1] for f in FORMATS], [f[2] for f in FORMATS]
    for name, (functions, limits, at_nan, keeps_sign) in FUNCTIONS.items():
        function = functions[which]
        at_zero = finite(function, (mpf(0), mpf(0)))
        minus_zero = "-0" if which == 0 and keeps_sign else at_zero
        cells = [NAN if which == 0 else text(at_nan), text(limits[which]), text(limits[2 + which]), at_zero, minus_zero]
        for places in (smallest, [-x for x in smallest], largest, [-x for x in largest]):
            cells.append(finite(function, places))
        yield f"| `{name}` | " + " | ".join(cells) + " |"


HEADER = """# Special values

Made by `tools/special_values.py` (limits by hand, the rest by mpmath) and tested against the layers in both element types; do not edit. With the default
parameters.

x is the input itself, s the smallest subnormal number, M the largest finite one. ≈ stands before results that are no subnormal number and are rounded to one next
to them. -0 keeps its sign where the function is odd or linear there; the sign of other zeros is not promised. The gradient is what `backward` gives for a gradient
of 1; at NaN it is that of the upper side where only the side is kept.
"""
COLUMNS = ["NaN", "∞", "-∞", "0", "-0", "s", "-s", "M", "-M"]


def main():
    print(HEADER)
    for which, heading in enumerate(("Values", "Gradients")):
        print(f"## {heading}\n\n| | " + " | ".join(COLUMNS) + " |\n|---" + "|---" * len(COLUMNS) + "|")
        print("\n".join(rows(which)) + ("\n" if which == 0 else ""))


if __name__ == "__main__":
    main()
