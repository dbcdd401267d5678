"""Drawings say exactly the edges of their nets, and their layouts are sound: over the zoo, specs of every shape, and random nets."""

from __future__ import annotations

import random
from functools import lru_cache
from pathlib import Path

import pytest

import archc
from archc.compiler.sources import zoo
from archc.compiler.view.draw import draw_graph
from archc.compiler.view.drawing import CardItem, Drawing, GroupItem, RepeatItem, exit_of, members
from archc.compiler.view.layout import Layout, initially_open, key_of, lay_out, open_to_depth
from archc.compiler.view.layout_pieces import BOLD, HEADER, shape_text, text_width

from .drawings import find_faults, has_arcs, implied_edges, items_of, live_edges, named_edges, nested_skips, random_net

FEW = ("alexnet", "densenet_40_12_cifar", "fractalnet20_cifar", "googlenet", "inception_v3", "lenet5_1998", "nin_cifar10",
       "preresnet110_cifar_conv", "resnet50", "squeezenet1_0_complex_bypass", "vgg11", "alexnet_ensemble")  # fmt: skip
CONV = "conv: {out: 16, kernel: 3, padding: 1}"
SPECS = {
    "across": f"""
  - {{name: a, {CONV}}}
  - {{name: b, {CONV}}}
  - {{name: c, {CONV}}}
  - {{name: m, add: [[], [{{from: a}}]]}}
  - {{name: d, {CONV}}}
  - {{name: n, concat: [[], [{{from: b}}]]}}
  - {{name: e, concat: [[{{from: a}}], [{{from: d}}], []]}}""",
    "unet": f"""
  - {{name: e1, {CONV}}}
  - {{max_pool: 2}}
  - {{name: e2, {CONV}}}
  - {{max_pool: 2}}
  - {{name: e3, {CONV}}}
  - {{upsample: 2}}
  - {{concat: [[], [{{from: e2}}]]}}
  - {{upsample: 2}}
  - {{concat: [[], [{{from: e1}}]]}}
  - {{name: d1, {CONV}}}""",
    "pyramid": f"""
  - {{name: c1, {CONV}}}
  - {{name: c2, conv: {{out: 16, kernel: 3, padding: 1, stride: 2}}}}
  - {{name: o2, output: p2, {CONV}}}
  - {{from: c2, upsample: 2}}
  - {{name: p1, add: [[], [{{from: c1, conv: 16}}]]}}
  - {{name: o1, output: p1, {CONV}}}""",
    "two tasks": f"""
  - {{name: c, {CONV}}}
  - {{name: boxes, output: boxes, steps: [{{{CONV}}}, relu, {{conv: 4}}]}}
  - {{from: c, name: classes, output: classes, steps: [{{{CONV}}}, relu, {{conv: 9}}]}}""",
    "stages": f"""
  - {{name: c1, output: c1, steps: [{{{CONV}}}, batch_norm, relu]}}
  - {{name: c2, output: c2, steps: [{{{CONV}}}, batch_norm, relu]}}
  - {{name: aux, aux: 0.3, steps: [global_avg_pool, {{linear: 5}}]}}
  - {{name: c3, steps: [{{{CONV}}}, batch_norm, relu]}}""",
    "inner heads": f"""
  - {{name: a, steps: [{{name: x, {CONV}}}, {{name: h, aux: 0.3, steps: [global_avg_pool, {{linear: 5}}]}}, {{name: y, {CONV}}}]}}
  - concat:
      left: [{{{CONV}}}, {{name: h2, aux: 0.2, steps: [global_avg_pool, {{linear: 5}}]}}, relu]
      right: [{{{CONV}}}, relu, {{name: h3, aux: 0.1, steps: [flatten, {{linear: 5}}]}}]""",
    "a head of two values": f"""
  - {{name: a, {CONV}}}
  - {{name: b, {CONV}}}
  - {{name: h, aux: 0.3, steps: [{{concat: [[], [{{from: a, conv: 4}}]]}}, global_avg_pool, {{linear: 3}}]}}
  - {{name: c, {CONV}}}""",
    "one": "\n  - relu",
    "a pool": "\n  - max_pool: 2",
    "nothing": " []",
    "dead": f"""
  - {{name: a, {CONV}}}
  - {{name: unread, {CONV}}}
  - {{from: a, name: b, {CONV}}}""",
    "residuals": f"""
  - {{name: c, {CONV}}}
  - {{residual: {{body: [{{{CONV}}}, relu], shortcut: identity}}}}
  - {{repeat: {{i: 5}}, steps: [{{residual: {{body: [{{{CONV}}}, batch_norm]}}}}, relu]}}
  - {{name: se, multiply: [[], [global_avg_pool, {{conv: 4}}, relu, {{conv: 16}}, sigmoid]]}}""",
    "deep": " [" + "{concat: [[{conv: 4}, " * 20 + "relu" + "], []]}, {conv: 4}" * 20 + "]",
}
SEVERAL = {
    "two inputs": f"""
  - {{from: left, name: a, {CONV}}}
  - {{concat: [[], [{{from: right, name: b, {CONV}}}, relu]]}}
  - relu""",
    "three inputs": f"""
  - {{from: left, name: a, {CONV}}}
  - {{name: m, concat: [[], [{{from: right, name: b, {CONV}}}]]}}
  - {{concat: [[], [{{from: extra}}], [{{from: right}}]]}}""",
}


