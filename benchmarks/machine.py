"""The shape of the machine, as far as figures depend on it."""

import os
import platform
import re
import sys
import sysconfig
from pathlib import Path


def shape(data: Path) -> str:
    """In one line; `data` is the folder of the server."""
    return ", ".join(
        [
            processor(),
            memory(),
            f"Linux {platform.release().partition('-')[0]}",
            f"data on {file_system(data)}",
            python(),
        ]
    )


def processor() -> str:
    """How many cores, and their model."""
    model = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return f"{os.cpu_count()} cores ({model[1] if model else platform.machine()})"


def memory() -> str:
    """All of the machine's."""
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB of memory"


def python() -> str:
    """The one that runs us; its build matters, for speed.

    https://docs.python.org/3/using/configure.html#cmdoption-enable-optimizations
    """
    version = f"Python {platform.python_version()}"
    if sys.base_prefix == "/usr":
        return f"{version} of {platform.freedesktop_os_release()['NAME']}"
    optimised = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    return f"{version} built {'with' if optimised else 'without'} optimizations"


def file_system(folder: Path) -> str:
    """Its kind, such as ext4: that of the innermost place where something is mounted."""
    mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    return max((place, kind) for place, kind in mounts if folder.resolve().is_relative_to(place))[1]
