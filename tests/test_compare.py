"""`archc compare`: what stands where in a chart, that protocols are not mixed, what is measured and what is not, and names of every kind."""

from __future__ import annotations

import json
import math
import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from matplotlib.colors import to_hex

import archc
from archc.catalog import compose_bundled
from archc.charts.bars import draw_bars, shares_of
from archc.charts.bubbles import LARGEST_AREA, draw_bubbles, round_counts
from archc.charts.labels import Circle, Rectangle, overlap, place_labels
from archc.charts.measured import Measurement, Setting
from archc.charts.nets import MAX_STAGES
from archc.charts.protocols import METRICS, Protocol, protocol_of
from archc.charts.selection import AXES, ChartRequest, Selection, select
from archc.charts.style import MARKS, look_of
from archc.cli.compare import AXIS_WORDS, METRIC_WORDS
from archc.comparison import LECTURE, has_figures, read_nets
from archc.compiler.limits import DEFAULT
from archc.compiler.sources import zoo

from .program import Run, program

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line in an empty folder, as wide as it likes."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    return program(capsys)


def write_spec(name: str, channels: int, reported: str = "", file: str = "") -> str:
    """A small net with this name and so many channels; the file's name."""
    told = f"reported: {reported}\n" if reported else ""
    text = f"""archspec: 1
name: {json.dumps(name)}
params: {{classes: 10}}
input: {{image: [3, 8, 8]}}
graph:
  - conv: {{out: {channels}, kernel: 3}}
  - relu
  - global_avg_pool
  - linear: $classes
{told}"""
    place = file or f"{name}.yaml"
    Path(place).write_text(text, "utf-8")
    return place


def top1(error: float, rest: str = "crops: 1") -> str:
    return f"[{{imagenet_top1_error: {error}, split: val, {rest}, source: table 1}}]"


def counted(channels: int) -> tuple[int, int]:
    """Parameters and MACs of such a net, by hand."""
    return channels * 27 + channels + channels * 10 + 10, 36 * channels * 27 + channels * 10


def chart_of(specs: Sequence[str], *measured: Measurement, **asked: Any) -> Selection:
    return select(read_nets(specs, [], DEFAULT), measured, ChartRequest(**asked))


def drawn_at(chart: Selection) -> list[tuple[float, float, float]]:
    """What the marks of the drawing stand for, read off its artists: x, y, and the share of the largest area."""
    marks = {each.get_gid(): each for axes in draw_bubbles(chart).axes for each in axes.collections}
    found = []
    for index, point in enumerate(chart.shown):
        mark = marks[f"bubble-{index}"]
        ((x, y),) = mark.get_offsets()
        shape = MARKS[chart.protocols.index(point.protocol)] if point.protocol else MARKS[0]
        found.append((float(x), float(y), float(mark.get_sizes()[0]) * shape.filled / LARGEST_AREA))
    return found


@pytest.mark.usefixtures("run")
def test_a_mark_stands_at_what_the_net_costs_and_reports() -> None:
    sizes = {"small": (4, 40.0), "middle": (16, 31.5), "large": (64, 30.25)}
    chart = chart_of([write_spec(name, channels, top1(error)) for name, (channels, error) in sizes.items()])
    assert not chart.left_out and [point.net.label for point in chart.shown] == [*sizes]
    largest = counted(64)[0]
    for (x, y, area), (channels, error) in zip(drawn_at(chart), sizes.values(), strict=True):
        params, macs = counted(channels)
        assert (x, y) == pytest.approx((macs / 1e9, 100 - error)) and area == pytest.approx(params / largest)


def test_the_nets_of_the_lecture_stand_where_their_specs_say() -> None:
    chart = select(read_nets([], LECTURE, DEFAULT), [], ChartRequest())
    at = {point.net.name: place for point, place in zip(chart.shown, drawn_at(chart), strict=True)}
    assert at["resnet50"][:2] == pytest.approx((4.089184256, 76.13)) and at["vgg19"][2] == pytest.approx(1)
    assert at["googlenet"][2] == pytest.approx(6_624_904 / 143_667_240), "inference needs no auxiliary head"
    assert dict(chart.left_out) == {
        "zfnet": "it has imagenet-top1 by val-crops-not-told",
        "inception_v4": "it has imagenet-top1 by val-12-crops, val-144-crops, val-1-crop.without-the-blacklisted-pictures",
    }


