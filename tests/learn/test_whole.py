import pytest
import torch

from insarflow.learn.models.whole import SpatialMean


def test_is_the_mean_over_y_and_x():
    x = torch.randn(2, 3, 5, 7, dtype=torch.float64)
    mean = SpatialMean()(x)
    assert mean.shape == (2, 3, 1, 1)
    for b, c in ((0, 0), (1, 2)):
        assert float(mean[b, c]) == pytest.approx(sum(x[b, c].flatten().tolist()) / 35, rel=1e-12)


def test_adds_half_precision_in_float32():
    x = torch.full((1, 1, 256, 256), 300.0).half()  # its sum is beyond what float16 holds
    assert SpatialMean()(x).dtype == torch.float16
    assert float(SpatialMean()(x)) == 300.0


def test_adds_in_float32_under_autocast():
    x = 1.0 + torch.rand(1, 4, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mean = SpatialMean()(x)
    assert mean.dtype == torch.float32
    assert torch.allclose(mean.double(), x.double().mean((2, 3), keepdim=True), rtol=1e-6)
