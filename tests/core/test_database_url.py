"""The database URL: what is refused, and that no message and no log shows any of its password."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import ProgrammingError, conninfo

from runner.core.database_url import DatabaseUrl, MalformedUrl, parse_database_url, secrets_in, shown
from runner.secrets import Scrubber
from tests.builders import STEADY

PASSWORD = "tr0ub4dor"


@pytest.mark.parametrize(
    ("url", "text"),
    [
        pytest.param("postgresql://u:p@db:5432/app", "db:5432/app", id="usual"),
        pytest.param("postgres://u:p@db/app", "db/app", id="short-scheme-no-port"),
        pytest.param("postgres://db", "db", id="host-only"),
        pytest.param("postgres://u@db:/app", "db:/app", id="empty-port"),
        pytest.param("postgres://:p@db/app", "db/app", id="no-user"),
        pytest.param("postgres://u:p%40%2F%3A%23%3F%25@db/app", "db/app", id="escaped"),
        pytest.param("postgres://u:p@db/app?sslmode=require&connect_timeout=3", "db/app", id="parameters"),
        pytest.param("postgres://u:p@db/app?options=-c%20search_path%3Dx", "db/app", id="escaped-parameters"),
        pytest.param("postgres://u:p@one:1,two:2/app", "one:1,two:2/app", id="two-hosts"),
        pytest.param("postgres://u:p@[::1]:5432/app", "[::1]:5432/app", id="ipv6"),
        pytest.param("postgres://u:p@[::1]/app", "[::1]/app", id="ipv6-no-port"),
        pytest.param("postgres://u:p@%2Frun%2Fpostgresql/app", "%2Frun%2Fpostgresql/app", id="socket-as-host"),
        pytest.param("postgresql:///app?host=/run/postgresql", "/app", id="socket-as-parameter"),
        pytest.param("host=db port=5433 dbname=app user=u password=p", "db:5433/app", id="keywords"),
        pytest.param("host = 'db' dbname = 'app'", "db:5432/app", id="keywords-with-blanks"),
        pytest.param("dbname=app", "localhost:5432/app", id="keywords-without-host"),
        pytest.param("service=app", "localhost:5432/", id="service"),
        pytest.param("embedded", "an embedded PostgreSQL", id="embedded"),
    ],
)
def test_accepts_and_shows_without_user_and_password(url: str, text: str) -> None:
    assert shown(parse_database_url(url)) == text


SHAPE = "write it like postgresql://user:password@host:5432/database, or `embedded` for a throw-away server"
ENCODE = "percent-encode the special characters of user and password: @ is %40, / %2F, : %3A, # %23, ? %3F, % %25"
NO_SCHEME = ("it does not begin with postgresql:// or postgres://", SHAPE)
NO_HOST = ("it names no host", SHAPE)
QUOTED = ("it is wrapped in quotes", "take the quotes away")
BLANK = ("it contains a blank or a line break", ENCODE)
ESCAPE = ("it has a % that does not begin an escape", ENCODE)
LATIN = ("its escapes are not UTF-8", ENCODE)
NO_PORT = ("what follows the host's colon is not a port number", ENCODE)
ENCODED = ("user or password contain a character that means something else in a URL", ENCODE)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        pytest.param("", NO_SCHEME, id="empty"),
        pytest.param(f"mysql://u:{PASSWORD}@db/app", NO_SCHEME, id="mysql"),
        pytest.param(f"u:{PASSWORD}@db/app", NO_SCHEME, id="no-scheme"),
        pytest.param(f"postgresql+psycopg://u:{PASSWORD}@db/app", NO_SCHEME, id="sqlalchemy"),
        pytest.param(f"Postgres://u:{PASSWORD}@db/app", NO_SCHEME, id="capital"),
        pytest.param("Embedded", NO_SCHEME, id="embedded-with-a-capital"),
        pytest.param(f'"postgres://u:{PASSWORD}@db/app"', QUOTED, id="double-quotes"),
        pytest.param(f"'postgres://u:{PASSWORD}@db/app'", QUOTED, id="single-quotes"),
        pytest.param(f"postgres://u:{PASSWORD} x@db/app", BLANK, id="blank"),
        pytest.param(f"postgres://u:{PASSWORD}\n@db/app", BLANK, id="line-break"),
        pytest.param(f"postgres://u:{PASSWORD}%@db/app", ESCAPE, id="percent"),
        pytest.param(f"postgres://u:{PASSWORD}%zz@db/app", ESCAPE, id="no-hex"),
        pytest.param(f"postgres://u:{PASSWORD}%e4@db/app", LATIN, id="latin-1-escape"),
        pytest.param(f"postgres://u:x@{PASSWORD}@db/app", ENCODED, id="at-sign"),
        pytest.param(f"postgres://u:1/{PASSWORD}@db/app", ENCODED, id="slash"),
        pytest.param(f"postgres://u:x#{PASSWORD}@db/app", ENCODED, id="hash"),
        pytest.param(f"postgres://u:x?{PASSWORD}@db/app", NO_PORT, id="question"),
        pytest.param(f"postgres://u:{PASSWORD}@db:http/app", NO_PORT, id="port-in-words"),
        pytest.param(f"postgres://u:{PASSWORD}@db:0/app", NO_PORT, id="port-zero"),
        pytest.param(f"postgres://u:{PASSWORD}@db:65536/app", NO_PORT, id="port-too-high"),
        pytest.param(f"postgres://u:{PASSWORD}@db:٣/app", NO_PORT, id="port-not-ascii"),
        pytest.param(f"postgres://u:{PASSWORD}@one,two:x/app", NO_PORT, id="second-port"),
        pytest.param(f"postgres://{PASSWORD}:u:p@db/app".replace("@", ":"), NO_PORT, id="no-at-sign"),
        pytest.param(f"postgres://u:{PASSWORD}@/app", NO_HOST, id="no-host"),
        pytest.param("postgres://", NO_HOST, id="scheme-only"),
        pytest.param("postgresql:///app", NO_HOST, id="database-only"),
        pytest.param(
            f"postgres://u:5432?{PASSWORD}@db/app",
            ENCODED,
            id="question-mark-behind-digits",
        ),
    ],
)
def test_says_what_is_wrong_without_any_of_the_password(url: str, problem: tuple[str, str]) -> None:
    with pytest.raises(MalformedUrl) as caught:
        parse_database_url(url)
    assert (str(caught.value), caught.value.hint) == problem
    assert PASSWORD not in str(caught.value) + caught.value.hint


@pytest.mark.parametrize("password", ["p[x", "p]x", "[::1]"])
def test_accepts_what_needs_no_escape(password: str) -> None:
    url = f"postgres://user:{password}@db/app"
    assert conninfo.conninfo_to_dict(url)["password"] == password
    assert shown(parse_database_url(url)) == "db/app"


def test_is_not_printed_by_accident() -> None:
    assert PASSWORD not in repr(parse_database_url(f"postgres://u:{PASSWORD}@db/app"))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        pytest.param("postgres://u:a%40b@db/app", {"postgres://u:a%40b@db/app", "a%40b", "a@b"}, id="raw-and-decoded"),
        pytest.param("postgres://u:p:q@db/app", {"p:q"}, id="colon-in-it"),
        pytest.param("postgres://db/app?user=u&password=a%20b", {"a%20b", "a b"}, id="parameter"),
        pytest.param("postgres://db/app?sslpassword=k3y&sslmode=require", {"k3y"}, id="key-password"),
        pytest.param("postgres://u:p@w0rd@db/app", {"p@w0rd", "w0rd"}, id="malformed-in-pieces"),
        pytest.param("postgres://u:left/right@db/app", {"left/right", "left", "right"}, id="malformed-at-a-slash"),
        pytest.param("u:s3cret@db/app", {"s3cret"}, id="no-scheme"),
        pytest.param("host=db password=s3cret", {"s3cret"}, id="keyword"),
        pytest.param("host=db PASSWORD = 's3 cret'", {"s3 cret"}, id="quoted-keyword"),
        pytest.param(r"host=db password='it\'s'", {"it's"}, id="escaped-keyword"),
        pytest.param(
            r"host=db password=s3\ cret",
            {"s3 cret"},
            id="escaped-blank",
        ),
        pytest.param(
            "u:s3cret@db/app?sslmode=require",
            {"s3cret"},
            id="no-scheme-but-a-parameter",
        ),
        pytest.param("postgres://:s3cret@one:1,two:2/app", {"s3cret"}, id="no-user-two-hosts"),
        pytest.param("postgres://u:a%2525b@db/app", {"a%2525b", "a%25b"}, id="percent-sign-in-it"),
        pytest.param("postgres://db/app?pass%77ord=s3cret", {"s3cret"}, id="escaped-name-of-the-parameter"),
        pytest.param("host=one,two port=1,2 password=s3cret sslmode=require", {"s3cret"}, id="keyword-between-others"),
        pytest.param("host=db sslpassword='k3y' sslkey=/run/key", {"k3y"}, id="quoted-key-password"),
        pytest.param("host=db password='a\\\nb' user=u", {"a\nb"}, id="escaped-line-break"),
        pytest.param("host=db password=a;b user=u", {"a;b"}, id="semicolon-of-a-keyword"),
        pytest.param("password='x host=evil' dbname=app", {"x host=evil"}, id="keyword-within-quotes"),
        pytest.param("dbname=postgresql://u:s3cret@db/app host=x", {"s3cret"}, id="url-as-database"),
        pytest.param("Host=db;Username=u;Password=s3cret;Database=app", {"s3cret"}, id="another-programs-keywords"),
        pytest.param("jdbc:postgresql://db/app?user=u&password=s3cret", {"s3cret"}, id="another-programs-url"),
        pytest.param("host=db password='it''s long' user=u", {"it's long", "long"}, id="quote-doubled-as-in-sql"),
        pytest.param("host=db password='open user", {"open user", "open", "user"}, id="quote-never-closed"),
        pytest.param("host=db password=my secret user=u", {"my secret", "secret"}, id="blank-without-quotes"),
    ],
)
def test_knows_what_must_never_be_printed(url: str, expected: set[str]) -> None:
    assert {url} | expected <= set(secrets_in(url))


@pytest.mark.parametrize("url", ["", "embedded"])
def test_there_is_nothing_to_hide(url: str) -> None:
    assert secrets_in(url) == []


@pytest.mark.parametrize(
    "url",
    [
        "postgres://user:pw@db:5432/app?passfile=/run/pw&sslmode=require",
        "postgres://user@db:5432/app",
        "host=db port=5432 dbname=app user=user password=pw passfile=/run/pw sslmode=require",
        "host=db port=5432 dbname=app user=user password='pw' sslmode = require",
        "host=db port=5432 dbname=app user=user password='' sslmode = require",
        "host=db port=5432 dbname=app user=user",
    ],
)
def test_user_host_and_database_may_be_printed(url: str) -> None:
    assert set(secrets_in(url)) <= {url, "pw"}


@pytest.mark.parametrize("password", ["%20", "%0A", "%20%20"])
def test_never_asks_to_hide_blanks(password: str) -> None:
    secrets = Scrubber(secrets_in(f"postgres://u:{password}@db")).secrets
    assert [secret for secret in secrets if not secret.strip()] == []


def test_hides_the_longest_secret_first() -> None:
    assert Scrubber(["abc", "abcdef"])("abcdef abc") == "*** ***"


def test_hides_the_escaped_form_too() -> None:
    assert Scrubber(["p@ss/w"])("p@ss/w and p%40ss%2Fw") == "*** and ***"


def test_shows_nothing_of_a_password_that_looks_like_keywords() -> None:
    assert shown(parse_database_url("host=db dbname=app password='x host=evil dbname=tr0ub4dor'")) == "db:5432/app"


# As libpq reads it

ANYTHING = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
TROUBLE = st.text("ab1%40@/:#?=&[]'\"\\ +", min_size=1, max_size=12)


@STEADY
@given(st.one_of(TROUBLE, ANYTHING).filter(str.strip))
def test_what_libpq_takes_for_the_password_is_known_and_not_shown(password: str) -> None:
    url = f"postgres://user:{password}@db:5432/app"
    try:
        parsed, taken = parse_database_url(url), conninfo.conninfo_to_dict(url)
    except (MalformedUrl, ProgrammingError):
        return
    assert taken.get("password") in secrets_in(url)
    assert shown(parsed) == "db:5432/app"


@STEADY
@given(st.one_of(TROUBLE, ANYTHING).filter(str.strip))
def test_knows_every_password_that_was_escaped_as_it_should_be(password: str) -> None:
    from urllib.parse import quote

    url = f"postgres://user:{quote(password, safe='')}@db:5432/app"
    assert password in secrets_in(parse_database_url(url).value)


@STEADY
@given(st.one_of(TROUBLE, ANYTHING).filter(str.strip))
def test_knows_the_password_of_a_keyword_string(password: str) -> None:
    text = conninfo.make_conninfo(host="db", user="user", password=password, dbname="app")
    assert password in secrets_in(parse_database_url(text).value)


def test_embedded_is_a_wish_and_no_address() -> None:
    assert DatabaseUrl(value="embedded").embedded
    assert not parse_database_url("postgres://embedded").embedded


@pytest.mark.parametrize(
    "url",
    ["postgres://u@h/d?oauth_client_secret=hush1234", "host=h oauth_client_secret=hush1234"],
    ids=["url", "keywords"],
)
def test_a_secret_of_oauth_is_one_as_well(url: str) -> None:
    assert "hush1234" in secrets_in(url)
