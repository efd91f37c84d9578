"""What the tests of faults share: databases through a proxy, checkouts, servers of their own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from runner.postgres.embedded import EmbeddedServer
from tests.conftest import Database, _database
from tests.faults.proxy import Proxy, proxy_to
from tests.faults.runs import Checkout
from tests.faults.servers import DurableServer, durable_server

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one version stay together: with `--dist loadgroup` each server starts only once."""
    for item in items:
        if HERE in item.path.parents:
            version = getattr(item, "callspec", None) and item.callspec.params.get("version")  # type: ignore[attr-defined]
            item.add_marker(pytest.mark.xdist_group(f"faults {version or 18}"))


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    """A checkout without a migration."""
    (tmp_path / "migrations").mkdir()
    return Checkout(tmp_path)


@pytest.fixture
def proxy(database: Database) -> Iterator[Proxy]:
    """A proxy before the server of the test's database."""
    with proxy_to(database.server.folder) as opened:
        yield opened


@pytest.fixture
def fresh_database(servers: Callable[[int], EmbeddedServer], version: int) -> Iterator[Callable[[], Database]]:
    """Makes empty databases, for tests that need one after the other."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(contextmanager(_database)(servers(version), "template1"))


@pytest.fixture(scope="session")
def durable_servers() -> Iterator[Callable[[int], DurableServer]]:
    """Starts a durable server of a version when a test first asks for it."""
    with ExitStack() as stack:
        started: dict[int, DurableServer] = {}

        def server(version: int) -> DurableServer:
            if version not in started:
                started[version] = stack.enter_context(durable_server(version))
            return started[version]

        yield server
