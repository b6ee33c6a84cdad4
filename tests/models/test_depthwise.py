from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is an optional backend of training")


@pytest.mark.parametrize("side", [1, 3, 6, 12, 24])
def test_gradients_are_those_of_pytorch(side: int) -> None:
    from models.depthwise_torch import convolve

    torch.manual_seed(side)
    pictures = torch.randn(4, side, side, 8, dtype=torch.float64, requires_grad=True)
    kernel = torch.randn(7, 7, 8, 1, dtype=torch.float64, requires_grad=True)
    outputs = convolve(pictures, kernel)
    plain = torch.nn.functional.conv2d(pictures.permute(0, 3, 1, 2), kernel.permute(2, 3, 0, 1), None, 1, 3, 1, 8)
    plain = plain.permute(0, 2, 3, 1)
    torch.testing.assert_close(outputs, plain)
    weights = torch.randn_like(outputs)
    ours = torch.autograd.grad(outputs, (pictures, kernel), weights)
    theirs = torch.autograd.grad(plain, (pictures, kernel), weights)
    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-4)
