"""Contenders timed in turn on one device, and what their times come to: the rule of `archc bench` for what is noise."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from statistics import median
from typing import Any, NamedTuple

from archc.runtime.bench.statistics import compare_rounds, summarize

from .device import Device

Run = Callable[[], Any]
WARM_UP = 3
# seconds after which the times so far are told: a section that is stopped loses no more than these
TELL_S = 5.0


class Effort(NamedTuple):
    """How long to time: `seconds` for each contender, `rounds` at least, and each contender for `round_s` in a round at least."""

    seconds: float
    rounds: int
    round_s: float


FULL, REHEARSAL = Effort(1.0, 12, 0.02), Effort(0.02, 4, 0.002)


class Times(NamedTuple):
    """The seconds of all runs of a contender, and the median of each of its rounds."""

    runs: list[float]
    rounds: list[float]


def time_in_turn(runs: Mapping[str, Run], device: Device, effort: Effort, ends: float) -> Iterator[dict[str, Times | Exception]]:  # fmt: skip
    """The times by contender, told anew every while: in each round every one runs, in an order that is drawn.

    One that raises is left out from then on, with its error in the place of its times. After `ends` no further round begins.
    """
    found: dict[str, Times | Exception] = {}
    counts: dict[str, int] = {}
    for name, run in runs.items():
        try:
            warm = [time_run(run, device) for _ in range(2 * WARM_UP)][WARM_UP:]
            counts[name], found[name] = max(1, round(effort.round_s / max(min(warm), 1e-7))), Times([], [])
        except Exception as error:
            found[name] = error
    chance, began = random.Random(0), time.monotonic()
    stops, told = min(ends, began + effort.seconds * len(runs)), began
    done = 0
    while counts and (done < effort.rounds or time.monotonic() < stops):
        if done >= 2 and time.monotonic() > ends:
            break
        for name in chance.sample([*counts], len(counts)):
            try:
                times = [time_run(runs[name], device) for _ in range(counts[name])]
            except Exception as error:
                found[name] = error
                del counts[name]
                continue
            kept = found[name]
            assert isinstance(kept, Times)
            kept.runs.extend(times)
            kept.rounds.append(median(times))
        done += 1
        if time.monotonic() - told > TELL_S and done >= 2:
            told = time.monotonic()
            yield found
    yield found


def time_run(run: Run, device: Device) -> float:
    """The seconds of one run, until the device has done it."""
    device.synchronise()
    began = time.perf_counter()
    run()
    device.synchronise()
    return time.perf_counter() - began


def figures(times: Times, batch: int) -> dict[str, Any]:
    """Latency in ms, and images a second by the median."""
    latency = summarize(times.runs)
    return {
        "p50_ms": latency.p50,
        "p90_ms": latency.p90,
        "p99_ms": latency.p99,
        "images_per_s": 1e3 * batch / latency.p50,
        "runs": len(times.runs),
        "rounds": len(times.rounds),
    }


def compare(ours: Times, theirs: Times, name: str) -> dict[str, Any]:
    """Time against another's in the same rounds, under 1 for faster, with its interval; `beyond_noise` where that lies there."""
    count = min(len(ours.rounds), len(theirs.rounds))
    found = compare_rounds(ours.rounds[:count], theirs.rounds[:count])
    return {
        f"time_over_{name}": found.ratio,
        f"time_over_{name}_low": found.low,
        f"time_over_{name}_high": found.high,
        f"time_over_{name}_noise": found.noise,
        f"time_over_{name}_beyond_noise": found.beyond_noise,
    }
