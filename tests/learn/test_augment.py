import numpy as np
import pytest
import torch
from scipy import stats

from insarflow.kernels.atmosphere import turbulence
from insarflow.kernels.decorrelate import decorrelate
from insarflow.learn import phase
from insarflow.learn.augment import (
    Chain,
    RandomAtmosphere,
    RandomConjugation,
    RandomDecorrelation,
    RandomDegradation,
    RandomOffset,
    RandomRamp,
    RandomStratification,
    RandomTurn,
    RandomWarp,
    power_law,
)
from insarflow.learn.orientation import turn
from insarflow.learn.phase import CHANNELS
from insarflow.learn.transforms import STANDARD, build_transforms
from insarflow.learn.warp import warp
from insarflow.simulate.truth import MISSING
from insarflow.types import Tile

TERRAIN = (*CHANNELS, "dem", "slope", "aspect", "los_east", "los_north", "los_up")


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def draw(batch=3, shape=(12, 16), channels=CHANNELS, seed=0):
    """A batch with missing pixels, and a mask."""
    generator = seeded(seed)
    image = torch.rand((batch, len(channels), *shape), generator=generator)
    angle = 2 * torch.pi * torch.rand((batch, *shape), generator=generator)
    image[:, 1], image[:, 2] = torch.cos(angle), torch.sin(angle)
    missing = torch.rand((batch, 1, *shape), generator=generator) < 0.1
    image[:, :3] *= ~missing
    return image, torch.randint(0, 3, (batch, *shape), generator=generator).to(torch.uint8)


def phasor(image):
    return torch.complex(image[:, 1], image[:, 2])


@pytest.mark.parametrize(
    "transform",
    [
        RandomOffset(), RandomRamp(), RandomConjugation(), RandomTurn(), RandomAtmosphere(), RandomDecorrelation(8),
        RandomDegradation(8),
        RandomWarp(), Chain((RandomOffset(), RandomTurn())),
    ],
)  # fmt: skip
def test_a_function_of_the_seed_that_keeps_what_is_missing(transform):
    image, mask = draw(shape=(16, 16))
    before = image.clone()
    first, again = (transform(image, mask, seeded(1)) for _ in range(2))
    assert torch.equal(image, before)
    for one, two in zip(first, again, strict=True):
        assert torch.equal(one, two)
    assert not all(torch.equal(transform(image, mask, seeded(s))[0], first[0]) for s in range(2, 8))
    assert first[0].dtype == torch.float32
    assert first[1].dtype == torch.uint8
    length = phasor(first[0]).abs()
    assert ((length < 1e-6) | ((length - 1).abs() < 1e-5)).all()
    if not isinstance(transform, RandomWarp):
        assert (first[0][:, 0] == 0).sum() == (image[:, 0] == 0).sum()


def test_standard_augmentations_draw_what_they_always_drew():
    """A trained model is a function of its seed and of these draws."""
    image, mask = draw(shape=(16, 16))
    for seed in range(6):
        torch.manual_seed(seed)
        found = build_transforms(STANDARD)(image, mask)
        torch.manual_seed(seed)
        expected = phase.offset(image, torch.rand(3) * 2 * torch.pi)
        slopes = torch.randn(2, 3) * 0.01
        expected = phase.ramp(expected, slopes[0], slopes[1])
        expected = phase.conjugate(expected) if torch.rand(()) < 0.5 else expected
        turns, mirror = int(torch.randint(4, ())), bool(torch.rand(()) < 0.5)
        expected, target = expected.rot90(turns, (-2, -1)), mask.rot90(turns, (-2, -1))
        if mirror:
            expected, target = expected.flip(-1), target.flip(-1)
        if not torch.rand(()) < 0.6:
            assert torch.equal(found[0], expected)
            assert torch.equal(found[1], target)


def test_offsets_are_uniform_and_leave_differences():
    image, mask = draw(batch=4000, shape=(1, 2), seed=3)
    there = (image[:, 0] > 0).all((-2, -1))
    result = RandomOffset()(image, mask, seeded())[0]
    turned = (phasor(result) * phasor(image).conj())[there]
    angles = turned[:, 0, 0].angle().numpy()
    assert stats.kstest(angles, stats.uniform(-np.pi, 2 * np.pi).cdf).pvalue > 0.01
    np.testing.assert_allclose(turned[:, 0, 1].numpy(), turned[:, 0, 0].numpy(), atol=1e-5)


