"""What `make demo` runs: a large untrained net on a photo, then a small trained one on handwritten digits, in onnxruntime."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
BUILD = ROOT / "build"


def archc(*arguments: str | Path) -> None:
    print(f"\n$ archc {' '.join(map(str, arguments))}", flush=True)
    subprocess.run([sys.executable, "-m", "archc", *map(str, arguments)], check=True, cwd=ROOT)


def main() -> int:
    """Checks, builds and runs both nets, and gives the exit code of the last."""
    from PIL import Image
    from skimage.data import chelsea

    BUILD.mkdir(exist_ok=True)
    Image.fromarray(chelsea()).save(BUILD / "cat.png")
    archc("check", "googlenet.yaml")
    archc("build", "googlenet.yaml", "--export", "onnx", "-o", "build/googlenet.onnx")
    archc("run", "build/googlenet.onnx", "build/cat.png", "--device", "cpu")
    print(
        "(These weights are UNTRAINED, drawn from a seed: the answer above means nothing but that the net runs. Give trained"
    )
    print(
        " ones with `archc build googlenet --weights googlenet-1378be20.pth`; torchvision's checkpoint fits as it is.)"
    )
    archc(
        "build",
        "lenet5_modern",
        "--weights",
        "archspecs/lenet/lenet5_modern.safetensors",
        "--export",
        "onnx",
        "-o",
        "build/lenet5_modern.onnx",
    )
    print("\n$ python examples/read_digits.py build/lenet5_modern.onnx", flush=True)
    return subprocess.run([sys.executable, "examples/read_digits.py", "build/lenet5_modern.onnx"], cwd=ROOT).returncode


if __name__ == "__main__":
    sys.exit(main())
