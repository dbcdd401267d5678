"""A page for each family of the zoo: what is told of it by hand, its pictures, nets, errors, spec, peers and recipes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from archc.charts.nets import cite
from archc.charts.protocols import METRICS, protocol_of
from archc.charts.tables import metric_of
from archc.compiler.frontend.reported import Reported
from archc.compiler.sources import ZOO
from archc.text.cost_tables import CostTable
from archc.text.recipes import length_of
from archc.text.tables import format_number
from archc.training.recipe.catalog import ListedRecipe, listed_recipes

from .drawings import show_drawings
from .family_texts import FamilyText, read_family_text
from .markup import code, fence, folded, link, table
from .page import Page
from .sources import ROOT
from .zoo_nets import ZooNet, families

FOLDER = "zoo/families"
# the tensors and answers of other libraries' nets, which the tests compare with
PEERS = ROOT / "tests" / "data" / "peers.json"
MOST_ROWS = 40
INDEX = """\
# Families

The nets of the zoo by family, in the order of their first papers: {nets} nets in {families} families. Each page has a picture of the family's main net, its nets
with their costs and reported errors, its spec, and how its authors trained it. {all_nets} has one table of all.

"""


def zoo_pages() -> Iterator[Page]:
    """The index, then a page for each family and the files of its pictures."""
    yield Page(f"{FOLDER}/index.md", index_text())
    for family, nets in families().items():
        text = read_family_text(family)
        page, drawings = show_drawings(family_page(family, text, nets), f"{FOLDER}/{family}.md")
        yield Page(f"{FOLDER}/{family}.md", page, text.title)
        yield from drawings


def index_text() -> str:
    """The page that lists the families."""
    here, rows = f"{FOLDER}/index.md", []
    for family, nets in families().items():
        text = read_family_text(family)
        year = min((each.model.year for each in nets if each.model.year), default="")
        rows.append([link(text.title, f"{FOLDER}/{family}.md", here), str(year), str(len(nets)), text.summary])
    head = INDEX.format(nets=sum(map(len, families().values())), families=len(rows), all_nets=link("All nets", "zoo/index.md", here))  # fmt: skip
    return head + table(["family", "first paper", "nets", "its idea"], rows, "<>>")


def family_page(family: str, text: FamilyText, nets: Sequence[ZooNet]) -> str:
    """The page of a family."""
    here = f"{FOLDER}/{family}.md"
    main = next(each for each in nets if each.name == text.net)
    parts = (
        f"# {text.title}\n\n{text.body}\n",
        *net_section(nets, here),
        *error_section(nets, here),
        *block_section(main, here),
        *spec_section(family, main, nets),
        *peer_section(nets, here),
        *recipe_section(nets, here),
        *command_section(family, main, here),
    )
    return "".join(parts)


def net_section(nets: Sequence[ZooNet], here: str) -> Iterator[str]:
    """The nets, and what each of them costs."""
    yield "\n## Its nets\n\n"
    yield table(["net", "what is special"], [[code(each.name), each.model.summary] for each in nets])
    rows = []
    for each in nets:
        cost = each.cost
        params = f"{cost.params.total:,}" + (f" ({cost.params.without_aux:,})" if each.model.has_heads else "")
        field = format_number(cost.receptive_field)
        rows.append([code(each.name), params, f"{cost.macs:,}", f"{cost.depth:,}", f"{cost.activations:,}", field])
    yield "\n" + table(["net", "parameters", "MACs", "depth", "activations", "receptive field"], rows, "<>>>>>")
    yield "\nFor one image of the net's own size, as " + link("archc cost", "reference/costs.md", here) + " counts."
    yield " In brackets: without the auxiliary heads.\n" if any(each.model.has_heads for each in nets) else "\n"


def error_section(nets: Sequence[ZooNet], here: str) -> Iterator[str]:
    """The errors that their papers report, with the protocol of each."""
    yield "\n## Reported errors\n\n"
    reported = [(each, row) for each in nets for row in each.net.checked.header.reported]
    if not reported:
        yield "None is reported of these nets.\n"
        return
    metrics = [each for each in METRICS.values() if any(each.key in row.errors for _, row in reported)]
    titles = [f"{each.title.removesuffix(' accuracy')}, %" for each in metrics]
    rows = [error_row(each, row, [metric.key for metric in metrics]) for each, row in reported]
    yield table(["net", *titles, "protocol", "where it is stated"], rows, "<" + ">" * len(metrics))
    compare = link("archc compare", "reference/compare.md", here)
    yield f"\nErrors by different protocols do not compare ({compare}). They are as their sources state them; archc has measured none.\n"


def error_row(each: ZooNet, row: Reported, keys: Sequence[str]) -> list[str]:
    """The cells of a row that a net's spec reports, with a column for each of the figures `keys`."""
    params = ", ".join(f"{name}={value}" for name, value in row.params.items())
    net = code(each.name) + (f" with {code(params)}" if params else "")
    errors = [f"{row.errors[key]:g}" if key in row.errors else "" for key in keys]
    source = cite(row.source, each.model.source) + (f" ({row.doc})" if row.doc else "")
    return [net, *errors, protocol_of(metric_of(row), row).description, source]


