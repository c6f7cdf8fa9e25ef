"""Templates: what they may hold, what they render, whose file goes first."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jinja2 import Environment, meta
from pydantic import BaseModel

import prompts
from synth.errors import UserError
from synth.steps import STEPS
from synth.template_sandbox import MAX_CONTENT
from synth.templates import Template, Templates, prompt_hash

Write = Callable[..., Template]
SHIPPED = sorted(path.relative_to(prompts.ROOT).with_suffix("").as_posix() for path in prompts.ROOT.rglob("*.jinja"))


def user(body: str) -> str:
    return "{% block user %}" + body + "{% endblock %}"


@pytest.fixture
def ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the place of the shipped templates."""
    root = tmp_path / "ours"
    (root / "demo").mkdir(parents=True)
    (root / "demo" / "ask.jinja").write_text(user("ours: {{ passage }}"))
    (root / "demo" / "score.jinja").write_text(user("score"))
    monkeypatch.setattr(prompts, "ROOT", root)
    return root


@pytest.fixture
def template(ours: Path) -> Write:
    """Load a source that may use the given variables."""

    def write(source: str | bytes, *variables: str) -> Template:
        path = ours / "demo" / "ask.jinja"
        path.write_bytes(source if isinstance(source, bytes) else source.encode())
        return Templates().load("demo/ask", frozenset(variables))

    return write


def rendered(template: Template, **variables: object) -> str:
    """Return the content of the user message."""
    return template.render(**variables)[-1]["content"]


@dataclass(frozen=True)
class Finding:
    name: str
    items: tuple[str, ...] = ()
    _hidden: str = "secret"

    def method(self) -> str:
        return "called"


class Patient(BaseModel):
    age: int
    complaint: str


# --- what a template makes -------------------------------------------------------------------------------------------


def test_system_and_user_become_stripped_messages(template: Write) -> None:
    source = """{# notes #}
{% block system %}

  Write in {{ language }}.
{% endblock %}

{% block user %}
{% for turn in turns %}
  {% if loop.first %}
First {{ turn.speaker|upper }}: {{ turn.text }}
  {% else %}
{{ loop.index }}/{{ loop.length }} {{ turn["text"] }}
  {% endif %}
{% endfor %}
{{ "last" if turns|length > 1 else "only" }}
{% endblock %}
"""
    turns = [{"speaker": "patient", "text": "I cough."}, {"speaker": "doctor", "text": "Since when?"}]
    assert template(source, "language", "turns").render(language="en", turns=turns) == [
        {"role": "system", "content": "Write in en."},
        {"role": "user", "content": "First PATIENT: I cough.\n2/2 Since when?\nlast"},
    ]


def test_empty_system_is_left_out_and_empty_user_is_an_error(template: Write) -> None:
    loaded = template("{% block system %}{{ a }}{% endblock %}\n" + user("{{ b }}"), "a", "b")
    assert loaded.render(a=" \n", b="x") == [{"role": "user", "content": "x"}]
    with pytest.raises(UserError, match=r"ask\.jinja:2: the user message comes out empty"):
        loaded.render(a="x", b=" \n")


@given(st.text(), st.text())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_text_comes_out_literally_in_its_place(template: Write, passage: str, other: str) -> None:
    loaded = template(user("<{{ passage }}|{% for x in xs %}{{ x }}{% endfor %}|{{ xs|join('') }}>"), "passage", "xs")
    assert rendered(loaded, passage=passage, xs=[other]) == f"<{passage}|{other}|{other}>"


@pytest.mark.parametrize(
    "text",
    ["{{ 7*7 }}", "{% block user %}x{% endblock %}", "{# gone #}", "{% endblock %}", "{{ passage }}", "<b>&amp;'\""],
)
def test_a_value_is_never_a_template(template: Write, text: str) -> None:
    loaded = template(user("{{ passage }} {{ case.note }} {{ case|tojson }}"), "passage", "case")
    quoted = text.replace('"', '\\"')
    assert rendered(loaded, passage=text, case={"note": text}) == f'{text} {text} {{"note": "{quoted}"}}'


