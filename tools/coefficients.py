#!/usr/bin/env python3
"""Near-minimax polynomial coefficients for the SIMD activation functions.

The script prints the tables as Rust arrays (lowest degree first) together
with the error they achieve.  It needs only mpmath (gmpy2, where installed,
makes it faster), uses no random numbers, and gives the same output each time.

    python3 coefficients.py exp            expm1(r) = r + r^2 q(r)
    python3 coefficients.py log1p          2 atanh(s) = 2 s + s z L(z), z = s^2
    python3 coefficients.py mills          1/erfcx(t/sqrt 2) as a quotient
    python3 coefficients.py tanhshrink     (x - tanh x)/x^3 in x^2
    python3 coefficients.py tanh           the same, for small x
    python3 coefficients.py all            the five above

How a table is made
-------------------
1.  Each problem is: find p minimising max |W(x) (p(x) - f(x))| over a closed
    interval, W being the weight that turns an error of p into the error that
    the bound speaks of.  The Remez exchange solves it on a dense finite grid.
2.  The degree is the smallest for which the polynomial, coefficients rounded,
    meets the bound.
3.  Rounding goes from the constant term up: the lowest free coefficient is
    rounded to the target precision and fixed, and the others are fitted again,
    so that they make good what the rounding did.  With the terms below x^m
    fixed, the free part is x^m times a polynomial; on a grid that avoids x = 0
    such functions again obey the alternation theorem, with the weight
    W(x) |x|^m, so the same exchange serves.
4.  The error printed is that of the ROUNDED coefficients, evaluated in
    80-digit arithmetic on a denser grid than the one of the fit.  It does not
    contain the rounding errors of an evaluation in f32 or f64.
"""

import argparse
import struct
import sys

from mpmath import mp, mpf

mp.dps = 80

# Points per coefficient: in the grid of the fit and in the grid of the check.
FIT_DENSITY = 14
CHECK_POINTS = 1200


# --------------------------------------------------------------------------
# Rounding and printing
# --------------------------------------------------------------------------

class Element:
    """An element type: its name and the bits of its significand."""

    def __init__(self, name, bits):
        self.name = name
        self.bits = bits

    def round(self, x):
        """Nearest number with `bits` significant bits (no subnormals here)."""
        with mp.workprec(self.bits):
            return +mpf(x)

    def literal(self, x):
        """Rust f64 literal for a number already rounded to this type."""
        v = float(x)
        assert mpf(v) == x
        if self.bits == 53:
            text = "%.16e" % v  # 17 significant digits give the f64 back
        else:
            # The shortest decimal that comes back through f64 `as f32`.
            for digits in range(1, 10):
                text = "%.*e" % (digits - 1, v)
                if struct.unpack("f", struct.pack("f", float(text)))[0] == v:
                    break
            else:
                raise AssertionError("no decimal found for %r" % v)
        mantissa, exponent = text.split("e")
        exponent = int(exponent)
        if "." not in mantissa:
            mantissa += ".0"
        return mantissa if exponent == 0 else "%se%d" % (mantissa, exponent)


F32 = Element("f32", 24)
F64 = Element("f64", 53)
# A table for f32 elements that are computed in f64.
WIDE = Element("f32", 53)


def log2text(x):
    """2^-xx.xx form of a positive number."""
    return "2^%.2f" % float(mp.log(x, 2)) if x > 0 else "0"


# --------------------------------------------------------------------------
# The exchange
# --------------------------------------------------------------------------

def chebyshev_grid(a, b, n):
    """n + 1 Chebyshev extrema of [a, b], ascending, both ends included."""
    mid, half = (a + b) / 2, (b - a) / 2
    return [mid - half * mp.cos(mp.pi * i / n) for i in range(n + 1)]


def horner(c, x):
    r = mpf(0)
    for a in reversed(c):
        r = r * x + a
    return r


