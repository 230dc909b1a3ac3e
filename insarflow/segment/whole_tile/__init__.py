"""What is done about layers that look at the whole tile: boxes instead, or windows that are blended."""
