"""What a prompt template may hold: an allow-list over its syntax tree, applied before anything is compiled or run.

Jinja's sandbox keeps a template away from Python but not from the processor and the memory: ``'x' * 10**9`` or nested
loops are legal there, and constants are folded while compiling. So a template may only print values, branch on them
and loop over them: no calls, no arithmetic, no imports, no assignments. A refusal ends the check at its first finding;
unknown variables are listed all at once.

This module does not read files and does not render. It bounds a template by its syntax; the sizes of what is looped
over and printed are bounded by :mod:`synth.template_sandbox` and :mod:`synth.templates` while rendering.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Set
from typing import NoReturn

from jinja2 import nodes

from synth.errors import UserError
from synth.template_sandbox import FILTERS, TESTS

BLOCKS = ("system", "user")
LOOP_FIELDS = ("first", "index", "last", "length")

MAX_TEXT = 1_000
"""Characters of a string constant."""
MAX_NUMBER = 10**15
MAX_ARGUMENT = 10
"""Of a number given to a filter (decimals, indent)."""
MAX_LOOPS = 2
"""Loops inside each other."""
MAX_DEPTH = 40
"""Nodes inside each other; Python's own compiler gives up at about a hundred."""

MAX_BRANCHES = 20
"""``elif`` of one ``if``; compiled, each stands inside the one before."""
MAX_NODES = 2_000
"""Of a whole template; tens of thousands take seconds to compile."""

