import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from insarflow.datasets.annotations import read_annotations
from insarflow.datasets.hephaestus import Hephaestus, groups_of, read_frame_names
from insarflow.datasets.volcanoes import simulate_hephaestus, write_hephaestus
from insarflow.errors import ProductError, SelectionError
from insarflow.learn.augment import RandomTurn
from insarflow.stack.png import write_png

SHAPE = (60, 80)
SQUARE = [50.0, 20.0, 70.0, 20.0, 70.0, 40.0, 50.0, 40.0]


def record(number, frame, polygons=(SQUARE,)):
    moves = bool(polygons)
    return {
        "uniqueID": number, "frameID": frame, "primary_date": "20200101", "secondary_date": f"202002{number + 1:02d}",
        "corrupted": 0, "processing_error": 0, "glacier_fringes": 0, "orbital_fringes": 0, "atmospheric_fringes": 0,
        "low_coherence": 0, "no_info": 0, "image_artifacts": 0,
        "label": ["Deformation"] if moves else ["Non_Deformation"], "activity_type": ["Sill"] * moves,
        "intensity_level": ["Low"] * moves, "phase": "Unrest", "confidence": 1.0,
        "segmentation_mask": list(polygons), "is_crowd": 0, "caption": "",
    }  # fmt: skip


def images(number):
    rng = np.random.default_rng(number)
    phase, coherence = rng.uniform(-np.pi, np.pi, SHAPE), rng.uniform(0.1, 1, SHAPE)
    phase[:5] = np.nan
    return phase, coherence


FRAMES = [f"{k:03d}A_00000_131313" for k in (1, 2, 3, 4, 5, 6)]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hephaestus")
    for k in range(12):
        write_hephaestus(folder, record(k, FRAMES[k % 6], (SQUARE,) if k != 7 else ()), *images(k))
    return folder


def test_the_layout_is_read_as_it_was_written(root):
    volcanoes = Hephaestus(root, patch=40)
    assert len(volcanoes) == 12
    for number, (y0, x0) in ((0, (10, 40)), (7, (10, 20))):
        row = volcanoes.index[volcanoes.index["uniqueID"] == number].iloc[0]
        sample = volcanoes.finish(volcanoes.read(row), row)
        phase, coherence = (image[y0 : y0 + 40, x0 : x0 + 40] for image in images(number))
        step = np.pi / 255
        assert abs(np.angle(np.exp(1j * (np.arctan2(*sample["image"][[2, 1]].numpy()) - phase)))).max() < 2.01 * step
        np.testing.assert_allclose(sample["image"][0], coherence, atol=0.51 / 255)
        wanted = np.zeros((40, 40), np.uint8)
        if number == 0:
            wanted[20 - y0 : 40 - y0, 50 - x0 : 70 - x0] = 3
        np.testing.assert_array_equal(sample["classes"], wanted)
        np.testing.assert_array_equal(sample["mask"], wanted > 0)
        assert sample["valid"].all()


def test_the_phase_of_a_code_is_as_stated(tmp_path):
    write_hephaestus(tmp_path, record(0, FRAMES[0]), *images(0))
    file = next(tmp_path.rglob("*.geo.diff.png"))
    write_png(file, np.full(SHAPE, 255, np.uint8))
    image = Hephaestus(tmp_path, patch=8)[0]["image"]
    torch.testing.assert_close(image[1:], torch.tensor([-1.0, 0.0])[:, None, None].expand(2, 8, 8), atol=1e-6, rtol=0)
    write_png(file, np.full(SHAPE, 51, np.uint8))
    angle = 51 / 255 * 2 * np.pi - np.pi
    assert Hephaestus(tmp_path, patch=8)[0]["image"][2, 0, 0] == pytest.approx(np.sin(angle), abs=1e-6)


def test_a_crop_larger_than_the_image_is_missing_beyond(root):
    sample = Hephaestus(root, patch=100)[0]
    assert sample["image"].shape == (3, 100, 100)
    known = np.zeros((100, 100), bool)
    known[5:60, :80] = True
    np.testing.assert_array_equal(sample["mask"] != 3, known)
    assert not sample["image"][:, ~torch.from_numpy(known)].any()


def test_without_coherence_it_is_one(root, tmp_path):
    shutil.copytree(root, tmp_path / "data")
    for file in (tmp_path / "data").rglob("*.geo.cc.png"):
        file.unlink()
    sample = Hephaestus(tmp_path / "data", patch=60)[0]
    assert torch.equal(sample["image"][0], (sample["mask"] != 3).float())


def test_states_and_classes_turn_with_the_image(root):
    volcanoes = Hephaestus(root, patch=60, transforms=RandomTurn())
    sample, plain = volcanoes[0], Hephaestus(root, patch=60)[0]
    assert sorted(sample["classes"].unique()) == [0, 3]
    assert torch.equal(sample["classes"] > 0, sample["mask"] == 1)
    for name in ("classes", "mask"):
        assert sample[name].sum() == plain[name].sum()
    found = [
        torch.equal(sample["classes"], turned) and torch.equal(sample["image"], image)
        for flip in (False, True)
        for k in range(4)
        for turned, image in [
            tuple(
                v.rot90(k, (-2, -1)).flip(-1) if flip else v.rot90(k, (-2, -1))
                for v in (plain["classes"], plain["image"])
            )
        ]
    ]
    assert any(found)


def test_a_frame_is_in_one_part(root):
    parts = {name: Hephaestus(root, split=name).index for name in ("train", "validation", "test")}
    frames = [set(rows["frameID"]) for rows in parts.values()]
    assert set.union(*frames) == set(FRAMES)
    assert sum(map(len, frames)) == len(FRAMES)
    assert len(parts["train"]) > len(parts["validation"]) >= len(parts["test"])


