"""`archc run`: images in, classes out."""

from __future__ import annotations

import sys
from typing import Any

import click

from .options import format_option, print_json
from .progress import progress
from .render import clean
from .tables import format_table

DEVICES = ("auto", "cuda", "tensorrt", "cpu")


@click.command(epilog="Example: archc run googlenet.onnx cat.jpg dog.jpg --top 3")
@click.argument("model")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option(
    "--device",
    type=click.Choice(DEVICES),
    default="auto",
    show_default=True,
    help="Where to run; never silently elsewhere.",
)
@click.option("--top", type=click.IntRange(min=1), default=5, show_default=True, help="How many classes an image.")
@click.option("--batch", type=click.IntRange(1, 2**16), default=8, show_default=True, help="Images at once.")
@format_option()
def command(model: str, images: tuple[str, ...], device: str, top: int, batch: int, form: str) -> None:
    """Classify images with a built model."""
    from ..runtime import Session

    with progress(f"running {model}"):
        session = Session(model, device=device)
        results = session.classify(images, top=top, batch=batch)
    if not session.artifact.trained:
        untrained = ", ".join(session.artifact.untrained)
        how = f"with untrained steps ({untrained})" if untrained else "without trained weights"
        print(
            f"warning[untrained]: {clean(f'{session.name} was built {how}')}; its answers mean nothing", file=sys.stderr
        )
    if form == "json":
        print_json(run_json(session, results))
    else:
        print(run_text(session, results))


def run_json(session: Any, results: Any) -> dict[str, Any]:
    """What `--format json` prints."""
    return {
        "model": session.name,
        "device": session.device,
        "providers": list(session.providers),
        "results": [
            {
                "input": each.input,
                "top": [{"index": c.index, "label": c.label, "probability": c.probability} for c in each.top],
            }
            for each in results
        ],
    }


def run_text(session: Any, results: Any) -> str:
    """What is printed for people: a row for each class of each image, and the device that the model ran on."""
    rows = [
        [each.input if at == 0 else "", f"{c.probability:7.2%}", str(c.index), c.label or ""]
        for each in results
        for at, c in enumerate(each.top)
    ]
    return (
        format_table(["image", "probability", "class", "label"], rows, "<>><")
        + f"\n\n{session.name} on {session.device}"
    )
