import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from insarflow.segment.whole_tile.box import BoxMax, BoxMean, BoxNorm, box_max, box_mean

SIDES = st.tuples(st.integers(0, 9), st.integers(0, 9))
SHAPES = st.tuples(st.integers(1, 9), st.integers(1, 9))


def draw(*shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def boxes(x, sides):
    """Each cell with the cells of its box, which is cut to the image."""
    for y in range(x.shape[-2]):
        for column in range(x.shape[-1]):
            top, left = max(0, y - sides[0]), max(0, column - sides[1])
            yield y, column, x[..., top : y + sides[0] + 1, left : column + sides[1] + 1]


@given(shape=SHAPES, sides=SIDES)
def test_mean_and_maximum_of_each_box(shape, sides):
    x = draw(2, 3, *shape)
    mean, highest = box_mean(x, sides), box_max(x, sides)
    assert mean.shape == highest.shape == x.shape
    for y, column, box in boxes(x, sides):
        assert torch.allclose(mean[..., y, column], box.mean((2, 3)), rtol=1e-12, atol=1e-12)
        assert torch.equal(highest[..., y, column], box.amax((2, 3)))


@given(shape=SHAPES, sides=SIDES, groups=st.sampled_from([1, 2, 6]))
def test_norm_of_each_box(shape, sides, groups):
    x, weight, bias = draw(2, 6, *shape), draw(6, seed=1), draw(6, seed=2)
    norm = BoxNorm(groups, weight, bias, 1e-5)
    norm.sides = sides
    out = norm(x)
    for y, column, box in boxes(x, sides):
        grouped = box.reshape(2, groups, -1)
        mean, variance = (f.repeat_interleave(6 // groups, 1) for f in (grouped.mean(2), grouped.var(2, correction=0)))
        expected = (x[..., y, column] - mean) / (variance + 1e-5).sqrt() * weight + bias
        assert torch.allclose(out[..., y, column], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("groups", [1, 4, 8])
def test_boxes_that_hold_all_are_a_group_norm(groups):
    x = draw(2, 8, 12, 9).float()
    norm = torch.nn.GroupNorm(groups, 8)
    local = BoxNorm(groups, norm.weight, norm.bias, norm.eps)
    local.sides = (11, 8)
    with torch.inference_mode():
        assert torch.allclose(local(x), norm(x), rtol=1e-5, atol=1e-5)


def test_variance_keeps_its_digits_beside_a_large_mean():
    x = (3000.0 + draw(1, 1, 129, 1)).float()
    norm = BoxNorm(1, None, None, 0.0)
    norm.sides = (64, 64)
    _, scale = norm._statistics(x)
    cells = x.flatten().tolist()
    mean = math.fsum(cells) / 129
    variance = math.fsum((c - mean) ** 2 for c in cells) / 129
    assert float(scale[0, 0, 0, 64, 0]) ** -2 == pytest.approx(variance, rel=1e-6)


def test_a_constant_box_has_no_variance():
    out = BoxNorm(1, None, None, 1e-5)(torch.full((1, 3, 5, 5), 0.1))
    assert torch.allclose(out, torch.zeros(1, 3, 5, 5), atol=1e-3)


@given(top=st.integers(0, 20), left=st.integers(0, 20), height=st.integers(12, 20), width=st.integers(12, 20))
def test_a_cell_has_the_same_bits_in_every_tile_that_holds_its_box(top, left, height, width):
    sides = (3, 5)
    x = draw(1, 4, 40, 40).float()
    tile = x[..., top : top + height, left : left + width].contiguous()
    inner = slice(sides[0], height - sides[0]), slice(sides[1], width - sides[1])
    for layer in (BoxMean(), BoxMax(), BoxNorm(2, None, None, 1e-5)):
        layer.sides = sides
        whole = layer(x)[..., top : top + height, left : left + width]
        assert torch.equal(layer(tile)[..., inner[0], inner[1]], whole[..., inner[0], inner[1]])


@pytest.mark.parametrize("layer", [BoxMean((8, 8)), BoxNorm(2, None, None, 1e-5)])
def test_half_precision_is_added_in_float32(layer):
    layer.sides = (8, 8)
    x = (5.0 + draw(1, 4, 16, 16)).bfloat16()
    out = layer(x)
    assert out.dtype == torch.bfloat16
    assert torch.equal(out, layer(x.float()).bfloat16())


def test_says_its_size():
    assert repr(BoxMean((4, 6))) == "BoxMean(box=9 x 13)"
