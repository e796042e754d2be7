"""A further fit of a merged model that is killed is taken up again."""

from __future__ import annotations

import os
import signal

import lightning.pytorch as pl
import numpy as np
import pytest
import torch

from mm_core import MultiModalPredictor


class _Killer(pl.Callback):
    def on_train_batch_end(self, trainer, module, outputs, batch, index):
        if index == 1:
            os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.skipif(
    not hasattr(os, "fork") or torch.cuda.is_available(), reason="forks, which a GPU survives not"
)
@pytest.mark.parametrize("merge", [True, False])
def test_it_starts_from_the_merged_weights(numbers, fit, tmp_path, merge):
    torch.set_num_threads(1)
    path = fit(numbers, "lora").save(tmp_path / "model")

    def predictor():
        found = MultiModalPredictor.load(path, verbosity=0)
        return found.merge_adapters() if merge else found

    settings = {"training.save_every": 0.0, "training.batch_size": 8}
    whole = predictor().fit(numbers.frame, hyperparameters=settings)
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        further = predictor()
        further.path = path
        further.fit(numbers.frame, hyperparameters=settings, callbacks=_Killer())
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    again = MultiModalPredictor.load(path, resume=True, verbosity=0).fit(numbers.frame)
    assert (again.recipe.backbones[numbers.name].adapter is None) == merge
    found, wanted = (one.predict_proba(numbers.frame).to_numpy() for one in (again, whole))
    np.testing.assert_allclose(found, wanted, atol=1e-6)
