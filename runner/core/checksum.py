"""The digest of a file that tells that it was changed. Whether that changes what it does has `sql_digest`."""

import hashlib

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def normalise(data: bytes) -> bytes:
    """The text that counts: no byte order mark, line ends as LF, whatever editor or checkout wrote the file."""
    return data.removeprefix(BYTE_ORDER_MARK).replace(b"\r\n", b"\n")


def checksum(data: bytes) -> str:
    """SHA-256, hex, of the normalised text."""
    return hashlib.sha256(data).hexdigest()
