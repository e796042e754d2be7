"""What every plugin keeps as a whole, as the doctor finds it in a process of its own."""

from __future__ import annotations

from mm_core.api.specs import ModalitySpec, ReaderSpec, RuntimeSpec, TaskSpec
from mm_core.testing.outcome import expect
from mm_core.testing.subject import PluginSubject

_LIGHT = ("heavy-import", "slow-import")
_TARGETS = ("target",)


def check_is_light(subject: PluginSubject) -> None:
    """Its light modules import nothing heavy, in less than 50 ms of processor time."""
    _expect_none(subject, _LIGHT)


def check_has_all_its_targets(subject: PluginSubject) -> None:
    """Every class and function that its specs name can be imported."""
    _expect_none(subject, _TARGETS)


def check_is_in_order(subject: PluginSubject) -> None:
    """The doctor finds nothing else wrong: names, hooks, API version."""
    wrong = {one.code for one in subject.diagnosis.findings if one.severity == "wrong"}
    _expect_none(subject, tuple(wrong - {*_LIGHT, *_TARGETS}))


def check_has_samples_for_all(subject: PluginSubject) -> None:
    """Every modality, task, reader and runtime (that is no network) has its sample."""
    columns = {column.modality.rpartition(":")[2] for column in subject.samples.columns}
    tasks = {sample.task for sample in subject.samples.tasks}
    data = {sample.reader for sample in subject.samples.data}
    engines = {sample.runtime for sample in subject.samples.engines}
    for kind, given, what in (
        (ModalitySpec, columns, "SampleColumn"),
        (TaskSpec, tasks, "SampleTask"),
        (ReaderSpec, data, "SampleData"),
        (RuntimeSpec, engines, "SampleEngine"),
    ):
        own = [one for one in subject.registry.all(kind) if one.plugin == subject.plugin]
        lost = [
            one.spec.name
            for one in own
            if one.spec.name not in given and not getattr(one.spec, "network", False)
        ]
        expect(not lost, f"no {what} for {', '.join(lost)}")


def _expect_none(subject: PluginSubject, codes: tuple[str, ...]) -> None:
    found = [
        f"{finding.message}\n-> {finding.remedy}"
        for finding in subject.diagnosis.findings
        if finding.code in codes
    ]
    expect(not found, "\n".join(found))
