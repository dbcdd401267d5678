"""What is fuzzed: a row in TARGETS for each reader that takes a stranger's bytes.

A target's `run` takes the bytes of an input. It returns for every input, whether it is refused or not: a refusal is an exception or
a diagnostic that is documented, and anything else comes out, for the fuzzer and for tests/test_fuzz.py alike.
"""

from __future__ import annotations

import io
import json
import math
import pickle
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, NamedTuple

from ..corpus import CASES, CORPUS, content

KEPT = Path(__file__).parent / "cases"
MAX_NUMBERS = 10_000  # of a tensor that is read: one may claim more than there is memory, and the shapes of a net are compared first

MANY_FORMS = b"""
archspec: 1
name: net
input: {image: [4, 12, 12]}
labels: [a, b]
graph:
  - {conv: {out: 4, kernel: 3, groups: 2}}
  - batch_norm
  - prelu
  - {max_pool: {kernel: 3, stride: 2, padding: 1}}
  - concat: [[relu], [{avg_pool: {kernel: 3, stride: 1, padding: 1}}]]
  - {add: [[sigmoid], [hard_swish], []]}
  - {upsample: 2}
  - {pad: {height: [1, 1], width: [1, 1]}}
  - {channel_shuffle: 2}
  - {local_response_norm: {size: 3}}
  - global_avg_pool
  - {linear: 2}
  - softmax
"""


class Target(NamedTuple):
    """A reader under fuzz. `seeds` are inputs to begin with, `words` what a grammar is made of; `longest` is in bytes."""

    run: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    words: Callable[[], Iterable[str]] = tuple
    longest: int = 4096


@cache
def folder() -> Path:
    """A folder of this process for inputs that are read from a file."""
    memory = Path("/dev/shm")  # a file is written for each input
    return Path(mkdtemp(prefix="archc-fuzz-", dir=memory if memory.is_dir() else None))


def written(data: bytes, name: str) -> Path:
    """The path of a file with these bytes."""
    path = folder() / name
    path.write_bytes(data)
    return path


def check_refusal(error: Any) -> None:
    """A refusal says why under a code: the input is wrong, or more is asked for than the machine has."""
    assert error.code and error.message
    assert getattr(error, "exit_code", 1) in (1, 3), error


# ---- specs


def read_yaml(data: bytes) -> None:
    """The located tree of a text, or diagnostics, each in the text."""
    from archc.compiler.diagnostics import Collector
    from archc.compiler.frontend.decoding import decode_text
    from archc.compiler.frontend.located_yaml import height, is_broken, parse_yaml, plain_value

    from ..spec_answer import check_places

    found = Collector()
    source = decode_text(data, "net.yaml", found)
    tree = parse_yaml(source, found) if source else None
    check_places(found)
    assert tree is not None or found.failed
    if tree is not None:
        plain_value(tree), height(tree), is_broken(tree)


def check_spec(data: bytes) -> None:
    """Every stage of `archc check`, and its answer in each form."""
    from archc.compiler.sources import Memory, SpecText

    from ..spec_answer import check_answer

    texts = {"net.yaml": data, "base.yaml": (CORPUS / "base.yaml").read_bytes()}
    check_answer(SpecText(Memory(texts), "net.yaml", data, "net.yaml"))


def check_offset(offset: int, text: str) -> None:
    """The place of a mistake is in its text."""
    assert 0 <= offset <= len(text)


def evaluate_expression(data: bytes) -> None:
    """The value of a scalar with `$…`, whose names are numbers, texts and lists."""
    from archc.compiler.frontend.expressions.arithmetic import Evaluation
    from archc.compiler.frontend.expressions.template import parse_template
    from archc.compiler.frontend.expressions.tokens import ExpressionError

    text = data.decode("utf-8", "replace")
    names = {"i": 3, "w": 0.5, "t": "text", "b": True, "l": [1, [2, 3], "x"], "x.channels": 64, "big": 2**62}
    try:
        template = parse_template(text)
        if template is not None:
            json.dumps(template.evaluate(Evaluation(names.__getitem__)))
    except ExpressionError as error:
        check_refusal(error)
        check_offset(error.offset, text)


