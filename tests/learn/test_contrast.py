from functools import partial

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from insarflow.learn.models.contrast import FAR, NEAR, PhaseContrast
from insarflow.learn.phase import encode


def angle_only(weight=1.0):
    network = PhaseContrast().eval()
    with torch.no_grad():
        network.threshold.weight.zero_()
        network.threshold.weight[0, 0] = weight
        network.threshold.bias.zero_()
    return network


def test_the_angle_is_that_between_two_means():
    rng = np.random.default_rng(0)
    phase = gaussian_filter(rng.normal(size=(90, 110)), 3) * 8
    coherence = rng.uniform(0.1, 1, phase.shape).astype(np.float32)
    image = encode(np.exp(1j * phase).astype(np.complex64), coherence)
    with torch.inference_mode():
        found = angle_only()(torch.from_numpy(image)[None])[0, 0].numpy()
    z = coherence * np.exp(1j * phase)
    blur = partial(gaussian_filter, mode="constant", truncate=3)
    near, far = (blur(z.real, s) + 1j * blur(z.imag, s) for s in (NEAR, FAR))
    # Truncations differ by half a pixel.
    assert np.allclose(found, np.abs(np.angle(near * far.conj())), atol=2e-3)


def test_a_constant_changes_nothing_and_a_bubble_stands_out():
    y, x = np.mgrid[:160, :160] - 80.0
    bubble = 2.0 * np.exp(-(y**2 + x**2) / 2 / 8**2)
    gamma = np.full(y.shape, 0.8, np.float32)
    with torch.inference_mode():
        one, other = (
            angle_only()(torch.from_numpy(encode(np.exp(1j * (bubble + offset)).astype(np.complex64), gamma))[None])[
                0, 0
            ]
            for offset in (0.0, 2.5)
        )
    assert torch.allclose(one, other, atol=1e-3)
    assert one[80, 80] > 1.5
    assert one[10:30, 10:30].max() < 0.1


def test_missing_pixels_weigh_nothing_and_spread_no_nan():
    image = torch.zeros(1, 3, 40, 40, requires_grad=True)
    logits = PhaseContrast()(image)
    assert torch.isfinite(logits).all()
    logits.sum().backward()
    assert torch.isfinite(image.grad).all()


def test_other_channels_are_refused():
    with pytest.raises(ValueError, match=r"^in_channels must be 3 or more, .*, instead got in_channels=2$"):
        PhaseContrast(2)