def solve(rows):
    """Solve the square system given as rows [a_1 .. a_n, rhs] (pivoting)."""
    n = len(rows)
    for k in range(n):
        piv = max(range(k, n), key=lambda i: abs(rows[i][k]))
        rows[k], rows[piv] = rows[piv], rows[k]
        pr = rows[k]
        inv = 1 / pr[k]
        for i in range(k + 1, n):
            row = rows[i]
            m = row[k] * inv
            if m:
                for j in range(k + 1, n + 1):
                    row[j] -= m * pr[j]
    x = [mpf(0)] * n
    for k in range(n - 1, -1, -1):
        s = rows[k][n]
        for j in range(k + 1, n):
            s -= rows[k][j] * x[j]
        x[k] = s / rows[k][k]
    return x


def pick_alternating(res, need):
    """Indices of `need` points where the residual alternates in sign.

    The largest residual of every run of equal sign is taken; surplus runs are
    dropped, the smallest first, in such a way that signs go on alternating
    and the largest of all stays.  None if there are too few runs.
    """
    peaks = []
    for i, r in enumerate(res):
        if r == 0:
            continue
        if peaks and (res[peaks[-1]] > 0) == (r > 0):
            if abs(r) > abs(res[peaks[-1]]):
                peaks[-1] = i
        else:
            peaks.append(i)
    if len(peaks) < need:
        return None
    while len(peaks) > need:
        if len(peaks) == need + 1:
            # One too many: it has to be one of the two ends.
            del peaks[0 if abs(res[peaks[0]]) < abs(res[peaks[-1]]) else -1]
            continue
        j = min(range(len(peaks)), key=lambda i: abs(res[peaks[i]]))
        if j == 0 or j == len(peaks) - 1:
            del peaks[j]
        else:
            # An inner one goes together with the smaller of its neighbours.
            k = j - 1 if abs(res[peaks[j - 1]]) < abs(res[peaks[j + 1]]) else j
            del peaks[k:k + 2]
    return peaks


class Problem:
    """f and the weight W on a grid: minimise max |W (p - f)|."""

    def __init__(self, a, b, f, weight):
        self.a, self.b = mpf(a), mpf(b)
        self.f, self.weight = f, weight
        self.grids = {}

    def grid(self, n):
        """The grid of n + 1 points as (x, f, W), without x = 0; made once."""
        if n not in self.grids:
            pts = []
            for x in chebyshev_grid(self.a, self.b, n):
                if abs(x) > (self.b - self.a) * mpf("1e-12"):
                    fx = self.f(x)
                    pts.append((x, fx, self.weight(x, fx)))
            self.grids[n] = pts
        return self.grids[n]

    def remez(self, degree, fixed=()):
        """Free coefficients above the fixed ones, and the levelled error."""
        m = len(fixed)
        free = degree + 1 - m
        pts = self.grid(FIT_DENSITY * (degree + 2))
        n = len(pts)
        need = free + 1
        xs = [p[0] for p in pts]
        # W |x|^m (p_free - g) is the signed residual whose sign alternates;
        # g is what the free part has to be.
        wts, rhs = [], []
        for x, fx, w in pts:
            xm = x ** m
            wts.append(w * abs(xm))
            rhs.append((fx - horner(fixed, x)) / xm)
        # First reference: spread like Chebyshev extrema over the grid, which
        # itself is so spread.
        ref = [(2 * i * (n - 1) + need - 1) // (2 * (need - 1))
               for i in range(need)]
        best = None
        for _ in range(60):
            rows = []
            for s, i in enumerate(ref):
                x, row, v = xs[i], [], wts[i]
                for _j in range(free):
                    row.append(v)
                    v = v * x
                row.append(mpf(-1 if s % 2 else 1))
                row.append(wts[i] * rhs[i])
                rows.append(row)
            sol = solve(rows)
            c, level = sol[:free], abs(sol[free])
            res = [w * (horner(c, x) - g) for x, w, g in zip(xs, wts, rhs)]
            top = max(abs(r) for r in res)
            if best is None or top < best[1]:
                best = (c, top)
            if top <= level * mpf("1.002"):
                break
            new = pick_alternating(res, need)
            if new is None or new == ref:
                break
            ref = new
        return best

    def fit_rounded(self, element, degree, fixed=(), spares=0, split=False):
        """Round from the low end up, fitting the rest again each time.

        `spares` > 0: where the error grew past the bound, a caller may ask
        for the second-nearest value to be tried too for that many leading
        coefficients; the best outcome is kept.  `split`: the constant term
        may be the sum of two numbers of the element type (high and low part).
        """
        def descend(c, free, left):
            if len(c) == degree + 1:
                return c, self.error(c, FIT_DENSITY * (degree + 2))
            near = element.round(free[0])
            if split and not c:
                near += element.round(free[0] - near)
            options = [near]
            if left > 0 and not (split and not c):
                ulp = mpf(2) ** (mp.floor(mp.log(abs(near), 2)) - element.bits + 1)
                options.append(near + (ulp if free[0] > near else -ulp))
            best = None
            for v in options:
                nc = c + [v]
                nf = self.remez(degree, nc)[0] if len(nc) <= degree else []
                out = descend(nc, nf, left - 1)
                if best is None or out[1] < best[1]:
                    best = out
            return best

        c = [mpf(v) for v in fixed]
        return descend(c, self.remez(degree, c)[0], spares)[0]

    def error(self, c, n=None):
        """max |W (p - f)| over a grid (which may leave out x = 0)."""
        return max(abs(w * (horner(c, x) - fx))
                   for x, fx, w in self.grid(n or CHECK_POINTS))


