"""Pictures: how long `archc view` takes as a whole process beside `archc check`, how large its pages are, and how they move.

    python benchmarks/picture.py [--rounds 9] [--nets googlenet resnet152 resnet1202_cifar_optA] [--json benchmarks/results/picture.json]

Processes take turns, `check` and `view` of each net; quoted are medians of seconds, and the median of the ratios of each round. The page
is then opened in headless Chromium, in a window of 1400 × 900, with all that it has open, repeats unrolled: `layout_ms` is the layout
alone (the best of 9), `open_ms` from that state to the next frame (the best of 5), `frame_ms` and `frame_p95_ms` are from frame to frame
while it scrolls by 120 pixels a frame. Needs playwright and Chromium for these; without them only processes and sizes are measured.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from machine import write_results
from processes import Starter, measure_in_turn, median_ratio, medians

from archc.compiler.view.page.page import LAYOUT, join_modules

NETS = ("googlenet", "resnet152", "resnet1202_cifar_optA")
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
MOVE = """async () => {
    const frame = () => new Promise(requestAnimationFrame);
    const press = async (key) => {
        const began = performance.now();
        document.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
        await frame();
        return performance.now() - began;
    };
    const opened = [];
    for (let turn = 0; turn < 5; turn++) {
        location.hash = "";
        await frame(); await frame();
        const began = performance.now();
        location.hash = "open=**";
        await new Promise((done) => addEventListener("hashchange", done, { once: true }));
        await frame();
        opened.push(performance.now() - began);
    }
    const view = document.getElementById("view");
    const frames = [];
    for (let turn = 0; turn < 120; turn++) {
        const began = performance.now();
        view.scrollTop += 120;
        await frame();
        frames.push(performance.now() - began);
    }
    frames.sort((a, b) => a - b);
    return { open_ms: Math.min(...opened), frame_ms: frames[60], frame_p95_ms: frames[114],
             elements: document.getElementsByTagName("*").length };
}"""
LAY_OUT = """() => {%s
    const drawing = readDrawing(JSON.parse(document.getElementById("drawing").textContent));
    const open = unrolled(drawing);
    const times = [];
    let boxes = 0;
    for (let turn = 0; turn < 9; turn++) {
        const began = performance.now();
        boxes = layOut(drawing, open).boxes.length;
        times.push(performance.now() - began);
    }
    return { boxes, layout_ms: Math.min(...times) };
}"""


def measure_page(path: Path) -> dict[str, Any]:
    """What Chromium takes for a page; nothing where it or playwright is not here."""
    chromium = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        chromium = None
    if chromium is None:
        return {}
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 900}, reduced_motion="reduce")
        page.goto(path.as_uri())
        found = {**page.evaluate(LAY_OUT % join_modules(LAYOUT)), **page.evaluate(MOVE), "chromium": browser.version}
        browser.close()
    return {key: round(value, 2) if isinstance(value, float) else value for key, value in found.items()}


def measure_net(start: Starter, net: str, rounds: int, folder: Path) -> dict[str, Any]:
    """One row: a net's processes, and its page."""
    page = folder / f"{net}.html"
    archc = [sys.executable, "-m", "archc"]
    contenders = {"check": [*archc, "check", net], "view": [*archc, "view", net, "-o", str(page)]}
    runs = measure_in_turn(start, contenders, rounds)
    return {
        "net": net,
        "view_s": round(medians(runs["view"]).seconds, 3),
        "check_s": round(medians(runs["check"]).seconds, 3),
        "of_check": round(median_ratio(runs["view"], runs["check"], "seconds"), 2),
        "page_kb": round(page.stat().st_size / 1000),
        **measure_page(page),
    }


def main() -> None:
    """Measures, and prints or keeps the rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--nets", nargs="+", default=NETS)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with Starter() as start, tempfile.TemporaryDirectory() as folder:
        rows = [measure_net(start, net, options.rounds, Path(folder)) for net in options.nets]
    for row in rows:
        print(row)
    if options.json:
        write_results(options.json, rows, ("archc-onnx", "playwright"))


if __name__ == "__main__":
    main()
