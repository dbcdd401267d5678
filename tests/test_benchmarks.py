"""What the benchmarks measure with: a process is measured alone, and not with what its parent held."""

from __future__ import annotations

import os
import sys

import pytest

from benchmarks.processes import Run, Starter, measure_in_turn, median_ratio, medians

pytestmark = pytest.mark.skipif(os.name != "posix", reason="wait4 is posix's")


def python(text: str) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", text]


def test_a_childs_peak_is_its_own():
    held = bytearray(os.urandom(2**20)) * 100
    with Starter() as start:
        small, large = start.run(python("")), start.run(python("x = b'1' * 50_000_000"))
    assert len(held) > 4 * small.peak_mb * 1e6
    assert 50 < large.peak_mb < 90 and small.seconds > 0 and small.cpu_s > 0


def test_a_failed_process_ends_the_benchmark_with_what_it_said(tmp_path):
    with Starter() as start:
        with pytest.raises(SystemExit, match=r"ended with 3:\nno luck"):
            start.run(python("import os; os.write(2, b'no luck'); os._exit(3)"))
        start.run(python("import os; os._exit(3)"), codes=(3,))
        start.run(python("import os; open(os.environ['NAME'], 'w').close()"), tmp_path, {"NAME": "made"})
    assert (tmp_path / "made").exists()


def test_contenders_take_turns(tmp_path):
    note = python(f"import sys; open({str(tmp_path / 'turns')!r}, 'a').write(sys.argv[1])")
    with Starter() as start:
        runs = measure_in_turn(start, {"a": [*note, "a"], "b": [*note, "b"]}, rounds=2)
    assert (tmp_path / "turns").read_text() == "ba" + "ab" + "ba"
    assert [len(each) for each in runs.values()] == [2, 2]


def test_medians_and_ratios():
    one, two = [Run(1, 1, 10), Run(3, 2, 30), Run(2, 3, 20)], [Run(2, 1, 40), Run(3, 1, 90), Run(8, 1, 40)]
    assert medians(one) == Run(2, 2, 20)
    assert median_ratio(two, one, "seconds") == 2 and median_ratio(two, one, "peak_mb") == 3
