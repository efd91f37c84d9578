"""Renders templates that nobody has to trust: they may come with a pull request.

https://jinja.palletsprojects.com/en/stable/sandbox/
"""

import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial, wraps
from pathlib import PurePath, PurePosixPath
from types import BuiltinMethodType, CodeType
from typing import Any

from jinja2 import BaseLoader, Environment, FunctionLoader, StrictUndefined, Template, Undefined, nodes, pass_context
from jinja2.exceptions import SecurityError, TemplateSyntaxError
from jinja2.filters import FILTERS
from jinja2.parser import Parser
from jinja2.runtime import BlockReference, Context, LoopContext
from jinja2.sandbox import SandboxedEnvironment
from jinja2.utils import Namespace
from markupsafe import Markup

from runner.render import GLOBALS, environment, escape, markdown_filters, word_filters
from runner.templating.budget import LARGEST_VALUE, WIDEST_NUMBER, Budget
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
DEEPEST = 60  # levels of blocks and expressions: calls inside of calls, of which Python has no endless number
TOO_DEEP = "this is nested too deeply, or a chain of too many parts"
TOO_LONG = "this number has too many digits"
LARGEST_ARGUMENT = 1000  # of filters that work as long as they are told to
LINE_BREAKS = re.compile(r"(?<!\s)\s*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]\s*")  # begins nowhere twice
COUNTED, JOINED, USED = " counted", " joined", " used"  # filters with a blank in the name, which no template can write
INTERNAL = frozenset({COUNTED, JOINED, USED})
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

    intercepted_binops = NUMBERS_ONLY | {"**", "+", "-", "/", "//"}

    def __init__(
        self,
        own: Mapping[str, Source],
        scrub: Callable[[str], str],
        clock: Callable[[], float] = time.monotonic,  # seconds
    ) -> None:
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
        self._own, self._scrub, self._clock, self._budget = own, scrub, clock, Budget(clock)
        ours = {name: _marked(function) for name, function in markdown_filters(scrub).items()}
        filters: dict[str, Callable[..., Any]] = {
            **{name: FILTERS[name] for name in JINJA_FILTERS.split()},
            **{name: _of_small_arguments(FILTERS[name]) for name in ("round", "slice", "sum")},
            **{name: _of_text(FILTERS[name]) for name in JINJA_FILTERS_OF_TEXT.split()},
            **word_filters(scrub),
            **ours,
            **{name: _of_text(ours[name]) for name in OUR_FILTERS_OF_TEXT.split()},
            "join": lambda values, between="": self._joined(values, between=between),
            "replace": _of_text(self._replaced),
            JOINED: self._joined,
            USED: lambda value: value,
        }
        self.filters = {COUNTED: self._counted, **{name: self._used(made) for name, made in filters.items()}}
        self.globals = {**{name: self.globals[name] for name in JINJA_GLOBALS.split()}, **GLOBALS}
        ours_alone = environment(scrub)
        self.ours = ours_alone.overlay()
        if ours_alone.loader:
            self.ours.loader = _Overridden(ours_alone.loader, own, self)

    def render(self, name: str, values: Mapping[str, object]) -> str:
        """The Markdown, scrubbed, in characters that UTF-8 has. Raises whatever a template can raise."""
        self._budget = Budget(self._clock)
        return self._scrub(self.concat(self.get_template(name).generate(values)).encode().decode())

    def concat(self, pieces: Iterable[str], /) -> str:
        """What is written piece by piece: the whole, or what stands between `{% set x %}` and `{% endset %}`."""
        written, size = [], 0
        for piece in pieces:
            written.append(piece)
            size += len(piece)
            if size > LARGEST_VALUE:
                break
        self._budget.make(size)
        return "".join(written)

    def get_template(
        self,
        name: str | Template,
        parent: str | None = None,
        globals: MutableMapping[str, Any] | None = None,  # noqa: A002
    ) -> Template:
        """One of the user's; without it, or when it is asked for, ours."""
        self._budget.step()
        if name in self._own:
            return super().get_template(name, parent, globals)
        return self.ours.get_template(name, parent)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A documented attribute, scrubbed."""
        return self._read(obj, super().getattr(str(obj) if isinstance(obj, Markup) else obj, attribute))

    def getitem(self, obj: Any, argument: Any) -> Any:
        """An item, or a documented attribute, scrubbed."""
        if not isinstance(argument, PRINTED):  # the text of an error would show all of it
            raise TypeError(f"{type(argument).__name__} is no key")
        return self._read(obj, super().getitem(obj, argument))

    def call(self, context: Context, obj: Any, /, *args: Any, **kwargs: Any) -> Any:
        """What a function returns, scrubbed."""
        self._budget.step()
        if isinstance(obj, BuiltinMethodType) and obj.__name__ == "replace":
            obj = partial(self._replaced, str(obj.__self__))
        return self._scrubbed(self._used(super().call)(context, obj, *args, **kwargs))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Texts are joined as by `~`; little does not become much."""
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if operator == "**" or (operator in NUMBERS_ONLY and not numbers):
            raise SecurityError(f"`{operator}` of these is not for templates")
        if operator == "+" and isinstance(left, str):
            return self._joined((left, right))
        return self._used(super().call_binop)(context, operator, left, right)

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

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        """Raises TemplateSyntaxError for whatever keeps the text from being read, and for what is nested so deeply that
        nobody could go through it.
        """
        parser = Parser(self, source, name, filename)
        try:
            tree = parser.parse()
        except RecursionError:
            raise TemplateSyntaxError(TOO_DEEP, parser.stream.current.lineno, name, filename) from None
        except ValueError:  # which int() raises
            raise TemplateSyntaxError(TOO_LONG, parser.stream.current.lineno, name, filename) from None
        if line := _too_deep(tree):
            raise TemplateSyntaxError(TOO_DEEP, line, name, filename)
        for node in tree.find_all(nodes.Const):
            if isinstance(node.value, int) and node.value.bit_length() > WIDEST_NUMBER:
                raise TemplateSyntaxError(TOO_LONG, node.lineno, name, filename)
        return tree

    def _compile(self, source: str, filename: str) -> CodeType:
        """Raises TemplateSyntaxError for what Jinja takes, and Python does not."""
        try:
            return super()._compile(source, filename)
        except SyntaxError as error:
            raise TemplateSyntaxError(error.msg, _line_behind(source, error.lineno or 1), None, filename) from None

    def _generate(self, source: nodes.Template, *args: Any, **kwargs: Any) -> str:
        """Have rounds of loops counted, and the template's own words told from those of the report."""
        for loop in list(source.find_all(nodes.For)):
            loop.iter = nodes.Filter(loop.iter, COUNTED, [], [], None, None, lineno=loop.lineno)
        for joined in list(source.find_all(nodes.Concat)):
            own = tuple(place for place, node in enumerate(joined.nodes) if isinstance(node, nodes.Const))
            parts = nodes.List(joined.nodes)
            joined.nodes = [nodes.Filter(parts, JOINED, [nodes.Const(own)], [], None, None, lineno=joined.lineno)]
        for item in source.find_all(nodes.Getitem):
            if isinstance(item.arg, nodes.Slice):
                item.node = nodes.Filter(item.node, USED, [], [], None, None, lineno=item.lineno)
        for output in source.find_all(nodes.Output):
            output.nodes = [_own_words(node) for node in output.nodes]
        source.set_environment(self)
        return super()._generate(source, *args, **kwargs)

    def _counted(self, values: Iterable[Any]) -> Iterator[Any]:
        for value in values:
            self._budget.step()
            yield value

    def _used(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function of which the budget is told what it is given, and what it makes."""

        @wraps(function)
        def used(*args: Any, **kwargs: Any) -> Any:
            self._budget.use(*args, *kwargs.values())
            made = function(*args, **kwargs)
            self._budget.use(made)
            return made

        return used

    def _read(self, obj: Any, value: Any) -> Any:
        self._budget.use(value)
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
            case frozenset():
                return frozenset(map(self._scrubbed, value))
            case _:
                return value

    def _printed(self, value: Any) -> Any:
        """What `{{ value }}` prints."""
        text = _as_text(value)
        self._budget.use(text)
        if isinstance(text, Markup):
            return text
        return Markup(escape(LINE_BREAKS.sub(" ", self._scrub(text))))  # noqa: S704 - of Markdown

    def _joined(self, values: Iterable[Any], own: Collection[int] = (), *, between: str = "") -> str:
        """One text; Markdown when there is some among them. Then all else is escaped but the template's own words."""
        texts, between = [_as_text(value) for value in values], str(_as_text(between))
        self._budget.make(sum(map(len, texts)) + len(texts) * len(between))
        if not any(isinstance(text, Markup) for text in texts):
            return between.join(texts)
        printed = (text if place in own else self._printed(text) for place, text in enumerate(texts))
        return Markup(between.join(map(str, printed)))  # noqa: S704 - of Markdown

    def _replaced(self, text: str, old: Any, new: Any, count: int = -1) -> str:
        """Text in the place of text."""
        old, new = str(_as_text(old)), str(_as_text(new))
        self._budget.make(len(text) + text.count(old) * len(new))
        return text.replace(old, new, count)


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


def _too_deep(tree: nodes.Template) -> int | None:
    """The line of what is nested too deeply."""
    waiting: list[tuple[nodes.Node, int]] = [(tree, 0)]
    while waiting:
        node, depth = waiting.pop()
        if depth > DEEPEST:
            return node.lineno
        waiting += [(child, depth + 1) for child in node.iter_child_nodes(exclude=("elif_",))]
        if isinstance(node, nodes.If):  # for Python each branch is inside of the one before
            waiting += [(branch, depth + place) for place, branch in enumerate(node.elif_, start=1)]
    return None


def _line_behind(python: str, line: int) -> int:
    """The template's line that became this line of Python. Jinja writes at its end which are which: `"1=12&3=18"`."""
    pairs = re.findall(r"(\d+)=(\d+)", python.rpartition("debug_info = ")[2])
    return max((int(ours) for ours, theirs in pairs if int(theirs) <= line), default=1)


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


def _of_small_arguments(function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that does as much as its arguments say, or copies them again and again."""
    place = 1 if hasattr(function, "jinja_pass_arg") else 0

    @wraps(function)
    def filtered(*args: Any, **kwargs: Any) -> Any:
        for given in (*args[place + 1 :], *kwargs.values()):
            if isinstance(given, list | tuple) or (isinstance(given, int) and abs(given) > LARGEST_ARGUMENT):
                raise OverflowError(f"this filter is given no lists, and no numbers beyond {LARGEST_ARGUMENT:,}")
        return function(*args, **kwargs)

    return filtered


def _marked(function: Callable[..., str]) -> Callable[..., Markup]:
    return lambda *args, **kwargs: Markup(function(*args, **kwargs))  # noqa: S704 - of Markdown
