"""How well a net tells digits of scikit-learn's that lie in a folder for each class, and the page of it."""

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

import archc
from archc.runtime.batch import PredictOptions, Predictor
from archc.runtime.evaluation import evaluate, format_page

trained = Path(archc.__file__).parent / "archspecs/lenet/lenet5_modern.safetensors"
archc.load("lenet5_modern").export_onnx("lenet.onnx", weights=trained)
digits = load_digits()
for at in range(50):
    folder = Path("held-out", str(digits.target[at]))
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray((digits.images[at] * 15.9).astype(np.uint8)).save(folder / f"{at}.png")

report = evaluate(Predictor("lenet.onnx", PredictOptions(device="cpu")), "held-out")
print(report.answered, report.top1)  # 50 0.98
print(report.classes[3].label, report.classes[3].precision)  # 3 1.0
Path("report.html").write_text(format_page(report), "utf-8")
