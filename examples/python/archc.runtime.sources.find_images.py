"""The pictures of a folder, at any depth; of a pattern; and of a list."""

from pathlib import Path

import numpy as np
from PIL import Image

from archc.runtime.sources import find_images

for path in ("photos/b.png", "photos/2024/a.png"):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(path)
Path("photos/notes.md").write_text("no picture")
print([*find_images(["photos"])])  # ['photos/2024/a.png', 'photos/b.png']
print([*find_images(["photos/*.png"])])  # ['photos/b.png']
Path("list.txt").write_text("photos/b.png\n")
print([*find_images(["list.txt"])])  # ['photos/b.png']
