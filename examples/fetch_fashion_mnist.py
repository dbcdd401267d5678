"""Fetches Fashion-MNIST, 70,000 pictures of clothes in 28×28 greys, as Debian packages it: four idx files for `archc train`.

    python examples/fetch_fashion_mnist.py [FOLDER]

FOLDER (build/fashion_mnist) is outside git. `apt-get download` fetches the package (31 MB) from the mirror that the machine is set up for, and
checks its signature; `dpkg-deb -x` unpacks it. Nothing is installed, and no rights of root are needed. The files are then held against
the sums below. Where they lie already, nothing is fetched. The data are Zalando's, under the Expat (MIT) licence: FOLDER/copyright.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGE = "dataset-fashion-mnist"
IN_PACKAGE = "usr/share/datasets/fashion-mnist"
# size in bytes and sha256 of version 0.0~git20200523.55506a9-1
FILES = {
    "train-images-idx3-ubyte.gz": (26_421_856, "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7"),
    "train-labels-idx1-ubyte.gz": (29_491, "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056"),
    "t10k-images-idx3-ubyte.gz": (4_422_079, "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa"),
    "t10k-labels-idx1-ubyte.gz": (5_125, "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05"),
}


class FetchError(Exception):
    """What is wrong, and what to do."""


def find_wrong_files(folder: Path) -> list[str]:
    """What is missing or different in a folder: a line a file, none where all is as it should be."""
    found = []
    for name, (size, sha256) in FILES.items():
        path = folder / name
        if not path.is_file():
            found.append(f"{name} is not there")
        elif path.stat().st_size != size:
            found.append(f"{name} has {path.stat().st_size:,} bytes, not {size:,}")
        elif (is_now := hashlib.sha256(path.read_bytes()).hexdigest()) != sha256:
            found.append(f"{name} has the sha256 {is_now}, not {sha256}")
    return found


def fetch(folder: Path) -> None:
    """Fetches the package and unpacks its files into `folder`. Raises FetchError."""
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise FetchError(
                f"{program} is not here: this reads a package of Debian's. On another system, put the four files of "
                f"github.com/zalandoresearch/fashion-mnist into {folder}, and call this again: it checks them"
            )
    with tempfile.TemporaryDirectory() as made:
        run(
            ["apt-get", "download", PACKAGE],
            made,
            "is the network there, and is the list of packages new? (apt-get update)",
        )
        [package] = Path(made).glob("*.deb")
        run(["dpkg-deb", "-x", str(package), "unpacked"], made, "the package is broken")
        unpacked = Path(made, "unpacked")
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            shutil.copy(unpacked / IN_PACKAGE / name, folder)
        shutil.copy(unpacked / "usr/share/doc" / PACKAGE / "copyright", folder)


def run(command: list[str], folder: str, help: str) -> None:
    """Runs a command in a folder; raises FetchError with the end of what it said."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise FetchError(f"`{' '.join(command)}` ended with {done.returncode}: {done.stderr.strip()[-400:]}; {help}")


def read_license(folder: Path) -> str:
    """The names of the licences in the package's copyright file (Debian's machine-readable form), without a repeat."""
    lines = (folder / "copyright").read_text("utf-8").splitlines()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("License:"))
    return ", ".join(dict.fromkeys(named))


def main() -> int:
    """Fetches what is not there, and says what there is; 3 where that cannot be done."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "build/fashion_mnist")
    try:
        if find_wrong_files(folder):
            fetch(folder)
        if wrong := find_wrong_files(folder):
            raise FetchError(f"{folder} is not the Fashion-MNIST that is known: {'; '.join(wrong)}")
    except FetchError as error:
        print(f"fetch_fashion_mnist: {error}", file=sys.stderr)
        return 3
    size = sum(size for size, _ in FILES.values())
    license = read_license(folder) if (folder / "copyright").is_file() else "Expat (MIT)"
    print(f"{folder}: {len(FILES)} files, {size:,} bytes, as they should be; licence: {license}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
