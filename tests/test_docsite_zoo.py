"""The pages of the zoo's families: each has one, with every net, error, spec and recipe, and no count in them is written by hand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from archc.catalog import models
from archc.compiler.sources import ZOO
from archc.training.recipe.catalog import listed_recipes
from docsite.drawings import DRAWN, LEAST_SCALE, draw, show_drawings, width_of
from docsite.family_texts import ASKED, TEXTS, fill_in, format_ratio, read_family_text
from docsite.page import Page
from docsite.placement import PLACED, placements, read_results
from docsite.site_error import SiteError
from docsite.sources import DOCS
from docsite.zoo import family_page, index_text
from docsite.zoo_nets import ZooNet, families, families_by_op, zoo_nets

COUNT = re.compile(r"\d[\d,.]* ?(?:million|billion|[kMG])\b|\d{1,3},\d{3}")


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {name: family_page(name, read_family_text(name), nets) for name, nets in families().items()}


def test_each_family_has_a_text_and_a_page(pages: dict[str, str]) -> None:
    found = dict.fromkeys(each.family for each in models())
    assert list(pages) == list(found) and {path.stem for path in TEXTS.glob("*.md")} == set(found)
    index = index_text()
    assert all(f"({name}.md)" in index for name in found)


def test_a_page_has_all_that_is_known_of_its_nets(pages: dict[str, str]) -> None:
    for family, nets in families().items():
        text = pages[family]
        for each in nets:
            assert f"| `{each.name}` | {each.cost.params.total:,}" in text and f"{each.cost.macs:,}" in text
            rows = each.net.checked.header.reported
            errors = text.partition("## Reported errors")[2].partition("\n## ")[0]
            shown = [
                line.split(" | ") for line in errors.splitlines() if re.match(rf"\| `{each.name}`( with|[ ]\|)", line)
            ]
            assert len(shown) == len(rows)
            for cells, row in zip(shown, rows, strict=True):
                assert sorted(float(cell) for cell in cells[1:-2] if cell) == sorted(row.errors.values())
                assert row.source in cells[-1] and row.split in cells[-2]
        for path in (ZOO / family).glob("*.yaml"):
            body = path.read_text("utf-8").partition("archspec: 1")[2].split("\n")
            assert all(line in text for line in body), path
    for recipe in listed_recipes():
        for net in recipe.nets:
            assert f"| `{recipe.name}` |" in pages[zoo_nets()[net].model.family]


def test_no_count_of_a_text_is_written_by_hand() -> None:
    for path in TEXTS.glob("*.md"):
        told = [each for each in COUNT.findall(ASKED.sub("", path.read_text("utf-8"))) if each != "38.6M"]
        assert not told, path


def test_figures_are_those_of_the_nets() -> None:
    resnet, vgg = zoo_nets()["resnet50"], zoo_nets()["vgg16"]
    assert fill_in("{resnet50.params}, {resnet50.depth}", "x") == "25.6 M, 50" and resnet.cost.depth == 50
    assert fill_in("{vgg16.macs / resnet50.macs}", "x") == format_ratio(vgg.cost.macs / resnet.cost.macs) == "3.8"
    assert fill_in("{resnet50.imagenet_top1_error}", "x") == "23.87 %"
    for wrong in ("{resnet51.params}", "{resnet50.length}", "{resnet50.mnist_error}"):
        with pytest.raises(SiteError, match="x: "):
            fill_in(wrong, "x")


def test_pictures_are_drawn_by_the_commands_that_a_page_shows() -> None:
    page = '# A\n\n```sh drawn="three layers"\narchc view three_3x3 -o a.svg\n```\n\n```sh drawn="a page"\narchc view three_3x3 -o a.html\n```\n'
    text, files = show_drawings(page, "zoo/x.md")
    assert [each.path for each in files] == ["zoo/x/a.svg", "zoo/x/a.dark.svg", "zoo/x/a.html"]
    assert "```sh\narchc view three_3x3 -o a.svg\n```" in text and "drawn" not in text
    least = f'{{ style="min-width: {LEAST_SCALE * width_of(files[0]):.0f}px" }}'
    assert (
        f"[![three layers](x/a.svg#only-light){least}](x/a.svg) [![three layers](x/a.dark.svg#only-dark){least}](x/a.dark.svg)"
        in text
    )
    assert "[a page](x/a.html)" in text and 50 < width_of(files[0]) < 500
    assert width_of(Page("a.svg", b'<svg a="" width="756pt" height="8">')) == 1008
    assert all(isinstance(each, Page) and each.content for each in files)
    for wrong in ("archc view no_such_net -o a.svg", "archc cost lenet5_modern", "rm -rf x"):
        with pytest.raises(SiteError):
            list(draw(wrong, "zoo/x.md"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    [path for path in sorted(DOCS.rglob("*.md")) if DRAWN.search(path.read_text("utf-8"))],
    ids=lambda path: path.stem,
)
def test_what_a_page_of_docs_draws_is_drawn(page: Path) -> None:
    text = page.read_text("utf-8")
    shown, files = show_drawings(text, page.relative_to(DOCS).as_posix())
    assert len(files) >= len(DRAWN.findall(text)) and not DRAWN.search(shown)


def test_each_family_shows_a_picture_and_a_page() -> None:
    for path in TEXTS.glob("*.md"):
        commands = [command for _, block in DRAWN.findall(path.read_text("utf-8")) for command in block.splitlines()]
        assert any(".svg" in each for each in commands) and any(".html" in each for each in commands), path
        family = {each.name for each in families()[path.stem]}
        assert all(each.split()[2] in family for each in commands)


def test_uses_of_operations_are_read_off_the_nets() -> None:
    assert set(families_by_op()["join"]) == {"fractalnet"} and "resnet" in families_by_op()["add"]
    conv = placements()["conv"]
    measured = {row["net"] for row in read_results(PLACED)["rows"]}
    assert set(conv.placed) == {
        name for name, each in zoo_nets().items() if "conv" in each.built_ops and name in measured
    }
    assert not conv.elsewhere and set(conv.ran) <= set(conv.placed)
    assert "batch_norm" not in ZooNet(models()[0]).built_ops