def minimal_table(problem, element, bound, first_degree, fixed=(), spares=0,
                  split=False):
    """Smallest degree meeting the bound: (coefficients, error, lower error,
    error of the unrounded minimax polynomial of the same degree)."""
    lower = problem.remez(first_degree - 1, fixed)[1]
    assert lower > bound, "start the search at a lower degree"
    for degree in range(first_degree, first_degree + 60):
        top = problem.remez(degree, fixed)[1]
        if top <= bound:
            c = problem.fit_rounded(element, degree, fixed, 0, split)
            err = problem.error(c)
            if err > bound and spares:
                c = problem.fit_rounded(element, degree, fixed, spares, split)
                err = problem.error(c)
            if err <= bound:
                return c, err, lower, top
            top = err
        lower = top
    raise AssertionError("no degree meets the bound")


def print_array(name, element, c, notes, split=False):
    """The array; of a split constant term the array has the high part, and
    the low part is a constant of its own."""
    for line in notes:
        print("// " + line)
    print("pub const %s: [f64; %d] = [" % (name, len(c)))
    for v in [element.round(c[0])] + list(c[1:]) if split else c:
        print("    %s," % element.literal(v))
    print("];")
    if split:
        print("/// Low part of the constant term: c0 = %s[0] + %s_LO." % (name, name))
        print("pub const %s_LO: f64 = %s;" % (
            name, element.literal(c[0] - element.round(c[0]))))
    print()
    sys.stdout.flush()


def summary(c, err, bound, lower, ideal):
    return ["degree %d; error %s (%s), bound %s" % (
                len(c) - 1, log2text(err), mp.nstr(err, 4), log2text(bound)),
            "unrounded minimax %s; one degree less %s" % (
                log2text(ideal), log2text(lower))]


# --------------------------------------------------------------------------
# A. expm1(r) = r + r^2 q(r)
# --------------------------------------------------------------------------

def exp_q(r):
    """(expm1(r) - r) / r^2 by its series: no cancellation."""
    term, total, k = mpf(1) / 2, mpf(0), 2
    while abs(term) > mpf(10) ** -(mp.dps + 5):
        total += term
        k += 1
        term = term * r / k
    return total


def table_exp():
    print("// A. EXP: expm1(r) = r + r^2 q(r), |r| <= 0.3470; the error is")
    print("//    |r^2 (q_hat - q)| / |expm1(r)|.  q[0] is exactly 0.5.")
    prob = Problem("-0.3470", "0.3470", exp_q,
                   lambda r, q: r * r / abs(mp.expm1(r)))
    for el, bits, d0 in ((F32, 26, 3), (F64, 58, 7)):
        bound = mpf(2) ** -bits
        c, err, low, ideal = minimal_table(prob, el, bound, d0,
                                           [mpf("0.5")], spares=2)
        print_array("EXPM1_%s" % el.name.upper(), el, c,
                    summary(c, err, bound, low, ideal))


