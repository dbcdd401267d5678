"""Which sizes of image a net takes: held against trial, size by size, over the shape rules and in torch."""

from __future__ import annotations

import pytest
import torch

from archc.compiler.analysis.cost import cost
from archc.compiler.analysis.input_limits import ANY_SIZE, AxisLimits, input_limits
from archc.compiler.analysis.resize import SizeRefused, resize
from archc.compiler.backends.torch.module import SkipInitialization, to_torch
from archc.compiler.diagnostics import Failure
from archc.compiler.driver import check
from archc.compiler.ir.graph import Graph
from archc.compiler.ir.parse import parse
from archc.compiler.ir.types import TensorType
from archc.compiler.ops import OPS
from archc.compiler.sources import Memory, SpecText

from .families import by_family
from .op_cases import CASES, Case
from .six_nets import NoWeights
from .sweep import sweep
from .test_zoo_builds import MEMBERS


def graph_of(steps: str, height: int = 36, width: int = 36) -> Graph:
    text = f"archspec: 1\nname: net\ninput: {{image: [2, {height}, {width}]}}\ngraph: {steps}\n"
    found = check(SpecText(Memory({}), "net.yaml", text.encode(), "net.yaml"))
    assert found.graph is not None, found.diagnostics
    return found.graph


DOWN_AND_UP = "{concat: [[], [{max_pool: 2}, {conv: {out: 2, kernel: 3, padding: 1}}, {upsample: 2}]]}"
# steps: (smallest, step, largest) height of an image of 36
HEIGHTS: dict[str, tuple[int, int | None, int | None]] = {
    "[{conv: {out: 2, kernel: 5}}, {max_pool: 2}, global_avg_pool]": (6, 1, None),
    "[{conv: {out: 2, kernel: 3, padding: 1}}, global_avg_pool, flatten, {linear: 3}]": (1, 1, None),
    "[{conv: {out: 2, kernel: 3, stride: 4}}, flatten, {linear: 3}]": (35, 1, 38),
    "[{max_pool: 4}, {conv: {out: 2, kernel: 9}}, {linear: 3}]": (36, 1, 39),
    "[flatten, {linear: 3}]": (36, 0, 36),
    f"[{DOWN_AND_UP}]": (2, 2, None),
    "[{concat: [[], [{max_pool: 4}, {upsample: 2}, {conv: {out: 2, kernel: 3}}, {pad: {height: [1, 1], width: [1, 1]}}, {upsample: 2}]]}]": (8, 4, None),
    "[{concat: [[], [{max_pool: 3}, {upsample: 3}]]}, {concat: [[], [{max_pool: 4}, {upsample: 4}]]}]": (12, 12, None),
    "[{concat: [{max_pool: 2}, {max_pool: {kernel: 2, ceil_mode: true}}]}]": (2, 2, None),
    "[{concat: [{max_pool: {kernel: 2, stride: 4}}, {max_pool: {kernel: 2, stride: 4, ceil_mode: true}}]}]": (2, 2, None),
    "[{concat: [[{conv: {out: 2, stride: 2}}, {conv: {out: 2, stride: 2}}], {conv: {out: 2, stride: 4}}]}]": (1, 1, None),
    "[{concat: [[{conv: {out: 2, stride: 2}}, {max_pool: 2}], [{avg_pool: 2}, {conv: {out: 2, stride: 2}}]]}]": (3, 2, None),
    "[{concat: [{max_pool: 2}, {max_pool: {kernel: 2, ceil_mode: true}}]}, flatten, {linear: 2}]": (36, 0, 36),
    "[{slice: {height: [3, 20]}}, {conv: {out: 2, kernel: 3}}]": (20, 1, None),
    "[{slice: {height: [3, 30, 4]}}, flatten, {linear: 2}]": (30, 1, None),
    "[{multiply: [[], [{avg_pool: 12}, {conv: {out: 2, kernel: 3}}]]}]": (36, 1, 47),
    "[{conv: {out: 2, kernel: 3, padding: same, stride: 3}}, {concat: [[], [{max_pool: 2}, {upsample: 2}]]}]": (4, 6, None),
    "[{adaptive_avg_pool: 6}, flatten, {linear: 2}]": (1, 1, None),
    "[{conv: {out: 2, kernel: 3, dilation: 4, padding: 2}}, {avg_pool: {kernel: 3, stride: 2, padding: 1, ceil_mode: true}}]": (5, 1, None),
    "[{group_norm: {groups: 2}}, global_avg_pool]": (1, 1, None),
}  # fmt: skip


