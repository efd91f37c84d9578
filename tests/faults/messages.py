"""PostgreSQL's messages, as far as a fault must find its place among them.

Their form: https://www.postgresql.org/docs/current/protocol-message-formats.html
"""

from collections.abc import Iterator
from dataclasses import dataclass

START, ENCRYPT, CANCEL = "start", "encrypt", "cancel"  # what a client says before it uses letters
ENCRYPTION_REQUESTS = {80877103, 80877104}  # for TLS and for GSSAPI; more of this kind may precede the start
CANCEL_REQUEST = 80877102
LONGEST_QUERY = 200  # bytes of a statement that are kept


@dataclass(frozen=True, slots=True)
class Frame:
    """One message as it stands on the wire."""

    kind: str  # its letter, or one of the words above
    data: bytes

    @property
    def body(self) -> bytes:
        return self.data[8:] if len(self.kind) > 1 else self.data[5:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message on its way through the proxy."""

    number: int  # among those of its connection's application, both ways, from 1
    application: str  # of the connection: "db-migrate worker 0a1b2c3d"
    from_client: bool
    kind: str
    text: str = ""  # the statement that it executes, or the server's word that one is complete: "INSERT 0 1"


class Frames:
    """Cuts the bytes of one direction into messages, however the network has cut them."""

    def __init__(self, *, from_client: bool) -> None:
        self._bare = from_client  # a client's first message has a length but no letter
        self.rest = bytearray()  # of a message that is not whole yet

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The messages that are whole now."""
        self.rest += data
        start = 0
        while (end := self._end(start)) is not None:
            frame = Frame(self._kind(start), bytes(self.rest[start:end]))
            self._bare = self._bare and frame.kind == ENCRYPT
            start = end
            yield frame
        del self.rest[:start]

    def _end(self, start: int) -> int | None:
        """Where the message ends that begins at `start`; None while it is not whole."""
        lead = start if self._bare else start + 1
        if len(self.rest) < lead + 4:
            return None
        end = lead + int.from_bytes(self.rest[lead : lead + 4])
        return end if end <= len(self.rest) else None

    def _kind(self, start: int) -> str:
        if not self._bare:
            return chr(self.rest[start])
        code = int.from_bytes(self.rest[start + 4 : start + 8])
        return ENCRYPT if code in ENCRYPTION_REQUESTS else CANCEL if code == CANCEL_REQUEST else START


class Statements:
    """Knows which statement a message of one connection executes, also where it was prepared before."""

    def __init__(self) -> None:
        self._prepared: dict[bytes, str] = {}

    def of(self, frame: Frame) -> str:
        """The statement that a message of the client executes; empty when it executes none."""
        match frame.kind:
            case "Q":
                return _text(frame.body.partition(b"\0")[0])
            case "P":
                name, query, *_ = frame.body.split(b"\0", 2)
                self._prepared[name] = _text(query)
            case "B":
                _, name, *_ = frame.body.split(b"\0", 2)
                return self._prepared.get(name, "")
        return ""


def parameters(frame: Frame) -> dict[str, str]:
    """The parameters of a message that starts a connection: user, database, application_name."""
    words = [_text(word) for word in frame.body.split(b"\0")]
    return dict(zip(words[::2], words[1::2], strict=False))


def tag(frame: Frame) -> str:
    """What the server says of a statement that is complete: "COMMIT"; empty for its other messages."""
    return _text(frame.body.rstrip(b"\0")) if frame.kind == "C" else ""


def _text(data: bytes) -> str:
    return data[:LONGEST_QUERY].decode(errors="replace")


# Places among the messages


def is_commit(message: Message) -> bool:
    """The client asks for a COMMIT."""
    return message.from_client and message.text.strip().rstrip(";").upper() == "COMMIT"


def is_commit_answer(message: Message) -> bool:
    """The server says that a transaction is committed."""
    return not message.from_client and message.text == "COMMIT"
