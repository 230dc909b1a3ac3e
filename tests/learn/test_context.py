import numpy as np
import pytest
import torch

import insarflow
from insarflow.learn.models.context import SURROUNDINGS, ContextUNet, PhaseFeatures


def test_size_and_what_it_looks_at():
    network = ContextUNet()
    assert sum(p.numel() for p in network.parameters()) == 713_860
    reach = insarflow.reach(network)
    assert (reach.stride, max(reach.left, reach.right)) == (network.spec.stride, network.spec.reach)
    assert not reach.whole_tile


def test_logits_have_the_size_of_the_image():
    with torch.inference_mode():
        assert ContextUNet(5).eval()(torch.zeros(2, 5, 48, 32)).shape == (2, 1, 48, 32)
    with pytest.raises(ValueError, match=r"^in_channels must be 3 or more, .* instead got in_channels=2$"):
        ContextUNet(2)
    with pytest.raises(ValueError, match=r"^height and width must be multiples of 16, instead got \(2, 3, 40, 32\)$"):
        ContextUNet()(torch.zeros(2, 3, 40, 32))


def test_a_constant_phase_changes_nothing_and_a_missing_pixel_counts_for_nothing():
    network, draw = ContextUNet().eval(), torch.Generator().manual_seed(0)
    coherence, phase = torch.rand((1, 64, 64), generator=draw), 6.0 * torch.rand((1, 64, 64), generator=draw)
    there = torch.rand((1, 64, 64), generator=draw) > 0.2

    def logits(offset, kept):
        image = torch.stack((coherence * kept, torch.cos(phase + offset) * kept, torch.sin(phase + offset) * kept), 1)
        with torch.inference_mode():
            return network(image)

    plain = logits(0.0, there)
    torch.testing.assert_close(logits(2.0, there), plain, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(logits(0.0, there * 0 + 1.0), plain, atol=1e-3)


def test_features_against_a_loop():
    """A ramp: its fringe rates, and the phase against a mean that is real ahead of and behind a pixel alike."""
    y, x = torch.meshgrid(torch.arange(160.0), torch.arange(160.0), indexing="ij")
    phase = 0.05 * x - 0.1 * y
    image = torch.stack((torch.full_like(x, 0.8), torch.cos(phase), torch.sin(phase)))[None]
    features = PhaseFeatures()(image)[0, :, 70:90, 70:90]
    assert features.shape[0] == PhaseFeatures.channels
    wanted = {0: 0.8, 2: 0.0, 5: 0.0, 7: np.cos(0.05), 8: np.sin(0.05), 9: np.cos(0.1), 10: -np.sin(0.1), 11: 0.64}
    for channel, value in wanted.items():
        assert features[channel].mean().item() == pytest.approx(value, abs=2e-3)
    for channel, sigma in ((3, 4 * SURROUNDINGS[0]), (6, 4 * SURROUNDINGS[1])):
        smoothed = 0.8 * np.exp(-0.5 * (0.05**2 + 0.1**2) * sigma**2)
        assert features[channel].mean().item() == pytest.approx(smoothed, rel=0.1, abs=0.01)


def test_every_weight_has_a_part_in_the_result():
    network = ContextUNet()
    network(torch.randn(2, 3, 32, 32)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_features_are_float32_in_any_precision():
    """Processors with bfloat16 took minutes for a batch whose means were in it."""
    draw = torch.Generator().manual_seed(0)
    image, features = torch.rand((1, 3, 32, 32), generator=draw), PhaseFeatures()
    wanted = features(image)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(features(image), wanted)
        image.requires_grad_()
        features(image).sum().backward()
    assert features.to("meta")(image.detach().to("meta")).shape == wanted.shape
    features = PhaseFeatures()
    half = image.detach().bfloat16()
    given = PhaseFeatures().bfloat16()(half)
    assert given.dtype == torch.bfloat16
    # The weights of the means are rounded, and the result; nothing between.
    torch.testing.assert_close(given.float(), features(half.float()), rtol=0.02, atol=0.02)
