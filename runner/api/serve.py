"""`db-migrate serve`: the application on a port, until a signal comes."""

import asyncio
import ipaddress
import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import uvicorn

from runner import __version__
from runner.api.application import Application
from runner.api.connections import Connection
from runner.api.settings import Settings, read_settings
from runner.console import Console, open_console
from runner.core.database_url import shown
from runner.core.model import PRODUCTION
from runner.errors import Finding, InputError, RunnerError

LARGEST_HEAD = 16 * 1024  # bytes of a request's line and headers
HIGHEST_PORT = 65_535
GRACE = 6  # seconds for answers under way, longer than a run needs to be cancelled


def serve(flags: Mapping[str, str], environ: Mapping[str, str]) -> int:
    """Serve until a signal comes, and return the exit code: 0 then, else that of what keeps us from it."""
    console = open_console(scrub=str)
    try:
        settings = read_settings(flags, environ)
        console = open_console(scrub=settings.scrub)
        application = Application(settings, tell=console.say)
        production = settings.config.environment == PRODUCTION or application.database.ask().production
        listener = _listen(flags["host"], flags["port"])
    except RunnerError as error:
        console.findings(error.findings)
        return error.exit_code
    _introduce(console, settings, listener, production=production)
    config = uvicorn.Config(
        application,
        loop="asyncio",
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",  # what it logs of errors has traces; ours has a line for each request
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=LARGEST_HEAD,
        timeout_graceful_shutdown=GRACE,
    )
    _Server(config, application).run(sockets=[listener])
    console.say("ended")
    return 0


class _Server(uvicorn.Server):
    """Ends on a signal, and with it the run under way: whoever waits for that one is told how it ended."""

    def __init__(self, config: uvicorn.Config, application: Application) -> None:
        super().__init__(config)
        self._application = application

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Cancel the run, then let the answers under way come to their end."""
        await asyncio.to_thread(self._application.runs.close)
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """A signal is how a server ends: it is not raised again behind it."""
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _listen(host: str, port: str) -> socket.socket:
    """The socket, bound. Raises InputError."""
    if not (port.isascii() and port.isdecimal() and len(port) <= 5 and int(port) <= HIGHEST_PORT):
        hint = f"give a whole number from 1 to {HIGHEST_PORT}, or 0 for a free one"
        raise InputError(Finding(f"--port: `{port}` is not a port", hint=hint))
    try:
        family, *_, address = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family)
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "this is no name of a host"
        hint = "end what listens there, or give another `--port` or `--host`"
        raise InputError(Finding(f"cannot listen on {host}, port {port}: {why}", hint=hint)) from None


def _introduce(console: Console, settings: Settings, listener: socket.socket, *, production: bool) -> None:
    host, port = listener.getsockname()[:2]
    shown_host = f"[{host}]" if ":" in host else host
    console.say(f"db-migrate {__version__} for {settings.config.environment} at {shown(settings.config.database)}")
    if production:
        console.say("! this is production: every path answers 404", "yellow")
    if not ipaddress.ip_address(host).is_loopback:
        console.say("! others can reach this address, and HTTP hides nothing: put a proxy with TLS before it", "yellow")
    console.say(f"listening on http://{shown_host}:{port}/api/migrations")
