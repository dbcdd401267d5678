"""The version of archc, as its artifacts state it."""

from __future__ import annotations


def version() -> str:
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("archc-onnx")
    except PackageNotFoundError:
        from . import __version__

        return __version__
