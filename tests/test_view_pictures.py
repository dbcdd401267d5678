"""Pictures in every format: well-formed whatever stands in a name, the same each time, and alike in three renderers."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

import archc
from archc.compiler.view.dot import dot_picture
from archc.compiler.view.draw import draw_graph, draw_vertices
from archc.compiler.view.drawing import Costs, Drawing, DrawnInput
from archc.compiler.view.heat import HEATS, format_measure, measure_boxes
from archc.compiler.view.layout import lay_out, open_to_depth
from archc.compiler.view.layout_pieces import LONGEST, shorten, text_width
from archc.compiler.view.mermaid import count_edges, mermaid_picture
from archc.compiler.view.sketch import NamedEnd
from archc.compiler.view.structure import Vertex
from archc.compiler.view.svg import svg_picture
from archc.compiler.view.theme import THEMES
from archc.compiler.view.visible import Visible, boxes_of
from archc.compiler.view.volumes import find_volumes, volumes_picture

from .drawings import random_net

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = ("</svg><script>alert(1)</script>", 'a"b', "a'b", "end", "subgraph x", "click n0 href", "%%{init: {}}%%", "a\\", "}", "]]>", "<!--",
           "--> n0", "1. one", "- one", "`a`", "**a**", "#35;", "&amp;", "&lt;b&gt;", "a\nb", "a\x00b\x1b[31m", "\ud800", "名前", "é×", "{{a}}",
           "|x|", "x;y", "\u202etxt", "a" * 300)  # fmt: skip
DOT_TOKEN = re.compile(r'\s+|"(?:[^"\\]|\\.)*"|->|[\[\]{}=,;]|[A-Za-z_][A-Za-z0-9_]*|-?[0-9.]+')
LABEL = r'"(?:[^"`\\<]|<br/>)*"'
MERMAID_LINES = [re.compile(line) for line in (
    r"flowchart TD",
    rf" +n\d+(?:\[{LABEL}\]|\(\({LABEL}\)\)|\(\[{LABEL}\]\)|\[\[{LABEL}\]\])",
    rf" +subgraph g\d+\[{LABEL}\]",
    r" +end",
    rf"  n\d+ (?:-->|-\.->)(?:\|{LABEL}\|)? n\d+",
    r"  classDef of_\w+ stroke:#[0-9a-f]{6},stroke-width:2px",
    r"  class n\d+(?:,n\d+)* of_\w+",
)]  # fmt: skip


def hostile_net(word: str) -> Drawing:
    """A net in which everything that has a name has this one."""
    shape = (3, 8, 8)
    path = word.replace(".", "_") or "x"
    vertices = [
        Vertex(f"{path}.{word}", word, "conv", word, (-1,), shape, 1, calls=((word, 1),)),
        Vertex(f"{path}.b", word, "norm", word, (0,), shape, 2, is_companion=True, calls=((word, 1),)),
        Vertex("m", word, "merge", word, (1, -1), shape, 3),
        Vertex(f"h.{path}", word, "linear", word, (2,), (word,), 4),
    ]
    heads = [NamedEnd(f"h{word}", 3, 0.3)]
    return draw_vertices(word, word, [DrawnInput(word, shape)], vertices, [NamedEnd(word, 2)], heads, ((word, word),))


def check_dot(text: str) -> set[str]:
    """Reads a DOT file: tokens, brackets, and that each edge joins boxes that are there. Gives the boxes."""
    tokens: list[str] = []
    at = 0
    while at < len(text):
        found = DOT_TOKEN.match(text, at)
        assert found, text[at : at + 80]
        at = found.end()
        tokens += [found[0]] if found[0].strip() else []
    closing = {"]": "[", "}": "{"}
    opened: list[str] = []
    for token in tokens:
        if token in closing.values():
            opened.append(token)
        elif token in closing:
            assert opened.pop() == closing[token]
    assert not opened and tokens[0] == "digraph"
    boxes = {a for a, b in pairwise(tokens) if re.fullmatch(r"n\d+", a) and b == "["}
    for k, token in enumerate(tokens):
        if token == "->":
            assert {tokens[k - 1], tokens[k + 1]} <= boxes
    return boxes


def check_mermaid(text: str) -> None:
    """Every line of a flowchart is of a form that Mermaid knows; subgraphs close; edges join boxes that are there."""
    assert text.startswith("flowchart TD\n")
    lines = text.removesuffix("\n").split("\n")
    for line in lines:
        assert any(form.fullmatch(line) for form in MERMAID_LINES), line
    stripped = [line.strip() for line in lines]
    assert sum(line.startswith("subgraph") for line in stripped) == stripped.count("end")
    boxes = {found[1] for line in stripped if (found := re.match(r"(n\d+)[\[(]", line))}
    joined = {
        name
        for line in stripped
        if re.search(r"-->|-\.->", line)
        for name in re.findall(r"\bn\d+\b", re.sub(LABEL, "", line))
    }
    assert joined <= boxes


def texts_of(svg: str) -> list[str]:
    """All texts of an SVG, parsed."""
    return ["".join(each.itertext()) for each in ElementTree.fromstring(svg).iter() if each.tag == f"{SVG}text"]


@pytest.mark.parametrize("word", HOSTILE, ids=ascii)
def test_any_name_is_only_text(word: str) -> None:
    drawing = hostile_net(word)
    for svg in (svg_picture(drawing), svg_picture(drawing, frozenset(), "dark", "macs"), volumes_picture(drawing)):
        root = ElementTree.fromstring(svg.encode())
        assert {each.tag.removeprefix(SVG) for each in root.iter()} <= {
            "svg", "title", "desc", "g", "rect", "circle", "path", "text", "tspan",
        }  # fmt: skip
    shown = shorten(re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800]", "\N{REPLACEMENT CHARACTER}", word))
    assert any(shown.replace("\n", "") in text.replace("\n", "") for text in texts_of(svg_picture(drawing)))
    check_dot(dot_picture(drawing))
    check_mermaid(mermaid_picture(drawing))


def test_random_nets_in_every_format() -> None:
    for seed in range(25):
        drawing = random_net(seed)
        for opened in (open_to_depth(drawing, None), frozenset[str]()):
            ElementTree.fromstring(svg_picture(drawing, opened, heat="activations"))
            boxes = check_dot(dot_picture(drawing, opened))
            check_mermaid(mermaid_picture(drawing, opened))
            visible = Visible(drawing, opened)
            assert len(boxes) == len(list(boxes_of(visible.parts)))
        ElementTree.fromstring(volumes_picture(drawing))


def test_an_svg_says_what_it_shows() -> None:
    net = archc.load("googlenet")
    drawing = draw_graph(net.graph, net.checked.header.summary or "")
    root = ElementTree.fromstring(svg_picture(drawing))
    assert root.get("role") == "img"
    title, desc = (root.find(f"{SVG}{tag}") for tag in ("title", "desc"))
    assert title is not None and (title.text or "").startswith("googlenet: ")
    assert desc is not None and "aux1, aux2 beside the trunk" in (desc.text or "")
    texts = texts_of(svg_picture(drawing))
    assert {"image", "logits", "192×28×28", "concat", "branch2"} <= set(texts)
    assert "aux1training only, loss × 0.3" in texts and "inception3aInception" in texts
    assert "var(" not in svg_picture(drawing) and "marker" not in svg_picture(drawing)


def test_heat_is_the_costs_of_what_a_box_holds() -> None:
    drawing = draw_graph(archc.load("resnet50").graph)
    boxes = lay_out(drawing, frozenset()).boxes
    for name in HEATS:
        heat = measure_boxes(drawing, boxes, name)
        assert sum(heat.values.values()) == pytest.approx(heat.total)
        assert set(map(heat.step, boxes)) <= set(range(6))
        assert name == "time" or max(map(heat.step, boxes)) == 5
    macs = measure_boxes(drawing, boxes, "macs")
    assert macs.peak == macs.values["layer3"] and format_measure(macs.peak, "macs") == "1.46 G MACs"
    assert "up to 1.46 G MACs, 36 % of the net" in texts_of(svg_picture(drawing, frozenset(), heat="macs"))


def contrast(a: str, b: str) -> float:
    """The contrast of two colours, as WCAG defines it."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("name", THEMES)
