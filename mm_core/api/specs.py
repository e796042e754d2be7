"""What plugins return from their hooks: frozen, typed, JSON-able records.

Heavy code is named by a string, ``"package.module:Name"``, and imported only when it is chosen.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mm_core.api.search import Search

API_VERSION = (2, 0)
"""(major, minor) of the plugin API that this core offers."""

Target = Annotated[
    str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$", description="'package.module:Name'")
]
Name = Annotated[
    str, Field(pattern=r"^[a-z0-9][a-z0-9_.@-]*$", description="lower case, without the plugin")
]
ComponentId = Annotated[
    str, Field(pattern=r"^[a-z0-9_-]+:[a-z0-9][a-z0-9_.@-]*$", description="'plugin:name'")
]
ModalityName = Annotated[
    str,
    Field(
        pattern=r"^([a-z0-9_-]+:)?[a-z0-9][a-z0-9_.-]*$",
        description="a modality: 'plugin:name', or its name where it is unique",
    ),
]


class Spec(BaseModel):
    """Base of all specs."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PluginInfo(Spec):
    """What a plugin says of itself (hook ``mm_plugin_info``)."""

    api: tuple[int, int] = Field(description="the plugin API (major, minor) it was written for")
    summary: str = Field(description="one sentence")
    samples: Target | None = Field(
        default=None,
        description="a mm_core.api.Samples: what `mm plugins check` tries the components on",
    )


class ComponentSpec(Spec):
    """What all components share."""

    kind: ClassVar[str]

    name: Name = Field(description="short name; the id is 'plugin:name'")
    summary: str = Field(description="one sentence")
    references: tuple[str, ...] = Field(default=(), description="papers or sources, 'arxiv:...'")
    license: str | None = Field(default=None, description="licence of code or weights, if special")

    def __hash__(self) -> int:
        """Of what names it: pydantic's own fails where a field is a dict."""
        return hash((type(self), self.name, self.summary))


class Defaults(Spec):
    """The components that read a modality, where something names others than the modality's own."""

    backbone: ComponentId | None = Field(default=None, description="None: the modality's own")
    processor: ComponentId | None = Field(
        default=None, description="None: the backbone's, or the modality's own"
    )
    settings: dict[str, Any] = Field(
        default_factory=dict,
        description="of the processor that is named here, over its own defaults and presets; a "
        "user's count before them",
    )

    @model_validator(mode="after")
    def _settings_of_something(self) -> Self:
        if self.settings and self.processor is None:
            raise ValueError("settings: name the processor that they are of")
        return self


class RoleSpec(Spec):
    """A named part of what a task reads: a side of a match, the picture of a detector.

    Columns come to it by name (``roles={"query": "a"}``), or because their modality is among its
    ``modalities``. Inputs of a role are called ``<role>_<modality>``.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")] = Field(
        description="'query', 'response', 'image', ..."
    )
    summary: str = Field(description="one sentence")
    modalities: tuple[ModalityName, ...] = Field(
        default=(), description="what it may hold; empty: anything, and its columns are named"
    )
    required: bool = Field(default=True, description="a table without it is refused")
    several: bool = Field(default=False, description="a whole set of columns, of any modalities")
    like: str | None = Field(
        default=None,
        description="another role: inputs that are alike in both (modality, number of columns and "
        "their kinds) share backbone and processor",
    )


class MethodSpec(Spec):
    """Something else that a task's models can do: a method of the predictor."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")] = Field(
        description="name of the method: 'search'"
    )
    summary: str = Field(description="one sentence")
    target: Target = Field(
        description="function (predictor, *args, **kwargs) -> anything; imported when called"
    )
    command: bool = Field(
        default=False,
        description="also `mm <name> MODEL DATA --option k=v`: called as target(predictor, data, "
        "**options), and what it returns is written as `mm predict` writes answers",
    )


class ConfigurableSpec(ComponentSpec):
    """A component that is built from a class and a config."""

    target: Target = Field(description="the class that does the work; imported when chosen")
    config: Target = Field(
        default="mm_core.api.config:Config",
        description="its config class, a mm_core.api.Config in a light module",
    )
    search_space: dict[str, Search] = Field(
        default_factory=dict,
        description="setting of its config -> where a search for settings (`mm tune`) usually "
        "looks: the few that are worth it, in ranges that suit most data. A fitter's may be "
        "'training.*' too, of those that it reads; and a backbone's that has `alone`: these are "
        "searched instead where all backbones of the plan have some. 'head.id' is which component "
        "stands in a slot",
    )