def downhill_rate(image):
    """Line-of-sight component, away from the satellite, of sliding down the slope."""
    _, slope, aspect, east, north, up = image[:, 3:].unbind(1)
    along = torch.sin(aspect) * torch.cos(slope) * east + torch.cos(aspect) * torch.cos(slope) * north
    return along - torch.sin(slope) * up


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("mirror", [False, True])
def test_a_turned_mover_still_slides_downhill(turns, mirror):
    image, mask = draw(channels=TERRAIN, shape=(6, 9))
    expected = downhill_rate(image).rot90(turns, (-2, -1))
    result, _ = turn(image, mask, turns=turns, mirror=mirror, channels=TERRAIN)
    np.testing.assert_allclose(downhill_rate(result), expected.flip(-1) if mirror else expected, atol=1e-5)


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("mirror", [False, True])
def test_aspect_turns_as_the_gradient_of_the_terrain(turns, mirror):
    y, x = torch.meshgrid(torch.arange(9.0), torch.arange(9.0), indexing="ij")
    names = (*CHANNELS, "dem", "aspect", "los_east", "los_north")
    image = torch.zeros(1, len(names), 9, 9)
    image[0, 3] = 3 * x + y  # falls to the west and, rows going south, to the north
    image[0, 4] = torch.atan2(torch.tensor(-3.0), torch.tensor(1.0)) % (2 * torch.pi)
    result, _ = turn(image, torch.zeros(1, 9, 9), turns=turns, mirror=mirror, channels=names)
    dem = result[0, 3]
    east, north = -(dem[4, 5] - dem[4, 3]), dem[5, 4] - dem[3, 4]
    expected = torch.atan2(east, north) % (2 * torch.pi)
    assert float(result[0, 4, 4, 4]) == pytest.approx(float(expected), abs=1e-5)


def test_four_quarters_and_two_mirrors_are_nothing():
    image, mask = draw(channels=TERRAIN)
    image[:, 5] *= 6
    result = image, mask
    for _ in range(4):
        result = turn(*result, turns=1, mirror=False, channels=TERRAIN)
    for _ in range(2):
        result = turn(*result, turns=0, mirror=True, channels=TERRAIN)
    np.testing.assert_allclose(result[0], image, atol=1e-5)
    assert torch.equal(result[1], mask)


def test_atmosphere_has_the_spectrum_it_is_asked_for():
    field = power_law((64, 128, 128), -3.0, like=torch.zeros(1), generator=seeded()).double()
    lags = np.array([2, 4, 8, 16])
    structure = [float(((field[:, :, lag:] - field[:, :, :-lag]) ** 2).mean()) for lag in lags]
    slope = np.polyfit(np.log(lags), np.log(structure), 1)[0]
    assert slope == pytest.approx(1.0, abs=0.2)  # -exponent - 2
    down = [float(((field[:, lag:] - field[:, :-lag]) ** 2).mean()) for lag in lags]
    np.testing.assert_allclose(down, structure, rtol=0.15)  # isotropic
    shallow = power_law((64, 128, 128), -2.2, like=torch.zeros(1), generator=seeded())
    assert float((shallow[:, :, 1:] - shallow[:, :, :-1]).std()) > 1.5 * float(
        (field[:, :, 1:] - field[:, :, :-1]).std()
    )


def test_atmosphere_has_the_structure_of_the_kernels():
    lags = [1, 2, 4, 8, 16]
    ours = power_law((60, 64, 64), -11 / 3, like=torch.zeros(1), generator=seeded()).double().numpy()
    options = {"cell": 0, "std": 1.0, "exponent": -11 / 3, "longest": 128.0, "pixel_size": (1.0, 1.0)}
    theirs = np.stack([turbulence(Tile.whole((64, 64)), seed=k, **options) for k in range(60)])
    found, expected = (
        np.array([np.mean((field[..., n:] - field[..., :-n]) ** 2) for n in lags]) for field in (ours, theirs)
    )
    np.testing.assert_allclose(found / found[-1], expected / expected[-1], rtol=0.2)


def test_atmosphere_multiplies_the_phasor():
    image, mask = draw(batch=2)
    result, _ = RandomAtmosphere(rms=0.0)(image, mask, seeded())
    np.testing.assert_allclose(result, image, atol=1e-6)


def test_stratified_delay_is_linear_in_height():
    image, mask = draw(batch=200, shape=(1, 3), channels=TERRAIN)
    image[:, 1], image[:, 2] = 1.0, 0.0
    image[:, 3] = torch.tensor([0.0, 100.0, 200.0])
    result, _ = RandomStratification(TERRAIN, spread=2.0)(image, mask, seeded())
    angle = phasor(result).angle()[:, 0]
    np.testing.assert_allclose(angle[:, 1], 0.0, atol=1e-5)
    np.testing.assert_allclose(angle[:, 2], -angle[:, 0], atol=1e-5)
    assert float(angle[:, 2].std()) == pytest.approx(0.2, rel=0.15)  # 2 rad/km over 100 m


