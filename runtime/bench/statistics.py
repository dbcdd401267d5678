"""What times say: their quantiles, and whether two contenders differ by more than the noise."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp
from typing import Any, NamedTuple

RESAMPLES = 2000
# rounds that follow each other are drawn together, as a disturbance lasts longer than one
BLOCK = 4
# the parts of all rounds that are compared as wholes, and how many standard errors of their mean hold it in 95 of 100 cases (Student's t)
PARTS, ERRORS = 5, 2.776
# a quantile is told only where at least so many runs lie beyond it
BEYOND = 1


class Latency(NamedTuple):
    """Quantiles of a run's time in ms; None where there were too few runs to say."""

    p50: float
    p90: float | None
    p99: float | None


class Difference(NamedTuple):
    """How much longer one contender takes than another: the ratio of their times, with the interval that holds it in 95 of 100 cases.

    `noise` is how far a contender's own rounds lie apart, as a ratio over 1. `beyond_noise` says whether the interval lies beyond it: if
    not, nobody should call one of the two faster.
    """

    ratio: float
    low: float
    high: float
    noise: float

    @property
    def beyond_noise(self) -> bool:
        """Whether there is a difference that is not noise."""
        return self.low > self.noise or self.high < 1 / self.noise


def summarize(seconds: Sequence[float]) -> Latency:
    """The quantiles of the times of all runs."""
    import numpy as np

    times = np.asarray(seconds) * 1e3

    def quantile(share: float) -> float | None:
        return float(np.quantile(times, share)) if len(times) * (1 - share) >= BEYOND - 1e-9 else None

    return Latency(float(np.median(times)), quantile(0.9), quantile(0.99))


def compare_rounds(ours: Sequence[float], theirs: Sequence[float]) -> Difference:
    """How the time of one contender compares with another's, from the median time of each in the same rounds.

    A round's two times are near each other in time, so that what slows the machine down slows both. The interval is a bootstrap of
    blocks of rounds, seeded, so that the same times give the same answer; and it holds that of the means of a few long parts, as a
    disturbance may last for many rounds.
    """
    import numpy as np

    ratios = np.log(np.asarray(ours)) - np.log(np.asarray(theirs))
    count = len(ratios)
    block = min(BLOCK, max(1, count // 4))
    chance = np.random.default_rng(0)
    starts = chance.integers(0, count, (RESAMPLES, -(-count // block)))
    drawn = (starts[:, :, None] + np.arange(block)).reshape(RESAMPLES, -1)[:, :count] % count
    low, high = np.quantile(np.median(ratios[drawn], axis=1), (0.025, 0.975))
    parts = [float(np.median(part)) for part in np.array_split(ratios, min(PARTS, count))]
    reach = ERRORS * float(np.std(parts, ddof=1)) / len(parts) ** 0.5 if len(parts) > 1 else 0.0
    low, high = min(float(low), float(np.mean(parts)) - reach), max(float(high), float(np.mean(parts)) + reach)
    noise = max(measure_noise(ours), measure_noise(theirs))
    return Difference(exp(float(np.median(ratios))), exp(low), exp(high), noise)


def measure_noise(rounds: Sequence[float]) -> float:
    """How far a contender lies from itself: the ratio, over 1, of the medians of its even and of its odd rounds."""
    import numpy as np

    times: Any = np.asarray(rounds)
    if len(times) < 2:
        return float("inf")
    ratio = float(np.median(times[::2]) / np.median(times[1::2]))
    return max(ratio, 1 / ratio)
