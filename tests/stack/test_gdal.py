import re

from insarflow.stack.gdal import gdal_versions


def test_versions_are_versions():
    facts = gdal_versions()
    assert set(facts) == {"gdal", "proj"}
    assert all(re.match(r"\d+\.\d+", text) for text in facts.values())
