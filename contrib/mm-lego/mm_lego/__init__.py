"""MM-Lego, arXiv 2405.19950: models of single modalities, merged."""
