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


# Cut off

AS_ONE = re.compile(r"[\s+]{2}")  # blanks that stand together, which become one
PIECES: tuple[Callable[[str], str], ...] = (
    str,
    WRITERS["URL"],
    WRITERS["URL in small letters"],
    lambda sign: WRITERS["JSON"](sign)[1:-1],
    lambda sign: WRITERS["JSON within HTML"](sign)[1:-1],
    lambda sign: WRITERS["Python in ASCII"](sign)[1:-1],
    lambda sign: WRITERS["bytes of Python"](sign)[2:-1],
    WRITERS["HTML"],
    WRITERS["HTML in numbers"],
    WRITERS["HTML in ASCII"],
    WRITERS["Markdown"],
    lambda sign: 2 * sign if sign in "'\"%" else sign,
    lambda sign: {"'": "'\"'\"'"}.get(sign, sign),
    lambda sign: {"'": "'\\''"}.get(sign, sign),
)


@settings(STEADY, max_examples=60)
@given(SIGNS.map(str.strip).filter(lambda text: len(text) >= 4 and not AS_ONE.search(text)), st.data())
def test_hides_any_secret_that_is_cut_behind_its_fourth_character(secret: str, data: st.DataObject) -> None:
    pieces = [data.draw(st.sampled_from(PIECES))(sign) for sign in secret]
    text = "".join(pieces)
    cut = data.draw(st.integers(len("".join(pieces[:4])), len(text)))
    mark = data.draw(st.sampled_from(["…", " …", "..."]))
    assert Scrubber([secret])(f"<{text[:cut]}{mark}").rstrip(" .…") == "<***"


def test_hides_a_secret_wherever_it_is_cut_and_however_it_is_written() -> None:
    scrub = Scrubber([SECRET])
    for write in PIECES:
        pieces = [write(sign) for sign in SECRET]
        text = "".join(pieces)
        for cut in range(len("".join(pieces[:4])), len(text) + 1):
            assert scrub(f"<{text[:cut]}…") == "<***…"


@pytest.mark.parametrize(
    ("secret", "text", "shown"),
    [
        pytest.param("s3cret-word", "a s3cr… b", "a ***… b", id="four-characters"),
        pytest.param("s3cret-word", "a s3c… b", "a s3c… b", id="three-characters"),
        pytest.param("s3cret-word", "a s3cr b", "a s3cr b", id="no-ellipsis"),
        pytest.param("s3cret-word", "s3cret-wish… s3cret… s3cret-wo …", "s3cret-wish… ***… *** …", id="each-by-itself"),
        pytest.param("pa…ss…word", "pa…ss…wo…", "***…", id="ellipses-of-its-own"),
        pytest.param("abcdefabcdxyz", "abcdefabcdefab…", "abcdef***…", id="the-earliest-that-goes-on-to-the-cut"),
        pytest.param("abcdabcdx", "abcdabcdabcd…", "abcd***…", id="the-longest"),
        pytest.param("s3cr%41", "s3cr%25… s3cr%2541…", "***… ***…", id="looks-encoded"),
        pytest.param("s3cret\nword", "s3cret\nword\n… and 3 more", "***\n… and 3 more", id="lines"),
        pytest.param("s3cret word", "s3cret  \n wo…", "***…", id="other-blanks"),
        pytest.param("s3cret word", "WyJzM2NyZXQg…", "WyJ***…", id="base64"),
        pytest.param("'s3cret", "' s3… 's3c…", "' s3… ***…", id="begins-with-a-quote"),
    ],
)
def test_hides_the_beginning_of_one_that_was_cut_off(secret: str, text: str, shown: str) -> None:
    assert Scrubber([secret])(text) == shown


def test_secrets_that_overlap_become_one() -> None:
    assert Scrubber(["abcdef", "efghijklm"])("<abcdefghijk…") == "<***…"


def test_tells_github_the_secrets_without_their_forms_and_without_short_ones() -> None:
    assert Scrubber(["p@ss", "abc", "", " two\nlines "]).secrets == ("two\nlines", "p@ss")


def test_a_secret_full_of_quotes_does_not_take_for_ever() -> None:
    scrub = Scrubber(["'\\" * 30 + "x", "%" * 60 + "x", '"' * 60 + "x", "a" + "\n " * 30 + "x", "a" + " +" * 30 + "x"])
    for text in ("'\\" * 500, "%25" * 500, '\\"' * 500, "a" + "\\n " * 500, "a" + " +" * 500):
        assert scrub(text) == text
    for text in ("'\\" * 300, "%25" * 300, '\\"' * 300):
        assert scrub(f"{text}…").endswith("***…")