_SPOKEN: dict[type[nodes.Node], str] = {
    nodes.Assign: "{% set %}",
    nodes.AssignBlock: "{% set %}",
    nodes.Call: "a call",
    nodes.CallBlock: "{% call %}",
    nodes.Concat: "joining with ~",
    nodes.Dict: "a mapping",
    nodes.Extends: "{% extends %}",
    nodes.FilterBlock: "{% filter %}",
    nodes.For: "{% for %} outside of the blocks",
    nodes.FromImport: "{% from … import %}",
    nodes.If: "{% if %} outside of the blocks",
    nodes.Import: "{% import %}",
    nodes.Include: "{% include %}",
    nodes.List: "a list",
    nodes.Macro: "{% macro %}",
    nodes.Scope: "{% autoescape %}",
    nodes.Slice: "a slice",
    nodes.Tuple: "a tuple",
    nodes.With: "{% with %}",
}


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` for the known name nearest to ``name``, or nothing when none is near."""
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def check(tree: nodes.Template, path: str, variables: Set[str]) -> list[str]:
    """Check a parsed template and return a line for each use of a variable that is not in ``variables``.

    Raises UserError (one line, ``path:line: …``) at the first thing that a template may not hold, and when the block
    ``user`` is missing.
    """
    checker = _Checker(path, variables)
    checker.size(tree)
    checker.template(tree)
    return checker.unknown


class _Checker:
    """Walks one tree. ``scope`` holds the names that loops have bound where the walk stands."""

    def __init__(self, path: str, variables: Set[str]) -> None:
        self.path = path
        self.variables = variables
        self.unknown: list[str] = []

    def refuse(self, at: nodes.Node | int, what: str) -> NoReturn:
        line = at if isinstance(at, int) else _line(at)
        reason = "no calls, no arithmetic, no imports; loops over inputs only"
        raise UserError(f"{self.path}:{line}: {what} is not allowed in a template ({reason})")

    def size(self, tree: nodes.Template) -> None:
        """Without recursion, so that the walk after it may recurse."""
        open_nodes: list[tuple[nodes.Node, int]] = [(tree, 0)]
        seen = 0
        while open_nodes:
            node, depth = open_nodes.pop()
            seen += 1
            if depth > MAX_DEPTH:
                self.refuse(node, f"nesting deeper than {MAX_DEPTH}")
            if seen > MAX_NODES:
                self.refuse(node, f"more than {MAX_NODES:,} expressions and texts")
            open_nodes += [(child, depth + 1) for child in node.iter_child_nodes()]

    def template(self, tree: nodes.Template) -> None:
        seen: set[str] = set()
        for node in tree.body:
            if isinstance(node, nodes.Block):
                self.block(node, seen)
            elif isinstance(node, nodes.Output):
                self.outside(node)
            else:
                self.refuse(node, _spoken(node))
        if "user" not in seen:
            raise UserError(f"{self.path}:1: a template needs {{% block user %}}…{{% endblock %}}")

    def block(self, node: nodes.Block, seen: set[str]) -> None:
        if node.name not in BLOCKS:
            self.refuse(node, f"the block {node.name!r} (there are: {', '.join(BLOCKS)})")
        if node.name in seen:
            self.refuse(node, f"a second block {node.name!r}")
        if node.scoped or node.required:
            self.refuse(node, "a scoped or required block")
        seen.add(node.name)
        self.statements(node.body, frozenset(), 0)

    def outside(self, node: nodes.Output) -> None:
        for child in node.nodes:
            if not isinstance(child, nodes.TemplateData):
                self.refuse(child, "printing outside of the blocks")
            text = child.data
            if text.strip():
                line = child.lineno + text[: len(text) - len(text.lstrip())].count("\n")
                self.refuse(line, "text outside of the blocks")

    def statements(self, body: Iterable[nodes.Node], scope: frozenset[str], loops: int) -> None:
        for node in body:
            match node:
                case nodes.Output():
                    for child in node.nodes:
                        if not isinstance(child, nodes.TemplateData):
                            self.expression(child, scope)
                case nodes.If():
                    if len(node.elif_) > MAX_BRANCHES:
                        self.refuse(node, f"an if with more than {MAX_BRANCHES} elif")
                    self.expression(node.test, scope)
                    self.statements([*node.body, *node.elif_, *node.else_], scope, loops)
                case nodes.For():
                    self.loop(node, scope, loops + 1)
                case nodes.Block():
                    self.refuse(node, "a block inside of another")
                case _:
                    self.refuse(node, _spoken(node))

    def loop(self, node: nodes.For, scope: frozenset[str], loops: int) -> None:
        if loops > MAX_LOOPS:
            self.refuse(node, f"a loop inside of {MAX_LOOPS} others")
        if node.recursive:
            self.refuse(node, "a recursive loop")
        self.expression(node.iter, scope)
        if not isinstance(_root(node.iter), nodes.Name):
            self.refuse(node, "a loop over anything but an input or a part of one")
        bound = set()
        for name in node.target.items if isinstance(node.target, nodes.Tuple) else [node.target]:
            if not isinstance(name, nodes.Name) or name.name == "loop" or name.name.startswith("_"):
                self.refuse(node, "this loop variable")
            bound.add(name.name)
        if node.test is not None:
            self.expression(node.test, (scope | bound) - {"loop"})
        self.statements(node.body, scope | bound | {"loop"}, loops)
        self.statements(node.else_, scope, loops)

    def expression(self, node: nodes.Node, scope: frozenset[str]) -> None:
        match node:
            case nodes.Const():
                self.constant(node)
            case nodes.Name():
                self.name(node, scope)
            case nodes.Getattr() | nodes.Getitem():
                self.access(node, scope)
            case nodes.Filter():
                self.filter(node, scope)
            case nodes.Test():
                if node.name not in TESTS or node.args or node.kwargs or node.dyn_args or node.dyn_kwargs:
                    self.refuse(node, f"the test {node.name!r} (there are: {', '.join(TESTS)})")
                self.expression(node.node, scope)
            case nodes.CondExpr() | nodes.Compare() | nodes.Operand() | nodes.And() | nodes.Or() | nodes.Not():
                for child in node.iter_child_nodes():
                    self.expression(child, scope)
            case nodes.Neg(node=nodes.Const(value=int() | float()) as number):
                self.constant(number)
            case _:
                self.refuse(node, _spoken(node))

    def constant(self, node: nodes.Const) -> None:
        value = node.value
        if isinstance(value, str) and len(value) > MAX_TEXT:
            self.refuse(node, f"a string of more than {MAX_TEXT:,} characters in an expression")
        if isinstance(value, int | float) and not abs(value) <= MAX_NUMBER:
            self.refuse(node, "so large a number")

    def name(self, node: nodes.Name, scope: frozenset[str]) -> None:
        if node.name == "loop" and "loop" in scope:
            self.refuse(node, f"'loop' alone (there are: {', '.join('loop.' + f for f in LOOP_FIELDS)})")
        if node.name not in scope and node.name not in self.variables:
            known = ", ".join(sorted(self.variables)) or "none"
            hint = did_you_mean(node.name, self.variables | scope)
            where = f"{self.path}:{node.lineno}"
            self.unknown.append(f"{where}: unknown variable {node.name!r}; this template may use: {known}{hint}")

    def access(self, node: nodes.Getattr | nodes.Getitem, scope: frozenset[str]) -> None:
        key = node.attr if isinstance(node, nodes.Getattr) else _constant(node.arg)
        if key is None or isinstance(key, float):
            self.refuse(node, "an item that is not a constant index or name")
        if isinstance(key, str) and key.startswith("_"):
            self.refuse(node, f"the attribute {key!r}")
        if isinstance(node.node, nodes.Name) and node.node.name == "loop" and "loop" in scope:
            if not isinstance(node, nodes.Getattr) or key not in LOOP_FIELDS:
                self.refuse(node, f"'loop.{key}' (there are: {', '.join('loop.' + f for f in LOOP_FIELDS)})")
            return
        self.expression(node.node, scope)
        if not isinstance(node.node, nodes.Name | nodes.Getattr | nodes.Getitem | nodes.Filter):
            self.refuse(node, "an attribute of anything but an input")

    def filter(self, node: nodes.Filter, scope: frozenset[str]) -> None:
        parameters = FILTERS.get(node.name)
        if parameters is None:
            self.refuse(node, f"the filter {node.name!r} (there are: {', '.join(FILTERS)})")
        if node.node is not None:
            self.expression(node.node, scope)
        keywords = {pair.key for pair in node.kwargs}
        too_many = len(node.args) + len(keywords) > len(parameters) or not keywords <= set(parameters)
        if too_many or node.dyn_args is not None or node.dyn_kwargs is not None:
            takes = ", ".join(parameters) or "none"
            self.refuse(node, f"this argument of the filter {node.name!r} (it takes: {takes})")
        for argument in [*node.args, *(pair.value for pair in node.kwargs)]:
            value = _constant(argument)
            if value is None or (isinstance(value, int | float) and not abs(value) <= MAX_ARGUMENT):
                self.refuse(node, f"this argument of the filter {node.name!r}")
            self.expression(argument, scope)


def _root(node: nodes.Node) -> nodes.Node:
    """Return what the chain of attributes and items starts from."""
    while isinstance(node, nodes.Getattr | nodes.Getitem):
        node = node.node
    return node


def _constant(node: nodes.Node) -> str | int | float | None:
    """Return the text or number that the node stands for, None when it is no constant."""
    match node:
        case nodes.Const(value=str() | int() | float() as value):
            return value
        case nodes.Neg(node=nodes.Const(value=int() | float() as value)):
            return -value
    return None


def _line(node: nodes.Node) -> int:
    """Return the line of a node, or of the first inside it: the parser gives some of its wrappers none."""
    return node.lineno or next((inner.lineno for inner in node.find_all(nodes.Node) if inner.lineno), 1)


def _spoken(node: nodes.Node) -> str:
    """Return the words for a node in an error."""
    if isinstance(node, nodes.BinExpr | nodes.UnaryExpr):
        return "arithmetic"
    return _SPOKEN.get(type(node), type(node).__name__)
