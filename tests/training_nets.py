"""Nets of a few weights, which several files of tests train."""

from __future__ import annotations

# three classes of 6×6 grey pixels
SMALL = """archspec: 1
name: small
params: {classes: 3}
input: {image: [1, 6, 6]}
graph:
  - {name: conv, conv: {out: 4, kernel: 3}}
  - {name: relu, relu: {}}
  - global_avg_pool
  - {name: fc, linear: $classes}
"""
# two such nets, and the mean of what they say
MEMBERS = """archspec: 1
name: ensemble
input: {image: [1, 6, 6]}
blocks:
  Net:
    steps: [{name: conv, conv: {out: 4, kernel: 3}}, relu, global_avg_pool, {name: fc, linear: 3}]
graph:
  - output: probabilities
    mean:
      - repeat: {i: 2}
        steps: [{name: member$i, Net: {}}, softmax]
"""
