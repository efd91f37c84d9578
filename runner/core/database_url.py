"""The database URL: what is wrong with one, said without printing any of it, and which parts of it are secret."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote

EMBEDDED = "embedded"
SCHEMES = ("postgres://", "postgresql://")
KEYWORD_FORM = re.compile(r"[a-z_]+\s*=")
KEYWORD_PAIR = re.compile(r"(\w+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:\\.|[^\s\\])+))")
SECRET_KEYWORDS = frozenset({"password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key"})
SECRET_PAIR = re.compile(
    rf"\b(?:{'|'.join(sorted(SECRET_KEYWORDS))})\s*=\s*"
    r"(?:'(?P<quoted>(?:[^'\\]|\\.)*)'|(?P<plain>(?:\\.|[^\s\\])*))(?P<rest>.*?)(?=\s\w+\s*=|\s*$)",
    re.DOTALL | re.IGNORECASE,
)
BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
HIGHEST_PORT = 65535
SHORTEST_FRAGMENT = 4  # shorter pieces of a malformed URL would mask half of the log
ENCODE_HINT = "percent-encode the special characters of user and password: @ is %40, / %2F, : %3A, # %23, ? %3F, % %25"
SHAPE_HINT = "write it like postgresql://user:password@host:5432/database, or `embedded` for a throw-away server"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseUrl:
    """A connection string that libpq will understand; never printed."""

    value: str = field(repr=False)

    @property
    def embedded(self) -> bool:
        """Asks for a throw-away server instead of naming one."""
        return self.value == EMBEDDED


class MalformedUrl(ValueError):
    """Says what is wrong in words of its own: libpq's would quote parts of the URL."""

    def __init__(self, problem: str, hint: str = SHAPE_HINT) -> None:
        super().__init__(problem)
        self.hint = hint


def parse_database_url(text: str) -> DatabaseUrl:
    """Accept a URL or a `keyword=value` string. Raises MalformedUrl.

    The forms are those of https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING.
    """
    if text != EMBEDDED and not KEYWORD_FORM.match(text):
        _check_form(text)
        _check_parts(text)
    return DatabaseUrl(value=text)


def _check_form(text: str) -> None:
    if text[:1] in {'"', "'"}:
        raise MalformedUrl("it is wrapped in quotes", "take the quotes away")
    if not text.startswith(SCHEMES):
        raise MalformedUrl("it does not begin with postgresql:// or postgres://")
    if re.search(r"\s", text):
        raise MalformedUrl("it contains a blank or a line break", ENCODE_HINT)
    if BAD_ESCAPE.search(text):
        raise MalformedUrl("it has a % that does not begin an escape", ENCODE_HINT)
    try:
        unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise MalformedUrl("its escapes are not UTF-8", ENCODE_HINT) from None


def _check_parts(text: str) -> None:
    address, _, query = text.partition("://")[2].partition("?")
    authority, _, path = address.partition("/")
    userinfo, _, hosts = authority.rpartition("@")
    for host in hosts.split(","):
        port = re.sub(r"^\[[^\]]*\]", "", host).partition(":")[2]
        if port and not (port.isascii() and port.isdecimal() and 0 < int(port) <= HIGHEST_PORT):
            raise MalformedUrl("what follows the host's colon is not a port number", ENCODE_HINT)
    if "@" in userinfo + path + query or "#" in text:
        raise MalformedUrl("user or password contain a character that means something else in a URL", ENCODE_HINT)
    if not hosts and not re.search(r"(?:^|&)(?:host|hostaddr|service)=", query):
        raise MalformedUrl("it names no host")


def secrets_in(text: str) -> list[str]:
    """What must never be printed of a connection string, well-formed or not: the whole, and each secret in it as it is
    written and as libpq reads it. Of a malformed one the pieces as well, as nobody knows what was meant.
    """
    if text == EMBEDDED or not text:
        return []
    found = [text, *_secret_parameters(text)]
    if not text.startswith(SCHEMES):
        found += _secret_keywords(text)
    address = text.partition("://")[2] or ("" if KEYWORD_FORM.match(text) else text)
    if password := address.rpartition("@")[0].partition(":")[2]:
        found.append(password)
        try:
            parse_database_url(text)
        except MalformedUrl:  # libpq and the resolver may quote any piece of it
            found += _pieces(r"[@/:?#]", password)
    forms = [form for secret in found for form in (secret, unquote(secret), re.sub(r"(?s)\\(.)", r"\1", secret))]
    return list(dict.fromkeys(form for form in forms if form.strip()))


def _secret_parameters(text: str) -> Iterator[str]:
    for pair in text.partition("?")[2].split("&"):
        keyword, _, value = pair.partition("=")
        if unquote(keyword).lower() in SECRET_KEYWORDS:
            yield value


def _secret_keywords(text: str) -> Iterator[str]:
    """The values as libpq reads them; and where quotes or blanks in one are not escaped, or other programs' semicolons
    end it, all up to the next keyword.
    """
    for found in SECRET_PAIR.finditer(text):
        quoted, plain, rest = (found[part] or "" for part in ("quoted", "plain", "rest"))
        yield quoted or plain
        if rest.strip() or re.search("[;']", plain):
            meant = (f"{quoted}'{rest}" if quoted else plain + rest).strip("'").replace("''", "'")
            yield from (meant, *_pieces(r"[\s;']+", meant))


def _pieces(separators: str, text: str) -> list[str]:
    return [piece for piece in re.split(separators, text) if len(piece) >= SHORTEST_FRAGMENT]


def shown(url: DatabaseUrl) -> str:
    """Host, port and database for people: `db.example.com:5432/app`."""
    if url.embedded:
        return "an embedded PostgreSQL"
    if KEYWORD_FORM.match(url.value):
        words = _keywords(url.value)
        return f"{words.get('host', 'localhost')}:{words.get('port', '5432')}/{words.get('dbname', '')}"
    address = url.value.partition("://")[2].partition("?")[0]
    return address.rpartition("@")[2]


def _keywords(text: str) -> dict[str, str]:
    """The pairs of a `keyword=value` string, as written but for the quotes around them."""
    return {keyword: quoted or plain for keyword, quoted, plain in KEYWORD_PAIR.findall(text)}
