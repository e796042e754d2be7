"""What may be imported: :func:`compare`, and the test that it reports."""

from mm_compare.comparing import Compared, compare
from mm_compare.tests_of_differences import corrected_t_test, holm

__all__ = ["Compared", "compare", "corrected_t_test", "holm"]
