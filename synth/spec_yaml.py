"""YAML text as plain Python values with a line for every key: the reader under the spec.

YAML 1.2, one document: ``no`` and ``2024-01-01`` are text, ``5e6`` is a whole number, duplicate keys are refused.
Keys are text as written. Tags outside the core schema, merge keys and infinite numbers are findings; what leaves no
sensible value behind (a syntax error, a bomb of aliases) raises :class:`YamlProblem`. No message repeats a value,
for a key could have been pasted into any place. Knows nothing of the fields of a spec.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from synth.errors import UserError

Loc = tuple[str | int, ...]
"""Keys and list indices from the root of a document."""

MAX_BYTES = 1_000_000
MAX_VALUES = 100_000
MAX_DEPTH = 64

_CORE = "tag:yaml.org,2002:"
_SCALARS = frozenset(_CORE + tag for tag in ("str", "int", "float", "bool", "null", "timestamp", "value"))
_PLAIN_WORDS = (
    ("expected a single document", "a second document starts here: keep one and remove the '---'"),
    ("found character '\\t'", "a tab stands here: use spaces"),
    ("that cannot start any token", "a value cannot start with this character: put the value in quotes"),
    ("mapping values are not allowed", "a ':' where none fits: mend the indentation, or put the value in quotes"),
    ("could not find expected ':'", "a ':' is missing after the key"),
    ("found undefined alias", "an alias (*name) without its anchor (&name): put a value that starts with * in quotes"),
    ("unknown escape character", "an unknown escape (\\x) in double quotes: use single quotes, or write \\\\"),
    ("found unexpected end of stream", "a quote is opened here and never closed"),
    ("but got '<stream end>'", "a bracket is opened here and never closed"),
    ("expected <block end>", "this does not fit the lines above: mend the indentation, or put the value in quotes"),
    ("expected ',' or", "a ',' or a closing bracket is missing here"),
)
_POINTS_AT_OPENING = ("found unexpected end of stream", "but got '<stream end>'")


class Finding(NamedTuple):
    """Something wrong at one place; ``line`` is given only where it is not the line of ``loc``."""

    loc: Loc
    message: str
    line: int | None = None


class YamlProblem(Exception):
    """The text cannot be read at all; ``line`` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


@dataclass(slots=True)
class Document:
    """Plain values and what is known of where they stand."""

    value: Any = None
    lines: dict[Loc, int] = field(default_factory=dict)
    """Line of each key or list item, from 1; 0: given on the command line."""
    empty: set[Loc] = field(default_factory=set)
    """Keys with nothing after the colon, as against a written ``null``."""
    unread: set[Loc] = field(default_factory=set)
    """Places whose value was put aside with a finding; nothing more needs to be said of them."""
    findings: list[Finding] = field(default_factory=list)

    def line(self, loc: Loc) -> int:
        """Return the line of ``loc``, or of the innermost mapping around it that the file has."""
        while loc and loc not in self.lines:
            loc = loc[:-1]
        return self.lines.get(loc, 1)


def read_text(path: Path, max_bytes: int = MAX_BYTES) -> str:
    """Return the text of a small UTF-8 file; a UserError of one line when there is none."""
    try:
        with path.open("rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > max_bytes:
        raise UserError(f"{path}: over {max_bytes // 1_000_000} MB: this is not the file that was meant")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}:{line}: not UTF-8 text: save the file as UTF-8") from None


