"""What a run changes of the Python process that it is in: a program that trains a net goes on afterwards as if nothing had been."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

VARIABLES, LOGGERS = ("CUBLAS_WORKSPACE_CONFIG",), ("lightning_fabric",)


@contextmanager
def surroundings_restored() -> Iterator[None]:
    """Puts back at the end what a run sets: torch's deterministic algorithms, its threads and its generators, filters of warnings, levels
    of loggers, the environment.

    The group of the processes that torchrun has started stays: made anew, it would find the addresses of the first one in torchrun's store.
    """
    with ExitStack() as put_back:
        put_back.enter_context(environment_restored())
        put_back.enter_context(warnings.catch_warnings())
        put_back.enter_context(loggers_restored())
        put_back.enter_context(torch_restored())
        yield


@contextmanager
def environment_restored() -> Iterator[None]:
    """The variables of the environment that a run sets."""
    before = {name: os.environ.get(name) for name in VARIABLES}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def loggers_restored() -> Iterator[None]:
    """The levels of other libraries' loggers."""
    before = {name: logging.getLogger(name).level for name in LOGGERS}
    try:
        yield
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


@contextmanager
def torch_restored() -> Iterator[None]:
    """torch's switches, threads and generators."""
    import torch

    strict, warns = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    filled = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    # a GPU that nobody has used has no generator to keep
    others = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(strict, warn_only=warns)
        torch.utils.deterministic.fill_uninitialized_memory = filled  # type: ignore[attr-defined]
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        torch.set_rng_state(state)
        if others:
            torch.cuda.set_rng_state_all(others)
