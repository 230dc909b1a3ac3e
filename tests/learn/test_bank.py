import numpy as np
import pytest

from insarflow.learn.bank import DELAYS, PATCH, PATCHES_PER_SCENE, Bank, balanced, generate, scene_patches
from insarflow.learn.samples import BankDataset
from insarflow.simulate.truth import ABSENT, MISSING, MOVING, OPEN


@pytest.fixture(scope="module")
def patches():
    return scene_patches(5, 2)


def test_patches_have_the_stated_shapes_and_values(patches):
    image, target, delay = patches
    assert image.shape == (PATCHES_PER_SCENE, 3, PATCH, PATCH)
    assert image.dtype == np.float16
    assert set(np.unique(target)) <= {ABSENT, MOVING, OPEN, MISSING}
    assert set(delay.tolist()) <= set(DELAYS)
    assert delay.tolist() == np.repeat(delay[::4], 4).tolist()
    assert np.any(target == MOVING)
    coherence, cos, sin = np.moveaxis(image.astype(float), 1, 0)
    length = np.hypot(cos, sin)
    missing = length == 0
    assert coherence.min() >= 0.0
    assert coherence.max() <= 1.0
    np.testing.assert_allclose(length[~missing], 1.0, atol=2e-3)


def test_a_scene_is_a_function_of_seed_and_number(patches):
    for first, again, other in zip(patches, scene_patches(5, 2), scene_patches(5, 4), strict=True):
        np.testing.assert_array_equal(first, again)
        assert first.shape == other.shape
    assert not np.array_equal(patches[0], scene_patches(5, 4)[0])


def test_generated_bank_reads_back(tmp_path, patches):
    seen = []
    bank = generate(tmp_path / "bank", 1, seed=5, progress=lambda done, wanted: seen.append((done, wanted)))
    image, target, delay = scene_patches(5, 0)
    np.testing.assert_array_equal(bank.image, image)
    np.testing.assert_array_equal(bank.target, target)
    np.testing.assert_array_equal(bank.delay, delay)
    assert bank.place.tolist() == [0, 1, 2, 3] * 6
    assert seen == [(1, 1)]


def test_balanced_takes_all_patches_with_movers_and_as_many_without():
    target = np.zeros((10, 8, 8), np.uint8)
    target[[1, 4, 6], :5] = MOVING
    target[7, :2] = MOVING  # too few
    bank = Bank(np.zeros((10, 3, 8, 8), np.float16), target, np.full(10, 6, np.int16), np.arange(10, dtype=np.int32))
    chosen = balanced(bank, seed=1)
    assert chosen.tolist() == sorted(set(chosen.tolist()))
    assert {1, 4, 6} <= set(chosen.tolist())
    assert len(chosen) == 6
    assert balanced(bank, seed=1).tolist() == chosen.tolist()
    assert BankDataset(bank, np.array([7, 2]))[0]["mask"].sum() == 16
    target[:, :5] = MOVING
    assert balanced(bank, seed=1).tolist() == list(range(10))