# --------------------------------------------------------------------------
# B. 2 atanh(s) = 2 s + s z L(z), z = s^2
# --------------------------------------------------------------------------

def log_l(z):
    """2/3 + 2/5 z + 2/7 z^2 + ... by its series."""
    power, total, k = mpf(2), mpf(0), 3
    while power > mpf(10) ** -(mp.dps + 5):
        total += power / k
        power *= z
        k += 2
    return total


def table_log1p():
    print("// B. LOG1P: 2 atanh(s) = 2 s + s z L(z), z = s^2; the error is")
    print("//    |z (L_hat - L)| / 2.")
    for tag, zmax, what in (("WIDE", mpf(1) / 9, "s in [0, 1/3]"),
                            ("NARROW", mpf("0.1716") ** 2, "s in [0, 0.1716]")):
        prob = Problem(0, zmax, log_l, lambda z, l: z / 2)
        for el, bits, d0 in ((F32, 29, 1), (F64, 58, 5)):
            bound = mpf(2) ** -bits
            c, err, low, ideal = minimal_table(prob, el, bound, d0, spares=3)
            print_array("LOG1P_%s_%s" % (tag, el.name.upper()), el, c,
                        [what] + summary(c, err, bound, low, ideal))


# --------------------------------------------------------------------------
# C. 1 / erfcx(t / sqrt 2) = 1 + t + t S(t), S = A/B
# --------------------------------------------------------------------------

def mills_s(t):
    """S(t), which is between -0.21 and 0.26."""
    a = t / mp.sqrt(2)
    return (1 / (mp.exp(a * a) * mp.erfc(a)) - 1 - t) / t


# Element type, largest t, the degree of A and of B, the middle of the grid.
MILLS = (
    (F32, mpf("14.6"), 4, mpf("3.4")),
    (F64, mpf(39), 10, mpf("4.5")),
)


def table_mills():
    """A(t)/B(t) for S(t), B(0) = 1.

    Weighted least squares, made rational by reweighting with the last B and
    near-minimax by C. L. Lawson's reweighting with the last error; then the
    coefficients are rounded one by one, from the lowest up, A and B in turn,
    and the others fitted again. The error is that of 1 + t + t S, relative.
    """
    for el, tmax, degree, k in MILLS:
        with mp.workdps(110):
            a, b, err, ideal = mills_fit(el, tmax, degree, k)
        name = "MILLS_%%s_%s" % el.name.upper()
        notes = ["t in [0, %s]: relative error of 1 + t + t A/B %s, unrounded %s"
                 % (mp.nstr(tmax, 3), log2text(err), log2text(ideal))]
        print("// C. MILLS: A(t)/B(t) = (1/erfcx(t / sqrt 2) - 1)/t - 1.")
        print_array(name % "A", el, a, notes)
        print_array(name % "B", el, b, [])


