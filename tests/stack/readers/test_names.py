from pathlib import PurePath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from insarflow.stack.readers.names import parse_name

JAN6, JAN30 = np.datetime64("2018-01-06", "ns"), np.datetime64("2018-01-30", "ns")
PAIR = (JAN6, JAN30)


@pytest.mark.parametrize(
    ("path", "role", "dates"),
    [
        ("d/unw/cropA_20180106-20180130_VV_8rlks_eqa_unw.tif", "unwrapped", PAIR),
        ("d/coh/cropA_20180106-20180130_VV_8rlks_flat_eqa_cc.tif", "coherence", PAIR),
        ("d/ifg_20180106_20180130/phi_vv.tif", "phase", PAIR),
        ("d/ifg_20180106_20180130/amp_prm_vv.tif", "amplitude", PAIR),
        ("d/ifg_20180106_20180130/amp_sec_vv.tif", None, PAIR),
        ("GEOC/20180106_20180130/20180106_20180130.geo.unw.tif", "unwrapped", PAIR),
        ("GEOC/20180106_20180130/20180106_20180130.geo.diff_pha.tif", "phase", PAIR),
        ("GEOC/20180106_20180130/20180106_20180130.geo.cc.tif", "coherence", PAIR),
        ("x/S1AA_20180106T063730_20180130T063731_VVP024_INT40_G_ueF_12AB_unw_phase.tif", "unwrapped", PAIR),
        ("x/S1AA_20180106T063730_20180130T063731_VVP024_INT40_G_ueF_12AB_wrapped_phase.tif", "phase", PAIR),
        ("x/S1AA_20180106T063730_20180130T063731_VVP024_INT40_G_ueF_12AB_corr.tif", "coherence", PAIR),
        ("x/S1AA_20180106T063730_20180130T063731_VVP024_INT40_G_ueF_12AB_lv_phi.tif", None, PAIR),
        ("x/S1AA_20180106T063730_20180130T063731_VVP024_INT40_G_ueF_12AB_dem.tif", "dem", PAIR),
        ("x/S1AA_20180106T063730_20180130T063731_VVP024_INT40_G_ueF_12AB_vert_disp.tif", None, PAIR),
        ("24days/SW1/phase/IW1_VV_06Jan2018_30Jan2018_pha.tif", "phase", PAIR),
        ("24days/SW1/coherence/IW1_VV_06Jan2018_30Jan2018.tif", "coherence", PAIR),
        ("d/2018-01-06_2018-01-30.int.tif", "phase", PAIR),
        ("d/20180106-20180130_cor.TIF", "coherence", PAIR),
        ("d/cropA_T005A_dem.tif", "dem", None),
        ("d/frame.geo.hgt.tif", "dem", None),
        ("dem/dem-b1-s1a-iw2-slc-vv-20230904t063732-20230904t063757-050174-0609e3-005.tiff", "dem", None),
        ("tif/geo_180106-180130_unw.tif", "unwrapped", PAIR),
        ("d/diff_180106_180130_4rlks.tif", "phase", PAIR),
        ("d/991306-180130_unw.tif", "unwrapped", None),
        ("d/124D_04854_171313_20180106_20180130.unw.tif", "unwrapped", PAIR),
        ("dem/roipac_trimmed.tif", "dem", None),
        ("expected_pyrate/coh_mean.tif", None, None),
        ("expected_pyrate/dem_error.tif", None, None),
        ("d/20180106-20180130_ifg_20_dem_error.tif", None, PAIR),
        ("d/ifg_20180106_20180130/mask.tif", None, PAIR),
        ("d/ifg_20180106_20180130/20180106_20180130.tif", None, PAIR),
        ("d/ifg_20180106_20180130/20180106_amp.tif", "amplitude", None),
        ("d/20180106_20180130_20190101_unw.tif", "unwrapped", None),
        ("d/20181306_20180130_unw.tif", "unwrapped", None),
        ("d/120180106_20180130_unw.tif", "unwrapped", None),
        ("d/20180106_20180106_unw.tif", "unwrapped", None),
        ("d/20180130_20180106_unw.tif", "unwrapped", (JAN30, JAN6)),
    ],
)
def test_names_of_the_products(path, role, dates):
    name = parse_name(PurePath(path))
    assert (name.role, name.dates) == (role, dates)
    assert name.snap == ("Jan" in path)


@pytest.mark.parametrize(
    ("path", "swath"),
    [
        ("d/6days/SW1/phase/Queyras_IW1_30Oct2018_05Nov2018.tif", 1),
        ("d/6days/SW2/phase/Queyras_30Oct2018_05Nov2018.tif", 2),
        ("d/SW1/phase/Queyras_IW3_30Oct2018_05Nov2018.tif", 3),
        ("d/SW1/phase/Queyras_IW1_IW2_30Oct2018_05Nov2018.tif", 1),
        ("d/phase/S1A_IW_30Oct2018_05Nov2018.tif", None),
        ("d/phase/view1_30Oct2018_05Nov2018.tif", None),
    ],
)
def test_swaths(path, swath):
    assert parse_name(PurePath(path)).swath == swath


def test_a_day_that_is_told_twice():
    name = "phase/S1A_IW_SLC__1SDV_20181030T172812_20181030T172839_Stack_IW1_30Oct2018_05Nov2018.tif"
    assert [str(day)[:10] for day in parse_name(PurePath(name)).dates] == ["2018-10-30", "2018-11-05"]


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_name_is_some_name(folder, stem):
    parse_name(PurePath(folder, stem + ".tif"))
