"""A bundled net with ten classes, and what is told of a parameter that there is not."""

import archc

net = archc.load("googlenet", params={"classes": 10})
print(net.outputs)  # {'logits': (10,)}
try:
    archc.load("googlenet", params={"clases": 10})
except archc.Failure as failure:
    print(failure.code, failure.exit_code)  # set-unknown 2
