import ast
import io
import json
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import insarflow
from insarflow.errors import ModelError, OutputExistsError
from insarflow.learn import model_files, weights
from insarflow.learn.models import build_model, forget_model, register_model
from insarflow.learn.weights import (
    ModelCard,
    ModelRef,
    list_named_models,
    load_card,
    load_model,
    resolve_model,
    save_model,
)
from insarflow.types import Recipe

CARD = ModelCard(
    architecture="resunet",
    channels=("coherence", "cos", "sin"),
    stride=4,
    reach=37,
    recipe=Recipe().then("goldstein", patch_size=32, alpha=0.5),
    pixel_size_m=(10.0, 40.0),
    threshold=0.4,
    scores={"f1": 0.7},
    training={"seed": 1, "script": "test"},
    licence="BSD-3-Clause",
)


@pytest.fixture
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build_model("resunet")


@pytest.fixture
def saved(tmp_path, network):
    path = tmp_path / "small.safetensors"
    return path, save_model(network, path, card=CARD)


def nested(depth):
    return {"a": nested(depth - 1)} if depth else 1


def edit(path, **changes):
    """Change fields of a card on disk; None removes one."""
    card = path.with_suffix(".json")
    values = json.loads(card.read_text()) | changes
    card.write_text(json.dumps({k: v for k, v in values.items() if v is not None}))


def test_round_trip(saved, network):
    path, card = saved
    loaded, read = load_model(path)
    assert read == card == load_card(path) == replace(CARD, sha256=card.sha256)
    assert not loaded.training
    assert all(torch.equal(v, network.state_dict()[k]) for k, v in loaded.state_dict().items())
    x = torch.randn(1, 3, 16, 16)
    assert torch.equal(loaded(x), network.eval()(x))
    assert sorted(p.name for p in path.parent.iterdir()) == ["small.json", "small.safetensors"]


def test_loaded_model_can_be_trained_further(saved):
    network, _ = load_model(saved[0])
    network.train()(torch.randn(2, 3, 16, 16)).sum().backward()
    before = network.head.weight.clone()
    with torch.no_grad():
        network.head.weight -= network.head.weight.grad
    assert not torch.equal(before, network.head.weight)


def test_loading_draws_no_random_numbers(saved):
    state = torch.get_rng_state()
    load_model(saved[0])
    assert torch.equal(state, torch.get_rng_state())


def test_same_weights_same_file(tmp_path, network, saved):
    again = tmp_path / "again.safetensors"
    save_model(network, again, card=CARD)
    assert again.read_bytes() == saved[0].read_bytes()


def test_ref_is_where_and_what(saved, monkeypatch):
    path, card = saved
    assert resolve_model(path) == ModelRef(str(path), card.sha256)
    monkeypatch.chdir(path.parent)
    assert resolve_model("small.safetensors") == resolve_model(path)
    assert load_model(resolve_model(path))[1] == card
    assert resolve_model(path).name == "small.safetensors"


def test_model_replaced_since_it_was_resolved(saved, network):
    path, card = saved
    ref = resolve_model(path)
    with torch.no_grad():
        network.head.bias += 1
    save_model(network, path, card=CARD, overwrite=True)
    with pytest.raises(ModelError, match=rf"small.safetensors must be the model with sha256={card.sha256}"):
        load_model(ref)


def test_named_model_is_found_in_the_package(tmp_path, saved, monkeypatch):
    folder = tmp_path / "package" / "weights_default"
    folder.mkdir(parents=True)
    monkeypatch.setattr(model_files.resources, "files", lambda _: folder.parent)
    assert list_named_models() == ["default"]
    with pytest.raises(ModelError, match=r"^the model 'default' is missing from this installation"):
        load_model("default")
    for suffix in (".safetensors", ".json"):
        saved[0].with_suffix(suffix).rename(folder / f"default{suffix}")
    assert load_model("default")[1] == saved[1]
    assert resolve_model("default") == ModelRef("default", saved[1].sha256)


# what is refused ------------------------------------------------------------------------------------------------


