"""Departments at two levels, and how a model is made to choose one.

A passage is labelled by constrained choice: the reply's schema lists the departments and ``unknown``, so that a label
is never the luck of string matching. The list is data (``data/taxonomy.yaml``) and can be replaced by the spec.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, create_model

from synth.errors import UserError
from synth.spec_yaml import Document, YamlProblem, parse, read_text

UNKNOWN = "unknown"
DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class Department:
    """A label at both levels."""

    department: str
    subdepartment: str


class Taxonomy:
    """The departments of one file."""

    def __init__(self, parents: dict[str, str]) -> None:
        self._parents = parents
        self.labels: tuple[str, ...] = (*parents, UNKNOWN)
        one_of: Any = Literal[self.labels]
        self.reply: type[BaseModel] = create_model(
            "DepartmentReply",
            __config__=ConfigDict(extra="forbid"),
            department=(one_of, ...),
        )

    def place(self, label: str) -> Department:
        """Both levels of a second-level label."""
        return Department(self._parents[label], label) if label in self._parents else Department(UNKNOWN, UNKNOWN)


def load_taxonomy(path: Path | None = None) -> Taxonomy:
    """Read a taxonomy: a mapping from department to a list of its subdepartments.

    Raises:
        UserError: not of that form, a name twice, or the reserved name ``unknown``.
    """
    path = path or DATA / "taxonomy.yaml"
    document = read_mapping(path)
    parents: dict[str, str] = {}
    for department, subs in document.value.items():
        if not isinstance(subs, list) or not subs or not all(isinstance(s, str) and s.strip() for s in subs):
            line = document.line((department,))
            raise UserError(f"{path}:{line}: {department}: expected a list of subdepartment names")
        for place, sub in enumerate(subs):
            if sub in parents or sub.lower() == UNKNOWN:
                line = document.line((department, place))
                why = "is reserved" if sub.lower() == UNKNOWN else f"stands under {parents[sub]} already"
                raise UserError(f"{path}:{line}: {department}: {sub!r} {why}; give each subdepartment its own name")
            parents[sub] = department
    return Taxonomy(parents)


def read_mapping(path: Path) -> Document:
    """Read a YAML file that is a non-empty mapping, with the lines of its keys; UserError otherwise."""
    try:
        document = parse(read_text(path))
    except YamlProblem as problem:
        raise UserError(f"{path}:{problem.line}: {problem}") from None
    if document.findings:
        raise UserError(
            "\n".join(
                f"{path}:{f.line or document.line(f.loc)}: {'.'.join(map(str, f.loc))}: {f.message}"
                for f in document.findings
            )
        )
    if not isinstance(document.value, dict) or not document.value:
        raise UserError(f"{path}:1: expected a mapping with names as keys")
    return document
