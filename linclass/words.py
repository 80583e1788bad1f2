"""Words of messages: a number with its noun, a number of any size."""

LARGE = 1e6
"""From here on a number is written with an exponent."""


def counted(n: int, noun: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def decimal(number: float, digits: int = 5) -> str:
    """So many digits after the point, with an exponent where it is large: `2.30259`, `7.51257e+37`."""
    return f"{number:.{digits}{'f' if abs(number) < LARGE else 'e'}}"
