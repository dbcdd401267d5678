"""A digit of scikit-learn's, told by a net that was trained on others, from a picture and from arrays."""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import archc
from archc.runtime import Session

trained = Path(archc.__file__).parent / "archspecs/lenet/lenet5_modern.safetensors"
archc.load("lenet5_modern").export_onnx("lenet.onnx", weights=trained)
session = Session("lenet.onnx", device="cpu")
digit = (load_digits().images[3] * 15.9).astype(np.uint8)
(result,) = session.classify(digit, top=2)
print(result)
print(result.top[0].label)  # 3
outputs = session.run(np.zeros((5, 1, 32, 32), np.float32))
print(outputs["logits"].shape)  # (5, 10)
for answer in session.predict([digit, digit]):
    print(answer.outputs["logits"].argmax())  # 3
