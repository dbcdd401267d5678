"""All mistakes of a spec at once, each with its place."""

from pathlib import Path

import archc

SPEC = """archspec: 1
name: net
input: {image: [3, 8, 8]}
graph: [cnv: 4, relu, {linear: {out: 10, biass: false}}]
"""
Path("net.yaml").write_text(SPEC)
try:
    archc.load("net.yaml")
except archc.SpecError as error:
    print([each.code for each in error.diagnostics])  # ['unknown-op', 'unknown-key']
    print(error.diagnostics[0].span.place)  # net.yaml:4:9
    print(error)
