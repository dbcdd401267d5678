"""The .pth before torch 1.6: pickles of a magic number, a version, the machine, the content and the storages' keys; then for
each key the number of its elements (int64) and their bytes. It has no checksums."""

from __future__ import annotations

from pathlib import Path

from ...diagnostics import Failure
from ...memory_map import map_file
from ..source import Checkpoint
from .damage import checkpoint_damaged
from .pickles import MAX_PICKLE, PickleMachine, is_int64
from .pth import check_claims, open_container

MAGIC = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the end of a pickle of one number, 0x1950A86A20F9469CFC6C, in any protocol from 2 on
MAGIC_WITHIN = 32  # bytes from the beginning
VERSION = 1001


class LegacyContainer:
    """The storages of such a file; where one begins follows from the sizes of those before it."""

    def __init__(self, path: Path) -> None:
        """Reads the five pickles, and finds the storages. Raises Failure where the file is damaged or of another version."""
        self.path = path
        self.map = map_file(path)
        machine = PickleMachine(path)
        with map_file(path, MAX_PICKLE) as head:
            _, version, system, self.content, keys = (machine.run(head) for _ in range(5))
            begin = head.tell()
        self.unknown = tuple(machine.unknown)
        if version != VERSION or not isinstance(system, dict) or system.get("little_endian") is not True:
            raise checkpoint_damaged(path, "it is of an unknown version, or of a big-endian machine")
        widths = {key: storage.dtype.size_bytes for key, storage in machine.storages.items()}
        self.places = self.locate_storages(keys, widths, begin)
        check_claims(path, machine, self)

    def locate_storages(self, keys: object, widths: dict[str, int], begin: int) -> dict[str, tuple[int, int]]:
        """(place, size) in bytes of each storage by its key; the first is at `begin`, and `widths` are bytes per element.

        Raises Failure unless the last storage ends where the file does.
        """
        places: dict[str, tuple[int, int]] = {}
        for key in keys if isinstance(keys, list) else []:
            if not (isinstance(key, str) or is_int64(key)) or str(key) not in widths:
                raise checkpoint_damaged(self.path, "it holds numbers that belong to no tensor")
            count = int.from_bytes(self.map[begin : begin + 8], "little", signed=True)
            size = count * widths[str(key)]
            places[str(key)] = (begin + 8, size)
            begin += 8 + size
            if count < 0 or begin > len(self.map):
                claim = (
                    f"its storage `{str(key)[:80]}` claims {count:,} numbers, but the file has {len(self.map):,} bytes"
                )
                raise checkpoint_damaged(self.path, f"it is cut off before its last number: {claim}")
        if begin != len(self.map):
            raise checkpoint_damaged(
                self.path, f"{len(self.map) - begin} bytes behind its last number belong to nothing"
            )
        return places

    def size(self, storage: str) -> int | None:
        return self.places[storage][1] if storage in self.places else None

    def read(self, storage: str, begin: int, end: int) -> memoryview:
        place, _ = self.places[storage]
        return self.map.view(place + begin, place + end)


def open_file(path: Path) -> Checkpoint:
    """The state dicts of the file. Raises Failure where it is damaged, and for a pickle that torch did not save."""
    with path.open("rb") as file:
        if MAGIC in file.read(MAGIC_WITHIN):
            return open_container(path, LegacyContainer(path))
    raise Failure("checkpoint-refused", f"{path.name} is a bare pickle, which could run code, and no state dict that torch saved",
                  "save it with torch.save(model.state_dict(), …), or as .safetensors")  # fmt: skip
