import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from benchmarks import baselines, simulate, texture
from benchmarks.__main__ import main
from benchmarks.kernels import grids, resample
from insarflow.kernels import coherence, decorrelate, goldstein, interferogram, multilook, residues
from insarflow.kernels.noise import complex_noise
from insarflow.ops.presets import PRESETS
from insarflow.simulate.processing import PROCESSING
from insarflow.types import Looks, Window

CITY = Path(__file__).parents[2] / "shared" / "data" / "mexico-city-s1-stack"


def test_benchmarks_run_at_small_size(capsys):
    rows = main(["--size", "128", "--runs", "1", "--json"])
    printed = json.loads(capsys.readouterr().out)
    assert [r["name"] for r in printed] == [r["name"] for r in rows]
    assert {"goldstein 32/16 alpha 0.5", "multilook 8 x 2", "coherence 5 x 5", "segment, whole line"} <= {
        r["name"] for r in rows
    }
    for row in rows:
        assert row["mpx_per_s"] > 0
        assert row["of_copy"] > 0
        assert row["baselines"]
        assert all(b["ratio"] > 0 for b in row["baselines"])


def test_tables_are_printed(capsys):
    main(["kernels", "first", "--size", "64", "--runs", "1", "--only", "residues"])
    table, first = capsys.readouterr().out.split("\n\n")[1:]
    assert [line.split()[0] for line in table.splitlines()] == ["1", "residues"]
    assert [line.split()[0] for line in first.splitlines()] == ["first", "residues"]
    with pytest.raises(SystemExit):
        main(["kernel"])
    assert (
        "there is no table kernel: choose some of kernels, segment, stream, memory, first, graphs, store, simulate, "
        "texture" in capsys.readouterr().err
    )


def test_graphs_at_small_size(capsys):
    rows = {row["name"]: row for row in main(["graphs", "--size", "300", "--json"])}
    assert json.loads(capsys.readouterr().out) == list(rows.values())
    assert rows["goldstein, its pairs"]["tasks"] == rows["goldstein, its pairs"]["blocks"] + 1 == 9
    assert rows["goldstein, all cells of the cube"]["tasks"] == 6 * 4 + 1
    assert rows["goldstein, dask's map_overlap"]["tasks"] > rows["goldstein, all cells of the cube"]["tasks"]
    for name in ("goldstein baran03", "coherence of two images"):
        row = rows[f"3 pairs, {name}"]
        assert row["tasks"] <= 1.3 * row["blocks"] + 1


def test_streams_at_small_size(capsys):
    (row,) = main(["stream", "--size", "128", "--runs", "1", "--only", "default", "--json"])
    assert json.loads(capsys.readouterr().out) == [row]
    assert row["ratio"] == pytest.approx(row["mpx_per_s"] / row["bare"])
    assert row["read"] == 1.0
    main(["stream", "--size", "128", "--runs", "1", "--only", "default"])
    assert "default, float32" in capsys.readouterr().out


def test_memory_at_small_size(capsys):
    rows = main(["memory", "--size", "64", "--runs", "1", "--json"])
    assert json.loads(capsys.readouterr().out) == rows
    assert [row["name"] for row in rows] == ["1 x 64 x 64, thin", "1 x 128 x 128, thin"]
    assert all(row["peak"] > 1e8 and row["disk"] > 1e3 for row in rows)


def test_store_at_small_size(capsys):
    rows = {row["name"]: row for row in main(["store", "--size", "128", "--runs", "1", "--json"])}
    assert json.loads(capsys.readouterr().out)[-1] == rows["kills"]
    assert rows["kills"]["damaged"] == 0
    assert rows["kills"]["kills"] == 3
    assert rows["build 6 pairs"]["ratio"] > 0
    assert (
        rows["phase int16, zstd 1, bytes"]["bytes_per_px"] < 3 < rows["igram complex64, zstd 0, plain"]["bytes_per_px"]
    )


