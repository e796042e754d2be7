"""Plugins: find (metadata only), load (one by one), look up."""

from mm_core.plugins.loading import Plugin, PluginProblem
from mm_core.plugins.registry import Component, Registry, default_registry

__all__ = ["Component", "Plugin", "PluginProblem", "Registry", "default_registry"]
