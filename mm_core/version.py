"""The version of this core; plugins and saved models refer to it."""

__version__ = "0.1.0"
