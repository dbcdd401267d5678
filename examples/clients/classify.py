"""Classifies a picture as `archc run` does, with numpy, Pillow and onnxruntime alone: python classify.py net.onnx cat.jpg"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
metadata = session.get_modelmeta().custom_metadata_map
how, labels, scores, probabilities = (
    json.loads(metadata.get(f"archc.{key}", default))
    for key, default in (("preprocess", "{}"), ("labels", "[]"), ("scores", "[]"), ("probabilities", "[]"))
)
port = session.get_inputs()[0]
channels, height, width = port.shape[1:]
# the picture stands upright; what is transparent lies on white; a net of one channel sees grey
picture = ImageOps.exif_transpose(Image.open(sys.argv[2])).convert("RGBA")
picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
picture = picture.convert("L") if channels == 1 or how.get("color") == "grey" else picture
# the shorter side becomes `resize`, and the middle is cut out; without `resize` the whole picture is stretched
side = how.get("resize")
size = tuple(side * each // min(picture.size) for each in picture.size) if side else (width, height)
picture = picture.resize(size, Image.Resampling[how.get("interpolation", "bilinear").upper()])
left, top = (round(spare / 2) if spare > 0 else int(spare / 2) for spare in (size[0] - width, size[1] - height))
pixels = np.asarray(picture.crop((left, top, left + width, top + height)), np.float32).reshape(height, width, -1)
pixels = np.broadcast_to(pixels, (height, width, channels))[:, :, :: -1 if how.get("color") == "bgr" else 1]
if port.type != "tensor(uint8)":  # such a file takes pixels as they are
    scale, mean, std = (np.float32(how.get(*each)) for each in (("scale", 1 / 255), ("mean", 0), ("std", 1)))
    pixels = (pixels * scale - mean) / std
kind = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}[port.type]
output = "logits" if "logits" in scores else scores[-1]
(found,) = session.run([output], {port.name: pixels.transpose(2, 0, 1)[None].astype(kind)})
found = found.astype(np.float32).reshape(-1)
if output not in probabilities:
    found = np.exp(found - found.max()) / np.exp(found - found.max()).sum()
for index in np.argsort(-found, kind="stable")[:5]:
    print(f"{found[index]:.6f}  {index}  {labels[index] if labels else ''}")
