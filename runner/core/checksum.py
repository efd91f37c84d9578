"""The digest that tells whether an applied file was changed."""

import hashlib

BYTE_ORDER_MARK = "\ufeff"


def normalise(text: str) -> str:
    """The text that counts: no byte order mark, line ends as LF, whatever editor or checkout wrote the file."""
    return text.removeprefix(BYTE_ORDER_MARK).replace("\r\n", "\n")


def checksum(text: str) -> str:
    """SHA-256, hex, of the normalised text."""
    return hashlib.sha256(text.encode()).hexdigest()
