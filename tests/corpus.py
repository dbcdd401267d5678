"""The corpus of hostile and of tricky inputs in tests/data/corpus: specs, checkpoints, models, photos and command lines.

`index.json` is a list of cases: a case's own file or how it is generated, what lies beside it, the command, and what a good tool
answers. Each payload in it would only make a file CODE_RAN in the current folder.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
from pathlib import Path
from typing import Any

CORPUS = Path(__file__).parent / "data" / "corpus"
Case = dict[str, Any]
CASES: list[Case] = json.loads((CORPUS / "index.json").read_text("utf-8"))
CODE_RAN = "CODE_RAN"
LOCATION = re.compile(r"([^\s:'\"()\[\]]+):(\d+):(\d+)")


def content(case: Case) -> bytes:
    """The bytes of the case's own file: stored, or put together from pairs of a text and how often it is repeated."""
    if "generate" not in case:
        return (CORPUS / case["file"]).read_bytes()
    parts = case["generate"]["parts"]
    data = "".join(
        "".join(t.replace("{i}", str(i)) for i in range(n)) if "{i}" in t and n > 1 else t * n for t, n in parts
    ).encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(data)) + data if case["generate"].get("length_prefix") else data


def place(case: Case, folder: Path, output: Path, model: Path | None = None) -> list[str]:
    """Writes what the case needs into `folder`; returns the arguments of its command, which may write to `output`.

    `model` is base.yaml, built; only the cases of photos need it.
    """
    name = Path(case["file"]).name if case["file"] else "base.yaml"
    known = {"{file}": name, "{spec}": "base.yaml", "{photo}": "photo.jpg", "{model}": "model.onnx"}
    sources = {"{spec}": CORPUS / "base.yaml", "{photo}": CORPUS / "photo.jpg", "{model}": model}
    if case["file"]:
        (folder / name).write_bytes(content(case))
    for word, source in sources.items():
        if word in case["command"]:
            assert source is not None
            shutil.copy(source, folder / known[word])
    for path, text in case.get("beside", {}).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(text.encode("utf-8", "surrogatepass"))
    for path, target in case.get("links", {}).items():
        os.symlink(target, folder / path)
    return [known.get(word) or word.replace("{tmp}", str(output)) for word in case["command"]]


def find_faults(case: Case, code: int, text: str) -> list[str]:
    """What is wrong with an answer: the exit code, what is shown, the words and the place."""
    if code not in [case["exit"], *case.get("also_exit", [])]:
        return [f"exit code {code}, not {case['exit']}: {text[:300]}"]
    wrong = [f"shows {word!r}" for word in case.get("forbidden", []) if word in text]
    if len(text) > case.get("max_output", 60_000):
        wrong.append(f"{len(text)} characters of output")
    if len(re.findall(r"^error\[", text, re.M)) > case.get("max_errors", 1 << 30):
        wrong.append("too many errors")
    if case["verdict"] == "accept" or (code == 0 and "warning" not in text):
        return wrong
    plain = re.sub(r"(?<=\d)[,_](?=\d{3})", "", text).lower()
    for word in case["mentions"]:
        if not any(w.lower() in plain or w.lower() in text.lower() for w in word.split("|")):
            wrong.append(f"does not mention {word!r}: {text[:400]}")
    return wrong + find_displacement(case, text)


def find_displacement(case: Case, text: str) -> list[str]:
    """What is wrong with the places in an answer, where one is due."""
    if case["line"] is None:
        return []
    own = Path(case["file"]).name if case["file"] else "base.yaml"
    file, slack = Path(case.get("at_file") or own).name, case.get("column_tolerance", 0)
    seen = [
        (int(line), int(column))
        for path, line, column in LOCATION.findall(text)
        if Path(path).name == file or case.get("any_file")
    ]
    if not seen and not case.get("any_position"):
        return [f"no place in {text[:300]}"]
    if case.get("any_file") or case.get("any_position") or any(s[0] in case.get("or_lines", []) for s in seen):
        return []
    near = lambda place: any(s[0] == place[0] and abs(s[1] - place[1]) <= slack for s in seen)  # noqa: E731
    if "all_positions" in case:
        return [] if all(near(p) for p in case["all_positions"]) else [f"not all places in {seen}"]
    if any(near(p) for p in [(case["line"], case["column"]), *case.get("or_at", [])]):
        return []
    return [f"{case['line']}:{case['column']} is due, said {seen[:4]}"]
