"""Ports for servers of a test's own."""

import errno
import random
import socket


def free_port() -> int:
    """A port that nobody listens on, and that the kernel gives to nobody who asks for any: none of ip_local_port_range.

    https://docs.kernel.org/networking/ip-sysctl.html
    """
    while True:
        number = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("", number))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                return number
