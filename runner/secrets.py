"""Keeps secrets out of everything that is written, whatever the server or the operating system quotes."""

from collections.abc import Iterable
from urllib.parse import quote

MASK = "***"


class Scrubber:
    """Replaces every known secret by `***`, the longest first."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets for form in (secret, quote(secret, safe="")) if form.strip()}
        self.secrets = tuple(sorted(forms, key=lambda secret: (-len(secret), secret)))

    def __call__(self, text: str) -> str:
        for secret in self.secrets:
            text = text.replace(secret, MASK)
        return text
