"""The real detect-secrets on what stands in migrations: seed data is let be, and a secret is never repeated."""

import base64
import json
import socket
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest
from detect_secrets.settings import get_settings

from runner.core.lint import LARGEST
from runner.errors import Finding, InputError, Level
from runner.secret_scan import secrets_in_files

Scan = Callable[..., list[Finding]]

# In pieces, so that nothing in this file looks like one of them.
AWS = "AKIA" + "IOSFODNN7ABCDEFG"
GITHUB = "ghp" + "_" + "a1B2" * 9
STRIPE = "sk" + "_live_" + "a1B2" * 6
SLACK = "xoxb" + "-123456789012-abcdefABCDEF"
PRIVATE_KEY = "-----BEGIN " + "RSA PRIVATE KEY-----"


def _encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


TOKEN = f"{_encoded({'alg': 'HS256'})}.{_encoded({'sub': '1'})}.{_encoded('x' * 30)}"


@pytest.fixture
def scan(tmp_path: Path) -> Scan:
    def look(*texts: str | bytes) -> list[Finding]:
        paths = [PurePosixPath(f"migrations/0{number}_x.sql") for number in range(1, len(texts) + 1)]
        for path, text in zip(paths, texts, strict=True):
            (tmp_path / path).parent.mkdir(exist_ok=True)
            (tmp_path / path).write_bytes(text.encode() if isinstance(text, str) else text)
        return secrets_in_files(tmp_path, paths)

    return look


def test_a_finding_says_where_and_what_but_not_the_secret(scan: Scan) -> None:
    (finding,) = scan(f"-- x\nUPDATE c SET v = '{AWS}';\n")
    assert (finding.place, finding.level, finding.rule) == ("migrations/01_x.sql:2:19", Level.WARNING, "secret")
    assert "AWS Access Key" in finding.message
    assert "allowlist secret" in finding.hint
    assert AWS not in repr(finding)


SECRETS = [
    pytest.param(f"UPDATE c SET v = '{AWS}';", AWS, id="aws"),
    pytest.param("SELECT dblink('postgres://app:hunter2@db/x');", "hunter2", id="a-url-with-a-password"),
    pytest.param(f"INSERT INTO k VALUES ('{PRIVATE_KEY}", "PRIVATE KEY", id="private-key"),
    pytest.param(f"UPDATE c SET v = '{GITHUB}';", GITHUB, id="github"),
    pytest.param(f"UPDATE c SET v = '{STRIPE}';", STRIPE, id="stripe"),
    pytest.param(f"INSERT INTO t VALUES (1, '{SLACK}');", SLACK, id="slack"),
    pytest.param(f"INSERT INTO t VALUES ('{TOKEN}');", TOKEN, id="jwt"),
    pytest.param("UPDATE c SET api_key = 'k3y-8f7a6b5c4d';", "k3y-8f7a6b5c4d", id="by-the-name-before-it"),
    pytest.param("UPDATE users SET password = 'hunter2';", "hunter2", id="a-password"),
    pytest.param("CREATE ROLE app PASSWORD 'hunter2';", "hunter2", id="of-a-role"),
    pytest.param("""INSERT INTO s VALUES ('{"client_key": "hunter2hunter2"}');""", "hunter2hunter2", id="in-json"),
    pytest.param(f"-- the old one was {AWS}", AWS, id="in-a-comment"),
    pytest.param(f"COMMENT ON TABLE a IS $$\n{GITHUB}\n$$;", GITHUB, id="between-dollars"),
]


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_finds_a_secret_and_does_not_repeat_it(scan: Scan, text: str, secret: str) -> None:
    (finding,) = scan(text)
    assert finding.rule == "secret"
    assert secret not in f"{finding.message}{finding.hint}{finding.detail}{finding.frame}".replace("(Private Key)", "")


INNOCENT = """
CREATE TABLE users (id uuid, password_hash TEXT NOT NULL, api_key TEXT, secret text DEFAULT 'none');
UPDATE users SET token = gen_random_uuid();
COMMENT ON COLUMN users.password IS 'Hashed with bcrypt, never the password itself';
COMMENT ON COLUMN users.secret IS 'secret = "see the vault";';
UPDATE users SET password = crypt('x', gen_salt('bf'));
UPDATE users SET password = crypt('hunter2', gen_salt('bf'));
INSERT INTO users (email, password) VALUES ('a', '$2b$12$KIXQ4S1m0l1Xb0s1c0k5yOeYw1lPq3v1T5H3oVJcF5lC7wJ6v1r2m');
UPDATE users SET password = '$2b$12$KIXQ4S1m0l1Xb0s1c0k5yOeYw1lPq3v1T5H3oVJcF5lC7wJ6v1r2m';
UPDATE users SET password_hash = 'pbkdf2_sha256$260000$abc$def=' WHERE id = 1;
UPDATE users SET password = '5f4dcc3b5aa765d61d8327deb882cf99', password_hash = '5f4dcc3b5aa765d61d8327deb882cf99';
UPDATE users SET secret_id = 'd3b07384-d113-4ec6-a7a5-0d2f8a6a1b1e';
INSERT INTO blobs VALUES ('5f4dcc3b5aa765d61d8327deb882cf99', 'aGVsbG8gd29ybGQhIGhlbGxvIHdvcmxkIQ==', '\\xdeadbeef');
INSERT INTO files VALUES ('sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
ALTER TABLE users ADD CONSTRAINT password_length CHECK (length(password) >= 12);
SELECT * FROM users WHERE password != '' AND secret <> 'x';
UPDATE settings SET password_policy = 'strong', password_hint = 'Name of pet 2', password_changed_at = '2026-01-01';
UPDATE settings SET password_reset_url = 'https://example.com/reset/v2';
INSERT INTO i18n VALUES ('de', '{"password": "Passwort", "secret": "Geheimnis"}');
CREATE INDEX users_api_key_idx ON users (api_key) WHERE api_key_state = 'active';
ALTER TYPE secret_kind ADD VALUE 'api_key';
UPDATE t SET secret_type = 'oauth2', client_key = 'customer_name';
GRANT SELECT (password) ON users TO app;
CREATE POLICY secret_read ON secrets USING (secret_owner = current_setting('app.user_id'));
DO $$ BEGIN IF NEW.password = OLD.password THEN RAISE 'password unchanged'; END IF; END $$;
ALTER ROLE app SET password_encryption = 'scram-sha-256';
UPDATE t SET token = 'abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqr';
UPDATE t SET api_key = '${API_KEY_1}', secret = '<your-secret-1>', client_key = '{{client_key_1}}';
INSERT INTO docs VALUES ('postgres://user:password@localhost/app');
INSERT INTO links VALUES ('https://example.com/a:b@c', '10.0.0.1', '93.184.216.34');
WHERE APARTMENTNUMBER = 1
""".strip()


