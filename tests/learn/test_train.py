"""Training learns, stops, and goes on with the same bits."""

import math
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from insarflow.errors import InsarError
from insarflow.learn.bank import Bank
from insarflow.learn.checkpoint import read_state
from insarflow.learn.loop import Segmenter
from insarflow.learn.models import build_model
from insarflow.learn.samples import BankDataset
from insarflow.learn.scoring import BankPlaces, choose_threshold, score
from insarflow.learn.train import fit, fresh_network
from insarflow.learn.training import Training
from insarflow.simulate.truth import MOVING, OPEN


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


class Tiny(nn.Module):
    """A network with all that has a state or draws: batch norm, dropout."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.2), nn.Conv2d(6, 1, 3, padding=1)
        )

    def forward(self, x):
        return self.layers(x)


def tiny(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Tiny()


TOY = BankDataset(toy_bank(13, 0))
WATCHED = BankDataset(toy_bank(3, 1))


class StoppedError(Exception):
    """Stands for a killed process."""


class Breaking:
    """A dataset that fails at a time, and notes epochs."""

    def __init__(self, fail=None):
        self.epoch, self.fail, self.seen = None, fail, []

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __len__(self):
        return len(TOY)

    def __getitem__(self, index):
        self.seen.append((self.epoch, index))
        if len(self.seen) == self.fail:
            raise StoppedError
        sample = dict(TOY[index])
        draw = np.random.default_rng((self.epoch, index))
        sample["weight"] = draw.uniform(0.5, 2.0, (32, 32)).astype(np.float32)
        return sample


def states_equal(a, b):
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(states_equal(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(states_equal, a, b))
    return a == b


FOUR = {"epochs": 4, "batch_size": 4, "learning_rate": 1e-2}


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, type("Terminated", (KeyboardInterrupt,), {})])
def test_an_interrupt_stays_one(tmp_path, interrupt):
    """Lightning would end the process without a word, and ignore all later interrupts."""

    class Interrupting:
        def __len__(self):
            return len(TOY)

        def __getitem__(self, index):
            raise interrupt

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt) as raised:
        fit(tiny(), Interrupting(), WATCHED, tmp_path, Training(1, 4, 0.02, augmentations={}), progress=False)
    assert raised.type is interrupt
    assert signal.getsignal(signal.SIGINT) is handler


@pytest.mark.parametrize("schedule", [{}, {"schedule": "cosine", "average": 0.9, "loss": "focal"}], ids=str)
@pytest.mark.parametrize("fail", [2 * 12 + 1, 2 * 12 + 7], ids=["at the end of an epoch", "amid an epoch"])
def test_stopped_and_resumed_is_bit_equal(tmp_path, schedule, fail):
    training = Training(**FOUR, **schedule)
    whole, parts = tiny(), tiny()
    straight = fit(whole, Breaking(), WATCHED, tmp_path / "whole", training, progress=False)
    with pytest.raises(StoppedError):
        fit(parts, Breaking(fail), WATCHED, tmp_path / "parts", training, progress=False)
    assert read_state(tmp_path / "parts/last.ckpt")["callbacks"]["EpochEnd"]["epochs"] == 2
    torch.manual_seed(99)  # neither the generator nor the network that is resumed matter
    data, parts = Breaking(), tiny(5)
    resumed = fit(parts, data, WATCHED, tmp_path / "parts", training, resume=True, progress=False)
    assert {epoch for epoch, _ in data.seen} == {2, 3}
    assert resumed == straight
    assert states_equal(whole.state_dict(), parts.state_dict())
    ends = [read_state(tmp_path / name / "last.ckpt") for name in ("whole", "parts")]
    for key in ("state_dict", "optimizer_states", "lr_schedulers", "callbacks", "global_step"):
        assert states_equal(ends[0][key], ends[1][key]), key
    assert len(ends[0]["optimizer_states"][0]["state"]) == 6
    logs = [(tmp_path / name / "log/metrics.csv").read_text() for name in ("whole", "parts")]
    assert logs[0] == logs[1]
    assert logs[0].count("\n") > 8
    best = [(tmp_path / name / "best.safetensors").read_bytes() for name in ("whole", "parts")]
    assert best[0] == best[1]


CHILD = """
import os, signal, sys
sys.path.insert(0, os.path.dirname(sys.argv[1]))
from pathlib import Path
import importlib.util
spec = importlib.util.spec_from_file_location("here", sys.argv[1])
here = importlib.util.module_from_spec(spec); sys.modules["here"] = here; spec.loader.exec_module(here)
class Killing(here.Breaking):
    def __getitem__(self, index):
        if len(self.seen) == 18:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(index)
