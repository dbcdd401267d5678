"""A sweep is one test, and fails with every case that failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from .sweep import sweep

seen: list[int] = []


@pytest.mark.parametrize("by", [1, 2])
@sweep("number", range(4))
def test_each_case_is_run(number: int, by: int, tmp_path: Path) -> None:
    (tmp_path / "file").write_text(str(number))
    seen.append(number * by)
    assert seen[-1] == [0, 1, 2, 3, 0, 2, 4, 6][len(seen) - 1]


def test_all_failures_are_told() -> None:
    @sweep("number", range(4))
    def odd(number: int) -> None:
        assert number % 2, f"{number} is even"

    with pytest.raises(pytest.fail.Exception) as caught:
        odd()
    assert [line[:13] for line in str(caught.value).splitlines() if line.startswith("number")] == [
        "number = 0: A",
        "number = 2: A",
    ]
