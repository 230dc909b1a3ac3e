import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from insarflow.kernels.codes import decode_fraction, decode_phase
from insarflow.learn.phase import conjugate, encode, encode_codes, offset, ramp


def draw(seed=0, batch=3, shape=(6, 9)):
    """Complex images with missing pixels, and the same as network input."""
    rng = np.random.default_rng(seed)
    size = (batch, *shape)
    igram = (rng.uniform(0.1, 5, size) * np.exp(1j * rng.uniform(-np.pi, np.pi, size))).astype(np.complex64)
    coherence = rng.uniform(size=size).astype(np.float32)
    igram[rng.uniform(size=size) < 0.2] = np.nan
    coherence[rng.uniform(size=size) < 0.1] = np.nan
    return igram, coherence, torch.from_numpy(np.stack([encode(i, c) for i, c in zip(igram, coherence, strict=True)]))


def phasor(x):
    return (x[:, 1] + 1j * x[:, 2]).numpy()


@given(
    igram=hnp.arrays(np.complex64, (4, 5), elements=st.complex_numbers(max_magnitude=1e6, width=64)),
    coherence=hnp.arrays(np.float32, (4, 5), elements=st.floats(0, 1, width=32)),
    missing=hnp.arrays(np.uint8, (4, 5), elements=st.integers(0, 5)),
)
@settings(max_examples=30, deadline=None)
def test_encode_pixel_by_pixel(igram, coherence, missing):
    igram = np.where(missing == 1, np.complex64(complex(0, np.nan)), igram)
    coherence = np.where(missing == 2, np.float32(np.nan), coherence)
    igram = np.where(missing == 3, np.complex64(np.inf), igram)
    x = encode(igram, coherence)
    assert x.dtype == np.float32
    for at in np.ndindex(igram.shape):
        z = complex(igram[at])
        if not np.isfinite(z) or np.isnan(coherence[at]) or z == 0:
            assert x[:, *at].tolist() == [0, 0, 0]
        else:
            np.testing.assert_allclose(x[:, *at], [coherence[at], np.cos(np.angle(z)), np.sin(np.angle(z))], atol=2e-6)


def test_a_phase_of_zero_is_a_measurement():
    one = np.ones((1, 1))
    assert encode(one.astype(np.complex64), 0 * one.astype(np.float32)).ravel().tolist() == [0, 1, 0]


def test_offset_is_a_complex_rotation():
    _, _, x = draw()
    angle = torch.tensor([0.0, 1.3, -2.9])
    out = offset(x, angle)
    np.testing.assert_allclose(phasor(out), phasor(x) * np.exp(1j * angle.numpy())[:, None, None], atol=1e-6)
    assert torch.equal(out[:, 0], x[:, 0])


def test_ramp_is_a_plane_anchored_at_the_first_pixel():
    _, _, x = draw()
    slope_y, slope_x = torch.tensor([0.0, 0.3, -0.2]), torch.tensor([0.5, 0.0, 0.1])
    out = phasor(ramp(x, slope_y, slope_x))
    for at in np.ndindex(out.shape):
        plane = slope_y[at[0]].item() * at[1] + slope_x[at[0]].item() * at[2]
        np.testing.assert_allclose(out[at], phasor(x)[at] * np.exp(1j * plane), atol=1e-5)


def test_conjugate_is_the_swapped_pair():
    igram, coherence, x = draw()
    swapped = np.stack([encode(i.conj(), c) for i, c in zip(igram, coherence, strict=True)])
    np.testing.assert_array_equal(conjugate(x).numpy(), swapped)
    assert torch.equal(conjugate(conjugate(x)), x)


@given(seed=st.integers(0, 99), a=st.floats(-6, 6), b=st.floats(-6, 6))
@settings(max_examples=20, deadline=None)
def test_laws(seed, a, b):
    _, _, x = draw(seed, batch=1)
    first, second = torch.tensor([a]), torch.tensor([b])
    missing = (x[:, 1:] == 0).all(dim=1)
    for out in (offset(x, first), conjugate(x), ramp(x, first, second)):
        assert out.dtype == x.dtype
        assert (out.movedim(1, -1)[missing] == 0).all()
    both = offset(offset(x, first), second)
    torch.testing.assert_close(both, offset(x, first + second), atol=1e-5, rtol=0)
    torch.testing.assert_close(ramp(ramp(x, first, second), -first, -second), x, atol=2e-5, rtol=0)
    torch.testing.assert_close(conjugate(offset(x, first)), offset(conjugate(x), -first), atol=1e-6, rtol=0)


def test_wrong_shapes():
    _, _, x = draw()
    with pytest.raises(ValueError, match=r"^x must be of shape \(batch, 3 or more, y, x\), instead got \(3, 2"):
        conjugate(x[:, :2])
    with pytest.raises(ValueError, match=r"^angle must be of shape \(3,\), instead got \(2,\)$"):
        offset(x, torch.zeros(2))
    with pytest.raises(ValueError, match=r"^slope_x must be of shape \(3,\), instead got \(\)$"):
        ramp(x, torch.zeros(3), torch.tensor(0.0))


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_codes_are_encoded_like_numbers(dtype):
    rng = np.random.default_rng(0)
    missing = np.iinfo(dtype).max
    phase = rng.integers(-32768, 32768, (2, 30, 40)).astype(np.int16)
    coherence = rng.integers(0, missing + 1, phase.shape).astype(dtype)
    phase[0, 3], coherence[1, 4] = -32768, missing
    found = encode_codes(torch.from_numpy(phase), torch.from_numpy(coherence.astype(np.int32)), missing=missing)
    assert found.is_contiguous(memory_format=torch.channels_last)
    for k in range(2):
        expected = encode(decode_phase(phase[k]), decode_fraction(coherence[k]))
        np.testing.assert_allclose(found[k].numpy(), expected, atol=1e-6)
