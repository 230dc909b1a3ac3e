import hashlib
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from insarflow.datasets import sim1_reference, sim1_store
from insarflow.datasets.sim1 import Sim1, check, generate
from insarflow.datasets.sim1_reference import reference, sketch_of
from insarflow.datasets.sim1_scenes import (
    COHERENCE,
    COUNTS,
    MASK,
    NO_DATA,
    PAIRS,
    PHASE,
    SEEDS,
    SHAPE,
    draw_scene,
    images_of,
)
from insarflow.datasets.sim1_store import Facts, scene_file
from insarflow.errors import ProductError, SelectionError
from insarflow.learn.augment import RandomOffset, RandomTurn
from insarflow.learn.metrics import season
from insarflow.learn.samples import Samples, collate
from insarflow.simulate.truth import MISSING, MOVING, OPEN


@pytest.fixture
def copied(sim1, tmp_path):
    """The train split, to be spoiled."""
    shutil.copytree(sim1 / "train", tmp_path / "train")
    shutil.copy(sim1 / "train.json", tmp_path)
    return tmp_path


@pytest.fixture
def drawn(sim1, monkeypatch):
    """Scenes are looked up instead of simulated; the numbers of those that were asked for."""
    asked = []

    def look_up(split, number):
        asked.append((split, number))
        return np.load(scene_file(sim1, split, number))

    monkeypatch.setattr(sim1_store, "scene_codes", look_up)
    return asked


