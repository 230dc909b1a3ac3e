"""The data sets of the papers, as samples: ``image``, ``mask`` and ``valid`` by name."""
