"""Tags of tokens to spans of characters. numpy only.

Tag 0 is outside of all entities; ``1 + 2 * group`` begins one, ``2 + 2 * group`` goes on with it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

OUTSIDE = 0


def n_tags(groups: int) -> int:
    """Tags of that many groups; those of a further group come after all others."""
    return 1 + 2 * groups


def cut(tags: Any, scores: Any, mask: Any) -> dict[str, Any]:
    """``tags`` and ``scores`` as lists of B, of each row [n] those of its own tokens.

    Args:
        tags: [B, T], of numpy, or a tensor on the CPU.
        scores: likewise.
        mask: bool [B, T].
    """
    return {
        name: [row[there] for row, there in zip(values, mask, strict=True)]
        for name, values in (("tags", tags), ("scores", scores))
    }


def best(logits: Array) -> tuple[Array, Array]:
    """int64 and float32 [B, T], the best tag of each token and its probability.

    Args:
        logits: float [B, T, C].
    """
    apart = logits - logits.max(axis=2, keepdims=True)
    return logits.argmax(axis=2), 1.0 / np.exp(apart).sum(axis=2)


def spans_of(
    tags: Array, scores: Array, offsets: Array, threshold: float = 0.0
) -> tuple[list[list[int]], list[float]]:
    """First character, the one after the last, and group of each span, in the order of the text;
    and how sure each is: the mean over its tokens.

    A tag that goes on with nothing begins.

    Args:
        tags: int [T].
        scores: float [T], probability of each tag.
        offsets: int [T, 2], characters of each token; empty ones are those of special tokens.
        threshold: spans that are less sure are left out.
    """
    found: list[list[int]] = []
    sure: list[list[float]] = []
    last = -1  # the token before, without special ones
    for place in np.flatnonzero(offsets[:, 0] < offsets[:, 1]).tolist():
        start, end = offsets[place].tolist()
        before, last = last, place
        if tags[place] == OUTSIDE:
            continue
        group, inside = divmod(int(tags[place]) - 1, 2)
        after = before >= 0 and tags[before] != OUTSIDE and found[-1][2] == group
        if after and inside:
            found[-1][1] = max(end, found[-1][1])
            sure[-1].append(float(scores[place]))
        else:
            found.append([start, end, group])
            sure.append([float(scores[place])])
    means = [float(np.mean(one)) for one in sure]
    kept = [place for place, mean in enumerate(means) if mean >= threshold]
    return [found[place] for place in kept], [means[place] for place in kept]