def content(root):
    return {path.relative_to(root): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_more_workers_write_the_same_bytes(sim1, tmp_path):
    generate(tmp_path, scenes={"train": 2}, workers=2)
    ours = content(tmp_path)
    assert len(ours) == 3
    assert ours == {name: content(sim1)[name] for name in ours}


def test_scenes_are_those_of_the_reference(sim1):
    table, made = reference()
    assert set(table) == {(split, number) for split, count in COUNTS.items() for number in range(count)}
    assert len({known.sha256 for known in table.values()}) == sum(COUNTS.values())
    assert "numpy" in made
    same = check(sim1)
    assert set(same) == {"train", "validation", "test"}
    assert all(0 <= count <= len(Facts.read(sim1, split).sha256) for split, count in same.items())


def test_a_flipped_byte_is_found(copied):
    path = scene_file(copied, "train", 1)
    spoiled = bytearray(path.read_bytes())
    spoiled[5000] ^= 1
    path.write_bytes(spoiled)
    Sim1(copied)  # looks at sizes
    with pytest.raises(ProductError, match=r"0001.npy is damaged: delete it, and generate\(root\) simulates it again"):
        check(copied)


def test_a_scene_that_was_deleted_or_cut_short_is_told_and_simulated_again(copied, sim1, drawn):
    scene_file(copied, "train", 0).unlink()
    with pytest.raises(ProductError, match=r"0000.npy is missing or cut short: generate\(root\) simulates it again"):
        Sim1(copied)
    path = scene_file(copied, "train", 1)
    path.write_bytes(path.read_bytes()[:-1])
    generate(copied, scenes={"train": 2})
    assert drawn == [("train", 0), ("train", 1)]
    assert content(copied / "train") == content(sim1 / "train")


def test_a_generation_that_was_killed_goes_on(sim1, tmp_path, drawn, monkeypatch):
    look_up = sim1_store.scene_codes

    def killed(split, number):
        if number == 1:
            raise KeyboardInterrupt
        return look_up(split, number)

    with monkeypatch.context() as patched:
        patched.setattr(sim1_store, "scene_codes", killed)
        with pytest.raises(KeyboardInterrupt):
            generate(tmp_path, scenes={"train": 2})
    (tmp_path / "train" / "0001.npy.part").write_bytes(b"half")
    with pytest.raises(ProductError, match="holds an unfinished split 'train'"):
        Sim1(tmp_path)
    seen = []
    generate(tmp_path, scenes={"train": 2}, progress=lambda done, wanted: seen.append((done, wanted)))
    assert drawn == [("train", 0), ("train", 1)]
    assert seen == [(2, 2)]
    assert content(tmp_path) == {name: content(sim1)[name] for name in content(tmp_path)}
    assert generate(tmp_path, scenes={"train": 1}) == tmp_path
    assert len(drawn) == 2
    assert len(Facts.read(tmp_path, "train").sha256) == 2


def test_splits_share_nothing(sim1):
    assert len(set(SEEDS.values())) == len(SEEDS)
    scenes = [draw_scene(split, number)[0] for split in COUNTS for number in range(10)]
    for of in ("seed", "noise_seed"):
        assert len({getattr(scene, of) for scene in scenes}) == len(scenes)
    assert len({scene.slides.seed for scene in scenes}) == len(scenes)
    assert draw_scene("test", 3)[0] == draw_scene("test", 3)[0]
    bytes_of = [path.read_bytes() for path in sim1.glob("*/*.npy")]
    assert len(set(bytes_of)) == len(bytes_of) == 5


def test_beyond_lies_beyond():
    inside, beyond = (draw_scene(split, 0)[0].scenario for split in ("test", "beyond"))
    assert beyond.air["turbulence"][1] > inside.air["turbulence"][1]
    assert beyond.slides["speed"][1] > inside.slides["speed"][1]


def test_samples_of_pairs_follow_the_contract(sim1):
    data = Sim1(sim1)
    assert len(data) == len(data.index) == 2 * len(PAIRS) * 4
    assert not data.complete
    assert data.channels == ("coherence", "cos", "sin")
    states = set()
    for number in range(0, len(data), 5):
        sample, row = data[number], data.index.iloc[number]
        assert sample["image"].dtype == torch.float32
        assert sample["image"].shape == (3, 128, 128)
        assert sample["mask"].dtype == torch.uint8
        assert sample["mask"].shape == (128, 128)
        assert torch.equal(sample["valid"], sample["mask"] < OPEN)
        missing = sample["mask"] == MISSING
        assert not sample["image"][:, missing].any()
        length = torch.hypot(*sample["image"][1:])[~missing]
        assert torch.allclose(length, torch.ones_like(length))
        assert row["positive"] == pytest.approx(float((sample["mask"] == MOVING).float().mean()))
        assert row["valid"] == pytest.approx(float(sample["valid"].float().mean()))
        states |= set(sample["mask"].unique().tolist())
    assert {0, MOVING, OPEN} <= states
    days = (data.index["delay"] / pd.Timedelta(days=1)).value_counts().to_dict()
    assert days == {6.0: 40, 12.0: 32, 18.0: 24}
    first = data.index.iloc[0]
    assert first["pair"] == f"{first['date']:%Y%m%d}_{first['date'] + first['delay']:%Y%m%d}"
    collate([Samples(data, 3)[k] for k in range(2)])


def test_images_are_those_of_the_codes(sim1):
    codes = np.load(scene_file(sim1, "train", 1))
    data = Sim1(sim1)
    row = 48 + 7 * 4 + 2  # corner 2 of pair 7 of scene 1
    assert data.index.iloc[row][["scene", "y", "x"]].tolist() == [1, 128, 0]
    phase, coherence, mask = codes[7, :, 128:, :128]
    known = coherence != NO_DATA
    expected = np.array([coherence / 254, np.cos(phase * np.pi / 128), np.sin(phase * np.pi / 128)]) * known
    np.testing.assert_allclose(data[row]["image"].numpy(), expected, atol=1e-6)
    np.testing.assert_array_equal(data[row]["mask"].numpy(), mask)


def test_series_are_the_pairs_of_a_place(sim1):
    pairs, places = Sim1(sim1), Sim1(sim1, series=True)
    assert len(places) == 8
    for number in (1, 6):
        place, row = places[number], places.index.iloc[number]
        same = pairs.index[(pairs.index[["scene", "y", "x"]] == row[["scene", "y", "x"]]).all(axis=1)]
        ones = pairs.at(same)
        assert torch.equal(place["image"], torch.stack([ones[k]["image"] for k in range(len(ones))]))
        since = (same["date"] - pd.Timestamp("2014-01-01")) / pd.Timedelta(days=1)
        expected = np.stack((since, same["delay"] / pd.Timedelta(days=1)), axis=1)
        assert place["when"].dtype == torch.float32
        np.testing.assert_array_equal(place["when"].numpy(), expected)
        assert place["there"].tolist() == [True] * len(PAIRS)
        states = np.stack([ones[k]["mask"].numpy() for k in range(len(ones))])
        _, whole = season(np.zeros(states.shape, np.float32), states, expected[:, 1])
        np.testing.assert_array_equal(place["mask"].numpy(), whole)
        assert torch.equal(place["valid"], place["mask"] < OPEN)
        assert row["positive"] == pytest.approx((whole == MOVING).mean())


def test_transforms_are_functions_of_seed_epoch_and_row(sim1):
    plain, data = Sim1(sim1), Sim1(sim1, transforms=RandomOffset(), seed=3)
    first = data[5]["image"]
    assert torch.equal(first, data.at([5])[0]["image"])
    assert torch.equal(first[0], plain[5]["image"][0])
    assert not torch.equal(first, plain[5]["image"])
    data.set_epoch(1)
    assert data.epoch == 1
    assert not torch.equal(first, data[5]["image"])


def test_the_pairs_of_a_series_are_turned_together(sim1):
    plain, data = Sim1(sim1, series=True), Sim1(sim1, series=True, transforms=RandomTurn())
    for number in range(3):
        turned, before = data[number], plain[number]
        alike = [{k for k in range(8) if torch.equal(turned[of], d4(before[of], k))} for of in ("image", "mask")]
        assert len(alike[0]) == 1
        assert alike[0] <= alike[1]
        assert torch.equal(turned["when"], before["when"])
        assert torch.equal(turned["valid"], turned["mask"] < OPEN)


def d4(image, k):
    turned = torch.rot90(image, k % 4, (-2, -1))
    return turned.flip(-1) if k >= 4 else turned


def test_a_sketch_passes_rounding_over_and_finds_the_rest(sim1, monkeypatch):
    codes = np.load(scene_file(sim1, "train", 0))
    at = np.random.default_rng(1).integers(0, [SHAPE[0], *SHAPE[2:]], (40, 3)).T
    rounded, moved = codes.copy(), codes.copy()
    rounded[at[0], PHASE, at[1], at[2]] += 1
    rounded[:, COHERENCE][np.isin(codes[:, COHERENCE], (100, 150)) & (codes[:, PHASE] < 2)] += 1
    moved[3, MASK, 100:112, 100:112] = (moved[3, MASK, 100:112, 100:112] + 1) % 3
    known = sim1_reference.Known("", sketch_of(codes))
    monkeypatch.setattr(sim1_reference, "reference", lambda: ({("train", 0): known}, "numpy 1"))
    sim1_reference.compare("train", np.array([sketch_of(rounded)]))
    assert hashlib.sha256(rounded.tobytes()).digest() != hashlib.sha256(codes.tobytes()).digest()
    with pytest.raises(
        ProductError, match=r"scene 0 of train is not that of insarflow-sim-1: .*the reference: numpy 1"
    ):
        sim1_reference.compare("train", np.array([sketch_of(moved)]))


def test_a_sketch_measures_distances(sim1):
    codes = np.load(scene_file(sim1, "train", 0))
    rng = np.random.default_rng(2)
    ratios = []
    for k in range(12):
        other = codes.copy()
        other[k, MASK] = rng.permuted(other[k, MASK], axis=1)
        true = 16.0**2 * ((other.astype(int) - codes) ** 2).sum()
        ratios.append(((sketch_of(other) - sketch_of(codes)) ** 2).sum() / true)
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.5)


