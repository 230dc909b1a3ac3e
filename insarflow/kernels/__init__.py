"""Loops: arrays in, arrays out; numba, serial, no globals."""
