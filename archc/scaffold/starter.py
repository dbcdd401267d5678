"""What `archc init` writes: a spec of the user's own, begun from another one or from a small net that is worth it.

A member of a family is a few lines over a family's file. To be changed at will it must stand by itself: the family's text
with the member's values laid over it. What it imports is written beside it, each document again by itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ..compiler.diagnostics import Collector, Diagnostic, Failure, Source, SpecError
from ..compiler.files import atomic_write
from ..compiler.frontend.compose import Composer
from ..compiler.frontend.located_yaml import Located, parse_yaml, plain_value
from ..compiler.sources import LABEL_SETS, SourceError, SpecText, find_spec
from .overlay import Edit, Page, expand_aliases, laid_over, without_modeline

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,99}\Z")

FIRST = """\
archspec: 1
name: first
summary: A small residual net for 32x32 photos, to start from

params: {classes: 10, width: 16}            # for one run: --set classes=100
input: {image: [3, 32, 32]}                 # channels, height, width; the batch is not said
preprocess: {resize: 32, crop: 32, mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25]}

blocks:
  ConvBN:                                   # a convolution as most nets have it
    params: {out: int, stride: 1}           # `out` must be given, `stride` need not be
    steps:
      - {name: conv, conv: {out: $out, kernel: 3, stride: $stride, padding: 1, bias: false}}
      - {name: bn, batch_norm}
      - relu

graph:
  - {name: stem, ConvBN: {out: $width}}
  - repeat: {i: 3}                          # each stage halves the map and doubles the channels
    name: stage$(i + 1)
    steps:
      - {name: down, ConvBN: {out: $(2 * x.channels), stride: 2}}
      - residual:                           # body + shortcut; the shortcut is the identity unless given
          body: [{name: a, ConvBN: {out: $(x.channels)}}, {name: b, ConvBN: {out: $(x.channels)}}]
  - global_avg_pool
  - dropout: 0.2                            # in training only
  - {name: fc, linear: $classes}

expect: {output: [10], params: {max: 1.0e6}}    # what must hold; `archc check` proves it
"""

HINT = "\n# expect: {output: [10], params: {max: 5.0e6}}    # say here what must hold; `archc check` proves it\n"


class Start(NamedTuple):
    """A spec's text, by their names the files that belong beside it, and the bundled spec that it was begun from."""

    text: str
    beside: dict[str, str] = {}
    bundled: str | None = None


def start(name: str, origin: str | None) -> Start:
    """A spec called `name`, begun from the spec `origin`. Raises Failure (usage), or SpecError where the origin is wrong."""
    if not NAME.match(name):
        raise Failure("net-name", f"`{name[:100]}` cannot be the name of a net and of its file",
                      "a name is letters, digits, `_` and `-`, at most 100 of them", 2)  # fmt: skip
    if origin is None:
        first = Page(FIRST)
        return Start(first.changed([named(first, name)]).text)
    found = find_spec(origin)
    flattener = Flattener(found, {f"{name}.yaml"})
    page = flattener.spec()
    document = page.root.value
    told = (
        f"begun from {plain_value(document['name'].value)}"
        if "name" in document
        else "begun from a spec without a name"
    )
    if "summary" in document:
        told += f": {plain_value(document['summary'].value)}"
    head = Page(f"archspec: 1\n{written('name', name)}{written('summary', told)}")
    return Start(laid_over(page, head).text + HINT, flattener.beside, found.bundled)


def named(page: Page, name: str) -> Edit:
    entry = page.fields["name"]
    return page.start(entry.key), page.end_of(entry), written("name", name).rstrip()


def written(key: str, text: str) -> str:
    """A line of a header; quoted where YAML would read the text as something else."""
    quiet = Collector()
    line = f"{key}: {text}\n"
    root = parse_yaml(Source("", line), quiet)
    same = root is not None and not quiet.failed and plain_value(root) == {key: text}
    return line if same else f"{key}: {json.dumps(text, ensure_ascii=False)}\n"


