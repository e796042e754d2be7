"""What every task keeps, on the sample labels."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from inspect import signature
from typing import Any

import numpy as np
import pandas as pd
import torch

from mm_core.api.errors import LabelError
from mm_core.api.processors import State
from mm_core.api.specs import MetricSpec, TaskSpec
from mm_core.api.tasks import Decoded, Task
from mm_core.plugins.offered import default_options
from mm_core.predictor import MultiModalPredictor
from mm_core.scoring import Metrics
from mm_core.testing import end_to_end
from mm_core.testing.alike import alike, plain
from mm_core.testing.checks.methods import expect_own_name
from mm_core.testing.chosen import expect_settings_exist
from mm_core.testing.columns import Folder
from mm_core.testing.outcome import CheckError, NotTried, expect
from mm_core.testing.sampled import each_built, job_of, learned, new_task, sample_of
from mm_core.testing.stubs import predicted, rows_of
from mm_core.testing.subject import Subject
from mm_core.testing.torchless import expect_loads, no_torch

Component = Subject[TaskSpec]

LATE_FUSION = TaskSpec.model_fields["topology"].default
_STEPS = 300
_ROWS = 7


def check_encodes_every_label(subject: Component) -> None:
    """Targets have one entry per row."""
    task, frame = _labelled(subject)
    for name, values in task.encode(frame).items():
        expect(len(values) == len(frame), f"{name} has {len(values)} entries, not {len(frame)}")


def check_decodes_its_best_output(subject: Component) -> None:
    """The output that minimises the loss is decoded to the labels themselves."""
    _need_logits(subject)
    task, frame = learned(subject)
    answer = _best(subject).answer
    for name in frame:
        _expect_labels(answer[name], frame[name])
    expect(list(answer) == list(task.label), f"answer has {list(answer)}, not {list(task.label)}")


def check_answers_every_row_in_order(subject: Component) -> None:
    """One answer per row; rows in another order get their answers in that order."""
    task, outputs, meta = _outputs(subject)
    order = torch.tensor([3, 0, 6, 1])
    whole = task.decode(outputs, meta, default_options(subject.component))
    some = task.decode(
        rows_of(outputs, order), rows_of(meta, order), default_options(subject.component)
    )
    _expect_rows(whole, _ROWS)
    _expect_rows(some, len(order))
    left = plain(some.answer.to_numpy())
    right = plain(whole.answer.iloc[order.tolist()].to_numpy())
    expect(
        alike(left, right),
        f"rows {order.tolist()} alone are {left}, and {right} among {_ROWS}",
    )


def check_answers_without_torch(subject: Component) -> None:
    """``decode`` imports no torch, nor does the module of the task, unless it is of one file."""
    expect_loads(subject)
    task, outputs, meta = _outputs(subject)
    with no_torch("decode"):
        task.decode(outputs, meta, default_options(subject.component))


def check_decodes_in_parts_as_in_whole(subject: Component) -> None:
    """Answers, views and probabilities of a batch do not depend on the rows of other batches."""
    task, outputs, meta = _outputs(subject)
    whole = task.decode(outputs, meta, default_options(subject.component))
    for start, stop in ((0, 2), (2, _ROWS)):
        rows = torch.arange(start, stop)
        part = task.decode(
            rows_of(outputs, rows), rows_of(meta, rows), default_options(subject.component)
        )
        for name, got, want in _decoded(part, whole):
            expect(
                alike(got, want[start:stop]),
                f"{name} of rows {start} to {stop - 1} are {plain(got)} alone, and "
                f"{plain(want[start:stop])} among {_ROWS}",
            )


def _decoded(part: Decoded, whole: Decoded) -> Iterator[tuple[str, Any, Any]]:
    """Name, what stands in the one, what in the other, rows first."""
    yield "answers", part.answer.to_numpy(), whole.answer.to_numpy()
    for name, view in whole.views.items():
        yield f"views[{name!r}]", _rows_first(part.views[name]), _rows_first(view)
    if part.proba is not None and whole.proba is not None:
        yield "proba", part.proba.to_numpy(), whole.proba.to_numpy()


def _rows_first(view: Any) -> Any:
    """A frame as its values: its index tells of positions."""
    return view.to_numpy() if isinstance(view, pd.DataFrame) else view


def _outputs(subject: Component) -> tuple[Task, dict[str, Any], dict[str, Any]]:
    """Outputs and meta of some rows, as ``decode`` reads them: made up, or of its topology."""
    if subject.spec.topology == LATE_FUSION and not sample_of(subject).columns:
        task, _ = learned(subject)
        made_up = np.random.default_rng(0).normal(size=(_ROWS, task.output_dim))
        return task, {"logits": made_up.astype(np.float32)}, {}
    built, _ = next(each_built(subject))
    some = built.rows(list(range(_ROWS)))
    return built.topology.task, predicted(replace(built, batch=some)), some.meta


def check_saves_answers_as_files(subject: Component) -> None:
    """Answers as files: in parts as in whole, rows and columns those of the answers."""
    if subject.spec.saves is None:
        raise NotTried("its answers go into a table")
    task, outputs, meta = _outputs(subject)
    answer = task.decode(outputs, meta, default_options(subject.component)).answer
    save = subject.component.load("saves")
    whole, parts = Folder(), Folder()
    rows = np.arange(_ROWS) + 3
    saved = save(answer, rows, whole.path)
    expect(list(saved) == list(answer), f"columns {list(saved)}, not {list(answer)}")
    expect(len(saved) == _ROWS, f"{len(saved)} rows for {_ROWS}")
    some = [
        save(answer.iloc[part].reset_index(drop=True), rows[part], parts.path)
        for part in (np.array([5, 2]), np.array([0, 1, 3, 4, 6]))
    ]
    again = pd.concat(some).to_numpy()[[2, 3, 1, 4, 5, 0, 6]]
    same = alike(plain(again), plain(saved.to_numpy()))
    expect(same, f"in parts {plain(again)}, in whole {plain(saved.to_numpy())}")
    contents = [
        {str(one.relative_to(at)): one.read_bytes() for one in at.rglob("*") if one.is_file()}
        for at in (whole.path, parts.path)
    ]
    expect(contents[0], "no file is written")
    expect(contents[0] == contents[1], "files of rows differ by the rows that are saved with them")


def check_offers_what_there_is(subject: Component) -> None:
    """Options and methods exist, under no name of the predictor's; settings of processors too."""
    taken = set(signature(MultiModalPredictor.predict).parameters)
    options = set(subject.component.config_class("options").model_fields)
    expect(not options & taken, f"options {sorted(options & taken)} are arguments of predict")
    for method in subject.spec.methods:
        expect_own_name(subject.component, method)
    expect_settings_exist(subject.spec.defaults, subject.registry)


