"""What goes wrong with a file at random: in its bytes, in its words, in the tree of a spec, in the records of an image.

Each takes the random numbers to draw from, so that a seed gives the same files again.
"""

from __future__ import annotations

import copy
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import yaml

BYTES = [b"\0", b"\xff", b"\x80", b"\n", b"\r", b"\t", b" ", b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b"\xc2\x85", b"\xe2\x80\xae",
         b"\x7f\xff\xff\xff", b"\xff" * 8, b"\0" * 8, b"\x1b[31m"]  # fmt: skip
WORDS = ["$", "$(", ")", "$x", "$(x.channels)", "{", "}", "[", "]", ": ", "- ", "\n", "\n  ", "  ", "'", '"', "#", " # ", "&a ", "*a", "!!int ", "<<: ",
         "|", ">", "~", "null", "true", "no", "0", "-1", "1e308", ".inf", ".nan", "010", "1_000", "9" * 30, "0.5", "[1, 2]", "{a: 1}", "é",
         "\u202e", "\ufeff", "name: ", "repeat: {i: 3}", "when: ", "from: ", "output: ", "steps:", "zoo:resnet50", "../x", "http://x", "conv: 8",
         "relu", "linear: 10", "add:", "concat:", "residual:", "body:", "extends: ", "import: [", "blocks:", "params:", "int", "block", "**", "//",
         " if ", " else ", " and ", "lambda", "__class__", "self", "image", "x" * 300]  # fmt: skip
VALUES: list[Any] = [None, True, False, 0, -1, 1, 7, 2**31, 2**63, 10**40, 0.0, -0.5, 1e308, float("inf"), float("nan"), "", "$", "$i", "$(1/0)",
                     "$(x.height)", "relu", "x", "image", "é\u202e", "a.b", [], [3], [1, 2, 3], [[]], {}, {"a": 1}, {"conv": 8}, ["relu"]]  # fmt: skip


def mutate_bytes(data: bytes, random: Random) -> bytes:
    """One to four changes of bytes: some are turned over, put in, left out, doubled or moved; or the end is cut off."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 4))):
        at = random.randrange(len(changed) + 1)
        length = random.choice((1, 1, 2, 4, 8, 30, 200))
        kind = random.randrange(7)
        if kind == 0 and at < len(changed):
            changed[at] ^= 1 << random.randrange(8)
        elif kind == 1:
            changed[at:at] = random.choice(BYTES)
        elif kind == 2:
            del changed[at : at + length]
        elif kind == 3:
            changed[at:at] = changed[at : at + length]
        elif kind == 4:
            changed[at : at + length] = random.randbytes(length)
        elif kind == 5:
            begin = random.randrange(len(changed) + 1)
            changed[at : at + length] = changed[begin : begin + length]
        elif random.random() < 0.3:
            del changed[at:]
    return bytes(changed)


def mutate_words(data: bytes, random: Random) -> bytes:
    """One to four changes of words: one is left out, doubled, or becomes another of the text or of WORDS; or two change places."""
    parts = re.findall(r"\w+|\s+|[^\w\s]", data.decode("utf-8", "replace"))
    for _ in range(random.choice((1, 1, 2, 4))):
        at = random.randrange(len(parts) or 1)
        kind = random.randrange(5)
        if kind == 0:
            del parts[at : at + random.choice((1, 1, 3))]
        elif kind == 1:
            parts[at:at] = parts[at : at + random.choice((1, 4, 20))]
        elif kind == 2:
            parts[at : at + 1] = [random.choice(WORDS)]
        elif kind == 3 and parts:
            parts[at : at + 1] = [random.choice(parts)]
        elif parts:
            other = random.randrange(len(parts))
            parts[at], parts[other] = parts[other], parts[at]
    return "".join(parts).encode("utf-8", "replace")


def mutate_tree(data: bytes, random: Random) -> bytes:
    """One to three changes of a spec's tree: a value, a key, an element is replaced, renamed, left out, doubled, wrapped or moved."""
    tree = yaml.safe_load(data)
    for _ in range(random.choice((1, 1, 2, 3))):
        places = [*walk(tree)]
        if not places:
            break
        around, key = random.choice(places)
        others = [value[k] for value, k in places]
        kind = random.randrange(6)
        if kind == 0:
            around[key] = copy.deepcopy(random.choice(VALUES))
        elif kind == 1:
            around[key] = copy.deepcopy(random.choice(others))
        elif kind == 2:
            del around[key]
        elif kind == 3:
            around[key] = random.choice(
                ([around[key]], {"steps": around[key]}, {"name": around[key]}, [around[key]] * 2)
            )
        elif isinstance(around, list):
            around.insert(key, copy.deepcopy(random.choice(others)))
        else:
            words = [k for value, k in places if isinstance(value, dict)]
            around[random.choice([*words, "x", "repeat", "when", "output", 3, ""])] = around.pop(key)
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True).encode()


def walk(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each place in a tree, as what is around it and its key or index there."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(pairs):
        yield value, key
        yield from walk(inner)


SPECS: tuple[Callable[[bytes, Random], bytes], ...] = (mutate_bytes, mutate_words, mutate_tree)


def mutate_spec(data: bytes, random: Random) -> bytes:
    """A spec with a change of any kind."""
    return random.choice(SPECS)(data, random)


def mutate_png(data: bytes, random: Random) -> bytes:
    """A PNG with changes in its chunks, whose checksums are right, so that a reader goes on."""
    chunks, at = [], 8
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    which = random.randrange(len(chunks))
    kind, content = chunks[which]
    chunks[which] = kind, mutate_bytes(content, random)
    if random.random() < 0.3:
        chunks.insert(random.randrange(len(chunks) + 1), random.choice(chunks))
    return data[:8] + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )
