"""The working of shapes and costs says what the rules compute: every text is evaluated, for every op and every net of the zoo."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

import pytest

from archc.compiler.driver import check
from archc.compiler.ir.graph import Graph
from archc.compiler.ir.types import TensorType
from archc.compiler.ops import OPS
from archc.compiler.ops.op import Op, op_of
from archc.compiler.ops.working import AXES, Working, total, window_terms
from archc.compiler.sources import zoo

from .op_cases import CASES, Case
from .sweep import sweep


def evaluate(terms: str) -> Fraction:
    """The value of the terms, exactly: a division that does not come out even stays a fraction."""
    assert set(terms) <= set("0123456789 ·−+/(),ceilmax"), terms
    numbers = "".join(f"Fraction({part})" if part.isdigit() else part for part in tokens(terms))
    return Fraction(eval(numbers, {"Fraction": Fraction, "ceil": ceil, "max": max}))


def tokens(terms: str) -> list[str]:
    """The terms as Python writes them, in numbers and what stands between."""
    found: list[str] = []
    for c in terms.replace("·", "*").replace("−", "-"):
        if c.isdigit() and found and found[-1].isdigit():
            found[-1] += c
        else:
            found.append(c)
    return found


def check_working(op: Op, x: tuple[TensorType, ...]) -> None:
    """Fails where a text does not give its result, or a result is not what the rule says."""
    y = op.infer(*x)
    shape, params, macs = op.shape_working(*x), op.param_working(*x), op.mac_working(y, *x)
    for each in (*shape, *params, *macs):
        assert evaluate(each.terms) == each.result, each
    stated = {each.name: each.result for each in shape}
    assert len(stated) == len(shape) and set(stated) <= set(AXES)
    if x and not y.is_control:
        kept = x[0].sizes if x[0].rank == y.rank else (None,) * (y.rank - 1)
        assert tuple(stated.get(axis, size) for axis, size in zip(AXES, kept, strict=False)) == y.sizes
    assert {w.name: w.result for w in params} == {name: p.elements for name, p in op.params(*x).items()}
    assert [w.name for w in params if w.note] == [name for name, p in op.params(*x).items() if p.buffer]
    assert sum(w.result for w in macs) == op.macs(y, *x)
    assert bool(macs) == bool(op.macs(y, *x))


@sweep("case", CASES)
def test_an_ops_working_is_its_rules(case: Case) -> None:
    check_working(OPS[case.op](**case.fields), tuple(TensorType(("N", *sizes)) for sizes in case.inputs))


def test_every_op_is_asked() -> None:
    assert {case.op for case in CASES} == {name for name, op in OPS.items() if not op.is_internal}


@pytest.mark.parametrize("kernel", [2, 3])
@pytest.mark.parametrize("stride", [1, 2, 3, 5])
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_a_pools_working_drops_the_windows_that_the_rule_drops(kernel: int, stride: int, ceil_mode: bool) -> None:
    """Sizes, paddings and strides together, as a window in the padding alone shows up in few of them."""
    for size in range(kernel, 13):
        for before in range(kernel // 2 + 1):
            for after in range(kernel // 2 + 1):
                sides = [before, 0, after, 0]
                pool = OPS["max_pool"](kernel=[kernel, 1], stride=[stride, 1], padding=sides, ceil_mode=ceil_mode)
                check_working(pool, (TensorType(("N", 2, size, 4)),))


def graph_of(name: str) -> Graph | None:
    return check(name).graph


@pytest.mark.slow
def test_every_node_of_the_zoo_has_a_working_that_holds() -> None:
    seen = set()
    for name in zoo():
        graph = graph_of(name)
        for node in graph.nodes if graph else ():
            key = (node.op, node.input_types)
            if key not in seen:
                seen.add(key)
                check_working(op_of(node), node.input_types)
    assert len(seen) > 1000


@pytest.mark.parametrize(
    ("terms", "text"),
    [
        (window_terms(224, 3, 3, 7, 2), "(224 + 2·3 − 7) // 2 + 1"),
        (window_terms(112, 0, 0, 3, 2, rounded_up=True), "ceil((112 − 3) / 2) + 1"),
        (window_terms(112, 0, 1, 3, 2), "(112 + 0 + 1 − 3) // 2 + 1"),
        (window_terms(28, 2, 2, 3, 1, dilation=2), "(28 + 2·2 − 2·(3 − 1) − 1) // 1 + 1"),
        (total([64, 32, 32, 32, 16]), "64 + 3·32 + 16"),
    ],
)
def test_terms_are_written_as_the_lecture_writes_them(terms: str, text: str) -> None:
    assert terms == text


def test_an_example() -> None:
    conv = OPS["conv"](out=64, kernel=7, stride=2, padding=3, bias=False)
    x = TensorType(("N", 3, 224, 224))
    assert conv.shape_working(x)[1] == Working("H", "(224 + 2·3 − 7) // 2 + 1", 112)
    assert conv.param_working(x) == (Working("weight", "64 · 3/1 · 7·7", 9408),)
    assert conv.mac_working(conv.infer(x), x) == (Working("MACs", "64·112·112 · 3/1 · 7·7", 118013952),)