class Bomb:
    """Fails the test if it is ever unpickled."""

    def __reduce__(self):
        return pytest.fail, ("a pickle was opened",)


def torch_zip():
    stream = io.BytesIO()
    torch.save({"a": torch.zeros(3)}, stream)
    return stream.getvalue()


def plain_zip():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("data.pkl", pickle.dumps(Bomb()))
    return stream.getvalue()


@pytest.mark.parametrize("name", ["small.safetensors", "small.pt"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps(Bomb()), r"is a pickle \(torch.save\), and a pickle can run code; convert it"),
        (torch_zip(), r"is a pickle \(torch.save\), and a pickle can run code; convert it"),
        (plain_zip(), r"is a pickle \(torch.save\), and a pickle can run code; convert it"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "is an HDF5 file"),
        (b"", "must be a safetensors file, but starts with b''"),
        (b"hello world", "must be a safetensors file, but starts with b'hello wor'"),
        ((2**40).to_bytes(8, "little") + b"{", "must be a safetensors file"),
        (bytes(100), "must be a safetensors file"),
    ],
)
@pytest.mark.parametrize("function", [load_card, load_model, resolve_model])
def test_other_formats(saved, function, name, content, message):
    path = saved[0].with_name(name)
    path.write_bytes(content)
    with pytest.raises(ModelError, match=rf"{name} {message}"):
        function(path)


def test_header_that_starts_like_a_pickle_is_read(saved):
    path, _ = saved
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    padded = size + (0x80 - size) % 0x100
    data = padded.to_bytes(8, "little") + data[8 : 8 + size] + b" " * (padded - size) + data[8 + size :]
    assert data[:1] == b"\x80"
    path.write_bytes(data)
    with pytest.raises(ModelError, match="disagrees with its card: sha256 must be"):
        load_model(path)


@pytest.mark.parametrize("function", [load_model, resolve_model])
def test_damaged_weights(saved, function):
    path, _ = saved
    data = path.read_bytes()
    path.write_bytes(data[:-4])
    with pytest.raises(ModelError, match=f"is damaged: it must have {len(data)} bytes, instead got {len(data) - 4}$"):
        function(path)
    path.write_bytes(data[:-4] + b"abcd")
    with pytest.raises(ModelError, match=r"disagrees with its card: sha256 must be [0-9a-f]{64}, instead got"):
        function(path)
    path.write_bytes(data[:8] + data[8:200].replace(b":", b";") + data[200:])
    with pytest.raises(ModelError, match=r"is damaged: its header is no safetensors header$"):
        function(path)


def test_offsets_that_lie(saved):
    """A header with the right names and shapes, the card's own hash, and tensors on top of each other."""
    path, _ = saved
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header["head.bias"]["data_offsets"] = [0, 4]
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + size :])
    edit(path, sha256=weights.hashlib.sha256(path.read_bytes()).hexdigest())
    with pytest.raises(ModelError, match="is damaged: "):
        load_model(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("head.bias"), r"tensor 'head.bias' must be \('F32', \(1,\)\), instead got absent"),
        (lambda s: s.update(extra=torch.zeros(2)), r"tensor 'extra' must be absent, instead got \('F32', \(2,\)\)"),
        (lambda s: s.update({"head.bias": torch.zeros(2)}), r"tensor 'head.bias' .* instead got \('F32', \(2,\)\)"),
        (
            lambda s: s.update({"head.bias": s["head.bias"].half()}),
            r"tensor 'head.bias' .* instead got \('F16', \(1,\)",
        ),
    ],
)
def test_other_tensors(saved, change, message):
    path, _ = saved
    state = safetensors.torch.load_file(path)
    change(state)
    safetensors.torch.save_file(state, path)
    with pytest.raises(ModelError, match=f"does not hold the network its card names: {message}"):
        resolve_model(path)


def test_card_with_other_channels_than_the_weights(saved):
    edit(saved[0], channels=["coherence", "cos", "sin", "dem"])
    with pytest.raises(ModelError, match=r"tensor 'encoder_high.0.weight' must be \('F32', \(12, 4, 3, 3\)\)"):
        load_model(saved[0])


