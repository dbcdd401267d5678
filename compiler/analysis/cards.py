"""Graphics cards as a roofline needs them: the most arithmetic that they do, by precision, and how fast and how large their memory is.

The numbers are the makers' own, of the document that `source` names. Arithmetic is dense: where a document states it with structured
sparsity, half of that. On cards with tensor cores fp16, which is also what bf16 does from Ampere on, and int8 are theirs; fp32 is without
them, and tf32 is what torch and onnxruntime make of float32 unless told otherwise. What a document does not state is not here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from ..diagnostics import Failure, nearest
from .cost import ELEMENT_BYTES

TERA, GIGA = 1e12, 1e9
UNITS = {"": 1.0, "k": 1e3, "M": 1e6, "G": GIGA, "T": TERA, "P": 1e15}
NUMBER = re.compile(r"([0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,3})?)([kMGTP]?)", re.ASCII)
OWN = "flops=312T,bandwidth=2T,memory=80G"


class Card(NamedTuple):
    """A card: `flops` is FLOP/s by precision, int8 operations included; `bandwidth` bytes/s; `memory` bytes, 0 where nobody says."""

    name: str
    title: str
    flops: Mapping[str, float]
    bandwidth: float
    memory: float
    source: str

    def peak(self, precision: str) -> float:
        """FLOP/s in a precision. Raises Failure `usage` for one that the card has no arithmetic for, as far as its source says."""
        if precision not in self.flops:
            raise Failure(
                "usage", f"no number is known of {self.title} in {precision}", f"known are {', '.join(self.flops)}", 2
            )
        return self.flops[precision]


def card(
    name: str, title: str, teraflops: tuple[float, float, float, float], gigabytes: float, speed: float, source: str
) -> Card:
    """A card of the table: TFLOP/s in fp32, tf32, fp16 and int8, 0 for none; GB of memory, and GB/s to it."""
    flops = {name: TERA * each for name, each in zip(ELEMENT_BYTES, teraflops, strict=True) if each}
    return Card(name, title, flops, speed * GIGA, gigabytes * GIGA, source)


CARDS = {
    each.name: each
    for each in (
        card("p100", "Tesla P100 SXM2 16 GB", (10.6, 0, 21.2, 0), 16, 732, "NVIDIA Tesla P100 data sheet"),
        card("v100-16gb", "Tesla V100 SXM2 16 GB", (15.7, 0, 125, 0), 16, 900, "NVIDIA Tesla V100 data sheet"),
        card("v100-32gb", "Tesla V100 SXM2 32 GB", (15.7, 0, 125, 0), 32, 900, "NVIDIA Tesla V100 data sheet"),
        card("t4", "Tesla T4", (8.1, 0, 65, 130), 16, 320, "NVIDIA Tesla T4 data sheet"),
        card("a10", "A10", (31.2, 62.5, 125, 250), 24, 600, "NVIDIA A10 data sheet"),
        card("a100-40gb", "A100 40 GB", (19.5, 156, 312, 624), 40, 1555, "NVIDIA A100 data sheet"),
        card("a100-80gb", "A100 SXM 80 GB", (19.5, 156, 312, 624), 80, 2039, "NVIDIA A100 data sheet"),
        card("a100-80gb-pcie", "A100 PCIe 80 GB", (19.5, 156, 312, 624), 80, 1935, "NVIDIA A100 data sheet"),
        # with float16 accumulation, which is twice as fast there as with float32
        card("rtx3090", "GeForce RTX 3090", (35.6, 35.6, 142, 284), 24, 936, "NVIDIA Ampere GA102 white paper"),
        card("rtx4090", "GeForce RTX 4090", (82.6, 82.6, 330.3, 660.6), 24, 1008, "NVIDIA Ada white paper"),
        card("l4", "L4", (30.3, 60, 121, 242.5), 24, 300, "NVIDIA L4 data sheet, half of its sparse numbers"),
        card("l40s", "L40S", (91.6, 183, 362.05, 733), 48, 864, "NVIDIA L40S data sheet"),
        card("h100-pcie", "H100 PCIe", (51, 378, 756.5, 1513), 80, 2000,
             "NVIDIA H100 data sheet, half of its sparse numbers"),
        card("h100-sxm", "H100 SXM", (67, 494.5, 989.5, 1979), 80, 3350,
             "NVIDIA H100 data sheet, half of its sparse numbers"),
        card("h200", "H200 SXM", (67, 494.5, 989.5, 1979), 141, 4800,
             "NVIDIA H200 data sheet, half of its sparse numbers"),
        card("agx-orin", "Jetson AGX Orin 64 GB", (5.3, 0, 0, 85), 64, 204.8,
             "NVIDIA Jetson AGX Orin technical brief: its GPU alone, half of its sparse number"),
    )
}  # fmt: skip


def find_card(text: str) -> Card:
    """The card of a name, or of `flops=…,bandwidth=…,memory=…`. Raises Failure `usage` where it is neither."""
    if "=" in text:
        return read_own_card(text)
    name = text.strip().lower().replace(" ", "-").replace("_", "-")
    if name in CARDS:
        return CARDS[name]
    meant = [each for each in CARDS if each.startswith(name + "-")] if name else []
    close = nearest(name, tuple(CARDS))
    say = f"write {' or '.join(meant)}" if meant else f"did you mean `{close}`?" if close else ""
    known = f"known are {', '.join(CARDS)}; your own is {OWN}"
    end = "" if not say else " " if close and not meant else "; "
    raise Failure("usage", f"there is no card `{text[:40]}`", f"{say}{end}{known}", 2)


def read_own_card(text: str) -> Card:
    """A card in numbers: FLOP/s in whatever precision is asked for, bytes/s, and bytes, which may be left out."""
    numbers: dict[str, float] = {}
    for item in text.split(","):
        name, _, value = (part.strip() for part in item.partition("="))
        found = NUMBER.fullmatch(value)
        number = float(found[1]) * UNITS[found[2]] if found else 0.0
        if name not in ("flops", "bandwidth", "memory") or name in numbers or not 0 < number < 1e30:
            wrong = f"`{item[:40]}` of a card is not one of flops, bandwidth and memory, each once and a number over 0"
            raise Failure("usage", wrong, f"write {OWN}: FLOP/s, bytes/s, bytes", 2)
        numbers[name] = number
    if missing := {"flops", "bandwidth"} - set(numbers):
        raise Failure(
            "usage", f"a card needs its {' and its '.join(sorted(missing))}", f"write {OWN}: FLOP/s, bytes/s, bytes", 2
        )
    flops = dict.fromkeys(ELEMENT_BYTES, numbers["flops"])
    return Card(text, "your card", flops, numbers["bandwidth"], numbers.get("memory", 0.0), "your own numbers")
