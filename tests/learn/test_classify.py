"""Classifiers of clips learn, stop, and go on."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from insarflow.errors import InsarError, SchemaError
from insarflow.learn.classify import ClipSamples, collate_clips, fit_clips
from insarflow.learn.training import Training


class Toy:
    """Clips that are bright in the middle, or not; they draw by (epoch, index)."""

    def __init__(self, n, seed=0):
        self.n, self.seed, self.epoch = n, seed, 0

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        rng = np.random.default_rng((self.seed, self.epoch, index))
        image = rng.normal(0, 0.3, (3, 8, 8)).astype(np.float32)
        image[:, 2:6, 2:6] += 2.0 * (index % 2)
        return {"image": torch.from_numpy(image), "label": torch.tensor(index % 2)}


def tiny(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.1), nn.Linear(4, 2)
        )


def training(**more):
    given = {"epochs": 6, "batch_size": 4, "learning_rate": 0.05, "schedule": "constant", "augmentations": {}}
    return Training(**{**given, **more})


def test_a_classifier_learns(tmp_path):
    network = tiny()
    fitted = fit_clips(network, Toy(24), Toy(8, 1), tmp_path, training(), progress=False)
    assert fitted.epochs == 6
    assert fitted.validation_loss < 0.2
    with torch.inference_mode():
        said = network(torch.stack([Toy(16, 2)[k]["image"] for k in range(16)])).argmax(1)
    assert said.tolist() == [0, 1] * 8


def test_the_loss_is_the_cross_entropy_of_two_classes(tmp_path):
    network, watched = tiny(), Toy(3, 1)
    fitted = fit_clips(network, Toy(4), watched, tmp_path, training(epochs=1), progress=False)
    with torch.inference_mode():
        chance = network(torch.stack([watched[k]["image"] for k in range(3)])).softmax(1)
    slow = -sum(math.log(chance[k, k % 2]) for k in range(3)) / 3
    assert fitted.validation_loss == pytest.approx(slow, rel=1e-5)


def test_stopped_and_resumed_is_bit_equal(tmp_path):
    class Stopped(Toy):
        left = 30

        def __getitem__(self, index):
            self.left -= 1
            if self.left == 0:
                raise KeyError("stopped")
            return super().__getitem__(index)

    whole, parts = tiny(), tiny()
    straight = fit_clips(whole, Toy(12), Toy(4, 1), tmp_path / "whole", training(), progress=False)
    with pytest.raises(KeyError, match="stopped"):
        fit_clips(parts, Stopped(12), Toy(4, 1), tmp_path / "parts", training(), progress=False)
    parts = tiny(3)
    assert straight == fit_clips(parts, Toy(12), Toy(4, 1), tmp_path / "parts", training(), resume=True, progress=False)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), parts.parameters(), strict=True))


def test_a_loss_that_is_no_number_stops_with_the_step(tmp_path):
    network = tiny()
    nn.init.constant_(network[5].bias, math.nan)
    with pytest.raises(InsarError, match=r"^the loss became nan at step 0 \(epoch 0\)"):
        fit_clips(network, Toy(4), Toy(2), tmp_path, training(epochs=1), progress=False)


def test_a_missing_pixel_is_nothing_in_all_channels():
    class Holed(Toy):
        def __getitem__(self, index):
            sample = super().__getitem__(index)
            sample["image"][1, 0, 3] = math.nan
            return sample

    clip = ClipSamples(Holed(1), 3)[0]
    assert clip["image"][:, 0, 3].tolist() == [0.0, 0.0, 0.0]
    assert (clip["image"][:, 0, 4] != 0).all()


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        ({"image": 1}, r"^clip 0 must be a dict with image and label, instead got \['image'\]$"),
        (3, "^clip 0 must be a dict with image and label, instead got int$"),
        ({"image": np.zeros((3, 4, 4), "f4"), "label": 2}, r"^label of clip 0 must be 0 \(none\) or 1 \(landslide\)"),
        ({"image": np.zeros((3, 4, 4), "f4"), "label": 0.5}, "^label of clip 0 must be 0"),
        ({"image": np.zeros((3, 4, 4), "f4"), "label": [0, 1]}, "^label of clip 0 must be 0"),
        ({"image": np.zeros((2, 4, 4), "f4"), "label": 1}, "^image of clip 0 must have the network's 3 channels"),
        ({"image": np.zeros((3, 4, 4), "f8"), "label": 1}, "^image of clip 0 must be float32"),
    ],
)
def test_wrong_clips(sample, message):
    with pytest.raises(SchemaError, match=message):
        ClipSamples([sample], 3)[0]


def test_clips_of_two_sizes():
    samples = [{"image": np.zeros((3, n, 4), "f4"), "label": 1} for n in (4, 5)]
    clips = ClipSamples(samples, 3)
    with pytest.raises(SchemaError, match=r"^clip 1 must have the size \(3, 4, 4\) of clip 0"):
        collate_clips([clips[0], clips[1]])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"loss": "dice"}, "^loss must be 'bce', cross-entropy, for clips, instead got loss='dice'$"),
        ({"augmentations": {"turn": {}}}, r"^augmentations must be \{\} for clips, instead got \['turn'\]"),
    ],
)
def test_trainings_of_pixels(tmp_path, more, message):
    with pytest.raises(ValueError, match=message):
        fit_clips(tiny(), Toy(4), Toy(2), tmp_path, training(**more), progress=False)


def test_a_network_of_pixels_is_told(tmp_path):
    network = nn.Conv2d(3, 1, 1)
    with pytest.raises(InsarError, match=r"^the network must give logits \(batch, 2\) of clips, instead got \(4, 1, 8"):
        fit_clips(network, Toy(4), Toy(2), tmp_path, training(epochs=1), progress=False)
    with pytest.raises(InsarError, match=r"^validation must hold samples, instead got none"):
        fit_clips(network, Toy(4), Toy(0), tmp_path, training(epochs=1), progress=False)