@pytest.mark.parametrize(
    ("field", "value", "wanted"),
    [
        ("architecture", "os.system", r"one of \['context-unet', .*, 'utae'\]"),
        ("architecture", ["resunet"], r"one of \['context-unet', .*, 'utae'\]"),
        ("channels", [], "a list of different channel names"),
        ("channels", ["cos", "cos"], "a list of different channel names"),
        ("channels", [["cos"]], "a list of different channel names"),
        ("channels", [str(k) for k in range(65)], "a list of different channel names"),
        ("channels", "coherence", "a list of different channel names"),
        ("stride", 0, "a whole positive number of pixels"),
        ("stride", True, "a whole positive number of pixels"),
        ("stride", 8, "4 for architecture 'resunet'"),
        ("reach", 37.0, "a whole positive number of pixels"),
        ("reach", 10**9, "37 for architecture 'resunet'"),
        ("recipe", {"operation": "goldstein"}, "a list of steps"),
        ("recipe", [{"alpha": 1}], "a list of steps"),
        ("pixel_size_m", 15, r"\[smallest, largest\] in metres"),
        ("pixel_size_m", [20, 10], r"\[smallest, largest\] in metres"),
        ("pixel_size_m", [0, 10], r"\[smallest, largest\] in metres"),
        ("threshold", 1, "a probability between 0 and 1"),
        ("threshold", 0.0, "a probability between 0 and 1"),
        ("peak", 1, "a probability between 0 and 1, or null"),
        ("peak", 0.3, "null or at least the threshold 0.4"),
        ("threshold", "0.5", "a probability between 0 and 1"),
        ("pixel_size_m", [10**400, 10**400], r"\[smallest, largest\] in metres"),
        ("threshold", 10**4000, "a probability between 0 and 1"),
        ("temperature", 0, "a number from 0.001 to 1000"),
        ("temperature", 1e-300, "a number from 0.001 to 1000"),
        ("temperature", True, "a number from 0.001 to 1000"),
        ("shift", "0", "a number, in log-odds"),
        ("shift", 1e12, "a number, in log-odds"),
        ("normalisation", [], r'an object with \{"mean": number, "std": positive number\} of channels'),
        ("normalisation", {"cos": {"mean": 0}}, "an object with"),
        ("normalisation", {"cos": {"mean": 0, "std": -1}}, "an object with"),
        ("normalisation", {"dem": {"mean": 0, "std": 1}}, r"of the channels \['coherence', 'cos', 'sin'\]"),
        ("training_data_licences", "CC-BY", "a list of texts"),
        ("dem_licences", [""], "a list of texts"),
        ("cite", [["a"]], "a list of texts"),
        ("cite", ["x" * 20_001], "a list of texts"),
        ("licence", "half a character: \ud800", "a non-empty text"),
        ("training", {"a": {"\udfff": 1}}, "an object"),
        ("scores", {"f1": 10**30}, "an object of texts, finite numbers, lists and objects, 16 deep at most"),
        ("scores", nested(17), "an object of texts, finite numbers, lists and objects, 16 deep at most"),
        ("scores", [], "an object"),
        ("training", "by hand", "an object"),
        ("licence", " ", "a non-empty text"),
        ("sha256", "ABC", "64 hexadecimal digits"),
        ("sha256", "é" * 64, "64 hexadecimal digits"),
    ],
)
def test_wrong_field(saved, field, value, wanted):
    edit(saved[0], **{field: value})
    got = "instead got 'dem'" if wanted.startswith("of the channels") else f"instead got {field}="
    with pytest.raises(ModelError, match=rf"small.json: {field} must be {wanted}.*{got}"):
        load_card(saved[0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", "a model card must be a JSON object, but cannot be read"),
        (b"[" * 100_000, "a model card must be a JSON object, but cannot be read"),
        (b'{"threshold": NaN}', "a model card must be a JSON object, but cannot be read: NaN is not JSON"),
        (b'{"scores": {"f1": 1, "f1": 2}}', "a model card must be .* cannot be read: 'f1' stands in it twice"),
        (b"1" * 5000, "a model card must be a JSON object, but cannot be read"),
        (b"[]", r"a model card must be a JSON object, instead got \[\]"),
        (b"{}", "the field 'architecture' is missing"),
        (b"\xff\xfe", "a model card must be UTF-8 text"),
        (b" " * (2**20 + 1), "a model card must have at most 1048576 bytes"),
    ],
)
def test_unreadable_card(saved, text, message):
    saved[0].with_suffix(".json").write_bytes(text)
    with pytest.raises(ModelError, match=rf"small.json: {message}"):
        load_card(saved[0])


