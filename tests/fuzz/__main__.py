"""The fuzzer: `python -m tests.fuzz TARGET --seconds 60`, or `make fuzz TARGET=yaml SECONDS=60`.

Atheris runs libFuzzer over the instrumented package. What it finds interesting stays in build/fuzz/TARGET, and the next run begins with
it; an input that fails lies there, too, as crash-…, timeout-… or oom-…. It is kept by copying it into tests/fuzz/cases/TARGET.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

import atheris

SECONDS_PER_INPUT = 300  # for hangs: what the limits of work allow takes 2 s, but 10 times as long instrumented, and more on a busy machine
MEMORY_MB = 2048  # of the whole process


def main() -> None:
    """Fuzzes one target, and ends the process: with 0 where nothing was found."""
    with atheris.instrument_imports(include=["archc", "yaml"]):
        from .targets import TARGETS, Target, kept_cases

        options = parse_arguments([*TARGETS])
        target: Target = TARGETS[options.target]
        seeds = [*target.seeds(), *(path.read_bytes() for path in kept_cases(options.target))]
        for seed in seeds[:: max(1, len(seeds) // 40)]:  # also what is imported late is instrumented
            target.run(seed)
    found = Path("build", "fuzz", options.target)
    begun = write_seeds(found / "seeds", seeds, target)
    words = write_words(found / "words.txt", target)
    (found / "corpus").mkdir(parents=True, exist_ok=True)
    flags = [f"-max_total_time={options.seconds}", f"-timeout={SECONDS_PER_INPUT}",
             f"-report_slow_units={SECONDS_PER_INPUT // 3}", f"-rss_limit_mb={MEMORY_MB}",
             f"-max_len={target.longest}", f"-dict={words}", f"-artifact_prefix={found}/", f"-seed={options.seed}",
             "-print_final_stats=1"]  # fmt: skip
    atheris.Setup([sys.argv[0], *flags, str(found / "corpus"), str(begun)], target.run)
    atheris.Fuzz()


def parse_arguments(targets: list[str]) -> argparse.Namespace:
    """The target, for how many seconds, and from which seed; 0 is another one each time."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=targets)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def write_seeds(folder: Path, seeds: list[bytes], target: Target) -> Path:  # noqa: F821
    """The seeds as files, those that are not too long."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        if len(seed) <= target.longest:
            (folder / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)
    return folder


def write_words(path: Path, target: Target) -> Path:  # noqa: F821
    """The target's words as a dictionary of libFuzzer."""
    lines = ['"' + "".join(f"\\x{byte:02x}" for byte in word.encode()) + '"' for word in target.words()]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


if __name__ == "__main__":
    main()