def test_json_is_for_models_not_for_html(template: Write) -> None:
    value = {
        "é": "<5 & >3 'µg'",
        "a": [None, True, 1.5],
        "f": Finding("ödem", ("x",)),
        "p": Patient(age=3, complaint="Fieber"),
    }
    assert rendered(template(user("{{ v|tojson }}"), "v"), v=value) == (
        '{"é": "<5 & >3 \'µg\'", "a": [null, true, 1.5], '
        '"f": {"name": "ödem", "items": ["x"], "_hidden": "secret"}, "p": {"age": 3, "complaint": "Fieber"}}'
    )
    assert rendered(template(user("{{ v|tojson(indent=2) }}"), "v"), v=[1]) == "[\n  1\n]"


def test_fields_of_dataclasses_models_and_mappings(template: Write) -> None:
    source = user(
        "{{ f.name }} {{ f.items|join(', ') }} {{ p.age }} {{ m.items }} {{ m['keys'] }} {{ xs[0] }}{{ xs[-1] }}"
    )
    content = rendered(
        template(source, "f", "p", "m", "xs"),
        f=Finding("rash", ("red", "dry")),
        p=Patient(age=61, complaint="cough"),
        m={"items": "a key before a method", "keys": 2},
        xs=(1, 2, 3),
    )
    assert content == "rash red, dry 61 a key before a method 2 13"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("{{ t|trim|upper }}", "WORDS AND MORE"),
        ("{{ t|length }} {{ xs|first }} {{ xs|last }}", "16 b a"),
        ("{{ '4.6'|int }} {{ 'x'|int(-1) }}", "4 -1"),
        ("{{ r|round(2) }} {{ r|round|int }}", "2.72 3"),
        ("{% if gone is defined and gone %}a{% elif t is string and not xs is mapping %}b{% endif %}", "b"),
        ("{% for x in xs if x != 'a' %}{{ x }}{% else %}none{% endfor %}", "b"),
        ("{% for k in m %}{{ k }}{% endfor %}", "uv"),
        ("{% for a, b in pairs %}{{ a }}={{ b }};{% endfor %}", "1=2;3=4;"),
        ("{% if 'and' in t and 1 < r <= 3 %}yes{% endif %}", "yes"),
        ("{{ 'a' if r > 2 else 'b' }}{{ 'c' if r > 9 }}", "a"),
        ("{% raw %}{{ raw }}{% endraw %}", "{{ raw }}"),
    ],
)
def test_what_is_allowed_works(template: Write, body: str, expected: str) -> None:
    loaded = template(user(body), "t", "xs", "r", "m", "pairs", "gone")
    values = {"t": " words and more ", "xs": ["b", "a"], "r": 2.718, "m": {"u": 1, "v": 2}, "pairs": [(1, 2), (3, 4)]}
    assert rendered(loaded, **values) == expected


# --- what a template may not hold ------------------------------------------------------------------------------------

ESCAPES = {
    "three loops": "{% for a in xs %}{% for b in xs %}{% for c in xs %}x{% endfor %}{% endfor %}{% endfor %}",
    "three loops through if": "{% for a in xs %}{% for b in xs %}{% if a %}{% for c in xs %}{% endfor %}{% endif %}"
    "{% endfor %}{% endfor %}",
    "loop in a loop's else": "{% for a in xs %}{% for b in xs %}{% else %}{% for c in b %}{% endfor %}"
    "{% endfor %}{% endfor %}",
    "recursive": "{% for a in xs recursive %}x{% endfor %}",
    "range": "{% for a in range(10**9) %}x{% endfor %}",
    "range printed": "{{ range(10**9)|length }}",
    "loop over a string": "{% for a in 'abc' %}x{% endfor %}",
    "loop over a filter": "{% for a in xs|join %}x{% endfor %}",
    "loop over a list": "{% for a in [1, 2] %}x{% endfor %}",
    "loop over a choice": "{% for a in (xs if t else xs) %}x{% endfor %}",
    "loop called loop": "{% for loop in xs %}x{% endfor %}",
    "loop into an attribute": "{% for t.x in xs %}x{% endfor %}",
    "repeat": "{{ 'x' * 10**9 }}",
    "repeat a value": "{{ t * 1000000000 }}",
    "percent": "{{ '%1000000000d' % 1 }}",
    "power": "{{ 10**(10**7) }}",
    "plus": "{{ t + t }}",
    "minus a value": "{{ -t }}",
    "divide": "{{ 1 / 0 }}",
    "center": "{{ 'x'|center(10**9) }}",
    "center constant": "{{ 'x'|center(1000000000) }}",
    "indent": "{{ t|indent(1000000000) }}",
    "format filter": "{{ '%1000000000d'|format(1) }}",
    "replace": "{{ t|replace('a', 'aaaa')|replace('a', 'aaaa') }}",
    "wide json": "{{ t|tojson(indent=1000000000) }}",
    "json indent by text": "{{ t|tojson(indent=t) }}",
    "round by a power": "{{ t|round(1000000000, 'ceil') }}",
    "round by method": "{{ t|round(1, 'ceil') }}",
    "int base": "{{ t|int(0, 16) }}",
    "join by a value": "{{ xs|join(t) }}",
    "join attribute": "{{ xs|join(',', attribute='__class__') }}",
    "star arguments": "{{ xs|join(*xs) }}",
    "double star arguments": "{{ xs|join(**t) }}",
    "doubling": "{% set a = 'xx' %}" + "{% set a = a ~ a %}" * 40 + "{{ a }}",
    "tilde": "{{ t ~ t }}",
    "long constant": "{{ '" + "x" * 1001 + "' }}",
    "long constant in parts": "{{ '" + "x" * 600 + "' '" + "x" * 600 + "' }}",
    "long number": "{{ " + "9" * 4000 + " }}",
    "too long number": "{{ " + "9" * 5000 + " }}",
    "long hexadecimal number": "{{ 0x" + "f" * 20_000 + " }}",
    "infinite number": "{{ 1e999 }}",
    "parentheses": "{{ " + "(" * 5000 + "t" + ")" * 5000 + " }}",
    "unclosed parentheses": "{{ " + "(" * 50_000,
    "not not not": "{{ " + "not " * 5000 + "t }}",
    "long chain": "{{ t" + ".a" * 5000 + " }}",
    "long and": "{{ t" + " and t" * 5000 + " }}",
    "deep if": "{% if t %}" * 150 + "{% endif %}" * 150,
    "many elif": "{% if t %}" + "{% elif t %}" * 800 + "{% endif %}",
    "many expressions": "{{ t }}" * 10_000,
    "many comparisons": "{{ 1" + " < 2" * 20_000 + " }}",
    "class": "{{ t.__class__ }}",
    "class of a constant": "{{ ''.__class__.__mro__ }}",
    "class by item": "{{ t['__class__'] }}",
    "class by filter": "{{ t|attr('__class__') }}",
    "class by map": "{{ xs|map(attribute='__class__')|join }}",
    "class by format": "{{ '{0.__class__}'.format(t) }}",
    "class by format_map": "{{ '{a.__class__}'.format_map(t) }}",
    "class by hidden name": "{{ t['\\x5f_class__'] }}",
    "class by joined name": "{{ t['__cla' 'ss__'] }}",
    "class by built name": "{{ t['__cla' ~ 'ss__'] }}",
    "class by name in a value": "{{ t[xs] }}",
    "class in a loop": "{% for a in t.__class__.__subclasses__() %}x{% endfor %}",
    "class in a test": "{% if t.__class__ is defined %}x{% endif %}",
    "class in a loop's condition": "{% for a in xs if a.__class__ %}x{% endfor %}",
    "class in an else": "{% for a in xs %}x{% else %}{{ xs.__class__ }}{% endfor %}",
    "class in an elif": "{% if t %}x{% elif t.__class__ %}y{% endif %}",
    "class in a choice": "{{ 'x' if t else t.__class__ }}",
    "class in a comparison": "{{ 1 < t.__class__ }}",
    "attribute of a constant": "{{ 'x'.upper }}",
    "method call": "{{ t.upper() }}",
    "slice": "{{ t[:3] }}",
    "list": "{{ [t, t]|tojson }}",
    "mapping": "{{ {'a': t}|tojson }}",
    "tuple": "{{ (t, t)|tojson }}",
    "include": "{% include 'demo/score.jinja' %}",
    "import": "{% import 'demo/score.jinja' as m %}",
    "from import": "{% from 'demo/score.jinja' import m %}",
    "extends": "{% extends 'demo/score.jinja' %}",
    "macro": "{% macro m() %}x{% endmacro %}{{ m() }}",
    "set": "{% set a = 1 %}{{ a }}",
    "set block": "{% set a %}x{% endset %}",
    "with": "{% with a = 1 %}x{% endwith %}",
    "call": "{% call t() %}x{% endcall %}",
    "filter block": "{% filter upper %}x{% endfilter %}",
    "autoescape": "{% autoescape true %}x{% endautoescape %}",
    "do": "{% do t %}",
    "break": "{% for a in xs %}{% break %}{% endfor %}",
    "trans": "{% trans %}x{% endtrans %}",
    "debug": "{% debug %}",
    "namespace": "{% set ns = namespace(a=1) %}",
    "namespace printed": "{{ namespace }}",
    "cycler": "{{ cycler('a').next() }}",
    "cycler's globals": "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "lipsum": "{{ lipsum(n=100000) }}",
    "lipsum's globals": "{{ lipsum.__globals__['os'] }}",
    "joiner": "{{ joiner(',')() }}",
    "dict": "{{ dict(a=1) }}",
    "self": "{{ self.user() }}",
    "self without call": "{{ self.user }}",
    "super": "{{ super() }}",
    "loop alone": "{% for a in xs %}{{ loop }}{% endfor %}",
    "loop by item": "{% for a in xs %}{{ loop['index'] }}{% endfor %}",
    "loop's context": "{% for a in xs %}{{ loop._iterable }}{% endfor %}",
    "loop's cycle": "{% for a in xs %}{{ loop.cycle }}{% endfor %}",
    "loop in a loop's condition": "{% for a in xs if loop.first %}x{% endfor %}",
    "loop in an inner loop's condition": "{% for a in xs %}{% for b in xs if loop.first %}x{% endfor %}{% endfor %}",
    "loop outside of a loop": "{{ loop.index }}",
    "loop after a loop": "{% for a in xs %}{% else %}{{ loop.index }}{% endfor %}",
    "test with argument": "{{ t is divisibleby(3) }}",
    "test callable": "{{ t is callable }}",
    "unknown filter": "{{ t|nosuch }}",
    "safe": "{{ t|safe }}",
    "pprint": "{{ t|pprint }}",
    "block in a block": "{% block system %}x{% endblock %}",
    "unclosed": "{% if t %}",
    "bad expression": "{{ t t }}",
}