here.fit(here.tiny(), Killing(), here.WATCHED, Path(sys.argv[2]), here.Training(**here.FOUR), progress=False)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL")
def test_killed_and_resumed_is_bit_equal(tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    child = subprocess.run(
        [sys.executable, "-c", CHILD, __file__, str(tmp_path / "parts")], env=environment, check=False
    )
    assert child.returncode == -signal.SIGKILL
    whole, parts = tiny(), tiny(5)
    fit(whole, Breaking(), WATCHED, tmp_path / "whole", Training(**FOUR), progress=False)
    fit(parts, Breaking(), WATCHED, tmp_path / "parts", Training(**FOUR), resume=True, progress=False)
    assert states_equal(whole.state_dict(), parts.state_dict())
    assert (tmp_path / "whole/log/metrics.csv").read_text() == (tmp_path / "parts/log/metrics.csv").read_text()


def test_the_callers_generator_is_left_alone_and_does_not_matter(tmp_path):
    states = []
    for seed in (3, 4):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        network = tiny()
        fit(network, TOY, WATCHED, tmp_path, Training(epochs=1, batch_size=8), progress=False)
        assert torch.equal(torch.get_rng_state(), before)
        states.append(network.state_dict())
    assert states_equal(*states)
    other = tiny()
    fit(other, TOY, WATCHED, tmp_path, Training(epochs=1, batch_size=8, seed=1), progress=False)
    assert not states_equal(states[0], other.state_dict())


def test_training_learns(tmp_path):
    network = fresh_network("resunet", 3, seed=0)
    training = Training(epochs=8, batch_size=8, learning_rate=1e-2)
    fitted = fit(network, BankDataset(toy_bank(64, 0)), BankDataset(toy_bank(8, 1)), tmp_path, training, progress=False)
    assert fitted.epochs == 8
    assert not network.training
    held_out = BankPlaces(network, toy_bank(32, 2))
    scores = score(held_out, threshold=choose_threshold(held_out))
    assert set(scores) == {"all", "12", "season"}
    assert scores["season"] == scores["all"] == scores["12"]  # one pair a place
    assert scores["all"]["pixel"]["f1"] > 0.6


def test_a_network_learns_four_patches_by_heart(tmp_path):
    four = BankDataset(toy_bank(4, 0))
    training = Training(epochs=40, batch_size=2, learning_rate=1e-2, augmentations={})
    network = fresh_network("resunet", 3, seed=0)
    fitted = fit(network, four, four, tmp_path, training, progress=False)
    assert fitted.validation_loss < 0.1
    with torch.inference_mode():
        for k in range(4):
            predicted = network(four[k]["image"][None])[0, 0] > 0
            assert ((predicted == (four[k]["mask"] == MOVING)).float().mean() > 0.98).item()


def test_patience_ends_training_and_the_best_is_kept(tmp_path):
    how = {"learning_rate": 0.5, "schedule": "constant", "patience": 2, "keep": "best", "precision": "32-true"}
    training = Training(epochs=30, batch_size=8, **how)
    network = tiny()
    fitted = fit(network, TOY, WATCHED, tmp_path, training, progress=False)
    assert fitted.epochs == fitted.best_epoch + 3 < 30
    last = read_state(tmp_path / "last.ckpt")["state_dict"]
    assert not torch.equal(last["network.layers.0.weight"], network.layers[0].weight)
    with torch.inference_mode():
        batch = torch.stack([WATCHED[k]["image"] for k in range(3)])
        target = torch.stack([WATCHED[k]["mask"] for k in range(3)]) == MOVING
        loss = nn.functional.binary_cross_entropy_with_logits(network(batch)[:, 0], target.float())
    assert loss.item() == pytest.approx(fitted.validation_loss, rel=1e-5)
    again = tiny(1)  # nothing is left to do
    assert fit(again, TOY, WATCHED, tmp_path, training, resume=True, progress=False) == fitted
    assert states_equal(again.state_dict(), network.state_dict())


def test_the_rate_halves_and_adam_keeps_what_it_is_told(tmp_path, monkeypatch):
    rates, log = {}, Segmenter.log

    def logged(self, name, value, **more):
        if name == "learning_rate":
            rates.setdefault(self.current_epoch, set()).add(value)
        log(self, name, value, **more)

    monkeypatch.setattr(Segmenter, "log", logged)
    training = Training(5, 4, 0.01, "halving", halve_every=2, betas=(0.5, 0.99), precision="32-true")
    with pytest.raises(StoppedError):
        fit(tiny(), Breaking(3 * 12 + 5), WATCHED, tmp_path, training, progress=False)
    fit(tiny(), Breaking(), WATCHED, tmp_path, training, resume=True, progress=False)
    assert rates == {0: {0.01}, 1: {0.01}, 2: {0.005}, 3: {0.005}, 4: {0.0025}}
    groups = read_state(tmp_path / "last.ckpt")["optimizer_states"][0]["param_groups"]
    assert list(groups[0]["betas"]) == [0.5, 0.99]


@pytest.mark.parametrize("workers", [2])
def test_loading_processes_do_not_matter(tmp_path, workers):
    networks = [tiny(), tiny()]
    for network, count in zip(networks, (0, workers), strict=True):
        training = Training(epochs=2, batch_size=8, workers=count)
        fit(network, Breaking(), WATCHED, tmp_path, training, progress=False)
    assert states_equal(networks[0].state_dict(), networks[1].state_dict())


def test_a_loss_that_is_no_number_stops_with_the_step(tmp_path):
    network = tiny()
    nn.init.constant_(network.layers[4].bias, math.nan)
    with pytest.raises(InsarError, match=r"^the loss became nan at step 0 \(epoch 0\): lower the learning rate$"):
        fit(network, TOY, WATCHED, tmp_path, Training(epochs=1, batch_size=8), progress=False)


def test_nan_in_images_never_spreads(tmp_path):
    bank = toy_bank(8, 0)
    bank.image[3, :, :20] = np.nan
    bank.image[5, 1, 7, 7] = np.inf
    network = tiny()
    fit(network, BankDataset(bank), BankDataset(bank), tmp_path, Training(epochs=1, batch_size=4), progress=False)
    assert all(torch.isfinite(value).all() for value in network.state_dict().values())


def test_open_pixels_do_not_teach(tmp_path):
    bank = toy_bank(8, 0)
    bank.target[:] = OPEN
    network = build_model("resunet")
    before = {k: v.clone() for k, v in network.named_parameters()}
    data = BankDataset(bank)
    fit(network, data, data, tmp_path, Training(epochs=1, batch_size=8), progress=False)
    for name, value in network.named_parameters():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


def test_compiled_networks_keep_the_names_of_their_weights(tmp_path, monkeypatch):
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda forward: compiled.append(forward) or forward)
    network = tiny()
    fit(network, TOY, WATCHED, tmp_path, Training(epochs=1, batch_size=8, compile=True), progress=False)
    assert compiled == [network.forward]
    assert "network.layers.0.weight" in read_state(tmp_path / "last.ckpt")["state_dict"]