@lru_cache
def drawing_of(name: str) -> Drawing:
    """The drawing of a bundled net, whose implied edges are its graph's."""
    graph = archc.load(name).graph
    drawing = draw_graph(graph)
    assert named_edges(drawing, implied_edges(drawing)) == live_edges(graph)
    return drawing


def draw_spec(text: str, folder: Path, inputs: str = "{image: [3, 64, 64]}") -> tuple[archc.Net, Drawing]:
    """A net of these steps, and its drawing."""
    path = folder / "net.yaml"
    path.write_text(f"archspec: 1\nname: net\ninput: {inputs}\ngraph:{text}\n", "utf-8")
    net = archc.load(path)
    return net, draw_graph(net.graph)


def check_layouts(drawing: Drawing, seed: int = 0) -> Layout:
    """Lays a drawing out with all, nothing, some and more than all open; gives the first."""
    rng, everything = random.Random(seed), open_to_depth(drawing, None)
    layout = lay_out(drawing, everything)
    some = frozenset(key for key in sorted(everything) if rng.random() < 0.5)
    unrolled = everything | {f"{key}*" for key in everything} | {box.key for box in layout.boxes}
    planar = not has_arcs(drawing)
    trunk = {node for item in drawing.tree for node in members(item)}
    read = (
        {a for a, b in drawing.edges if b in trunk}
        | {end.node for end in drawing.outputs}
        | {head.source for head in drawing.heads}
    )
    unread = {f"nothing leaves in:{value.name}" for k, value in enumerate(drawing.inputs) if -1 - k not in read}
    for opened in (everything, frozenset[str](), initially_open(drawing), some, unrolled):
        found = lay_out(drawing, opened)
        assert [fault for fault in find_faults(found, planar) if fault not in unread] == []
        keys = [box.key for box in found.boxes]
        assert len(set(keys)) == len(keys)
    return layout


@pytest.mark.parametrize("name", FEW)
def test_a_net(name: str) -> None:
    drawing = drawing_of(name)
    assert not has_arcs(drawing)
    layout = check_layouts(drawing)
    keys = {box.key for box in layout.boxes}
    assert keys >= {f"in:{x.name}" for x in drawing.inputs} | {f"out:{x.name}" for x in drawing.outputs}
    assert keys >= {f"head:{head.path}" for head in drawing.heads}


@pytest.mark.slow
@pytest.mark.parametrize("part", range(6))
def test_the_zoo(part: int) -> None:
    for name in sorted(zoo())[part::6]:
        try:
            drawing = drawing_of(name)
        except archc.SpecError:  # a family
            continue
        assert not has_arcs(drawing), name
        large = len(drawing.nodes) > 2500  # all of these open are as many boxes
        for opened in (initially_open(drawing), *([] if large else [open_to_depth(drawing, None)])):
            assert find_faults(lay_out(drawing, opened), planar=True) == [], name


@pytest.mark.parametrize("name", [*SPECS, *SEVERAL])
def test_a_spec(name: str, tmp_path: Path) -> None:
    several = "{left: [3, 64, 64], right: [1, 64, 64], extra: [1, 64, 64]}"
    inputs = several if "three" in name else several.replace(", extra: [1, 64, 64]", "")
    net, drawing = draw_spec(SEVERAL[name], tmp_path, inputs) if name in SEVERAL else draw_spec(SPECS[name], tmp_path)
    assert named_edges(drawing, implied_edges(drawing)) == live_edges(net.graph)
    assert has_arcs(drawing) == (name in ("across", "three inputs"))
    layout = check_layouts(drawing)
    shown = {box.key for box in layout.boxes}
    assert {key for key in shown if key.startswith("head:")} == {f"head:{head.path}" for head in net.graph.heads}
    assert {key for key in shown if key.startswith("out:")} == {f"out:{output.name}" for output in net.graph.outputs}
    assert {key for key in shown if key.startswith("in:")} == {f"in:{value.name}" for value in net.graph.inputs}


