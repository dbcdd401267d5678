"""What a chart shows: the protocol, the points, and what is left out, with the reason. Everything is decided here, before anything is drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

from ..compiler.diagnostics import Failure, nearest
from .measured import Measurement, Setting, is_of
from .nets import ComparedNet, Figures, Report
from .protocols import METRICS, Protocol, protocol_of

_T = TypeVar("_T")


class Axis(NamedTuple):
    """What goes across: its word, its title with the unit, and by what a value is divided for the unit."""

    name: str
    title: str
    unit: float = 1.0


AXES = {
    axis.name: axis
    for axis in (
        Axis("macs", "multiply-accumulates of one crop, G (1 MAC = 2 FLOPs)", 1e9),
        Axis("params", "parameters, M", 1e6),
        Axis("activations", "activations of one crop, M", 1e6),
        Axis("time", "time of one picture, ms (median)"),
        Axis("energy", "energy of one picture, J"),
    )
}
MEASURED = ("time", "energy")
# a chart has so many marks that one can tell apart
MAX_PROTOCOLS = 7


class ChartRequest(NamedTuple):
    """What is asked for; None is left to the nets. `mix` takes the protocols together, each net under the first that it has."""

    metric: str | None = None
    protocol: str | None = None
    axis: str = "macs"
    mix: bool = False


class Point(NamedTuple):
    """A net in the table, and in the chart if it has both an accuracy and a place on the axis. `accuracy` is in percent, `x` in the axis's
    unit; `figures` are those of the net that the accuracy is of."""

    net: ComparedNet
    figures: Figures
    result: Report | None
    accuracy: float | None
    protocol: Protocol | None
    x: float | None
    measurement: Measurement | None


class Selection(NamedTuple):
    """A chart before it is drawn. `points` has every net; `left_out` says of each that the chart has no place for, why."""

    metric: str
    axis: Axis
    points: tuple[Point, ...]
    protocols: tuple[Protocol, ...]
    setting: Setting | None
    left_out: tuple[tuple[str, str], ...]

    @property
    def shown(self) -> tuple[Point, ...]:
        """The points of the chart."""
        return tuple(each for each in self.points if each.x and each.accuracy is not None)


def select(nets: Sequence[ComparedNet], measurements: Sequence[Measurement], request: ChartRequest) -> Selection:
    """The chart that is asked for. Raises Failure (usage) for a protocol that no net has."""
    metric = request.metric or most_reported(nets)
    has = {
        net.label: [
            (protocol_of(metric, each.row), each) for each in net.results if METRICS[metric].key in each.row.errors
        ]
        for net in nets
    }
    protocols = choose_protocols(metric, has.values(), request)
    setting = choose_setting(nets, measurements, request.axis)
    points, left_out = [], []
    for net in nets:
        found = next(
            ((protocol, each) for protocol in protocols for other, each in has[net.label] if other == protocol), None
        )
        measured = find_measurement(net, measurements, setting, request.axis)
        point = place_net(net, metric, found, AXES[request.axis], measured)
        points.append(point)
        why = [
            *explain_accuracy(metric, point, has[net.label]),
            *explain_place(net, point, measurements, request.axis),
        ]
        left_out += [(net.label, "; ".join(why))] if why else []
    used = {point.protocol for point in points}
    return Selection(
        metric, AXES[request.axis], tuple(points), tuple(p for p in protocols if p in used), setting, tuple(left_out)
    )


def most_reported(nets: Sequence[ComparedNet]) -> str:
    """The metric that most nets have an error for; the first of METRICS where none has."""
    counts = {
        name: sum(any(metric.key in each.row.errors for each in net.results) for net in nets)
        for name, metric in METRICS.items()
    }
    return max(counts, key=lambda name: counts[name])


def choose_protocols(
    metric: str, has: Iterable[Sequence[tuple[Protocol, Report]]], request: ChartRequest
) -> list[Protocol]:
    """The protocol that is asked for, or that most nets have; with `mix` all, the most frequent first."""
    found = [list(dict.fromkeys(protocol for protocol, _ in rows)) for rows in has]
    ranked = rank(protocol for protocols in found for protocol in protocols)
    if request.protocol is None:
        return ranked[:MAX_PROTOCOLS] if request.mix else ranked[:1]
    wanted = [protocol for protocol in ranked if protocol.name == request.protocol]
    if not wanted:
        names = list(dict.fromkeys(protocol.name for protocol in ranked))
        near = nearest(request.protocol, names)
        there = f"it can be {', '.join(names)}" if names else f"none of them reports {metric}"
        raise Failure("usage", f"no net here has {metric} by the protocol `{request.protocol}`",
                      f"did you mean `{near}`?" if near else there, 2)  # fmt: skip
    return wanted[:1]


def rank(found: Iterable[_T]) -> list[_T]:
    """The distinct values, the most frequent first; of equally frequent ones, the one that is met first."""
    return [value for value, _ in Counter(found).most_common()]


def choose_setting(nets: Sequence[ComparedNet], measurements: Sequence[Measurement], axis: str) -> Setting | None:
    """The setting under which most of the nets were measured: times of different ones are not one axis."""
    usable = [each for each in measurements if axis != "energy" or each.joules is not None]
    of_nets = {
        (net.label, each.setting): each.setting for net in nets for each in usable if is_of(each, net.name, net.stem)
    }
    return next(iter(rank(of_nets.values())), None)


def find_measurement(
    net: ComparedNet, measurements: Sequence[Measurement], setting: Setting | None, axis: str
) -> Measurement | None:
    """The first measurement of the net under the setting."""
    own = (each for each in measurements if each.setting == setting and is_of(each, net.name, net.stem))
    return next((each for each in own if axis != "energy" or each.joules is not None), None)


def place_net(
    net: ComparedNet, metric: str, found: tuple[Protocol, Report] | None, axis: Axis, measured: Measurement | None
) -> Point:
    """The point of a net: of its result, if it has one, the costs are those of the net under the result's params."""
    protocol, result = found or (None, None)
    figures = result.figures if result else net.figures
    if axis.name in MEASURED:
        x = measured and (measured.time_ms if axis.name == "time" else measured.joules)
    else:
        x = getattr(figures, axis.name) / axis.unit
    accuracy = round(100 - result.row.errors[METRICS[metric].key], 6) if result else None
    return Point(net, figures, result, accuracy, protocol, x, measured)


def explain_accuracy(metric: str, point: Point, rows: Sequence[tuple[Protocol, Report]]) -> list[str]:
    """Why a net has no accuracy in the chart."""
    if point.accuracy is not None:
        return []
    if point.net.is_changed:
        return ["with these params it is another net than its spec reports of"]
    others = list(dict.fromkeys(protocol.name for protocol, _ in rows))
    return [f"it has {metric} by {', '.join(others)}" if others else f"it reports no {metric}"]


def explain_place(net: ComparedNet, point: Point, measurements: Sequence[Measurement], axis: str) -> list[str]:
    """Why a net has no place on the axis."""
    if point.x is not None:
        return [] if point.x > 0 else ["it has nothing to count on this axis"]
    settings = [
        each.setting.description
        for each in measurements
        if is_of(each, net.name, net.stem) and (axis == "time" or each.joules)
    ]
    return [f"it was measured on {settings[0]}" if settings else f"no {axis} of it was measured"]
