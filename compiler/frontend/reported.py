"""`reported`: what a paper, or whoever trained the net, states of its errors, and by which protocol each figure was measured.

It says nothing about the graph: no stage reads it but the check of its own words.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from ..diagnostics import Collector, Diagnostic, Span, nearest
from ..ops.fields import MAX_INT, Schema
from .located_yaml import Entry, Located, is_broken, plain_value

if TYPE_CHECKING:
    from .compose import Document

# what may be stated, each in percent of the pictures, with what an editor says of it
FIGURES = {
    "imagenet_top1_error": "ILSVRC 2012, the first answer is wrong",
    "imagenet_top5_error": "ILSVRC 2012, none of the first five answers is right",
    "cifar10_error": "CIFAR-10",
    "cifar100_error": "CIFAR-100",
    "mnist_error": "MNIST",
}
# how many classes the pictures of a figure have: a net tells them with one of these numbers of scores, ImageNet with one for none of them, too
CLASSES = {
    "imagenet_top1_error": (1000, 1001),
    "imagenet_top5_error": (1000, 1001),
    "cifar10_error": (10,),
    "cifar100_error": (100,),
    "mnist_error": (10,),
}
SPLITS = ("val", "test")
# ways of looking at a picture that are no number of crops: the net slides over the whole, at one scale or at several
SLIDING = ("dense", "multiscale")

COUNT: Schema = {"type": "integer", "minimum": 1, "maximum": MAX_INT, "x-wants": "an integer of at least 1"}
PERCENT: Schema = {"type": "number", "minimum": 0, "maximum": 100, "x-wants": "a percentage, 0 to 100"}
TEXT: Schema = {"type": "string", "minLength": 1}
# the keys of a row, as the schema has them
RULES: Schema = {
    **{name: PERCENT | {"description": f"{what}: percent of the pictures"} for name, what in FIGURES.items()},
    "split": {"type": "string", "enum": list(SPLITS), "description": "on which pictures", "x-other-words": {"validation": "val"}},
    "source": TEXT | {"description": "where it is stated: a table of the header's `source`, or another paper"},
    "crops": {
        "type": ["integer", "string"],
        "minimum": 1,
        "maximum": MAX_INT,
        "pattern": f"^({'|'.join(SLIDING)})$",
        "description": "how many crops of a picture are averaged, or how the net slides over it",
        "x-wants": "a number of crops, `dense` or `multiscale`",
    },
    "size": COUNT | {"description": "side of a crop in pixels, where it is not the input's own"},
    "models": COUNT | {"description": "how many nets are averaged; 1 unless told"},
    "augmented": {"type": "boolean", "description": "whether training shifted and mirrored its pictures, the + of CIFAR tables"},
    "subset": TEXT | {"description": "which part of the split, where it is not all"},
    "with": {"type": "object", "minProperties": 1, "description": "the params for which it holds, where they are not the defaults",
             "x-wants": "a mapping of params to values"},
    "doc": TEXT | {"description": "a remark"},
}  # fmt: skip


class Reported(NamedTuple):
    """One row of a table of results: errors in percent by figure, and the protocol by which they were measured.

    `crops` is a number, `dense` or `multiscale`, None where it is not told; `size` the side of a crop in pixels where that is not the
    net's own input; `subset` the part of the split where that is not all; `params` the parameters for which it holds, beside the
    defaults. `doc` is a remark on the training, which is no part of the protocol. `spans` are the places of the errors and of the params.
    """

    errors: Mapping[str, float]
    span: Span
    spans: Mapping[str, Span]
    split: str = ""
    source: str = ""
    crops: int | str | None = None
    size: int | None = None
    models: int = 1
    augmented: bool = False
    subset: str = ""
    params: Mapping[str, Any] = MappingProxyType({})
    doc: str = ""


def parse_reported(node: Located) -> tuple[Reported, ...]:
    """The rows of `reported`, which is a list of them or one; without those of which the schema has refused anything."""
    rows = node.value if isinstance(node.value, list) else [node]
    return tuple(parse_row(row) for row in rows if isinstance(row.value, dict) and not is_broken(row))


def parse_row(node: Located) -> Reported:
    """One row of `reported`, which the schema has passed."""
    values: dict[str, Located] = {key: entry.value for key, entry in node.value.items()}
    params: Mapping[str, Entry] = values.pop("with").value if "with" in values else {}
    errors = {key: values.pop(key) for key in FIGURES if key in values}
    return Reported(
        errors={key: value.value for key, value in errors.items()},
        span=node.span,
        spans={key: value.span for key, value in errors.items()}
        | {key: entry.key.span for key, entry in params.items()},
        params={key: plain_value(entry.value) for key, entry in params.items()},
        **{key: value.value for key, value in values.items()},
    )


def check_reported(document: Document, diagnostics: Collector) -> None:
    """Each row states an error, and the parameters for which it holds are the document's."""
    for row in document.header.reported:
        if not row.errors:
            help = f"it can be {', '.join(FIGURES)}"
            diagnostics.error("missing-key", row.span, "a row of `reported` states no error", help)
        for name, value in row.errors.items():
            if value != value:  # `.nan` is a number for the schema
                diagnostics.error(
                    "out-of-range", row.spans[name], f"`{name}` wants a percentage, 0 to 100, not {value}"
                )
        for name in row.params:
            if name not in document.params:
                near = nearest(name, document.params)
                help = f"did you mean `{near}`?" if near else "`with` takes the names under `params`"
                diagnostics.error("unknown-param", row.spans[name], f"there is no parameter `{name}`", help)


def check_reported_classes(document: Document, scores: Collection[int], diagnostics: Collector) -> None:
    """Warns of figures that no net with so many `scores`, one number for each output, can have reached.

    A row with `with` is of another net, which is compiled only where it is compared.
    """
    for row in document.header.reported:
        wrong = [name for name in row.errors if not {*CLASSES[name]} & {*scores}]
        if row.params or not wrong or not scores:
            continue
        message = f"`{wrong[0]}` is of {CLASSES[wrong[0]][0]} classes, and the net has {[*scores][-1]}"
        help = "a figure is of this very net: leave out what another one reached"
        if "classes" in document.params:
            help += f", or say that it is of the net with {{classes: {CLASSES[wrong[0]][0]}}}, under `with`"
        diagnostics.add(Diagnostic("reported-classes", row.spans[wrong[0]], message, help=help, severity="warning"))
