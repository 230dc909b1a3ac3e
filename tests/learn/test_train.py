import numpy as np
import pytest
import torch

from insarflow.errors import InsarError
from insarflow.learn.bank import Bank
from insarflow.learn.models import build_model
from insarflow.learn.train import augment, choose_threshold, fit, score, seasons
from insarflow.simulate.truth import ABSENT, MISSING, MOVING, OPEN


def toy_bank(n: int, seed: int) -> Bank:
    """Bubbles of phase on a flat field: what any network of this kind must learn."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:32, :32]
    image, target = np.zeros((n, 3, 32, 32), np.float16), np.zeros((n, 32, 32), np.uint8)
    for k in range(n):
        cy, cx = rng.uniform(8, 24, 2)
        bubble = np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / 18)
        phase = 3.0 * (k % 2) * bubble + rng.uniform(0, 6.28)
        image[k] = np.stack([np.full((32, 32), 0.8), np.cos(phase), np.sin(phase)])
        if k % 2:
            target[k][bubble > 0.3] = MOVING
    return Bank(image, target, np.full(n, 12, np.int16), np.arange(n, dtype=np.int32))


def test_training_learns_and_is_seeded(tmp_path):
    bank = toy_bank(64, 0)
    states = []
    for _ in range(2):
        torch.manual_seed(0)
        network = build_model("resunet")
        fit(network, bank, toy_bank(8, 1), tmp_path, epochs=8, batch_size=8, learning_rate=1e-2, progress=False)
        states.append(network.state_dict())
    for name, value in states[0].items():
        torch.testing.assert_close(value, states[1][name], rtol=0, atol=0)
    held_out = toy_bank(32, 2)
    threshold = choose_threshold(network, held_out)
    scores = score(network, held_out, threshold=threshold)
    assert set(scores) == {"all", "12", "season"}
    assert scores["season"] == scores["all"] == scores["12"]  # one pair a place
    assert scores["all"]["pixel"]["f1"] > 0.6
    assert (tmp_path / "log" / "metrics.csv").exists()


def test_a_loss_that_is_no_number_stops_with_the_step(tmp_path):
    bank = toy_bank(8, 0)
    bank.image[:] = np.nan
    with pytest.raises(InsarError, match=r"^the loss became nan at step 0: lower the learning rate$"):
        fit(build_model("resunet"), bank, bank, tmp_path, epochs=1, batch_size=8, progress=False)


def test_augmentation_keeps_labels_on_their_pixels():
    torch.manual_seed(0)
    image = torch.zeros(2, 3, 16, 16)
    image[:, 0] = torch.arange(10.0, 266.0).reshape(16, 16)
    image[:, 1] = 1.0
    target = torch.arange(10, 266).reshape(1, 16, 16).repeat(2, 1, 1)
    cut = []
    for _ in range(40):
        changed, moved = augment(image, target)
        missing = changed[:, 0] == 0
        cut.append(missing.float().mean().item())
        assert (moved[missing] == MISSING).all()
        torch.testing.assert_close(changed[:, 0][~missing], moved[~missing].float())
        length = torch.hypot(changed[:, 1], changed[:, 2])
        torch.testing.assert_close(length, (~missing).float())
    assert min(cut) == 0.0
    assert 0.0 < max(cut) < 0.5


def test_open_pixels_do_not_teach(tmp_path):
    bank = toy_bank(8, 0)
    bank.target[:] = OPEN
    torch.manual_seed(0)
    network = build_model("resunet")
    before = {k: v.clone() for k, v in network.named_parameters()}
    fit(network, bank, bank, tmp_path, epochs=1, batch_size=8, progress=False)
    for name, value in network.named_parameters():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


def test_a_season_is_the_highest_mean_over_the_delays():
    """The same rule as an inventory's, on patches."""
    rng = np.random.default_rng(0)
    delay = np.array([6, 6, 12, 6, 12, 12], np.int16)
    place = np.array([0, 0, 0, 1, 1, 1], np.int32)
    target = rng.choice([ABSENT, MOVING, OPEN], (6, 8, 8)).astype(np.uint8)
    bank = Bank(rng.normal(size=(6, 3, 8, 8)).astype(np.float16), target, delay, place)
    torch.manual_seed(0)
    network = build_model("resunet").eval()
    with torch.inference_mode():
        p = torch.sigmoid(network(torch.from_numpy(bank.image.astype(np.float32))))[:, 0].numpy()
    (first, seen), (second, _) = seasons(network, bank)
    np.testing.assert_allclose(first, np.maximum((p[0] + p[1]) / 2, p[2]), atol=1e-6)
    np.testing.assert_allclose(second, np.maximum(p[3], (p[4] + p[5]) / 2), atol=1e-6)
    assert (seen == MOVING).tolist() == (target[:3] == MOVING).any(axis=0).tolist()
    assert (seen == OPEN).tolist() == ((target[:3] == OPEN).any(axis=0) & ~(target[:3] == MOVING).any(axis=0)).tolist()
