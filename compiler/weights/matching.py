"""Checks what a checkpoint gives to a graph, before anything is built: by name, shape, kind and value."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..diagnostics import Failure, nearest
from ..ir.dtypes import DType
from ..ir.operation import Param
from ..memory_map import blocks
from ..spelling import as_flag, as_keyword
from .fit import Fit, Wanted
from .input_channels import differs_in_channels, suitable_method
from .name_map import map_names
from .names import belongs_to, is_bookkeeping, owning_step, summarize_by_step
from .options import CheckpointOptions
from .report import Taken
from .source import WeightSource

MAX_LISTED = 10
MAX_SUGGESTED = 3
MAX_NAME = 200  # letters of a name that others are compared with
ANOTHER_NET = "is it another net's checkpoint?"
SAVE_STATE_DICT = "save the weights alone: torch.save(model.state_dict(), …)"


class RenamedSource:
    """A weight source under the graph's names: `original_names` says what its tensors are called in the checkpoint `source`.

    All other tensors come from `fallback`, under the names that they have there.
    """

    def __init__(self, source: WeightSource, original_names: Mapping[str, str], fallback: WeightSource) -> None:
        self.source, self.original_names, self.fallback = source, original_names, fallback

    def names(self) -> Iterable[str]:
        return dict.fromkeys([*self.original_names, *self.fallback.names()])

    def _locate(self, name: str) -> tuple[WeightSource, str]:
        if name in self.original_names:
            return self.source, self.original_names[name]
        return self.fallback, name

    def shape(self, name: str) -> tuple[int, ...]:
        source, original = self._locate(name)
        return source.shape(original)

    def dtype(self, name: str) -> DType:
        source, original = self._locate(name)
        return source.dtype(original)

    def get(self, name: str) -> Any:
        source, original = self._locate(name)
        return source.get(original)


class Matching(NamedTuple):
    """A fit that is to be checked: what it is of which checkpoint (`taken`), what is wanted, and the user's options.

    `first` are the weights that read the image, each with its number of channels; `unknown` are what the file names and nobody ran.
    """

    fit: Fit
    wanted: Wanted
    taken: Taken
    options: CheckpointOptions
    first: Mapping[str, int]
    unknown: tuple[str, ...] = ()

    @property
    def params(self) -> Mapping[str, Param]:
        return self.wanted.params

    @property
    def label(self) -> str:
        """What messages call the state dict: the file, and the key in it."""
        return f"{self.taken.checkpoint} (`{self.taken.key}`)" if self.taken.key else self.taken.checkpoint

    @property
    def step_prefix(self) -> str:
        """What the graph's names begin with in the step that the checkpoint is for."""
        return f"{self.taken.step}." if self.taken.step else ""

    def unused(self) -> tuple[list[str], list[str]]:
        """The tensors that the graph has no place for: those under the prefix, by the names that they would have, and all others."""
        inside, used = self.fit.inside, set(self.fit.original_names.values())
        under = [self.step_prefix + name for name, original in inside.items() if original not in used]
        known = set(inside.values())
        return under, [name for name in self.fit.state_dict.source.names() if name not in known]

    def check(self) -> None:
        """Raises Failure for a tensor that is missing or does not fit, or for which a step of the graph has no place."""
        self.check_code()
        self.check_missing()
        self.check_shapes()
        self.check_strays()
        check_values(self.fit, self.params, self.label)

    def check_code(self) -> None:
        """Raises Failure where something among the tensors is no tensor, but would run code or is of a kind that is not read."""
        state_dict, prefix = self.fit.state_dict, self.fit.prefix
        code = next(
            (name for name in state_dict.runs_code if name.startswith(prefix) and not is_bookkeeping(name)), None
        )
        if code is not None:
            raise Failure("checkpoint-refused", f"{self.label} wants to run `{state_dict.refused[code]}` for `{code[:80]}` when it is read; nothing was run",
                          "use a state dict that you trust, best as .safetensors")  # fmt: skip
        for tensor in self.fit.missing:
            original = prefix + self.wanted.names[tensor]
            if original in state_dict.refused:
                raise Failure("checkpoint-refused", f"{self.label}: `{original[:80]}` is made by `{state_dict.refused[original]}`, which archc does not read",
                              "save plain tensors: dense, of float32, float16 or bfloat16")  # fmt: skip

    def check_missing(self) -> None:
        """Raises Failure where the graph needs a tensor that the checkpoint lacks."""
        missing = list(self.fit.missing)
        if not missing:
            return
        under, others = self.unused()
        more = (
            f"; it holds {len(under) + len(others):,} other{'s' * (len(under) + len(others) != 1)}"
            if under or others
            else ""
        )
        listed = [self.name_in_both(tensor) for tensor in missing]
        hint = self.explain_missing(missing[0], [*under, *others])
        hint += self.suggest_skipping(map(owning_step, missing), "untrained")
        # where most of it fits, all that is wrong is told at once
        if self.fit.misshapen and self.fit.fitting > len(missing):
            hint += f"\nOf another shape: {count_and_list(self.describe_shapes())}"
        raise Failure("weights-missing", f"{self.label} lacks {count_and_list(listed)}{more}", self.explain(hint))

    def explain_missing(self, tensor: str, unused: Sequence[str]) -> str:
        """Why a tensor may be missing: it is there in another form, under another name, or the file is another net's."""
        theirs = self.step_prefix + self.wanted.names[tensor]
        if derived := [
            name for name in unused if name.startswith((f"{theirs}_", f"{owning_step(theirs)}.parametrizations."))
        ]:
            return (f"it has `{derived[0][:80]}`: pruning, a weight norm or a parametrization makes the weight of it; "
                    "remove that (prune.remove, remove_weight_norm, remove_parametrizations) and save again.")  # fmt: skip
        names = ", ".join(f"`{name[:60]}`" for name in unused[:3])
        as_map = f"`{self.options.spelling('weights_map')}` takes a map of names."
        if self.fit.fitting > len(self.fit.missing):
            lines = [f"the other {self.fit.fitting:,} tensors fit."]
            if all(map(is_statistic, self.fit.missing)) and not any(map(is_statistic, self.fit.original_names)):
                lines.append("Averages of parameters alone lack the norms' statistics.")
            elif names:
                lines.append(f"Is it called otherwise there? What it has besides is as {names}; {as_map}")
            return " ".join(lines)
        if near := nearest(theirs, [name for name in unused if len(name) <= MAX_NAME]):
            return f"the nearest to `{theirs}` in it is `{near}`; {as_map}"
        return "is it the checkpoint of another net?" + (f" its names are as {names}; {as_map}" if names else "")

    def name_in_both(self, tensor: str) -> str:
        """The tensor's name, with the checkpoint's where a map gives it another."""
        theirs = self.wanted.names[tensor]
        return tensor if self.step_prefix + theirs == tensor else f"{tensor} (there {theirs})"

    def check_shapes(self) -> None:
        """Raises Failure where a tensor of the checkpoint has another shape than the graph's."""
        shapes = self.misshapen()
        if not shapes:
            return
        first = {t: s for t, s in shapes.items() if t in self.first and differs_in_channels(s, self.params[t].shape)}
        hints = [self.explain_channels(first)] if first else []
        rest = [tensor for tensor in shapes if tensor not in first]
        if rest:
            skipping = self.suggest_skipping(map(owning_step, rest), "untrained")
            classes = skipping and all(shapes[t][1:] == self.params[t].shape[1:] for t in rest)
            hints.append((self.explain_classes(shapes[rest[-1]][0]) if classes else ANOTHER_NET) + skipping)
        if (strays := self.strays()) and self.fit.fitting > len(shapes):
            hints.append(f"Without a place in the net: {count_and_list(strays)}")
        raise Failure("weights-misshapen", f"{self.label} has other shapes: {count_and_list(self.describe_shapes())}",
                      self.explain("\n".join(hints)))  # fmt: skip

    def misshapen(self) -> dict[str, tuple[int, ...]]:
        """The tensors of other shapes than the graph's, each with its shape in the checkpoint."""
        source, originals = self.fit.state_dict.source, self.fit.original_names
        return {tensor: tuple(source.shape(originals[tensor])) for tensor in self.fit.misshapen}

    def describe_shapes(self) -> list[str]:
        """For each of them its name, its shape and the graph's."""
        return [
            f"{tensor} {describe_shape(shape)} for {describe_shape(self.params[tensor].shape)}"
            for tensor, shape in self.misshapen().items()
        ]

    def explain_classes(self, found: int) -> str:
        """What to do where a last layer has `found` classes and the net another number."""
        in_python = self.options.spelling is as_keyword
        option = as_keyword("params", {"classes": found}) if in_python else as_flag("set", f"classes={found}")
        return f"is it for another number of classes? a net of {found} takes it, as `{option}` where that is the param;"

    def explain_channels(self, first: Mapping[str, tuple[int, ...]]) -> str:
        """What to do where first layers read another number of channels than the image has."""
        tensor, shape = next(iter(first.items()))
        channels = self.params[tensor].shape[1]
        option = self.options.spelling("weights_input", suitable_method(channels))
        how = "adds them up" if channels == 1 else "repeats and scales them"
        return f"its first layer reads {shape[1]} input channel{'s' * (shape[1] != 1)}, the net {channels}: `{option}` {how}"

    def check_strays(self) -> None:
        """Raises Failure where the checkpoint has tensors in a step of the graph for which that step has no place."""
        strays = self.strays()
        if not strays:
            return
        # a step of the graph keeps its own tensors, so of such a one the stray tensor alone is left out
        ours = {owning_step(name) for name in self.their_names()}
        apart = [tensor for tensor in strays if owning_step(tensor) in ours]
        under, _ = self.unused()
        steps = summarize_by_step(
            [tensor for tensor in strays if owning_step(tensor) not in ours], [*self.their_names(), *under]
        )
        raise Failure("weights-unused", f"{self.label} has {count_and_list(strays)}, for which the net has no place",
                      self.explain(f"{ANOTHER_NET}{self.suggest_skipping([*apart, *steps], 'out')}"))  # fmt: skip

    def strays(self) -> list[str]:
        """The tensors in a step of the graph for which that step has no place.

        With a map of names a name of theirs need not mean a step of ours: only beside a tensor that was taken, in one module with it,
        is a tensor too many.
        """
        prefix, left_out = self.step_prefix, self.left_out()
        known = {child_step(tensor, prefix) for tensor in self.params if tensor.startswith(prefix)}
        modules = self.mapped_modules()
        under, _ = self.unused()
        return [
            t
            for t in under
            if (owning_step(t) in modules if self.options.names else child_step(t, prefix) in known)
            and not is_bookkeeping(t)
            and not belongs_to(t, left_out)
        ]

    def their_names(self) -> Iterator[str]:
        """What the checkpoint calls the tensors that are wanted of it, with the step that it is for before each."""
        return (self.step_prefix + name for name in self.wanted.names.values())

    def mapped_modules(self) -> set[str]:
        """The modules of the checkpoint that become a step of the graph with all that they have: `head` for `fc: head`."""
        return {
            owning_step(theirs)
            for ours, theirs in zip(self.wanted.names, self.their_names(), strict=True)
            if owning_step(theirs) and ours.rpartition(".")[2] == theirs.rpartition(".")[2]
        }

    def left_out(self) -> set[str]:
        """The steps and tensors that the user leaves out, by the graph's names and by the checkpoint's."""
        skip, names, prefix = self.options.skip, self.options.names, self.step_prefix
        ours = [*skip, *(tensor for tensor in self.params if skip and belongs_to(tensor, skip))]
        return {*skip, *(prefix + theirs.removeprefix(prefix) for theirs in map_names(ours, names).values())}

    def suggest_skipping(self, steps: Iterable[str], how: str) -> str:
        """The options that leave a few steps `out` or `untrained`, for a message.

        Empty for more than MAX_SUGGESTED steps, and where they are most of the net: then it is probably the wrong checkpoint.
        """
        steps = tuple(dict.fromkeys(steps))
        weights = [tensor for tensor in self.wanted.names if len(self.params[tensor].shape) > 1]
        left_out = sum(belongs_to(tensor, steps) for tensor in weights)
        if len(steps) > MAX_SUGGESTED or 2 * left_out > len(weights):
            return ""
        return f" `{self.options.spelling('weights_skip', steps)}` leaves {'it' if len(steps) == 1 else 'them'} {how}"

    def explain(self, hint: str) -> str:
        """The hint, with how the weights of a whole module are saved, and with what the file names and nobody ran."""
        module = f"\nit is a whole module, pickled: {SAVE_STATE_DICT}" if self.fit.state_dict.is_module else ""
        return hint + module + describe_not_run(self.unknown)


