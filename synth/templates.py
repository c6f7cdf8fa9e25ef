"""Prompt templates: found, checked and rendered into chat messages.

A file ``<recipe>/<step>.jinja`` holds the messages of one question to a model as Jinja blocks::

    {% block system %}You write exam questions in {{ language }}.{% endblock %}
    {% block user %}{{ passage }}{% endblock %}

``system`` may be left out, ``user`` may not; outside of the blocks only comments and white space may stand. Contents
are stripped, an empty system message is left out, an empty user message is an error. A user's folder may hold a file
of the same relative name, which then goes before ours.

Templates come from people one may not trust: they run without loader in :mod:`synth.template_sandbox`, and only after
:mod:`synth.template_rules` has passed them. A value is text, never template: ``{{ 7*7 }}`` in a passage comes out as
it stands. Messages, loops and filters are capped, which bounds the work of a template by the size of its inputs.

This module does not decide which variables a template gets and does not count tokens.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Iterable, Mapping, Set
from pathlib import Path

import jinja2
from jinja2 import nodes
from jinja2.runtime import Context

import prompts
from synth.errors import UserError
from synth.template_rules import BLOCKS, check, did_you_mean
from synth.template_sandbox import MAX_CONTENT, Sandbox, bound_loops

MAX_SOURCE = 100_000
"""Bytes of a template file."""

_NAME = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*")


class Templates:
    """Ours, with those of a user's folder going before them."""

    def __init__(self, folder: Path | None = None) -> None:
        """Look through ``folder``. UserError when it is none, or holds a template that would never be used."""
        ours = _names(prompts.ROOT)
        self._paths = {name: prompts.ROOT / f"{name}.jinja" for name in ours}
        if folder is None:
            return
        if not folder.is_dir():
            raise UserError(f"{folder}: there is no such folder of templates")
        strangers = sorted(_names(folder) - ours)
        if strangers:
            raise UserError("\n".join(_stranger(folder, name, ours) for name in strangers))
        for name in ours:
            path = folder / f"{name}.jinja"
            if path.is_symlink() or path.exists():
                self._paths[name] = _inside(folder, path)

    def load(self, name: str, variables: Set[str]) -> Template:
        """Read and check the template ``name`` (``finemed/questions``), which may use ``variables`` and no others.

        Raises UserError for a name that is none of ours, for what :mod:`synth.template_rules` refuses, and for unknown
        variables (all at once, one line each).
        """
        if not _NAME.fullmatch(name):
            raise UserError(f"{name!r} is no name of a template; names look like 'recipe/step'")
        if name not in self._paths:
            raise UserError(f"there is no template {name!r}{did_you_mean(name, self._paths)}")
        return _load(name, self._paths[name], variables)


@dataclasses.dataclass(frozen=True)
class Template:
    """A template that has passed the rules."""

    name: str
    path: Path
    sha256: str
    """Of the file's bytes."""
    _compiled: jinja2.Template = dataclasses.field(repr=False, compare=False)
    _user_line: int = dataclasses.field(repr=False, compare=False)

    def render(self, /, **variables: object) -> list[dict[str, str]]:
        """Return the messages: ``role`` (system, user) and ``content``.

        Raises UserError (``path:line: …``) for a variable or attribute that is missing, for a value that cannot be
        used as the template does, for an empty user message and for one of more than 4,000,000 characters.
        """
        messages = []
        context = self._compiled.new_context(variables)
        for role in BLOCKS:
            if role not in self._compiled.blocks:
                continue
            try:
                content = self._content(role, context).strip()
            except Exception as error:
                raise UserError(self._complaint(error, variables)) from error
            if content:
                messages.append({"role": role, "content": content})
            elif role == "user":
                raise UserError(f"{self.path}:{self._user_line}: the user message comes out empty")
        return messages

    def _content(self, role: str, context: Context) -> str:
        parts, size = [], 0
        for part in self._compiled.blocks[role](context):
            parts.append(part)
            size += len(part)
            if size > MAX_CONTENT:
                raise ValueError(f"the {role} message has more than {MAX_CONTENT:,} characters")
        return "".join(parts)

    def _complaint(self, error: Exception, variables: Mapping[str, object]) -> str:
        line, step = self._user_line, error.__traceback__
        while step is not None:
            if step.tb_frame.f_code.co_filename == str(self.path):
                line = self._compiled.get_corresponding_lineno(step.tb_lineno)
            step = step.tb_next
        message = " ".join(str(error).split())[:300]
        if isinstance(error, jinja2.UndefinedError):
            message += f"; handed to this template: {', '.join(sorted(variables)) or 'nothing'}"
        return f"{self.path}:{line}: {message}"


def prompt_hash(templates: Iterable[Template]) -> str:
    """Return 16 hex digits that stand for a set of templates, whatever their order."""
    lines = sorted(f"{template.name} {template.sha256}\n" for template in templates)
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]


def _names(root: Path) -> set[str]:
    """Return the templates under ``root`` as ``folder/file``; a wrong ending stays in the name and so gets noticed."""
    found = (path for path in root.rglob("*") if path.suffix in (".jinja", ".jinja2", ".j2"))
    return {path.relative_to(root).as_posix().removesuffix(".jinja") for path in found}


def _stranger(folder: Path, name: str, ours: Set[str]) -> str:
    file = name if name.endswith((".jinja2", ".j2")) else f"{name}.jinja"
    return f"{folder / file}: there is no template {name!r} to go before{did_you_mean(name, ours)}"


def _inside(folder: Path, path: Path) -> Path:
    """Return ``path``. UserError when it is no file or when a symbolic link leads out of ``folder``."""
    try:
        target = path.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # a link to nowhere, or to itself
        raise UserError(f"{path}: a link that leads to no file") from error
    if not target.is_relative_to(folder.resolve()):
        raise UserError(f"{path}: a link out of the folder of templates; put a copy of the file there")
    if not target.is_file():
        raise UserError(f"{path}: is not a file")
    return path


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_SOURCE + 1)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    if len(raw) > MAX_SOURCE:
        raise UserError(f"{path}:1: a template of more than {MAX_SOURCE:,} bytes; make it shorter")
    return raw


def _load(name: str, path: Path, variables: Set[str]) -> Template:
    raw = _read(path)
    environment = Sandbox()
    try:
        tree = environment.parse(raw.decode("utf-8-sig"))
        unknown = check(tree, str(path), variables)
        if unknown:
            raise UserError("\n".join(unknown))
        bound_loops(tree)
        code = environment.compile(tree, name, str(path))
    except jinja2.TemplateSyntaxError as error:
        raise UserError(f"{path}:{error.lineno}: {error.message}") from error
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}:{line}: not UTF-8; save the file as UTF-8") from error
    except RecursionError as error:
        raise UserError(f"{path}:1: nested too deeply to be read, in parentheses or branches") from error
    except ValueError as error:
        raise UserError(f"{path}:1: holds a number of too many digits") from error
    compiled = jinja2.Template.from_code(environment, code, {})
    user = next(block for block in tree.find_all(nodes.Block) if block.name == "user")
    return Template(name, path, hashlib.sha256(raw).hexdigest(), compiled, user.lineno)
