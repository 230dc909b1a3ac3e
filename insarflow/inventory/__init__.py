"""Probability of slope movement -> an inventory of moving slopes: summary over the pairs, polygons, table, file."""
