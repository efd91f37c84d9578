"""The digest sees what PostgreSQL would run, not how an editor or a checkout wrote it."""

import pytest

from runner.core.checksum import checksum, normalise


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        pytest.param("SELECT 1;\n", "SELECT 1;\n", id="plain"),
        pytest.param("\ufeffSELECT 1;\n", "SELECT 1;\n", id="byte-order-mark"),
        pytest.param("SELECT 1;\r\nSELECT 2;\r\n", "SELECT 1;\nSELECT 2;\n", id="crlf"),
        pytest.param("\ufeffSELECT 1;\r\n", "SELECT 1;\n", id="both"),
        pytest.param("SELECT 'a\rb';", "SELECT 'a\rb';", id="cr-alone-is-content"),
        pytest.param("SELECT 'a\r\r\nb';", "SELECT 'a\r\nb';", id="cr-before-crlf-stays"),
        pytest.param("SELECT '\ufeff';", "SELECT '\ufeff';", id="mark-inside-is-content"),
        pytest.param("SELECT 1;", "SELECT 1;", id="no-newline-is-added"),
        pytest.param("", "", id="empty"),
    ],
)
def test_normalises(raw: str, text: str) -> None:
    assert normalise(raw) == text


@pytest.mark.parametrize(
    ("text", "digest"),
    [  # as `sha256sum` says
        pytest.param("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", id="empty"),
        pytest.param("SELECT 1;\n", "b4e0497804e46e0a0b0b8c31975b062152d551bac49c3c2e80932567b4085dcd", id="ascii"),
        pytest.param("SELECT 'é';\n", "57a22cd522f92e521b055c5967f3c1e97d08b200c4fead698b4bc64c0773efa5", id="utf-8"),
    ],
)
def test_is_the_sha_256_of_the_utf_8_text(text: str, digest: str) -> None:
    assert checksum(text) == digest


def test_a_blank_more_is_another_text() -> None:
    assert checksum("SELECT 1;") != checksum("SELECT 1; ")