@pytest.mark.parametrize("line", INNOCENT.split("\n"))
def test_lets_seed_data_and_definitions_be(scan: Scan, line: str) -> None:
    assert scan(line) == []


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        pytest.param(f"'{AWS}'", 1, 2, id="first"),
        pytest.param(f"\ufeff'{AWS}'", 1, 2, id="byte-order-mark"),
        pytest.param(f"-- x\r\n\r\n  '{AWS}'\r\n", 3, 4, id="crlf"),
        pytest.param(f"\t'ü😀', '{AWS}'", 1, 9, id="tabs-and-multi-byte"),
        pytest.param(f"-- a\rb\n'{AWS}'", 2, 2, id="a-lone-carriage-return-is-no-line-end"),
        pytest.param(f"'\u2028\x0b\x0c\u0085'\n'{AWS}'", 2, 2, id="other-separators"),
        pytest.param(f"{'x, ' * 4000}'{AWS}'", 1, 12002, id="far-right"),
    ],
)
def test_the_place_is_that_of_the_secret(scan: Scan, text: str, line: int, column: int) -> None:
    (finding,) = scan(text)
    assert (finding.line, finding.column) == (line, column)


def test_finds_a_secret_wherever_it_stands_in_a_long_line(scan: Scan) -> None:
    for before in range(3000, 4200, 7):
        (finding,) = scan(f"{'x ' * (before // 2)}'{AWS}'")
        assert finding.column == before // 2 * 2 + 2


def test_one_finding_for_each_line_and_kind(scan: Scan) -> None:
    findings = scan(f"'{AWS}', '{AWS}', '{GITHUB}'\n'{AWS}'")
    assert [finding.line for finding in findings] == [1, 1, 2]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"SELECT '{AWS}'; -- pragma: allowlist secret", id="behind-it"),
        pytest.param(f"SELECT '{AWS}'; -- pragma: allowlist secret\r\n", id="crlf"),
        pytest.param(f"SELECT '{AWS}'; /* pragma: allowlist secret */", id="block-comment"),
        pytest.param(f"-- pragma: allowlist nextline secret\nSELECT '{AWS}';", id="above-it"),
        pytest.param(f"\ufeff-- pragma: allowlist nextline secret\r\nSELECT '{AWS}';", id="below-a-byte-order-mark"),
    ],
)
def test_the_comments_of_the_library_count(scan: Scan, text: str) -> None:
    assert scan(text) == []


@pytest.mark.parametrize(
    "text",
    [
        f"-- pragma: allowlist secret\nSELECT '{AWS}';",
        f"-- pragma: allowlist nextline secret\n\nSELECT '{AWS}';",
        f"SELECT '{AWS}'; -- pragma: allowlist secret\nSELECT '{GITHUB}';",
    ],
)
def test_a_comment_elsewhere_does_not(scan: Scan, text: str) -> None:
    assert len(scan(text)) == 1


def test_several_files_are_looked_at_in_their_order(scan: Scan) -> None:
    findings = scan(f"'{AWS}'", "SELECT 1;", f"'{GITHUB}'")
    assert [str(finding.path) for finding in findings] == ["migrations/01_x.sql", "migrations/03_x.sql"]


def test_no_files_have_no_secrets(tmp_path: Path) -> None:
    assert secrets_in_files(tmp_path, []) == []


def test_a_large_file_is_not_looked_at(scan: Scan) -> None:
    assert len(scan(f"'{AWS}'\n".ljust(LARGEST))) == 1
    assert scan(f"'{AWS}'\n".ljust(LARGEST + 1)) == []


def test_what_is_not_utf_8_is_looked_at_all_the_same(scan: Scan) -> None:
    assert len(scan(b"'\xff'\n'" + AWS.encode() + b"'")) == 1


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^01_x\.sql: the file cannot be read: No such file"):
        secrets_in_files(tmp_path, [PurePosixPath("01_x.sql")])


def test_asks_nobody_and_leaves_the_librarys_settings_alone(scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    before = get_settings().json()
    assert len(scan(f"'{AWS}' '{GITHUB}' '{STRIPE}' '{SLACK}' '{TOKEN}'")) == 5
    assert get_settings().json() == before


@pytest.mark.parametrize("word", ["eyJ", "password", "password = ", "://a:", "'", "x", "\n", "xoxa-1-"])
def test_a_text_that_repeats_itself_does_not_hold_it_up(scan: Scan, word: str) -> None:
    """Each of these took minutes, or longer, when the whole line was given to the detectors at once."""
    scan(word * (128 * 1024 // len(word)))
