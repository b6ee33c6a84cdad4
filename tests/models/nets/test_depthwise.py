from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is an optional backend of training")


@pytest.mark.parametrize("side", [1, 3, 6, 12, 24])
@pytest.mark.parametrize(("kernel_side", "stride", "padding"), [(7, 1, 3), (5, 1, 2), (3, 1, 1), (5, 2, 2), (3, 2, 1)])
def test_gradients_are_those_of_pytorch(side: int, kernel_side: int, stride: int, padding: int) -> None:
    from models.nets.depthwise_torch import convolve

    torch.manual_seed(side)
    pictures = torch.randn(4, side, side, 8, dtype=torch.float64, requires_grad=True)
    kernel = torch.randn(kernel_side, kernel_side, 8, 1, dtype=torch.float64, requires_grad=True)
    outputs = convolve(pictures, kernel, stride, padding)
    plain = torch.nn.functional.conv2d(
        pictures.permute(0, 3, 1, 2), kernel.permute(2, 3, 0, 1), None, stride, padding, 1, 8
    ).permute(0, 2, 3, 1)
    torch.testing.assert_close(outputs, plain)
    weights = torch.randn_like(outputs)
    ours = torch.autograd.grad(outputs, (pictures, kernel), weights)
    theirs = torch.autograd.grad(plain, (pictures, kernel), weights)
    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("kernel_side", "stride"), [(5, 1), (3, 1), (5, 2), (3, 2)])
@pytest.mark.parametrize("side", [4, 12])
def test_gradients_in_bfloat16_are_near_those_in_float32(side: int, kernel_side: int, stride: int) -> None:
    from models.nets.depthwise_torch import convolve

    torch.manual_seed(side)
    pictures, kernel = torch.randn(4, side, side, 8), torch.randn(kernel_side, kernel_side, 8, 1)

    def gradients(dtype: Any) -> Any:
        some, weights = pictures.to(dtype).requires_grad_(), kernel.to(dtype).requires_grad_()
        outputs = convolve(some, weights, stride)
        return torch.autograd.grad(outputs.float().square().sum(), (some, weights))

    for half, full in zip(gradients(torch.bfloat16), gradients(torch.float32), strict=True):
        assert half.dtype == torch.bfloat16
        torch.testing.assert_close(half.float(), full, rtol=0.05, atol=0.02 * float(full.abs().max()))
