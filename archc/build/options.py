"""The options of a build: one record, made once, checked when it is made, and passed whole.

Python and the command line make the same record. A mistake is told in the words of whom it concerns: `opset=` in Python,
`--opset` on the command line; which of the two is a field of the record, as later stages name options, too.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from numbers import Real
from operator import index
from pathlib import Path
from typing import Any, Literal, get_args

from ..compiler.backends import BACKENDS
from ..compiler.destinations import file_path
from ..compiler.diagnostics import Failure, nearest
from ..compiler.ir.graph import Phase
from ..compiler.name_maps import name_map
from ..compiler.spelling import Spelling, as_keyword
from ..compiler.weights.given import CheckpointGiven, checkpoints_by_step
from ..compiler.weights.input_channels import INPUT_METHODS, InputMethod
from ..compiler.weights.name_map import NameMap
from ..compiler.weights.options import CheckpointOptions
from .precision.methods import Calibration

Precision = Literal["fp32", "fp16", "int8"]
HalfOrFloat = Literal["fp32", "fp16"]
InputType = Literal["float", "uint8"]
Proof = Literal["fast", "full", "none"]

PHASES, PRECISIONS, PROOFS = get_args(Phase), get_args(Precision), get_args(Proof)
HALF_OR_FLOAT, INPUT_TYPES = get_args(HalfOrFloat), get_args(InputType)
CALIBRATIONS = get_args(Calibration)
WITH_INT8 = ("calibrate", "calibration", "int8_keep")
WITH_WEIGHTS = ("weights_skip", "weights_key", "weights_prefix", "weights_map", "weights_input")
MAX_SEED = 2**63 - 1
MAX_BATCH = 2**31 - 1
# what other tools call a phase
MEANT_PHASES = {"eval": "inference", "test": "inference", "infer": "inference", "training": "train"}
MEANT_PRECISIONS = {"float16": "fp16", "half": "fp16", "f16": "fp16", "float32": "fp32", "float": "fp32", "f32": "fp32"}
# how far a build may lie from float32, relative L2, unless told; docs/reference/precision.md has the reasons
ALLOWED_ERRORS: Mapping[Precision, float] = {"fp32": 1e-4, "fp16": 0.01, "int8": 0.1}
ALLOWED_OF_STORED = 0.01
OLD_NAMES = {"verify": "proof"}  # `verify` is the check of a graph; comparing a file's answers with torch is a proof


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """How to build. Raises Failure `bad-option` (usage) when it is made with a value that an option does not take.

    exports       names of BACKENDS
    output        the file to write; None is the spec's name, in the current folder. Each backend sets its own suffix
    weights       checkpoints by the step that each is for; "" is the whole net; None is none. From Python also a path or a state_dict
    weights_skip  steps that are left out of the checkpoints and start from the seed
    weights_key   the key of the state dict in a checkpoint, "." for the top; None finds the one that fits
    weights_prefix  what is taken off a checkpoint's names; None finds the one that fits
    weights_map   a checkpoint's names by the net's, where they differ: the path of a YAML file, or a mapping; `*` for any part
    weights_input  what first layers for another number of channels become: `sum` adds them up to one, `repeat` gives more
    seed          what untrained tensors start from, 0 to 2**63 - 1
    opset         the ONNX opset, honoured or refused; None is archc's choice
    batch         images at once; None (or "dynamic") leaves the batch open
    phase         which graph is built: `inference` or `train`; an ONNX file holds the inference graph alone
    keep_aux      keep the auxiliary heads as outputs
    fold          merge batch norms into convolutions
    precision     of the file's arithmetic: `fp32`, `fp16` with islands of float32 where half floats lose too much, or `int8`
    store         how the weights of an fp32 file are stored; None is as they are computed with
    io            the element type of the inputs and outputs of an fp16 file
    input_type    `float`, or `uint8`: pixels, which the file normalises itself as the spec's `preprocess` says
    calibrate     what an int8 build finds the ranges of its values with: a folder or a .csv of pictures, or an .npz of arrays by the inputs' names
    calibration   how it finds them: `minmax` (None), or `entropy` or `percentile`, which cut off what is rare
    int8_keep     steps and blocks that an int8 build leaves in float32, by path
    max_error     how far a build of another precision may lie from float32, relative L2; over it the build fails. None is
                  what docs/reference/precision.md says for each
    proof         how the file is run against torch before it takes its place: `fast`, `full` for more kinds of input and all
                  levels of optimisation, or `none`. True is fast, False is none
    """

    exports: tuple[str, ...] = ("onnx",)
    output: Path | None = None
    weights: Mapping[str, CheckpointGiven] | None = None
    weights_skip: tuple[str, ...] = ()
    weights_key: str | None = None
    weights_prefix: str | None = None
    weights_map: NameMap | None = None
    weights_input: InputMethod | None = None
    seed: int = 0
    opset: int | None = None
    batch: int | None = None
    phase: Phase = "inference"
    keep_aux: bool = False
    fold: bool = True
    precision: Precision = "fp32"
    store: HalfOrFloat | None = None
    io: HalfOrFloat = "fp32"
    input_type: InputType = "float"
    calibrate: Path | None = None
    calibration: Calibration | None = None
    int8_keep: tuple[str, ...] = ()
    max_error: float | None = None
    proof: Proof = "fast"
    spelling: Spelling = as_keyword

    def __post_init__(self) -> None:
        """Reads each option into its own form, then checks those that depend on one another."""
        for option, read in READERS.items():
            value = getattr(self, option)
            try:
                object.__setattr__(self, option, read(value))
            except ValueError as error:
                raise self.refused(option, f"takes {error}") from None
        for option in WITH_WEIGHTS:
            if getattr(self, option) not in ((), None) and not self.weights:
                raise self.refused(option, f"is about a checkpoint; give one with {self.spell('weights')}")
        for row in (BACKENDS[name] for name in self.exports):
            if self.phase not in row.phases:
                able = [other.name for other in BACKENDS.values() if self.phase in other.phases]
                raise Failure("bad-option", f"`{self.spell('phase', self.phase)}` is for {', '.join(able)}: {row.writes} holds the "
                              f"{row.phases[0]} graph", f"export {able[0]}, which has both phases, or build {row.phases[0]}", 2)  # fmt: skip
        self.refuse_combinations()
        for option, reason in self.not_honoured():
            raise self.refused(option, f"cannot be honoured: {reason}")

    def refuse_combinations(self) -> None:
        """Raises Failure `bad-option` for options of the file's numbers that make no sense together."""
        if self.io == "fp16" and self.precision != "fp16":
            raise self.refused("io", f"is for half floats; add `{self.spell('precision', 'fp16')}`")
        if self.store is not None and self.precision != "fp32":
            raise self.refused("store", f"is about float32 arithmetic; with `{self.spell('precision', self.precision)}` the weights are "
                               "stored as they are computed with")  # fmt: skip
        if self.precision == "int8" and self.calibrate is None:
            raise Failure("bad-option", f"`{self.spell('precision', 'int8')}` needs the range of each value, and nothing to find it with is given",
                          f"give pictures, or arrays, as the net will meet them: {self.spell('calibrate', 'photos')}", 2)  # fmt: skip
        for option in WITH_INT8:
            if getattr(self, option) not in ((), None) and self.precision != "int8":
                raise self.refused(option, f"is for 8 bits; add `{self.spell('precision', 'int8')}`")
        if self.max_error is not None and self.is_plain:
            raise self.refused(
                "max_error", "is about a build that is no plain float32; one that is, is proved against torch"
            )

    @property
    def is_plain(self) -> bool:
        """Whether the file is float32 throughout, as the spec says it: what is proved against torch itself."""
        return self.precision == "fp32" and self.store != "fp16" and self.input_type == "float"

    @property
    def allowed_error(self) -> float:
        """How far the file may lie from the plain one, relative L2."""
        if self.max_error is not None:
            return self.max_error
        return ALLOWED_OF_STORED if self.store == "fp16" else ALLOWED_ERRORS[self.precision]

    @classmethod
    def from_keywords(cls, fixed: Collection[str] = (), /, **keywords: Any) -> BuildOptions:
        """The options as Python's keywords give them, under old names, too, which warn.

        Options in `fixed` are the caller's own, and keywords may not give them. Raises Failure `bad-option` for a name that
        is no option and for a value that one does not take.
        """
        known = [each.name for each in fields(cls) if each.name not in ("spelling", *fixed)]
        for old in OLD_NAMES.keys() & keywords.keys():
            new = OLD_NAMES[old]
            warnings.warn(f"`{old}=` is called `{new}=` now", DeprecationWarning, stacklevel=3)
            if new in keywords:
                raise Failure("bad-option", f"`{old}=` is the old name of `{new}=`; give one of them", exit_code=2)
            keywords[new] = keywords.pop(old)
        for name in keywords:
            if name not in known:
                near = nearest(name, known)
                meant = f"did you mean `{near}=`?" if near else f"the options are {', '.join(known)}"
                raise Failure("bad-option", f"there is no option `{name}=`", meant, exit_code=2)
        return cls(**keywords)

    def spell(self, option: str, value: object = "") -> str:
        """An option as its reader writes it, `opset=` or `--opset`; with a value, the whole of it."""
        return self.spelling(option, value)

    def refused(self, option: str, why: str) -> Failure:
        return Failure("bad-option", f"`{self.spell(option)}` {why}", exit_code=2)

    @property
    def checkpoint_options(self) -> CheckpointOptions:
        """The options that say how checkpoints are read."""
        return CheckpointOptions(
            self.weights_skip,
            self.weights_key,
            self.weights_prefix,
            self.weights_map,
            self.weights_input,
            self.spelling,
        )

    def not_honoured(self) -> Iterator[tuple[str, str]]:
        """Options that were asked for and that none of the exports can honour, each with the reason."""
        rows = [BACKENDS[name] for name in self.exports]
        for each in fields(self):
            asked = each.name in READERS and getattr(self, each.name) != each.default
            if asked and all(each.name in row.unsupported for row in rows):
                yield each.name, f"{rows[0].name} is {rows[0].writes}; {rows[0].unsupported[each.name]}"