class ModalitySpec(ComponentSpec):
    """A kind of data a column can hold (hook ``mm_modalities``)."""

    kind: ClassVar[str] = "modality"

    detector: Target = Field(
        description="light function (ColumnSample) -> Detection | None: does a column hold this?"
    )
    kinds: tuple[Name, ...] = Field(min_length=1, description="the forms a cell can take")
    also: dict[Name, Name] = Field(
        default_factory=dict,
        description="other names of a kind, such as those of another library, and the kind",
    )
    processor: ComponentId = Field(description="processor taken unless the recipe names another")
    backbone: ComponentId = Field(description="backbone taken unless the recipe names another")


class ProcessorSpec(ConfigurableSpec):
    """Turns cells into arrays (hook ``mm_processors``)."""

    kind: ClassVar[str] = "processor"

    modalities: tuple[ModalityName, ...] = Field(min_length=1, description="modalities it reads")
    mixable: tuple[str, ...] = Field(
        default=(),
        description="arrays whose rows may be blended in training (mixup); their last two axes are "
        "height and width (CutMix). The input's other boolean arrays are masks: only rows that "
        "agree in them are blended",
    )
    moves: tuple[str, ...] = Field(
        default=(),
        description="targets that go with the pixels, augmented or not; 'boxes' is a list of "
        "float [n, 4] a row, x1 y1 x2 y2 in pixels from the upper left",
    )


class CheckpointCard(Spec):
    """Facts about one set of pretrained weights, shown in catalogues and plans."""

    name: str = Field(description="the name a user writes as checkpoint=...")
    summary: str = Field(description="one sentence")
    parameters: int | None = Field(default=None, description="number of parameters")
    license: str | None = Field(default=None, description="licence of the weights")
    reference: str | None = Field(default=None, description="paper or source")
    learning_rate: float | None = Field(
        default=None,
        gt=0,
        description="taken instead of training.learning_rate, where measured to be better",
    )


class BackboneSpec(ConfigurableSpec):
    """A network that turns one or more inputs into features (hook ``mm_backbones``)."""

    kind: ClassVar[str] = "backbone"

    modalities: tuple[ModalityName, ...] = Field(min_length=1, description="modalities it reads")
    provides: tuple[str, ...] = Field(
        default=("pooled",), description="features it gives: 'pooled', 'tokens', 'spatial', ..."
    )
    processor: ComponentId | dict[ModalityName, ComponentId] | None = Field(
        default=None,
        description="processor its inputs need, or one for each modality; None: the modality's",
    )
    formats: tuple[str, ...] = Field(
        default=(),
        description="checkpoint formats that it can start from, by name or id; a name is the "
        "plugin's own first",
    )
    cards: tuple[CheckpointCard, ...] = Field(default=(), description="known checkpoints")
    alone: dict[str, Any] = Field(
        default_factory=dict,
        description="training values (without 'training.') that replace the task's preset where "
        "all backbones of the recipe have some, e.g. many short epochs for a table; of several "
        "the most epochs and patience count, and what else they agree on. Beside a backbone that "
        "has none, it is trained by them first, by itself: training.new_first",
    )

    def processor_of(self, *modality: str) -> str | None:
        """The processor of an input of this modality (its id, its name); None: the modality's."""
        if not isinstance(self.processor, dict):
            return self.processor
        return next((self.processor[name] for name in modality if name in self.processor), None)


class AdapterSpec(ConfigurableSpec):
    """Decides what of a built backbone is trained, and by which new weights (``mm_adapters``)."""

    kind: ClassVar[str] = "adapter"

    frozen: bool = Field(
        default=False, description="it trains nothing of a backbone, and nothing beside it"
    )


class FusionHeadSpec(ConfigurableSpec):
    """Combines the features of several backbones (hook ``mm_fusion_heads``)."""

    kind: ClassVar[str] = "fusion_head"

    needs: tuple[str, ...] = Field(default=("pooled",), description="features it reads")
    fills_missing: bool = Field(
        default=False,
        description="whether weights of its own, a learned vector, stand for each input that a row "
        "lacks",
    )


