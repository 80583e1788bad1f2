"""Plain mutation, without coverage: what is used where atheris is not installed."""

from __future__ import annotations

import random
from collections.abc import Sequence

_TELLING = (
    b"\0",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\0\0\0\x80",
    b"-1",
    b"nan",
    b"1e999",
    b"\n",
    b",",
    b'"',
    b"\r",
    b"\xef\xbb\xbf",
    "\u0663".encode(),
    b"99999999999999999999",
    b"\\",
    b"../",
)
_MOST_CHANGES = 6


def mutate(seeds: Sequence[bytes], draw: random.Random) -> bytes:
    """One of `seeds`, changed in one to six places; now and then random bytes, or two seeds joined."""
    if draw.random() < 0.02:
        return draw.randbytes(draw.randrange(200))
    data = bytearray(draw.choice(seeds))
    for _ in range(draw.randint(1, _MOST_CHANGES)):
        _change(data, seeds, draw)
    return bytes(data)


def _change(data: bytearray, seeds: Sequence[bytes], draw: random.Random) -> None:
    # headers and trailers decide most: half of the places are near an end
    near = min(len(data), 200)
    start = draw.choice(
        [draw.randrange(len(data) + 1), draw.randrange(near + 1), len(data) - draw.randrange(near + 1)]
    )
    stop = min(len(data), start + draw.choice([1, 2, 4, 8, draw.randrange(300)]))
    kind = draw.randrange(7)
    if kind == 0 and start < len(data):
        data[start] ^= 1 << draw.randrange(8)
    elif kind == 1:
        data[start:stop] = draw.randbytes(stop - start)
    elif kind == 2:
        telling = draw.choice(_TELLING)
        data[start : start + draw.choice([0, len(telling)])] = telling
    elif kind == 3:
        del data[start:stop]
    elif kind == 4:
        data[start:start] = data[start:stop] * draw.randint(1, 4)
    elif kind == 5:
        other = draw.choice(seeds)
        begin = draw.randrange(len(other) + 1)
        data[start:stop] = other[begin : begin + draw.randrange(300)]
    elif draw.random() < 0.3:
        del data[start:]