def test_frames_of_one_volcano_are_in_one_part(root, tmp_path):
    shutil.copytree(root, tmp_path / "data")
    names = {
        FRAMES[0]: "Etna",
        FRAMES[5]: "etna, Vulcano",
        FRAMES[2]: "Vulcano",
        FRAMES[1]: "Unnamed",
        FRAMES[3]: "Unnamed",
    }
    (tmp_path / "data" / "frame_names.json").write_text(json.dumps(names))
    index = Hephaestus(tmp_path / "data").index
    groups = index.groupby("frameID")["group"].first()
    assert groups[FRAMES[0]] == groups[FRAMES[5]] == groups[FRAMES[2]]
    assert groups.nunique() == 4


def test_groups_are_joined_by_way_of_others():
    frames = pd.Series(["a", "b", "c", "d"])
    volcanoes = {"a": {"x"}, "b": {"y"}, "c": {"z"}, "d": {"x", "y"}}
    assert groups_of(frames, volcanoes).tolist() == [0, 0, 2, 0]


def test_the_published_frames_split_seven_to_two_to_one(data, tmp_path):
    source = data / "hephaestus-volcano-annotations"
    for name in ("annotations.jsonl", "frame_names.json"):
        shutil.copy(source / name, tmp_path / name)
    parts = {name: Hephaestus(tmp_path, split=name) for name in ("train", "validation", "test")}
    positive = {name: int(part.index["positive"].sum()) for name, part in parts.items()}
    assert sum(positive.values()) == 1819
    assert abs(positive["train"] - 1273) < 40
    assert abs(positive["validation"] - 364) < 40
    volcanoes = read_frame_names(tmp_path / "frame_names.json")
    shown = [set().union(*(volcanoes[f] for f in part.index["frameID"])) for part in parts.values()]
    assert not shown[0] & shown[1]
    assert not shown[0] & shown[2]
    assert not shown[1] & shown[2]
    # No image is there: the annotations are, samples say where to get them.
    assert len(parts["test"].annotations) == 2121
    assert not parts["test"].index["image"].any()
    with pytest.raises(ProductError, match=r"InSAR.png. Hephaestus is not downloaded"):
        parts["test"][0]


def test_folders_and_images_that_are_wrong_are_told(root, tmp_path):
    with pytest.raises(ProductError, match=r"nowhere does not exist. Hephaestus is not downloaded"):
        Hephaestus(tmp_path / "nowhere")
    with pytest.raises(ProductError, match=r"lacks annotations and annotations.jsonl"):
        Hephaestus(tmp_path)
    data = tmp_path / "data"
    shutil.copytree(root, data)
    folder = data / FRAMES[0] / "interferograms" / "20200101_20200201"
    write_png(folder / "20200101_20200201.geo.cc.png", np.ones((10, 10), np.uint8))
    with pytest.raises(ProductError, match=r"must have the pixels of 20200101_20200201.geo.diff.png, \(60, 80\)"):
        Hephaestus(data)[0]
    (folder / "20200101_20200201.geo.diff.png").unlink()
    part = Hephaestus(data)
    assert part.index["image"].sum() == 11
    with pytest.raises(ProductError, match=r"lacks .*20200101_20200201/InSAR.png"):
        part[0]
    assert len(part.at(part.index[part.index["image"]])) == 11
    (data / "frame_names.json").write_text("[1]")
    with pytest.raises(ProductError, match=r"must be an object with the volcanoes"):
        Hephaestus(data)
    (data / "frame_names.json").write_text("{")
    with pytest.raises(ProductError, match=r"frame_names.json' must be JSON"):
        Hephaestus(data)


def test_a_part_without_a_polygon_is_told(tmp_path):
    write_hephaestus(tmp_path, record(0, FRAMES[0], ()), *images(0))
    with pytest.raises(SelectionError, match=r"the data set has a polygon in none of its 1 samples"):
        Hephaestus(tmp_path)
    with pytest.raises(SelectionError, match=r"the test set has no sample"):
        Hephaestus(tmp_path, split="test")
    with pytest.raises(ValueError, match=r"patch must be a whole number"):
        Hephaestus(tmp_path, patch=0)


def test_what_is_wrong_is_not_written(tmp_path):
    with pytest.raises(ProductError, match=r"frameID must be a frame"):
        write_hephaestus(tmp_path, record(0, "../x"), *images(0))
    assert not list(tmp_path.rglob("*.*"))
    with pytest.raises(ValueError, match=r"must have one shape"):
        write_hephaestus(tmp_path, record(0, FRAMES[0]), images(0)[0], np.ones((3, 3)))


def test_simulated_volcanoes_are_a_data_set(tmp_path):
    folder = simulate_hephaestus(tmp_path / "sim", scenes=4, shape=(96, 96), frames=2, seed=1)
    volcanoes = Hephaestus(folder, patch=96)
    assert volcanoes.index["positive"].tolist() == [1, 0, 1, 0]
    assert read_annotations(folder / "annotations")["frameID"].nunique() == 2
    sample = volcanoes[0]
    assert 0 < (sample["mask"] == 1).float().mean() < 1
    # Inside the outline the phase is far from that of the air alone.
    again = simulate_hephaestus(tmp_path / "again", scenes=4, shape=(96, 96), frames=2, seed=1)
    assert torch.equal(Hephaestus(again, patch=96)[2]["image"], volcanoes[2]["image"])
    with pytest.raises(ProductError, match=r"must be empty"):
        simulate_hephaestus(folder)
