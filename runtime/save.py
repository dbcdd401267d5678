"""Outputs as files, a kind by suffix: .npz holds the arrays, .png the most probable class of each position of a map.

TABLES are written by batch/.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO
from zipfile import ZipFile, ZipInfo

from .answers import Answer
from .faults import RuntimeFault

TABLES = {".csv": "a row for each of any number of pictures", ".jsonl": "the same rows", ".parquet": "the same rows"}
KINDS = {
    ".npz": "the arrays",
    ".png": "the best class at each position of a map",
    ".json": "the answer as --format json prints it",
    **TABLES,
}
# bytes, of which the archive keeps some
MAX_NAME = 2**16 - 10
# what the pictures' names are called among the arrays
NAMES = "inputs"


def save_npz(file: BinaryIO, answers: Sequence[Answer]) -> None:
    """The outputs as arrays by their names, a row for each picture that was answered; the pictures' names are the array `inputs`.

    An output may have any name, which numpy's own writer does not allow. Raises RuntimeFault `wrong-output` where the pictures' outputs are of different sizes, so that they are no one array.
    """
    import numpy as np

    answered = [each for each in answers if not each.error]
    arrays: dict[str, Any] = {}
    for name in answered[0].outputs:
        rows = [np.asarray(each.outputs[name]) for each in answered]
        if len({row.shape for row in rows}) > 1:
            raise RuntimeFault("wrong-output", f"`{name}` differs in size from picture to picture, so it is no one array",
                               "run one picture at a time")  # fmt: skip
        array = np.stack(rows)
        arrays[name] = array.astype(str) if array.dtype == object else array
    arrays.setdefault(NAMES, np.array([each.input for each in answered]))
    long = next((name for name in arrays if len(name.encode()) > MAX_NAME), None)
    if long is not None:
        raise RuntimeFault("wrong-output", f"an output's name has {len(long)} characters; a .npz holds no such name: `{long[:40]}…`",
                           "choose others: --outputs NAME, or outputs=[NAME] in Python")  # fmt: skip
    with ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            with archive.open(ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def save_png(file: BinaryIO, answers: Sequence[Answer]) -> None:
    """The one map of one picture as a grey image: each pixel is the number of the channel that is largest there.

    It has 8 bits up to 256 channels, else 16. Raises RuntimeFault `wrong-output` where there is not one such map.
    """
    import numpy as np
    from PIL import Image

    answered = [each for each in answers if not each.error]
    if len(answered) != 1:
        raise RuntimeFault("wrong-output", f"a .png holds the map of one picture, not of {len(answered)}",
                           "name one picture, or write a .npz", 2)  # fmt: skip
    name, values = only_map(answered[0].outputs)
    if len(values) == 1 and values.dtype.kind == "f":
        raise RuntimeFault(
            "wrong-output", f"`{name}` has one channel, so every position has the same arg-max", "write a .npz"
        )
    classes = values[0] if len(values) == 1 else values.argmax(0)
    Image.fromarray(classes.astype(np.uint8 if len(values) <= 256 else np.uint16)).save(file, format="PNG")


def only_map(outputs: Mapping[str, Any]) -> tuple[str, Any]:
    """The name and the values (C, H, W) of the one output that is a map of more than one position."""
    maps = {
        name: found
        for name, found in outputs.items()
        if found.ndim == 3 and found.size > len(found) and found.dtype != object
    }
    if len(maps) == 1:
        return next(iter(maps.items()))
    shapes = ", ".join(f"{name} {found.shape}" for name, found in (maps or outputs).items())
    if maps:
        raise RuntimeFault(
            "wrong-output",
            f"several outputs are maps: {shapes}",
            "choose one: --outputs NAME, or outputs=[NAME] in Python",
            2,
        )
    raise RuntimeFault("wrong-output", f"no output is a map (channels, height, width): {shapes}", "write a .npz")


def summarize(found: Any) -> dict[str, Any]:
    """An output of one picture in a few words: its dtype and shape, and its least, mean and largest number where it has any."""
    import numpy as np

    facts: dict[str, Any] = {"dtype": str(found.dtype), "shape": [*found.shape]}
    if found.size and found.dtype.kind in "fiub":
        numbers = found.astype(np.float64)
        facts |= {"min": float(numbers.min()), "mean": float(numbers.mean()), "max": float(numbers.max())}
    return facts
