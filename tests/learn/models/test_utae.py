import pytest
import torch
from torch import nn

from insarflow.learn.models import spec_of
from insarflow.learn.models.temporal import SeriesNorm, encode_when
from insarflow.learn.models.utae import UTAE
from insarflow.segment import reach

THERE = torch.tensor([[True, True, True, False], [True, False, True, True]])


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return UTAE().eval()


@pytest.fixture(scope="module")
def series():
    generator = torch.Generator().manual_seed(1)
    when = torch.stack((torch.arange(8.0).reshape(2, 4) * 12 + 1500, torch.full((2, 4), 6.0)), dim=2)
    when[:, 1, 1] = 18.0
    return torch.randn(2, 4, 3, 32, 40, generator=generator), when, THERE


def run(network, image, when, there):
    with torch.no_grad():
        return network(image, when, there)


def test_number_of_parameters_published():
    """Of ten bands and 20 classes, with dates and delays."""
    with torch.device("meta"):
        assert sum(p.numel() for p in UTAE(10, classes=20).parameters()) == 1_087_260


def test_what_is_not_there_changes_nothing(network, series):
    image, when, there = series
    plain = run(network, *series)
    for value in (torch.nan, 1e9):
        other, others_when = image.clone(), when.clone()
        other[~there], others_when[~there] = value, value
        torch.testing.assert_close(run(network, other, others_when, there), plain, rtol=0, atol=0)
    shorter = run(network, image[:1, :3], when[:1, :3], there[:1, :3])
    torch.testing.assert_close(shorter, plain[:1], rtol=0, atol=1e-6)
    longer = torch.cat((there, torch.zeros(2, 3, dtype=torch.bool)), dim=1)
    padded = run(network, torch.cat((image, image[:, :3]), dim=1), torch.cat((when, when[:, :3]), dim=1), longer)
    torch.testing.assert_close(padded, plain, rtol=0, atol=1e-6)
    # And what is there does change something.
    assert (run(network, image, when, torch.ones_like(there)) - plain).abs().max() > 1e-4


def test_what_is_not_there_gets_no_gradient(series):
    torch.manual_seed(0)
    network, (image, when, there) = UTAE().train(), series
    image = image.clone().requires_grad_()
    network(image, when, there).square().sum().backward()
    assert not image.grad[~there].any()
    assert all(bool(image.grad[b, t].any()) for b, t in there.nonzero())


def test_order_does_not_matter(network, series):
    order = [2, 0, 3, 1]
    torch.testing.assert_close(
        run(network, *(part[:, order] for part in series)), run(network, *series), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize("which", [0, 1])
def test_date_and_delay_both_count(network, series, which):
    image, when, there = series
    other = when.clone()
    other[:, 0, which] += 6
    assert (run(network, image, other, there) - run(network, *series)).abs().max() > 1e-6


def test_date_and_delay_are_encoded_apart():
    when = torch.tensor([[[10.0, 6.0], [10.0, 12.0], [22.0, 6.0]]])
    told = encode_when(when, 16)[0]
    assert torch.equal(told[0, :8], told[1, :8])
    assert torch.equal(told[0, 8:], told[2, 8:])
    assert not torch.isclose(told[0, 8:], told[1, 8:]).all()
    expected = [torch.sin(torch.tensor(10 / 1000 ** (k / 4))) for k in range(4)]
    torch.testing.assert_close(told[0, :4], torch.stack(expected))


def test_norm_is_that_of_each_pixel_over_what_is_there():
    torch.manual_seed(0)
    norm, x = SeriesNorm(2, 8), torch.randn(2, 4, 8, 3, 5)
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    found = norm(x, THERE)
    for b, y, k in ((0, 0, 0), (1, 2, 4)):
        here = x[b, THERE[b], :, y, k].T[None]
        wanted = nn.functional.group_norm(here, 2, norm.weight, norm.bias)[0].T
        torch.testing.assert_close(found[b, THERE[b], :, y, k], wanted, rtol=1e-4, atol=1e-5)


class OfOneImage(nn.Module):
    """A network of series as one of images, so that its reach can be found."""

    in_channels = 3

    def __init__(self):
        super().__init__()
        self.network = UTAE()

    def forward(self, x):
        when = x.new_tensor([[10.0, 6.0], [40.0, 12.0]]).expand(len(x), 2, 2)
        return self.network(torch.stack((x, 0.7 * x), dim=1), when, torch.ones(len(x), 2, dtype=torch.bool))


def test_reach_is_what_is_stated():
    found, spec = reach(OfOneImage()), spec_of("utae")
    assert (found.stride, found.left, found.right) == (spec.stride, spec.reach, spec.reach) == (8, 67, 67)
    assert spec.whole_tile
    assert len(found.whole_tile) == 2 + 3 * 3
    assert all("GroupNorm" in part for part in found.whole_tile)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda i, w, t: (i, w, torch.zeros_like(t)),
            r"^there must be True at least once in each series, instead got on",
        ),
        (lambda i, w, t: (i, w[..., :1], t), r"^image, when and there must be .*instead got .*\(2, 4, 1\)"),
        (lambda i, w, t: (i, w, t.float()), r"^image, when and there must be .*boolean.*instead got .*torch.float32"),
        (lambda i, w, t: (i[:, 0], w, t), r"^image, when and there must be .*instead got \(2, 3, 32, 40\)"),
    ],
)
def test_what_is_no_series(network, series, change, message):
    with pytest.raises(ValueError, match=message):
        network(*change(*series))
