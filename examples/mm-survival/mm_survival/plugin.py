"""What mm-survival offers. Light: strings and records only."""

from __future__ import annotations

from mm_core.api import MetricSpec, PluginInfo, TaskSpec, hookimpl

PIECEWISE = "arxiv:1910.06724"  # Kvamme and Borgan: piecewise constant hazards by a network
NNET_SURVIVAL = (
    "arxiv:1805.00917"  # Gensheimer and Narasimhan: hazards that need not be proportional
)


@hookimpl
def mm_plugin_info() -> PluginInfo:
    """Written for plugin API 2.0."""
    return PluginInfo(
        api=(2, 0),
        summary="Survival analysis for mm: times to an event, right-censored.",
        samples="mm_survival.samples:SAMPLES",
    )


@hookimpl
def mm_tasks() -> list[TaskSpec]:
    """Two label columns, a time and an event, ask for it by themselves."""
    return [
        TaskSpec(
            name="hazards",
            summary="Time until an event, by piecewise constant hazards; labels: time, event.",
            references=(PIECEWISE, NNET_SURVIVAL),
            target="mm_survival.task:Hazards",
            config="mm_survival.configs:HazardsConfig",
            topology="mm_survival.topology:TimeVaryingEffects",
            detector="mm_survival.detect:detect",
            metrics=("survival:concordance", "survival:integrated_brier"),
            default_metric="survival:integrated_brier",
        )
    ]


@hookimpl
def mm_metrics() -> list[MetricSpec]:
    """Both read the label as it is: times, and whether the event was seen."""
    return [
        MetricSpec(
            name="concordance",
            summary="Harrell's C: share of comparable pairs in which the earlier has more risk.",
            references=("doi:10.1002/(SICI)1097-0258(19960229)15:4<361::AID-SIM168>3.0.CO;2-4",),
            target="mm_survival.metrics:Concordance",
            needs="risk",
            higher_is_better=True,
        ),
        MetricSpec(
            name="integrated_brier",
            summary="Brier score of the survival curve, weighed for censoring, averaged over time.",
            references=(
                "doi:10.1002/(SICI)1097-0258(19990915/30)18:17/18<2529::AID-SIM274>3.0.CO;2-5",
            ),
            target="mm_survival.metrics:IntegratedBrier",
            needs="survival",
            higher_is_better=False,
        ),
    ]
