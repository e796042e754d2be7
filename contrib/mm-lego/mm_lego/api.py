"""What may be imported: models as one."""

from mm_lego.merging import merge, merged_model

__all__ = ["merge", "merged_model"]
