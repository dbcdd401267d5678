"""A net from its costs to a file: looked at, compared with another, in torch, and as ONNX."""

import archc

net = archc.load("lenet5_modern")
print(f"{net.cost().params.total:,}")  # 61,706
print(net.explain("c1"))
print(net.diff(archc.load("lenet5_modern", params={"classes": 7})).differs)  # True
module = net.to_torch()
built = net.export_onnx("lenet.onnx", weights=module.state_dict())
print(built.artifacts[0].path)  # lenet.onnx
