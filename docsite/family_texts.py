"""What is told of a family of the zoo by hand: docsite/families/NAME.md, where numbers are asked for and never written.

A text begins with `net: NAME`, the family's main net, and goes on with Markdown. `{resnet50.params}` is a figure of a net, and
`{vgg16.macs / resnet50.macs}` how many times the second the first is; an error, `{resnet50.imagenet_top1_error}`, is the first that its spec reports.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from archc.compiler.frontend.reported import FIGURES
from archc.text.costs import count_layers
from archc.text.tables import format_count

from .site_error import SiteError
from .zoo_nets import ZooNet, zoo_nets

TEXTS = Path(__file__).parent / "families"
ASKED = re.compile(r"\{(\w+)\.(\w+)(?: / (\w+)\.(\w+))?\}")


class FamilyText(NamedTuple):
    """The main net of a family, its title, and what is told of it, with the figures in place."""

    net: str
    title: str
    body: str

    @property
    def summary(self) -> str:
        """The first clause."""
        paragraph = " ".join(self.body.split("\n\n")[0].split())
        return re.split(r"[.:] ", paragraph + " ")[0]


def read_family_text(family: str) -> FamilyText:
    """The text of a family. Raises SiteError where there is none, or where it asks for what there is not."""
    path = TEXTS / f"{family}.md"
    if not path.is_file():
        raise SiteError(f"the family {family} has no {path.relative_to(path.parent.parent.parent)}")
    head, _, text = path.read_text("utf-8").partition("\n\n")
    net = head.removeprefix("net: ").strip()
    if net not in zoo_nets():
        raise SiteError(f"{path.name}: its main net is no net of the zoo: {net}")
    title, _, body = text.partition("\n\n")
    return FamilyText(net, title.removeprefix("# ").strip(), fill_in(body.strip(), path.name))


def fill_in(text: str, name: str) -> str:
    """A text with the figures that it asks for."""

    def tell(found: re.Match[str]) -> str:
        net, figure, other, divisor = found.groups()
        try:
            if other is None:
                return format_figure(zoo_nets()[net], figure)
            return format_ratio(count_figure(zoo_nets()[net], figure) / count_figure(zoo_nets()[other], divisor))
        except KeyError as missing:
            raise SiteError(f"{name}: {found[0]}: there is no {missing}") from None

    return ASKED.sub(tell, text)


def counts_of(each: ZooNet) -> Mapping[str, int]:
    """The figures of a net that are counts. Parameters are those of inference; with the auxiliary heads they are `params_with_aux`."""
    cost = each.cost
    return {
        "params": cost.params.without_aux,
        "params_with_aux": cost.params.total,
        "macs": cost.macs,
        "activations": cost.activations,
        "depth": cost.depth,
        "layers": count_layers(cost.weight_layers),
    }


def count_figure(each: ZooNet, figure: str) -> int:
    """A count by its name. Raises KeyError for another name."""
    return counts_of(each)[figure]


def format_figure(each: ZooNet, figure: str) -> str:
    """A figure as a sentence has it: `25.6 M`, `50`, `427×427`, `23.87 %`. Raises KeyError where there is none."""
    if figure == "receptive_field":
        return "×".join(map(str, each.cost.receptive_field))
    if figure in FIGURES:
        rows = [row for row in each.net.checked.header.reported if figure in row.errors and not row.params]
        if not rows:
            raise KeyError(figure)
        return f"{rows[0].errors[figure]:g} %"
    count = count_figure(each, figure)
    return f"{count:,}" if figure in ("depth", "layers") else format_count(count)


def format_ratio(ratio: float) -> str:
    """A ratio as a sentence has it, in two digits: `3.8`, `49`."""
    return f"{ratio:.1f}" if ratio < 9.95 else f"{ratio:.0f}"
