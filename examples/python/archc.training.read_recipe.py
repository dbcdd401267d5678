"""A bundled recipe with another learning rate, as a value that can be changed, and as the text of a file."""

from dataclasses import replace
from pathlib import Path

from archc.training import read_recipe

recipe = read_recipe("digits", ["optimizer.lr=0.05"])
print(recipe.optimizer.values["lr"])  # 0.05
shorter = replace(recipe, name="mine", epochs=3)
Path("mine.yaml").write_text(shorter.to_yaml())
print(read_recipe("mine.yaml").epochs)  # 3