def check_keeps_the_labels_dtype(subject: Component) -> None:
    """Answers have the dtype of the labels."""
    _need_logits(subject)
    _, frame = learned(subject)
    answer = _best(subject).answer
    for name in frame:
        kinds = [pd.api.types.infer_dtype(column) for column in (frame[name], answer[name])]
        expect(kinds[0] == kinds[1], f"labels of {name!r} are {kinds[0]}, answers {kinds[1]}")


def check_writes_the_truth_as_its_answers(subject: Component) -> None:
    """What it says the true answers are, is the labels, in their dtype, as its answers are."""
    task, frame = _labelled(subject)
    written = task.true_answer(task.encode(frame))
    if written is None:
        raise NotTried("true_answer is not overridden: the labels are taken as given")
    expect(list(written) == list(task.label), f"columns {list(written)}, not {list(task.label)}")
    for name in frame:
        _expect_labels(written[name], frame[name])
        kinds = [pd.api.types.infer_dtype(column) for column in (frame[name], written[name])]
        expect(kinds[0] == kinds[1], f"labels of {name!r} are {kinds[0]}, true ones {kinds[1]}")


def check_comes_back_from_its_state(subject: Component) -> None:
    """From JSON and arrays alone it encodes as before."""
    task, frame = _labelled(subject)
    state = task.state()
    values = json.loads(json.dumps(state.values))
    again = type(task).from_state(
        subject.config, task.label, State(values, dict(state.arrays), dict(state.assets))
    )
    expect(again.output_dim == task.output_dim, f"output_dim becomes {again.output_dim}")
    for name, want in task.encode(frame).items():
        got = again.encode(frame)[name]
        expect(alike(got, want), f"target {name!r} differs")


