"""How a session starts: from the cache's graph of a model, or from the model's own file, whose optimised graph then goes to the cache.

A start's `create` takes the place of inference.create_ort_session where a session is made on the CPU, and its `use` says what the cache was
to it. Whatever goes wrong with the cache, there is a session: what is wrong is the reason in `use`.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ..artifact import Artifact
from ..disk import force_to_disk
from ..faults import RuntimeFault
from ..inference import create_ort_session, session_options
from ..trust import find_data
from .entry import (
    CPU_PROVIDERS,
    GRAPH,
    WEIGHTS,
    CacheEntry,
    FileStamp,
    checksum,
    find_environment,
    hash_file,
    name_entry,
    name_model,
    pack_facts,
    read_notes,
    stamp_files,
    wait_for_tick,
)
from .folder import Unusable, check_owner, open_folder, read_bound
from .store import (
    list_folders,
    lock_cache,
    make_room,
    mark_used,
    place_entry,
    private_folder,
    remove_entry,
)

# a smaller model starts no sooner from the cache (docs/reference/cache.md has the times)
MIN_BYTES = 2**20
# what must be free on the disk: the weights in the processor's layout may be larger than the model's
ROOM, MORE_ROOM = 1.5, 64 * 2**20
# weights of at least so many bytes lie in the file that is mapped
MIN_EXTERNAL = 1024


class CacheUse(NamedTuple):
    """What the cache was to a session: `state` is `hit`, `written` or `none`.

    `reason` says why it is none, and `help` what to do, where that is for the user to mend.
    """

    state: str
    reason: str = ""
    help: str = ""


CHANGED = "the model was changed while it was opened"
NOT_HERE = CacheUse("none", "only models on the CPU, in archc's own process, are kept")


class StaleEntry(Exception):
    """An entry that does not load: it was removed meanwhile, or is damaged where nobody looked."""


class WarmStart:
    """From an entry of the cache; `artifact` is the model's, by its notes."""

    def __init__(self, entry: CacheEntry, artifact: Artifact) -> None:
        self.entry, self.artifact, self.use = entry, artifact, NOT_HERE

    def create(self, path: Path, options: Any, providers: Sequence[Any]) -> Any:
        """A session of the entry's graph, which is optimised already. Raises StaleEntry where that does not load."""
        if (*providers,) != CPU_PROVIDERS:
            return create_ort_session(path, options, providers)
        try:
            session = load_graph(self.entry.folder, options)
        except RuntimeFault as fault:
            raise StaleEntry(fault.message) from None
        mark_used(self.entry.folder)
        self.use = CacheUse("hit")
        return session


class ColdStart:
    """From the model's own file: an entry is written, and read as by later sessions, if that is worth its while, and can be done."""

    def __init__(self, artifact: Artifact, trusted: bool) -> None:
        self.artifact, self.trusted, self.use = artifact, trusted, NOT_HERE

    def create(self, path: Path, options: Any, providers: Sequence[Any]) -> Any:
        """A session of the model. Raises as create_ort_session does, of the model and never of the cache."""
        try:
            if (*providers,) != CPU_PROVIDERS:
                raise Unusable(f"only graphs for {CPU_PROVIDERS[0]} are kept")
            with open_draft(self.artifact, self.trusted) as draft:
                draft.write()
            session = load_draft(draft, options)
            self.use = CacheUse("written")
            return session
        except Unusable as error:
            self.use = CacheUse("none", error.reason, error.help)
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            self.use = CacheUse("none", f"the cache cannot be written: {why}", "ARCHC_CACHE=FOLDER puts it elsewhere")
        except (RuntimeFault, MemoryError) as error:
            # if it is the model's fault, the next line says so
            self.use = CacheUse("none", f"onnxruntime did not write its graph: {error}")
        return create_ort_session(path, options, providers)


def load_draft(draft: Draft, options: Any) -> Any:
    """A session of the entry that was just written. Raises Unusable where it does not load, or is not as the model: then it goes again."""
    try:
        session = load_graph(draft.place, options)
    except RuntimeFault:
        session = None
    if session is None or describe_ports(session) != draft.ports:
        remove_entry(draft.place)
        raise Unusable("onnxruntime does not load the graph that it wrote")
    return session


def load_graph(folder: Path, options: Any) -> Any:
    """A session of an entry's graph, which onnxruntime leaves as it is. Raises RuntimeFault, and leaves the options as they were."""
    import onnxruntime

    level = options.graph_optimization_level
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return create_ort_session(folder / GRAPH, options, CPU_PROVIDERS)
    finally:
        options.graph_optimization_level = level


