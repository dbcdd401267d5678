"""All mistakes of a spec at once, each with its place."""

from pathlib import Path

import archc

Path("net.yaml").write_text(
    "archspec: 1\nname: net\ninput: {image: [3, 8, 8]}\ngraph: [cnv: 4, {linear: 10, biass: false}]\n"
)
try:
    archc.load("net.yaml")
except archc.SpecError as error:
    for each in error.diagnostics:
        print(each.span.place, each.code)
