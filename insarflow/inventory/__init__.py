"""Probability of slope movement -> an inventory of moving slopes: summary over the pairs, polygons, table, file."""

from insarflow.inventory.polygons import vectorise
from insarflow.inventory.summary import summarise
from insarflow.inventory.table import inventory
from insarflow.inventory.write import write_inventory

__all__ = ["inventory", "summarise", "vectorise", "write_inventory"]