def describe_not_run(unknown: Sequence[str]) -> str:
    """A line of help on classes and functions that a file names; none was called."""
    return f"\nit names {', '.join(f'`{name}`' for name in unknown[:3])}; nothing was run" if unknown else ""


def is_statistic(tensor: str) -> bool:
    """Whether it is a norm's running mean or variance, which averages of parameters leave out."""
    return tensor.endswith((".running_mean", ".running_var"))


def child_step(tensor: str, prefix: str) -> str:
    """The outermost step of a tensor inside the step that `prefix` names."""
    return tensor.removeprefix(prefix).partition(".")[0]


def is_finite(numbers: Any) -> bool:
    """Whether no number of an array is NaN or infinite."""
    import numpy as np

    # a sum is quick, but may overflow: only if it is not finite are all numbers looked at
    with np.errstate(all="ignore"):
        return bool(np.isfinite(np.sum(numbers)) or np.isfinite(numbers).all())


def check_values(fit: Fit, params: Mapping[str, Param], label: str) -> None:
    """Raises Failure unless each tensor has the kind of numbers that the graph wants, and none is NaN or infinite."""
    source = fit.state_dict.source
    for tensor, original in fit.original_names.items():
        dtype, integer = source.dtype(original), params[tensor].dtype.kind == "int"
        if integer and dtype != params[tensor].dtype:
            raise Failure("weights-dtype", f"{label}: `{tensor}` is {dtype}, where {params[tensor].dtype} belongs")
        if not integer and dtype.kind != "float":
            raise Failure("weights-dtype", f"{label}: `{tensor}` is {dtype}, where floating point numbers belong")
        if not integer and not all(map(is_finite, blocks(source.get(original)))):
            raise Failure("weights-not-finite", f"{label}: `{tensor}` holds NaN or infinity",
                          "the training that made it has diverged")  # fmt: skip


def describe_shape(shape: tuple[int, ...]) -> str:
    """A whole shape for a message: `64×3×7×7`, or `scalar`."""
    return "×".join(map(str, shape)) or "scalar"


def count_and_list(tensors: Collection[str]) -> str:
    """`2 tensors: fc.weight, fc.bias`; of many, the first MAX_LISTED and how many more."""
    more = f" and {len(tensors) - MAX_LISTED} more" if len(tensors) > MAX_LISTED else ""
    names = [tensor[:MAX_NAME] for tensor in list(tensors)[:MAX_LISTED]]
    return f"{len(tensors)} tensor{'s' * (len(tensors) > 1)}: {', '.join(names)}{more}"
