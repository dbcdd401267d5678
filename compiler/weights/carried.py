"""What of one net's checkpoint another net takes: found as a build with `--weights` finds it, from names and shapes alone.

Names decide, as in every checkpoint, and they may deceive: where unnamed steps have moved, a tensor fits by name and shape and is
another step's. So it is told which steps belong together, and such tensors are told apart.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from ..diagnostics import Failure
from ..ir.dtypes import DType
from ..ir.graph import Graph
from ..ir.operation import Param
from .input_channels import InputMethod, differs_in_channels, suitable_method
from .loading import NetTensors, match_checkpoint
from .matching import Matching
from .name_map import NameMap, map_names
from .names import enclosing_steps, is_bookkeeping, owning_step, summarize_by_step
from .options import CheckpointOptions
from .source import Checkpoint, KeyedStateDict

MAX_SKIPPED = 64  # steps that somebody would leave out; a checkpoint that wants more is another net's
Shape = tuple[int, ...]


class Reshaped(NamedTuple):
    """A tensor of the second net that has another shape in the checkpoint."""

    name: str
    a: Shape
    b: Shape


class CarriedWeights(NamedTuple):
    """What of a checkpoint of the net `a` the net `b` takes.

    - `fits`: `b` takes it as it is; `works`: it does with the options `skip`, `names` and `input`, which are empty where it fits
    - `carried` of the `wanted` tensors of `b` come from it then
    - `lost` are tensors of `a` that `b` does not take then, `new` those of `b` that start from a seed; `lost_steps` and `new_steps` are the
      steps that own them, whole scopes where all of a scope are among them
    - `reshaped` are tensors whose shape differs; `misplaced` such of `b` as fit by name and shape, and are another step's
    - `names` are the names in the checkpoint by those of `b`, as a map of names has them
    """

    fits: bool
    works: bool
    carried: int
    wanted: int
    lost: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    reshaped: tuple[Reshaped, ...] = ()
    misplaced: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    names: Mapping[str, str] = {}
    input: InputMethod | None = None
    lost_steps: tuple[str, ...] = ()
    new_steps: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether every tensor goes over as it is, and none is left."""
        return self.fits and not (self.lost or self.new or self.misplaced)


class TensorShapes:
    """The tensors of a net without numbers, as a source of weights."""

    def __init__(self, params: Mapping[str, Param]) -> None:
        self.params = params

    def names(self) -> Iterable[str]:
        return self.params

    def shape(self, name: str) -> Shape:
        return self.params[name].shape

    def dtype(self, name: str) -> DType:
        return self.params[name].dtype

    def get(self, name: str) -> Any:
        """There are no numbers."""
        raise NotImplementedError


def compare_weights(a: Graph, b: Graph, partners: Mapping[str, str]) -> CarriedWeights:
    """What of a checkpoint of `a` the net `b` takes. `partners` are the paths of steps of `a` by those of `b` that they belong to."""
    params = {name: param for name, param in a.params().items() if not is_bookkeeping(name)}
    net = NetTensors.of(b)
    wanted = {name: param for name, param in net.params.items() if not is_bookkeeping(name)}
    misplaced = tuple(
        name
        for name, param in wanted.items()
        if name in params and params[name].shape == param.shape and partners.get(owning_step(name)) != owning_step(name)
    )
    same = all(name in params and params[name].shape == param.shape for name, param in wanted.items())
    if same and len(params) == len(wanted) and not misplaced:
        return CarriedWeights(True, True, len(wanted), len(wanted))
    checkpoint = Checkpoint("A", (KeyedStateDict("", TensorShapes(params)),))
    present = sum(name in params for name in wanted)
    found_at_top = CheckpointOptions(
        prefix="" if 2 * present >= len(wanted) else None
    )  # else prefixes are tried, which takes long
    plain = match_checkpoint(checkpoint, net, "", found_at_top)
    fits = loads(plain)
    names = names_to_map(wanted, params, partners) if not fits or misplaced else {}
    options = found_at_top._replace(names=NameMap(names) if names else None, input=needed_method(net, wanted, params))
    matching = match_checkpoint(checkpoint, net, "", options) if options != found_at_top else plain
    wrong = wrong_tensors(matching, partners) if not fits or names else set(matching.fit.misshapen)
    skip = steps_to_skip(matching, wrong, wanted, params) if not fits or names else ()
    left_out = wrong.union(skip)
    taken = {ours: theirs for ours, theirs in matching.fit.original_names.items()
             if ours in wanted and left_out.isdisjoint([ours, *enclosing_steps(ours)])}  # fmt: skip
    works = fits or (
        len(skip) <= MAX_SKIPPED and loads(match_checkpoint(checkpoint, net, "", options._replace(skip=skip)))
    )
    theirs = map_names(wanted, options.names)
    reshaped = tuple(
        Reshaped(name, params[theirs[name]].shape, param.shape)
        for name, param in wanted.items()
        if name not in taken and theirs[name] in params and params[theirs[name]].shape != param.shape
        and partners.get(owning_step(name)) == owning_step(theirs[name])
    )  # fmt: skip
    used = set(taken.values())
    lost, new = tuple(name for name in params if name not in used), tuple(name for name in wanted if name not in taken)
    return CarriedWeights(fits, works, len(taken), len(wanted), lost, new, reshaped, misplaced, skip, names, options.input,
                          summarize_by_step(lost, params), summarize_by_step(new, wanted))  # fmt: skip


