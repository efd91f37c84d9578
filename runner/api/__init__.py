"""The HTTP API: an application to mount, `runner.api:app`, and what `db-migrate serve` serves (docs/api.md).

The application is made, and its configuration judged, when `app` is first asked for. Raises InputError then.
"""

import logging
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    app: ASGIApp

LOGGER = logging.getLogger("db_migrate.api")  # has a line for each request of a mounted application


def __getattr__(name: str) -> Any:
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from runner.api.application import Application
    from runner.api.settings import read_settings

    return globals().setdefault(name, Application(read_settings({}, os.environ), tell=LOGGER.info))
