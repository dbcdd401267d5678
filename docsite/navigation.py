"""The order in which the site is read: four kinds of page, kept apart, and the zoo."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from .page import Page


class Folder(NamedTuple):
    """All generated pages below a folder that have titles, in the order in which they are made."""

    path: str


class Section(NamedTuple):
    """A part of the navigation, with the parts that it has."""

    title: str
    parts: tuple[Any, ...]


class Link(NamedTuple):
    """A page of docs/, or a generated one, under a title."""

    title: str
    path: str


def link(folder: str, /, **titles: str) -> Iterator[Link]:
    """Pages of a folder with their titles."""
    return (Link(title, f"{folder}/{name}.md") for name, title in titles.items())


NAVIGATION: tuple[Any, ...] = (
    Link("Home", "index.md"),
    Section(
        "Tutorial",
        (
            *link("tutorial", index="Fifteen minutes", net="1. A net and its picture", edit="2. Change a block", mistake="3. A mistake", train="4. Train it", deploy="5. A file for a server"),
        ),
    ),
    Section(
        "How-tos",
        (
            Link("All how-tos", "howto/index.md"),
            Section("Begin", (*link("howto", install="Install archc", editor="Set up your editor", checkpoint="Your checkpoint"),)),
            Section("Train", (*link("howto", train="From photos to an int8 file", classes="Your classes", inputs="Several inputs", maps="Segmentation maps"),)),
            Section("Run", (*link("howto", folder="A million photos", server="A server without the compiler", cuda="Run on a GPU", old_onnxruntime="An old onnxruntime"),)),
            Section("Make it faster", (*link("howto", precision="Half floats and 8 bits", profile="Find where the time goes"),)),
            Section("In a team", (*link("howto", pull_request="Nets in pull requests"),)),
            Section("For a course", (*link("howto", lecture="A lecture's sums"),)),
        ),
    ),
    Section(
        "Reference",
        (
            Link("All of the reference", "reference/index.md"),
            Section(
                "Language",
                (
                    *link("reference", language="The language", limits="Limits"),
                    Section("Operations", (Link("All operations", "reference/ops/index.md"), Folder("reference/ops/"))),
                ),
            ),
            Section("Commands", (Folder("reference/commands/"),)),
            Section(
                "The program",
                (
                    *link(
                        "reference",
                        cli="The program",
                        costs="Costs",
                        explain="A step from all sides",
                        diff="Differences",
                        compare="Comparisons",
                        view="Pictures",
                        view_models="Pictures of models",
                        preview="The picture beside the editor",
                        building="Building many nets",
                        precision="Half floats and 8 bits",
                        weights="Checkpoints",
                        verify="Verifying a model",
                        bench="Timing models",
                        profile="Profiles",
                    ),
                ),
            ),
            Section(
                "Running",
                (*link("reference", runtime="Models", folders="Many pictures", metadata="Metadata of a file", devices="Devices", cache="The cache"),),
            ),
            Section(
                "Training",
                (*link("reference", train="Training", train_report="Watching a run", recipes="Recipes"),),
            ),
            Section("Python", (*link("reference", pytorch="The PyTorch module"), Folder("reference/python/"))),
            # in a section of its own, as an index would be the first page of the whole part
            Section("Diagnostics", (Link("All diagnostics", "diagnostics/index.md"),)),
        ),
    ),
    Section(
        "Zoo",
        (
            *link("zoo", index="All nets", lecture="The lecture, recomputed", fashion="Clothes: nets trained here", recipes="Recipes of the zoo", training_recipes="How the papers train"),
            Section("Families", (Link("All families", "zoo/families/index.md"), Folder("zoo/families/"))),
        ),
    ),
    Section(
        "Explanation",
        (
            Link("All explanations", "explanation/index.md"),
            *link("explanation", language="Why a language, and not Python", names="Names and checkpoints", phases="Two phases from one text", differences="Where torch and ONNX differ", proof="What the proof proves", security="Security", performance="Performance"),
            Link("Architecture", "architecture.md"),
        ),
    ),
)  # fmt: skip
# reached from other pages alone
APART = ("diagnostics/",)


def navigation_lines(parts: Sequence[Any], pages: Sequence[Page], indent: str = "  ") -> Iterator[str]:
    """The parts as the items of a TOML array of inline tables."""
    import json

    for part in parts:
        if isinstance(part, Folder):
            below = [Link(page.title, page.path) for page in pages if page.title and page.path.startswith(part.path)]
            yield from navigation_lines(below, pages, indent)
        elif isinstance(part, Section):
            inner = list(navigation_lines(part.parts, pages, indent + "  "))
            yield from (f"{indent}{{ {json.dumps(part.title)} = [", *inner, f"{indent}] }},")
        else:
            yield f"{indent}{{ {json.dumps(part.title)} = {json.dumps(part.path)} }},"


def linked_paths(parts: Sequence[Any]) -> Iterator[str]:
    """The pages that the navigation names one by one."""
    for part in parts:
        if isinstance(part, Section):
            yield from linked_paths(part.parts)
        elif isinstance(part, Link):
            yield part.path
