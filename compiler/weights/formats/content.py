"""Looks through a pickle's content: for state dicts at any depth, and for words that say what else a file holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NamedTuple

from .pickled import Opaque, StoredTensor

MAX_DEPTH = 32  # of mappings inside one another, from the top to a state dict
MAX_TENSORS = 100_000
MAX_REPEATS = 100  # of places where a container is found again
MAX_LISTED = 8
MAX_KEY = 200  # letters of a key in a place
# by their type alone: descriptions, as StoredTensor, are tuples, too
CONTAINERS = (dict, list, tuple, Opaque)


class FoundStateDict(NamedTuple):
    """A mapping of names to tensors: `key` is its place in the file, "" for the top.

    `opaque` are its entries that are objects; `is_module` says that they are the parameters and buffers of a pickled module.
    """

    key: str
    tensors: dict[str, StoredTensor]
    opaque: dict[str, Opaque]
    is_module: bool = False


def find_state_dicts(content: Any) -> Iterator[FoundStateDict]:
    """Every mapping that has tensors by name, and every pickled module, in the order of the file.

    One that is at several places is found at each, but what is inside of it at the first alone.
    """
    seen: set[int] = set()
    repeats = 0
    waiting: list[tuple[tuple[str, ...], Any]] = [((), content)] if type(content) in CONTAINERS else []
    while waiting:
        path, value = waiting.pop()
        again = id(value) in seen
        if len(path) > MAX_DEPTH or (again and (type(value) in (list, tuple) or repeats >= MAX_REPEATS)):
            continue
        repeats += again
        if not value:
            continue
        if isinstance(value, Opaque) and value.is_module:
            entries = dict(module_entries(value))
            found, inside = state_dict_of(path, entries, is_module=True), []
        else:
            inside = [] if again else list(children(value))
            found = state_dict_of(path, value if isinstance(value, dict) else {})
        if found.tensors:
            yield found
        waiting += [((*path, key_text(key)) if key != "" else path, each) for key, each in reversed(inside)]
        seen.add(id(value))


def state_dict_of(path: tuple[str, ...], entries: dict[Any, Any], *, is_module: bool = False) -> FoundStateDict:
    """The tensors and the objects among the entries that have a name."""
    named = [(name, value) for name, value in entries.items() if isinstance(name, str)]
    tensors = {name: value for name, value in named if isinstance(value, StoredTensor)}
    return FoundStateDict(".".join(path), dict(list(tensors.items())[:MAX_TENSORS]),
                          {name: value for name, value in named if isinstance(value, Opaque)}, is_module)  # fmt: skip


def children(value: Any) -> Iterator[tuple[Any, Any]]:
    """What a container or an object holds that may hold state dicts itself, each with its key, index or attribute.

    The containers of an object are at its own place in the file, so their key is "": they may be those of other objects, too, and
    are looked through once.
    """
    pairs: Iterable[tuple[Any, Any]]
    if isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, Opaque):
        pairs = [("", each) for each in (value.items, value.elements, value.attributes) if each]
    else:
        pairs = enumerate(value)
    return islice(((key, each) for key, each in pairs if type(each) in CONTAINERS), MAX_TENSORS)


def module_entries(module: Opaque) -> Iterator[tuple[str, Any]]:
    """The names and values that the state dict of a pickled module would have; one that is in two places has its names at both.

    torch.nn keeps tensors and modules in mappings of their own; in a TorchScript archive they are attributes.
    """
    waiting: list[tuple[str, Opaque, tuple[int, ...]]] = [("", module, ())]
    visits = 0
    while waiting and visits < MAX_TENSORS:
        visits += 1
        prefix, each, around = waiting.pop()
        if id(each) in around or len(around) > MAX_DEPTH:  # a module that holds itself
            continue
        attributes = each.attributes
        temporary = attributes.get("_non_persistent_buffers_set")
        left_out = set(filter(is_name, temporary.elements)) if isinstance(temporary, Opaque) else set()
        kinds = [attributes] if each.is_script else [attributes.get(k) for k in ("_parameters", "_buffers", "_modules")]
        inside = [(k, v) for kind in kinds for k, v in entries_of(kind) if is_name(k) and k not in left_out]
        for name, value in inside:
            if isinstance(value, Opaque) and value.is_module:
                waiting.append((f"{prefix}{name}.", value, (*around, id(each))))
            elif value is not None:
                yield prefix + name, value


def entries_of(mapping: Any) -> list[tuple[Any, Any]]:
    """The pairs of a mapping, whether it is plain or a subclass; none of any other value."""
    return list(
        (mapping.items if isinstance(mapping, Opaque) else mapping if isinstance(mapping, dict) else {}).items()
    )


def key_text(key: Any) -> str:
    """A key in words; Python refuses to write a number of over 4,300 digits."""
    return "a large number" if isinstance(key, int) and key.bit_length() > 64 else str(key)[:MAX_KEY]


def is_name(value: Any) -> bool:
    return isinstance(value, str)


def describe_content(content: Any) -> str:
    """What a checkpoint holds, in words: its keys, with the kind of each. It may be a pickle's content, or what torch.load gives."""
    if not isinstance(content, Mapping):
        return describe_kind(content)
    rows = [f"`{key_text(key)[:40]}` ({describe_kind(value)})" for key, value in list(content.items())[:MAX_LISTED]]
    more = f" and {len(content) - MAX_LISTED} more" if len(content) > MAX_LISTED else ""
    return f"a mapping of {', '.join(rows)}{more}" if rows else "an empty mapping"


def describe_kind(value: Any) -> str:
    """What kind of value it is: `int`, `list of 3`, `tensor 8×3×3×3`, `object of mypackage.Net`."""
    if isinstance(value, StoredTensor) or (hasattr(value, "shape") and hasattr(value, "dtype")):
        return f"tensor {'×'.join(map(str, value.shape)) or 'of one number'}"
    if isinstance(value, Opaque):
        return f"object of {value.made_by}"
    if isinstance(value, (Mapping, list, tuple)):
        word = "mapping" if isinstance(value, Mapping) else type(value).__name__
        tensors = sum(
            isinstance(each, StoredTensor) for each in (value.values() if isinstance(value, Mapping) else value)
        )
        return f"{word} of {len(value)}" + (f", {tensors} of them tensors" if tensors else "")
    return {"str": "text", "NoneType": "none"}.get(type(value).__name__, type(value).__name__)
