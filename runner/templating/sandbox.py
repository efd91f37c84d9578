"""Renders templates that nobody has to trust: they may come with a pull request.

https://jinja.palletsprojects.com/en/stable/sandbox/
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import wraps
from pathlib import PurePath, PurePosixPath
from typing import Any

from jinja2 import BaseLoader, Environment, FunctionLoader, StrictUndefined, Template, Undefined, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS
from jinja2.runtime import BlockReference, Context, LoopContext
from jinja2.sandbox import SandboxedEnvironment
from jinja2.utils import Namespace
from markupsafe import Markup

from runner.render import GLOBALS, environment, escape, markdown_filters, word_filters
from runner.templating.values import (
    JINJA_FILTERS,
    JINJA_FILTERS_OF_TEXT,
    JINJA_GLOBALS,
    LOOP,
    OUR_FILTERS_OF_TEXT,
    VALUES,
    is_documented,
)

BUILTIN = "builtin/"  # before the name of one of ours, even where the user has one of this name
MOST_STEPS = 200_000  # rounds of loops, calls and includes of one rendering
LARGEST_OUTPUT = 4 * 1024 * 1024  # characters; GitHub takes a quarter of it at most
LINE_BREAKS = re.compile(r"\s*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]\s*")
COUNTED, JOINED = " counted", " joined"  # filters with a blank in the name, which no template can write
NUMBERS_ONLY = frozenset({"*", "%"})  # of texts and lists they make much of little
PRINTED = (str, int, float, date, timedelta, PurePath)
OF_JINJA: Mapping[type, frozenset[str]] = {
    LoopContext: frozenset(LOOP.split()),
    BlockReference: frozenset({"super"}),
    tuple: frozenset({"grouper", "list"}),  # what `groupby` makes
}


@dataclass(frozen=True, slots=True)
class Source:
    """A template's text."""

    path: PurePosixPath  # relative to the checkout
    text: str


