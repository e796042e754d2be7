"""For every test of core and plugins: no network, quiet threads, real failures on our warnings."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

GUARD = Path(__file__).parent / "tests" / "guard"
sys.path.insert(0, str(GUARD))

import sitecustomize  # noqa: E402  (blocks sockets in this process)

settings.register_profile("fixed", derandomize=True)
settings.load_profile("fixed")  # a test that fails once fails again

_OTHER_HEADS = r"fusion_head-(?!gmu-|cross_attention-|modality_dropout-)\S+-"

DEAR = re.compile(
    "|".join(
        (
            r"test_defects\.py::test_a_defect_fails_its_own_check\[command-",
            r"test_new\.py::test_new_packages_pass_their_own_tests_and_the_kit\[[123]\]",
            r"mm-fusion/\S*::.*\[command-cache",
            r"mm-fusemix/\S*::.*\[(task|fitter)-\S*-(learns_end_to_end|answers_every_row_in_order)",
            r"test_tabicl_conformance\.py::test_conformance\[fitter-in_context-learns_end_to_end\]",
            r"test_(detection|onnx|tune)_conformance\.py::test_conformance\[command-",
            r"mm-compare/\S*::test_conformance\[command-compare-",
            r"test_segmentation_conformance\.py::.*\[task-semantic_segmentation-learns_end_to_end\]",
            r"test_sam\.py::test_it_learns_masks_without_any_prompt\[sam2\]",
            r"mm-lego/\S*::.*\[fusion_head-fuse-(fits_end_to_end|answers_the_same_after_saving)",
            r"test_processes\.py::test_a_script_is_run_by_each_process",
            r"test_undefined_metric\.py::test_several_processes_do_without_a_score",
            r"test_detection_conformance\.py::.*\[task-(object|instance)_\w+-learns_end_to_end\]",
            r"test_detection_conformance\.py::.*\[metric-segm_map(_\d+-|-details)",
            r"test_onnx_conformance\.py::.*\[exporter-onnx-exports_the_same_in_a_new_process\]",
            r"test_matching_conformance\.py::.*\[task-image_text_similarity-learns_end_to_end\]",
            r"::test_conformance\[fusion_head-(?!cross_attention-)\S+-exports_with_free_rows\]",
            r"mm-trees/.*\[\w+-hist_gradient_boosting-(learns_end_to_end|reads_back_the_same)\]",
            r"test_trees\.py::test_a_(class|label)_that_a_fold_lacks_\w+\[hist_gradient_boosting\]",
            r"test_trees\.py::test_inspect_and_importances_\w+\[hist_gradient_boosting\]",
            rf"mm-fusion/\S*::.*\[{_OTHER_HEADS}(fits_end_to_end|answers_the_same_after_saving)",
        )
    )
)
"""Tests of ten seconds and more, and of many that start a process: fast ones try the same kind."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """They are slow: marked before pytest leaves out what is."""
    for item in items:
        if DEAR.search(item.nodeid):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True, scope="session")
def _no_network_in_subprocesses() -> None:
    """Python processes that tests start are guarded too, and no hub answers from a cache."""
    path = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = f"{GUARD}{os.pathsep}{path}" if path else str(GUARD)
    os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture
def guard() -> type[Exception]:
    """The error that a blocked socket raises."""
    return sitecustomize.NetworkBlockedError


@pytest.fixture(autouse=True, scope="session")
def _full_precision_on_a_card() -> Iterator[None]:
    """On a machine with a card too, equal is equal up to rounding: float32, and no TF32."""
    if shutil.which("nvidia-smi") is None:  # torch is not imported for the question
        yield
        return
    import torch

    from mm_core.network import precision

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(precision, "_has_bf16", lambda: False)
        patch.setattr(torch.backends.cudnn, "allow_tf32", False)
        yield


@pytest.fixture
def on_cpu() -> Iterator[None]:
    """For tests that mean the CPU, and its batches: no card, where there is one."""
    with _no_card():
        yield


@pytest.fixture(scope="module")
def module_on_cpu() -> Iterator[None]:
    """As :func:`on_cpu`, for fixtures of a module too."""
    with _no_card():
        yield


@contextmanager
def _no_card() -> Iterator[None]:
    import torch

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: False)
        patch.setattr(torch.cuda, "device_count", lambda: 0)
        yield