class TaskSpec(ConfigurableSpec):
    """What is to be predicted, its loss, decoding and metrics (hook ``mm_tasks``)."""

    kind: ClassVar[str] = "task"

    topology: Target = Field(
        default="mm_core.topologies.late_fusion:LateFusion",
        description="the Topology that puts backbones, fusion and task together",
    )
    topology_config: Target = Field(
        default="mm_core.api.config:Config",
        description="its config class; section 'topology' of the recipe",
    )
    roles: tuple[RoleSpec, ...] = Field(
        default=(), description="named parts of what it reads; empty: all usable columns"
    )
    defaults: dict[ModalityName, Defaults] = Field(
        default_factory=dict,
        description="modality -> components taken unless the recipe names others",
    )
    needs: tuple[str, ...] = Field(
        default=("pooled",),
        description="features that every backbone must provide; where a fusion head reads them, "
        "those that the head needs count instead",
    )
    options: Target = Field(
        default="mm_core.api.config:Config",
        description="config class of what may be given with each prediction: a score threshold, "
        "prompts; read by Topology.predict and Task.decode",
    )
    saves: Target | None = Field(
        default=None,
        description="function (answers, rows, folder) -> answers, for predict(out=FOLDER): writes "
        "them as files named by rows, int [n], and gives what stands for them in answers.csv",
    )
    methods: tuple[MethodSpec, ...] = Field(default=(), description="what else its models can do")
    requires_fit: bool = Field(
        default=True, description="False: it answers without having learned from any row"
    )
    label: Literal["required", "optional", "none"] = Field(
        default="required", description="whether fit needs label columns"
    )
    detector: Target | None = Field(
        default=None,
        description="light function (LabelSample) -> Detection | None, asked when the problem "
        "type is not named; scores are 0..1; None: the task must be named",
    )
    metrics: tuple[str, ...] = Field(
        default=(), description="metrics that fit, by name or id; a name is the plugin's own first"
    )
    default_metric: str = Field(description="metric shown, and used to choose the best epoch")
    validation_metric: str | None = Field(
        default=None,
        description="metric that chooses the best epoch instead: a proper score beside ranks",
    )
    losses: tuple[str, ...] = Field(
        default=(),
        description="losses that fit, by name or id; a name is the plugin's own first; empty: the "
        "task has a loss of its own",
    )
    default_loss: str | None = Field(
        default=None, description="the one of them taken unless the recipe names another"
    )
    fusion: ComponentId | None = Field(
        default="core:concat_mlp", description="fusion head taken unless the recipe names another"
    )

    @model_validator(mode="after")
    def _roles_fit_together(self) -> Self:
        names = [role.name for role in self.roles]
        if len(set(names)) < len(names):
            raise ValueError(f"a role stands there twice: {', '.join(names)}")
        for role in self.roles:
            if role.like is not None and role.like not in set(names) - {role.name}:
                raise ValueError(f"roles: {role.name} is like {role.like}, which is no other role")
        return self

    @model_validator(mode="after")
    def _default_among_losses(self) -> Self:
        if self.losses and self.default_loss not in self.losses:
            raise ValueError(f"default_loss is none of {', '.join(self.losses)}")
        if not self.losses and self.default_loss is not None:
            raise ValueError("default_loss without losses")
        return self


class LossSpec(ConfigurableSpec):
    """How far outputs are from their targets (hook ``mm_losses``)."""

    kind: ClassVar[str] = "loss"

    needs: str = Field(description="name of the target it reads: 'class', 'value', 'labels', ...")
    validation_metric: str | None = Field(
        default=None,
        description="metric that chooses the best epoch where it is trained with, such as a "
        "quantile's own; by name or id, a name is the plugin's own first; None: the task's",
    )


class MetricSpec(ComponentSpec):
    """A score (hook ``mm_metrics``)."""

    kind: ClassVar[str] = "metric"

    target: Target = Field(
        description="factory () -> Metric (update, compute, reset), with loss_settings by keyword"
    )
    needs: str = Field(description="what it reads: 'labels', 'proba', 'values', 'boxes', ...")
    higher_is_better: bool = Field(description="direction")
    loss_settings: tuple[str, ...] = Field(
        default=(),
        description="settings of training.loss that the factory is given where the loss has them, "
        "such as the level of a quantile; it has defaults for others",
    )


class FitterSpec(ConfigurableSpec):
    """A way of fitting a model (hook ``mm_fitters``)."""

    kind: ClassVar[str] = "fitter"

    reads: Literal["network", "inputs", "rows"] = Field(
        default="network",
        description="what the model it fits consists of: 'network', processors, backbones and "
        "fusion; 'inputs', processors alone; 'rows', neither: it reads cells, or models inside it "
        "do",
    )
    defaults: dict[ModalityName, Defaults] = Field(
        default_factory=dict,
        description="modality -> components taken unless the recipe names others",
    )
    modalities: tuple[ModalityName, ...] = Field(
        default=(), description="modalities it can read; empty: all"
    )
    runtime: ComponentId = Field(
        default="core:network", description="what answers for the models it fits"
    )
    holds_out: bool = Field(
        default=True, description="False: it does its own splits, and is given all rows"
    )
    alone: bool = Field(
        default=False,
        description="taken where nobody names a fitter, no column is of other modalities than "
        "its own, the loss is one of its losses, and nothing is set that it does not read; "
        "`modalities` and `training` say what it reads",
    )
    training: tuple[str, ...] | None = Field(
        default=None,
        description="settings (without 'training.') that it reads: a user's others are refused, "
        "and so are callbacks and loggers, which are the loop's; None: all",
    )
    losses: tuple[ComponentId, ...] = Field(
        default=(), description="losses that it can train by; empty: any, and losses of tasks"
    )

    @model_validator(mode="after")
    def _alone_says_what_it_reads(self) -> Self:
        if self.alone and (not self.modalities or self.training is None):
            raise ValueError(
                "alone: name the modalities and the settings of training that it reads"
            )
        return self