def test_half_precision(tmp_path):
    network = tiny()
    training = Training(epochs=1, batch_size=8, precision="bf16-mixed")
    assert fit(network, TOY, WATCHED, tmp_path, training, progress=False).precision == "bf16-mixed"
    assert {value.dtype for value in network.parameters()} == {torch.float32}


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    folder = tmp_path_factory.mktemp("begun")
    fit(tiny(), TOY, WATCHED, folder, Training(epochs=1, batch_size=8), progress=False)
    return folder


@pytest.mark.parametrize(
    ("changes", "data", "network", "message"),
    [
        ({"seed": 7}, TOY, tiny, r"is the state of another training: seed=7 \(there: 0\)\. Resume with"),
        ({}, WATCHED, tiny, r"another training: samples=3 \(there: 13\)"),
        ({}, TOY, lambda: build_model("resunet"), r"another training: a network with network\.\S+ "),
    ],
)
def test_what_is_resumed_must_be_the_same_training(begun, changes, data, network, message):
    training = Training(**{"epochs": 1, "batch_size": 8} | changes)
    with pytest.raises(InsarError, match=message):
        fit(network(), data, WATCHED, begun, training, resume=True, progress=False)


@pytest.mark.parametrize("kind", ["cut", "flipped", "pickle", "foreign", "text", "other state"])
def test_a_checkpoint_that_is_damaged_or_foreign_is_refused(begun, tmp_path, kind):
    data = (begun / "last.ckpt").read_bytes()
    file = tmp_path / "last.ckpt"
    if kind == "pickle":
        torch.save({"state_dict": {}}, file)
    elif kind == "foreign":
        from safetensors.torch import save_file

        save_file({"a": torch.zeros(2)}, file)
    elif kind == "other state":
        from insarflow.learn.checkpoint import write_state

        write_state({"a": 1}, file)
    else:
        flipped = data[:-40] + bytes([data[-40] ^ 1]) + data[-39:]
        file.write_bytes({"cut": data[:-7], "flipped": flipped, "text": b"no checkpoint"}[kind])
    with pytest.raises(InsarError, match=r"last\.ckpt (must be the checkpoint of a training|is not the state of a tr)"):
        fit(tiny(), TOY, WATCHED, tmp_path, Training(epochs=1, batch_size=8), resume=True, progress=False)
    with pytest.raises(InsarError, match="hold samples, instead got none"):
        fit(tiny(), BankDataset(toy_bank(0, 0)), WATCHED, tmp_path, Training(epochs=1), progress=False)
