"""Digits of scikit-learn's, in a folder: a row for each in a table, and the rows of two of them as columns."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

import archc
from archc.runtime.batch import PredictOptions, Predictor, run_pictures
from archc.runtime.sources import find_images

trained = Path(archc.__file__).parent / "archspecs/lenet/lenet5_modern.safetensors"
archc.load("lenet5_modern").export_onnx("lenet.onnx", weights=trained)
Path("digits").mkdir()
for at, pixels in enumerate(load_digits().images[:20]):
    Image.fromarray((pixels * 15.9).astype(np.uint8)).save(f"digits/{at:02}.png")

predictor = Predictor("lenet.onnx", PredictOptions(top=3, device="cpu"))
summary = run_pictures(predictor, find_images(["digits"]), "digits.csv")
print(summary.answered, summary.errors)  # 20 {}
with open("digits.csv", newline="") as file:
    print([row["label"] for row in csv.DictReader(file)][3:8])  # ['3', '4', '5', '6', '7']
columns = predictor({"path": ["digits/07.png", "lost.png"]})
print(columns["label"], columns["error"])  # ['7', None] [None, 'image-missing']