def spec_seeds() -> Iterator[bytes]:
    """The specs of the corpus, and the shorter ones of the zoo."""
    from archc.compiler.sources import ZOO

    for case in CASES:
        if case["file"] and case["file"].endswith(".yaml"):
            yield content(case)
    yield from (path.read_bytes() for path in sorted(ZOO.glob("*/*.yaml")))


def expression_seeds() -> Iterator[bytes]:
    """What stands behind a `$` in the specs."""
    for seed in spec_seeds():
        yield from re.findall(rb"\$(?:\w+|\([^\n]{1,200}\))", seed)


def spec_words() -> Iterator[str]:
    """The words of the language."""
    from archc.compiler.ops import OPS

    yield from OPS
    yield from ("archspec: 1", "name: ", "input: {image: [3, 8, 8]}", "params:", "blocks:", "steps:", "graph:", "extends: base.yaml",
                "import: [", "zoo:", "repeat:", "when:", "from:", "output:", "residual:", "concat:", "body:", "shortcut:", "expect:",
                "labels:", "preprocess:", "aux:", "let:", "with:", "init:", "doc:", "&a ", "*a", "<<: ", "!!", "- ", ": ", "{", "}", "[",
                "]", "|\n", ">\n", "\n  ", "---\n", "...\n", "%YAML 1.2\n", "'", '"', "\\u", "# ", "\ufeff", "1e999", "0o17", ".inf")  # fmt: skip
    yield from expression_words()


def expression_words() -> Iterator[str]:
    """The words of expressions."""
    from archc.compiler.frontend.expressions.arithmetic import FUNCTIONS

    yield from (f"{name}(" for name in FUNCTIONS)
    yield from ("$(", "$$", "${", " if ", " else ", " and ", " or ", "not ", " in ", "//", "**", "==", "<=", "!=", "x.channels", "big",
                "[", "]", "1:", "true", "false", "none", "0x", "1e308", "9223372036854775807")  # fmt: skip


# ---- checkpoints


def read_checkpoint(data: bytes) -> None:
    """The state dicts of a checkpoint file, and their tensors."""
    from archc.compiler.diagnostics import Failure
    from archc.compiler.weights.formats import open_checkpoint

    try:
        checkpoint = open_checkpoint(written(data, "weights.bin"))
    except Failure as failure:
        check_refusal(failure)
        return
    for state in checkpoint.state_dicts:
        for name in state.source.names():
            shape, dtype = state.source.shape(name), state.source.dtype(name)
            if math.prod(shape) > MAX_NUMBERS:
                continue
            try:
                array = state.source.get(name)
            except Failure:
                continue
            assert array.shape == tuple(shape), (name, dtype)


def read_pickle(data: bytes) -> None:
    """A .pth with these bytes for its pickle: whole otherwise, so that its checksum does not end the matter."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, record in {
            "data.pkl": data,
            "byteorder": b"little",
            **{f"data/{n}": bytes(512) for n in range(3)},
        }.items():
            archive.writestr(zipfile.ZipInfo(f"archive/{name}"), record)
    read_checkpoint(file.getvalue())


def checkpoint_seeds(*suffixes: str) -> Iterator[bytes]:
    """The checkpoints of the corpus that end in one of `suffixes`."""
    for case in CASES:
        if case["class"] == "checkpoint" and case["file"].endswith(suffixes):
            data = content(case)
            if len(data) <= 20_000:
                yield data


def legacy_seeds() -> Iterator[bytes]:
    """Checkpoints in the container before torch 1.6, put together by hand: the corpus has those of a sound zip."""
    yield from checkpoint_seeds(".pth")
    system = {"protocol_version": 1001, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    heads = [pickle.dumps(part, 2) for part in (0x1950A86A20F9469CFC6C, 1001, system)]
    for pickled in pickle_seeds():
        yield b"".join([*heads, pickled, pickle.dumps(["0"], 2), (4).to_bytes(8, "little"), bytes(16)])


def pickle_seeds() -> Iterator[bytes]:
    """The pickles in the corpus's zips, and plain ones of every kind of value."""
    for data in checkpoint_seeds(".pth"):
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                yield from (archive.read(name) for name in archive.namelist() if name.endswith("data.pkl"))
        except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError):
            continue
    values = {
        "a": [1, 2.5, None, True, "x", b"y", (1,), (1, 2, 3, 4), {3}, frozenset([4]), 10**30, -1, {}],
        "b": {"c": complex(1, 2)},
    }
    yield from (pickle.dumps(values, protocol) for protocol in range(6))


