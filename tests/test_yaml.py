"""YAML with places: scalars of the 1.2 core schema, where each fault is said to be, and that nothing else ever comes out."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archc.compiler.diagnostics import Collector, Source
from archc.compiler.frontend import located_yaml
from archc.compiler.frontend.decoding import decode_text
from archc.compiler.frontend.located_yaml import Located, parse_yaml, plain_value
from archc.compiler.limits import Limits


def read(data):
    """The node, and the diagnostics as (code, line, column)."""
    diagnostics = Collector()
    source = decode_text(data.encode() if isinstance(data, str) else data, "s.yaml", diagnostics)
    node = parse_yaml(source, diagnostics) if source else None
    return node, [(d.code, d.span.line, d.span.column) for d in diagnostics]


@pytest.mark.parametrize("text, value", [
    ("0x10", 16), ("0o12", 10), ("+8", 8), ("-0", 0), (".5", 0.5), ("1.", 1.0), ("1.E-3", 1e-3), ("1e-3", 1e-3), ("-.inf", -math.inf),
    ("true", True), ("True", True), ("TRUE", True), ("false", False), ("null", None), ("~", None), ("", None),
    ("no", "no"), ("on", "on"), ("tRUE", "tRUE"), ("1_000", "1_000"), ("1:30", "1:30"), ("0b1", "0b1"), ("+0x10", "+0x10"), ("0o8", "0o8"),
    ("2024-13-45", "2024-13-45"), ("'1'", "1"), ('"true"', "true"), ("\u0663", "\u0663"), ("1e", "1e"),
])  # fmt: skip
def test_scalars_follow_the_core_schema(text, value):
    node, faults = read(f"a: {text}")
    found = plain_value(node)["a"]
    assert (found, type(found), faults) == (value, type(value), [])


def test_not_a_number_is_a_float():
    assert math.isnan(plain_value(read("a: .nan")[0])["a"])


def test_a_leading_zero_is_ten_and_a_warning():
    diagnostics = Collector()
    node = parse_yaml(Source("s", "a: 010"), diagnostics)
    assert plain_value(node) == {"a": 10}
    assert [(d.code, d.severity) for d in diagnostics] == [("leading-zero", "warning")]


@pytest.mark.parametrize("text, fault", [
    ("a: 1\nb: 2\na: 3\n", ("duplicate-key", 3, 1)), ("{a: 1, 'a': 2}", ("duplicate-key", 1, 8)),
    ("a: !!python/object/apply:os.system [x]", ("yaml-tag", 1, 4)), ("a: ! b", ("yaml-tag", 1, 4)), ("!!map {}", ("yaml-tag", 1, 1)),
    ("# c\r\n%TAG !a! b\n---\na: 1", ("yaml-tag", 2, 1)), ("a: 1\n...\n%TAG ! b\n---\na: 1", ("yaml-tag", 3, 1)),
    ("<<: {a: 1}", ("merge-key", 1, 1)), ("a: 1\n---\nb: 2", ("multiple-documents", 2, 1)),
    ("a: *x", ("alias-undefined", 1, 4)), ("a: &x [*x]", ("alias-recursive", 1, 8)),
    ("1: a", ("key-not-a-string", 1, 1)), ("true: a", ("key-not-a-string", 1, 1)), ("? [a]\n: b", ("key-not-a-string", 1, 3)),
    ("a:\n\tb: 1", ("yaml-syntax", 2, 1)), ("a: b: c", ("yaml-syntax", 1, 5)), ("a: @b", ("yaml-syntax", 1, 4)),
    ('a: "\\ud800"', ("control-character", 1, 5)), ('a: "\\UFFFFFFFF"', ("yaml-syntax", 1, 7)),
    ("a: x\0y", ("control-character", 1, 5)), ("a: b\nc: \u2028d", ("control-character", 2, 4)), (b"a: 1\nb: \xe9\n", ("not-utf8", 2, 4)),
    ("a: b".encode("utf-16"), ("not-utf8", 1, 1)), (b"", ("empty-file", 1, 1)), (" \n\n", ("empty-file", 1, 1)), ("# no more", ("empty-file", 1, 1)),
    (b"a" * (Limits().bytes + 1), ("file-too-large", 1, 1)), ("a: " + "9" * 61, ("number-too-large", 1, 4)), ("a: 0x" + "f" * 60, ("number-too-large", 1, 4)),
])  # fmt: skip
def test_each_trap_is_a_diagnostic_at_its_place(text, fault):
    assert read(text)[1] == [fault]


def test_a_second_key_shows_the_first():
    diagnostics = Collector()
    parse_yaml(Source("s", "a: 1\nb: 2\na: 3"), diagnostics)
    (found,) = diagnostics
    assert [(note.span.line, note.span.column) for note in found.notes] == [(1, 1)]


@pytest.mark.parametrize(
    "text, word", [("a:\n\tb: 1", "tab"), ("", "empty"), (b"\xff", "UTF-8"), ("1: a", "integer"), ("~: a", "null")]
)
def test_the_message_names_the_cause(text, word):
    diagnostics = Collector()
    source = decode_text(text.encode() if isinstance(text, str) else text, "s", diagnostics)
    assert source is None or parse_yaml(source, diagnostics) is None
    assert word in next(iter(diagnostics)).message


@pytest.mark.parametrize(
    "text", ["[" * 200_000, "[" * 200_000 + "]" * 200_000, "- " * 20_000 + "x", "{a: " * 20_000 + "!"]
)
def test_depth_is_counted_before_the_c_parser_dies(text):
    assert [code for code, _, _ in read(text)[1]] == ["too-deep"]


def test_depth_counts_what_aliases_stand_for():
    """Each line is 60 deep and holds the line before: 30 such lines would be 1,800 deep."""
    lines = ["a0: &a0 " + "[" * 60 + "]" * 60, *(f"a{i}: &a{i} {'[' * 60}*a{i - 1}{']' * 60}" for i in range(1, 30))]
    assert [code for code, _, _ in read("\n".join(lines))[1]] == ["too-deep"]
    assert read("a: &a [[1]]\nb: [*a, *a]")[1] == []


def test_a_hundred_levels_are_well():
    assert read("[" * 100 + "]" * 100)[1] == []


def test_nodes_are_counted_after_alias_expansion():
    bomb = "a: &a [1]\n" + "".join(
        f"b{i}: &b{i} [*{f'b{i - 1}' if i else 'a'}, *{f'b{i - 1}' if i else 'a'}]\n" for i in range(40)
    )
    assert [code for code, _, _ in read(bomb)[1]] == ["too-many-nodes"]
    assert [code for code, _, _ in read("- a\n" * 60_000)[1]] == ["too-many-nodes"]


def test_an_alias_stands_at_its_own_place_and_its_children_at_theirs():
    entries = read("a: &x [1, 2]\nb: *x\n")[0].value
    alias = entries["b"].value
    assert (alias.span.line, alias.span.column) == (2, 4)
    assert [(i.span.line, i.span.column) for i in alias.value] == [(1, 8), (1, 11)]


@pytest.mark.parametrize("text, style, raw", [
    ("0x10", "", "0x10"), ("'it''s'", "'", "it's"), ('"b"', '"', "b"), ("|\n  t\n", "|", "t\n"), (">\n  t\n", ">", "t\n"),
    ("[1]", "[", ""), ("{b: 1}", "{", ""), ("\n  - 1", "", ""), ("\n  b: 1", "", ""),
])  # fmt: skip
def test_style_and_raw_text_are_kept(text, style, raw):
    node = read(f"a: {text}")[0].value["a"].value
    assert (node.style, node.raw) == (style, raw)
    assert node.is_scalar is (style not in ("[", "{") and bool(raw))


@pytest.mark.parametrize(
    "text", ["\ufeffa: 1", "a: 1\r\n", "a: 1\r", "---\na: 1\n...\n", '{"a": 1}', "%YAML 1.2\n---\na: 1"]
)
def test_the_same_document_in_other_clothes(text):
    node, faults = read(text)
    assert (plain_value(node), faults) == ({"a": 1}, [])


def test_columns_count_characters():
    assert read("\U0001f600: @")[1] == [("yaml-syntax", 1, 4)]


def test_the_pure_parser_answers_the_same(monkeypatch):
    import yaml

    texts = ["a: {b: [1, '2']}", "a: [", "a:\n\tb: 1", "[" * 300 + "]" * 300, 'a: "\\UFFFFFFFF"', 'a: "\\ud800"']
    codes = lambda: [[code for code, _, _ in read(t)[1]] for t in texts]  # noqa: E731
    fast = codes()
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    assert codes() == fast


def test_a_lone_surrogate_of_the_command_line_is_told():
    diagnostics = Collector()
    assert parse_yaml(Source("--set", "a\udc80"), diagnostics) is None
    assert [(d.code, d.span.column) for d in diagnostics] == [("yaml-syntax", 2)]


def test_importing_the_module_does_not_import_yaml():
    code = f"import sys; import {located_yaml.__name__}; sys.exit('yaml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def nothing_else(data):
    node, faults = read(data)
    assert node is None or isinstance(node, Located)
    assert node is not None or faults
    if node is not None:
        plain_value(node)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_bytes_give_a_node_or_diagnostics(data):
    nothing_else(data)


@settings(max_examples=500, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                *"-?:,[]{}#&*!|>'\"%@` \t\n\\~<.a0+xé",
                "&a ",
                "*a",
                "- ",
                ": ",
                "<<",
                "---\n",
                "...",
                "\\u",
                "d800",
                "\n  ",
                "!!int ",
            ]
        )
    )
)
def test_yaml_like_texts_give_a_node_or_diagnostics(parts):
    nothing_else("".join(parts))


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="+-.0123456789eExo_afinN", max_size=80))
def test_number_like_scalars_are_scalars(text):
    """They are a string or a number, and as a part of a word always the string itself."""
    nothing_else(f"a: {text}")
    node, faults = read(f"a: z{text}")
    assert plain_value(node) == {"a": f"z{text}"} and not faults
