"""What the search for sizes relies on: the least input that each op tells, and what an op's shape rule looks at; held against trial."""

from __future__ import annotations

from archc.compiler.diagnostics import Reject
from archc.compiler.ir.types import TensorType
from archc.compiler.ops import OPS
from archc.compiler.ops.op import Op

from .op_cases import CASES, Case
from .sweep import sweep


def own_types(case: Case) -> list[TensorType]:
    return [TensorType(("N", *shape)) for shape in case.inputs]


@sweep("case", [case for case in CASES if len(case.inputs) == 1])
def test_least_input_is_that_of_trial(case: Case) -> None:
    """Nothing below it gives as much. It is the least one itself, but for a vector, where it may be too little."""
    op, (x,) = OPS[case.op](**case.fields), own_types(case)
    result = op.infer(x).lengths
    for changed in range(len(result)):
        for wanted in range(1, result[changed] + 1):
            least = tuple(wanted if axis == changed else 1 for axis in range(len(result)))
            needed = op.least_input(least, x)
            for axis, own in enumerate(x.lengths):
                found = min(n for n in range(1, own + 1) if gives(op, x, with_length(x, axis, n), least))
                assert needed[axis] == found if x.is_image else needed[axis] <= found


def with_length(x: TensorType, axis: int, length: int) -> TensorType:
    at = axis + len(x.sizes) - len(x.lengths)
    return x.with_sizes(*x.sizes[:at], length, *x.sizes[at + 1 :])


def gives(op: Op, own: TensorType, x: TensorType, least: tuple[int, ...]) -> bool:
    """Whether the op takes `x` with the weights that it has for `own`, and gives at least `least`."""
    try:
        return op.params(x) == op.params(own) and all(map(int.__ge__, op.infer(x).lengths, least))
    except Reject:
        return False


@sweep("case", [case for case in CASES if len(case.inputs) > 1])
def test_a_merge_needs_no_more_than_it_has(case: Case) -> None:
    op, x = OPS[case.op](**case.fields), own_types(case)
    for each in x:
        assert all(map(int.__le__, op.least_input(op.infer(*x).lengths, each), each.lengths))


IMAGES = [case for case in CASES if case.inputs and all(len(shape) == 3 for shape in case.inputs)]


@sweep("case", IMAGES)
def test_heights_and_widths_depend_on_those_that_arrive_alone(case: Case) -> None:
    """Neither on channels nor on the order of the inputs, as `Op.infer` promises; the height not on the width."""
    op, own = OPS[case.op](**case.fields), own_types(case)
    if not op.infer(*own).is_image:
        return
    for height in range(1, 14):
        x = [each if each.lengths == (1, 1) else each.with_sizes(each.channels, height, each.width) for each in own]
        found = lengths_of(op, x)
        assert lengths_of(op, x[::-1]) == found
        wider = [each if each.lengths == (1, 1) else with_length(each, 1, each.width + 3) for each in x]
        assert (lengths_of(op, wider) or (0,))[0] == (found or (0,))[0]
        if not op.channels_limit_sizes:
            assert lengths_of(op, [each.with_sizes(12 * each.channels, *each.lengths) for each in x]) == found


def lengths_of(op: Op, x: list[TensorType]) -> tuple[int, ...] | None:
    try:
        return op.infer(*x).lengths
    except Reject:
        return None
