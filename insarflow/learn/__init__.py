"""Networks, training, weights."""