def mills_fit(el, tmax, degree, k):
    size = degree + 1

    def grid(points):
        ts = [k * (1 + q) / (1 - q) for q in chebyshev_grid(
            mpf(-1), (tmax - k) / (tmax + k), points)]
        ts[0] = ts[1] / 1000
        ss = [mills_s(t) for t in ts]
        # What an error of S does to the sum, and at t = 0 a little.
        return ts, ss, [t / (1 + t + t * s) + mpf("0.02")
                        for t, s in zip(ts, ss)]

    def fit(a, b, weights, dens):
        """All coefficients, of which these first ones are fixed."""
        free = 2 * size - len(a) - len(b)
        rows = [[mpf(0)] * (free + 1) for _i in range(free)]
        for t, s, w, v, weight in zip(ts, ss, ws, dens, weights):
            w = mp.sqrt(weight) * w / v
            row = [w * t ** j for j in range(len(a), size)]
            row += [-w * s * t ** j for j in range(len(b), size)]
            row.append(w * (s * horner(b, t) - horner(a, t)))
            for i in range(free):
                for j in range(free + 1):
                    rows[i][j] += row[i] * row[j]
        x = solve(rows)
        cut = size - len(a)
        return a + x[:cut], b + x[cut:]

    def errors(a, b):
        return [w * abs(horner(a, t) / horner(b, t) - s)
                for t, s, w in zip(ts, ss, ws)]

    def best(a, b, weights, dens, steps):
        top = None
        for _ in range(steps):
            num, den = fit(a, b, weights, dens)
            found = errors(num, den)
            worst = max(found)
            dens = [horner(den, t) for t in ts]
            if top is None or worst < top[0]:
                top = worst, num, den, list(weights), dens
            weights = [w * (e / worst * mpf("0.9") + mpf("0.1"))
                       for w, e in zip(weights, found)]
            total = sum(weights)
            weights = [w * len(weights) / total for w in weights]
        return top

    ts, ss, ws = grid(120)
    a, b = [], [mpf(1)]
    ideal, num, den, weights, dens = best(
        a, b, [mpf(1)] * len(ts), [(1 + t / 2) ** degree for t in ts], 25)
    while len(a) < size or len(b) < size:
        if len(a) < len(b):
            a = a + [el.round(num[len(a)])]
        else:
            b = b + [el.round(den[len(b)])]
        if len(a) < size or len(b) < size:
            _worst, num, den, _weights, dens = best(a, b, weights, dens, 4)
    ts, ss, ws = grid(1000)
    return a, b, max(errors(a, b)), ideal


# --------------------------------------------------------------------------
# D. (x - tanh x) / x^3 = T(w), w = x^2
# --------------------------------------------------------------------------

def tanhshrink_t(w):
    if w == 0:
        return mpf(1) / 3
    x = mp.sqrt(w)
    with mp.extradps(60):  # x - tanh x cancels
        return (x - mp.tanh(x)) / x ** 3


def table_tanhshrink():
    print("// D. TANHSHRINK: (x - tanh x)/x^3 = T(w), w = x^2 in [0, 1]; the")
    print("//    error is relative to T.  At w = 0 a single rounded 1/3 would")
    print("//    miss the bound, so the constant term has a low part too.")
    prob = Problem(0, 1, tanhshrink_t, lambda w, t: 1 / t)
    for el, bits, d0 in ((F32, 28, 5), (F64, 57, 12)):
        bound = mpf(2) ** -bits
        c, err, low, ideal = minimal_table(prob, el, bound, d0, spares=2,
                                           split=True)
        notes = summary(c, err, bound, low, ideal)
        # T(0) itself belongs to the check, and the grids leave it out.
        notes.append("at w = 0: %s; without the low part of c0: %s overall" % (
            log2text(abs(c[0] * 3 - 1)),
            log2text(max(prob.error([el.round(c[0])] + c[1:]),
                         abs(el.round(c[0]) * 3 - 1)))))
        print_array("TANHSHRINK_%s" % el.name.upper(), el, c, notes, True)


def table_tanh():
    print("// E. TANH: the same T on [0, 0.3025], for tanh x = x - x^3 T(x^2); the")
    print("//    error is relative to tanh x.")
    prob = Problem(0, mpf("0.3025"), tanhshrink_t, lambda w, t: w / (1 - w * t))
    for el, bits, d0 in ((F32, 24, 2), (F64, 54, 7)):
        bound = mpf(2) ** -bits
        c, err, low, ideal = minimal_table(prob, el, bound, d0, spares=2)
        print_array("TANH_%s" % el.name.upper(), el, c,
                    summary(c, err, bound, low, ideal))


def main():
    ap = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ap.add_argument("table", choices=(
        "exp", "log1p", "mills", "tanhshrink", "tanh", "all"))
    args = ap.parse_args()
    if args.table in ("exp", "all"):
        table_exp()
    if args.table in ("log1p", "all"):
        table_log1p()
    if args.table in ("mills", "all"):
        table_mills()
    if args.table in ("tanhshrink", "all"):
        table_tanhshrink()
    if args.table in ("tanh", "all"):
        table_tanh()


if __name__ == "__main__":
    main()