# -- readers: each gives the value in its own form, or raises ValueError with what the option takes ---------------------


def show(value: object) -> str:
    """A value as Python writes it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"


def integer(bounds: tuple[int, int] | None = None, absent: tuple[object, ...] = ()) -> Callable[[Any], int | None]:
    """A reader of integers, from the first of `bounds` to the second; what is in `absent` stands for None."""
    wanted = f"an integer from {bounds[0]} to {bounds[1]}" if bounds else "an integer"
    wanted += "".join(f" or `{each}`" for each in absent if each is not None)

    def read(value: Any) -> int | None:
        """The integer; raises ValueError that says what is wanted."""
        if (value is None or isinstance(value, str)) and value in absent:
            return None
        if isinstance(value, bool) or not hasattr(value, "__index__"):  # numpy's integers have it, too
            written = isinstance(value, str) and value.isascii() and value.isdigit()
            hint = f"; write {value} without the quotes" if written else ""
            raise ValueError(f"{wanted}, not {show(value)}{hint}")
        try:
            number = index(value)
        except TypeError:  # an array of several numbers has the method, and refuses
            raise ValueError(f"{wanted}, not {show(value)}") from None
        if bounds and not bounds[0] <= number <= bounds[1]:
            raise ValueError(f"{wanted}, not {show(number)}")
        return number

    return read


def share(value: Any) -> float:
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not 0 < value <= 1:
        raise ValueError(f"a share over 0 and up to 1, not {show(value)}")
    return float(value)


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"True or False, not {show(value)}")
    return value


def one_of(words: tuple[str, ...], meant: Mapping[Any, str] | None = None) -> Callable[[Any], str]:
    """A reader of one of a few words; `meant` are other words, with what they most likely mean."""
    *others, last = [f"`{word}`" for word in words]
    known = f"{', '.join(others)} or {last}" if others else last

    def read(value: Any) -> str:
        if isinstance(value, str) and value in words:
            return value
        near = (meant or {}).get(value, nearest(value, words)) if isinstance(value, str) else None
        hint = f"; did you mean `{near}`?" if near else ""
        raise ValueError(f"{known}, not {show(value)}{hint}")

    return read


def proof(value: Any) -> str:
    return one_of(PROOFS)({True: "fast", False: "none"}[value] if isinstance(value, bool) else value)


def text(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ValueError(f"a text, not {show(value)}")
    return value


def optional(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The reader that gives None for None, and for all else what `read` does."""
    return lambda value: None if value is None else read(value)