@pytest.mark.parametrize("steps", HEIGHTS)
def test_limits_are_those_of_trial(steps: str) -> None:
    graph = graph_of(steps)
    found = input_limits(graph).height
    assert (found.smallest, found.step, found.largest) == HEIGHTS[steps]
    fitting = [size for size in range(1, 200) if takes(graph, size, 36)]
    assert min(fitting) == found.smallest
    assert (found.largest or 199) == max(fitting) if found.largest else max(fitting) > 199 - (found.step or 1)
    steps_that_hold = [
        s for s in range(1, 100) if set(range(found.smallest, (found.largest or 199) + 1, s)) <= set(fitting)
    ]
    if found.step:
        assert found.step == min(
            s for s in steps_that_hold if not found.largest or (found.largest - found.smallest) % s == 0
        )


def takes(graph: Graph, height: int, width: int) -> bool:
    try:
        resize(graph, height, width)
    except SizeRefused:
        return False
    return True


def test_each_axis_has_limits_of_its_own() -> None:
    graph = graph_of("[{conv: {out: 2, kernel: [7, 1], stride: [1, 2]}}, {concat: [[], [{max_pool: [1, 2]}, {upsample: 2}, {max_pool: [2, 1]}]]}]", 20, 32)  # fmt: skip
    rows, columns = input_limits(graph)
    assert (rows.smallest, rows.step, rows.largest) == (7, 1, None)
    assert (columns.smallest, columns.step, columns.largest) == (3, 4, None)
    assert all(takes(graph, 7, width) is ((width + 1) // 2 % 2 == 0) for width in range(1, 40))


def test_an_axis_of_one_leaves_the_other_its_limits() -> None:
    """The other axis is its own smallest size then, which is tried at once."""
    rows, columns = input_limits(graph_of("[{conv: {out: 2, kernel: [5, 1]}}, global_avg_pool]", 36, 1))
    assert (
        (rows.smallest, columns.smallest)
        == (5, 1)
        == cost(graph_of("[{conv: {out: 2, kernel: [5, 1]}}]", 36, 1)).min_input
    )


def test_what_breaks_one_below_is_told() -> None:
    found = input_limits(graph_of("[{name: a, conv: {out: 2, kernel: 3}}, {name: b, max_pool: 4}, flatten]"))
    assert found.height == AxisLimits(6, 1, None, "b", "max_pool's window of 4 does not fit a height of 3")
    assert found.width.reason == "max_pool's window of 4 does not fit a width of 3"
    fixed = input_limits(graph_of("[{max_pool: 4}, flatten, {name: fc, linear: 5}]")).height
    assert fixed == AxisLimits(36, 1, 39, "fc", "its weight is 5 × 162, and would be 5 × 144")


def test_a_large_image_is_searched_by_halving() -> None:
    graph = graph_of(
        "[{conv: {out: 2, kernel: [3, 1], stride: [900, 1]}}, {conv: {out: 2, kernel: [30, 1], stride: [7, 1]}}]", 2**20
    )
    found = input_limits(graph).height
    assert found.smallest == 3 + 29 * 900 == cost(graph).min_input[0] and found.breaks_at == "1"
    assert found.step == 6300 and takes(graph, 2**20 + 6300, 36)  # a whole period, which is not tried size by size


def test_a_net_without_an_image_takes_any() -> None:
    text = "graph net(%x: f32[N,4]) -> (y: f32[N,3]) phase train {\n  %y = linear(%x, out=3) : f32[N,3]\n  return y = %y\n}\n"
    graph = parse(text, OPS)
    assert input_limits(graph) == (ANY_SIZE, ANY_SIZE) and cost(graph).min_input == (1, 1)
    with pytest.raises(Failure, match="`net` takes no image"):
        resize(graph, 8, 8)


SAMPLES = ("inception_v3", "densenet121", "squeezenet1_0", "alexnet_2012", "resnet110_cifar_optA")


@pytest.mark.parametrize("name", SAMPLES)
def test_the_zoos_smallest_images_are_those_of_trial(name: str) -> None:
    check_limits(name)


@by_family(sorted(set(MEMBERS) - set(SAMPLES)))
def test_all_of_the_zoos_smallest_images_are_those_of_trial(name: str) -> None:
    check_limits(name)


def check_limits(name: str) -> None:
    """The smallest size of each axis fits, one less does not, and so do a few steps more: over the shape rules, a size at a time."""
    graph = graph_of_zoo(name)
    limits, own = input_limits(graph), graph.inputs[0].type.sizes[1:]
    assert cost(graph).min_input == limits.smallest
    for axis, found in enumerate(limits):
        assert found.step is not None

        def fits(size: int, axis: int = axis) -> bool:
            return takes(graph, *(size if at == axis else each for at, each in enumerate(own)))

        assert fits(found.smallest) and not (found.smallest > 1 and fits(found.smallest - 1))
        if found.largest is None:
            assert all(fits(found.smallest + times * found.step) for times in (1, 2, 7))
        else:
            assert fits(found.largest) and not fits(found.largest + 1)


def graph_of_zoo(name: str) -> Graph:
    graph = check(name).graph
    assert graph is not None
    return graph


# torch clips a slice that reaches past its end, which archc refuses: ResNets with shortcut A are not among them
FAMILIES = (
    "lenet5_modern",
    "alexnet",
    "vgg11",
    "googlenet_paper",
    "squeezenet1_1",
    "inception_v3",
    "nin_cifar10",
)


@pytest.mark.parametrize("name", FAMILIES)
def test_torch_takes_the_smallest_image_and_none_below(name: str) -> None:
    graph = graph_of_zoo(name).replace(heads=())
    with SkipInitialization(), torch.device("meta"):
        net = to_torch(graph, NoWeights()).eval()
        limits, (height, width) = input_limits(graph), graph.inputs[0].type.sizes[1:]
        for size in ((limits.height.smallest, width), (height, limits.width.smallest)):
            net(torch.zeros(1, graph.inputs[0].type.channels, *size))
        for size in ((limits.height.smallest - 1, width), (height, limits.width.smallest - 1)):
            with pytest.raises(RuntimeError):
                net(torch.zeros(1, graph.inputs[0].type.channels, *size))


def test_a_resized_graph_is_that_of_a_spec_of_the_size() -> None:
    """All values, heads too; `same` padding is worked out anew."""
    steps = (
        "[{conv: {out: 4, kernel: 3, stride: 2, padding: same}}, {name: head, aux: 0.3, steps: [{adaptive_avg_pool: 4}, flatten, {linear: 5}]},"
        " {residual: {body: [{conv: {out: 4, kernel: 3, padding: 1}}, batch_norm, {dropout: 0.5}]}}, {upsample: 2}, global_avg_pool, {linear: 5}]"
    )
    assert resize(graph_of(steps, 36, 30), 41, 64) == graph_of(steps, 41, 64)


def test_a_head_that_does_not_fit_is_left_out() -> None:
    steps = "[{conv: {out: 4, kernel: 3, padding: 1}}, {name: head, aux: 0.3, steps: [{max_pool: 4}, flatten, {linear: 5}]}, global_avg_pool, {linear: 5}]"
    graph = graph_of(steps)
    assert [head.path for head in graph.heads] == ["head"]
    smaller = resize(graph, 20, 20)
    assert not smaller.heads and "head" not in str(smaller)
    assert cost(smaller).params.total == cost(smaller).params.without_aux == cost(graph).params.without_aux
    assert cost(smaller).macs == cost(graph_of(steps, 20, 20)).macs


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((2, 36), "an image of 2×36 does not fit: `a`: conv's window of 3 does not fit a height of 2"),
        ((36, 20), "an image of 36×20 does not fit: `fc`: its weight is 5 × 34, and would be 5 × 18"),
    ],
)
def test_what_does_not_take_a_size_is_told(size: tuple[int, int], message: str) -> None:
    graph = graph_of(
        "[{name: a, conv: {out: 1, kernel: 3}}, {conv: {out: 1, kernel: [34, 1]}}, flatten, {name: fc, linear: 5}]"
    )
    with pytest.raises(SizeRefused) as caught:
        resize(graph, *size)
    assert (caught.value.code, caught.value.exit_code, caught.value.message) == ("input-size", 2, message)


@sweep("case", CASES)
def test_weights_depend_on_channels_alone(case: Case) -> None:
    """What `Op.params` promises, and the search for sizes relies on."""
    op = OPS[case.op](**case.fields)
    larger = [TensorType(("N", shape[0], *(2 * size for size in shape[1:]))) for shape in case.inputs]
    assert op.params(*larger) == op.params(*(TensorType(("N", *shape)) for shape in case.inputs))
