"""Two columns of scores: whose data, whose threshold, which images."""

import numpy as np
import pytest
import torch
from torch import nn

from insarflow.errors import InsarError, SchemaError
from insarflow.learn.metrics import PixelScores
from insarflow.learn.protocols import evaluate
from insarflow.learn.protocols.evaluation import Evaluation


class Patches:
    """The first channel tells where it moves, with noise of its own; phase is a constant."""

    channels = ("coherence", "cos", "sin")

    def __init__(self, n, seed=0, positive=True):
        rng = np.random.default_rng(seed)
        self.mask = np.zeros((n, 24, 24), np.uint8)
        if positive:
            self.mask[:, 4:16, 6:18] = 1
        self.mask[:, 20:] = 2
        self.image = np.zeros((n, 3, 24, 24), np.float32)
        self.image[:, 0] = (self.mask == 1) + rng.normal(0, 0.6, self.mask.shape)
        self.image[:, 1] = 1.0

    def __len__(self):
        return len(self.mask)

    def __getitem__(self, index):
        mask = torch.from_numpy(self.mask[index])
        return {"image": torch.from_numpy(self.image[index]), "mask": mask, "valid": mask < 2}


class Clips(Patches):
    channels = ("VV before", "VV after", "VV after")

    def __getitem__(self, index):
        image = torch.from_numpy(self.image[index])
        return {"image": image * (index % 2), "label": torch.tensor(index % 2)}


class Look(nn.Module):
    """Logits of the first channel; counts what it is given."""

    def __init__(self, clips=False):
        super().__init__()
        self.bias = nn.Parameter(torch.tensor(1.0))
        self.clips, self.seen = clips, []

    def forward(self, x):
        self.seen.append(x.clone())
        logits = 4 * (x[:, :1] - 0.5) + self.bias
        if self.clips:
            high = logits.amax((1, 2, 3))
            return torch.stack([torch.zeros_like(high), high - 4], 1)
        return logits


def test_honest_scores_are_those_of_the_metrics_at_the_threshold_of_validation():
    network, tested, watched = Look(), Patches(5), Patches(4, 1)
    found = evaluate(network, tested, "drsunet", validation=watched)
    scores = [PixelScores(), PixelScores()]
    for data, of in zip((watched, tested), scores, strict=True):
        for k in range(len(data)):
            with torch.inference_mode():
                of.update(network(data[k]["image"][None])[0, 0].sigmoid(), data[k]["mask"])
    threshold = scores[0].best_threshold()
    assert found.honest["threshold"] == round(threshold, 4) != 0.5
    expected = scores[1].at(threshold)
    assert {name: found.honest[name] for name in expected} == expected
    assert found.published["threshold"] == 0.5
    assert found.honest["object_recall"] > 0
    assert found.honest["hausdorff"] >= found.honest["hausdorff_95"] > 0
    assert "chosen on validation data" in found.notes[-1]
    assert not network.training


def test_the_phase_is_turned_for_the_published_numbers_alone():
    network = Look()
    first = evaluate(network, Patches(3), "isslide", batch_size=2)
    turned = [x for x in network.seen if not torch.equal(x[:, 1], torch.ones_like(x[:, 1]))]
    assert len(network.seen) == 4
    assert len(turned) == 2
    angles = [float(torch.atan2(x[k, 2, 0, 0], x[k, 1, 0, 0])) for x in turned for k in range(len(x))]
    assert len(set(angles)) == 3
    for x in turned:
        torch.testing.assert_close(x[:, 1] ** 2 + x[:, 2] ** 2, torch.ones_like(x[:, 1]))
    again = Look()
    assert evaluate(again, Patches(3), "isslide", batch_size=3).published == pytest.approx(first.published)
    other = Look()
    evaluate(other, Patches(3), "isslide", seed=2)
    assert not torch.equal(other.seen[-1][:2], turned[0])
    assert "0.5" in first.notes[-1]


def test_clips():
    found = evaluate(Look(clips=True), Clips(8), "nava", validation=Clips(6, 1))
    assert found.published["accuracy"] > 0.8
    assert found.published["clips"] == 8
    assert {"accuracy", "auroc", "calibration_error", "threshold"} <= set(found.honest)
    assert not {"iou", "hausdorff"} & set(found.honest)


def test_the_table():
    found = Evaluation("nava", {"accuracy": 0.5, "clips": 4}, {"accuracy": float("nan"), "brier": 0.25}, ("a note",))
    assert found.table().splitlines() == [
        "score     published  honest",
        "accuracy     0.5000       -",
        "clips             4       -",
        "brier             -  0.2500",
        "a note",
    ]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"protocol": "dice"}, ValueError, r"^protocol must be one of .*'nava'\), instead got protocol='dice'"),
        ({"batch_size": 0}, ValueError, r"^batch_size must be a whole number of at least 1"),
        ({"dataset": Patches(2, positive=False)}, InsarError, r"^the patches to score must hold movement, instead got"),
        ({"validation": Patches(2, positive=False)}, InsarError, r"^validation must hold what is looked for"),
        ({"dataset": Patches(0)}, InsarError, r"^dataset must hold samples, instead got none"),
        ({"dataset": Clips(2)}, ValueError, r"^channels of dataset must begin with .* for protocol='isslide'"),
        ({"network": Look(clips=True)}, InsarError, r"^the network must give logits \(batch, 1, y, x\) for each pixel"),
        ({"protocol": "nava", "dataset": Clips(2)}, InsarError, r"^the network must give logits \(batch, 2\) of clips"),
        ({"dataset": [3]}, SchemaError, r"^sample 0 must be a dict with image and mask, instead got int"),
    ],
)  # fmt: skip
def test_what_cannot_be_scored(change, error, message):
    given = {"network": Look(), "dataset": Patches(2), "protocol": "isslide", **change}
    with pytest.raises(error, match=message):
        evaluate(**given)


def test_a_network_that_gives_no_numbers():
    network = Look()
    nn.init.constant_(network.bias, float("nan"))
    with pytest.raises(InsarError, match=r"^the network must give numbers, instead got NaN"):
        evaluate(network, Patches(1), "drsunet")