def block_section(main: ZooNet, here: str) -> Iterator[str]:
    """What each block of the main net costs, and the whole of it."""
    rows = block_rows(main)
    cells = [
        [code(row.path) + (f" ×{row.times}" if row.times > 1 else "") + (" (aux)" if row.aux else ""), row.op, format_number(row.output),
         f"{row.params:,}", f"{row.macs:,}", f"{row.activations:,}"]
        for row in (*rows, *rows.totals[:1])
    ]  # fmt: skip
    yield f"\n## {main.name}, block by block\n\nBeside its paper: {main.model.source}.\n\n"
    yield table(["block", "what it is", "output", "parameters", "MACs", "activations"], cells, "<<>>>>")
    depth = f" --depth {rows_depth(main)}" if rows_depth(main) > 1 else ""
    yield f"\nThis is `archc cost {main.name} --by block{depth}`."
    yield " A row with ×n has the costs of all n rounds.\n" if any(row.times > 1 for row in rows) else "\n"


def rows_depth(main: ZooNet) -> int:
    """How many words of its paths name a block of a net: as many as give a table that can be read."""
    for depth in range(6, 1, -1):
        if len(main.cost.by("block", depth)) <= MOST_ROWS:
            return depth
    return 1


def block_rows(main: ZooNet) -> CostTable:
    """The costs of the main net by its blocks."""
    return main.cost.by("block", rows_depth(main))


def spec_section(family: str, main: ZooNet, nets: Sequence[ZooNet]) -> Iterator[str]:
    """The specs: of the main net, of what it extends, then the others, folded."""
    texts = {path.name: path.read_text("utf-8") for path in sorted((ZOO / family).glob("*.yaml"))}
    used = [Path(source.label).name for source in main.net.checked.sources if Path(source.label).name in texts]
    others = [name for name in texts if name not in used]
    yield "\n## Its spec\n\n"
    for name in used:
        yield f"{code(f'{family}/{name}')}:\n\n{fence('yaml', spec_text(texts[name]))}\n"
    outside = {Path(source.label).parent.name for source in main.net.checked.sources} - {family, ""}
    if outside:
        yield "It uses specs of " + ", ".join(f"[{each}]({each}.md)" for each in sorted(outside)) + ".\n\n"
    for name in others:
        yield folded(f"{family}/{name}", fence("yaml", spec_text(texts[name])))


def spec_text(text: str) -> str:
    """A spec without the line that is for editors."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("# yaml-language-server"))


class PeerFacts(NamedTuple):
    """The nets of other libraries that the tests compare with, and of which versions."""

    versions: str
    nets: frozenset[str]


@lru_cache(maxsize=1)
def peer_facts() -> PeerFacts:
    """What the tests keep of the peers."""
    found = json.loads(PEERS.read_text("utf-8"))
    return PeerFacts(found["source"].partition(" of ")[2].partition(":")[0], frozenset(found["nets"]))


def peer_section(nets: Sequence[ZooNet], here: str) -> Iterator[str]:
    """What their names follow, and which nets of other libraries the tests compare them with."""
    known = peer_facts()
    rows = [
        [code(each.name), each.model.lineage, "tensors and answers" if each.name in known.nets else ""] for each in nets
    ]
    yield "\n## Peers\n\nWhere its paper is silent, a net has the names and details of what it follows. "
    if any(row[2] for row in rows):
        yield "Of a net that is compared, tests hold the names and shapes of all tensors, and the answers, against those of "
        yield f"{known.versions}, so that their checkpoints load as they are.\n\n"
    else:
        yield "None of these is compared with a net of torchvision or timm.\n\n"
    yield table(["net", "follows", "compared"], rows)
    yield f"\n{link('Checkpoints', 'reference/weights.md', here)} tells how weights are taken.\n"


def recipe_section(nets: Sequence[ZooNet], here: str) -> Iterator[str]:
    """The recipes that name these nets, as a table and as they are written."""
    names = {each.name for each in nets}
    found = [each for each in listed() if names & {*each.nets}]
    yield "\n## How it is trained\n\n"
    if not found:
        yield f"No recipe of the zoo names these nets ({link('why', 'zoo/training_recipes.md#without-a-recipe', here)}).\n"
        return
    rows = [
        [code(each.name), length_of(each), format_number(each.batch), f"{each.optimizer}, {each.lr:g}", each.schedule]
        for each in found
    ]
    yield table(["recipe", "length", "batch", "optimizer", "schedule"], rows, "<<>")
    yield f"\n{link('How the papers train', 'zoo/training_recipes.md', here)} says what each paper leaves open. "
    yield f"{link('archc train', 'reference/train.md', here)} takes the recipe that names the net.\n"
    for each in found:
        path = ZOO / "recipes" / f"{each.name}.yaml"
        trained = ", ".join(code(net) for net in each.nets if net in names)
        yield f"\n{code(each.name)} is for {trained}. Its source: {each.source}.\n"
        yield "\n" + folded(f"recipes/{path.name}", fence("yaml", spec_text(path.read_text("utf-8"))))


@lru_cache(maxsize=1)
def listed() -> Sequence[ListedRecipe]:
    """The recipes of the zoo."""
    return listed_recipes()


def command_section(family: str, main: ZooNet, here: str) -> Iterator[str]:
    """Commands for the main net, and where more is."""
    yield "\n## Go on\n\n" + fence(
        "sh",
        f"archc view {main.name} -o {main.name}.html      # the picture as a page\n"
        f"archc show {main.name} --depth 2                # the net as a tree\n"
        f"archc cost {main.name} --by layer               # each layer\n"
        f"archc init mine --from {main.name}              # a net of yours that starts from it",
    )
    reading = link("How a picture is read", "reference/view.md#what-is-seen", here)
    yield f"\n{reading} · {link('All nets', f'zoo/index.md#{family}', here)} · {link('The lecture, recomputed', 'zoo/lecture.md', here)}\n"