def test_missing_and_unknown_fields(saved):
    edit(saved[0], licence=None)
    with pytest.raises(ModelError, match=r"small.json: the field 'licence' is missing; a model card has the fields \["):
        load_card(saved[0])
    edit(saved[0], licence="MIT", extra=1)
    with pytest.raises(ModelError, match=r"small.json: unknown field 'extra'"):
        load_card(saved[0])


def test_numbers_beyond_all_bounds(saved):
    card = saved[0].with_suffix(".json")
    card.write_text(card.read_text().replace('"f1": 0.7', '"f1": 1e999'))
    with pytest.raises(ModelError, match=r"small.json: scores must be an object of texts, finite .*got scores=.*inf"):
        load_card(saved[0])


def test_cards_from_before_the_new_fields(saved):
    added = ("normalisation", "temperature", "shift", "training_data_licences", "dem_licences", "cite")
    edit(saved[0], **dict.fromkeys(added))
    assert not {*added} & {*json.loads(saved[0].with_suffix(".json").read_text())}
    assert load_card(saved[0]) == saved[1]
    assert load_model(saved[0])[1] == saved[1]
    edit(saved[0], sha256=None)
    with pytest.raises(ModelError, match=r"small.json: the field 'sha256' is missing"):
        load_card(saved[0])


