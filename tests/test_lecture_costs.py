"""The lecture's tables, row by row: what its slides list, as the tables of `archc cost` have it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import archc
from archc.compiler.analysis.cards import CARDS
from archc.text.cost_tables import CostTable
from archc.text.costs import report_costs

# slide 32: the elements of each row, and its weights without biases
VGG16 = [
    (3211264, 1728), (3211264, 36864), (802816, 0), (1605632, 73728), (1605632, 147456), (401408, 0), (802816, 294912), (802816, 589824),
    (802816, 589824), (200704, 0), (401408, 1179648), (401408, 2359296), (401408, 2359296), (100352, 0), (100352, 2359296), (100352, 2359296),
    (100352, 2359296), (25088, 0), (4096, 102760448), (4096, 16777216), (1000, 4096000),
]  # fmt: skip
# slides 16 to 20: the side of each map, the units of each dense layer; the parameters with biases
ALEXNET = [
    ("conv1", 55, 34944), ("pool1", 27, 0), ("conv2", 27, 307456), ("pool2", 13, 0), ("conv3", 13, 885120), ("conv4", 13, 663936),
    ("conv5", 13, 442624), ("pool5", 6, 0), ("fc6", 4096, 37752832), ("fc7", 4096, 16781312), ("fc8", 1000, 4097000),
]  # fmt: skip
# table 1 of the GoogLeNet paper, which the slides up to 64 show: what its filter counts give
GOOGLENET = [
    ("inception3a", 163328, 128049152), ("inception3b", 388096, 304267264), ("inception4a", 375552, 73608192), ("inception4b", 448512, 87908352),
    ("inception4c", 509440, 99850240), ("inception4d", 604672, 118515712), ("inception4e", 867328, 169996288), ("inception5a", 1042432, 51079168),
    ("inception5b", 1442816, 70697984),
]  # fmt: skip


def test_the_memory_table_of_vgg16() -> None:
    costs = archc.load("vgg16").cost()
    table = costs.by("layer", weights_only=True)
    assert [(row.activations, row.params) for row in table if row.activations] == VGG16
    assert sum(elements for elements, _ in VGG16) + costs.input_elements == 15_237_608  # the slide says 24M
    assert sum(weights for _, weights in VGG16) == 138_344_128
    report = report_costs(costs, weights_only=True)
    assert 4 * report.with_input == 60_950_432 and report.element_bytes == 4


def test_the_layers_of_alexnet() -> None:
    rows = {row.path: row for row in archc.load("alexnet_2012").cost().by("layer")}
    assert [(path, rows[path].output[-1], rows[path].params) for path, *_ in ALEXNET] == ALEXNET


def test_the_modules_of_googlenet() -> None:
    table = archc.load("googlenet_paper").cost().by("block", weights_only=True)
    assert [(row.path, row.params, row.macs) for row in table if row.op == "Inception"] == GOOGLENET


@pytest.mark.parametrize("fewer, more, ratio, same", [
    ("three_3x3", "one_7x7", 27 / 49, "receptive_field"), ("inception_bottleneck", "inception_naive", 271_351_808 / 854_196_224, ""),
    ("resnet_bottleneck", "resnet_two_3x3", 54_591_488 / 924_844_032, "outputs"),
])  # fmt: skip
def test_comparisons(fewer: str, more: str, ratio: float, same: str) -> None:
    """Three 3×3 have 27/49 of the work of one 7×7; a bottleneck cuts an inception module to a third, and a residual branch to a seventeenth."""
    small, large = archc.load(fewer).cost(), archc.load(more).cost()
    assert small.macs / large.macs == pytest.approx(ratio)
    assert not same or getattr(small, same) == getattr(large, same)


def test_shares_and_heads() -> None:
    """The first two convolutions of VGG-16 have 42 % of its memory, its first dense layer 74 % of its weights."""
    report = report_costs(archc.load("vgg16").cost(), weights_only=True)
    rows = {row.path: row for row in CostTable(report, "layer")}
    memory = sum(rows[f"features.{at}"].activations for at in (0, 2)) / report.with_input
    assert (round(memory, 4), round(rows["classifier.0"].params / report.params, 4)) == (0.4215, 0.7428)
    with_heads = archc.load("googlenet_paper").cost().by("block")
    assert [row.params for row in with_heads.totals] == [13_378_280, 6_998_552]


def test_the_page_lists_the_cards() -> None:
    page = (Path(__file__).parent.parent / "docs" / "reference/costs.md").read_text("utf-8")
    sentence = page.partition("The cards are ")[2].partition(";")[0]
    assert re.findall(r"`([\w-]+)`", sentence) == list(CARDS)
