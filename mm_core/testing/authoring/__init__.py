"""Tools for authors of plugins: new ones from templates, and what is wrong with those there are."""
