"""What is wrong with templates, as far as it shows before they are rendered."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from difflib import get_close_matches
from itertools import chain, islice
from typing import cast

from jinja2 import TemplateSyntaxError, nodes
from jinja2.meta import find_undeclared_variables

from runner.errors import Finding
from runner.resources import TEMPLATES
from runner.templating.sandbox import BUILTIN, INTERNAL, OF_JINJA, Sandbox, Source
from runner.templating.values import ATTRIBUTES

LISTED = "docs/templates.md lists what there is"
MOST_TOLD = 20  # of one template
ATTRIBUTE_FIRST = frozenset({"selectattr", "rejectattr", "groupby"})  # filters, by their first argument
REFERENCES = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)


def references(source: Source) -> Iterator[str]:
    """The names of the templates that this one includes, imports or extends; none when it cannot be read."""
    try:
        tree = Sandbox({}, str).parse(source.text)
    except TemplateSyntaxError:
        return
    yield from (name for _, name in _referred(tree) if name is not None)


def check(own: Mapping[str, Source], ours: Collection[str]) -> list[Finding]:
    """All that is wrong. `own`: by name, with all that they refer to; `ours`: the names of ours."""
    sandbox, trees, problems = Sandbox(own, str), {}, []
    for name, source in own.items():
        try:
            trees[name] = sandbox.parse(source.text, name, str(source.path))
        except TemplateSyntaxError as error:
            problems.append(_problem(source, error.lineno, str(error.message), LISTED))
    checked = _Check(sandbox, own, ours, trees)
    for name in trees:
        problems += checked.problems(name)
    return sorted(problems, key=lambda problem: (str(problem.path), problem.line or 0))


class _Check:
    """Looks through the templates of one folder."""

    def __init__(
        self,
        sandbox: Sandbox,
        own: Mapping[str, Source],
        ours: Collection[str],
        trees: Mapping[str, nodes.Template],
    ) -> None:
        self._sandbox, self._own, self._ours, self._trees = sandbox, own, ours, trees
        self._set = frozenset[str]().union(*map(_stored, trees.values()))
        made = map(_named, trees.values())
        self._known = self._set.union(*ATTRIBUTES.values(), *OF_JINJA.values(), *made)

    def problems(self, name: str) -> list[Finding]:
        """The first of one template. Only where nothing else is wrong it is compiled, which shows the rest."""
        source, tree = self._own[name], self._trees[name]
        plain = chain(
            self._filters_and_tests(source, tree), self._references(name, tree), self._attributes(source, tree)
        )
        found = list(islice(plain, MOST_TOLD))
        try:
            found = found or list(islice(chain(self._blocks(source, tree), self._names(name, tree)), MOST_TOLD))
            if not found:
                self._sandbox.compile(source.text, name, str(source.path))
        except TemplateSyntaxError as error:
            found.append(_problem(source, error.lineno, str(error.message), LISTED))
        return found

    def _filters_and_tests(self, source: Source, tree: nodes.Template) -> Iterator[Finding]:
        filters = self._sandbox.filters.keys() - INTERNAL
        for node in tree.find_all(nodes.Filter):
            if node.name not in filters:
                yield _unknown(source, node.lineno, "filter", node.name, filters)
        for test in tree.find_all(nodes.Test):
            if test.name not in self._sandbox.tests:
                yield _unknown(source, test.lineno, "test", test.name, self._sandbox.tests)

    def _references(self, name: str, tree: nodes.Template) -> Iterator[Finding]:
        source = self._own[name]
        for line, asked in _referred(tree):
            if asked is None:
                hint = 'such as `{% include "parts/row.md.j2" %}`'
                yield _problem(source, line, "the name of this template must be written out", hint)
            elif asked == name:
                hint = f"ours is `{BUILTIN}{name}`" if name in self._ours else "take this out"
                yield _problem(source, line, "this template refers to itself", hint)
            elif asked not in self._own and asked.removeprefix(BUILTIN) not in self._ours:
                known = {*self._own, *self._ours, *(BUILTIN + ours for ours in self._ours)}
                yield _unknown(source, line, "template", asked, known)

    def _attributes(self, source: Source, tree: nodes.Template) -> Iterator[Finding]:
        for line, asked in _asked_for(tree):
            if asked not in self._known:
                yield _unknown(source, line, "attribute", asked, self._known)

    def _blocks(self, source: Source, tree: nodes.Template) -> Iterator[Finding]:
        """Those that nothing would show, as the template that is extended has none of this name."""
        parent = next((node.template for node in tree.find_all(nodes.Extends)), None)
        if isinstance(parent, nodes.Const):
            known = {block.name for block in self._tree(parent.value).find_all(nodes.Block)}
            for block in (node for node in tree.body if isinstance(node, nodes.Block)):
                if block.name not in known:
                    yield _unknown(source, block.lineno, "block", block.name, known)

    def _names(self, name: str, tree: nodes.Template) -> Iterator[Finding]:
        """Values that are neither given nor set. What the templates set that include this one is given as well."""
        given = {"report", *self._set}
        if name in self._ours:
            given |= find_undeclared_variables(self._tree(BUILTIN + name))
        for unknown in sorted(find_undeclared_variables(tree) - given):
            line = next((node.lineno for node in tree.find_all(nodes.Name) if node.name == unknown), 1)
            yield _unknown(self._own[name], line, "value", unknown, {*given, *self._sandbox.globals})

    def _tree(self, name: str) -> nodes.Template:
        if name in self._trees:
            return self._trees[name]
        return self._sandbox.ours.parse((TEMPLATES / name.removeprefix(BUILTIN)).read_text())


def _referred(tree: nodes.Template) -> Iterator[tuple[int, str | None]]:
    """The names of other templates, with their lines; None for one that only shows when it is rendered."""
    found = cast("Iterator[nodes.Include | nodes.Import | nodes.FromImport | nodes.Extends]", tree.find_all(REFERENCES))
    for node in found:
        name = node.template.value if isinstance(node.template, nodes.Const) else None
        yield node.lineno, name if isinstance(name, str) else None


def _asked_for(tree: nodes.Template) -> Iterator[tuple[int, str]]:
    """The attributes that a template asks values for, with their lines."""
    for node in tree.find_all(nodes.Getattr):
        yield node.lineno, node.attr
    for filtered in tree.find_all(nodes.Filter):
        asked = [keyword.value for keyword in filtered.kwargs if keyword.key == "attribute"]
        if filtered.name in ATTRIBUTE_FIRST:
            asked += filtered.args[:1]
        for value in asked:
            if isinstance(value, nodes.Const) and isinstance(value.value, str):
                yield from ((filtered.lineno, part) for part in value.value.split(".") if not part.isdigit())


def _named(tree: nodes.Template) -> set[str]:
    """The attributes that a template makes itself: what can be imported of it, and is in its dicts and namespaces."""
    keys = {pair.key.value for pair in tree.find_all(nodes.Pair) if isinstance(pair.key, nodes.Const)}
    keywords = {keyword.key for keyword in tree.find_all(nodes.Keyword)}
    blocks = {block.name for block in tree.find_all(nodes.Block)}
    return keys | keywords | blocks | {found.attr for found in tree.find_all(nodes.NSRef)}


def _stored(tree: nodes.Template) -> set[str]:
    """The names to which a template gives a value."""
    stored = {name.name for name in tree.find_all(nodes.Name) if name.ctx != "load"}
    stored |= {macro.name for macro in tree.find_all(nodes.Macro)}
    stored |= {imported.target for imported in tree.find_all(nodes.Import)}
    for imported in tree.find_all(nodes.FromImport):
        stored |= {name if isinstance(name, str) else name[1] for name in imported.names}
    return stored


def _unknown(source: Source, line: int, what: str, name: str, known: Iterable[str]) -> Finding:
    close = get_close_matches(name, sorted(known), n=1)
    message = f"there is no {what} `{name}` for templates"
    return _problem(source, line, message, f"did you mean `{close[0]}`?" if close else LISTED)


def _problem(source: Source, line: int, what: str, hint: str) -> Finding:
    what = what.encode(errors="backslashreplace").decode()  # a template can spell a name that is not UTF-8
    return Finding(f"templates-path: {what}", path=source.path, line=line, hint=hint)