@pytest.mark.parametrize(
    "seeds",
    # the search goes on in the soak
    [
        range(30),
        pytest.param(range(30, 100), marks=pytest.mark.slow),
        pytest.param(range(100, 250), marks=pytest.mark.soak),
    ],
    ids=str,
)
def test_random_nets(seeds: range) -> None:
    for seed in seeds:
        drawing = random_net(seed)
        assert implied_edges(drawing) == set(drawing.edges), seed
        layout = check_layouts(drawing, seed)
        shown = {box.key for box in layout.boxes}
        assert shown >= {f"out:{output.name}" for output in drawing.outputs}, seed
        assert shown >= {f"head:{head.path}" for head in drawing.heads if head.weight is not None}, seed


def test_what_is_drawn_once() -> None:
    drawing = drawing_of("resnet50")
    groups = {item.id: item for item in items_of(drawing.tree) if isinstance(item, GroupItem)}
    repeats = [item for item in items_of(drawing.tree) if isinstance(item, RepeatItem)]
    assert [len(item.items) for item in repeats] == [2, 3, 5, 2]
    assert groups["layer1.0"].block == "Bottleneck" and groups["layer1"].block == ""
    cards = [item for item in items_of(drawing.tree) if isinstance(item, CardItem)]
    texts = [" · ".join(drawing.nodes[i].title for i in card.nodes) for card in cards]
    assert texts[0] == "7×7 conv, 64 /2 · BN · ReLU" and "+ · ReLU" in texts
    preact = drawing_of("preresnet110_cifar_conv")
    found = [item for item in items_of(preact.tree) if isinstance(item, CardItem)]
    assert sum(preact.nodes[card.nodes[0]].title == "BN" for card in found) > len(found) / 2


def test_a_value_that_is_read_beside_ends_its_round(tmp_path: Path) -> None:
    rounds = f"repeat: {{i: 4}}, steps: [{{{CONV}}}, relu, {{max_pool: {{kernel: 1}}}}]"
    _, plain = draw_spec(f"\n  - {{name: r, {rounds}}}", tmp_path)
    assert [len(i.items) for i in items_of(plain.tree) if isinstance(i, RepeatItem)] == [4]
    _, tapped = draw_spec(
        f"\n  - {{name: r, {rounds}}}\n  - {{from: r.1, aux: 0.1, name: h, steps: [global_avg_pool]}}", tmp_path
    )
    assert [len(i.items) for i in items_of(tapped.tree) if isinstance(i, RepeatItem)] == [2, 2]


def test_equal_boxes_stand_alone_unless_they_are_many(tmp_path: Path) -> None:
    for count, folded in ((4, 0), (5, 1)):
        _, drawing = draw_spec(f"\n  - {{repeat: {{i: {count}}}, {CONV}}}", tmp_path)
        # the first one's input has other channels: what a layer does is the same
        assert sum(isinstance(item, RepeatItem) for item in items_of(drawing.tree)) == folded


def told_shapes(drawing: Drawing, opened: frozenset[str] | None = None) -> list[str]:
    """The shapes that stand on the edges of a layout, from its top to its bottom."""
    layout = lay_out(drawing, open_to_depth(drawing, None) if opened is None else opened)
    return [shape_text(label.shape) for label in sorted(layout.labels, key=lambda label: label.y)]


