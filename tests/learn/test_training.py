"""Parameters of a training, what it draws, and its samples."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from insarflow.errors import SchemaError
from insarflow.learn.augment import RandomTurn
from insarflow.learn.checkpoint import read_state, write_state
from insarflow.learn.draws import EpochSampler, batch_generator, order_of, own_draws
from insarflow.learn.edge import RandomEdge
from insarflow.learn.precision import precision_for, processor_flags
from insarflow.learn.samples import Batch, Samples, collate
from insarflow.learn.training import Training
from insarflow.learn.transforms import STANDARD, TRANSFORMS, augmented, build_transforms
from insarflow.simulate.truth import ABSENT, MISSING, MOVING, OPEN

# ---- draws


@given(length=st.integers(1, 50), seed=st.integers(0, 9), epoch=st.integers(0, 9), world=st.integers(1, 4))
def test_processes_share_an_epoch_out(length, seed, epoch, world):
    if length < world:
        return
    shares = [list(EpochSampler(length, seed=seed, epoch=epoch, rank=r, world=world)) for r in range(world)]
    together = [index for share in shares for index in share]
    assert {len(share) for share in shares} == {length // world}
    assert len(set(together)) == len(together)
    assert sorted(order_of(length, seed, epoch)) == list(range(length))


def test_orders_and_draws_are_functions_of_their_place():
    sampler = EpochSampler(100, seed=3, epoch=0)
    first = list(sampler)
    sampler.set_epoch(1)
    assert list(sampler) != first
    sampler.set_epoch(0)
    assert list(sampler) == first
    draws = {
        place: tuple(torch.rand(4, generator=batch_generator(*place[:3], rank=place[3])).tolist())
        for place in [(0, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1)]
    }
    assert len(set(draws.values())) == 5
    assert draws[0, 0, 1, 0] == tuple(torch.rand(4, generator=batch_generator(0, 0, 1)).tolist())


def test_global_generator_is_given_back():
    before = torch.get_rng_state()
    with own_draws():
        torch.manual_seed(5)
    assert torch.equal(torch.get_rng_state(), before)


# ---- samples


def sample(**changes):
    mask = np.zeros((4, 5), np.uint8)
    mask[1, 1:4] = MOVING, OPEN, MISSING
    return {"image": np.ones((3, 4, 5), np.float32), "mask": mask} | changes


def test_samples_are_cleaned():
    image = np.ones((3, 4, 5), np.float32)
    image[1, 0, 0], image[0, 1, 1], image[2, 3, 4] = np.nan, np.inf, -np.inf
    valid = np.ones((4, 5), bool)
    valid[2] = valid[0, 0] = False
    weight = np.full((4, 5), 2.0, np.float32)
    weight[0, 0] = weight[2, 2] = np.nan
    weight[1, 2] = -1.0
    got = Samples([sample(image=image, valid=valid, weight=weight)], 3)[0]
    expected = sample()["mask"]
    expected[0, 0] = expected[1, 1] = expected[3, 4] = MISSING
    expected[2] = OPEN
    assert got["mask"].tolist() == expected.tolist()
    assert (got["image"][:, 0, 0] == 0).all()
    assert got["image"].sum().item() == 3 * 17
    assert got["weight"].tolist() == np.where(expected < OPEN, 2.0, 0.0).tolist()
    assert np.isnan(image).sum() == 1  # the caller's array is left alone


def test_batches_have_weights_for_all_or_for_each():
    plain, one, each = sample(), sample(weight=3.0), sample(weight=np.full((4, 5), 2.0, np.float32))
    assert collate(list(map(Samples([plain, one], 3).__getitem__, range(2)))).weight.flatten().tolist() == [1.0, 3.0]
    batch = collate(list(map(Samples([one, each], 3).__getitem__, range(2))))
    assert batch.weight.shape == batch.mask.shape == (2, 4, 5)
    assert batch.valid.sum() == 2 * 18
    assert batch.target.sum() == 2


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (sample(image=np.ones((2, 4, 5), np.float32)), "image of sample 1 must have the network's 3 channels, "),
        (sample(image=np.ones((3, 4, 5))), r"image of sample 1 must be float32 \(channel, y, x\), instead"),
        (sample(mask=np.zeros((5, 4), np.uint8)), r"mask of sample 1 must have the image's size \(4, 5\), "),
        (sample(mask=np.zeros((4, 5), bool)), r"mask of sample 1 must be uint8 \(y, x\), "),
        (sample(mask=np.full((4, 5), 255, np.uint8)), "mask of sample 1 must hold 0 absent, 1 moving"),
        (sample(valid=np.ones((4, 4), bool)), r"valid of sample 1 must be bool of the size \(4, 5\)"),
        (sample(weight=np.ones((4, 4))), r"weight of sample 1 must be one number or of the size \(4, 5\), instead got"),
        (sample(weight=-1.0), "weight of sample 1 must be finite and 0 or more where the pixel counts, instead got -1"),
        ((1, 2), "sample 1 must be a dict with image and mask, instead got tuple"),
        ({"image": 1}, r"sample 1 must be a dict with image and mask, instead got \['image'\]"),
    ],
)  # fmt: skip
def test_wrong_samples_are_named(bad, message):
    with pytest.raises(SchemaError, match=f"^{message}"):
        Samples([sample(), bad], 3)[1]


def test_patches_of_a_batch_have_one_size():
    other = {"image": np.ones((3, 6, 5), np.float32), "mask": np.zeros((6, 5), np.uint8)}
    samples = Samples([sample(), other], 3)
    with pytest.raises(
        SchemaError, match=r"^sample 1 must have the size \(4, 5\) of sample 0, instead got \(6, 5\): cut"
    ):
        collate([samples[0], samples[1]])


# ---- augmentations


def test_weights_move_with_their_pixels():
    rng = np.random.default_rng(0)
    mask = torch.from_numpy(rng.integers(0, 4, (2, 8, 8)).astype(np.uint8))
    image = torch.ones(2, 3, 8, 8)
    weight = 10.0 * mask + torch.arange(2)[:, None, None]
    chain = build_transforms({"turn": {}, "warp": {"scale": 0.5}, "edge": {"chance": 1.0, "depth": 0.9}})
    filled = 0
    for k in range(20):
        batch = augmented(Batch(image, mask, weight), chain, batch_generator(0, 0, k))
        plain = augmented(Batch(image, mask, torch.ones(2, 1, 1)), chain, batch_generator(0, 0, k))
        assert torch.equal(batch.mask, plain.mask)
        assert torch.equal(batch.image, plain.image)
        assert batch.mask.dtype == torch.uint8
        there = batch.weight > 0
        expected = 10.0 * batch.mask + torch.arange(2)[:, None, None]
        assert torch.equal(batch.weight[there], expected[there])
        filled += int((~there & (batch.mask == MISSING)).sum())
    assert filled > 0


def test_edges_are_missing_beyond_a_line():
    image, mask = torch.rand(2, 3, 16, 16) + 0.1, torch.full((2, 16, 16), ABSENT, dtype=torch.uint8)
    cut = []
    for k in range(40):
        changed, moved = RandomEdge()(image, mask, batch_generator(1, 0, k))
        missing = (changed == 0).all(1)
        assert torch.equal(missing, moved == MISSING)
        assert torch.equal(changed[~missing[:, None].expand_as(changed)], image[~missing[:, None].expand_as(image)])
        cut.append(missing.float().mean().item())
    assert min(cut) == 0.0
    assert 0.0 < max(cut) < 0.5


def test_standard_augmentations_draw_from_the_generator_alone():
    chain = build_transforms(STANDARD)
    image, mask = torch.rand(2, 3, 16, 16), torch.zeros(2, 16, 16, dtype=torch.uint8)
    before = torch.get_rng_state()
    first, again, other = (chain(image, mask, batch_generator(0, 0, k)) for k in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first[0], again[0])
    assert not torch.equal(first[0], other[0])


def test_every_name_builds():
    channels = ("coherence", "cos", "sin", "dem", "los_east", "los_north")
    for name in set(TRANSFORMS) - {"conjugation"}:
        given = {"looks": 4} if name in ("decorrelation", "degradation") else {}
        assert build_transforms({name: given}, channels).transforms
    assert build_transforms({"turn": {}}, channels).transforms == [RandomTurn(channels)]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"blur": {}}, "^augmentations must be among offset, .*, instead got 'blur'$"),
        ({"ramp": {"width": 1}}, r"^parameters of augmentations.ramp must be among \['spread'\], instead got 'width'$"),
        ({"ramp": {"spread": "x"}}, "^augmentations.ramp.spread must be a number, instead got"),
        ({"ramp": 1}, "^augmentations.ramp must be parameters by name, instead got"),
        ({"stratification": {}}, "^augmentations.stratification: channels must have dem"),
        ({"edge": {"chance": 2}}, "^augmentations.edge: chance must be between 0 and 1, instead got chance=2$"),
        ({"decorrelation": {}}, r"^augmentations.decorrelation: .*looks"),
    ],
)
def test_wrong_augmentations(names, message):
    with pytest.raises((TypeError, ValueError), match=message):
        build_transforms(names)


# ---- parameters


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "^epochs must be a whole number of at least 1, instead got epochs=0$"),
        ({"batch_size": 2.5}, "^batch_size must be a whole number of at least 1, instead got batch_size=2.5$"),
        ({"learning_rate": 0.0}, "^learning_rate must be above 0, instead got learning_rate=0.0$"),
        ({"learning_rate": float("nan")}, "^learning_rate must be finite, instead got learning_rate=nan$"),
        ({"schedule": "step"}, "^schedule must be one of .*, instead got schedule='step'$"),
        ({"loss": "mse"}, "^loss must be one of"),
        ({"loss": ["bce"]}, "^loss must be the name of a loss"),
        ({"loss_parameters": {"gamma": 1.0}}, "^parameters of the loss 'bce' must be among"),
        ({"weight_decay": -1.0}, "^weight_decay must be 0 or more, instead got weight_decay=-1.0$"),
        ({"average": 1.0}, "^average must be below 1"),
        ({"patience": 0}, "^patience must be a whole number of at least 1"),
        ({"devices": 0}, "^devices must be a whole number of at least 1"),
        ({"precision": "16"}, "^precision must be one of"),
        ({"compile": 1}, "^compile must be true or false"),
        ({"clip": -1}, "^clip must be above 0"),
        ({"keep": "first"}, "^keep must be one of"),
        ({"halve_every": 0}, "^halve_every must be a whole number of at least 1"),
        ({"betas": 0.5}, r"^betas must be two numbers such as \(0.9, 0.999\), instead got betas=0.5$"),
        ({"betas": (0.5, 1.5)}, "^betas must be between 0 and 1, instead got betas=1.5$"),
        ({"betas": (0.5, 1)}, "^betas must be below 1"),
        ({"betas": (0.5, 0.999)}, r"^betas must begin with 0.9 with schedule='one_cycle', which moves it itself"),
    ],
)
def test_wrong_parameters(changes, message):
    with pytest.raises((TypeError, ValueError), match=message):
        Training(**{"epochs": 1} | changes)


def test_augmentations_must_fit_the_channels():
    with pytest.raises(ValueError, match=r"^augmentations.conjugation: channels must not tell up from down"):
        Training(1).check_channels(("coherence", "cos", "sin", "dem"))


def test_what_was_written_before_a_parameter_was_there_is_the_same_training():
    before = Training(1).plain()
    del before["betas"], before["halve_every"]
    assert Training(1).different(before) == []
    told = Training(1, schedule="constant", betas=(0.5, 0.999)).different({**before, "schedule": "constant"})
    assert told == ["betas=[0.5, 0.999] (there: [0.9, 0.999])"]


# ---- precision and state


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        ("processor : 0\nflags\t\t: fpu avx512_bf16 amx_bf16\n", {"fpu", "avx512_bf16", "amx_bf16"}),
        ("Features\t: fp asimd bf16\n", {"fp", "asimd", "bf16"}),
        ("nothing\n", set()),
    ],
)
def test_flags_of_a_processor(tmp_path, monkeypatch, text, flags):
    file = tmp_path / "cpuinfo"
    file.write_text(text)
    monkeypatch.setattr("insarflow.learn.precision.platform.system", lambda: "Linux")
    assert processor_flags(file) == flags
    assert processor_flags(tmp_path / "none") == set()
    monkeypatch.setattr("insarflow.learn.precision.processor_flags", lambda: flags)
    assert precision_for("cpu") == ("bf16-mixed" if len(flags) == 3 else "32-true")
    assert precision_for("mps") == "32-true"
    monkeypatch.setattr("insarflow.learn.precision.platform.system", lambda: "Darwin")
    assert processor_flags(file) == set()


def test_a_state_comes_back_as_it_was(tmp_path):
    shared = torch.rand(3)
    last = torch.rand(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    state = {
        "a": {0: shared, 1: [shared, (1, None, True)], "x": float("inf")}, "b": last, "c": 0.1 + 0.2,
        "d": torch.tensor(3, dtype=torch.int64), "e": torch.zeros(0, 2), "f": torch.rand(3).bfloat16(), "g": {},
    }  # fmt: skip
    write_state(state, tmp_path / "a.ckpt")
    back = read_state(tmp_path / "a.ckpt")
    assert repr(back) == repr(state)
    assert torch.equal(back["b"], last)
    assert back["b"].stride() == last.stride()
    assert [p.name for p in tmp_path.iterdir()] == ["a.ckpt"]
    with pytest.raises(
        TypeError, match=r"^the state of a training must hold tensors, numbers and text, instead got set$"
    ):
        write_state({"a": {1}}, tmp_path / "b.ckpt")
