"""`archc compare`: nets side by side, by the accuracy that their specs report and by their costs, as a table or a chart."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from .charts.measured import Measurement, read_measurements
from .charts.nets import ComparedNet, read_net, with_distinct_labels
from .charts.protocols import METRICS
from .charts.selection import AXES, MEASURED, ChartRequest, Selection, select
from .compiler.diagnostics import Failure, SpecError, nearest
from .compiler.driver import Compilation, check
from .compiler.limits import DEFAULT, Limits, limits_from
from .compiler.sources import Memory, SpecText, find_spec, zoo
from .net import Net, graph_of

if TYPE_CHECKING:
    from .compiler.ir.graph import Graph

# the nets of the lecture and of Canziani et al. 2016, in the order of their papers
LECTURE = ("alexnet", "zfnet", "vgg16", "vgg19", "googlenet", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "inception_v3", "inception_v4")  # fmt: skip
STYLES = ("bubbles", "bars")
SUFFIXES = (".svg", ".png", ".html", ".htm")
CheckSpec = Callable[[SpecText], Compilation]


class NetComparison:
    """Nets side by side. Printed, it is the table of `archc compare`; `chart` has every figure, and says what is left out, and why."""

    def __init__(self, chart: Selection) -> None:
        self.chart = chart

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {', '.join(point.net.label for point in self.chart.points)}>"

    def __str__(self) -> str:
        from .text.comparison import comparison_text

        return comparison_text(self.chart, self.variants)

    @property
    def variants(self) -> dict[str, list[str]]:
        """Other bundled nets that report figures and are called as one of these with more behind it, by that one's name."""
        return find_variants([point.net for point in self.chart.points])

    def to_json(self) -> dict[str, Any]:
        """What `archc compare --format json` prints."""
        from .charts.tables import chart_json

        return chart_json(self.chart)

    def to_markdown(self) -> str:
        """The table as Markdown."""
        from .charts.tables import format_markdown

        return format_markdown(self.chart)

    def to_csv(self) -> str:
        """The table as csv, with whole numbers."""
        from .charts.tables import format_csv

        return format_csv(self.chart)

    def save(self, path: str | os.PathLike[str], style: str = "bubbles") -> bool:
        """Draws the chart into a file, .svg, .png or .html, whole or not at all: "bubbles", or "bars" along the depth.

        Gives whether a png's font has all characters of the names. Raises Failure where there is nothing to draw, for another suffix or
        style, and where the file cannot be written; RuntimeFault where matplotlib is missing.
        """
        from .charts.draw import render_chart
        from .charts.files import require_matplotlib
        from .compiler.destinations import file_path
        from .compiler.files import atomic_write

        check_word("style", style, STYLES)
        suffix = chart_suffix(os.fspath(path))
        require_matplotlib()
        data, complete = render_chart(self.chart, style, suffix)
        with atomic_write(file_path(os.fspath(path))) as partial:
            partial.write_bytes(data)
        return complete


def compare(
    nets: Sequence[str | os.PathLike[str] | Net] = (),
    metric: str | None = None,
    protocol: str | None = None,
    mix: bool = False,
    x: str = "macs",
    bench: Sequence[str | os.PathLike[str]] = (),
    limits: Mapping[str, int] | None = None,
) -> NetComparison:
    """Nets side by side; those of the lecture where none is named. The arguments are those of `archc.compare`, in whose words it is told."""
    if isinstance(nets, (str, os.PathLike, Net)):
        nets = [nets]
    check_request(metric, protocol, mix, x, bool(bench))
    own_limits = limits_from(limits or {})
    measured = read_measurements([os.fspath(each) for each in bench])
    bundled = () if nets else LECTURE
    given = [each if isinstance(each, Net) else os.fspath(each) for each in nets]
    return compare_nets(read_nets(given, bundled, own_limits), measured, ChartRequest(metric, protocol, x, mix))


def compare_nets(nets: Sequence[ComparedNet], measured: Sequence[Measurement], request: ChartRequest) -> NetComparison:
    """Nets that were read, as they are asked for. Raises Failure (usage) for a protocol that no net has."""
    return NetComparison(select(nets, measured, request))


def check_request(metric: str | None, protocol: str | None, mix: bool, x: str, is_measured: bool) -> None:
    """Raises Failure `bad-option` (usage) for a word that there is not, and for what does not go together."""
    if metric is not None:
        check_word("metric", metric, METRICS)
    check_word("x", x, AXES)
    if protocol is not None and mix:
        raise Failure("bad-option", "mix takes all protocols", "leave protocol out", 2)
    if x in MEASURED and not is_measured:
        raise Failure(
            "bad-option",
            f"the axis {x} wants what was measured",
            "give files of `archc bench --format json` as bench",
            2,
        )