@pytest.mark.usefixtures("run")
def test_a_row_under_other_params_has_their_costs() -> None:
    row = "{cifar100_error: 20, split: test, source: a, with: {classes: 100}}"
    chart = chart_of(
        [write_spec("net", 8, f"[{{cifar10_error: 5, split: test, source: a}}, {row}]")], metric="cifar100"
    )
    assert (
        chart.shown[0].figures.params == 8 * 28 + 8 * 100 + 100 and chart.points[0].net.figures.params == counted(8)[0]
    )


def spread(**rows: str) -> list[str]:
    return [write_spec(name, 4 + at, text) for at, (name, text) in enumerate(rows.items())]


@pytest.mark.usefixtures("run")
def test_one_protocol_is_shown_and_the_others_are_told() -> None:
    nets = spread(a=top1(30), b=top1(31, "crops: 10"), c=top1(32, "crops: 10"), d="{cifar10_error: 5, split: test, source: x}",
                  e="", f=top1(33, "crops: 10, models: 3"), g=top1(34, "crops: 10, size: 320"), h=top1(35, "crops: 10, subset: half"))  # fmt: skip
    chart = chart_of(nets)
    assert [each.name for each in chart.protocols] == ["val-10-crops"], "the most frequent"
    assert [point.net.name for point in chart.shown] == ["b", "c"]
    assert dict(chart.left_out) == {
        "a": "it has imagenet-top1 by val-1-crop", "d": "it reports no imagenet-top1", "e": "it reports no imagenet-top1",
        "f": "it has imagenet-top1 by val-10-crops-3-models", "g": "it has imagenet-top1 by val-10-crops-of-320-px",
        "h": "it has imagenet-top1 by val-10-crops.half",
    }  # fmt: skip
    assert [point.net.name for point in chart_of(nets, protocol="val-1-crop").shown] == ["a"]
    assert [point.net.name for point in chart_of(nets, metric="cifar10").shown] == ["d"]
    mixed = chart_of(nets, mix=True)
    assert [point.net.name for point in mixed.shown] == [*"abcfgh"] and len(mixed.protocols) == 5
    assert [area for *_, area in drawn_at(mixed)] == pytest.approx(
        [p.figures.params / counted(11)[0] for p in mixed.shown]
    ), "all marks have equal areas"
    texts = {text.get_text() for axes in draw_bubbles(mixed).axes for text in axes.texts}
    assert {each.description for each in mixed.protocols} <= texts, "the legend tells the marks"


@pytest.mark.usefixtures("run")
def test_every_protocol_and_word_is_named() -> None:
    assert Protocol("cifar10", "test", None, None, 1, True, "").name == "test-augmented"
    assert Protocol("imagenet-top1", "val", "multiscale", None, 2, False, "").description == "val, multiscale, 2 models"
    assert Protocol("mnist", "test", None, None, 1, False, "").name == "test"
    subsets = ("", "a b", "a-b", "a|b", "A b", "a  b", "a_2d_b", "密", "集", "7 models", "augmented", ".")
    nets = spread(
        **{
            f"n{i}": top1(30, f"crops: 1, subset: {json.dumps(subset)}" if subset else "crops: 1")
            for i, subset in enumerate(subsets)
        },
        more=top1(30, "crops: 1, models: 7"),
    )
    for net in read_nets(nets, [], DEFAULT):
        (result,) = net.results
        name = protocol_of("imagenet-top1", result.row).name
        assert [point.net.name for point in chart_of(nets, protocol=name).shown] == [net.name], name
    assert tuple(METRICS) == METRIC_WORDS and tuple(AXES) == AXIS_WORDS


def test_python_prints_and_draws_the_same(run: Run) -> None:
    specs = [write_spec("small", 4, top1(40.0)), write_spec("large", 64, top1(30.25))]
    found = archc.compare([specs[0], archc.load(specs[1]), "alexnet"])
    assert f"{found}\n" == run("compare", *specs, "alexnet").out
    assert found.to_json() == json.loads(run("compare", *specs, "alexnet", "--format", "json").out)
    assert f"{found.to_markdown()}\n" == run("compare", *specs, "alexnet", "--format", "markdown").out
    assert found.to_csv().split() == run("compare", *specs, "alexnet", "--format", "csv").out.split()
    assert found.save("a.svg") and run("compare", *specs, "alexnet", "-o", "b.svg").code == 0
    assert Path("a.svg").read_bytes() == Path("b.svg").read_bytes()
    assert found.save(Path("bars.png"), style="bars") and Path("bars.png").read_bytes().startswith(b"\x89PNG")
    assert (
        repr(found)
        == "<NetComparison of small, large, alexnet>"
        == repr(archc.compare((*specs, "alexnet"), x="params"))
    )
    assert repr(archc.compare(specs[0])) == "<NetComparison of small>"
    assert [point.net.name for point in archc.compare(metric="imagenet-top5").chart.points] == [*LECTURE]