@pytest.mark.parametrize("body", ESCAPES.values(), ids=ESCAPES.keys())
@pytest.mark.timeout(5)
def test_escapes_and_bombs_are_refused_when_loading(template: Write, body: str) -> None:
    with pytest.raises(UserError) as caught:
        template("\n" + user("\n" + body), "t", "xs")
    assert re.fullmatch(r"[^\n]+/demo/ask\.jinja:[123]: [^\n]{5,500}", str(caught.value))


BOMBS = {
    "json of json": "{{ t" + "|tojson" * 30 + " }}",
    "join of join": "{{ xs|join('" + "x" * 900 + "')|join('" + "y" * 900 + "')|join('z') }}",
    "wide join": "{{ many|join('" + "x" * 900 + "')|length }}",
    "letters": "{% for a in t %}{% for b in t %}{% if false %}x{% endif %}{% endfor %}{% endfor %}",
    "many items": "{% for a in many %}{% for b in many %}{% endfor %}{% endfor %}",
    "long constant in loops": "{% for a in xs %}{% for b in xs %}"
    + "{{ '"
    + "x" * 1000
    + "' }}{% endfor %}{% endfor %}",
    "a method": "{{ t.upper }}",
    "a method as a condition": "{% if t.upper %}x{% endif %}",
    "format as a method": "{{ t.format }}",
    "format as an item": "{{ t['format'] }}",
    "a method through a filter": "{{ xs.append|upper }}",
    "a method in JSON": "{{ t.format|tojson }}",
    "a model's method": "{{ p.model_dump }}",
    "a class": "{{ c }}",
    "an object": "{{ o }}",
    "a missing key": "{{ m.gone }}",
    "an item of a number": "{{ n[0].x }}",
    "nothing": "{{ nothing }}",
    "round of a text": "{{ t|round }}",
    "set": "{% for x in s %}x{% endfor %}",
    "set in JSON": "{{ s|tojson }}",
    "not a number": "{{ nan|tojson }}",
}


@pytest.mark.parametrize("body", BOMBS.values(), ids=BOMBS.keys())
@pytest.mark.timeout(5)
def test_what_only_values_show_is_refused_when_rendering(template: Write, body: str) -> None:
    values: dict[str, object] = {
        "t": '"\\' * 4000, "xs": list(range(100)), "many": list(range(5000)), "m": {"a": 1}, "n": 1, "nothing": None,
        "p": Patient(age=1, complaint="x"), "c": Patient, "o": object(), "s": {"a", "b"}, "nan": float("nan"),
    }  # fmt: skip
    loaded = template("\n" + user("\nwords " + body), *values)
    with pytest.raises(UserError) as caught:
        loaded.render(**values)
    assert re.fullmatch(r"[^\n]+/demo/ask\.jinja:[23]: [^\n]{5,500}", str(caught.value))


