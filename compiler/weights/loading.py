"""Loads checkpoints: one for the whole net, or one each for several steps, such as the members of an ensemble."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from ..diagnostics import Failure, nearest
from ..ir.operation import Param
from .formats import open_checkpoint
from .matching import RenamedSource, match_tensors, rename_tensors
from .names import belongs_to, enclosing_steps
from .report import WeightReport, report_weights
from .source import WeightSource

CheckpointsByStep = Mapping[str, Path | WeightSource]  # "" is the whole net


class LoadedWeights(NamedTuple):
    """The tensors of a whole graph, and where they come from."""

    source: WeightSource
    report: WeightReport


def load_checkpoints(checkpoints: CheckpointsByStep, params: Mapping[str, Param], fallback: WeightSource, *, paths: Collection[str],
         optional: Collection[str] = (), skip: Collection[str] = ()) -> LoadedWeights:  # fmt: skip
    """The tensors of a graph with the parameters `params`: those inside a checkpoint's step come from it, all others from `fallback`.

    `paths` are the graph's steps; `optional` are the steps that a checkpoint may lack, `skip` those that are left out of all
    checkpoints. A file that serves several steps is opened once. Raises Failure where a checkpoint does not fit, or an
    option names a step that there is not.
    """
    check_steps(checkpoints, params, paths)
    opened = {file: open_checkpoint(file) for file in checkpoints.values() if isinstance(file, Path)}
    sources = {step: opened[file] if isinstance(file, Path) else file for step, file in checkpoints.items()}
    renamed = {step: rename_tensors(source, params, step) for step, source in sources.items()}
    check_skipped(skip, {*paths, *params}.union(*renamed.values()))
    merged, loaded, unused = fallback, set[str](), list[str]()
    for step, source in sources.items():
        match = match_tensors(source, renamed[step], params, checkpoint=checkpoint_name(checkpoints[step]), step=step,
                              optional=optional, skip=skip)  # fmt: skip
        merged = RenamedSource(source, match.original_names, merged)
        loaded |= match.original_names.keys()
        unused += match.unused
    report = report_weights(describe_checkpoints(checkpoints), params, loaded, tuple(unused), skip)
    return LoadedWeights(merged, report)


def check_skipped(skip: Collection[str], names: Collection[str]) -> None:
    """Raises Failure unless each step of `skip` is in the net or in a checkpoint; `names` are all their steps and tensors."""
    if skip:
        known = {*names, *steps_around(names)}
        for step in skip:
            if step not in known:
                raise no_such_step(f"--weights-skip {step}", step, known)


def check_steps(checkpoints: CheckpointsByStep, params: Collection[str], paths: Collection[str]) -> None:
    """Raises Failure unless every step that gets a checkpoint exists, has tensors, and lies in no other such step."""
    known = steps_around(params)
    for step, file in checkpoints.items():
        option = f"--weights {step}={checkpoint_name(file)}"
        if step and step not in known:
            if belongs_to(step, paths) or any(belongs_to(path, [step]) for path in paths):
                raise Failure("no-such-step", f"{option}: the step `{step}` has no weights", exit_code=2)
            raise no_such_step(option, step, known)
        around = next(
            (other for other in checkpoints if other != step and (not other or belongs_to(step, [other]))), None
        )
        if around is not None:
            outer = checkpoint_name(checkpoints[around])
            both = f"{around}={outer}" if around else outer
            raise Failure("weights-overlap", f"two checkpoints for `{step}`: {both} and {step}={checkpoint_name(file)}",
                          "give one file for the whole net, or STEP=FILE for steps of which none lies in another", 2)  # fmt: skip


def steps_around(names: Iterable[str]) -> set[str]:
    """All steps that the tensors or steps `names` lie in."""
    return {step for name in names for step in enclosing_steps(name)}


def no_such_step(option: str, step: str, known: Collection[str]) -> Failure:
    """The Failure of an `option` that names a step which is not among the `known`; it suggests the nearest."""
    near = nearest(step, known)
    hint = f"did you mean `{near}`?" if near else "`archc show SPEC` tells the steps of a net"
    return Failure("no-such-step", f"{option}: the net has no step `{step}`", hint, 2)


def checkpoint_name(file: Path | WeightSource) -> str:
    """What messages call a checkpoint."""
    return file.name if isinstance(file, Path) else "the given state dict"


def describe_checkpoints(checkpoints: CheckpointsByStep) -> str:
    """The checkpoints by name, each with its steps: `a.pth (member0, member1), b.pth (member2)`."""
    steps: dict[str, list[str]] = {}
    for step, file in checkpoints.items():
        steps.setdefault(checkpoint_name(file), []).append(step)
    return ", ".join(f"{name} ({', '.join(each)})" if each != [""] else name for name, each in steps.items())
