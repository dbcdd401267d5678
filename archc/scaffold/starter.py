"""What `archc init` writes: a spec of the user's own that starts from another one, or from a small net.

A member of a family has only a few lines, and extends the family's file. A spec that can be changed freely must stand alone: it is
the family's text with the member's values laid over it. The files that it imports are written next to it, and stand alone too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from ..compiler.destinations import find_destination
from ..compiler.diagnostics import Collector, Diagnostic, Failure, LimitReached, Source, SpecError
from ..compiler.files import atomic_write
from ..compiler.frontend.compose import Composer
from ..compiler.frontend.located_yaml import Located, parse_yaml, plain_value
from ..compiler.sources import LABEL_SETS, SourceError, SpecText, find_spec
from .overlay import Edit, TextDocument, expand_aliases, overlay_document, without_modeline
from .unused import without_unused

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

# what editors look the schema up by; a path relative to the spec, as a folder may be moved, and shared
SCHEMA_FILE = "archspec.schema.json"
RECIPE_SCHEMA_FILE = "recipe.schema.json"

HINT = "\n# expect: {output: [10], params: {max: 5.0e6}}    # say here what must hold; `archc check` proves it\n"


class StarterSpec(NamedTuple):
    """A spec's text; `companions`, the texts of the files that it needs in its folder, by name; the bundled spec that it starts from."""

    text: str
    companions: dict[str, str] = {}
    bundled: str | None = None


def start_spec(name: str, origin: str | None) -> StarterSpec:
    """A spec called `name` that starts from the spec `origin`, or from a small net if that is None.

    Raises Failure (usage) for a wrong name or no such spec, and SpecError where the origin has errors.
    """
    check_name(name)
    if origin is None:
        first = TextDocument(FIRST)
        return StarterSpec(first.with_edits([name_edit(first, name)]).text)
    found = find_spec(origin)
    flattener = Flattener(found, {f"{name}.yaml"})
    document = flattener.flatten()
    header = document.root.value
    summary = (
        f"begun from {plain_value(header['name'].value)}" if "name" in header else "begun from a spec without a name"
    )
    if "summary" in header:
        summary += f": {plain_value(header['summary'].value)}"
    new_header = TextDocument(f"archspec: 1\n{header_line('name', name)}{header_line('summary', summary)}")
    written = without_unused(overlay_document(document, new_header), flattener.companions, f"{name}.yaml")
    return StarterSpec(written.text + HINT, flattener.companions, found.bundled)


def check_name(name: str) -> None:
    """Raises Failure `net-name` (usage) for what cannot be the name of a document and of its file."""
    if not NAME.match(name):
        raise Failure("net-name", f"`{name[:100]}` cannot be the name of a net and of its file",
                      "a name is letters, digits, `_` and `-`, at most 100 of them", 2)  # fmt: skip


def name_edit(document: TextDocument, name: str) -> Edit:
    """The edit that gives a document another name."""
    entry = document.fields["name"]
    return document.start(entry.key), document.entry_end(entry), header_line("name", name).rstrip()


def header_line(key: str, text: str) -> str:
    """A line of a header; the text is quoted where YAML would read it as something else."""
    quiet = Collector()
    line = f"{key}: {text}\n"
    root = parse_yaml(Source("", line), quiet)
    same = root is not None and not quiet.failed and plain_value(root) == {key: text}
    return line if same else f"{key}: {json.dumps(text, ensure_ascii=False)}\n"