def test_what_is_reported_is_of_the_net_itself_in_python_too() -> None:
    """A net of other params has the costs of these, and no figures; `with` is worked out from the texts that a net was made of."""
    net = archc.load("densenet_100_24_cifar", params={"classes": 100})
    (point,) = archc.compare([net]).chart.points
    assert point.accuracy is None and point.figures.params == net.cost().params.total
    (point,) = archc.compare([archc.load("densenet_100_24_cifar")], metric="cifar100").chart.points
    assert point.accuracy and point.figures.params == net.cost().params.total


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"metric": "top1"}, "there is no metric 'top1'"), ({"x": "depth"}, "there is no x 'depth'"), ({"x": "time"}, "wants what was measured"),
        ({"mix": True, "protocol": "val-1-crop"}, "mix takes all protocols"), ({"nets": ["no_such_net"]}, "no_such_net"),
        ({"bench": ["gone.json"]}, "gone.json"), ({"limits": {"nodes": 0}}, "nodes"), ({"protocol": "odd"}, "odd"),
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.usefixtures("run")
def test_python_refuses_in_words(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(archc.Failure, match=words):
        archc.compare(**{"nets": ["alexnet"], **asked})
    found = archc.compare(["alexnet"])
    for path, style in (("a.pdf", "bubbles"), ("a.svg", "pie")):
        with pytest.raises(archc.Failure, match=r"pdf|pie"):
            found.save(path, style)


SETTING = Setting("a processor", "cpu", 1)


def measured(model: str, time_ms: float, joules: float | None = None, setting: Setting = SETTING) -> Measurement:
    return Measurement(model, setting, time_ms, joules)


@pytest.mark.usefixtures("run")
def test_what_is_measured_is_from_one_setting_and_nothing_is_made_up() -> None:
    nets = spread(a=top1(30), b=top1(31), c=top1(32), d=top1(33), e=top1(34))
    other = Setting("another", "cuda", 8)
    results = [
        measured("a", 2.5),
        measured("b.onnx", 3.5, 0.25),
        measured("folder/c.yaml", 4.0),
        measured("d", 0.5, setting=other),
        measured("x", 9),
    ]
    chart = chart_of(nets, *results, axis="time")
    assert [(point.net.name, x) for point, (x, *_) in zip(chart.shown, drawn_at(chart), strict=True)] == [
        ("a", 2.5),
        ("b", 3.5),
        ("c", 4.0),
    ]
    assert dict(chart.left_out) == {"d": "it was measured on cuda, batch 8, another", "e": "no time of it was measured"}
    chart = chart_of(nets, *results, axis="energy")
    assert [point.x for point in chart.shown] == [0.25] and dict(chart.left_out)["a"] == "no energy of it was measured"


def test_results_of_bench_are_read(run: Run) -> None:
    nets = spread(a=top1(30), b=top1(31))
    timing = {"model": "a", "device": "cpu", "batch": 4, "latency_ms": {"p50": 10.0}, "joules_per_image": None}
    document = {"machine": {"processor": "P"}, "timings": [timing, {**timing, "model": "b", "joules_per_image": 0.5}]}
    Path("times.json").write_text(json.dumps(document), "utf-8")
    told = json.loads(run("compare", *nets, "--x", "time", "--bench", "times.json", "--format", "json").out)
    assert [(net["time_ms"], net["joules"]) for net in told["nets"]] == [(2.5, None), (2.5, 0.5)]
    assert told["setting"] == {"processor": "P", "device": "cpu", "batch": 4}
    out = run("compare", *nets, "--bench", "times.json").out
    assert "measured on cpu, batch 4, P" in out and re.search(r"^b .* 2\.5  0\.5  table 1$", out, re.M)


WRONG: dict[str, Callable[[dict[str, Any]], object]] = {
    "no json": lambda d: None,
    "a list": lambda d: [d],
    "no timings": lambda d: {"machine": {}},
    "a batch of 0": lambda d: {**d, "timings": [{**d["timings"][0], "batch": 0}]},
    "a batch that is true": lambda d: {**d, "timings": [{**d["timings"][0], "batch": True}]},
    "no time": lambda d: {**d, "timings": [{**d["timings"][0], "latency_ms": {}}]},
    "a negative time": lambda d: {**d, "timings": [{**d["timings"][0], "latency_ms": {"p50": -1}}]},
    "a time of 10**400": lambda d: {**d, "timings": [{**d["timings"][0], "latency_ms": {"p50": 10**400}}]},
    "a time that is no number": lambda d: {**d, "timings": [{**d["timings"][0], "latency_ms": {"p50": math.nan}}]},
    "energy in words": lambda d: {**d, "timings": [{**d["timings"][0], "joules_per_image": "much"}]},
    "a model that is a number": lambda d: {**d, "timings": [{**d["timings"][0], "model": 3}]},
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_result_of_bench_is_refused(run: Run, name: str) -> None:
    sound: dict[str, Any] = {
        "machine": {"processor": "P"},
        "timings": [{"model": "a", "device": "cpu", "batch": 1, "latency_ms": {"p50": 1}}],
    }
    wrong = WRONG[name](sound)
    Path("times.json").write_text("{" if wrong is None else json.dumps(wrong), "utf-8")
    ran = run("compare", write_spec("a", 4, top1(30)), "--x", "time", "--bench", "times.json")
    assert ran.code == 1 and "error[not-bench-results]: `times.json` holds no results" in ran.err and not ran.out


HOSTILE = [
    "$x_1$ \\frac{",
    "a<b>&\"'",
    "line\nbreak",
    "\u202eright",
    "שלום",
    "网络",
    "-",
    " ",
    "x" * 200,
    "bubble-0",
    "%s {0}",
    "]]>",
]


@pytest.mark.filterwarnings("error")
def test_names_of_every_kind_are_texts_and_nothing_else(run: Run) -> None:
    from archc.charts.draw import render_chart

    nets = [write_spec("net", 4 + at, top1(30 + at), file=f"{at}.yaml") for at in range(len(HOSTILE))]
    chart = chart_of(nets)
    points = tuple(
        point._replace(net=point.net._replace(label=name, family=name))
        for point, name in zip(chart.points, HOSTILE, strict=True)
    )
    chart = chart._replace(points=points)
    svg, _ = render_chart(chart, "bubbles", ".svg")
    assert render_chart(chart, "bubbles", ".svg")[0] == svg, "the same bytes each time"
    few = chart._replace(points=(points[0], points[1], points[5]))
    for drawn in (svg, render_chart(few, "bars", ".svg")[0]):
        texts = ["".join(each.itertext()) for each in ET.fromstring(drawn).iter(f"{SVG}text")]
        assert all(any(name in text for text in texts) for name in ("$x_1$ \\frac{", "a<b>&\"'", "网络"))
        assert not any("\n" in text or "\u202e" in text for text in texts), "what does not print is escaped"
    page, _ = render_chart(chart, "bubbles", ".html")
    assert b"a<b>" not in page and b"<script" not in page and b"http-equiv" in page
    png, complete = render_chart(few, "bubbles", ".png")
    assert png[:4] == b"\x89PNG" and not complete


def test_a_png_says_which_names_it_cannot_write(run: Run) -> None:
    ran = run("compare", write_spec("网络", 4, top1(30), file="a.yaml"), "-o", "a.png")
    assert ran.code == 0 and "boxes in a png" in ran.err and Path("a.png").exists()
    assert "boxes" not in run("compare", write_spec("net", 4, top1(30)), "-o", "b.png").err


def test_an_svg_is_text_by_text_with_tips(run: Run) -> None:
    nets = spread(a=top1(30), b=top1(31))
    assert run("compare", *nets, "-o", "a.svg").code == 0
    root = ET.parse("a.svg").getroot()
    groups = {each.get("id"): each for each in root.iter(f"{SVG}g")}
    params, _ = counted(4)
    assert groups["bubble-0"].findtext(f"{SVG}title") == f"a: 70 %, 3.93 k MACs, {params} parameters"
    texts = ["".join(each.itertext()) for each in root.iter(f"{SVG}text")]
    assert {
        "a",
        "b",
        "ImageNet top-1 accuracy, %",
        "multiply-accumulates of one crop, G (1 MAC = 2 FLOPs)",
    } <= set(texts)
    assert root.get("role") == "img" and root.get("aria-label")
    first = Path("a.svg").read_bytes()
    assert run("compare", *nets, "-o", "a.svg").code == 0 and Path("a.svg").read_bytes() == first
    assert b"<dc:date>" not in first
    import matplotlib

    with matplotlib.rc_context(
        {"font.size": 40, "svg.fonttype": "path", "savefig.bbox": "tight", "text.parse_math": True}
    ):
        assert run("compare", *nets, "-o", "a.svg").code == 0 and Path("a.svg").read_bytes() == first, (
            "no setting of the user's counts"
        )


def test_a_page_has_all_figures_and_their_sources(run: Run) -> None:
    nets = spread(a=top1(30), b=top1(31), c="")
    assert run("compare", *nets, "-o", "a.html").code == 0
    page = Path("a.html").read_text("utf-8")
    assert page.count("<tr>") == 4 and page.count("table 1") == 2 and "it reports no imagenet-top1: c" in page
    assert "#1b1b1b;" in page and "fill: #1b1b1b" not in page, "the drawing has the page's colours"
    assert not re.search(r"(?:src|href)=\"http", page)


def test_without_an_accuracy_there_is_a_table_and_no_bubbles(run: Run) -> None:
    spec = write_spec("plain", 4)
    ran = run("compare", spec)
    assert ran.code == 0 and "it reports no imagenet-top1: plain" in ran.out
    ran = run("compare", spec, "-o", "a.svg")
    assert ran.code == 1 and "error[nothing-to-draw]" in ran.err and not Path("a.svg").exists()
    ran = run("compare", spec, "--style", "bars", "-o", "a.svg")
    assert ran.code == 0 and "without a place in the chart" not in ran.out, "bars are drawn of every net"


def test_nets_of_one_name_have_labels_of_their_own(run: Run) -> None:
    nets = [
        write_spec("net", 4, top1(30), "one.yaml"),
        write_spec("net", 5, top1(31), "two.yaml"),
        write_spec("net", 6, top1(32), "net.yaml"),
    ]
    Path("in").mkdir()
    nets += [write_spec("net", 7, top1(33), "in/one.yaml"), nets[0]]
    chart = chart_of(nets)
    assert [point.net.label for point in chart.points] == ["net (one)", "net (two)", "net", "net (one) #2"]
    ran = run("compare", "resnet18", "zoo:resnet18", "resnet18.yaml", "--format", "csv")
    assert len(ran.out.splitlines()) == 4 and "resnet18 #3" in ran.out


@pytest.mark.parametrize("form", ["json", "csv", "markdown"])
def test_programs_get_the_same_figures(run: Run, form: str) -> None:
    nets = [write_spec("a", 4, top1(30).replace("table 1", "'a|b, \\, <c>'")), write_spec("c", 5)]
    out = run("compare", *nets, "--format", form).out
    params, macs = counted(4)
    if form == "json":
        first, second = json.loads(out)["nets"]
        assert (first["params"], first["macs"], first["accuracy"], first["protocol"]) == (
            params,
            macs,
            70,
            "val-1-crop",
        )
        assert first["reported"] == [
            {"imagenet_top1_error": 30, "protocol": "val-1-crop", "source": "a|b, \\, <c>", "with": {}, "doc": ""}
        ]
        assert second["accuracy"] is None and second["source"] is None
    elif form == "csv":
        assert out.splitlines()[1] == f'a,70,val-1-crop,{params},{macs},158,2,,,"a|b, \\, <c>"'
    else:
        assert (
            "| a | 70.00 % |" in out
            and "| a\\|b, \\\\, \\<c\\> |" in out
            and out.startswith("ImageNet top-1 accuracy: val, 1 crop\n\n| net |")
        )


def test_a_metric_that_none_reports_is_told(run: Run) -> None:
    spec, plain = write_spec("a", 4, top1(30)), write_spec("plain", 5)
    out = run("compare", spec, plain, "--metric", "cifar10").out
    assert out.startswith("CIFAR-10 accuracy: none of these nets reports it; --metric can be imagenet-top1\n")
    assert "without a figure to compare, it reports no cifar10: a, plain" in out
    assert "none reports any accuracy" in run("compare", plain).out
    assert "did you mean `time`?" in run("compare", spec, "--x", "tim").err


def test_settings_make_other_nets(run: Run) -> None:
    """They are those of each spec that is named; what a spec reports is of the net without them."""
    spec = write_spec("a", 4, top1(30))
    ran = run("compare", spec, "--family", "nin", "--set", "classes=7", "--format", "json")
    first, *others = json.loads(ran.out)["nets"]
    assert first["params"] == 4 * 27 + 4 + 4 * 7 + 7 and first["accuracy"] is None and first["reported"] == []
    assert {each["net"] for each in others} == {"nin_cifar10", "nin_imagenet"}
    out = run("compare", spec, "--set", "classes=7").out
    assert "with these params it is another net than its spec reports of: a" in out
    Path("plain.yaml").write_text(
        Path(spec).read_text("utf-8").replace("params: {classes: 10}\n", "").replace("$classes", "10"), "utf-8"
    )
    ran = run("compare", spec, "plain.yaml", "--set", "classes=7")
    assert ran.code == 2 and "names no parameter of the spec `a`\n  = help: it has no parameters" in ran.err
    assert run("compare", "--set", "classes=7").code == 2
    ran = run("compare", "resnet", "--set", "block=Basic", "--set", "depths=[1,1,1,1]", "--format", "csv")
    assert ran.code == 0 and ran.out.splitlines()[1].startswith("resnet,,,")


def test_variants_with_figures_are_told(run: Run) -> None:
    """A word is one of the bundled nets; others of its name report figures, too."""
    out = run("compare", "alexnet", "vgg16", "vgg16_c").out
    assert out.splitlines()[-1] == (
        "bundled variants with figures of their own: alexnet_2012, alexnet_ensemble beside alexnet; vgg16_bn beside vgg16"
    )
    assert "variants" not in run("compare", write_spec("alexnet", 4, top1(30))).out
    reporting = {name for name in zoo() if has_figures(zoo()[name])}
    assert reporting == {name for name, place in zoo().items() if compose_bundled(place).header.reported}


def test_a_family_looks_the_same_in_every_chart() -> None:
    looks = {family: look_of(family) for family in ("", *{path.parent.name for path in zoo().values()})}
    assert len({*looks.values()}) == len(looks) and not looks["resnet"][1]
    for nets in (["resnet18", "vgg11"], ["vgg11", "alexnet", "resnet18"]):
        chart = select(read_nets(nets, [], DEFAULT), (), ChartRequest())
        marks = {each.get_gid(): each for axes in draw_bubbles(chart).axes for each in axes.collections}
        for at, point in enumerate(chart.shown):
            assert to_hex(marks[f"bubble-{at}"].get_facecolor()[0]) == look_of(point.net.family)[0]


def test_a_table_is_no_formula_and_no_markup(run: Run) -> None:
    """What a spec says of its source stands in a spreadsheet and a page as it is."""
    told = "=HYPERLINK(0) *a* _b_ `c` [d](e)"
    spec = write_spec("a", 4, top1(30).replace("table 1", f"'{told}'"))
    assert run("compare", spec, "--format", "csv").out.splitlines()[1].endswith(f",'{told}")
    markdown = run("compare", spec, "--format", "markdown").out
    assert "=HYPERLINK(0) \\*a\\* \\_b\\_ \\`c\\` \\[d\\](e)" in markdown


def test_standard_output_takes_the_chart(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.svg").symlink_to("/dev/stdout")
    ran = program(capfd)("compare", write_spec("a", 4, top1(30)), "-o", "a.svg")
    assert ran.code == 0 and ET.fromstring(ran.out).tag == f"{SVG}svg" and "wrote a.svg" in ran.err


def test_a_missing_matplotlib_is_one_message(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    spec = write_spec("a", 4, top1(30))
    ran = run("compare", spec, "-o", "a.svg")
    assert (
        ran.code == 3 and "a chart needs `matplotlib`, which is not installed" in ran.err and not Path("a.svg").exists()
    )
    assert run("compare", spec).code == 0


def test_bars_are_the_shares_along_the_depth() -> None:
    vgg, deep = read_nets(["vgg16", "resnet152"], [], DEFAULT)
    figure = draw_bars([vgg, deep])
    heights = {bar.get_gid(): bar.get_height() for axes in figure.axes for bar in axes.patches}
    for index, net in enumerate((vgg, deep)):
        for kind in ("params", "macs", "activations"):
            found = [heights[f"bar-{index}-{kind}-{at}"] for at in range(len(net.stages))]
            assert sum(found) == pytest.approx(100) and found == shares_of(net, kind)
    assert [stage.name for stage in vgg.stages[-3:]] == ["classifier.0", "classifier.3", "classifier.6"]
    assert sum(shares_of(vgg, "params")[-3:]) > 89 and sum(shares_of(vgg, "activations")[:6]) > 71, (
        "what the lecture says of VGG-16"
    )
    assert [stage.name for stage in deep.stages[-2:]] == ["global_avg_pool", "fc"], (
        "a step without a name is called by its op"
    )
    assert len(deep.stages) <= MAX_STAGES and sum(stage.macs for stage in deep.stages) == deep.figures.macs


@pytest.mark.usefixtures("run")
def test_too_many_bars_are_refused(run: Run) -> None:
    nets = [write_spec(f"n{at}", 4 + at) for at in range(25)]
    ran = run("compare", *nets, "--style", "bars", "-o", "a.svg")
    assert ran.code == 2 and "bars of 25 nets make no chart; 24 are the most" in ran.err


def test_labels_cover_no_other_while_there_is_room() -> None:
    marks = [Circle(60.0 + 40 * (i % 10), 80.0 + 60 * (i // 10), 4.0 + i % 7) for i in range(40)]
    room = Rectangle(0, 0, 560, 400)
    boxes = place_labels(marks, [(34.0, 9.0)] * len(marks), room)
    assert all(not overlap(a, b, 0.0) for i, a in enumerate(boxes) for b in boxes[:i])
    assert all(overlap(each, room, 0.0) == pytest.approx(34 * 9) for each in boxes)
    assert boxes == place_labels(marks, [(34.0, 9.0)] * len(marks), room)


def test_labels_of_the_lecture_cover_no_other() -> None:
    figure = draw_bubbles(select(read_nets([], LECTURE, DEFAULT), [], ChartRequest()))
    labels = [text.get_window_extent() for text in figure.texts if (text.get_gid() or "").startswith("label-")]
    assert len(labels) == 10 and not any(a.overlaps(b) for i, a in enumerate(labels) for b in labels[:i])


@pytest.mark.parametrize(
    "largest, counts", [(143_667_240, [100_000_000, 20_000_000, 4_000_000]), (7, [5, 1]), (1, [1]), (0, [])]
)
def test_the_legend_has_round_areas(largest: int, counts: list[int]) -> None:
    assert round_counts(largest) == counts


def test_a_net_without_parameters_has_a_mark(run: Run) -> None:
    text = f"archspec: 1\nname: pool\ninput: {{image: [3, 8, 8]}}\ngraph: [max_pool: 2, global_avg_pool]\nreported: {top1(90)}\n"
    Path("pool.yaml").write_text(text, "utf-8")
    assert run("compare", "pool.yaml", "--x", "activations", "-o", "a.svg").code == 0
    ran = run("compare", "pool.yaml", "-o", "b.svg")
    assert ran.code == 1 and "it has nothing to count on this axis" in ran.err


def test_families_and_all(run: Run) -> None:
    told = json.loads(run("compare", "--family", "lenet", "--family", "googlenet", "--format", "json").out)
    assert [net["name"] for net in told["nets"]] == [
        "lenet5_1998",
        "lenet5_modern",
        "lenet_caffe",
        "googlenet",
        "googlenet_paper",
    ]
    ran = run("compare", "--family", "googlnet")
    assert ran.code == 2 and "did you mean `googlenet`?" in ran.err
    ran = run("compare", "googlenet", "--protocol", "val-1-corp")
    assert ran.code == 2 and "did you mean `val-1-crop`?" in ran.err
    assert run("compare", "googlenet", "--mix", "--protocol", "val-1-crop").code == 2


def test_commands_say_nothing_of_nets_that_nobody_named(run: Run) -> None:
    assert run("compare", "--family", "lenet").err == "" and "using the bundled" in run("compare", "resnet18").err
