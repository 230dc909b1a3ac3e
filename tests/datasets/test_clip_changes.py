import math

import pytest
import torch

from insarflow.datasets.clip_changes import RandomPose

ALIKE = RandomPose(flip=False, angle=0.0, zoom=0.0, shift=0.0)


def clips(count=4, size=32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    image = torch.rand((count, 3, size, size), generator=generator)
    return image, (image[:, 0] > 0.5).to(torch.uint8)


def test_nothing_drawn_is_nothing_done():
    image, mask = clips()
    moved, states = ALIKE(image, mask)
    torch.testing.assert_close(moved, image, atol=2e-5, rtol=0)
    assert torch.equal(states, mask)


def test_flips_are_the_four_of_them():
    image, mask = clips(64)
    moved, states = RandomPose(angle=0.0, zoom=0.0, shift=0.0)(image, mask, torch.Generator().manual_seed(1))
    found = set()
    for k in range(len(image)):
        for dims in ((), (-1,), (-2,), (-1, -2)):
            if torch.allclose(moved[k], image[k].flip(dims), atol=2e-5):
                assert torch.equal(states[k], mask[k].flip(dims))
                found.add(dims)
                break
        else:
            pytest.fail("no flip")
    assert len(found) == 4


def test_a_disc_stays_where_it_is_turned_and_grows_where_it_is_zoomed():
    at = torch.arange(64) - 31.5
    disc = (torch.hypot(at[:, None], at) < 12).float().expand(32, 1, 64, 64)
    mask = disc[:, 0].to(torch.uint8)
    turned, _ = RandomPose(flip=False, angle=math.pi, zoom=0.0, shift=0.0)(disc, mask)
    torch.testing.assert_close(turned.sum((1, 2, 3)), disc.sum((1, 2, 3)), rtol=0.01, atol=0)
    zoomed, states = RandomPose(flip=False, angle=0.0, zoom=0.3, shift=0.0)(
        disc, mask, torch.Generator().manual_seed(0)
    )
    factor = (zoomed.sum((1, 2, 3)) / disc.sum((1, 2, 3))).sqrt()
    assert factor.min() < 0.85
    assert factor.max() > 1.15
    assert factor.min() > 1 / 1.32
    assert factor.max() < 1.32
    torch.testing.assert_close(states.sum((1, 2)).float(), zoomed.sum((1, 2, 3)), rtol=0.1, atol=8)


def test_turns_have_one_sense_in_image_and_mask_and_no_more_than_the_angle():
    image, _ = clips(16)
    ramp = torch.linspace(-1, 1, 32).expand(16, 1, 32, 32).contiguous()
    moved, _ = RandomPose(flip=False, angle=0.3, zoom=0.0, shift=0.0)(ramp, image[:, 0])
    middle = moved[:, 0, 12:20, 12:20]
    across, down = middle.diff(dim=-1).mean((1, 2)), middle.diff(dim=-2).mean((1, 2))
    turned = torch.atan2(down, across)
    assert turned.abs().max() <= 0.3 + 1e-3
    assert turned.abs().max() > 0.15


def test_draws_follow_the_generator():
    image, mask = clips()
    one, other = (RandomPose()(image, mask, torch.Generator().manual_seed(s))[0] for s in (1, 2))
    again = RandomPose()(image, mask, torch.Generator().manual_seed(1))[0]
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_clips_must_be_square():
    with pytest.raises(ValueError, match="clips must be square"):
        RandomPose()(torch.zeros((1, 3, 25, 32)), torch.zeros((1, 25, 32)))
