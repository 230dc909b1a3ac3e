"""The data sets of the papers, as samples: ``image``, ``mask`` and ``valid`` by name, or ``label`` of a whole clip.

Each class reads its own layout. Where the data are missing the error tells where they are published, and under which
terms. ``write_...`` writes the same layout from data of one's own, ``simulate_...`` from the simulator.
"""

from insarflow.datasets.annotations import read_annotations
from insarflow.datasets.averaged import simulate_drs_unet, write_drs_unet
from insarflow.datasets.composites import composite
from insarflow.datasets.drs_unet import DRsUNet
from insarflow.datasets.extraction import extract_crops
from insarflow.datasets.grd import simulate_nava, write_nava
from insarflow.datasets.hephaestus import Hephaestus
from insarflow.datasets.isslide import ISSLIDE, simulate_isslide, write_isslide
from insarflow.datasets.isslide_raw import ISSLIDERaw, successive_pairs
from insarflow.datasets.nava import Nava
from insarflow.datasets.sim1 import Sim1
from insarflow.datasets.volcanoes import simulate_hephaestus, write_hephaestus

__all__ = [
    "ISSLIDE",
    "DRsUNet",
    "Hephaestus",
    "ISSLIDERaw",
    "Nava",
    "Sim1",
    "composite",
    "extract_crops",
    "read_annotations",
    "simulate_drs_unet",
    "simulate_hephaestus",
    "simulate_isslide",
    "simulate_nava",
    "successive_pairs",
    "write_drs_unet",
    "write_hephaestus",
    "write_isslide",
    "write_nava",
]
