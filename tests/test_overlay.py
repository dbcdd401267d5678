"""The text of a member laid over that of its family, as `archc init` does it: comments stay, and the net is the same."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from archc.compiler.driver import check
from archc.compiler.frontend.located_yaml import plain_value
from archc.scaffold.overlay import TextDocument
from archc.scaffold.starter import start_spec, write_spec

from .begun_specs import nodes, same_net

BASE = """\
# a family of ours
archspec: 1
name: family
source: nobody 1999

# what the family is

params:
  # how wide
  width: int          # channels
  act: step
  scale: 2.0
  kernel: {type: pair, doc: "of every convolution"}
  long:
    type: int
    min: 1
  rate: {type: float, default: 0.5, max: 1}   # of dropout
  word: a
input: {image: [3, 8, 8]}
blocks:
  Conv:
    params: {out: int, kernel: {type: pair, default: 1}}
    steps:            # only one
      - conv: {out: $out, kernel: $kernel, padding: same}
  Rest:
    steps: [{use: $act}, dropout: $rate]
    # the end of the blocks

graph:
  - Conv: {out: $(width * long), kernel: $kernel}
  - Rest
  - scale: $scale
expect: {output: [1]}
"""

OVER = """\
archspec: 1
name: member
extends: family.yaml
lineage: paper

# what the member is

params:
  width: 4            # few
  act: relu
  scale: 3
  kernel: [1, 3]
  long: 2
  rate: 0.25
  word: {type: string, default: b, choices: [b, c]}
  more: {type: int, default: 7}
labels: names.txt
blocks:
  Conv:
    params: {kernel: 3}
  # a new one
  Tail:
    steps:
      - global_avg_pool
      - linear: $more

graph:                # ours
  - {name: stem, Conv: {out: $(width * long), kernel: $kernel}}
  - Rest
  - Conv: {out: 3}
  - {scale: $scale, when: $(word == 'b')}
  - Tail
"""

BOTH = """\
# a family of ours
archspec: 1
name: mine
summary: begun from member
source: nobody 1999
lineage: paper

# what the family is

# what the member is

params:
  # how wide
  width: 4            # few
  act: {type: step, default: relu}
  scale: {type: float, default: 3}
  kernel: {type: pair, doc: "of every convolution", default: [1, 3]}
  long:
    type: int
    min: 1
    default: 2
  rate: {type: float, default: 0.25, max: 1}   # of dropout
  word: {type: string, default: b, choices: [b, c]}
  more: {type: int, default: 7}
input: {image: [3, 8, 8]}
labels: names.txt
blocks:
  Conv:
    params: {out: int, kernel: {type: pair, default: 3}}
    steps:            # only one
      - conv: {out: $out, kernel: $kernel, padding: same}
  Rest:
    steps: [{use: $act}, dropout: $rate]
    # the end of the blocks
  # a new one
  Tail:
    steps:
      - global_avg_pool
      - linear: $more

graph:                # ours
  - {name: stem, Conv: {out: $(width * long), kernel: $kernel}}
  - Rest
  - Conv: {out: 3}
  - {scale: $scale, when: $(word == 'b')}
  - Tail
"""


def family(folder: Path, base: str = BASE, over: str = OVER) -> str:
    (folder / "family.yaml").write_bytes(base.encode())
    (folder / "member.yaml").write_bytes(over.encode())
    (folder / "names.txt").write_text("\n".join("abcdefg"), "utf-8")
    return str(folder / "member.yaml")


def begun(origin: str, folder: Path) -> str:
    own = folder / "own"
    own.mkdir()
    same_net(origin, own, ["unused-param"])
    return (own / "mine.yaml").read_text("utf-8")


def test_every_rule_of_composition(tmp_path: Path) -> None:
    text = begun(family(tmp_path), tmp_path)
    assert text.partition("\n# expect: ")[0] == BOTH
    assert (tmp_path / "own" / "names.txt").read_text("utf-8").splitlines() == list("abcdefg")


def json_text(text: str) -> str:
    """As JSON, where a type is no bare word and so stands in the long form."""
    text = re.sub(r"(?<!type): (int|step)\b(?=,|}|\n| +#)", r": {type: \1}", text)
    return json.dumps(plain_value(TextDocument(text).root), indent=1)


@pytest.mark.parametrize("base, over", [
    (BASE.replace("\n", "\r\n"), OVER),
    (BASE, OVER.replace("\n", "\r")),
    ("\ufeff" + BASE, OVER),
    (json_text(BASE), OVER),
    (BASE, json_text(OVER)),
    (json_text(BASE), json_text(OVER)),
    (BASE.rstrip(), OVER.rstrip() + "   # no line end"),
])  # fmt: skip
def test_other_ways_to_write_it(base: str, over: str, tmp_path: Path) -> None:
    begun(family(tmp_path, base, over), tmp_path)


def test_an_alias_outlives_its_anchor(tmp_path: Path) -> None:
    base = """\
archspec: 1
name: family
x-note: &fields {out: 5, kernel: 3}
input: {image: [3, 8, 8]}
blocks: {A: {steps: &both [conv: *fields, relu]}, B: {steps: *both}}
graph: [A, B, conv: *fields]
"""
    over = "archspec: 1\nname: m\nextends: family.yaml\nx-note: gone\nblocks: {A: {steps: [relu]}}\n"
    text = begun(family(tmp_path, base, over), tmp_path)
    assert "B: {steps: [{conv: {out: 5, kernel: 3}}, relu]}" in text
    assert "graph: [A, B, conv: {out: 5, kernel: 3}]" in text


def test_imports_of_both_kinds_leave_the_base_beside(tmp_path: Path) -> None:
    """One `import` is a list or a mapping; a family with the one and a member with the other stay two files."""
    (tmp_path / "blocks.yaml").write_text("archspec: 1\nblocks: {A: {steps: [relu]}}\n", "utf-8")
    (tmp_path / "net.yaml").write_text(
        "archspec: 1\nname: net\ninput: {image: [3, 8, 8]}\ngraph: [conv: {out: 4}]\n", "utf-8"
    )
    base = "archspec: 1\nname: family\ninput: {image: [3, 8, 8]}\nimport: [blocks.yaml]\ngraph: [A]\n"
    over = "archspec: 1\nname: m\nextends: family.yaml\nimport: {Net: net.yaml}\ngraph: [A, Net]\n"
    origin = family(tmp_path, base, over)
    own = tmp_path / "own"
    own.mkdir()
    files = write_spec(start_spec("mine", origin), own / "mine.yaml")
    assert sorted(path.name for path in files) == ["blocks.yaml", "family.yaml", "mine.yaml", "net.yaml"]
    assert nodes(check(str(own / "mine.yaml"))) == nodes(check(origin))


def test_two_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for name, op in (("a", "relu"), ("b", "tanh")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mine.yaml").write_text(
            f"archspec: 1\nname: {name}\ninput: {{image: [3, 8, 8]}}\ngraph: [{op}]\n", "utf-8"
        )
    (tmp_path / "net.yaml").write_text(
        "archspec: 1\nname: net\ninput: {image: [3, 8, 8]}\nimport: {A: a/mine.yaml, B: b/mine.yaml}\n"
        "graph: [A, B, conv: {out: 1}]\n", "utf-8"
    )  # fmt: skip
    begun(str(tmp_path / "net.yaml"), tmp_path)
    assert {path.name for path in (tmp_path / "own").iterdir()} == {"mine.yaml", "mine_1.yaml", "mine_2.yaml"}