def test_shapes_stand_where_they_change_within_branches(tmp_path: Path) -> None:
    # in a branch of a skip the trunk is still the trunk, and its edge into the merge counts
    steps = f"""
  - {{name: s, conv: {{out: 8, kernel: 3, padding: 1}}}}
  - {{name: p, max_pool: 2}}
  - {{name: c, {CONV}}}
  - {{name: u, upsample: 2}}
  - {{concat: [[], [{{from: s}}]]}}
  - {{name: b, steps: [{{name: x, conv: 4}}, {{name: y, conv: {{out: 4, kernel: 2, stride: 2}}}}, {{name: z, conv: 6}}]}}
  - {{name: h, conv: 2}}"""
    shapes = ["3×64×64", "8×64×64", "8×32×32", "16×32×32", "16×64×64", "24×64×64", "6×32×32", "2×32×32"]
    for opened, inside in ((None, ["4×32×32"]), (frozenset[str](), [])):
        _, drawing = draw_spec(steps, tmp_path)
        assert told_shapes(drawing, opened) == shapes[:6] + inside + shapes[6:]
    blocks = [
        f"{{name: {name}, steps: [{{name: x, conv: {out}}}, relu, {{name: y, conv: {out}}}]}}"
        for name, out in (("b", 4), ("c", 5))
    ]
    _, drawing = draw_spec(f"\n  - {{name: a, steps: [{', '.join(blocks)}]}}\n  - {{conv: 2}}", tmp_path)
    assert told_shapes(drawing, frozenset({"a"})) == ["3×64×64", "4×64×64", "5×64×64", "2×64×64"]


def test_a_head_ends_in_its_shape_and_is_called_from_its_own_path(tmp_path: Path) -> None:
    steps = "[{name: c, conv: 4}, {aux: 0.1, name: h, steps: [{residual: {body: [{conv: 4}]}}, flatten, {linear: 7}]}, relu]"
    path = tmp_path / "net.yaml"
    path.write_text(
        f"archspec: 1\nname: net\ninput: {{image: [3, 8, 8]}}\nblocks: {{B: {{steps: {steps}}}}}\ngraph: [{{name: s, B: {{}}}}]\n",
        "utf-8",
    )
    drawing = draw_graph(archc.load(path).graph)
    layout = lay_out(drawing, open_to_depth(drawing, None))
    head = next(box for box in layout.boxes if box.key == "head:s.h")
    # the block around the head is no block in it
    assert [box.sub for box in layout.boxes if box.shape == "open"] == ["B"]
    end = next(label for label in layout.labels if label.shape == (7,))
    assert head.y < end.y < head.y + head.h
    assert any(edge.path.endswith(f"V{end.y:g}") for edge in layout.edges)


def test_a_line_enters_a_frame_from_its_upper_side_or_below_its_title() -> None:
    drawing = drawing_of("googlenet")
    layout = lay_out(drawing, open_to_depth(drawing, None))
    starts = {tuple(map(float, edge.path[1:].partition("V")[0].split())) for edge in layout.edges}
    kinds = set()
    for box in (box for box in layout.boxes if box.shape in ("open", "head")):
        entries = [(x, y - box.y) for x, y in starts if -0.2 < y - box.y <= HEADER and box.x < x < box.x + box.w]
        assert entries, box.key
        x, below = min(entries)
        kinds.add(below > 1)
        assert below > 14 or x > box.x + 9 + text_width(box.title, BOLD), box.key
    assert kinds == {True, False}


def test_a_closed_group_of_rounds_tells_what_a_round_is(tmp_path: Path) -> None:
    rounds = f"{{name: r, repeat: {{i: 3}}, steps: [{{concat: [[{{{CONV}}}], [{{{CONV}}}]]}}, relu]}}"
    _, drawing = draw_spec(f"\n  - {rounds}\n  - relu", tmp_path)
    closed = next(box for box in lay_out(drawing, frozenset()).boxes if box.key == "r")
    assert (closed.title, closed.sub) == ("r", "3 × 2 branches, 2 layers")
    _, drawing = draw_spec(f"\n  - {{name: r, repeat: {{i: 6}}, steps: [{{{CONV}}}, batch_norm, relu]}}", tmp_path)
    for box in (b for opened in ((), ("r.0×",)) for b in lay_out(drawing, frozenset(opened)).boxes if b.key == "r.0×"):
        assert box.rounds == 6  # of boxes, too, an open repeat shows the first round


def test_totals_are_those_of_cost_without_heads() -> None:
    net = archc.load("googlenet")
    drawing, cost = draw_graph(net.graph), net.cost()
    assert (drawing.totals.params, drawing.totals.macs, drawing.totals.activations) == (
        cost.params.without_aux,
        cost.macs,
        cost.activations,
    )
    assert {head.path: head.weight for head in drawing.heads} == {"aux1": 0.3, "aux2": 0.3}


def test_places_are_the_own_line_first() -> None:
    net = archc.load("resnet50")
    drawing = draw_graph(net.graph, sources=net.checked.sources)
    node = next(n for n in drawing.nodes if n.path == "layer1.0.conv1")
    lines = [
        (drawing.files[place.file][0], drawing.files[place.file][1].splitlines()[place.line - 1])
        for place in node.places
    ]
    assert "conv1" in lines[0][1] and any("Bottleneck" in line or "block" in line for _, line in lines[1:])
    assert drawing.files[0][0].endswith("resnet50.yaml")


