"""The templates that a run is told with: ours, or the user's in their place."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import TYPE_CHECKING

from runner.core.model import Report
from runner.core.sizes import LARGEST_SUMMARY
from runner.errors import Finding, InputError, Level
from runner.resources import TEMPLATES

if TYPE_CHECKING:
    from runner.templating.sandbox import Source

LARGEST = 256 * 1024  # bytes of one template; a dozen times of what ours have
ENDING = ".j2"
LARGEST_COMMENT = 65_000  # bytes; GitHub takes 65,536 characters, our hidden line among them
LARGEST_NOTES = 100_000  # bytes; GitHub takes 125,000 characters, with what people have written
LISTED = "docs/templates.md lists the names"


class Templates:
    """Report → Markdown. A template of the user's that fails gives way to ours, and is told among the problems."""

    def __init__(self, own: "Mapping[str, Source] | None" = None) -> None:
        self._own = own or {}
        self.problems: list[Finding] = []  # warnings, each once

    def summary(self, report: Report, scrub: Callable[[str], str], room: int = LARGEST_SUMMARY) -> str:
        """The job summary, in at most `room` bytes of UTF-8."""
        return self._fitting(room, "summary.md.j2", scrub, report=report)

    def pr_comment(self, report: Report, scrub: Callable[[str], str], room: int = LARGEST_COMMENT) -> str:
        """The comment on a pull request, in at most `room` bytes of UTF-8."""
        return self._fitting(room, "pr_comment.md.j2", scrub, report=report)

    def release_notes(self, report: Report, tag: str, scrub: Callable[[str], str]) -> str:
        """What a release has changed in the database."""
        return self._fitting(LARGEST_NOTES, "release_notes.md.j2", scrub, report=report, tag=tag)

    def _fitting(self, room: int, name: str, scrub: Callable[[str], str], **values: object) -> str:
        from runner.core.fit import fit
        from runner.render import MARK

        return fit(self._render(name, scrub, **values), MARK, room)

    def _render(self, name: str, scrub: Callable[[str], str], **values: object) -> str:
        if self._own:
            from runner.templating.sandbox import Sandbox

            try:
                return Sandbox(self._own, scrub).render(name, values)
            except Exception as error:  # noqa: BLE001 - a template can raise anything, and the run goes on
                problem = self._failed(name, error).scrubbed(scrub)
                if problem not in self.problems:
                    self.problems.append(problem)
        from runner.render import environment

        return scrub(environment(scrub).get_template(name).render(values))

    def _failed(self, name: str, error: Exception) -> Finding:
        """Where in the user's templates it happened, as deep inside as can be told."""
        paths = {str(source.path): source.path for source in self._own.values()}
        places = [(path, line) for path, line in _lines(error.__traceback__) if path in paths]
        path, line = places[-1] if places else ("", None)
        why = f"{type(error).__name__}: {error}".encode(errors="backslashreplace").decode()
        return Finding(
            f"templates-path: ours took the place of this template, which failed: {why}",
            level=Level.WARNING,
            path=paths.get(path) or next(iter(paths.values())),
            line=line,
            hint=f"{name} is what it was rendered for; correct the template",
        )


def open_templates(checkout: Path, folder: PurePosixPath | None) -> Templates:
    """Read and check the templates of a folder of the checkout. Raises InputError with all that is wrong: with the
    files, or else with what is in them.
    """
    if folder is None:
        return Templates()
    try:
        return Templates(_checked(checkout, folder))
    except InputError:
        raise
    except Exception as error:  # a template may come with a pull request, which must not end the run untold
        why = f"{type(error).__name__}: {error}".encode(errors="backslashreplace").decode()
        hint = "take out what is unusual in them"
        raise InputError(Finding(f"templates-path: these cannot be checked: {why}", path=folder, hint=hint)) from error


