"""A small net, trained for an epoch on pictures that are made here, and built with the weights of its best epoch."""

from pathlib import Path

import numpy as np
from PIL import Image

from archc.build.trained import build_trained
from archc.training import train

random = np.random.default_rng(0)
for part, count in (("train", 20), ("val", 10)):
    for label, light in (("dark", 60), ("light", 190)):
        folder = Path("pictures", part, label)
        folder.mkdir(parents=True)
        for at in range(count):
            pixels = random.integers(light - 50, light + 50, (32, 32), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{at}.png")
settings = ["batch=10", "data.workers=0", "schedule=constant"]
result = train(
    "lenet5_modern", "digits", data="pictures", output="run", params={"classes": 2}, settings=settings, epochs=1
)
built = build_trained(result)
print(built.artifacts[0].path)  # run/lenet5_modern.onnx
print(built.parity is not None)  # True