class Sandbox(SandboxedEnvironment):
    """Templates of the user's, beside ours.

    A template sees what is documented. Every text is scrubbed when it is read, so that nothing that a template makes
    of a secret brings it back; what is printed is escaped, unless a filter has made Markdown of it.
    """

    intercepted_binops = NUMBERS_ONLY | {"**", "+"}

    def __init__(self, own: Mapping[str, Source], scrub: Callable[[str], str]) -> None:
        super().__init__(
            loader=FunctionLoader(lambda name: (own[name].text, str(own[name].path), None)),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            autoescape=True,
            optimized=False,  # it would forget which constants are Markdown
            finalize=pass_context(lambda _, value: self._printed(value)),
        )
        self._own, self._scrub, self._steps = own, scrub, 0
        ours = {name: _marked(function) for name, function in markdown_filters(scrub).items()}
        self.filters = {
            **{name: FILTERS[name] for name in JINJA_FILTERS.split()},
            **{name: _of_text(FILTERS[name]) for name in JINJA_FILTERS_OF_TEXT.split()},
            **word_filters(scrub),
            **ours,
            **{name: _of_text(ours[name]) for name in OUR_FILTERS_OF_TEXT.split()},
            "join": lambda values, between="": self._joined(values, between=between),
            COUNTED: self._counted,
            JOINED: self._joined,
        }
        self.globals = {**{name: self.globals[name] for name in JINJA_GLOBALS.split()}, **GLOBALS}
        ours_alone = environment(scrub)
        self.ours = ours_alone.overlay()
        if ours_alone.loader:
            self.ours.loader = _Overridden(ours_alone.loader, own, self)

    def render(self, name: str, values: Mapping[str, object]) -> str:
        """The Markdown, scrubbed, in characters that UTF-8 has. Raises whatever a template can raise."""
        self._steps, size = 0, 0
        pieces = []
        for piece in self.get_template(name).generate(values):
            pieces.append(piece)
            size += len(piece)
            if size > LARGEST_OUTPUT:
                raise OverflowError(f"it writes more than {LARGEST_OUTPUT // 1024**2} MiB")
        return self._scrub("".join(pieces).encode().decode())

    def get_template(
        self,
        name: str | Template,
        parent: str | None = None,
        globals: MutableMapping[str, Any] | None = None,  # noqa: A002
    ) -> Template:
        """One of the user's; without it, or when it is asked for, ours."""
        self._count()
        if name in self._own:
            return super().get_template(name, parent, globals)
        return self.ours.get_template(name, parent)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A documented attribute, scrubbed."""
        return self._read(obj, super().getattr(str(obj) if isinstance(obj, Markup) else obj, attribute))

    def getitem(self, obj: Any, argument: Any) -> Any:
        """An item, or a documented attribute, scrubbed."""
        return self._read(obj, super().getitem(obj, argument))

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """What a function returns, scrubbed."""
        self._count()
        return self._scrubbed(super().call(context, obj, *args, **kwargs))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Texts are joined as by `~`; little does not become much."""
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if operator == "**" or (operator in NUMBERS_ONLY and not numbers):
            raise SecurityError(f"`{operator}` of these is not for templates")
        if operator == "+" and isinstance(left, str):
            return self._joined((left, right))
        return super().call_binop(context, operator, left, right)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Only what is documented, and what templates have named themselves."""
        if not super().is_safe_attribute(obj, attr, value):
            return False
        named = isinstance(obj, Namespace) or type(obj).__name__ == "TemplateModule"
        return named or is_documented(obj, attr) or any(attr in OF_JINJA.get(kind, ()) for kind in type(obj).__mro__)

    def unsafe_undefined(self, obj: Any, attribute: str) -> Undefined:
        """What is left of an attribute that is not documented: its name."""
        message = f"`{attribute}` of {type(obj).__name__} is not for templates"
        return self.undefined(message, name=attribute, obj=obj, exc=SecurityError)

    def wrap_str_format(self, value: Any) -> None:
        """No `"…".format(…)`."""

    def _generate(self, source: nodes.Template, *args: Any, **kwargs: Any) -> str:
        """Have rounds of loops counted, and the template's own words told from those of the report."""
        for loop in list(source.find_all(nodes.For)):
            loop.iter = nodes.Filter(loop.iter, COUNTED, [], [], None, None, lineno=loop.lineno)
        for joined in list(source.find_all(nodes.Concat)):
            own = tuple(place for place, node in enumerate(joined.nodes) if isinstance(node, nodes.Const))
            parts = nodes.List(joined.nodes)
            joined.nodes = [nodes.Filter(parts, JOINED, [nodes.Const(own)], [], None, None, lineno=joined.lineno)]
        for output in source.find_all(nodes.Output):
            output.nodes = [_own_words(node) for node in output.nodes]
        source.set_environment(self)
        return super()._generate(source, *args, **kwargs)

    def _counted(self, values: Iterable[Any]) -> Iterator[Any]:
        for value in values:
            self._count()
            yield value

    def _count(self) -> None:
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise OverflowError(f"it takes more than {MOST_STEPS:,} rounds of loops, calls and includes")

    def _read(self, obj: Any, value: Any) -> Any:
        return self._scrubbed(value) if type(obj) in VALUES else value

    def _scrubbed(self, value: Any) -> Any:
        match value:
            case Markup():
                return value
            case str() if type(value) is str:  # not a word of ours, such as an outcome
                return self._scrub(value)
            case PurePath():
                return type(value)(self._scrub(str(value)))
            case tuple() | list():
                return tuple(map(self._scrubbed, value))
            case _:
                return value

    def _printed(self, value: Any) -> Any:
        """What `{{ value }}` prints."""
        text = _as_text(value)
        if isinstance(text, Markup):
            return text
        return Markup(escape(LINE_BREAKS.sub(" ", self._scrub(text))))  # noqa: S704 - of Markdown

    def _joined(self, values: Iterable[Any], own: Collection[int] = (), *, between: str = "") -> str:
        """One text; Markdown when there is some among them. Then all else is escaped but the template's own words."""
        texts = [_as_text(value) for value in values]
        if not any(isinstance(text, Markup) for text in texts):
            return str(between).join(texts)
        printed = (text if place in own else self._printed(text) for place, text in enumerate(texts))
        return Markup(str(between).join(map(str, printed)))  # noqa: S704 - of Markdown


class _Overridden(BaseLoader):
    """Ours, where the user has none of this name."""

    def __init__(self, ours: BaseLoader, own: Mapping[str, Source], theirs: Sandbox) -> None:
        self._ours, self._own, self._theirs = ours, own, theirs

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, Callable[[], bool] | None]:
        return self._ours.get_source(environment, template.removeprefix(BUILTIN))

    def load(
        self,
        environment: Environment,
        name: str,
        globals: MutableMapping[str, Any] | None = None,  # noqa: A002
    ) -> Template:
        return self._theirs.get_template(name) if name in self._own else super().load(environment, name, globals)


def _own_words(node: nodes.Expr) -> nodes.Expr:
    """What is printed, with the text that stands in the template itself as it is."""
    match node:
        case nodes.Const(value=str()):
            return nodes.MarkSafe(node)
        case nodes.CondExpr(expr1=one, expr2=other):
            node.expr1, node.expr2 = _own_words(one), other and _own_words(other)
    return node


def _as_text(value: Any) -> str:
    """Raises TypeError for what is none: the values of a report have attributes that are."""
    if isinstance(value, Markup):
        return value
    if isinstance(value, Undefined):
        return str(value)  # raises
    if value is not None and not isinstance(value, PRINTED):
        raise TypeError(f"{type(value).__name__} is no text: name one of its attributes, or give it a filter")
    return "" if value is None else str(value)


def _of_text(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that takes nothing but text."""
    place = 1 if hasattr(function, "jinja_pass_arg") else 0

    @wraps(function)
    def filtered(*args: Any, **kwargs: Any) -> Any:
        return function(*args[:place], str(_as_text(args[place])), *args[place + 1 :], **kwargs)

    return filtered


def _marked(function: Callable[..., str]) -> Callable[..., Markup]:
    return lambda *args, **kwargs: Markup(function(*args, **kwargs))  # noqa: S704 - of Markdown
