"""Numbers with their nouns."""


def counted(number: int, noun: str = "migration") -> str:
    """`1 migration`, `2 migrations`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
