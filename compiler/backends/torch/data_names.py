"""Which .safetensors a stand-alone Python file names. Here, and not in source.py, because it is read without torch."""

from __future__ import annotations

import errno
from pathlib import Path

from ...content_names import TORCH_DATA, content_names

DATA_SUFFIX = TORCH_DATA
MAX_SOURCE = 64 * 2**20
CONTENT_NAME = content_names(DATA_SUFFIX)
# the line of an exported file that names its weights; earlier versions called them as the file
LOAD = 'def load(weights=Path(__file__).resolve().with_name("{name}")):'
OLD_LOAD = f'def load(weights=Path(__file__).with_suffix("{DATA_SUFFIX}")):'


def named_data(path: Path) -> dict[str, bool]:
    """The weights that the Python file `path` names, and whether archc wrote each for it, as the line of its `load` shows.

    A name anywhere else in the file counts as named, too. Raises OSError where the file cannot be read, or is too large for it.
    """
    if path.suffix != ".py":
        return {}
    if path.stat().st_size > MAX_SOURCE:
        raise OSError(errno.EFBIG, "too large to be read", str(path))
    text = path.read_text("utf-8", "replace")
    names = dict.fromkeys((found[0] for found in CONTENT_NAME.finditer(text)), False)
    lines = set(text.splitlines()) if "\nWritten by archc from " in text else set()
    names |= {name: True for name in names if LOAD.format(name=name) in lines}
    return names | ({path.with_suffix(DATA_SUFFIX).name: True} if OLD_LOAD in lines else {})