def test_scenes_of_another_simulator_are_refused(copied, sim1, monkeypatch):
    facts = json.loads((copied / "train.json").read_text())
    facts["scenes"][1]["sketch"][0] += 1000
    (copied / "train.json").write_text(json.dumps(facts))
    with pytest.raises(ProductError, match="scene 1 of train is not that of insarflow-sim-1"):
        Sim1(copied)
    monkeypatch.setattr(sim1_store, "scene_codes", lambda split, number: np.load(scene_file(sim1, "test", 0)))
    with pytest.raises(ProductError, match="scene 0 of train is not that of insarflow-sim-1"):
        generate(copied / "other", scenes={"train": 1})
    assert not (copied / "other" / "train.json").exists()


def test_missing_and_damaged_data_are_told(copied, tmp_path):
    with pytest.raises(ProductError, match=r"nowhere does not exist.*insarflow.datasets.sim1.generate\(root\)"):
        Sim1(tmp_path / "nowhere")
    with pytest.raises(ProductError, match="holds no split 'test'"):
        Sim1(copied, split="test")
    with pytest.raises(ValueError, match="split must be one of"):
        Sim1(copied, split="all")
    path = scene_file(copied, "train", 0)
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(ProductError, match=r"0000.npy cannot be read"):
        Sim1(copied)[0]
    with path.open("wb") as file:
        np.save(file, np.zeros(SHAPE[:1] + SHAPE[2:] + SHAPE[1:2], np.uint8))
    with pytest.raises(ProductError, match="must hold the codes of a scene in 2359424 bytes, instead it holds others"):
        Sim1(copied)[0]
    text = (copied / "train.json").read_text()
    (copied / "train.json").write_text(text.replace('"version": "1"', '"version": "2"'))
    with pytest.raises(ProductError, match=r"must tell of insarflow-sim-1 1, train, instead got .*'version': '2'"):
        Sim1(copied)
    for wrong in (
        text[:-20],
        text.replace('"moving"', '"movers"'),
        text.replace('"start": "2021', '"start": "no'),
        "[]",
    ):
        (copied / "train.json").write_text(wrong)
        with pytest.raises(ProductError, match=r"train.json is damaged .*: delete it, and generate\(root\)"):
            Sim1(copied)


def test_wrong_arguments_are_told(sim1, tmp_path):
    with pytest.raises(ValueError, match="scenes must be of the splits train, validation, test, beyond"):
        generate(tmp_path, scenes={"all": 1})
    with pytest.raises(ValueError, match=r"scenes\['beyond'\] must be"):
        generate(tmp_path, scenes={"beyond": 41})
    with pytest.raises(ValueError, match="workers must be"):
        generate(tmp_path, workers=0)
    with pytest.raises(SelectionError, match="the label 500"):
        Sim1(sim1).at([0, 500])


def test_images_without_data_are_zero():
    image = images_of(np.full((2, 2), 7, np.uint8), np.array([[0, 254], [255, 255]], np.uint8))
    assert image.shape == (3, 2, 2)
    assert image[0].tolist() == [[0.0, 1.0], [0.0, 0.0]]
    assert not image[:, 1].any()
    assert image[1:, 0].all()
