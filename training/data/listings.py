"""Pictures that are listed more than once: under several classes, or for training and for validation alike.

Folders hold a picture once; a .csv names it as often as somebody wrote it. A million paths are compared by their hashes, which are one array.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ...compiler.counts import count_of
from ...compiler.diagnostics import Failure
from .pictures import PictureSet

if TYPE_CHECKING:
    import numpy as np

# how many pictures a message names
SHOWN = 3


class DataWarning(NamedTuple):
    """What is probably wrong with pictures.

    code  a word that has a page in docs/diagnostics
    text  what is wrong, and where
    """

    code: str
    text: str


class Listing(NamedTuple):
    """Pictures that are files, and what messages call the list of them. `keys` are the hashes of their paths, int64 (n,)."""

    name: str
    pictures: PictureSet
    keys: np.ndarray[Any, np.dtype[np.int64]]

    @classmethod
    def of(cls, name: str, pictures: PictureSet) -> Listing:
        import numpy as np

        here = os.getcwd()
        paths = (os.path.normpath(os.path.join(here, pictures.source(at))) for at in range(len(pictures)))
        return cls(name, pictures, np.fromiter(map(hash, paths), np.int64, len(pictures)))

    def show(self, chosen: np.ndarray[Any, Any]) -> str:
        """The first of some pictures, for a message."""
        return ", ".join(f"`{self.pictures.name(int(at))}`" for at in chosen[:SHOWN]) + ", …" * (len(chosen) > SHOWN)


def find_several_classes(listing: Listing, classes: Sequence[str]) -> list[DataWarning]:
    """The warning on pictures that are listed under several classes, if there are such.

    Raises Failure `several-classes` where all of them are: then it is no slip, and the pictures have several classes each.
    """
    import numpy as np

    order = np.argsort(listing.keys, kind="stable")
    keys, targets = listing.keys[order], listing.pictures.targets()[order]
    again = keys[1:] == keys[:-1]
    odd = np.flatnonzero(again & (targets[1:] != targets[:-1]))
    different, count = len(keys) - int(again.sum()), len(np.unique(keys[odd]))
    if not count:
        return []
    first, second = (classes[int(targets[odd[0] + at])] for at in (0, 1))
    example = f"{listing.show(order[odd[:1]])} as `{first}` and as `{second}`"
    if count == different:
        raise Failure("several-classes", f"every picture of {listing.name} is listed under several classes: {example}",
                      "training gives a picture one class: list each once; a net that tells several things of a picture wants a loop of your own")  # fmt: skip
    text = f"{count_of(count, 'picture')} of {listing.name} {'is' if count == 1 else 'are'} listed under several classes, and no net can learn both: {example}"
    return [DataWarning("several-classes", text)]


def find_shared(train: Listing, val: Listing) -> list[DataWarning]:
    """The warning on validation pictures that are trained on, too, if there are such. Raises Failure `shared-pictures` where all are."""
    import numpy as np

    shared = np.flatnonzero(np.isin(val.keys, train.keys))
    if not len(shared):
        return []
    if len(shared) == len(val.keys):
        raise all_shared(train.name, val.name)
    text = (
        f"{len(shared):,} of the {len(val.keys):,} pictures of {val.name} are trained on, too, so what is measured is better than what others "
        f"will meet: {val.show(shared)}"
    )
    return [DataWarning("shared-pictures", text)]


def all_shared(train: str, val: str) -> Failure:
    """The Failure where no picture for validation is one that the net has not seen."""
    where = f"`train` and `val` are both {train}" if train == val else f"those of {val} are in {train}"
    return Failure("shared-pictures", f"all pictures for validation are trained on, too: {where}",
                   "give others for validation, or take a part of these: --set data.split=0.1; without validation: --set data.val=null")  # fmt: skip