@pytest.mark.parametrize(("factor", "looks", "coherence"), [(0.5, 8, 0.9), (0.3, 12, 0.6), (0.8, 2, 0.7)])
def test_decorrelation_agrees_with_the_kernel_in_distribution(factor, looks, coherence):
    shape = (200, 200)
    gamma = np.full(shape, coherence, np.float32)
    expected = decorrelate(np.ones(shape, np.complex64), gamma, factor=factor, looks=looks, seed=1)
    image = torch.zeros(1, 3, *shape)
    image[:, 0], image[:, 1] = coherence, 1.0
    result = phase.decorrelate(image, torch.tensor([factor]), looks=looks, generator=seeded())
    assert stats.ks_2samp(result[0, 0].numpy().ravel(), np.abs(expected).ravel()).pvalue > 0.01
    assert stats.ks_2samp(phasor(result)[0].angle().numpy().ravel(), np.angle(expected).ravel()).pvalue > 0.01


def test_warp_by_nothing_is_nothing():
    image, mask = draw(channels=TERRAIN)
    one, zero = torch.ones(3), torch.zeros(3)
    result, moved = warp(image, mask, one, zero, channels=TERRAIN, missing=MISSING)
    np.testing.assert_allclose(result, image, atol=1e-3)
    assert torch.equal(moved, mask.masked_fill(phasor(image) == 0, MISSING))


@pytest.mark.parametrize("shape", [(33, 33), (24, 40)])
def test_warp_enlarges_and_turns_counter_clockwise(shape):
    height, width = shape
    y, x = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
    east, north = x - (width - 1) / 2, (height - 1) / 2 - y
    slope_east, slope_north = 0.3, -0.2
    angle = slope_east * east + slope_north * north
    image = torch.stack([torch.ones(shape), torch.cos(angle), torch.sin(angle)])[None]
    factor, theta = 1.2, 0.3
    mask = torch.ones((1, *shape), dtype=torch.uint8)
    result, moved = warp(image, mask, torch.tensor([factor]), torch.tensor([theta]), missing=MISSING)
    # Where a pixel comes from: turned back and shrunk.
    back_east = (east * np.cos(theta) + north * np.sin(theta)) / factor
    back_north = (-east * np.sin(theta) + north * np.cos(theta)) / factor
    expected = torch.exp(1j * (slope_east * back_east + slope_north * back_north))
    inner = np.s_[6:-6, 6:-6]
    difference = (phasor(result)[0] * expected.conj()).angle()[inner]
    assert float(difference.abs().max()) < 0.02
    assert (moved[0][inner] == 1).all()
    small, moved = warp(image, mask, torch.tensor([0.5]), torch.zeros(1), missing=MISSING)
    assert (moved[0, 0] == MISSING).all()
    assert (small[0, :, 0] == 0).all()


def test_warp_leaves_out_what_is_missing_and_says_so():
    names = (*CHANNELS, "dem", "layover")
    image = torch.zeros(1, len(names), 20, 20)
    image[:, 0], image[:, 1], image[:, 3], image[:, 4, :, 10:] = 0.6, 1.0, 500.0, 1.0
    image[:, :3, :, :6] = 0
    image[:, 0, :, 15:] = 0  # no coherence is no lack of phase
    mask = torch.ones((1, 20, 20), dtype=torch.uint8)
    result, moved = warp(image, mask, torch.tensor([1.07]), torch.tensor([0.05]), channels=names, missing=MISSING)
    gone = (phasor(result) == 0)[0]
    assert torch.equal(moved[0] == MISSING, gone)
    assert 0.2 < float(gone.float().mean()) < 0.4
    assert (result[0, 0][gone] == 0).all()
    np.testing.assert_allclose(result[0, 0, :, 7:14][~gone[:, 7:14]], 0.6, atol=1e-5)  # not dimmed beside the missing
    np.testing.assert_allclose(result[0, 1][~gone], 1.0, atol=1e-5)
    np.testing.assert_allclose(result[0, 3], 500.0, rtol=1e-5)
    assert set(result[0, 4].unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: RandomConjugation(TERRAIN), r"^channels must not tell up from down .* \['dem', 'aspect', 'los_east'"),
        (lambda: RandomTurn((*CHANNELS, "dem")), r"^channels must have los_east and los_north if .* \['dem'\] are"),
        (lambda: RandomTurn((*CHANNELS, "los_east")), r"^channels must have both parts of a vector"),
        (lambda: RandomTurn(("cos", "sin")), r"^channels must begin with \('coherence', 'cos', 'sin'\)"),
        (lambda: RandomWarp(channels=(*CHANNELS, "aspect")), r"^channels must have los_east and los_north"),
        (lambda: RandomStratification(CHANNELS), r"^channels must have dem, heights in m"),
        (lambda: RandomTurn(TERRAIN)(*draw(), seeded()), r"^image must have the channels .* instead got 3 channels"),
        (
            lambda: phase.decorrelate(draw()[0], torch.ones(3), looks=1),
            r"^looks must be at least 2, instead got looks=1",
        ),
    ],
)
def test_mistakes(make, message):
    with pytest.raises(ValueError, match=message):
        make()