def test_depth() -> None:
    drawing = drawing_of("resnet50")
    assert open_to_depth(drawing, 0) == frozenset()
    assert open_to_depth(drawing, 1) == {"layer1", "layer2", "layer3", "layer4"}
    deeper = open_to_depth(drawing, 2)
    assert "layer1.0" in deeper and "layer1.1×" in deeper and deeper == open_to_depth(drawing, None)
    closed = next(box for box in lay_out(drawing, open_to_depth(drawing, 1)).boxes if box.key == "layer1.1×")
    assert (closed.shape, closed.rounds, closed.title, closed.sub) == (
        "stack",
        2,
        "1 … 2",
        "Bottleneck · skip, 3 layers",
    )
    assert initially_open(drawing_of("vgg11")) == {"features"} and initially_open(drawing) == frozenset()


def test_only_a_part() -> None:
    net = archc.load("googlenet")
    part = draw_graph(net.graph, only="inception3a")
    assert [i.name for i in part.inputs] == ["maxpool2"] and len(part.outputs) == 1
    assert all(node.path.startswith("inception3a") for node in part.nodes)
    whole = named_edges(drawing_of("googlenet"), drawing_of("googlenet").edges)
    inside = {node.path for node in part.nodes}
    assert named_edges(part, implied_edges(part)) == {edge for edge in whole if edge[1] in inside}
    head = draw_graph(net.graph, only="aux1")
    assert not head.heads and [o.name for o in head.outputs] == ["aux1"]
    check_layouts(head)
    # it is called by its own path, and by a block that it is a call of
    for name, only, block in (("resnet50", "layer1.0", "Bottleneck"), ("googlenet", "inception3a.branch2", "")):
        (box,) = [x for x in draw_graph(archc.load(name).graph, only=only).tree if isinstance(x, GroupItem)]
        assert (box.id, box.block) == (only, block)
    with pytest.raises(archc.Failure, match="no step `inception9`") as refused:
        draw_graph(net.graph, only="inception9")
    assert refused.value.code == "no-such-step" and "inception" in refused.value.help


def test_drawings_and_layouts_are_the_same_each_time() -> None:
    first, second = (draw_graph(archc.load("squeezenet1_0").graph) for _ in range(2))
    assert first == second and first.to_json() == second.to_json()
    assert lay_out(first, open_to_depth(first, 1)) == lay_out(second, open_to_depth(second, 1))


def test_the_form_for_programs() -> None:
    drawing = drawing_of("googlenet")
    form = drawing.to_json()
    assert set(form) == {"name", "summary", "totals", "inputs", "outputs", "shapes", "titles", "nodes", "edges", "tree", "heads",
                         "details", "files"}  # fmt: skip
    for row, node in zip(form["nodes"], drawing.nodes, strict=True):
        path, op, family, title, shape, params, macs, *_ = row
        assert (path, op, family, params, macs) == (node.path, node.op, node.family, node.costs.params, node.costs.macs)
        assert form["titles"][title] == node.title and form["shapes"][shape] == node.shape
    in_tree = {n for item in drawing.tree for n in members(item)} | {
        n for h in drawing.heads for i in h.items for n in members(i)
    }
    assert in_tree == set(range(len(drawing.nodes)))


def test_every_item_has_a_key_or_is_none() -> None:
    drawing = drawing_of("fractalnet20_cifar")
    boxed = [item for item in items_of(drawing.tree) if key_of(item, drawing)]
    assert all(exit_of(item) is not None or key_of(item, drawing).startswith("out:") for item in boxed)


@pytest.mark.parametrize("depth", [70, 700])
def test_skips_in_skips_are_drawn_whole(depth: int) -> None:
    """What is too deep for branches is arcs; each arc that spans another has a lane of its own."""
    drawing = nested_skips(depth)
    assert implied_edges(drawing) == {*drawing.edges} and has_arcs(drawing)
    layout = lay_out(drawing, open_to_depth(drawing, None))
    assert {f"#{node.path}" for node in drawing.nodes} <= {box.key for box in layout.boxes}
    lanes = [edge.path.partition("H")[2].partition("q")[0] for edge in layout.edges if edge.kind == "skip"]
    assert len({*lanes}) == len(lanes) == depth