def test_output_has_a_limit(template: Write) -> None:
    loaded = template(user("{{ a }}{{ b }}"), "a", "b")
    half = "x" * (MAX_CONTENT // 2)
    assert len(rendered(loaded, a=half, b=half)) == MAX_CONTENT
    with pytest.raises(UserError, match="more than 4,000,000 characters"):
        loaded.render(a=half, b=half + "x")


@pytest.mark.parametrize(
    ("source", "finding"),
    [
        ("{# a #}\n\nHello\n" + user("x"), r":3: text outside of the blocks"),
        (user("x") + "\n{{ t }}", r":2: printing outside of the blocks"),
        (user("x") + "\n{% if t %}{% endif %}", r":2: \{% if %\} outside of the blocks is not allowed"),
        ("{% block system %}x{% endblock %}", r":1: a template needs \{% block user %\}"),
        ("", r":1: a template needs"),
        (user("x") + "\n" + user("y"), r":2: a second block 'user'"),
        ("\n{% block usr %}x{% endblock %}", r":2: the block 'usr' \(there are: system, user\)"),
        ("{% block user scoped %}x{% endblock %}", r":1: a scoped or required block"),
        (b"{% block user %}\n\xff{% endblock %}", r":2: not UTF-8"),
        (user("x" * 100_000), r":1: a template of more than 100,000 bytes"),
    ],
)
def test_frame_of_a_template(template: Write, source: str | bytes, finding: str) -> None:
    with pytest.raises(UserError, match=finding):
        template(source, "t")


def test_a_byte_order_mark_is_no_text(template: Write) -> None:
    assert rendered(template(b"\xef\xbb\xbf" + user("x").encode())) == "x"


def test_refusal_names_place_thing_and_rule(template: Write, ours: Path) -> None:
    with pytest.raises(UserError) as caught:
        template(user("a\nb\n{{ t.strip() }}"), "t")
    assert str(caught.value) == (
        f"{ours}/demo/ask.jinja:3: a call is not allowed in a template "
        "(no calls, no arithmetic, no imports; loops over inputs only)"
    )


def test_unknown_variables_are_listed_at_once(template: Write, ours: Path) -> None:
    body = "{{ pasage }}\n{% for x in xs %}{{ x }}{{ xss }}{% endfor %}\n{{ zzz }}{{ passage }}"
    with pytest.raises(UserError) as caught:
        template(user(body), "passage", "language", "xs")
    uses, where = "this template may use: language, passage, xs", f"{ours}/demo/ask.jinja"
    assert str(caught.value).splitlines() == [
        f"{where}:1: unknown variable 'pasage'; {uses}; did you mean 'passage'?",
        f"{where}:2: unknown variable 'xss'; {uses}; did you mean 'xs'?",
        f"{where}:3: unknown variable 'zzz'; {uses}",
    ]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("a\n{{ passage }}", ["'passage' is undefined", "handed to this template: case, language"]),
        ("a\n{{ case.age }}", ["no attribute 'age'"]),
        ("a\n{{ case['age'] }}", ["no attribute 'age'"]),
        ("a\n{% for x in passage %}{% endfor %}", ["'passage' is undefined"]),
        ("a\n{{ passage|join }}", ["'passage' is undefined"]),
        ("a\n{{ passage|tojson }}", ["'passage' is undefined"]),
        ("a\n{% if passage %}{% endif %}", ["'passage' is undefined"]),
        ("a\n{{ passage.x.y }}", ["'passage' is undefined"]),
    ],
)
def test_what_is_missing_is_named(template: Write, ours: Path, body: str, words: list[str]) -> None:
    loaded = template(user(body), "passage", "language", "case")
    with pytest.raises(UserError) as caught:
        loaded.render(language="en", case={"sex": "f"})
    message = str(caught.value)
    assert message.startswith(f"{ours}/demo/ask.jinja:2: ")
    assert [word for word in words if word not in message] == []


# --- whose file ------------------------------------------------------------------------------------------------------


