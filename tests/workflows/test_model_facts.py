import json
import subprocess
import sys
from pathlib import Path

import pytest

from insarflow.errors import ModelError
from insarflow.learn.weights import load_card
from insarflow.workflows.model_facts import describe_model, names_model


def test_facts_are_the_card():
    facts = describe_model("default")
    assert json.loads(json.dumps(facts)) == facts
    card = load_card("default")
    assert facts["channels"] == list(card.channels)
    assert facts["recipe"] == [*card.recipe.steps]
    assert facts["scores"] == card.scores
    assert facts["sha256"] == card.sha256
    assert facts["training_data_licences"] == facts["dem_licences"] == []
    assert (facts["model"], facts["size_mb"]) == ("default", 2.877)


def test_damaged_model(tmp_path):
    for suffix in (".json", ".safetensors"):
        content = (
            Path(sys.modules["insarflow"].__file__).parent / f"learn/weights_default/default{suffix}"
        ).read_bytes()
        (tmp_path / f"mine{suffix}").write_bytes(content)
    assert describe_model(tmp_path / "mine.safetensors")["model"] == str(tmp_path / "mine.safetensors")
    (tmp_path / "mine.safetensors").write_bytes(content[:-1] + b"x")
    with pytest.raises(ModelError, match="disagrees with its card"):
        describe_model(tmp_path / "mine.safetensors")


def test_what_is_a_model(tmp_path, monkeypatch):
    assert names_model("default")
    assert names_model(tmp_path / "none.safetensors")
    assert not any(map(names_model, ("stack.zarr", "resunet", ("default", "default"), None)))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "default").mkdir()
    assert not names_model("default")


def test_torch_is_loaded_with_the_models_only():
    code = """
import sys, insarflow
assert "torch" not in sys.modules
assert {"context-unet", "fcn-resnet50", "utae"} < {*insarflow.list_models()}
assert "torch" in sys.modules
assert insarflow.load_model("default")[1].architecture == "context-unet"
assert insarflow.build_model("resunet").__class__.__name__ == "ResUNet"
assert callable(insarflow.save_model) and callable(insarflow.register_model)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
