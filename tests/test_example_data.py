"""The examples' data scripts: digits as files, and Fashion-MNIST fetched and checked."""

from __future__ import annotations

import gzip
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent


def run_example(name: str, *arguments: str, path: str | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": os.environ["PATH"] if path is None else path}
    return subprocess.run([sys.executable, str(ROOT / "examples" / name), *arguments], env=environment,
                          capture_output=True, text=True, check=False)  # fmt: skip


def read_idx(path: Path) -> np.ndarray:
    data = gzip.decompress(path.read_bytes())
    sizes = struct.unpack(f">{data[3]}I", data[4 : 4 + 4 * data[3]])
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(sizes)


def test_digits_are_the_same_in_both_forms(tmp_path: Path) -> None:
    """1,347 to train on and 450 held out, each picture once; the idx files are the same bytes each time."""
    for form in ("imagefolder", "idx", "idx"):
        done = run_example("write_digits.py", str(tmp_path / form), "--form", form)
        assert (done.returncode, done.stdout.partition(": ")[2]) == (0, "1347 in train, 450 in val\n"), done.stderr
    names: set[str] = set()
    for part, idx, count in (("train", "train", 1347), ("val", "t10k", 450)):
        files = sorted((tmp_path / "imagefolder" / part).rglob("*.png"))
        names |= {file.name for file in files}
        pixels = read_idx(tmp_path / "idx" / f"{idx}-images-idx3-ubyte.gz")
        labels = read_idx(tmp_path / "idx" / f"{idx}-labels-idx1-ubyte.gz")
        assert pixels.shape == (count, 8, 8) and len(files) == len(labels) == count
        assert {path.name for path in (tmp_path / "imagefolder" / part).iterdir()} == set("0123456789")
        one = {(int(file.parent.name), np.asarray(Image.open(file)).tobytes()) for file in files}
        assert one == {(int(label), picture.tobytes()) for label, picture in zip(labels, pixels, strict=True)}
    assert len(names) == 1347 + 450


def test_without_apt_it_says_what_to_do(tmp_path: Path) -> None:
    done = run_example("fetch_fashion_mnist.py", str(tmp_path / "fashion"), path=str(tmp_path))
    assert done.returncode == 3 and "Traceback" not in done.stderr
    assert "apt-get is not here" in done.stderr and str(tmp_path / "fashion") in done.stderr


APT = """#!/bin/sh
echo "E: Unable to locate package dataset-fashion-mnist" >&2
exit 100
"""


def test_a_package_that_is_not_found(tmp_path: Path) -> None:
    for name, text in (("apt-get", APT), ("dpkg-deb", "#!/bin/sh\n")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    done = run_example("fetch_fashion_mnist.py", str(tmp_path / "fashion"), path=f"{tmp_path}:/usr/bin:/bin")
    assert done.returncode == 3 and "Unable to locate package" in done.stderr and "apt-get update" in done.stderr
    assert not (tmp_path / "fashion").exists()


@pytest.mark.soak
@pytest.mark.skipif(not shutil.which("apt-get"), reason="no apt here")
def test_fashion_mnist_is_fetched_and_checked(tmp_path: Path) -> None:
    """From the network; a byte that was changed is noticed, and fetched again."""
    folder = tmp_path / "fashion"
    done = run_example("fetch_fashion_mnist.py", str(folder))
    assert done.returncode == 0, done.stderr
    assert "licence: Expat" in done.stdout and "Expat" in (folder / "copyright").read_text("utf-8")
    labels = folder / "t10k-labels-idx1-ubyte.gz"
    labels.write_bytes(labels.read_bytes()[:-1] + b"x")
    assert run_example("fetch_fashion_mnist.py", str(folder)).returncode == 0
    assert np.bincount(read_idx(labels)).tolist() == [1000] * 10
