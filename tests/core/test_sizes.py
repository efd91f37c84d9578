import pytest

from runner.core.sizes import count_in_words, size_in_words


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 bytes"), (8192, "8 kB"), (1536, "1.5 kB"), (12 * 1024**3, "12 GB"), (5 * 1024**6, "5120 PB")],
)
def test_a_size_is_told_in_two_digits(size: int, words: str) -> None:
    assert size_in_words(size) == words


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0"), (17, "17"), (1200, "1.2 k"), (48_000_000, "48 M"), (2_000_000_000_000, "2000 bn")]
)
def test_a_count_is_told_in_two_digits(number: int, words: str) -> None:
    assert count_in_words(number) == words
