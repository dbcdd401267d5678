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
        "How-tos",
        (
            *link(
                "howto",
                editor="Set up your editor",
                checkpoint="Your checkpoint",
                train="From photos to an int8 file",
                classes="Your classes",
                inputs="Several inputs",
                maps="Segmentation maps",
                precision="Half floats and 8 bits",
                old_onnxruntime="An old onnxruntime",
                folder="A million photos",
                cuda="Run on a GPU",
                profile="Find where the time goes",
                server="A server without the compiler",
                pull_request="Nets in pull requests",
            ),
        ),
    ),
    Section(
        "Reference",
        (
            Section("Language", (*link("reference", language="The language", limits="Limits"),)),
            Section(
                "Program",
                (
                    *link(
                        "reference",
                        cli="The program",
                        costs="archc cost",
                        explain="archc explain, show",
                        diff="archc diff",
                        compare="archc compare",
                        view="archc view",
                        view_models="archc view MODEL",
                        preview="archc view --watch",
                        building="archc build",
                        precision="--precision, --store",
                        weights="--weights",
                        verify="archc verify",
                        bench="archc bench",
                        profile="archc profile",
                    ),
                ),
            ),
            Section(
                "Running",
                (*link("reference", runtime="Models", folders="Many pictures", devices="Devices", cache="The cache"),),
            ),
            Section(
                "Training",
                (*link("reference", train="archc train", train_report="Watching a run", recipes="Recipes"),),
            ),
            Section("Python", (*link("reference", pytorch="The PyTorch module"),)),
            Link("Diagnostics", "diagnostics/index.md"),
        ),
    ),
    Section(
        "Zoo",
        (
            *link("zoo", index="All nets", lecture="The lecture, recomputed", recipes="Recipes of the zoo", training_recipes="How the papers train"),
        ),
    ),
    Section(
        "Explanation",
        (
            *link("explanation", proof="What the proof proves", security="Security", performance="Performance"),
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