def texts(of: str, example: str) -> Callable[[Any], tuple[str, ...]]:
    """A reader of a list of texts; a single text would be read letter by letter, and is refused."""

    def read(value: Any) -> tuple[str, ...]:
        if isinstance(value, str):
            raise ValueError(f"a list of {of}, not a text; write [{value!r}]")
        found = tuple(value) if isinstance(value, Iterable) else (value,)
        if not isinstance(value, Iterable) or not all(isinstance(each, str) for each in found):
            raise ValueError(f"a list of {of}, as [{example!r}], not {show(value)}")
        return found

    return read


def exports(value: Any) -> tuple[str, ...]:
    """Names of backends, each once."""
    found = tuple(dict.fromkeys(texts("backends", "onnx")(value)))
    if not found:
        raise ValueError(f"a list of at least one of {', '.join(BACKENDS)}")
    return tuple(map(one_of(tuple(BACKENDS)), found))


def path(value: Any) -> Path | None:
    """The path of a file or a folder."""
    if value is not None and not isinstance(value, (str, os.PathLike)):
        raise ValueError(f"a path, not {show(value)}")
    return None if value is None else Path(value)


def output(value: Any) -> Path | None:
    """The path of an output. Raises Failure `output-is-folder` for one that ends in a slash, as the command line does."""
    found = path(value)
    return None if found is None else file_path(os.fspath(value))


READERS: dict[str, Callable[[Any], Any]] = {
    "exports": exports,
    "output": output,
    "weights": checkpoints_by_step,
    "weights_skip": texts("steps", "fc"),
    "weights_key": text,
    "weights_prefix": text,
    "weights_map": name_map,
    "weights_input": optional(one_of(INPUT_METHODS)),
    "seed": integer((0, MAX_SEED)),
    "opset": integer(absent=(None,)),
    "batch": integer((1, MAX_BATCH), absent=(None, "dynamic")),
    "phase": one_of(PHASES, MEANT_PHASES),
    "keep_aux": flag,
    "fold": flag,
    "precision": one_of(PRECISIONS, MEANT_PRECISIONS),
    "store": optional(one_of(HALF_OR_FLOAT, MEANT_PRECISIONS)),
    "io": one_of(HALF_OR_FLOAT, MEANT_PRECISIONS),
    "input_type": one_of(INPUT_TYPES),
    "calibrate": path,
    "calibration": optional(one_of(CALIBRATIONS)),
    "int8_keep": texts("steps", "fc"),
    "max_error": optional(share),
    "proof": proof,
}