def check_finds_files_beside_the_data(subject: Component) -> None:
    """Labels that name files are looked for in the folder of the data, and nowhere else."""
    sample = sample_of(subject)
    if not sample.named:
        raise NotTried("its samples have no labels that name files")
    frame = pd.DataFrame({name: list(cells) for name, cells in sample.named.items()})
    there, elsewhere = Folder(), Folder()
    for name, content in sample.files.items():
        file = there.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    task = new_task(subject)
    task.folder = there.path
    task.learn(frame)
    task.encode(frame)
    task.folder = elsewhere.path
    try:
        task.encode(frame)
    except LabelError as error:
        expect(error.column in frame, f"the error names the column {error.column!r}")
        return
    raise CheckError("files that are not in the folder of the data are accepted")


def check_refuses_missing_labels(subject: Component) -> None:
    """A missing label is a LabelError that names its column and row."""
    if subject.spec.label != "required":
        raise NotTried("its labels may be missing")
    _, frame = learned(subject)
    for column in frame:
        broken = frame.astype({column: object})
        broken.loc[3, column] = None
        task = new_task(subject)
        try:
            task.learn(broken)
        except LabelError as error:
            expect(error.column == column, f"the error names the column {error.column!r}")
            expect(error.rows == (3,), f"the error names the rows {error.rows}, not (3,)")
            continue
        raise CheckError(f"a missing {column!r} in row 3 is accepted")


def check_weighs_rows(subject: Component) -> None:
    """Weights of one change no loss; a row of weight zero has no gradient."""
    _need_logits(subject)
    task, frame = learned(subject)
    targets = _tensors(task.encode(frame))
    logits = torch.linspace(-1, 1, len(frame) * task.output_dim).reshape(len(frame), -1)
    logits.requires_grad_(True)
    plain = task.loss(logits, targets, None)
    ones = task.loss(logits, targets, torch.ones(len(frame)))
    expect(torch.allclose(plain, ones), f"loss {plain:.5g} becomes {ones:.5g} by weights of one")
    weight = torch.ones(len(frame))
    weight[2] = 0.0
    task.loss(logits, targets, weight).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    expect(not logits.grad[2].any(), "a row of weight 0 has a gradient")


def check_answers_all_rows_alike(subject: Component) -> None:
    """``constant``, where there is one, is an output that is decoded, for any number of rows."""
    task, frame = learned(subject)
    found = task.constant(task.encode(frame))
    if found is None:
        raise NotTried("no output is the best one for all rows alike")
    expect(found.shape == (task.output_dim,), f"constant is {found.shape}, not [output_dim]")
    expect(bool(np.isfinite(found).all()), f"constant is not finite: {found}")
    outputs = {"logits": np.tile(found, (len(frame), 1)).astype(np.float32)}
    _expect_rows(task.decode(outputs, {}, default_options(subject.component)), len(frame))


