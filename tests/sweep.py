"""Sweeps of one check over many cases as one test: of hundreds of cases, each a test, the report took longer than the work."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import pytest

Test = Callable[..., None]


def sweep(name: str, cases: Iterable[Any]) -> Callable[[Test], Test]:
    """Makes a test that runs the decorated one with each of `cases` as its argument `name`, and fails with all that failed.

    Fixtures are those of the one test: a case finds in `tmp_path` what the cases before it have left there.
    """

    def decorate(test: Test) -> Test:
        def run_all(**fixtures: Any) -> None:
            failed = []
            for case in cases:
                try:
                    test(**{name: case}, **fixtures)
                except Exception as error:
                    failed.append(f"{name} = {case}: {type(error).__name__}: {error}")
            if failed:
                pytest.fail("\n".join(failed), pytrace=False)

        signature = inspect.signature(test)
        others = [each for each in signature.parameters.values() if each.name != name]
        assert len(others) < len(signature.parameters), f"{test.__name__} has no `{name}`"
        run_all.__signature__ = signature.replace(parameters=others)  # type: ignore[attr-defined]
        run_all.__name__, run_all.__doc__, run_all.__module__ = test.__name__, test.__doc__, test.__module__
        run_all.pytestmark = list(getattr(test, "pytestmark", ()))  # type: ignore[attr-defined]
        return run_all

    return decorate
