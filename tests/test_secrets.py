"""No form of a secret is shown, and nothing else is hidden."""

import base64
import html
import json
import re
import shlex
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import conninfo, sql

from runner.github.workflow_commands import neutral
from runner.secrets import Scrubber
from tests.builders import STEADY

SECRET = "p@s's\"/\\w %41&<ö>\u2028\x07\t😀|*~$`!"
LOWER = re.compile(r"%[0-9A-F]{2}")
WRITERS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "URL": lambda text: quote(text, safe=""),
    "URL in small letters": lambda text: LOWER.sub(lambda found: found[0].lower(), quote(text, safe="")),
    "path of a URL": quote,
    "form": quote_plus,
    "URL, as few as must be": lambda text: re.sub(r"[%@:/?#\s]", lambda found: quote(found[0], safe=""), text),
    "JSON": json.dumps,
    "JSON in UTF-8": lambda text: json.dumps(text, ensure_ascii=False),
    "JSON within HTML": lambda text: json.dumps(text).translate({ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&'"}),
    "Python": repr,
    "Python in ASCII": ascii,
    "bytes of Python": lambda text: repr(text.encode()),
    "HTML": html.escape,
    "HTML in numbers": lambda text: html.escape(text, quote=False).replace('"', "&#34;").replace("'", "&#39;"),
    "HTML in ASCII": lambda text: html.escape(text).encode("ascii", "xmlcharrefreplace").decode(),
    "Markdown": lambda text: re.sub(r"([\\`*_{}\[\]<>#|~@!$])", r"\\\1", text.replace("&", "&amp;")),
    "libpq": lambda text: conninfo.make_conninfo(password=text).removeprefix("password="),
    "SQL": lambda text: sql.Literal(text.replace("\0", "")).as_string(None),
    "shell": shlex.quote,
    "shell with backslashes": lambda text: re.sub(r"([^\w\s%+,./:=@-])", r"\\\1", text, flags=re.ASCII),
    "format": lambda text: text.replace("%", "%%"),
    "log": neutral,
    "one line": lambda text: " ".join(text.split()),
}
DECORATION = " '\"\\Eb"  # what a writer puts around it


@pytest.mark.parametrize("write", WRITERS.values(), ids=list(WRITERS))
def test_hides_a_secret_however_it_is_written(write: Callable[[str], str]) -> None:
    shown = Scrubber([SECRET])(f"<{write(SECRET)}>")
    assert re.sub(r"['\"\\Eb ]", "", shown) == "<***>"


SIGNS = st.text(st.sampled_from("ab1%4027@/:#?&<>\"'\\ +\n\t;$`*_-.é€😀\x1b"), min_size=4, max_size=12)


@settings(STEADY, max_examples=50)
@given(SIGNS.filter(lambda text: len(text.strip()) >= 4), st.sampled_from(sorted(WRITERS)))
def test_hides_any_secret_however_it_is_written(secret: str, writer: str) -> None:
    shown = Scrubber([secret])(WRITERS[writer](secret.strip()))
    assert "***" in shown
    assert set(shown) <= {"*", *DECORATION}


@pytest.mark.parametrize("before", ["", "u", "us", "usr", "user:"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("secret", ["pass", "s3cr?t>~é", "a longer one, with ÿÿÿ~~~???"])
def test_hides_it_in_base64_whatever_stands_around_it(
    before: str, encode: Callable[[bytes], bytes], secret: str
) -> None:
    scrub = Scrubber([secret])
    for after in ("", "@", "@d", "@db"):
        text = encode((before + secret + after).encode()).decode()
        shown = scrub(text)
        assert "***" in shown
        left = shown.replace("***", "").rstrip("=")
        assert len(left) <= -(-8 * (len(before) + len(after) + 1) // 6) + 1  # its neighbours' digits


def test_hides_each_line_of_a_secret() -> None:
    scrub = Scrubber(["-----BEGIN KEY-----\nMIIEvQIBADAN\n  x9Kq\n}\n-----END KEY-----\n"])
    assert scrub("  1 | MIIEvQIBADAN\n  2 |   x9Kq\n  3 | }") == "  1 | ***\n  2 |   ***\n  3 | }"
    assert scrub('"-----BEGIN KEY-----\\nMIIEvQIBADAN\\n  x9Kq\\n}\\n-----END KEY-----\\n"') == '"***\\n"'


@pytest.mark.parametrize("text", ["p%40ss@w", "p@ss%40w", "p%40ss%40w"])
def test_hides_what_is_escaped_in_part(text: str) -> None:
    assert Scrubber(["p@ss@w"])(f"://u:{text}@db") == "://u:***@db"


@pytest.mark.parametrize(
    ("secrets", "text", "shown"),
    [
        pytest.param(["abcd", "abcdef"], "abcdef abcd", "*** ***", id="longest-first"),
        pytest.param(["abcd", "***x"], "abcdx", "***x", id="one-pass"),
        pytest.param(["abcd"], "xabcdabcdx", "x******x", id="side-by-side"),
        pytest.param(["s3cret"], "S3CRET s3cre t", "S3CRET s3cre t", id="nothing-else"),
        pytest.param(["a.c[d]", "a.c-"], "abcd a.cd abc- a.c[d] a.c-", "abcd a.cd abc- *** ***", id="no-pattern"),
        pytest.param([" padded \n"], "<padded>", "<***>", id="blanks-around-it"),
        pytest.param(["", " ", "\n"], "a b\n", "a b\n", id="blank"),
        pytest.param([], "anything", "anything", id="none"),
        pytest.param(["''''"], "'''' x ''''''''", "*** x ***", id="quotes"),
    ],
)
def test_hides_the_secret_and_nothing_else(secrets: list[str], text: str, shown: str) -> None:
    assert Scrubber(secrets)(text) == shown


@pytest.mark.parametrize(
    ("secret", "text", "shown"),
    [
        ("e", "the database e password=e 'e' e2e", "the database *** password=*** '***' e2e"),
        ("app", "app:app@db applied", "***:***@db applied"),
        ("%", "100 % of 100%", "100 *** of 100%"),
        ("a'b", "x 'a''b' aa'b", "x '***' aa'b"),
    ],
)
def test_a_short_one_is_hidden_where_it_stands_alone(secret: str, text: str, shown: str) -> None:
    assert Scrubber([secret])(text) == shown


def test_tells_github_the_secrets_without_their_forms_and_without_short_ones() -> None:
    assert Scrubber(["p@ss", "abc", "", " two\nlines "]).secrets == ("two\nlines", "p@ss")


def test_a_secret_full_of_quotes_does_not_take_for_ever() -> None:
    scrub = Scrubber(["'\\" * 30 + "x", "%" * 60 + "x", '"' * 60 + "x", "a" + "\n " * 30 + "x", "a" + " +" * 30 + "x"])
    for text in ("'\\" * 500, "%25" * 500, '\\"' * 500, "a" + "\\n " * 500, "a" + " +" * 500):
        assert scrub(text) == text