class Draft:
    """An entry that is being written, in a private folder of the cache, whose lock is held."""

    def __init__(self, artifact: Artifact, entry: CacheEntry, place: Path, bound: int) -> None:
        """`entry` is what is known before the graph is there, in the private folder; `place` is where it is to go."""
        self.artifact, self.entry, self.place, self.bound = artifact, entry, place, bound
        self.ports: list[tuple[str, str, str]] = []

    def write(self) -> None:
        """Writes the entry and gives it its place, if the model is still the one of which it was made; a thread hashes the model meanwhile.

        Raises Unusable where it is not, OSError where it cannot be written, and RuntimeFault where onnxruntime takes no such model.
        """
        folder = self.entry.folder
        hashing = Hashing([*self.entry.origin])
        hashing.start()
        self.ports = write_graph(self.artifact.path, folder)
        names = [name for name in (GRAPH, WEIGHTS) if (folder / name).exists()]
        for name in names:
            # a network disk tells a file's times when it has all of it
            force_to_disk(folder / name)
        files = {name: (FileStamp.of(folder / name), checksum(folder / name)) for name in names}
        entry = self.entry._replace(files=files, sha256=hashing.wait(), made=time.time())
        self.artifact.check_unchanged()
        if not entry.is_current():
            raise Unusable(CHANGED)
        if entry.size_bytes > self.bound:
            raise Unusable(over_bound(entry.size_bytes, self.bound))
        entry.write_notes()
        make_room(folder.parent, self.bound, self.place, entry.size_bytes)
        place_entry(folder, self.place)


def write_graph(model: Path, folder: Path) -> list[tuple[str, str, str]]:
    """Has onnxruntime optimise a model, and write its graph and weights; gives what the model takes and gives.

    Raises RuntimeFault where it does not load, or is not written. That session ends here. It does not pack the weights for its kernels, which would be in memory twice.
    """
    options = session_options(1)
    options.optimized_model_filepath = str(folder / GRAPH)
    entries = {
        "optimized_model_external_initializers_file_name": WEIGHTS,
        "optimized_model_external_initializers_min_size_in_bytes": str(MIN_EXTERNAL),
        "disable_prepacking": "1",
    }
    for name, value in entries.items():
        options.add_session_config_entry(f"session.{name}", value)
    return describe_ports(create_ort_session(model, options, CPU_PROVIDERS))


class Hashing(threading.Thread):
    """Hashes files beside other work."""

    def __init__(self, paths: Sequence[str]) -> None:
        super().__init__(daemon=True)
        self.paths = paths
        self.digests: dict[str, str] = {}

    def run(self) -> None:
        """Hashes one after the other; what cannot be read ends it."""
        try:
            for path in self.paths:
                self.digests[path] = hash_file(path)
        except OSError:
            self.digests.clear()

    def wait(self) -> dict[str, str]:
        """The digests by path. Raises Unusable where a file could not be read."""
        self.join()
        if len(self.digests) != len(self.paths):
            raise Unusable(CHANGED)
        return self.digests


@contextmanager
def open_draft(artifact: Artifact, trusted: bool) -> Iterator[Draft]:
    """A draft of a model's entry. Raises Unusable where none is to be written, and OSError where it cannot be."""
    bound = read_bound()
    origin = stamp_origin(artifact)
    size = sum(stamp.size_bytes for stamp in origin.values())
    if size < MIN_BYTES:
        raise Unusable(f"models under {MIN_BYTES // 2**20} MiB start as soon without it")
    if size > bound:
        raise Unusable(over_bound(size, bound))
    environment = find_environment()
    cache = open_folder(create=True)
    free = shutil.disk_usage(cache).free
    if free < ROOM * size + MORE_ROOM:
        raise Unusable(f"`{cache}` has no room: {free // 2**20:,} MiB are free", "free some space, or ARCHC_CACHE=FOLDER puts the cache elsewhere")  # fmt: skip
    with lock_cache(cache), private_folder(cache) as folder:
        model = next(iter(origin))
        entry = CacheEntry(folder, model, trusted, environment, origin, {}, {}, 0, **pack_facts(artifact))
        yield Draft(artifact, entry, cache / name_entry(artifact.path, trusted, environment), bound)


def stamp_origin(artifact: Artifact) -> dict[str, FileStamp]:
    """The stamps of a model's files by their paths without links, the model first, before onnxruntime reads them.

    Raises Unusable where one of them cannot be found.
    """
    try:
        names = [artifact.path, *(artifact.path.parent / name for name in sorted(find_data(artifact)))]
    except RuntimeFault as fault:
        raise Unusable(fault.message) from None
    paths = [str(path.resolve()) for path in names]
    for path in paths:
        wait_for_tick(path)
    return stamp_files(paths)


def over_bound(size: int, bound: int) -> str:
    """Why a model is too large for the cache."""
    return f"its {size // 2**20:,} MiB are over the bound of the cache, {bound // 2**20:,} MiB (ARCHC_CACHE_SIZE)"


def describe_ports(session: Any) -> list[tuple[str, str, str]]:
    """The names, types and shapes of what a session takes and gives."""
    return [(each.name, each.type, str(each.shape)) for each in (*session.get_inputs(), *session.get_outputs())]


def find_warm_start(path: Path, trusted: bool) -> WarmStart | None:
    """A start from the cache; None where it has nothing that holds for this model, this machine and this onnxruntime."""
    try:
        cache = open_folder()
        # most models have none: then nothing else need be found out
        if not list_folders(cache, name_model(path, trusted)):
            return None
        folder = cache / name_entry(path, trusted, find_environment())
        check_owner(folder, folder.lstat())
        entry = read_notes(folder)
        if entry and entry.is_current() and entry.is_whole():
            return WarmStart(entry, entry.open_artifact(path))
    # what is wrong with onnxruntime is told by who opens the model; notes with other values than ours are as good as none
    except (Unusable, RuntimeFault, OSError, ValueError, AttributeError, LookupError, TypeError):
        pass
    return None