def test_simulate_at_small_size(capsys):
    rows = main(["simulate", "--size", "128", "--runs", "1", "--only", "isslide", "--json"])
    assert json.loads(capsys.readouterr().out) == rows
    (rate,) = rows
    assert rate["name"] == "isslide"
    assert min(rate["alone"], rate["scene"], rate["scipy"]) > 0
    assert set(simulate.PIXELS) == set(PROCESSING)


def test_texture_without_a_product_is_skipped(capsys):
    assert main(["texture"]) == []
    assert "texture: skipped, no product given" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["texture", "--real", "sea=folder"])
    assert "there is no kind sea: write --real plain=FOLDER" in capsys.readouterr().err


def test_texture_at_small_size(tmp_path, capsys):
    if not CITY.is_dir():
        pytest.skip("the real stack is not here")
    rows = main(["texture", "--size", "32", "--real", f"city={CITY}", "--figure", str(tmp_path / "alike.png")])
    table = capsys.readouterr().out
    assert [row["name"] for row in rows] == [
        "city, real - city, simulated 1", "city, real - city, simulated 2", "city, simulated 1 - city, simulated 2"
    ]  # fmt: skip
    assert all(row["name"] in table for row in rows)
    assert all(0 < row["coherence"] <= 1 and 0 < row["gradient"] <= 1 for row in rows)
    assert 0 < (tmp_path / "alike.png").stat().st_size < 300_000


def test_textures_tell_smooth_from_rough_ones():
    noise = complex_noise(Window(0, 0, 128, 128), width=128, seed=3, stream=0)
    gamma = np.full(noise.shape, 0.75, np.float32)
    rough = texture.texture(np.exp(0.6j * noise.real), gamma)
    smooth = texture.texture(np.exp(0.6j * baselines.uniform_filter(noise.real, 3) * 3), gamma)
    same = texture.agreement("same", rough, rough)
    assert (same.coherence, same.gradient) == (pytest.approx(1.0), pytest.approx(1.0, abs=2e-2))
    assert (same.spectrum, same.rough, same.correlation) == (0.0, 0.0, 0.0)
    other = texture.agreement("other", rough, smooth)
    assert rough.rough[7] == pytest.approx(0.6 * noise.real.std(), rel=0.05)
    assert smooth.correlation[:, 1] == pytest.approx([2 / 3, 2 / 3], abs=0.1)
    assert np.abs(rough.correlation[:, 1:]).max() < 0.05
    assert other.gradient < 0.9
    assert other.spectrum > 3.0
    assert other.correlation > 0.5


def test_baselines_compute_the_same():
    z, other = (complex_noise(Window(0, 0, 128, 128), width=128, seed=1, stream=k) for k in (0, 1))
    inner = np.s_[32:-32, 32:-32]
    ours = goldstein.goldstein(z, patch_size=32, step=16, alpha=0.5, amplitude="filter")
    np.testing.assert_allclose(ours[inner], baselines.goldstein(z)[inner], rtol=1e-3, atol=1e-2)
    np.testing.assert_allclose(ours[inner], baselines.goldstein_loop(z)[inner], rtol=1e-3, atol=1e-2)
    ours = goldstein.goldstein(z, **asdict(PRESETS["snap_legacy"]))
    np.testing.assert_allclose(ours, baselines.goldstein_snap(z), atol=1e-5 * np.abs(ours).max())
    np.testing.assert_allclose(multilook.multilook(z, looks=Looks(8, 2)), baselines.multilook(z, 8, 2), atol=1e-6)
    ours = coherence.coherence(z, other, window=Looks(5, 5))
    np.testing.assert_allclose(ours[inner], baselines.coherence(z, other, 5)[inner], atol=1e-5)
    ours = coherence.phase_coherence(z, window=Looks(5, 5))
    np.testing.assert_allclose(ours[inner], baselines.phase_coherence(z, 5)[inner], atol=1e-5)
    np.testing.assert_allclose(baselines.xarray_multilook(z, 8, 2), baselines.multilook(z, 8, 2), atol=1e-6)
    smooth = np.exp(1j * np.linspace(0, 20, 128 * 128).reshape(128, 128).T).astype(np.complex64)
    for method in ("bilinear", "cubic"):
        ours, theirs = (f(smooth, *grids(128), method) for f in (resample, baselines.resample))
        both = ~np.isnan(ours) & ~np.isnan(theirs)
        assert both.mean() > 0.9
        np.testing.assert_allclose(ours[both], theirs[both] / np.abs(theirs[both]), atol=0.02)
    turn = np.float32(20) * np.angle(other)
    for phase in ((), (turn,)):
        pair = interferogram.interferogram(z, other, *phase, looks=Looks(8, 2))
        theirs = baselines.interferogram(z, other, 8, 2, *phase)
        np.testing.assert_allclose(pair["igram"], theirs[0], atol=1e-5)
        np.testing.assert_allclose(pair["coherence"], theirs[1], atol=1e-5)
    np.testing.assert_array_equal(residues.residues(z)[:-1, :-1], baselines.residues(z))
    gamma = np.full(z.shape, 0.7, np.float32)
    ours = decorrelate.decorrelate(z, gamma, factor=0.6, looks=12, seed=1)
    theirs = baselines.decorrelate(z, gamma, 0.6, 12)
    assert np.abs(ours).mean() == pytest.approx(np.abs(theirs).mean(), rel=0.02)


