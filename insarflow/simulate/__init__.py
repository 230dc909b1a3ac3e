"""Simulated mountain regions: interferogram stacks with known truth."""