def test_all_fields_come_back(tmp_path, network):
    card = replace(
        CARD, pixel_size_m=None, temperature=1.5, shift=-0.25, normalisation={"cos": {"mean": 0.0, "std": 0.5}},
        training_data_licences=("CC-BY-4.0",), dem_licences=("a", "b"), cite=("A paper, 2024",),
    )  # fmt: skip
    written = save_model(network, tmp_path / "a.safetensors", card=card)
    assert load_card(tmp_path / "a.safetensors") == written == replace(card, sha256=written.sha256)


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
def test_no_flipped_byte_is_believed(whole, data):
    """Anywhere in the weights: half of the places in the header, where a reader could be led astray."""
    folder, content = whole
    size = 8 + int.from_bytes(content[:8], "little")
    place = data.draw(st.one_of(st.integers(0, size - 1), st.integers(0, len(content) - 1)))
    changed = bytearray(content)
    changed[place] ^= data.draw(st.integers(1, 255))
    path = folder / "flipped.safetensors"
    path.write_bytes(changed)
    for function in (resolve_model, load_model):
        with pytest.raises(ModelError, match=r"flipped.safetensors"):
            function(path)


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
def test_no_part_of_a_file_is_believed(whole, data):
    folder, content = whole
    path = folder / "flipped.safetensors"
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(ModelError, match=r"flipped.safetensors"):
        load_model(path)


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
def test_a_flipped_byte_of_a_card_is_an_error_or_another_card(whole, data):
    """Nothing but the hash of the weights is protected; whatever is read obeys the rules, and can be written."""
    folder, _ = whole
    changed = bytearray((folder / "whole.json").read_bytes())
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    (folder / "flipped.json").write_bytes(changed)
    (folder / "flipped.safetensors").write_bytes((folder / "whole.safetensors").read_bytes())
    told = ""
    try:
        card = load_card(folder / "flipped.safetensors")
    except ModelError as error:
        told = str(error)
    assert "flipped.json" in told or ModelCard.from_json(card.to_json(), file="again") == card
    (folder / "flipped.json").write_bytes((folder / "whole.json").read_bytes())


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A folder with a small model, and the content of its weights; the card lies there for others, too."""
    register_model("one", lambda channels: torch.nn.Conv2d(channels, 1, 3), stride=1, reach=1)
    folder = tmp_path_factory.mktemp("whole")
    card = replace(CARD, architecture="one", stride=1, reach=1)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_model(build_model("one"), folder / "whole.safetensors", card=card)
    (folder / "flipped.json").write_bytes((folder / "whole.json").read_bytes())
    yield folder, (folder / "whole.safetensors").read_bytes()
    forget_model("one")


def test_sent_files_leave_no_folder(tmp_path):
    files = model_files.ModelFiles(ModelRef("a", "../../escaped"), b"", b"")
    with pytest.raises(ModelError, match=r"^sha256 must be 64 hexadecimal digits, instead got sha256='../../escaped'$"):
        files.put(tmp_path)
    assert list(tmp_path.iterdir()) == []


def unsafe(source):
    """Calls that may run code of a file: torch.load without weights_only=True, and pickle."""
    for call in (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)):
        name = ast.unparse(call.func)
        safe = any(k.arg == "weights_only" and ast.unparse(k.value) == "True" for k in call.keywords)
        if (name == "torch.load" and not safe) or name in ("pickle.load", "pickle.loads", "joblib.load"):
            yield call.lineno


def test_nothing_unpickles():
    sources = {path: path.read_text(encoding="utf-8") for path in Path(insarflow.__file__).parent.rglob("*.py")}
    assert len(sources) > 200
    assert {str(path): lines for path, text in sources.items() if (lines := list(unsafe(text)))} == {}
    assert list(unsafe("import torch\ntorch.load(path)\ntorch.load(path, weights_only=False)\npickle.loads(x)")) == [
        2,
        3,
        4,
    ]
    assert list(unsafe("torch.load(path, weights_only=True)\nsafetensors.torch.load(x)")) == []


@pytest.mark.parametrize("function", [load_card, load_model, resolve_model])
def test_no_such_model(saved, tmp_path, function):
    path, _ = saved
    for source in ("defualt", str(tmp_path / "none.safetensors"), tmp_path, "a\0b"):
        with pytest.raises(ModelError, match=r"^model must be one of \['default'\] or the path of a .safetensors file"):
            function(source)
    path.with_suffix(".json").unlink()
    with pytest.raises(ModelError, match=r"small.safetensors must have its card beside it, but .*small.json does not"):
        function(path)
    with pytest.raises(TypeError, match=r"^model must be a name or the path of .*, instead got model=3 \(int\)$"):
        function(3)


def test_save_refuses_and_leaves_nothing(tmp_path, network):
    path = tmp_path / "new.safetensors"

    def refused(error, message, target=path, module=network, **changes):
        with pytest.raises(error, match=message):
            save_model(module, target, card=replace(CARD, **changes))
        assert list(tmp_path.iterdir()) == []

    refused(ModelError, r"^path must end in .safetensors", target=tmp_path / "new.pt")
    refused(ModelError, r"^path must end in .safetensors, in a folder", target=tmp_path / "none" / "new.safetensors")
    refused(ModelError, r"new.json: threshold must be", threshold=2.0)
    refused(ModelError, r"new.json: .* NaN is not JSON", scores={"f1": float("nan")})
    refused(ModelError, "^a model card must hold plain JSON values", scores={"f1": torch.zeros(1)})
    refused(ModelError, "does not hold the network its card names: tensor", channels=("cos", "sin"))
    refused(
        ModelError,
        "does not hold the network its card names: tensor 'bias' must be absent",
        module=torch.nn.Linear(1, 1),
    )
    with torch.no_grad():
        network.head.bias.fill_(torch.nan)
    refused(ModelError, "tensor 'head.bias' must be finite, but holds NaN or infinity")


def test_save_does_not_overwrite(saved, network):
    path, card = saved
    with pytest.raises(OutputExistsError, match=r"small.safetensors exists: pass overwrite=True"):
        save_model(network, path, card=CARD)
    path.unlink()
    with pytest.raises(OutputExistsError, match=r"small.json exists: pass overwrite=True"):
        save_model(network, path, card=CARD)
    assert save_model(network, path, card=CARD, overwrite=True) == card
