"""What `make demo` runs: a large untrained net on a photo, then two small trained ones, on clothes and on handwritten digits, in onnxruntime.

The photo, cat.jpg, is Chelsea of scikit-image's data, by Stéfan van der Walt (CC0).
"""

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
    BUILD.mkdir(exist_ok=True)
    archc("check", "googlenet.yaml")
    archc("build", "googlenet.yaml", "--export", "onnx", "-o", "build/googlenet.onnx")
    archc("run", "build/googlenet.onnx", "examples/cat.jpg", "--device", "cpu")
    print(
        "(These weights are UNTRAINED, drawn from a seed: the answer above means nothing but that the net runs. Give trained"
    )
    print(
        " ones with `archc build googlenet --weights googlenet-1378be20.pth`; torchvision's checkpoint fits as it is.)"
    )
    fashion = Path("examples/fashion")
    weights = fashion / "resnet20_fashion.safetensors"
    archc("build", fashion / "resnet20_fashion.yaml", "--weights", weights, "-o", "build/resnet20_fashion.onnx")
    archc("run", "build/resnet20_fashion.onnx", fashion / "pictures", "--top", "1")
    archc("eval", "build/resnet20_fashion.onnx", fashion / "pictures/pictures.csv")
    print(
        "(ResNet-20, trained on Fashion-MNIST by `archc train`; of all 10,000 test pictures it tells 93.75 %: docs/zoo/fashion.md.)"
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
    code = subprocess.run([sys.executable, "examples/read_digits.py", "build/lenet5_modern.onnx"], cwd=ROOT).returncode
    print(f"\n{where_archc_is()}")
    return code


def where_archc_is() -> str:
    """Where the program of this interpreter's environment is, and how a shell finds it."""
    folder = Path(sys.executable).parent
    shown = folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder
    found = f"archc is {shown / 'archc'}"
    return f"{found}; to call it by its name: . {shown / 'activate'}" if (folder / "activate").exists() else found


if __name__ == "__main__":
    sys.exit(main())