def check_metrics_point_the_right_way(subject: Component) -> None:
    """By every metric that it names, the best output scores better than a mixed-up one."""
    _need_logits(subject)
    task, frame = learned(subject)
    best = _best_logits(subject)
    mixed = best[np.random.default_rng(0).permutation(len(best))]
    targets = task.encode(frame)
    for name in _metrics(subject):
        component = subject.registry.get(MetricSpec, name)
        needs = component.spec.needs
        right, wrong = (
            _score(component.load()(), task, targets, needs, logits) for logits in (best, mixed)
        )
        better = right > wrong if component.spec.higher_is_better else right < wrong
        expect(better, f"{name} is {right:.4g} for the best output and {wrong:.4g} for a mixed-up")


def check_learns_end_to_end(subject: Component) -> None:
    """A fit with it learns, by all its metrics; saved and loaded anew it predicts the same."""
    job = job_of(subject)
    if job.labels:
        end_to_end.learns(subject, job, _metrics(subject))
    else:
        end_to_end.runs(subject, job)


def _metrics(subject: Component) -> list[str]:
    """Ids of the metrics that it names."""
    named = dict.fromkeys([subject.spec.default_metric, *subject.spec.metrics])
    return [Metrics(subject.registry).resolve(name, subject.component) for name in named]


def _labelled(subject: Component) -> tuple[Task, pd.DataFrame]:
    """The task after learning the sample labels, and these."""
    if not sample_of(subject).label:
        raise NotTried("it is tried without labels")
    return learned(subject)


def _need_logits(subject: Component) -> None:
    """Other topologies have outputs of their own, which the kit cannot make up."""
    if subject.spec.topology != LATE_FUSION:
        raise NotTried("its topology has outputs of its own; the fit end to end tries what it can")
    _labelled(subject)


def _best_logits(subject: Component) -> np.ndarray:
    """Outputs [N, D] that minimise the loss, by gradient descent from zero."""
    task, frame = learned(subject)
    targets = _tensors(task.encode(frame))
    logits = torch.zeros(len(frame), task.output_dim, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.1)
    for _ in range(_STEPS):
        optimizer.zero_grad()
        loss = task.loss(logits, targets, None)
        expect(bool(torch.isfinite(loss)), f"the loss is {loss.item()}")
        (loss * len(frame)).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return logits.detach().numpy()


def _best(subject: Component) -> Decoded:
    task, _ = learned(subject)
    return task.decode({"logits": _best_logits(subject)}, {}, default_options(subject.component))


def _score(
    metric: Any, task: Task, targets: Mapping[str, Any], needs: str, logits: np.ndarray
) -> float:
    views = task.decode({"logits": logits}, {}).views
    expect(needs in views, f"a metric needs {needs!r}, and the views are {', '.join(views)}")
    metric.update(task.truth(targets, needs), views[needs])
    return float(metric.compute())


def _tensors(targets: Mapping[str, Any]) -> dict[str, Any]:
    return {k: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for k, v in targets.items()}


def _expect_rows(decoded: Decoded, n: int) -> None:
    expect(len(decoded.answer) == n, f"{len(decoded.answer)} answers for {n} rows")
    if decoded.proba is not None:
        expect(len(decoded.proba) == n, f"{len(decoded.proba)} rows of probabilities for {n}")
        proba = decoded.proba.to_numpy()
        expect(((proba >= 0) & (proba <= 1)).all(), "probabilities are not between 0 and 1")
        if decoded.exclusive:
            total = proba.sum(axis=1)
            expect(np.allclose(total, 1, atol=1e-5), f"probabilities sum to {total[0]:.4f}, not 1")


def _expect_labels(answer: pd.Series, labels: pd.Series) -> None:
    if pd.api.types.is_float_dtype(labels):
        off = (answer - labels).abs().max() / max(labels.std(), 1e-12)
        expect(off < 0.05, f"answers are off by {off:.3g} standard deviations")
        return
    for row, (got, want) in enumerate(zip(answer, labels, strict=True)):
        expect(alike(got, want), f"row {row} is {got!r}, labelled {want!r}")
