"""Pictures whose classes are known: from files, or all in one array. A million of them are a few arrays, and no list of strings, so
that a worker which was forked shares them: a string's count of references lies in its memory, and to read it is to copy the page.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ...runtime.images import MAX_PIXELS, open_image
from ...runtime.pixels import rotate_by_exif, to_rgb

if TYPE_CHECKING:
    import numpy as np


# of pictures without names, how many are looked at to tell them from others
DIGESTED = 1000


class PictureSet(Protocol):
    """Pictures by their number from 0, each with its class. `classes` is how many classes there are."""

    classes: int

    def __len__(self) -> int: ...

    def source(self, index: int) -> Any:
        """What `runtime.images.read_input` reads it from: a path, or an array uint8 (H, W)."""

    def load(self, index: int) -> Any:
        """It decoded: a Pillow image, upright, or an array uint8 (H, W). Raises PictureFault where it cannot be read."""

    def target(self, index: int) -> int:
        """The index of its class."""

    def name(self, index: int) -> str:
        """What messages call it."""

    def targets(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The classes of all, int64 (n,)."""

    def names_digest(self) -> bytes:
        """A digest of the names of all, which is the same where they lie in another folder."""


class PathList:
    """Paths in one array of bytes, and where each ends in it. What all begin with is kept once."""

    def __init__(self, paths: Iterable[str], folder: str) -> None:
        import numpy as np

        self.folder = os.path.join(os.fsencode(folder), b"")
        content, ends = bytearray(), [0]
        for path in paths:
            content += os.fsencode(path).removeprefix(self.folder)
            ends.append(len(content))
        self.content = np.frombuffer(bytes(content), np.uint8)
        self.ends = np.array(ends, np.int64)

    def __len__(self) -> int:
        return len(self.ends) - 1

    def __getitem__(self, index: int) -> str:
        if not 0 <= index < len(self):
            raise IndexError(index)
        return os.fsdecode(os.path.join(self.folder, self.content[self.ends[index] : self.ends[index + 1]].tobytes()))

    def digest(self) -> bytes:
        """A digest of the paths below the folder."""
        return sha256(self.content.tobytes() + self.ends.tobytes()).digest()

    def __iter__(self) -> Iterator[str]:
        return (self[index] for index in range(len(self)))


class FilePictures:
    """Pictures in files. `targets` are their classes, int (n,)."""

    def __init__(self, paths: PathList, targets: np.ndarray[Any, Any], classes: int) -> None:
        import numpy as np

        self.paths, self.classes = paths, classes
        self._targets = targets.astype(np.int32)

    def __len__(self) -> int:
        return len(self.paths)

    def source(self, index: int) -> str:
        return self.paths[index]

    def load(self, index: int) -> Any:
        path = self.paths[index]
        with open_image(path, path, MAX_PIXELS) as image:
            return to_rgb(rotate_by_exif(image))

    def target(self, index: int) -> int:
        return int(self._targets[index])

    def name(self, index: int) -> str:
        return self.paths[index]

    def targets(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        import numpy as np

        return self._targets.astype(np.int64)

    def names_digest(self) -> bytes:
        return self.paths.digest()


class ArrayPictures:
    """Pictures in one array uint8 (n, H, W), with their classes, int (n,); `place` is the file that they come from."""

    def __init__(
        self, images: np.ndarray[Any, Any], targets: np.ndarray[Any, Any], classes: int, place: str | Path
    ) -> None:
        import numpy as np

        self.images, self.classes, self.place = images, classes, os.fspath(place)
        self._targets = targets.astype(np.int32)

    def __len__(self) -> int:
        return len(self.images)

    def source(self, index: int) -> Any:
        return self.images[index]

    def load(self, index: int) -> Any:
        return self.images[index]

    def target(self, index: int) -> int:
        return int(self._targets[index])

    def name(self, index: int) -> str:
        return f"{self.place}: picture {index}"

    def targets(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        import numpy as np

        return self._targets.astype(np.int64)

    def names_digest(self) -> bytes:
        """Their names are numbers: of the pictures themselves, the sizes and those that are there to look at in a moment."""
        few = self.images[:: max(len(self.images) // DIGESTED, 1)]
        return sha256(repr(self.images.shape).encode() + few.tobytes()).digest()


class ChosenPictures:
    """Some pictures of a set, by their numbers there, int (n,)."""

    def __init__(self, whole: PictureSet, chosen: np.ndarray[Any, Any]) -> None:
        self.whole, self.chosen, self.classes = whole, chosen, whole.classes

    def __len__(self) -> int:
        return len(self.chosen)

    def source(self, index: int) -> Any:
        return self.whole.source(int(self.chosen[index]))

    def load(self, index: int) -> Any:
        return self.whole.load(int(self.chosen[index]))

    def target(self, index: int) -> int:
        return self.whole.target(int(self.chosen[index]))

    def name(self, index: int) -> str:
        return self.whole.name(int(self.chosen[index]))

    def targets(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        targets: np.ndarray[Any, np.dtype[np.int64]] = self.whole.targets()[self.chosen]
        return targets

    def names_digest(self) -> bytes:
        return sha256(self.whole.names_digest() + self.chosen.tobytes()).digest()
