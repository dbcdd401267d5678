"""A small net, trained for an epoch on pictures that are made here, and for one more."""

from pathlib import Path

import numpy as np
from PIL import Image

from archc.training import resume, train

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
print(result.step, result.reason)  # 4 finished
longer = resume("run", epochs=2, device="cpu")
print(longer.step, longer.metric)  # 8 top1