class Flattener:
    """Makes a spec stand alone: it is laid over what it extends, and the files that it imports become its companions.

    A file is known by its label among the spec's files; `names` are the file names by label in the folder of the new spec.
    """

    def __init__(self, text: SpecText, reserved_names: set[str]) -> None:
        self.text, self.reserved_names = text, reserved_names
        self.names: dict[str, str] = {}
        self.companions: dict[str, str] = {}

    def flatten(self) -> TextDocument:
        """The spec as one document. Raises SpecError where the composer finds errors in it."""
        diagnostics = Collector()
        try:
            Composer(self.text.files, diagnostics).read_document(self.text.data, self.text.name, self.text.label)
        except LimitReached as limit:
            diagnostics.close(limit.diagnostic)
        if diagnostics.failed:
            raise SpecError(diagnostics)
        document = self.flatten_document(self.text.data, self.text.label)
        labels = document.fields["labels"].value if "labels" in document.fields else None
        if labels is None or not isinstance(labels.value, str) or labels.value in LABEL_SETS:
            return document
        file = self.locate(labels, self.text.label)
        self.companions[self.new_name(file)] = self.text.files.read(file).decode("utf-8", "replace")
        return document.with_edits([self.path_edit(document, labels, file)])

    def flatten_document(self, data: bytes, label: str) -> TextDocument:
        """A document laid over what it extends; where the two cannot be merged, what it extends becomes a companion."""
        document = without_modeline(expand_aliases(TextDocument(data.decode("utf-8-sig"))))
        document = document.with_edits(list(self.import_edits(document, label)))
        if "extends" not in document.fields:
            return document
        extends = document.fields["extends"].value
        file = self.locate(extends, label)
        base = self.flatten_document(self.text.files.read(file), file)
        if can_merge(base, document):
            return overlay_document(base, document)
        self.companions[self.new_name(file)] = base.text
        return document.with_edits([self.path_edit(document, extends, file)])

    def import_edits(self, document: TextDocument, label: str) -> Iterator[Edit]:
        """The edits that replace the paths of imported files by their new names; each file becomes a companion once."""
        if "import" not in document.fields:
            return
        value = document.fields["import"].value.value
        for node in value if isinstance(value, list) else [entry.value for entry in value.values()]:
            file = self.locate(node, label)
            if file not in self.names:
                self.companions[self.new_name(file)] = self.flatten_document(self.text.files.read(file), file).text
            yield self.path_edit(document, node, file)

    def locate(self, node: Located, label: str) -> str:
        """The label of the file that a path in the file `label` names. Raises SpecError where there is none."""
        try:
            return self.text.files.locate(label, str(node.value))
        except SourceError as error:
            raise SpecError([Diagnostic(error.code, node.span, error.message, help=error.help)]) from None

    def new_name(self, label: str) -> str:
        """The file name in the folder of the new spec: the same as before, or with a number if it is taken."""
        if label not in self.names:
            file = PurePosixPath(label)
            names = (f"{file.stem}{f'_{n}' if n else ''}{file.suffix}" for n in count())
            self.names[label] = next(name for name in names if name not in self.reserved_names)
            self.reserved_names.add(self.names[label])
        return self.names[label]

    def path_edit(self, document: TextDocument, node: Located, label: str) -> Edit:
        """The edit that replaces a file's path by its new name."""
        name = self.new_name(label)
        return (
            document.start(node),
            document.end(node),
            name if re.fullmatch(r"[A-Za-z][\w.-]*", name) else json.dumps(name),
        )


def can_merge(base: TextDocument, overlay: TextDocument) -> bool:
    """Whether the overlay can be merged with the base as text.

    Their imports must be both lists or both mappings, and a block without steps needs one in the base's own text.
    """
    imports = {
        type(document.fields["import"].value.value) for document in (base, overlay) if "import" in document.fields
    }
    written_out = base.fields["blocks"].value.value if "blocks" in base.fields else {}
    own = overlay.fields["blocks"].value.value if "blocks" in overlay.fields else {}
    return len(imports) < 2 and all("steps" in entry.value.value or name in written_out for name, entry in own.items())


def add_schema(starter: StarterSpec, folder: Path, of_recipe: bool = False) -> StarterSpec:
    """The same files, with the first line by which editors find the schema, and the schema if `folder` holds none."""
    if of_recipe:
        from ..training.recipe.rules import recipe_schema_text as schema
    else:
        from ..compiler.frontend.schema import schema_text as schema

    file = RECIPE_SCHEMA_FILE if of_recipe else SCHEMA_FILE
    line = f"# yaml-language-server: $schema={file}\n"
    companions = {
        name: line + text if name.endswith((".yaml", ".yml")) else text for name, text in starter.companions.items()
    }
    if not (folder / file).exists():
        companions[file] = schema()
    return starter._replace(text=line + starter.text, companions=companions)


def write_spec(starter: StarterSpec, target: Path) -> list[Path]:
    """Writes the spec and its companions, all or none, and returns their paths. Raises Failure where a file is there already."""
    # a link may lead to where the new file is to be
    place = find_destination(target).path
    texts = {place.with_name(name): text for name, text in starter.companions.items()} | {place: starter.text}
    for path, text in list(texts.items()):
        if path != place and path.is_file() and path.read_bytes() == text.encode():
            del texts[path]  # from an earlier start
        elif path.exists() or path.is_symlink():
            raise Failure("file-exists", f"`{path}` is there already, and is not overwritten",
                          "choose another name, or another place with -o", 2)  # fmt: skip
    with atomic_write(place) as partial:
        for path, text in texts.items():
            partial.with_name(path.name).write_bytes(text.encode())
    return [*(path for path in texts if path != place), target]