def test_texts_are_readable_in_every_colour(name: str) -> None:
    theme = THEMES[name]
    assert all(contrast(ink, fill) >= 5.3 for ink, fill in zip(theme.heat_ink, theme.heat, strict=True))
    for ground in (theme.background, theme.card, theme.frame):
        assert contrast(theme.ink, ground) >= 7 and contrast(theme.muted, ground) >= 4.5
    assert contrast(theme.background, theme.families["merge"]) >= 4.5


def test_volumes() -> None:
    alexnet = draw_graph(archc.load("alexnet_2012").graph)
    found = find_volumes(alexnet)
    assert [v.shape for v in found][:3] == [(3, 227, 227), (96, 55, 55), (96, 27, 27)]
    assert found[1].steps == ("11×11 conv, 96 /4",) and found[-1].steps == ("linear, 1000",)
    assert "5×5 conv, 256, 2 groups" in texts_of(volumes_picture(alexnet))
    beside = find_volumes(draw_graph(archc.load("resnet_two_3x3").graph))
    assert any("a skip" in step for volume in beside for step in volume.steps)


def test_volumes_follow_the_most_macs_and_name_other_inputs(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(
        "archspec: 1\nname: net\ninput: {rgb: [3, 64, 64], depth: [1, 64, 64]}\ngraph:\n"
        "  - {name: a, from: rgb, conv: {out: 16, kernel: 3, stride: 2, padding: 1}}\n"
        "  - {name: b, from: depth, conv: {out: 16, kernel: 3, stride: 2, padding: 1}}\n"
        "  - {name: c, relu: }\n  - {concat: [[{from: a}], [{from: c}]]}\n  - {linear: 5}\n".replace(
            "{linear", "global_avg_pool\n  - {linear"
        ),
        "utf-8",
    )
    found = find_volumes(draw_graph(archc.load(path).graph))
    assert [volume.shape for volume in found][:3] == [(3, 64, 64), (16, 32, 32), (32, 32, 32)]
    assert found[2].steps == ("concat, depth 1×64×64 beside",)


def test_volumes_follow_one_path_through_what_is_wired_across(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text(
        "archspec: 1\nname: net\ninput: {rgb: [3, 64, 64], depth: [1, 64, 64]}\ngraph:\n"
        "  - {name: a, from: rgb, conv: {out: 8, kernel: 3, stride: 2, padding: 1}}\n  - {name: b, relu: }\n"
        "  - {name: c, conv: {out: 8, kernel: 3, padding: 1}}\n"
        "  - {name: d, from: depth, conv: {out: 8, stride: 2}}\n  - {name: e, relu: }\n"
        "  - {name: f, multiply: [[{from: b}], [{from: d}]]}\n"
        "  - {name: g, concat: [[{from: c}], [{from: e}], [{from: f}], [{from: a}]]}\n",
        "utf-8",
    )
    found = find_volumes(draw_graph(archc.load(path).graph))
    assert [volume.shape[0] for volume in found] == [3, 8, 8, 32]
    assert [volume.steps for volume in found[1:]] == [
        ("3×3 conv, 8 /2",),
        ("ReLU", "3×3 conv, 8"),
        ("concat, depth 1×64×64 beside and 1 beside and a skip",),
    ]


@pytest.mark.parametrize(
    ("value", "heat", "text"),
    [(999_600, "macs", "1.00 M MACs"), (604e6, "macs", "604 M MACs"), (6_624_904, "params", "6.62 M parameters"), (1234.5, "time", "1234 ms"),
     (0.1234, "time", "0.123 ms"), (49_800_000, "memory", "49.8 MB of all outputs"), (12, "memory", "12 B of all outputs")],
)  # fmt: skip
def test_figures_of_heat(value: float, heat: str, text: str) -> None:
    assert format_measure(value, heat) == text


def test_boxes_tell_their_paths() -> None:
    root = ElementTree.fromstring(svg_picture(draw_graph(archc.load("resnet50").graph)))
    titles = {each.text for each in root.iter(f"{SVG}title")}
    assert {"conv1", "layer1.0", "layer1.1×", "layer1.0.conv1"} <= titles


def test_repeats_are_one_box_in_graphs() -> None:
    drawing = draw_graph(archc.load("resnet50").graph)
    text = mermaid_picture(drawing, frozenset())
    assert count_edges(text) == 9 and '["layer3<br/>19 layers"]' in text and '|"256×56×56"|' in text
    opened = mermaid_picture(drawing)
    assert "1 … 5 Bottleneck ×5" in opened
    visible = Visible(drawing, open_to_depth(drawing, None))
    order = {box.key: at for at, box in enumerate(boxes_of(visible.parts))}
    assert all(order[edge.source] < order[edge.target] for edge in visible.edges())  # no way back from round to round


def test_text_is_measured_by_its_characters() -> None:
    assert text_width("7×7 conv · …") == pytest.approx(12 * 5.9)
    assert text_width("名前") == pytest.approx(4 * 5.9) and text_width("ab", 0.85) == pytest.approx(10.03)
    assert shorten("x" * LONGEST) == "x" * LONGEST and shorten("x" * 200) == "x" * (LONGEST - 1) + "…"


def test_costs_add_up() -> None:
    assert Costs(1, 2, 3, 4) + Costs(10, 20, 30, 40) == Costs(11, 22, 33, 44)
    assert (Costs(time_ms=1.5) + Costs()).time_ms == 1.5 and (Costs() + Costs()).time_ms is None


@pytest.mark.parametrize("name", ["squeezenet1_0"])
def test_pictures_are_the_same_each_time(name: str) -> None:
    first, second = (draw_graph(archc.load(name).graph) for _ in range(2))
    for make in (svg_picture, dot_picture, mermaid_picture, volumes_picture):
        assert make(first) == make(second)


@pytest.mark.slow
@pytest.mark.parametrize("theme", THEMES)
def test_three_renderers_agree(theme: str, tmp_path: Path) -> None:
    """Shrunk to an eighth, where fonts matter little: a picture of variables or markers would be black there."""
    cairosvg = pytest.importorskip("cairosvg")
    np = pytest.importorskip("numpy")
    image = pytest.importorskip("PIL.Image")
    rsvg = shutil.which("rsvg-convert")
    path = tmp_path / "net.svg"
    path.write_text(
        svg_picture(draw_graph(archc.load("googlenet").graph, only="inception3a"), theme=theme, heat="macs"), "utf-8"
    )
    pictures = [image.open(io.BytesIO(cairosvg.svg2png(url=str(path))))]
    if rsvg:
        done = subprocess.run([rsvg, str(path)], capture_output=True, check=True)
        pictures.append(image.open(io.BytesIO(done.stdout)))
    pictures += chromium_pictures(path, pictures[0].size, image)
    assert len(pictures) > 1, "neither rsvg-convert nor Chromium is there"
    small = [
        np.asarray(p.convert("RGB").resize((p.width // 8, p.height // 8), image.Resampling.BOX)).astype(int)
        for p in pictures
    ]
    for other in small[1:]:
        difference = abs(small[0] - other).mean(axis=2)
        assert difference.mean() < 3 and (difference > 60).mean() < 0.02


def chromium_pictures(path: Path, size: tuple[int, int], image: object) -> list[object]:
    """What Chromium draws, if it is there with playwright."""
    chromium = shutil.which("chromium")
    if chromium is None:
        return []
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": size[0], "height": size[1]})
        page.goto(path.as_uri())
        data = page.screenshot()
        browser.close()
    return [image.open(io.BytesIO(data))]  # type: ignore[attr-defined]