# ---- models and photos


def read_model(data: bytes) -> None:
    """What the runtime reads of a model's file before onnxruntime sees it, and where it decides to open it."""
    from archc.runtime.artifact import open_artifact
    from archc.runtime.faults import RuntimeFault
    from archc.runtime.trust import find_doubt, measure_files

    try:
        found = open_artifact(written(data, "model.onnx"))
        measure_files(found), find_doubt(found)
        for output in found.outputs:
            found.is_distribution(output), found.ends_in_scores(output)
        found.name, found.labels, found.scores, found.preprocess, found.describe_untrained(), found.inputs
    except RuntimeFault as fault:
        check_refusal(fault)


def read_photo(data: bytes) -> None:
    """A photo, as a model's input of 3 × 8 × 8 and as a picture of its own size; larger ones are refused before they are decoded."""
    from archc.runtime.faults import RuntimeFault
    from archc.runtime.images import read_image, read_input
    from archc.runtime.preprocess import Preprocess

    how = Preprocess.parse({"resize": 9, "crop": 8, "mean": [0.5], "std": [0.5]}, (3, 8, 8))
    path = written(data, "photo")
    for read in (lambda: read_input(data, "photo", how, 1_000_000), lambda: read_image(path, 1_000_000)):
        try:
            read()
        except RuntimeFault as fault:
            check_refusal(fault)


def model_seeds() -> Iterator[bytes]:
    """The models of the corpus, and one that archc built of many forms of nodes."""
    yield built_model()
    for case in CASES:
        if case["class"] == "onnx":
            data = content(case)
            if len(data) <= 20_000:
                yield data


def built_model() -> bytes:
    """A small model of archc's, with many forms of nodes and hardly any numbers."""
    import archc

    path = written(MANY_FORMS, "net.yaml")
    archc.load(path).export_onnx(folder() / "net.onnx", proof=False)
    return (folder() / "net.onnx").read_bytes()


def photo_seeds() -> Iterator[bytes]:
    """The photos of the corpus."""
    for case in CASES:
        if case["class"] == "image":
            yield content(case)


def header_words() -> Iterator[str]:
    """The words of a header of safetensors."""
    yield from (
        '"dtype":',
        '"shape":[',
        '"data_offsets":[',
        '"__metadata__":{',
        "F32",
        "BF16",
        "I64",
        "F8_E4M3",
        "BOOL",
        "},",
        "1e9",
        "-1",
    )


TARGETS = {
    "yaml": Target(read_yaml, spec_seeds, spec_words),
    "check": Target(check_spec, spec_seeds, spec_words),
    "expression": Target(evaluate_expression, expression_seeds, expression_words, 400),
    "safetensors": Target(read_checkpoint, lambda: checkpoint_seeds(".safetensors"), header_words),
    "pth": Target(read_checkpoint, legacy_seeds),
    "pickle": Target(read_pickle, pickle_seeds),
    "model": Target(read_model, model_seeds),
    "photo": Target(read_photo, photo_seeds),
}


def kept_cases(target: str) -> Iterator[Path]:
    """The inputs on which a target once failed, or took long."""
    folder = KEPT / target
    yield from sorted(folder.iterdir()) if folder.is_dir() else ()
