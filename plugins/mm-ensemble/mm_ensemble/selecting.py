"""Weights of members by greedy selection (Caruana et al. 2004). Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence


def select(
    names: Sequence[str], score: Callable[[Mapping[str, int]], float], steps: int
) -> dict[str, float]:
    """Name -> weight; they sum to 1, and members of weight 0 are left out.

    Begins with the best member, and adds at each step the one with which the mean of all that were
    added is best, be it added before or not. What is kept is the best of all these means, the
    shortest of equals: never worse than the best member, on the rows that are scored.

    Args:
        names: of the members.
        score: (name -> times it counts) -> greater is better; -inf where it is not defined.
        steps: members that are added, at most.
    """
    known: dict[tuple[int, ...], float] = {}

    def scored(counts: Sequence[int]) -> float:
        key = _reduced(counts)
        if key not in known:
            known[key] = score({name: n for name, n in zip(names, key, strict=True) if n})
        return known[key]

    counts = [0] * len(names)
    best, kept = -math.inf, counts
    for _ in range(steps):
        tried = [[n + (place == at) for place, n in enumerate(counts)] for at in range(len(names))]
        counts = max(tried, key=scored)
        if scored(counts) > best or not any(kept):
            best, kept = scored(counts), counts
    total = sum(kept)
    return {name: n / total for name, n in zip(names, kept, strict=True) if n}


def _reduced(counts: Sequence[int]) -> tuple[int, ...]:
    """The same mean by the smallest numbers: it is scored once."""
    common = math.gcd(*counts)
    return tuple(n // common for n in counts)