def parse(text: str) -> Document:
    """Return the values, lines and findings of one YAML document; an empty text has the value None.

    Raises:
        YamlProblem: a syntax error, more than one document, too many or too deeply nested values.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an anchor used twice is YAML; its warning would go to the terminal
            root = YAML(typ="rt").compose(text)
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise YamlProblem(line, "a control character stands here: remove it") from None
    except MarkedYAMLError as error:
        raise _problem(error) from None
    except YAMLError:
        raise YamlProblem(1, "not valid YAML") from None
    except RecursionError:
        raise YamlProblem(1, "nested too deeply") from None
    document = Document()
    if root is None:
        document.empty.add(())
    else:
        document.value = _Reader(document).value(root, ())
    return document


def _problem(error: MarkedYAMLError) -> YamlProblem:
    text = f"{error.context or ''} {error.problem or ''}"
    words = next((words for start, words in _PLAIN_WORDS if start in text), None)
    mark = error.problem_mark
    if error.context_mark is not None and any(part in text for part in _POINTS_AT_OPENING):
        mark = error.context_mark
    line = mark.line + 1 if mark is not None else 1
    return YamlProblem(line, f"not valid YAML: {words}" if words else "not valid YAML")


class _Reader:
    """Turns nodes into values; aliases are expanded, and counted so that no small file becomes a large one."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.count = 0

    def value(self, node: Node, loc: Loc) -> Any:
        line = node.start_mark.line + 1
        self.count += 1
        if self.count > MAX_VALUES:
            raise YamlProblem(line, f"over {MAX_VALUES:,} values, aliases expanded: write fewer, or use fewer aliases")
        if len(loc) > MAX_DEPTH:
            raise YamlProblem(line, "nested too deeply, or an alias that contains itself")
        if isinstance(node, MappingNode) and node.tag == _CORE + "map":
            return self.mapping(node, loc)
        if isinstance(node, SequenceNode) and node.tag == _CORE + "seq":
            return [self.item(child, (*loc, index)) for index, child in enumerate(node.value)]
        if isinstance(node, ScalarNode) and node.tag in _SCALARS:
            return self.scalar(node, loc)
        return self.put_aside(loc, "a YAML tag (!name) is not allowed here: remove it", line)

    def mapping(self, node: MappingNode, loc: Loc) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, child in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                self.put_aside(loc, "a key must be text, not a list or mapping", line)
            elif key_node.tag == _CORE + "merge":
                self.put_aside(loc, "merge keys (<<) are not supported: write the keys out", line)
            elif key_node.value in values:
                first = self.document.lines[(*loc, key_node.value)]
                message = f"duplicate key, first given in line {first}: keep one"
                self.document.findings.append(Finding((*loc, key_node.value), message, line))
            else:
                key = str(key_node.value)
                self.document.lines[(*loc, key)] = line
                values[key] = self.value(child, (*loc, key))
        return values

    def item(self, node: Node, loc: Loc) -> Any:
        self.document.lines[loc] = node.start_mark.line + 1
        return self.value(node, loc)

    def scalar(self, node: ScalarNode, loc: Loc) -> Any:
        text, tag, line = str(node.value), str(node.tag).removeprefix(_CORE), node.start_mark.line + 1
        if tag == "null":
            if not text:
                self.document.empty.add(loc)
            return None
        if tag == "bool" and text.lower() in ("true", "false"):
            return text.lower() == "true"
        number = _number(text) if tag in ("int", "float") else None
        if number is not None and not math.isfinite(number):
            return self.put_aside(loc, "must be finite: leave the key out for no limit", line)
        if number is None and any("\ud800" <= character <= "\udfff" for character in text):
            return self.put_aside(loc, "half a character (\\ud800 to \\udfff): write the character itself", line)
        return text if number is None else number

    def put_aside(self, loc: Loc, message: str, line: int) -> None:
        self.document.findings.append(Finding(loc, message, line))
        self.document.unread.add(loc)


def _number(text: str) -> int | float | None:
    """Read a number as YAML 1.2 and ruamel write them; None when it is not one (``!!int x``, 5,000 digits)."""
    bare = text.replace("_", "").lower()
    try:
        if bare.lstrip("+-") in (".inf", ".nan"):
            return float(bare.replace(".", ""))
        if bare.lstrip("+-")[:2] in ("0x", "0o", "0b"):
            return int(bare, 0)
        if bare.lstrip("+-").isdigit():
            return int(bare)
        number = float(bare)
    except ValueError:
        return None
    # 5e6 is how people write a whole budget, and a float would be refused there
    return int(number) if "e" in bare and number.is_integer() and abs(number) < 2**53 else number