def test_a_season_is_scored_and_drawn(tmp_path, capsys):
    (rows,) = main(["season", "--size", "160", "--seed", "1", "--figure", str(tmp_path / "season.png"), "--json"])
    assert rows == json.loads(capsys.readouterr().out)
    assert list(rows) == ["ascending", "descending", "both"]
    for row in rows.values():
        assert row["slopes"] > 0
        assert row["found"] + row["false"] == row["outlines"]
        assert 0.0 <= row["recall"] <= 1.0
    assert (tmp_path / "season.png").stat().st_size > 10_000


def test_networks_are_trained_scored_and_kept(sim1, tmp_path, capsys):
    given = ["networks", "--data", str(sim1), "--out", str(tmp_path), "--patches", "24", "--epochs", "1"]
    given += ["--scenes", "2", "--networks", "resunet"]
    (row,) = main([*given, "--json"])
    assert json.loads(capsys.readouterr().out.replace("NaN", "null"))[0]["network"] == "resunet"
    assert (row["network"], row["parameters"]) == ("resunet", 100_849)
    assert row["multiply_adds"] > 1e6
    assert row["patches_per_s"] > 0
    assert set(row["scores"]) == {"test"}
    assert {"all", "6", "12", "18", "season"} == set(row["scores"]["test"])
    (again,) = main([*given, "--minutes", "0"])
    assert again == row  # nothing is trained again
    printed = capsys.readouterr().out
    assert "1 epochs of 24 patches, 1 steps of 24" in printed
    assert [line.split()[:2] for line in printed.splitlines()[-5:]] == [
        ["resunet", of] for of in ("all", "6", "12", "18", "season")
    ]
    with pytest.raises(SystemExit, match="holds rows of another budget"):
        main([*given, "--epochs", "2"])


def test_networks_that_take_too_long_are_not_run(sim1, tmp_path, capsys):
    given = ["networks", "--data", str(sim1), "--out", str(tmp_path), "--minutes", "0", "--networks", "phase-contrast"]
    (row,) = main(given)
    assert not row["scores"]
    assert row["hours"] == pytest.approx(1000 * 24 / row["patches_per_s"] / 3600)
    printed = capsys.readouterr()
    assert "phase-contrast: not run" in printed.err
    assert "not run" in printed.out
    assert main([*given]) == [row]
    with pytest.raises(SystemExit):
        main([*given, "--patches", "25"])
    assert "--patches must be a multiple of 24, instead got 25" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="is not downloaded for you"):
        main([*given[:2], str(tmp_path / "none"), *given[3:-3], "--minutes", "60", "--networks", "resunet"])
