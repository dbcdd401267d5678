"""Which sections there are, what each asks, and how long it may take. Nothing heavy is imported here: `--list` is instant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

NETS = ("resnet50", "googlenet", "densenet121", "vgg16")
BATCHES = (256, 1, 64, 8)
PRECISIONS = ("fp16", "tf32", "fp32")
ZOO_SLICES = 4
# a rehearsal is to be short
SMALL_NET = "lenet5_modern"
# on a processor fp32 is tf32 to the letter, and is not run twice
REHEARSED = ("fp16", "tf32")
# a rehearsal on a busy machine leaves nothing out
PATIENCE_S = 600


class Section(NamedTuple):
    """A section: `measure(task)` of `module` gives its rows. `seconds` is when it is stopped; `settings` are its own.

    One that `reads_results` uses nothing but the files of other sections, and so needs no card.
    """

    name: str
    asks: str
    seconds: int
    module: str
    settings: Mapping[str, Any]
    reads_results: bool = False


class Task(NamedTuple):
    """What a section is given, beside its own settings: the device's name, whether this is a rehearsal, the folder of results, one
    for models that sections share, when to come to an end (time.monotonic), whether torch.compile may tune for longer, and the patterns of contenders' names that are
    measured beside torch eager; none for all."""

    settings: Mapping[str, Any]
    device: str
    rehearsal: bool
    results: Path
    models: Path
    ends: float
    autotune: bool
    contenders: tuple[str, ...] = ()


def list_sections(rehearsal: bool) -> list[Section]:
    """The sections in the order in which a short loan is best spent; a rehearsal has each kind once, with one small net."""
    nets, batches, precisions, slices = (
        ((SMALL_NET,), (1,), REHEARSED, 1) if rehearsal else (NETS, BATCHES, PRECISIONS, ZOO_SLICES)
    )
    cases = [
        net_section(net, batch, precision)
        for batch in batches
        for precision in precisions
        for net in nets
    ]  # fmt: skip
    sections = [
        Section("ceilings", "the most that copies, products and the bus do here", 60, "ceilings", {}),
        cases[0],
        Section("smoke", "archc doctor, bench and profile, as a user runs them", 90, "commands", {"net": nets[0]}),
        Section("start", "how long a session takes to open and to warm up, by cuDNN's search", 120, "start",
                {"nets": nets[:3], "batch": 2 if rehearsal else 8}),
        *cases[1:],
        *(zoo_section(at, slices, nets if rehearsal else ()) for at in range(slices)),
        Section("limit", "the layer-wise limit of each net, and the share of it that each contender reaches", 60, "limit",
                {"nets": nets, "batches": batches, "precisions": precisions}, reads_results=True),
    ]  # fmt: skip
    return [each._replace(seconds=PATIENCE_S) for each in sections] if rehearsal else sections


def net_section(net: str, batch: int, precision: str) -> Section:
    """One net at one batch in one precision, all contenders."""
    asks = f"archc against torch: {net}, {batch} at once, {precision}; kernels alone and from the host"
    return Section(
        name_case(net, batch, precision), asks, 120, "nets", {"net": net, "batch": batch, "precision": precision}
    )


def name_case(net: str, batch: int, precision: str) -> str:
    """The name of a net's section, and of its file."""
    return f"{net}-{batch}-{precision}"


def zoo_section(at: int, slices: int, nets: Sequence[str]) -> Section:
    """Every `slices`-th net of the zoo, or of `nets`."""
    asks = f"part {at + 1} of {slices} of the zoo: answers as torch's, and where each node runs"
    return Section(f"zoo-{at + 1}", asks, 120, "zoo", {"at": at, "slices": slices, "nets": nets})


def choose_sections(sections: Sequence[Section], wanted: str) -> list[Section]:
    """The sections that names or patterns with commas between them mean, in the order of the list; all where none is wanted.

    Raises SystemExit for a name that means none.
    """
    patterns = [each.strip() for each in wanted.split(",") if each.strip()]
    for pattern in patterns:
        if not any(fnmatchcase(section.name, pattern) for section in sections):
            raise SystemExit(f"there is no section `{pattern}`; --list has all of them")
    return [
        section for section in sections if not patterns or any(fnmatchcase(section.name, each) for each in patterns)
    ]