class Flattener:
    """Makes documents stand by themselves: what they extend is laid under them, what they import is put `beside`.

    Texts are known by their labels among the spec's files; `names` are what they are called beside the new spec.
    """

    def __init__(self, text: SpecText, taken: set[str]) -> None:
        self.text, self.taken = text, taken
        self.names: dict[str, str] = {}
        self.beside: dict[str, str] = {}

    def spec(self) -> Page:
        """The whole document that was asked for. Raises SpecError where the composer does not take it."""
        diagnostics = Collector()
        Composer(self.text.files, diagnostics).read_document(self.text.data, self.text.name, self.text.label)
        if diagnostics.failed:
            raise SpecError(diagnostics)
        page = self.page(self.text.data, self.text.label)
        labels = page.fields["labels"].value if "labels" in page.fields else None
        if labels is None or not isinstance(labels.value, str) or labels.value in LABEL_SETS:
            return page
        file = self.locate(labels, self.text.label)
        self.beside[self.name_of(file)] = self.text.files.read(file).decode("utf-8", "replace")
        return page.changed([self.renamed(page, labels, file)])

    def page(self, data: bytes, label: str) -> Page:
        """A document as one text, over what it extends where the two can be one."""
        page = without_modeline(expand_aliases(Page(data.decode("utf-8-sig"))))
        page = page.changed(list(self.imported(page, label)))
        if "extends" not in page.fields:
            return page
        extends = page.fields["extends"].value
        file = self.locate(extends, label)
        base = self.page(self.text.files.read(file), file)
        if fits(base, page):
            return laid_over(base, page)
        self.beside[self.name_of(file)] = base.text
        return page.changed([self.renamed(page, extends, file)])

    def imported(self, page: Page, label: str) -> Iterator[Edit]:
        """The edits that name imported files as they are called beside the new spec; each file is put there once."""
        if "import" not in page.fields:
            return
        value = page.fields["import"].value.value
        for node in value if isinstance(value, list) else [entry.value for entry in value.values()]:
            file = self.locate(node, label)
            if file not in self.names:
                self.beside[self.name_of(file)] = self.page(self.text.files.read(file), file).text
            yield self.renamed(page, node, file)

    def locate(self, node: Located, label: str) -> str:
        """The label of what a path in the text `label` names. Raises SpecError."""
        try:
            return self.text.files.locate(label, str(node.value))
        except SourceError as error:
            raise SpecError([Diagnostic(error.code, node.span, error.message, help=error.help)]) from None

    def name_of(self, label: str) -> str:
        """What a file is called beside the spec: as it is, unless another is called so."""
        if label not in self.names:
            file = PurePosixPath(label)
            names = (f"{file.stem}{f'_{n}' if n else ''}{file.suffix}" for n in count())
            self.names[label] = next(name for name in names if name not in self.taken)
            self.taken.add(self.names[label])
        return self.names[label]

    def renamed(self, page: Page, node: Located, label: str) -> Edit:
        """The edit that puts a file's name beside the spec in place of its path."""
        name = self.name_of(label)
        return page.start(node), page.end(node), name if re.fullmatch(r"[A-Za-z][\w.-]*", name) else json.dumps(name)


def fits(base: Page, over: Page) -> bool:
    """Whether two texts can be one: there is one kind of `import`, and a block without steps is laid over one that is written out."""
    imports = {type(page.fields["import"].value.value) for page in (base, over) if "import" in page.fields}
    written_out = base.fields["blocks"].value.value if "blocks" in base.fields else {}
    own = over.fields["blocks"].value.value if "blocks" in over.fields else {}
    return len(imports) < 2 and all("steps" in entry.value.value or name in written_out for name, entry in own.items())


def write(begun: Start, target: Path) -> list[Path]:
    """Writes the spec and what belongs beside it, all or nothing; no file that is there is touched."""
    texts = {target.parent / name: text for name, text in begun.beside.items()} | {target: begun.text}
    for path, text in list(texts.items()):
        if path != target and path.is_file() and path.read_bytes() == text.encode():
            del texts[path]  # from an earlier start
        elif path.exists() or path.is_symlink():
            raise Failure("file-exists", f"`{path}` is there already, and is not overwritten",
                          "choose another name, or another place with -o", 2)  # fmt: skip
    with ExitStack() as written:
        for path, text in texts.items():
            partial = written.enter_context(atomic_write(path))
            partial.write_bytes(text.encode())
    return list(texts)
