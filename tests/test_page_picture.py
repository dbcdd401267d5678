"""The picture in the page: the same layout as Python's, texts in their boxes, colours that can be read, and hostile names that stay texts."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pytest

import archc
from archc.catalog import models
from archc.compiler.view.draw import draw_graph
from archc.compiler.view.drawing import Drawing
from archc.compiler.view.layout import initially_open, lay_out, open_to_depth
from archc.compiler.view.page import page as page_module
from archc.compiler.view.page.page import LAYOUT, LIVE, MODULES, join_modules, page_html

from .browser import Tab, draw_net, start_browser
from .drawings import nested_skips
from .families import Choice, by_share

PLAIN = ["googlenet", "densenet121", "fractalnet20_cifar"]
BRIDGES = """archspec: 1
name: bridges
summary: what is not series-parallel, two inputs, heads and outputs on the way
input: {left: [3, 32, 32], right: [3, 32, 32]}
blocks:
  Unit:
    params: {out: int}
    steps:
      - {name: a, conv: {out: $out, kernel: 3, padding: 1}}
      - {name: head, aux: 0.15, steps: [global_avg_pool, {name: fc, linear: 3}]}
      - {name: b, conv: {out: $out, kernel: 3, padding: 1}}
      - {name: c, concat: [{from: a}, {from: b}]}
      - {name: d, conv: {out: $out, kernel: 3, padding: 1}}
      - {name: e, concat: [{from: a}, {from: b}, {from: d}]}
graph:
  - {from: left}
  - {name: both, concat: [[], {from: right}]}
  - {name: one, Unit: {out: 8}}
  - {name: early, output: early, conv: 4}
  - {name: two, Unit: {out: 16}}
  - {name: gate, multiply: [[{conv: 8}], [{conv: 8}]]}
  - {name: tower, repeat: {i: 6}, conv: {out: 8, kernel: 3, padding: 1}}
  - {name: side, output: side, steps: [global_avg_pool, {linear: 2}]}
  - {name: fc, linear: 10}
