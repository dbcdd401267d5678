"""Rooflines: the least times of layers by hand, what adds up, and the table of cards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import archc
from archc.compiler.analysis.cards import CARDS, find_card
from archc.compiler.analysis.cost import ELEMENT_BYTES
from archc.compiler.analysis.roofline import largest_batch, roofline
from archc.compiler.diagnostics import Failure
from archc.text.rooflines import format_micros, format_rate

from .program import program

SPEC = """archspec: 1
name: net
input: {image: [4, 8, 8]}
graph:
  - {name: wide, conv: {out: 16, kernel: 3, padding: 1}}
  - {name: bn, batch_norm: {}}
  - relu
  - {name: aux, aux: 0.3, steps: [global_avg_pool, {name: fc, linear: 5}]}
  - {name: pool, max_pool: 2}
  - flatten
  - {name: fc, linear: 10}
"""


@pytest.fixture
def net(tmp_path: Path) -> archc.Net:
    (tmp_path / "net.yaml").write_text(SPEC, "utf-8")
    return archc.load(tmp_path / "net.yaml")


@pytest.mark.parametrize("precision, batch", [("fp32", 1), ("fp16", 8), ("int8", 1000)])
def test_layers_by_hand(net: archc.Net, precision: str, batch: int) -> None:
    """A convolution, a pool and a linear layer; what is fused into them, and the head, takes no time."""
    size = ELEMENT_BYTES[precision]
    roof = roofline(net.graph, find_card("flops=1e9,bandwidth=2e8,memory=1e6"), precision, batch)
    work = {
        "wide": (2 * 9 * 4 * 16 * 64 * batch, size * ((4 * 64 + 16 * 64) * batch + 9 * 4 * 16 + 16)),
        "pool": (0, size * (16 * 64 + 16 * 16) * batch),
        "fc": (2 * 2560 * batch, size * ((256 + 10) * batch + 2560 + 10)),
    }
    times = {node.path: time for node, time in zip(net.graph.nodes, roof.layers, strict=True) if time.bytes}
    assert {path: (time.flops, time.bytes) for path, time in times.items()} == work
    for flops, moved in work.values():
        assert max(flops / 1e9, moved / 2e8) in [time.seconds for time in times.values()]
    assert roof.total.seconds == pytest.approx(sum(max(flops / 1e9, moved / 2e8) for flops, moved in work.values()))
    assert roof.images_per_second == pytest.approx(batch / roof.total.seconds)
    assert times["pool"].bound == "memory" and times["wide"].bound == "arithmetic"


def test_small_times_keep_three_digits() -> None:
    times = [3.15841e-3, 1e-6, 4.5678e-9, 1.7e-12]
    assert [format_micros(seconds) for seconds in times] == ["3,158.41", "1.00", "0.00457", "1.7e-06"]


def test_rates_are_written_without_powers_of_ten() -> None:
    assert [format_rate(rate) for rate in (1e6, 1040.4, 99.96, 14.47)] == ["1,000,000", "1,040", "100", "14.5"]


@pytest.mark.parametrize("memory, fixed, image, expected", [
    (100, 40, 20, 3), (100, 40, 61, 0), (100, 101, 1, 0), (0, 40, 20, None), (100, 40, 60, 1), (100, 0, 0, None),
])  # fmt: skip
def test_largest_batch(memory: int, fixed: int, image: int, expected: int | None) -> None:
    told = "flops=1,bandwidth=1" + f",memory={memory}" * bool(memory)
    assert largest_batch(find_card(told), fixed, image) == expected


def test_training_needs_more_memory(net: archc.Net, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The largest batch is the last that fits: with one image more, the sum of its parts is over the card's memory."""
    run = program(capsys)
    line = ["cost", str(tmp_path / "net.yaml"), "--on", "flops=1T,bandwidth=1G,memory=1M", "--format", "json"]
    inference = json.loads(run(*line).out)["rooflines"][0]["largest_batch"]
    batches = []
    for optimizer in ("sgd", "sgd-momentum", "adam"):
        training = [*line, "--training", "--optimizer", optimizer]
        batches.append(json.loads(run(*training).out)["rooflines"][0]["largest_batch"])
        fits, over = (
            json.loads(run(*training, "--batch", str(n)).out)["training"]["total_bytes"]
            for n in (batches[-1], batches[-1] + 1)
        )
        assert fits <= 10**6 < over
    assert "of parameters, gradients and optimiser state, " in run(*training[:-1], "adam", "--format", "text").out
    assert inference > batches[0] > batches[1] > batches[2] > 0


def test_every_part_of_a_net_adds_up(capsys: pytest.CaptureFixture[str]) -> None:
    run = program(capsys)
    for by in ("layer", "block", "op"):
        line = (
            "cost",
            "squeezenet1_0",
            "--by",
            by,
            "--on",
            "h200",
            "--precision",
            "fp16",
            "--batch",
            "32",
            "--format",
            "json",
        )
        document = json.loads(run(*line).out)
        (roof,) = document["rooflines"]
        rows = roof[f"{by}s"]
        assert sum(x["flops"] for x in rows) == roof["flops"] == 2 * document["macs"]
        assert sum(x["bytes"] for x in rows) == roof["bytes"]
        assert sum(x["least_us"] for x in rows) == pytest.approx(roof["least_us"])
        assert roof["least_us"] >= 1e6 * max(roof["flops"] / roof["peak_flops"], roof["bytes"] / roof["bandwidth"])


def test_more_images_at_once_are_no_slower(net: archc.Net) -> None:
    speeds = [roofline(net.graph, CARDS["t4"], "fp16", batch).images_per_second for batch in (1, 2, 8, 64, 4096)]
    assert speeds == sorted(speeds)


@pytest.mark.parametrize("name", CARDS)
def test_cards(name: str) -> None:
    """Each has its source and what a roofline needs; fewer bits are never slower, and no number is off by a thousand."""
    card = CARDS[name]
    assert card.name == name == find_card(name.upper()).name and card.source.startswith("NVIDIA")
    speeds = [card.flops[each] for each in ("fp32", "tf32", "fp16", "int8") if each in card.flops]
    assert speeds == sorted(speeds) and speeds[0] > 1e12 and speeds[-1] < 1e16
    assert 1e11 < card.bandwidth < 1e13 and 8e9 <= card.memory <= 1e12
    for precision in ELEMENT_BYTES:
        if precision not in card.flops:
            with pytest.raises(Failure, match=f"in {precision}"):
                card.peak(precision)


@pytest.mark.parametrize("text, flops, bandwidth, memory", [
    ("flops=312T,bandwidth=2T,memory=80G", 312e12, 2e12, 80e9), ("bandwidth=1.5e9, flops=2k", 2e3, 1.5e9, 0), ("flops=1P,bandwidth=1M,memory=1", 1e15, 1e6, 1),
])  # fmt: skip
def test_own_cards(text: str, flops: float, bandwidth: float, memory: float) -> None:
    card = find_card(text)
    assert (card.peak("int8"), card.bandwidth, card.memory) == (flops, bandwidth, memory)
