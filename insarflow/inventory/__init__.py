"""Probability of slope movement -> an inventory of moving slopes: outlines, what a stack tells of them, files.

`inventory` makes one; `measure` measures outlines that are there, and `select_slopes` keeps those that meet `Criteria`;
`fuse` joins those of two orbits, `track` follows slopes from one to the next, `evaluate` compares with a reference;
`read_inventory` and `write_inventory` are its files.
"""

from insarflow.inventory.criteria import Criteria, select_slopes
from insarflow.inventory.evaluate import evaluate
from insarflow.inventory.fusion import fuse
from insarflow.inventory.measure import measure
from insarflow.inventory.polygons import vectorise
from insarflow.inventory.read import read_inventory
from insarflow.inventory.summary import summarise
from insarflow.inventory.table import inventory
from insarflow.inventory.write import write_inventory

__all__ = [
    "Criteria",
    "evaluate",
    "fuse",
    "inventory",
    "measure",
    "read_inventory",
    "select_slopes",
    "summarise",
    "vectorise",
    "write_inventory",
]
