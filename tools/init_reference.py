"""The reference numbers of tests/init.rs, from sources that share nothing with the crate: mpmath for the gains, RFC 8439 with 8 rounds for the generator."""

from mpmath import erfc, exp, expm1, mp, mpf, pi, quad, sqrt

mp.dps = 40


def gain(f, kinks=()):
    """1 / sqrt(E[f(z)^2]), z ~ N(0, 1)."""
    ends = sorted({-40, -20, -10, -5, -2, -1, 0, 1, 2, 5, 10, 20, 40, *kinks})
    return 1 / sqrt(quad(lambda z: f(z) ** 2 * exp(-z * z / 2), ends) / sqrt(2 * pi))


def sigmoid(x):
    return 1 / (1 + exp(-x))


def elu(alpha):
    return lambda x: x if x > 0 else alpha * expm1(x)


threshold = mpf("0.3")
for name, value in [
    ("gelu", gain(lambda x: x * erfc(-x / sqrt(2)) / 2)),
    ("gelu, tanh", gain(lambda x: x * sigmoid(2 * sqrt(2 / pi) * (x + mpf("0.044715") * x**3)))),
    ("gelu, sigmoid", gain(lambda x: x * sigmoid(mpf("1.702") * x))),
    ("elu(1)", gain(elu(1))),
    ("elu(0.7)", gain(elu(mpf("0.7")))),
    ("silu", gain(lambda x: x * sigmoid(x))),
    ("swish(100)", gain(lambda x: x * sigmoid(100 * x), (-0.5, -0.1, -0.05, 0.05, 0.1, 0.5))),
    ("hard_tanh", gain(lambda x: max(-1, min(1, x)))),
    ("hard_shrink(0.3)", gain(lambda x: x if abs(x) > threshold else 0, (-threshold, threshold))),
]:
    print(name, float(value))

WORD = (1 << 32) - 1


def key(seed):
    """rand_core's seed_from_u64: eight words of PCG32."""
    words = []
    for _ in range(8):
        seed = (seed * 6364136223846793005 + 11634580027462260723) % (1 << 64)
        word, by = (((seed >> 18) ^ seed) >> 27) & WORD, seed >> 59
        words.append((word >> by | word << (32 - by)) & WORD)
    return words


def chacha8(key):
    """The first block of 16 words: counter and nonce 0."""
    start = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574, *key, 0, 0, 0, 0]
    w = start[:]

    def add_xor_rotate(a, b, d, by):
        w[a] = (w[a] + w[b]) & WORD
        w[d] ^= w[a]
        w[d] = (w[d] << by | w[d] >> (32 - by)) & WORD

    def quarter(a, b, c, d):
        add_xor_rotate(a, b, d, 16)
        add_xor_rotate(c, d, b, 12)
        add_xor_rotate(a, b, d, 8)
        add_xor_rotate(c, d, b, 7)

    for _ in range(4):
        for i in range(4):
            quarter(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return [(a + b) & WORD for a, b in zip(w, start)]


words = chacha8(key(1))
print("uniform in [0, 1), 53 bits, seed 1:", [((low | high << 32) >> 11) * 2.0**-53 for low, high in zip(words[0:12:2], words[1:12:2])])
