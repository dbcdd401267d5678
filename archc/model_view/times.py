"""Times on a drawing: what `archc profile MODEL --format json` measured of a model, by the nodes of its net's picture.

A profile tells a kernel by one step, and onnxruntime makes one kernel of several: a convolution's time holds that of what was fused
into it. So the time stands at that step, the others have none, and nothing is split by guess.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, NamedTuple

from ..compiler.diagnostics import Failure, clean, list_names
from ..compiler.view.drawing import Drawing, members
from ..json_files import read_json_file

HOW = "`archc profile MODEL --format json` writes one, without --by"
# the share of the time that steps must tell, for the picture to say where time goes
LEAST_TOLD = 0.5
# onnxruntime fills channels up to a multiple of this, and counts the filling
CHANNELS = 16


class MeasuredStep(NamedTuple):
    """What a profile says of a step: milliseconds and multiply-accumulates of a run."""

    ms: float = 0.0
    macs: int = 0


class MeasuredRun(NamedTuple):
    """A profile. `steps` are the times by step, `covered` all steps that some kernel worked out, `untold` what no step tells, of the
    kernels `untold_ops`, the longest first.
    """

    file: str
    model: str
    device: str
    batch: int
    runs: int
    steps: Mapping[str, MeasuredStep]
    covered: frozenset[str]
    untold: MeasuredStep
    untold_ops: tuple[str, ...]


def read_profile(file: str) -> MeasuredRun:
    """A profile from its file. Raises Failure `file-missing` or `file-unreadable` where it cannot be read, `not-a-profile` for any other file."""
    return read_json_file(
        file, partial(parse_profile, file), Failure("not-a-profile", f"`{clean(file)}` is no profile", HOW)
    )


def parse_profile(file: str, found: Any) -> MeasuredRun:
    """A profile from its JSON. Raises Failure where it is not by steps, and what a look-up raises where it is no profile."""
    if found["by"] in ("block", "op"):
        raise Failure(
            "not-a-profile", f"`{clean(file)}` has times by {found['by']}; a picture needs those of steps", HOW
        )
    steps: dict[str, MeasuredStep] = {}
    covered: set[str] = set()
    ops: dict[str, None] = {}
    for row in found["rows"]:
        step, ms, macs = str(row["step"]), float(row["ms"]), int(row["macs"])
        if not (math.isfinite(ms) and ms >= 0 and macs >= 0):
            raise ValueError
        covered.update(map(str, row["covers"]))
        if not step:
            ops[str(row["op"])] = None
        before = steps.get(step, MeasuredStep())
        steps[step] = MeasuredStep(before.ms + ms, before.macs + macs)
    batch, runs = int(found["batch"]), int(found["runs"])
    if batch < 1 or not steps:
        raise ValueError
    untold = steps.pop("", MeasuredStep())
    return MeasuredRun(
        file,
        str(found["model"]),
        str(found["device"]),
        batch,
        runs,
        steps,
        frozenset(covered | {*steps}),
        untold,
        tuple(ops),
    )


def rename_steps(profile: MeasuredRun, paths: Mapping[str, str]) -> MeasuredRun:
    """The profile with `paths` for the names that nodes have in a file."""
    steps: dict[str, MeasuredStep] = {}
    for name, time in profile.steps.items():
        before = steps.get(path := paths.get(name, name), MeasuredStep())
        steps[path] = MeasuredStep(before.ms + time.ms, before.macs + time.macs)
    return profile._replace(steps=steps, covered=frozenset(paths.get(name, name) for name in profile.covered))


class Times(NamedTuple):
    """The times of one image in ms: `steps` by path, `apart` what belongs to no step, `whole` all together. `told` says how they were measured."""

    steps: Mapping[str, float]
    apart: float
    whole: float
    told: str


def find_times(drawing: Drawing, profile: MeasuredRun, others: Collection[str] = ()) -> Times:
    """The times of a whole net's steps. `others` are nodes of a model that its picture leaves out.

    Raises Failure `profile-mismatch` where the profile is of another net, or tells most of its time by no step.
    """
    numbers = {node.path: at for at, node in enumerate(drawing.nodes)}
    beside = {each.name for each in drawing.inputs} | {*others}
    found: dict[int, MeasuredStep] = {}
    apart = profile.untold.ms
    for step, time in profile.steps.items():
        # what was added for a step is called `step/…`, and what was added for an input `input/…`
        owner = step if step in numbers or step in beside else step.partition("/")[0]
        if owner in numbers:
            before = found.get(numbers[owner], MeasuredStep())
            found[numbers[owner]] = MeasuredStep(before.ms + time.ms, before.macs + time.macs)
        elif owner in beside:
            apart += time.ms
        else:
            raise mismatch(drawing, profile, f"it has the step `{clean(step)}`, which is not in {drawing.name}")
    whole = apart + sum(time.ms for time in found.values())
    if whole and 1 - apart / whole < LEAST_TOLD:
        raise untold_time(profile, apart / whole)
    check_work(drawing, profile, found)
    steps = {drawing.nodes[at].path: time.ms / profile.batch for at, time in found.items()}
    return Times(steps, apart / profile.batch, whole / profile.batch, describe_run(profile, apart, whole))


def untold_time(profile: MeasuredRun, share: float) -> Failure:
    """The Failure for a profile of which no step tells most of the time: a picture of the rest would mislead."""
    kernels = list_names([clean(each) for each in profile.untold_ops], "{}")
    why = (
        f"is of kernels that onnxruntime made of the model and named after none of its nodes ({kernels})"
        if kernels
        else "is of nodes that its picture leaves out"
    )
    return Failure("profile-mismatch", f"{share:.0%} of the time in `{clean(profile.file)}` {why}",
                   "`archc profile MODEL --by op` tells that time by kernels; for a picture profile the same net built with --precision fp32, "
                   "whose kernels are known by their steps")  # fmt: skip


def describe_run(profile: MeasuredRun, apart: float, whole: float) -> str:
    """What the times are of, for the summary of a picture."""
    told = (
        f"times of one image, of {clean(profile.model)} on {clean(profile.device)}, {profile.batch} at once, the median of {profile.runs} runs; "
        f"a step's is that of its kernel, with all that was fused into it"
    )
    more = f"; {apart / profile.batch:.3g} of {whole / profile.batch:.3g} ms are of no step" if apart else ""
    return told + more


def with_times(drawing: Drawing, times: Times) -> Drawing:
    """The drawing of the net, or of a part of it, with times in the costs of its nodes, in its totals, and told in its summary."""
    nodes = tuple(
        node._replace(costs=node.costs._replace(time_ms=times.steps[node.path])) if node.path in times.steps else node
        for node in drawing.nodes
    )
    is_whole = {node.path for node in nodes} >= {*times.steps}
    total = times.whole if is_whole else sum(times.steps.get(node.path, 0.0) for node in nodes)
    summary = "; ".join(filter(None, (drawing.summary, times.told)))
    return drawing._replace(nodes=nodes, summary=summary, totals=drawing.totals._replace(time_ms=total))


def check_work(drawing: Drawing, profile: MeasuredRun, found: Mapping[int, MeasuredStep]) -> None:
    """Raises Failure `profile-mismatch` unless each layer of the net was run, and with as much work as it has."""
    beside = {at for head in drawing.heads if head.weight is not None for item in head.items for at in members(item)}
    channels = channel_counts(drawing)
    for at, node in enumerate(drawing.nodes):
        if not node.costs.macs or at in beside:
            continue
        wanted, counted = profile.batch * node.costs.macs, found.get(at, MeasuredStep()).macs
        if not counted and node.path not in profile.covered and not profile.untold.macs:
            raise mismatch(drawing, profile, f"it has no time of `{node.path}`")
        # a product of matrices is not filled up
        known = channels(at)
        is_exact = node.family == "linear" or (known and not any(each % CHANNELS for each in known))
        if counted and (counted < 0.99 * wanted or (is_exact and counted > 1.01 * wanted)):
            raise mismatch(drawing, profile, f"`{node.path}` has {wanted:,} MACs here and {counted:,} there")


def channel_counts(drawing: Drawing) -> Callable[[int], tuple[int, ...]]:
    """Gives the channels of what a node makes and of what it reads; none where a shape is not known."""
    sources: dict[int, list[int]] = {}
    for a, b in drawing.edges:
        sources.setdefault(b, []).append(a)

    def channels(at: int) -> tuple[int, ...]:
        shapes = [drawing.nodes[at].shape, *(drawing.shape_of(source) for source in sources.get(at, ()))]
        first = tuple(shape[0] for shape in shapes if shape)
        counts = tuple(each for each in first if isinstance(each, int))
        return counts if len(counts) == len(shapes) else ()

    return channels


def mismatch(drawing: Drawing, profile: MeasuredRun, why: str) -> Failure:
    """The Failure for a profile of another net."""
    return Failure("profile-mismatch", f"`{clean(profile.file)}` is of another net than {drawing.name} ({clean(profile.model)}): {why}",
                   "profile the model that is built from this spec, with the same --set")  # fmt: skip
