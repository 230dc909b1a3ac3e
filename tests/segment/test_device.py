import pytest
import torch

from insarflow.segment.device import gpu_facts, runs_on_gpu


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda k: f"Model {k}")


def test_facts_of_two(two_gpus):
    facts = gpu_facts()
    assert facts["cuda:0"] == "Model 0"
    assert facts["cuda:1"] == "Model 1"
    assert runs_on_gpu(None)
    assert runs_on_gpu("cuda:1")
    assert not runs_on_gpu("cpu")


def test_facts_of_none(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu_facts() == {"cuda": torch.version.cuda or "none"}
    assert not runs_on_gpu(None)