def check_word(name: str, value: str, known: Sequence[str] | Mapping[str, Any]) -> None:
    """Raises Failure `bad-option` (usage) for a value that an argument does not take."""
    if value not in known:
        raise Failure("bad-option", f"there is no {name} {value!r}", f"there are {', '.join(known)}", 2)


def chart_suffix(path: str) -> str:
    """The suffix of a chart's file, in small letters. Raises Failure `bad-option` (usage) for one that is no chart's."""
    suffix = PurePath(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise Failure("bad-option", f"{path}: a chart is an .svg, a .png or an .html", exit_code=2)
    return suffix


def bundled_names(everything: bool, families: Sequence[str]) -> list[str]:
    """The bundled nets of families, or all of them. Raises Failure for an unknown family."""
    from .catalog import models

    listed = models() if everything or families else []
    known = dict.fromkeys(each.family for each in listed)
    for family in families:
        if family not in known:
            near = nearest(family, known)
            hint = f"did you mean `{near}`?" if near else f"there are {', '.join(known)}"
            raise Failure("no-such-spec", f"there is no family `{family[:200]}` among the bundled nets", hint, 2)
    return [each.name for each in listed if everything or each.family in families]


def read_nets(
    specs: Sequence[str | Net], bundled: Sequence[str], limits: Limits = DEFAULT, check_own: CheckSpec | None = None
) -> tuple[ComparedNet, ...]:
    """The nets of specs, then of bundled ones by name, each once. `check_own` checks a text that the user named; nobody named the others.

    Raises SpecError or Failure for a spec that is wrong, or where a row's `with` does not fit it.
    """

    def check_text(text: SpecText) -> Compilation:
        return check(text, limits=limits)

    # found once: standard input can be read only once
    found = [spec if isinstance(spec, Net) else find_spec(spec) for spec in dict.fromkeys(specs)]
    own = [
        open_net(each, limits) if isinstance(each, Net) else read_spec(each, (check_own or check_text)(each), limits)
        for each in found
    ]
    named = {each.checked.bundled if isinstance(each, Net) else each.bundled for each in found}
    others = [find_spec(f"zoo:{name}") for name in bundled if name not in named]
    return with_distinct_labels([*own, *(read_spec(text, check_text(text), limits) for text in others)])


def open_net(net: Net, limits: Limits) -> ComparedNet:
    """A net of Python's as one that is compared, by the texts that it was made of. Nothing is reported of one with other params."""
    checked = net.checked
    texts = {source.label: source.text for source in reversed(checked.sources)}
    main = checked.sources[0]
    text = SpecText(Memory(texts), main.label, main.text.encode("utf-8", "surrogateescape"), main.name, checked.bundled)
    return read_spec(text, checked, limits)


def read_spec(text: SpecText, found: Compilation, limits: Limits) -> ComparedNet:
    """A checked spec as a net that is compared; nothing is reported of one with settings. Raises SpecError for one that is wrong, or where
    a row's `with` does not fit it.
    """
    if found.failed:
        raise SpecError(found.diagnostics)

    def graph_with(params: Mapping[str, Any]) -> Graph:
        other = check(text, params=params, limits=limits)
        if other.failed:
            raise SpecError(other.diagnostics)
        return graph_of(other)

    place = zoo()[text.bundled] if text.bundled else None
    family = place.parent.name if place else ""
    header = found.header._replace(reported=()) if found.settings else found.header
    net = read_net(found.name, Path(text.name).stem, family, graph_of(found), header, graph_with)
    return net._replace(is_changed=len(header.reported) < len(found.header.reported))


def find_variants(nets: Sequence[ComparedNet]) -> dict[str, list[str]]:
    """The variants of bundled nets by the nets' names: other bundled ones of the same name with more behind it that report figures. Those
    that are compared are left out.
    """
    bundled = {net.stem for net in nets if net.family}
    others = {name: place for name, place in zoo().items() if name not in bundled and has_figures(place)}
    found = {stem: [name for name in others if name.startswith(f"{stem}_")] for stem in sorted(bundled)}
    return {stem: names for stem, names in found.items() if names}


def has_figures(place: Path) -> bool:
    """Whether a bundled spec has rows of `reported`, which begins a line there."""
    return "\nreported:" in place.read_text("utf-8")