def test_a_file_of_the_user_goes_before_ours(ours: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    (mine / "demo").mkdir(parents=True)
    (mine / "README.md").write_text("notes")
    (mine / "demo" / "ask.jinja").write_text(user("mine: {{ passage }}"))
    ask = Templates(mine).load("demo/ask", {"passage"})
    assert ask.render(passage="p") == [{"role": "user", "content": "mine: p"}]
    assert (ask.name, ask.path) == ("demo/ask", mine / "demo" / "ask.jinja")
    assert ask.sha256 == hashlib.sha256(ask.path.read_bytes()).hexdigest()
    assert Templates(mine).load("demo/score", set()).path == ours / "demo" / "score.jinja"
    assert rendered(Templates().load("demo/ask", {"passage"}), passage="p") == "ours: p"


@pytest.mark.parametrize(
    ("file", "hint"),
    [
        ("demo/aks.jinja", "no template 'demo/aks' to go before; did you mean 'demo/ask'?"),
        ("ask.jinja", "no template 'ask' to go before"),
        ("demo/ask.jinja2", "did you mean 'demo/ask'?"),
    ],
)
def test_a_file_that_would_never_be_used_is_named(ours: Path, tmp_path: Path, file: str, hint: str) -> None:
    stray = tmp_path / "mine" / file
    stray.parent.mkdir(parents=True)
    stray.write_text(user("x"))
    with pytest.raises(UserError) as caught:
        Templates(tmp_path / "mine")
    assert str(caught.value).startswith(f"{stray}: ")
    assert hint in str(caught.value)


def test_the_folder_must_exist(ours: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "none", tmp_path / "file"):
        with pytest.raises(UserError, match="no such folder"):
            Templates(folder)


@pytest.mark.parametrize("kind", ["file", "folder", "nowhere", "loop", "directory"])
def test_links_out_of_the_folder_are_refused(ours: Path, tmp_path: Path, kind: str) -> None:
    mine, secret = tmp_path / "mine", tmp_path / "mine_too" / "ask.jinja"
    secret.parent.mkdir()
    secret.write_text(user("secret"))
    mine.mkdir()
    if kind == "folder":
        (mine / "demo").symlink_to(secret.parent)
    else:
        (mine / "demo").mkdir()
        link = mine / "demo" / "ask.jinja"
        match kind:
            case "file":
                link.symlink_to(secret)
            case "nowhere":
                link.symlink_to(tmp_path / "gone")
            case "loop":
                link.symlink_to(link)
            case "directory":
                link.mkdir()
    with pytest.raises(UserError, match=r"demo/ask\.jinja: (a link out of the|a link that leads to no|is not a) f"):
        Templates(mine)


def test_links_inside_the_folder_are_fine(ours: Path, tmp_path: Path) -> None:
    real = tmp_path / "real"
    (real / "shared").mkdir(parents=True)
    (real / "shared" / "text").write_text(user("linked"))
    (real / "demo").mkdir()
    (real / "demo" / "ask.jinja").symlink_to(os.path.join("..", "shared", "text"))
    (tmp_path / "mine").symlink_to(real)
    assert rendered(Templates(tmp_path / "mine").load("demo/ask", set())) == "linked"


@pytest.mark.parametrize(
    "name", ["../demo/ask", "demo/../demo/ask", "/etc/passwd", "demo\\ask", "", "demo/ask.jinja", "."]
)
def test_names_are_plain(ours: Path, name: str) -> None:
    with pytest.raises(UserError, match="no name of a template"):
        Templates().load(name, set())


def test_an_unknown_name_gets_the_nearest(ours: Path) -> None:
    with pytest.raises(UserError, match="there is no template 'demo/scores'; did you mean 'demo/score'"):
        Templates().load("demo/scores", set())


def test_hash_of_a_set_knows_content_and_name_but_no_order(ours: Path) -> None:
    ask, score = Templates().load("demo/ask", {"passage"}), Templates().load("demo/score", set())
    before = prompt_hash([ask, score])
    assert re.fullmatch("[0-9a-f]{16}", before)
    assert prompt_hash(iter([score, ask])) == before
    assert prompt_hash([ask]) != before
    score.path.write_text(user("score!"))
    assert prompt_hash([ask, Templates().load("demo/score", set())]) != before
    assert before == prompt_hash([score, ask])


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_templates_pass(name: str) -> None:
    source = (prompts.ROOT / f"{name}.jinja").read_text(encoding="utf-8")
    declared = [step.variables for step in STEPS.values() if step.template == name]
    for variables in declared or [frozenset(meta.find_undeclared_variables(Environment().parse(source)))]:
        assert Templates().load(name, variables).name == name
    assert re.findall(r"{%-? *block (\w+)", source) in (["system", "user"], ["user"])
