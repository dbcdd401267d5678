"""Contenders timed in turn: in each round every one runs, in an order that is drawn, so that what slows the machine down meets all."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from ..faults import RuntimeFault
from .contender import Contender
from .energy import find_counters, measure_joules
from .statistics import Difference, Latency, compare_rounds, summarize

# seconds that one contender runs in a round at least, and rounds at least
ROUND_S = 0.02
MIN_ROUNDS = 12
MAX_ROUNDS = 1000
WARM_UP = 3
ENERGY_S = 2.0


class Timing(NamedTuple):
    """One contender at one batch: `latency` of a run, `images_per_s`, and `joules_per_image` where energy is counted.

    `start_ms` is how long it took to open, `peak_bytes` its process's peak memory up to here, `device_bytes` what it has of an NVIDIA
    GPU's, None where that is not known. `against` says how it compares with the first contender, None for that one. `why_no_energy`
    says why `joules_per_image` is None. `reason` says why it ran `where` it did, `gpu_unusable` that `auto` could not take a GPU that seems
    to be here.
    """

    name: str
    where: str
    batch: int
    runs: int
    latency: Latency
    images_per_s: float
    start_ms: float
    peak_bytes: int
    device_bytes: int | None
    joules_per_image: float | None
    why_no_energy: str
    against: Difference | None
    reason: str
    gpu_unusable: bool


def measure(contenders: Sequence[Contender], batches: Sequence[int], seconds: float) -> list[Timing]:
    """The timings of open contenders: for each batch `seconds` of each.

    Raises RuntimeFault where a contender fails, and `wrong-input` for a batch that one does not take.
    """
    found: list[Timing] = []
    for batch in batches:
        for each in contenders:
            if each.opened.fixed_batch not in (None, batch):
                raise RuntimeFault("wrong-input", f"{each.name} takes {each.opened.fixed_batch} images at once, not {batch}",
                                   "give that number by --batch, or batch= in Python", 2)  # fmt: skip
        found += measure_batch(contenders, batch, seconds)
    return found


def measure_batch(contenders: Sequence[Contender], batch: int, seconds: float) -> list[Timing]:
    """The timings at one batch."""
    for each in contenders:
        each.warm_up(batch, WARM_UP)
    each_runs = [max(1, round(ROUND_S / max(min(each.time_runs(batch, WARM_UP)), 1e-7))) for each in contenders]
    times: list[list[float]] = [[] for _ in contenders]
    rounds: list[list[float]] = [[] for _ in contenders]
    chance, ends = random.Random(0), time.perf_counter() + seconds * len(contenders)
    while len(rounds[0]) < MIN_ROUNDS or (time.perf_counter() < ends and len(rounds[0]) < MAX_ROUNDS):
        for at in chance.sample(range(len(contenders)), len(contenders)):
            found = contenders[at].time_runs(batch, each_runs[at])
            times[at] += found
            rounds[at].append(median(found))
    return [
        describe_timing(each, batch, times[at], compare_rounds(rounds[at], rounds[0]) if at else None)
        for at, each in enumerate(contenders)
    ]


def describe_timing(contender: Contender, batch: int, times: Sequence[float], against: Difference | None) -> Timing:
    """What a contender's times come to, with its energy, which is counted while it runs alone."""
    latency, opened = summarize(times), contender.opened
    counters, why = find_counters(opened.where)
    energy = None
    if counters:
        runs = max(1, round(ENERGY_S * 1e3 / latency.p50))
        energy = measure_joules(counters, lambda: contender.time_runs(batch, runs)) / (runs * batch)
    return Timing(contender.name, opened.where, batch, len(times), latency, batch * len(times) / sum(times),
                  1e3 * opened.start_seconds, contender.peak_bytes(), contender.device_bytes, energy, why, against,
                  opened.reason, opened.gpu_unusable)  # fmt: skip