"""
# the layout of some sets of open keys, in the form of `python_layouts`
JAVASCRIPT_LAYOUTS = (
    "(given) => {"
    + join_modules(LAYOUT)
    + """
    const drawing = readDrawing(JSON.parse(given.drawing));
    return JSON.stringify(JSON.parse(given.opened).map((keys) => {
        const { width, height, boxes, edges, labels } = layOut(drawing, new Set(keys));
        const box = (b) => [b.key, b.x, b.y, b.w, b.h, b.shape, b.family, b.title, b.sub, b.rounds, b.labelWidth];
        return [width, height, boxes.map(box), edges.map((e) => [e.path, e.arrow, e.kind]), labels.map((l) => [l.x, l.y, l.shape])];
    }));
}"""
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with start_browser() as started:
        yield started


@pytest.fixture
def tab(browser: Any) -> Iterator[Tab]:
    found = Tab(browser)
    yield found
    found.close()


@pytest.fixture(scope="module")
def bridges(tmp_path_factory: pytest.TempPathFactory) -> Drawing:
    path = tmp_path_factory.mktemp("spec") / "bridges.yaml"
    path.write_text(BRIDGES, "utf-8")
    net = archc.load(path)
    return draw_graph(net.graph, net.checked.header.summary or "", net.checked.sources)


def show(tab: Tab, drawing: Drawing, folder: Path, state: str = "", **options: Any) -> Tab:
    """Opens the page of a drawing."""
    path = folder / "page.html"
    path.write_text(page_html(drawing, **options), "utf-8")
    return tab.open(path, state)


# ---- the layout


def openings(drawing: Drawing, several: int) -> list[list[str]]:
    """Sets of open keys: those at first, all, all with their rounds, and some by chance, unknown ones among them."""
    every = open_to_depth(drawing, None)
    rounds = every | {f"{key}*" for key in every}
    cards = {f"##{node.path}" for node in drawing.nodes} | {node.path.rpartition(".")[0] for node in drawing.nodes}
    chance = random.Random(drawing.name)
    known = sorted(rounds | cards | {"nowhere", "__proto__"})
    drawn = [chance.sample(known, chance.randint(0, len(known))) for _ in range(several)]
    return [sorted(initially_open(drawing)), sorted(every), sorted(rounds | cards), *drawn]


def python_layouts(drawing: Drawing, opened: Collection[Collection[str]]) -> list[Any]:
    layouts = [lay_out(drawing, frozenset(keys)) for keys in opened]
    return [
        [
            found.width,
            found.height,
            [list(box[:-1]) for box in found.boxes],
            [list(edge) for edge in found.edges],
            [[label.x, label.y, list(label.shape)] for label in found.labels],
        ]
        for found in layouts
    ]


def check_layouts(tab: Tab, drawing: Drawing, several: int = 3) -> None:
    opened = openings(drawing, several)
    texts = {"drawing": json.dumps(drawing.to_json()), "opened": json.dumps(opened)}
    found = json.loads(tab.run(JAVASCRIPT_LAYOUTS, texts))
    for keys, mine, theirs in zip(opened, python_layouts(drawing, opened), found, strict=True):
        for part, (a, b) in enumerate(zip(mine, theirs, strict=True)):
            assert a == b, f"{drawing.name}, part {part}, open {keys[:9]}"


@pytest.mark.parametrize("name", PLAIN)
def test_the_page_lays_out_as_python_does(tab: Tab, name: str) -> None:
    check_layouts(tab, draw_net(name))


def test_the_page_lays_out_skips_in_skips_as_python_does(tab: Tab) -> None:
    check_layouts(tab, nested_skips(90), 1)


def test_the_page_lays_out_what_is_not_series_parallel_as_python_does(tab: Tab, bridges: Drawing) -> None:
    assert any(item["kind"] == "arcs" for item in every_item(bridges.to_json()["tree"])) and len(bridges.heads) > 1
    check_layouts(tab, bridges, 12)


def every_item(items: Collection[Any]) -> Iterator[Any]:
    """The items of a tree of JSON."""
    for item in items:
        yield item
        for inner in (*item.get("branches", ()), item.get("items", ())):
            yield from every_item(inner)


@by_share
def test_the_page_lays_out_the_zoo_as_python_does(tab: Tab, choose: Choice) -> None:
    names = [model.name for model in models() if model.name not in PLAIN]
    assert len(names) > 90
    for name in choose(names):
        check_layouts(tab, draw_net(name), 1)


# ---- texts

# texts that are wider than their boxes, and labels with an edge through them
TEXTS = """() => {
    const wrong = [];
    for (const box of document.querySelectorAll('.boxes > g:not(.tag)')) {
        const face = [...box.querySelectorAll(':scope > .face')].at(-1).getBBox();
        for (const text of box.querySelectorAll(':scope > text')) {
            const { x, width, y, height } = text.getBBox();
            const left = box.classList.contains('circle') ? 0 : face.x;
            if (x < left - 0.6 || x + width > face.x + face.width + 0.6 || y < face.y - 3 || y + height > face.y + face.height + 3)
                wrong.push(`${text.textContent}: ${x}+${width} in ${face.x}+${face.width}`);
        }
    }
    const place = (element) => element.getBoundingClientRect();
    const lines = [...document.querySelectorAll('.edge')].flatMap((edge) => {
        const matrix = edge.getScreenCTM();
        let [x, y] = [0, 0];
        return [...edge.getAttribute('d').matchAll(/([MVHq])([-\\d. ]*)/g)].flatMap(([, letter, text]) => {
            const n = text.trim().split(' ').map(Number);
            const from = [x, y];
            [x, y] = letter === 'M' ? n : letter === 'V' ? [x, n[0]] : letter === 'H' ? [n[0], y] : [x + n[2], y + n[3]];
            if (letter === 'M') return [];
            const at = ([a, b]) => [a * matrix.a + matrix.e, b * matrix.d + matrix.f];
            return [[at(from), at([x, y])]];
        });
    });
    for (const label of document.querySelectorAll('.tensor text, .tag text, .open > text, .head > text')) {
        const { left, right, top, bottom } = place(label);
        const inset = (bottom - top) / 4;
        const struck = ([[a, b], [c, d]]) => Math.min(a, c) < right - 1 && Math.max(a, c) > left + 1
            && Math.min(b, d) < bottom - inset && Math.max(b, d) > top + inset;
        if (lines.some(struck)) wrong.push(`struck: ${label.textContent}`);
    }
    return wrong;
}"""


@pytest.mark.parametrize("name", ["googlenet", "densenet121"])
def test_texts_are_in_their_boxes_and_no_label_is_struck(tab: Tab, tmp_path: Path, name: str) -> None:
    show(tab, draw_net(name), tmp_path, "open=*")
    assert tab.run("() => document.querySelectorAll('.boxes text').length") > 40
    assert tab.run(TEXTS) == []


def test_texts_of_bridges_are_in_their_boxes(tab: Tab, tmp_path: Path, bridges: Drawing) -> None:
    show(tab, bridges, tmp_path, "open=**")
    assert tab.run(TEXTS) == []


@by_share
def test_texts_of_the_zoo_are_in_their_boxes(tab: Tab, tmp_path: Path, choose: Choice) -> None:
    wrong = {}
    for name in choose([model.name for model in models() if "1202" not in model.name]):
        tab.requests.clear()
        show(tab, draw_net(name), tmp_path, "open=*")
        wrong[name] = tab.run(TEXTS)
    assert {name: texts for name, texts in wrong.items() if texts} == {}


# the texts of the page that differ too little from what is behind them, and by how much
CONTRASTS = """() => {
    const parse = (colour) => { const n = colour.match(/[\\d.]+/g).map(Number); return { rgb: n.slice(0, 3), alpha: n[3] ?? 1 }; };
    const over = (top, below) => top.rgb.map((each, i) => each * top.alpha + below[i] * (1 - top.alpha));
    const light = (rgb) => rgb.map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const paper = parse(getComputedStyle(document.body).backgroundColor).rgb;
    const behind = (element) => {
        if (!element || element === document.documentElement) return paper;
        const colour = getComputedStyle(element).backgroundColor;
        return over(parse(colour), behind(element.parentElement));
    };
    const faceOf = (text) => {
        const box = text.closest('[data-key]');
        const face = text.closest('.badge')?.querySelector('.pill') ?? (box && [...box.querySelectorAll(':scope > .face')].at(-1));
        const fill = face ? getComputedStyle(face).fill : 'none';
        const open = parse(getComputedStyle(document.documentElement).getPropertyValue('--open').replace(/#(..)(..)(..)(..)/,
            (_, ...hex) => { const [r, g, b, a] = hex.slice(0, 4).map((each) => parseInt(each, 16)); return `rgba(${r}, ${g}, ${b}, ${a / 255})`; }));
        const nested = [0, 1, 2, 3].reduce((below) => over(open, below), paper);
        if (text.closest('.circle') || fill === 'none') return nested;
        return over(parse(fill), nested);
    };
    const wrong = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
        const element = node.parentElement;
        if (!node.data.trim() || !element.checkVisibility() || element.closest('script, style, noscript, .hidden, option')) continue;
        const style = getComputedStyle(element);
        const inPicture = element.closest('#picture');
        const [a, b] = [light(parse(inPicture ? style.fill : style.color).rgb), light(inPicture ? faceOf(element) : behind(element))];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < 4.5) wrong.push(`${contrast.toFixed(2)} ${element.className.baseVal ?? element.className} ${node.data.slice(0, 30)}`);
    }
    return wrong;
}"""


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_texts_can_be_read(tab: Tab, tmp_path: Path, theme: str) -> None:
    show(tab, draw_net("googlenet"), tmp_path, "open=*&select==inception3a", theme=theme, heat="params")
    assert tab.run("() => getComputedStyle(document.body).backgroundColor") != (
        "rgb(255, 255, 255)" if theme == "dark" else ""
    )
    assert tab.run(CONTRASTS) == []
    tab.press("h", "h", "h")
    assert tab.run(CONTRASTS) == []
    tab.press("?")
    assert tab.run(CONTRASTS) == []


# ---- strangers' texts

HOSTILE = [
    "<script>alert(1)</script></script><img src=x onerror=alert(1)><!--<script>\"'><svg onload=alert(1)>",
    "{{script}}{{policy}}\\u003c${alert(1)}` مرحبا \u202eabc\u202c \u2028\u2029 a,b%2Cc&d=e#f",
    "😀" * 30 + "深層学習" * 20,
    "W" * 10_000,
    "__proto__",
    "\x00\x01\x7f\ufffe",
]


@pytest.mark.parametrize("words", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names_stay_texts(tab: Tab, tmp_path: Path, words: str) -> None:
    plain = draw_net("lenet5_modern")
    nodes = tuple(node._replace(path=f"{node.path}{words}", title=f"{words}{node.title}") for node in plain.nodes)
    outputs = tuple(output._replace(name=words) for output in plain.outputs)
    inputs = tuple(each._replace(name=words) for each in plain.inputs)
    details = ({"attributes": {words: words}, "onnx": [words, words], "shape": [1, 2]},)
    nodes = tuple(node._replace(detail=0) for node in nodes)
    drawing = plain._replace(name=words, summary=words, nodes=nodes, inputs=inputs, outputs=outputs, details=details,
                             files=((words, f"{words}: {words} # {words}\n"),))  # fmt: skip
    show(tab, drawing, tmp_path)
    shown = tab.page.locator("#name").text_content()
    assert shown == (words if len(words) <= 160 else f"{words[:80]}…{words[-80:]}")
    assert tab.run("() => document.querySelectorAll('script, img, svg, iframe, object').length") == 3
    assert tab.run(TEXTS) == []
    assert tab.run("() => document.documentElement.scrollWidth") <= 1400
    tab.press("ArrowDown", "ArrowDown", "h")
    assert words[:40] in tab.page.locator("#details").text_content()
    before = tab.selected()
    tab.page.reload()
    assert tab.selected() == before != []


def test_only_the_pages_own_script_runs(tab: Tab, tmp_path: Path) -> None:
    text = page_html(draw_net("lenet5_modern"))
    path = tmp_path / "page.html"
    added = "<script>document.title = 'taken'</script><img src=x onerror=\"document.title = 'taken'\">"
    path.write_text(text.replace("</body>", f"{added}</body>"), "utf-8")
    tab.open(path)
    assert tab.page.title() == "lenet5_modern"
    assert (
        tab.run("() => { try { document.body.innerHTML = '<b>'; return 'set'; } catch (error) { return error.name; } }")
        == "TypeError"
    )
    assert any("Content Security Policy" in each or "TrustedHTML" in each for each in tab.wrong)
    tab.wrong.clear()
    tab.requests.clear()


# ---- what the page is made of


def test_a_page_is_small_and_has_everything_in_it() -> None:
    text = page_html(draw_net("resnet152"))
    assert len(text.encode()) < 300_000
    assert not re.search(r"\b(src|href)=|@import|url\(|https?:(?!//www\.w3\.org)", text.split('id="drawing">')[0])
    assert "EventSource" not in text and "EventSource" in page_html(draw_net("lenet5_modern"), live="events")


def test_modules_share_one_scope_without_a_clash() -> None:
    names = re.compile(r"^(?:const|let|class|function\*?|async function) (\w+|\[[^\]]+\])", re.MULTILINE)
    found = [name for line in names.findall(join_modules((*MODULES, LIVE))) for name in re.findall(r"\w+", line)]
    assert len(found) > 150
    assert [name for name, count in Counter(found).items() if count > 1] == []


def test_modules_import_what_they_use_and_each_is_joined() -> None:
    folder = Path(page_module.__file__).parent
    assert {path.name for path in folder.glob("*.js")} == {*MODULES, LIVE}
    exports = {
        path.name: set(re.findall(r"^export (?:const|class|function\*?) (\w+)", path.read_text("utf-8"), re.M))
        for path in folder.glob("*.js")
    }
    for path in folder.glob("*.js"):
        for names in re.findall(r"^export const \[(.*?)\]", path.read_text("utf-8"), re.M):
            exports[path.name] |= set(names.split(", "))
    for path in folder.glob("*.js"):
        text = path.read_text("utf-8")
        body = re.sub(r"/\*\*.*?\*/", "", re.sub(r"^import [^;]*;$|//.*$", "", text, flags=re.M), flags=re.S)
        for names, module in re.findall(r'^import \{([^}]*)\} from "\./(.*?)";$', text, re.M):
            for name in re.findall(r"\w+", names):
                assert name in exports[module], f"{path.name} imports {name}, which {module} does not export"
                assert re.search(rf"\b{name}\b", body), f"{path.name} does not use {name}"
        imported = {n for names in re.findall(r"^import \{([^}]*)\}", text, re.M) for n in re.findall(r"\w+", names)}
        elsewhere = {n: module for module, names in exports.items() if module != path.name for n in names}
        own = set(re.findall(r"^(?:export )?(?:const|let|class|function\*?) (\w+)", text, re.M)) | exports[path.name]
        missing = [n for n in elsewhere if n not in imported | own and re.search(rf"(?<![.\w]){n}\(", body)]
        assert missing == [], f"{path.name} uses {missing} without an import"
