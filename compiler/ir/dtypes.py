"""Element types: one object each, and the only table of them.

Widths, numpy codes and ONNX's numbers are fields of the objects; no other table has them. Bytes are little-endian everywhere, as ONNX,
safetensors and torch store them.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

LARGEST_HALF = 65504.0  # of 16 bits: what is over it is infinite there
HALF_BITS = 11  # of its significand

NumberKind = Literal["float", "int", "bool", "complex"]


class DType(NamedTuple):
    """An element type.

    `bits` is its width, `onnx` its number in TensorProto.DataType, and `numpy` the code of an array of its stored bytes. numpy
    has no bf16, so its bytes are an array of unsigned 16-bit integers. torch calls its storage `{torch}Storage` in a .pth.
    """

    name: str
    bits: int
    kind: NumberKind
    onnx: int
    numpy: str
    torch: str

    def __str__(self) -> str:
        return self.name

    def __reduce__(self) -> str:
        return self.name.upper()  # copies and pickles refer to the one object, which is a global of this module

    @property
    def size_bytes(self) -> int:
        """Bytes of one element."""
        return self.bits // 8

    def decode(self, raw: Any, shape: tuple[int, ...], strides: tuple[int, ...] | None = None) -> Any:
        """Stored bytes as a numpy array of `shape`: float types become float32, all others keep their type.

        `strides` count elements; without them the array is contiguous. Bytes are copied only where the type changes, and
        then only those of the array's own elements.
        """
        import numpy as np

        steps = None if strides is None else tuple(stride * self.size_bytes for stride in strides)
        array = np.ndarray(shape, self.numpy, raw, strides=steps)
        if self is BF16:  # the upper half of a float32
            bits = array.astype("<u4")
            bits <<= np.uint32(16)  # in place: a shifted array of no dimensions would be a scalar
            return bits.view(F32.numpy)
        return array.astype(F32.numpy, copy=False) if self.kind == "float" else array

    def encode(self, array: Any) -> Any:
        """A contiguous array of this element type, whose memory is what is stored. bf16 rounds to nearest, ties to even."""
        import numpy as np

        if self is BF16:
            bits = np.ascontiguousarray(array, F32.numpy).view("<u4")
            rounded = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)
            return np.where(np.isnan(array), np.uint32(0x7FC0), rounded).astype(self.numpy)
        return np.ascontiguousarray(array, dtype=self.numpy)


F64 = DType("f64", 64, "float", 11, "<f8", "Double")
F32 = DType("f32", 32, "float", 1, "<f4", "Float")
F16 = DType("f16", 16, "float", 10, "<f2", "Half")
BF16 = DType("bf16", 16, "float", 16, "<u2", "BFloat16")
I64 = DType("i64", 64, "int", 7, "<i8", "Long")
I32 = DType("i32", 32, "int", 6, "<i4", "Int")
I16 = DType("i16", 16, "int", 5, "<i2", "Short")
I8 = DType("i8", 8, "int", 3, "|i1", "Char")
U8 = DType("u8", 8, "int", 2, "|u1", "Byte")
BOOL = DType("bool", 8, "bool", 9, "|b1", "Bool")
C64 = DType("c64", 64, "complex", 14, "<c8", "ComplexFloat")
C128 = DType("c128", 128, "complex", 15, "<c16", "ComplexDouble")

DTYPES = {dtype.name: dtype for dtype in (F64, F32, F16, BF16, I64, I32, I16, I8, U8, BOOL, C64, C128)}
