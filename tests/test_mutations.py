"""Files and command lines that went wrong at random: each ends in an answer or in a refusal that says what and where.

`make soak` makes many more; it prints its seed, and `make soak SEED=…` makes them again.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random, SystemRandom

import pytest

from archc.compiler.sources import ZOO, Memory, SpecText, zoo

from .mutations import mutate_spec
from .spec_answer import check_answer

SEED = 20140917
BOUND_SECONDS = 120  # for hangs alone; what is slow is bounded by the language's limits of work
FAMILIES = {path.relative_to(ZOO).as_posix(): path.read_bytes() for path in zoo().values()}


@contextmanager
def bounded(what: str) -> Iterator[None]:
    """Ends what hangs, where the system can."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def stop(*_: object) -> None:
        raise AssertionError(f"hangs: {what}")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(BOUND_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def mutate_zoo(count: int, seed: int) -> None:
    """`count` specs of the zoo with a change in their own text or in a text that they extend."""
    random = Random(seed)
    labels = sorted(FAMILIES)
    for number in range(count):
        label = random.choice(labels)
        beside = [each for each in labels if each.partition("/")[0] == label.partition("/")[0]]
        changed = label if random.random() < 0.6 else random.choice(beside)
        text = mutate_spec(FAMILIES[changed], random)
        files = Memory({**FAMILIES, changed: text})
        what = f"mutation {number} of seed {seed}: {label} with {changed} as {text!r}"
        try:
            with bounded(what):
                check_answer(SpecText(files, label, files.read(label), label))
        except Exception as error:
            raise AssertionError(what) from error


# the search goes on in the soak, with these seeds and with others
@pytest.mark.parametrize(
    "part", [pytest.param(part, marks=pytest.mark.slow if part < 2 else pytest.mark.soak) for part in range(4)]
)
def test_two_thousand_specs(part: int) -> None:
    mutate_zoo(500, SEED + part)


def test_some_specs() -> None:
    mutate_zoo(60, SEED - 1)


@pytest.mark.soak
def test_fifty_thousand_specs() -> None:
    seed = int(os.environ.get("SEED") or SystemRandom().randrange(2**32))
    print(f"\n50,000 mutations; again with `make soak SEED={seed}`", flush=True)
    mutate_zoo(50_000, seed)
