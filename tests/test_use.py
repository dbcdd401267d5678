"""`use: $block` with computed names: its arguments are held against the block or the operation that is chosen."""

from __future__ import annotations

import pytest

from archc.compiler.driver import check

SPEC = """archspec: 1
name: net
params: {{chosen: {{type: step, default: Wide}}}}
input: {{image: [3, 16, 16]}}
blocks:
  Wide:
    params: {{out: int, kernel: {{type: pair, default: 1}}, mode: {{type: string, default: a, choices: [a, b]}}, n: {{type: int, default: 1, max: 4}}}}
    steps: [{{conv: {{out: $out, kernel: $kernel}}}}]
  Plain:
    steps: [relu]
  Stage:
    params: {{block: step}}
    steps: [{{use: $block, with: {{out: 4}}}}]
graph:
  - {step}
"""
STEP = 15  # the line


def checked(tmp_path, step, chosen):
    path = tmp_path / "net.yaml"
    path.write_text(SPEC.format(step=step), "utf-8")
    return check(str(path), [f"chosen={chosen}"])


CHOSEN = [  # what `use: $chosen` chooses, its `with`, and the op that comes of it
    ("Wide", "{out: 4, x-mine: 1}", "conv(out=4)"), ("Wide", "{out: $(2 * x.channels), kernel: 3}", "conv(out=6, kernel=[3, 3])"),
    ("conv", "{out: 4, x-mine: 1}", "conv(out=4)"), ("conv", "{out: $(2 * x.channels), kernel: 3}", "conv(out=6, kernel=[3, 3])"),
    ("Plain", "{}", "relu()"), ("relu", "null", "relu()"),
]  # fmt: skip


@pytest.mark.parametrize(("chosen", "given", "op"), CHOSEN, ids=[f"{c} {g}" for c, g, _ in CHOSEN])
def test_the_chosen_one_takes_the_arguments(tmp_path, chosen, given, op):
    found = checked(tmp_path, f"{{use: $chosen, with: {given}}}", chosen)
    assert not found.diagnostics
    assert [str(node.op) for node in found.graph.nodes] == [op]


WRONG = [  # what `use: ^$chosen` chooses, its `with`, the code and a word that is said; the place is at ^, else at $chosen
    ("Wide", "{out: 4, ^kernl: 3}", "unknown-param", "`kernel`"), ("Plain", "{^out: 4}", "unknown-param", "no parameters"),
    ("Wide", "{kernel: 3}", "missing-param", "{with: {out: …}}"), ("Wide", "null", "missing-param", "{with: {out: …}}"),
    ("Wide", "{out: ^wide}", "wrong-type", "an integer"), ("Wide", "{out: ^$(8 / 2)}", "wrong-type", "4.0"),
    ("Wide", "{out: 4, kernel: ^[1, 2, 3]}", "wrong-type", "a pair"), ("Wide", "{out: 4, kernel: [1, ^-2]}", "out-of-range", "at least 0"),
    ("Wide", "{out: 4, mode: ^c}", "out-of-range", "['a', 'b']"), ("Wide", "{out: 4, n: ^9}", "out-of-range", "at most 4"),
    ("Wide", "{out: $^nope}", "unknown-name", "`nope`"), ("Wide", "^[4]", "wrong-type", "a mapping"),
    ("conv", "{out: 4, ^kernl: 3}", "unknown-key", "`kernel`"), ("relu", "{^out: 4}", "unknown-key", "no fields"),
    ("conv", "{kernel: 3}", "missing-key", "{with: {out: …}}"), ("conv", "null", "missing-key", "{with: {out: …}}"),
    ("conv", "{out: ^four}", "wrong-type", "an integer"), ("conv", "{out: ^0}", "out-of-range", "at least 1"),
    ("conv", "{out: 4, kernel: ^[1, 2, 3]}", "wrong-type", "a pair"), ("conv", "{out: 4, kernel: [1, ^0]}", "out-of-range", "at least 1"),
    ("conv", "{out: 4, bias: ^1}", "wrong-type", "a boolean"), ("conv", "{out: 4, groups: ^2}", "groups-mismatch", "2 groups"),
    ("Wde", "{out: 4}", "unknown-block", "`Wide`"), ("rleu", "null", "unknown-block", "`relu`"),
    ("residual", "null", "unknown-block", "`residual`"), ("add", "null", "unknown-block", "branches"),
    ("path_draw", "{columns: 3, probability: 0.5}", "unknown-block", "`path_draw`"),
]  # fmt: skip


@pytest.mark.parametrize(("chosen", "given", "code", "word"), WRONG, ids=[f"{c} {g}" for c, g, *_ in WRONG])
def test_wrong_arguments_are_told_at_their_place(tmp_path, chosen, given, code, word):
    marked = f"  - {{use: {'' if '^' in given else '^'}$chosen, with: {given}}}"
    (found,) = checked(tmp_path, marked.replace("^", "")[4:], chosen).diagnostics
    assert (found.code, found.span.line, found.span.column) == (code, STEP, marked.index("^") + 1)
    assert word in f"{found.message} {found.help}"


@pytest.mark.parametrize(("chosen", "code"), [("Plain", "unknown-param"), ("relu", "unknown-key")])
def test_a_use_inside_a_block_says_who_called_the_block(tmp_path, chosen, code):
    (found,) = checked(tmp_path, "{Stage: {block: $chosen}}", chosen).diagnostics
    line = SPEC.format(step="").splitlines()[12]
    assert (found.code, found.span.line, found.span.column) == (code, 13, line.index("out") + 1)
    assert [(n.message, n.span.line) for n in found.notes] == [("expanded from `Stage`", STEP)]


def test_each_round_of_a_repeat_is_checked_against_what_it_chooses(tmp_path):
    step = "{repeat: {i: 2}, use: \"$(chosen if i < 1 else 'conv')\", with: {mode: a}}"
    found = checked(tmp_path, step, "Wide").diagnostics
    assert [(d.code, d.notes[0].message) for d in found] == [
        ("missing-param", "expanded from `repeat` i=0"),
        ("unknown-key", "expanded from `repeat` i=1"),
    ]