def loads(matching: Matching) -> bool:
    """Whether a build would take what was matched."""
    try:
        matching.check_missing()
        matching.check_shapes()
        matching.check_strays()
    except Failure:
        return False
    return True


def needed_method(net: NetTensors, wanted: Mapping[str, Param], params: Mapping[str, Param]) -> InputMethod | None:
    """The way to first layers for another number of input channels; None where none is needed."""
    needed = (suitable_method(channels) for name, channels in net.first.items()
              if name in params and differs_in_channels(params[name].shape, wanted[name].shape))  # fmt: skip
    return next(needed, None)


def wrong_tensors(matching: Matching, partners: Mapping[str, str]) -> set[str]:
    """The tensors that a checkpoint lacks, that have another shape there, or of which it has only the name: those of another step."""
    foreign = [
        ours for ours, theirs in matching.fit.original_names.items() if partners.get(owning_step(ours)) != owning_step(theirs)
    ]  # fmt: skip
    return {name for name in (*matching.fit.missing, *matching.fit.misshapen, *foreign) if not is_bookkeeping(name)}


def steps_to_skip(
    matching: Matching, wrong: Collection[str], wanted: Collection[str], params: Collection[str]
) -> tuple[str, ...]:
    """The steps to leave out so that a checkpoint loads: those of the `wrong` tensors, and such as only the checkpoint has."""
    skip = summarize_by_step([name for name in wanted if name in wrong], wanted)
    if matching.options.names:  # with a map nobody minds those
        return skip
    known = {name.partition(".")[0] for name in wanted}
    left_out = set(skip)
    strays = [
        name
        for name in matching.unused()[0]
        if name.partition(".")[0] in known and left_out.isdisjoint([name, *enclosing_steps(name)])
    ]
    return tuple(dict.fromkeys([*skip, *summarize_by_step(strays, params)]))


def names_to_map(
    wanted: Mapping[str, Param], params: Mapping[str, Param], partners: Mapping[str, str]
) -> dict[str, str]:
    """The steps of `a` by those of `b` that have another path and the same tensors: whole scopes where that says the same, else each step."""
    steps = dict.fromkeys(map(owning_step, wanted))
    owners = set(map(owning_step, params))
    moved = {step: partners[step] for step in steps if partners.get(step, step) != step and partners[step] in owners}
    if not moved:
        return {}
    scopes = dict(scope_of(ours, theirs) for ours, theirs in moved.items())
    meant = {name: f"{moved.get(owning_step(name), owning_step(name))}.{name.rpartition('.')[2]}" for name in wanted}
    return scopes if map_names(wanted, NameMap(scopes)) == meant else moved


def scope_of(ours: str, theirs: str) -> tuple[str, str]:
    """Two paths without the parts in which their ends are equal; the last differing part stays."""
    a, b = ours.split("."), theirs.split(".")
    while len(a) > 1 and len(b) > 1 and a[-1] == b[-1]:
        a.pop()
        b.pop()
    return ".".join(a), ".".join(b)
