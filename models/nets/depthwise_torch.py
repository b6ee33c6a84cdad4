"""A depthwise convolution for PyTorch on CPUs with quicker gradients than its own.

PyTorch's gradients of depthwise layers are three quarters of a training step of an EfficientNet-Lite0 in bfloat16, and
a quarter of one of a small ConvNeXt. What is quick depends on kernel, stride and type (128 pictures, one core):

- by the features: PyTorch's own; with a stride that takes 100 to 230 ms in bfloat16 and 1 to 45 in float32, so it is
  computed in float32;
- by the kernel: for 3×3 PyTorch's own; for 5×5 that of float32, three to five times faster than that of bfloat16; on
  tiny maps, and for larger kernels on all but large ones, a few matrix products.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

LARGE = 20
"""Side of a feature map from which PyTorch's own gradient wins in float32."""

TINY = 4
"""Side of a feature map up to which matrix products win for 5×5 too."""


def convolve(pictures: torch.Tensor, kernel: torch.Tensor, stride: int = 1, padding: int | None = None) -> torch.Tensor:
    """Return the convolution of [N, H, W, C] with a Keras kernel [k, k, C, 1]; `padding` on all sides, (k - 1) / 2."""
    padding = kernel.shape[0] // 2 if padding is None else padding
    outputs: torch.Tensor = _Convolve.apply(pictures.permute(0, 3, 1, 2), kernel.permute(2, 3, 0, 1), stride, padding)
    return outputs.permute(0, 2, 3, 1)


class _Convolve(torch.autograd.Function):  # type: ignore[misc]
    """In PyTorch's layout: features [N, C, H, W], channels last in memory, and kernels [C, 1, k, k]."""

    @staticmethod
    def forward(context: Any, features: torch.Tensor, kernel: torch.Tensor, stride: int, padding: int) -> torch.Tensor:
        context.save_for_backward(features, kernel)
        context.stride, context.padding = stride, padding
        return functional.conv2d(features, kernel, None, stride, padding, 1, kernel.shape[0])

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, None, None]:
        features, kernel = context.saved_tensors
        stride, padding = context.stride, context.padding
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        by_features, by_kernel = context.needs_input_grad[:2]
        side, half = kernel.shape[-1], features.dtype in (torch.bfloat16, torch.float16)
        products = by_kernel and stride == 1 and padding == side // 2 and _wins(side, features)
        left = right = None
        if by_features:
            dtype = torch.float32 if half and stride > 1 else features.dtype
            # Of features only the shape counts here, so they need not be converted.
            like = torch.empty_like(features, dtype=dtype)
            left, _ = _own(gradient.to(dtype), like, kernel.to(dtype), stride, padding, (True, False))
            left = left.to(features.dtype)
        if products:
            right = kernel_gradient(features, gradient, side)
        elif by_kernel:
            dtype = torch.float32 if half and side > 3 else features.dtype
            _, right = _own(gradient.to(dtype), features.to(dtype), kernel.to(dtype), stride, padding, (False, True))
            right = right.to(kernel.dtype)
        return left, right, None, None


def _wins(side: int, features: torch.Tensor) -> bool:
    """Return whether matrix products give the gradient by a kernel of `side` sooner than PyTorch does."""
    if side < 7:
        return side == 5 and int(features.shape[-1]) <= TINY
    return features.dtype != torch.float32 or int(features.shape[-1]) < LARGE


def _own(
    gradient: torch.Tensor,
    features: torch.Tensor,
    kernel: torch.Tensor,
    stride: int,
    padding: int,
    wanted: tuple[bool, bool],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return PyTorch's gradients by features and by kernel, each if `wanted`."""
    left, right, _ = torch.ops.aten.convolution_backward(
        gradient, features, kernel, None, [stride] * 2, [padding] * 2, [1, 1], False, [0, 0], kernel.shape[0],
        [*wanted, False],
    )  # fmt: skip
    return left, right


def kernel_gradient(features: torch.Tensor, gradient: torch.Tensor, side: int) -> torch.Tensor:
    """Return the gradient by the kernel, [C, 1, side, side], for features and output gradient [N, C, H, W].

    For one vertical shift, rows of the gradient meet the shifted rows of the features: summed over pictures and rows
    that is a product of matrices [W, N·rows] and [N·rows, W] for each channel. Its diagonals, summed, are the row of
    the kernel's gradient for that shift.
    """
    _, channels, height, width = features.shape
    reach = side // 2
    rows = features.permute(1, 2, 0, 3).contiguous()
    others = gradient.permute(1, 2, 0, 3).contiguous()
    products = rows.new_zeros((channels, side, width, width))
    for shift in range(-min(reach, height - 1), min(reach, height - 1) + 1):
        first, last = max(0, -shift), min(height, height - shift)
        left = others[:, first:last].flatten(1, 2).transpose(1, 2)
        products[:, shift + reach] = torch.bmm(left, rows[:, first + shift : last + shift].flatten(1, 2))
    column = torch.arange(width)
    offsets = column[None, :] - column[:, None] + reach
    diagonals = (offsets[..., None] == torch.arange(side)).to(torch.float32).reshape(width * width, side)
    sums = products.reshape(channels, side, width * width).float() @ diagonals
    return sums.reshape(channels, 1, side, side).to(features.dtype)
