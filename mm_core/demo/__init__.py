"""``mm demo``: two real tasks from end to end, with an honest table of scores."""

from mm_core.demo.run import demo

__all__ = ["demo"]
