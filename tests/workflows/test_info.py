import json

import numpy as np

import insarflow
from insarflow.stack.export.geotiff import write_geotiff
from insarflow.workflows.info import describe_source


def test_facts_of_a_simulation(stored_region, region):
    facts = describe_source(stored_region)
    assert json.loads(json.dumps(facts)) == facts
    assert facts["source"] == str(stored_region)
    assert facts["interferograms"] == len(facts["pairs"]) == 6
    assert facts["delays_days"] == [6, 12, 18]
    assert facts["size_gb"] == round(6 * 160 * 192 * 12 / 1e9, 3)
    assert facts["chunks"] == [160, 192]
    assert facts["track"] is None
    first = facts["pairs"][0]
    assert first["pair"] == "20210703_20210709"
    assert first["mean_coherence"] == round(float(region[0]["coherence"][0, 0].mean(dtype=float)), 9)


def test_fast_computes_no_image(stored_region, forbid_compute):
    with forbid_compute():
        facts = describe_source(stored_region, fast=True)
    full = describe_source(stored_region)
    assert facts.keys() == full.keys()
    assert {p["mean_coherence"] for p in facts["pairs"]} == {p["valid_fraction"] for p in facts["pairs"]} == {None}
    assert [p["pair"] for p in facts["pairs"]] == [p["pair"] for p in full["pairs"]]
    assert facts["incidence_deg"] is None


def test_a_part_and_its_track(stored_region):
    facts = describe_source(stored_region, selection={"delays": ["12D"], "track": 66})
    assert facts["delays_days"] == [12]
    assert facts["interferograms"] == 2
    assert facts["track"] == 66


def test_several_sources(tmp_path, region):
    sources = []
    for name in ("20210703_20210709", "20210709_20210715"):
        pair = insarflow.Pair.parse(name)
        igram = region[0]["igram"].sel(date=pair.reference, delay=pair.delay)
        sources.append(tmp_path / f"{name}_unw.tif")
        write_geotiff({sources[-1]: igram.copy(data=np.angle(igram.values))})
    facts = describe_source([sources[0], str(sources[1])])
    assert facts["source"] == [str(one) for one in sources]
    assert facts["interferograms"] == 2
    assert facts["pairs"][0]["mean_coherence"] is None