class RuntimeSpec(ComponentSpec):
    """What answers for a fitted model: an :class:`mm_core.api.engine.Engine` (``mm_runtimes``).

    The core's own is the network of backbones and heads. A saved model names its runtime by id.
    """

    kind: ClassVar[str] = "runtime"

    target: Target = Field(description="the Engine")
    network: bool = Field(
        default=False,
        description="it is built from the recipe's backbones and heads: loading a model needs "
        "their plugins",
    )


class ReaderSpec(ComponentSpec):
    """Data in a form that is no table yet: a COCO file, a folder of folders (``mm_readers``).

    Wherever rows are asked for (``fit``, ``predict``, ``mm plan DATA``, ...) the readers are asked
    first, in rising order; the first that claims the data reads it. What nobody claims is read as
    the core's own tables.
    """

    kind: ClassVar[str] = "reader"

    claims: Target = Field(
        description="light function (data) -> bool: is this for this reader? ``data`` is what the "
        "caller gave, a path (str or Path) or any object; True only where it is sure"
    )
    target: Target = Field(
        description="function (data) -> mm_core.api.Table: the rows in the data's order, and the "
        "folder that relative paths in cells start at; the frame's index comes back on answers"
    )
    order: int = Field(default=50, description="asked in rising order")


class CommandSpec(ComponentSpec):
    """A command: ``mm <name> ...`` (hook ``mm_commands``).

    Where two plugins have a command of the same name, or the core has it, ``mm <plugin>:<name>``
    is this one.
    """

    kind: ClassVar[str] = "command"

    target: Target = Field(
        description="function with typer's annotations, ``as_json: AsJson`` among them, that "
        "returns a mm_core.api.commands.Answer, or a typer.Typer of several such: `mm <name> "
        "<function> ...`; imported when the command is typed"
    )


class ModelMethodSpec(MethodSpec, ComponentSpec):
    """A method of predictors whose models are not of one task alone: ``explain``, ``leaderboard``.

    What one task's models can do stands in its ``TaskSpec.methods``, which go before these.
    """

    kind: ClassVar[str] = "method"

    tasks: tuple[ComponentId, ...] = Field(
        default=(), description="tasks whose models have it; empty: all"
    )
    runtimes: tuple[ComponentId, ...] = Field(
        default=(), description="runtimes whose models have it, once there is one; empty: all"
    )


class ListenerSpec(ComponentSpec):
    """Something that is told of what happens to models.

    It is called in the first process only. What it raises is a warning that names it, and the fit
    goes on.
    """

    target: Target = Field(description="function, called with what the hook says")


class RecipeReadySpec(ListenerSpec):
    """Told of the recipe of each fit before it begins: (Recipe) -> None (``mm_recipe_ready``)."""

    kind: ClassVar[str] = "recipe_ready"


class FitEndSpec(ListenerSpec):
    """Told of each fit that ended: (Model, FitResult) -> None (hook ``mm_fit_end``)."""

    kind: ClassVar[str] = "fit_end"


class ArtifactSavedSpec(ListenerSpec):
    """Told of each model saved: (Model, Path of its folder) -> None (``mm_artifact_saved``)."""

    kind: ClassVar[str] = "artifact_saved"


class PresetSpec(ComponentSpec):
    """Values for some components under one preset name (hook ``mm_presets``); data only."""

    kind: ClassVar[str] = "preset"

    components: tuple[ComponentId, ...] = Field(min_length=1, description="whose keys it sets")
    values: dict[str, Any] = Field(
        description="keys of the component itself; a task's preset may also set 'training.*', and "
        "choose components: 'backbones.<modality>.id', 'processors.<modality>.id', 'fusion.id', "
        "'fit.id'"
    )


class ExporterSpec(ConfigurableSpec):
    """Writes a trained model in another form (hook ``mm_exporters``)."""

    kind: ClassVar[str] = "exporter"
