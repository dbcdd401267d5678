"""Checkpoint formats: one table says which there are, and what no build needs is not imported."""

from __future__ import annotations

import json
import re
import struct
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from archc.compiler.diagnostics import Failure
from archc.compiler.weights import formats


def test_a_new_format_is_a_module_and_a_row(tmp_path, monkeypatch):
    class TextFile:
        def __init__(self, path: Path) -> None:
            self.path = path

    module = ModuleType("text")
    module.open_file = TextFile  # type: ignore[attr-defined]
    (tmp_path / "file.txt").write_text("tensors: none")
    with pytest.raises(Failure, match=re.escape(f"known formats ({formats.checkpoint_suffixes()})")):
        formats.open_checkpoint(tmp_path / "file.txt")
    monkeypatch.setitem(sys.modules, f"{formats.__name__}.text", module)
    row = formats.Opener((".txt",), lambda head: head.startswith(b"tensors"), "text")
    monkeypatch.setattr(formats, "OPENERS", (*formats.OPENERS, row))
    assert isinstance(formats.open_checkpoint(tmp_path / "file.txt"), TextFile)


def test_a_header_whose_length_begins_like_a_zip(tmp_path):
    """The length of a .safetensors header may be any multiple of eight: 0x4B50 is `PK`."""
    header = json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode().ljust(0x4B50)
    (tmp_path / "f").write_bytes(struct.pack("<Q", len(header)) + header + np.ones(2, "<f4").tobytes())
    assert (tmp_path / "f").read_bytes().startswith(b"PK")
    np.testing.assert_array_equal(formats.open_checkpoint(tmp_path / "f").state_dicts[0].source.get("a"), [1, 1])


def test_readers_are_imported_when_a_file_is_opened():
    """A build without weights pays for no zip and no pickle."""
    script = """
import sys
import archc.build.build, archc.compiler.weights.loading
print([name for name in sys.modules if name == "pickletools" or name.startswith("archc.compiler.weights.formats.")])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['archc.compiler.weights.formats.damage']"
