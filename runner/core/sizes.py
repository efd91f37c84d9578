"""Sizes and counts for people."""

LARGEST_SUMMARY = 1024 * 1024  # bytes of a step; GitHub drops what is larger, whole
UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")  # of 1024, as pg_size_pretty has them
THOUSANDS = ("", " k", " M", " bn")


def size_in_words(size: int) -> str:
    """`12 GB`, `1.4 MB`, `8 kB`."""
    amount, unit = float(size), 0
    while amount >= 1024 and unit < len(UNITS) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{_short(amount)} {UNITS[unit]}"


def count_in_words(number: float) -> str:
    """`48 M`, `1.2 k`, `17`."""
    amount, unit = float(number), 0
    while amount >= 1000 and unit < len(THOUSANDS) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{_short(amount)}{THOUSANDS[unit]}"


def _short(amount: float) -> str:
    return f"{amount:.1f}".removesuffix(".0") if amount < 10 else f"{amount:.0f}"
