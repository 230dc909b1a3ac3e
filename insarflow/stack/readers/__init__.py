"""One module per product family."""