def _checked(checkout: Path, folder: PurePosixPath) -> "dict[str, Source]":
    from runner.templating.check import check

    ours = _ours()
    root = _root(checkout, folder)
    names = [name for name in ours if _is_there(root, name)]
    own, problems = _read_all(root, folder, names)
    problems += _misnamed(root, folder, {*own, *names}, ours)
    if not (names or problems):
        hint = f"such as {folder / 'summary.md.j2'}; {LISTED}"
        problems.append(Finding("templates-path: no file here has the name of a template", path=folder, hint=hint))
    if problems := problems or check(own, ours):
        raise InputError(*problems)
    return own


def _ours() -> list[str]:
    """The names of our templates of Markdown: those of parts have a folder."""
    return sorted(str(PurePosixPath(place.relative_to(TEMPLATES))) for place in TEMPLATES.rglob("*.md.j2"))


def _root(checkout: Path, folder: PurePosixPath) -> Path:
    """The folder itself, where a link may lead to."""
    try:
        root = (checkout / folder).resolve(strict=True)
    except (OSError, RuntimeError):  # what Python before 3.13 makes of a loop
        what = "there is no such folder in the checkout"
    else:
        inside = root.is_relative_to(checkout.resolve())
        if inside and root.is_dir():
            return root
        what = "it is not a folder" if inside else "this link leads out of the checkout"
    hint = "check out the repository first (actions/checkout), or correct `templates-path`"
    raise InputError(Finding(f"templates-path: {what}", path=folder, hint=hint))


def _read_all(root: Path, folder: PurePosixPath, names: list[str]) -> "tuple[dict[str, Source], list[Finding]]":
    """These templates, and all of the folder that they refer to."""
    from runner.templating.check import references

    own: dict[str, Source] = {}
    problems, waiting, seen = [], list(names), set(names)
    while waiting:
        name = waiting.pop(0)
        source = _read(root, folder, name)
        if isinstance(source, Finding):
            problems.append(source)
            continue
        own[name] = source
        new = [other for other in references(source) if other not in seen and _is_there(root, other)]
        seen.update(new)
        waiting += new
    return own, problems


def _is_there(root: Path, name: str) -> bool:
    """In the folder, even as a link that leads nowhere. Nothing has a name that is too long, or not UTF-8."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        return False
    try:
        return bool(name.encode()) and ((root / path).exists() or (root / path).is_symlink())
    except (OSError, ValueError):
        return False


def _read(root: Path, folder: PurePosixPath, name: str) -> "Source | Finding":
    from runner.templating.sandbox import Source

    path, hint = folder / name, "put the file itself into the folder"
    try:
        if not (root / name).resolve(strict=True).is_relative_to(root):
            return Finding("templates-path: this template lies outside of the folder", path=path, hint=hint)
        with (root / name).open("rb") as opened:
            data = opened.read(LARGEST + 1)
        if len(data) > LARGEST:
            hint = "is this the right file?"
            return Finding(f"templates-path: this template is larger than {LARGEST // 1024} KiB", path=path, hint=hint)
        return Source(path, data.decode("utf-8-sig").replace("\r\n", "\n"))
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        return Finding("templates-path: this template is not UTF-8", path=path, line=line, hint="save it as UTF-8")
    except RuntimeError:  # what Python before 3.13 makes of a loop
        return Finding("templates-path: this link leads to itself", path=path, hint=hint)
    except OSError as error:
        hint = "look at its rights, or, of a link, at where it leads"
        return Finding(f"templates-path: this template cannot be read: {error.strerror}", path=path, hint=hint)


def _misnamed(root: Path, folder: PurePosixPath, used: set[str], ours: list[str]) -> Iterator[Finding]:
    """Files that nobody uses, with almost the name of one of ours."""
    for name in sorted(place.name for place in root.glob(f"*{ENDING}") if place.name not in used):
        from difflib import get_close_matches

        if close := get_close_matches(name, ours, n=1, cutoff=0.8):
            hint = f"did you mean `{close[0]}`?"
            readable = os.fsencode(name).decode(errors="replace")
            yield Finding("templates-path: no template has this name", path=folder / readable, hint=hint)


def _lines(traceback: TracebackType | None) -> Iterator[tuple[str, int]]:
    while traceback:
        yield traceback.tb_frame.f_code.co_filename, traceback.tb_lineno
        traceback = traceback.tb_next
