"""Which models an ensemble is made of, by what columns there are."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mm_core.api import ConfigError, FitJob, FitterSpec, MMWarning, Slot, Table
from mm_ensemble.configs import BaggedConfig, EnsembleConfig, FeaturesConfig
from mm_ensemble.modalities import TABLE, among, encoded, of_columns, only, reads

NETWORK = "core:finetune"
SAID = "tabular:tabular"
"""The modality of what members say, as columns."""


@dataclass(frozen=True)
class Candidate:
    """A member before it is fitted.

    Attributes:
        name: of the member.
        settings: of its recipe, its fitter among them.
        columns: that it reads; None: all.
    """

    name: str
    settings: Mapping[str, Any]
    columns: Sequence[str] | None = None

    def rows(self, job: FitJob, table: Table) -> Table:
        """Rows with its columns only, and the label's."""
        return table if self.columns is None else only(job.model.recipe, table, self.columns)


def candidates(job: FitJob, config: EnsembleConfig) -> tuple[list[Candidate], dict[str, str]]:
    """The members to be fitted, and why others are left out, by name.

    Raises:
        ConfigError: a setting of one is wrong, or none can be fitted.
    """
    used = of_columns(job.model.recipe)
    found: list[Candidate] = []
    left_out: dict[str, str] = {}
    for name, member in config.members.items():
        why = _reads_nothing(job, member, used)
        if why is not None and job.model.recipe.origin(f"fit.members.{name}.id") != "user":
            left_out[name] = why
            continue
        settings = {**config.settings.get(name, {}), "fit": member.dump()}
        found.append(Candidate(name, settings, _columns(member, used)))
    if config.alone and len(used) > 1:
        found += _alone(config, used, [member.spec for member in config.members.values()])
    names = [one.name for one in found]
    for name in config.settings:
        if name not in names and name not in left_out:
            raise ConfigError(
                f"fit.settings of {name!r}, which is no member here: {', '.join(names)}",
                plugin="ensemble",
                value=name,
                remedy="leave it out",
            )
    if not found:
        said = "; ".join(f"{name}: {why}" for name, why in left_out.items())
        raise ConfigError(
            f"no member of the ensemble reads these columns ({said})",
            plugin="ensemble",
            remedy="name one that does: fit.members.network=core:finetune",
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", MMWarning)  # of columns that a member is not given: twice
        for one in found:
            job.plan(one.settings)
    return found, left_out


def _reads_nothing(
    job: FitJob, member: Slot[FitterSpec], used: Mapping[str, Sequence[str]]
) -> str | None:
    """Why a member cannot be fitted on these columns, or by the loss; None: it can."""
    spec, loss = member.spec, job.model.recipe.training.loss
    if spec.modalities and not any(reads(spec.modalities, modality) for modality in used):
        return f"no column of {', '.join(spec.modalities)}"
    if spec.losses and (loss is None or loss.id not in spec.losses):
        return f"not trained by {'a loss of the task' if loss is None else loss.id}"
    if isinstance(member.config, FeaturesConfig) and not encoded(member.config, used):
        return "no column to encode"
    return None


def _columns(member: Slot[FitterSpec], used: Mapping[str, Sequence[str]]) -> list[str] | None:
    """Those that it reads, so that it need not say of the others that it does not."""
    kinds = member.spec.modalities
    return among(used, kinds) if kinds else None


def _alone(
    config: EnsembleConfig, used: Mapping[str, Sequence[str]], specs: Sequence[FitterSpec]
) -> list[Candidate]:
    """A network of each modality that no other member reads alone."""
    found = []
    for modality, columns in used.items():
        name = f"{modality.split(':')[1]}_alone"
        by_others = any(
            len(one.modalities) == 1 and reads(one.modalities, modality) for one in specs
        )
        if not by_others and name not in config.members:
            settings = {"fit": NETWORK, **config.settings.get(name, {})}
            found.append(Candidate(name, settings, columns))
    return found


def of_second(job: FitJob, config: BaggedConfig) -> list[Candidate]:
    """The members of the second layer, which read the table's columns and what the first says.

    Raises:
        ConfigError: one reads no tables.
    """
    used = of_columns(job.model.recipe)
    for name, member in config.second.items():
        if member.spec.modalities and not reads(member.spec.modalities, SAID):
            raise ConfigError(
                f"{member.id} reads no numbers, and a member of the second layer is given some",
                plugin="ensemble",
                value=member.id,
                remedy=f"name another: fit.second.{name}=trees:catboost",
            )
    return [
        Candidate(name, {"fit": member.dump()}, among(used, member.spec.modalities or TABLE))
        for name, member in config.second.items()
    ]
