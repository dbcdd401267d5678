"""Two nets side by side, and the chart of them."""

import archc

comparison = archc.compare(["resnet50", "vgg16"])
print(comparison)
print([net["name"] for net in comparison.to_json()["nets"]])  # ['resnet50', 'vgg16']
