"""Defects of the sound plugins: each breaks exactly one rule."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Defect:
    """A change of the plugin's text, and the one check that sees it.

    Attributes:
        check: id of the case.
        old: what stands in the sound plugin, once.
        new: what takes its place.
        says: part of the message.
        plugin: which sound plugin it is a defect of.
    """

    check: str
    old: str
    new: str
    says: str
    plugin: str = "sound"


def _beside(check: str, old: str, new: str, says: str) -> Defect:
    """Of the plugin of what stands beside the network."""
    return Defect(check, old, new, says, plugin="beside")


DEFECTS = (
    # ---- settings
    Defect(
        "fusion_head-gate-settings_are_described",
        'Setting(default=True, description="shares that sum to one")',
        "True",
        "softmax",
    ),
    Defect(
        "fusion_head-gate-unknown_settings_are_refused",
        "class GateConfig(Config):\n",
        'class GateConfig(Config, extra="ignore"):\n',
        "no_such_setting",
    ),
    Defect(
        "backbone-mean-settings_go_through_json",
        'width: int = Setting(default=8, description="features")\n',
        'width: int = Setting(default=8, description="features")\n'
        '    shape: object = Setting(default=(1, 2), description="lost in JSON")\n',
        "becomes",
    ),
    Defect(
        "fusion_head-gate-search_space_is_of_its_settings",
        '"dim": Search(choices=(4, 8))',
        '"width": Search(choices=(4, 8))',
        "unknown key 'settings.width'",
    ),
    Defect(
        "fusion_head-gate-search_space_is_of_its_settings",
        '"dim": Search(choices=(4, 8))',
        '"dim": Search(4, 8)',
        "search_space['dim'] = uniform(4, 8): settings.dim = 5.48",
    ),
    Defect(
        "fusion_head-gate-search_space_is_of_its_settings",
        '"dim": Search(choices=(4, 8))',
        '"dim": Search(16, 64, whole=True)',
        "the default is 8",
    ),
    Defect(
        "fusion_head-gate-search_space_is_of_its_settings",
        '"dim": Search(choices=(4, 8))',
        '"training.epochs": Search(5, 20, whole=True)',
        "training.epochs is searched of a fitter, or of a backbone that has `alone`",
    ),
    # ---- fusion heads
    Defect(
        "fusion_head-gate-gives_a_vector_or_logits",
        "self.dim = config.dim\n",
        "self.dim = config.dim + 1\n",
        "pooled is [1, 8], not [1, 9]",
    ),
    Defect(
        "fusion_head-gate-absent_slots_change_nothing",
        "shares = shares.masked_fill(~there, 0.0)\n",
        "shares = shares.masked_fill(~there, 0.0) + 0.01 * torch.stack(\n"
        "            [torch.nan_to_num(features[n].pooled.detach(), 7.0, 8.0).clamp(-9, 9)[:, 0]\n"
        "             for n in names], dim=1)\n",
        "in absent slots",
    ),
    Defect(
        "fusion_head-gate-absent_slots_spoil_no_gradient",
        "hidden = {n: torch.tanh(self.project[n](filled[n])) for n in names}\n",
        "hidden = {n: torch.tanh(torch.where(present[n][:, None],\n"
        "            self.project[n](features[n].pooled), self.project[n](filled[n])))\n"
        "            for n in names}\n",
        "gradient",
    ),
    Defect(
        "fusion_head-gate-answers_the_same_twice",
        "pooled = (shares[:, :, None] * stacked).sum(dim=1)\n",
        "pooled = (shares[:, :, None] * stacked).sum(dim=1)\n"
        "        pooled = pooled + 0.1 * nn.Linear(self.dim, self.dim)(pooled.detach()).detach()\n",
        "second call",
    ),
    Defect(
        "fusion_head-gate-rows_are_independent",
        "shares = shares.masked_fill(~there, 0.0)\n",
        "shares = shares.masked_fill(~there, 0.0)\n"
        "        shares = shares / (1 + shares.mean(dim=0))\n",
        "alone instead of among 5",
    ),
    Defect(
        "fusion_head-gate-every_parameter_learns",
        "self.nothing = nn.Parameter(torch.zeros(config.dim))\n",
        "self.nothing = nn.Parameter(torch.zeros(config.dim))\n"
        "        self.unused = nn.Parameter(torch.zeros(3))\n",
        "unused",
    ),
    Defect(
        "fusion_head-gate-hides_no_parameter",
        "self.nothing = nn.Parameter(torch.zeros(config.dim))\n",
        "self.nothing = nn.Parameter(torch.zeros(config.dim))\n"
        "        self.extra = [nn.Linear(2, 2)]\n",
        "extra",
    ),
    Defect(
        "fusion_head-gate-forward_leaves_the_state_alone",
        "self.nothing = nn.Parameter(torch.zeros(config.dim))\n",
        "self.nothing = nn.Parameter(torch.zeros(config.dim))\n"
        '        self.register_buffer("seen", torch.zeros(()))\n'
        "        self.register_forward_hook(lambda m, i, o: [m.seen.add_(1)] and None)\n",
        "seen changed",
    ),
    Defect(
        "fusion_head-gate-says_whether_it_fills_what_is_missing",
        'summary="Gated sum.",\n',
        'summary="Gated sum.",\n            fills_missing=True,\n',
        "no weight answers for right where it is absent alone",
    ),
    Defect(
        "fusion_head-gate-says_whether_it_fills_what_is_missing",
        "pooled = torch.where(there.any(dim=1, keepdim=True), pooled, self.nothing)\n",
        "pooled = pooled + (~there).sum(dim=1, keepdim=True) * self.nothing\n",
        "nothing answers for right where it is absent alone",
    ),
    Defect(
        "fusion_head-gate-input_order_is_irrelevant",
        "pooled = (shares[:, :, None] * stacked).sum(dim=1)\n",
        "pooled = (shares[:, :, None] * stacked).sum(dim=1)\n"
        "        first = next(iter(self.inputs))\n"
        "        pooled = pooled + 0.1 * torch.where(present[first], 1.0, 0.0)[:, None]\n",
        "built with inputs reversed",
    ),
    Defect(
        "fusion_head-gate-its_loss_is_a_finite_number",
        "            gates={n: shares[:, i] for i, n in enumerate(names)},\n        )\n",
        "            gates={n: shares[:, i] for i, n in enumerate(names)},\n        )\n\n"
        "    def loss(self, outputs, batch, of):\n"
        "        return of(batch) / (1 if batch.weight is None else batch.weight.min())\n",
        "with weights: loss",
    ),
    Defect(
        "fusion_head-gate-a_row_without_anything_is_finite",
        "pooled = torch.where(there.any(dim=1, keepdim=True), pooled, self.nothing)\n",
        "pooled = torch.where(there.any(dim=1, keepdim=True), pooled, self.nothing)\n"
        "        pooled = pooled / there.any()\n",
        "nothing present",
    ),
    Defect(
        "fusion_head-gate-runs_in_bfloat16",
        "stacked = torch.stack([hidden[n] for n in names], dim=1)\n",
        "stacked = torch.stack([hidden[n] for n in names], dim=1)\n"
        "        if scores.dtype == torch.bfloat16:\n"
        "            stacked = stacked @ torch.eye(self.dim, dtype=torch.float64)\n",
        "dtype",
    ),
    Defect(
        "fusion_head-gate-exports_with_free_rows",
        "pooled = torch.where(there.any(dim=1, keepdim=True), pooled, self.nothing)\n",
        "nothing = self.nothing.expand(len(pooled), -1)\n"
        "        pooled = torch.where(there.any(dim=1, keepdim=True), pooled, nothing)\n",
        "x.shape[0]",
    ),
    Defect(
        "fusion_head-gate-answers_the_same_after_saving",
        "self.nothing = nn.Parameter(torch.zeros(config.dim))\n",
        "self.nothing = nn.Parameter(torch.zeros(config.dim))\n"
        "        self.offset = 0.1 * torch.randn(config.dim)\n"
        "        self.register_forward_hook(\n"
        "            lambda m, i, o: setattr(o, 'pooled', o.pooled + m.offset) or o)\n",
        "in a new process",
    ),
    Defect(
        "fusion_head-gate-fits_end_to_end",
        "pooled = torch.where(there.any(dim=1, keepdim=True), pooled, self.nothing)\n",
        "pooled = torch.where(there.any(dim=1, keepdim=True), pooled, self.nothing)\n"
        "        if self.output_dim == 2:  # of the fit, and of no other check\n"
        "            pooled = pooled * 0 + self.nothing * 0\n",
        "nothing was learned",
    ),
    # ---- backbones
    Defect(
        "backbone-mean-gives_what_it_declares",
        'return {"pooled": self.config.width, "tokens": self.config.width}\n',
        'return {"pooled": self.config.width, "tokens": self.config.width + 1}\n',
        "dims says 7",
    ),
    Defect(
        "backbone-mean-tells_rows_apart",
        'self.first(arrays["beats"][:, :, None])',
        'self.first(torch.ones_like(arrays["beats"])[:, :, None])',
        "does not see its input",
    ),
    Defect(
        "backbone-mean-answers_the_same_twice",
        'tokens = self.last(torch.tanh(self.first(arrays["beats"][:, :, None])))\n',
        'tokens = self.last(torch.tanh(self.first(arrays["beats"][:, :, None])))\n'
        "        tokens = tokens + 0.1 * torch.randn(tokens.shape[2])\n",
        "second call",
    ),
    Defect(
        "backbone-mean-rows_are_independent",
        "pooled = real.sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)\n",
        "pooled = real.mean(dim=1)\n",
        "alone instead of among",
    ),
    Defect(
        "backbone-mean-every_parameter_learns",
        "self.last = nn.Linear(config.width, config.width)\n",
        "self.last = nn.Linear(config.width, config.width)\n"
        "        self.last.bias2 = nn.Parameter(torch.zeros(2))\n",
        "last.bias2",
    ),
    Defect(
        "backbone-mean-hides_no_parameter",
        "self.last = nn.Linear(config.width, config.width)\n",
        "self.last = nn.Linear(config.width, config.width)\n"
        '        self.more = {"a": nn.Parameter(torch.zeros(2))}\n',
        "more",
    ),
    Defect(
        "backbone-mean-stages_cover_every_parameter_once",
        "return [self.first, self.last]\n",
        "return [self.last]\n",
        "first.weight",
    ),
    Defect(
        "backbone-mean-forward_leaves_the_state_alone",
        "self.last = nn.Linear(config.width, config.width)\n",
        "self.last = nn.Linear(config.width, config.width)\n"
        '        self.register_buffer("seen", torch.zeros(()))\n'
        "        self.register_forward_hook(lambda m, i, o: m.seen.add_(1) and None)\n",
        "seen changed",
    ),
    Defect(
        "backbone-mean-comes_back_from_its_architecture",
        "self.last = nn.Linear(config.width, config.width)\n",
        "self.last = nn.Linear(config.width, config.width)\n"
        "        if context.architecture is not None and context.task['output_dim'] == 3:\n"
        "            self.last = nn.Linear(config.width, config.width, bias=False)\n",
        "last.bias",
    ),
    Defect(
        "backbone-mean-can_be_frozen",
        "self.last = nn.Linear(config.width, config.width)\n",
        "self.last = nn.Linear(config.width, config.width)\n"
        "        self.first.weight.register_hook(lambda g: g)\n"
        "        self.register_forward_pre_hook(\n"
        "            lambda m, i: m.first.requires_grad_(True) and None)\n",
        "given a gradient",
    ),
    Defect(
        "backbone-mean-takes_low_rank_adapters",
        'tokens = self.last(torch.tanh(self.first(arrays["beats"][:, :, None])))\n',
        "tokens = torch.tanh(self.first(arrays['beats'][:, :, None]))\n"
        "        tokens = nn.functional.linear(tokens, self.last.weight, self.last.bias)\n",
        "the adapter of last",
    ),
    Defect(
        "backbone-mean-runs_in_bfloat16",
        'mask = arrays["mask"]\n',
        'mask = arrays["mask"]\n'
        "        if torch.is_autocast_enabled('cpu'):\n"
        "            raise TypeError('float32 only')\n",
        "float32 only",
    ),
    Defect(
        "backbone-mean-runs_end_to_end",
        "self.last = nn.Linear(config.width, config.width)\n",
        "self.last = nn.Linear(config.width, config.width)\n"
        "        loaded = context.architecture is not None and context.task['output_dim'] == 2\n"
        "        self.shift = 0.5 if loaded else 0.0\n"
        "        self.register_forward_hook(\n"
        "            lambda m, i, o: setattr(o, 'pooled', o.pooled + m.shift) or o)\n",
        "embeddings differ by 0.5",
    ),
    # ---- adapters
    Defect(
        "adapter-scales-trains_less_than_all",
        "backbone.requires_grad_(False)\n",
        "backbone.requires_grad_(True)\n",
        "all weights are trained",
    ),
    Defect(
        "adapter-scales-starts_from_the_answers_there_were",
        "self.scale = nn.Parameter(torch.ones(base.out_features))\n",
        "self.scale = nn.Parameter(torch.full((base.out_features,), 1.1))\n",
        "not yet trained",
    ),
    Defect(
        "adapter-scales-what_is_frozen_says_the_same_in_training",
        'AdapterSpec(name="scales",',
        'AdapterSpec(frozen=True, name="scales",',
        "its spec says frozen, and trained is",
    ),
    Defect(
        "adapter-scales-gradients_reach_what_is_trained",
        "return self.base(x) * self.scale\n",
        "return self.base(x) * self.scale.detach()\n",
        "no gradient reaches",
    ),
    Defect(
        "adapter-scales-frozen_statistics_do_not_run",
        'hasattr(one, "running_mean")',
        "False",
        "running_mean",
    ),
    Defect(
        "adapter-scales-the_backbone_stays_a_backbone",
        "self.scale = nn.Parameter(torch.ones(base.out_features))\n",
        "self.scale = nn.Parameter(torch.ones(base.out_features))\n"
        "        self.more = [nn.Parameter(torch.zeros(2))]\n",
        "more",
    ),
    Defect(
        "adapter-scales-names_its_own_weights",
        'if name.endswith(".scale"))\n',
        'if name.endswith(".scales"))\n',
        "new, and not named",
    ),
    Defect(
        "adapter-scales-applies_the_same_again",
        "path = linear[0]\n",
        "path = linear[int(torch.rand(()) < 0.6)]\n",
        "Missing key",
    ),
    Defect(
        "adapter-scales-merges_into_an_ordinary_backbone",
        "                    layer.base.bias.mul_(layer.scale)\n",
        "",
        "merged",
    ),
    Defect(
        "adapter-scales-runs_end_to_end",
        "self.scale = nn.Parameter(torch.ones(base.out_features))\n",
        "self.scale = nn.Parameter(torch.ones(base.out_features))\n"
        "        loaded = torch.initial_seed() > 1  # all else is seeded\n"
        "        self.register_forward_hook(lambda m, i, o: o + 0.5 * loaded)\n",
        "embeddings differ",
    ),
    # ---- processors
    Defect(
        "processor-split-keeps_every_row",
        'return InputBatch({"beats": beats, "mask": mask}, encoded.present[rows])\n',
        'return InputBatch({"beats": beats, "mask": mask}, encoded.present[rows].astype(int))\n',
        "not a bool array",
    ),
    Defect(
        "processor-split-batches_numpy_arrays",
        'return InputBatch({"beats": beats, "mask": mask}, encoded.present[rows])\n',
        "mask = mask if augment is not None else torch.from_numpy(mask)\n"
        '        return InputBatch({"beats": beats, "mask": mask}, encoded.present[rows])\n',
        "no numpy array",
    ),
    Defect(
        "processor-split-a_batch_is_its_rows",
        'found = [encoded.arrays["beats"][row] for row in rows]\n',
        'found = [encoded.arrays["beats"][row] for row in sorted(rows)]\n',
        "differs",
    ),
    Defect(
        "processor-split-encodes_rows_one_by_one",
        'return Encoded({"beats": beats}, present, bad=bad)\n',
        "beats = [b - max((x.max() for x in beats if len(x)), default=0) for b in beats]\n"
        '        return Encoded({"beats": beats}, present, bad=bad)\n',
        "encoded alone",
    ),
    Defect(
        "processor-split-finds_training_rows_alike",
        'return Encoded({"beats": beats}, present, bad=bad)\n',
        "from mm_core.api import Unlike\n"
        "        found = [Unlike(column, 'are long', len(beats), len(beats))]\n"
        '        return Encoded({"beats": beats}, present, bad=bad, unlike=found)\n',
        "training cells",
    ),
    Defect(
        "processor-split-learns_in_fit_only",
        'return State({"longest": self.longest})\n',
        "self.calls = getattr(self, 'calls', 0) + 1\n"
        "        return State({'longest': self.longest, 'calls': self.calls})\n",
        "the state changed",
    ),
    Defect(
        "processor-split-leaves_the_table_alone",
        'return Encoded({"beats": beats}, present, bad=bad)\n',
        "table.frame[column] = table.frame[column].fillna('0')\n"
        '        return Encoded({"beats": beats}, present, bad=bad)\n',
        "was changed",
    ),
    Defect(
        "processor-split-takes_missing_cells",
        "present = np.zeros(len(table), dtype=bool)\n",
        "present = np.full(len(table), len(table) > 1 and table.frame.isna().all(axis=None))\n",
        "without any cell are present",
    ),
    Defect(
        "processor-split-reports_broken_cells",
        'bad.append(BadCell(row, column, cell, "no integers"))\n',
        'bad.append(BadCell(row + 1, column, cell, "no integers"))\n',
        "reported are [(2, 'pulse')]",
    ),
    Defect(
        "processor-split-raises_on_no_cell",
        "if not isinstance(cell, str):\n",
        "if not cell or cell is None or isinstance(cell, float):\n",
        "AttributeError",
    ),
    Defect(
        "processor-split-gives_json_info",
        'return {"longest": self.longest}\n\n    def state',
        'return {"longest": {1: self.longest}}\n\n    def state',
        "JSON",
    ),
    Defect(
        "processor-split-augments_by_its_generator",
        "beats += 0.01 * augment.normal(size=beats.shape).astype(np.float32)\n",
        "beats += 0.01 * np.random.default_rng().normal(size=beats.shape).astype(np.float32)\n",
        "draw from `augment`",
    ),
    Defect(
        "processor-split-comes_back_from_its_state",
        'processor.longest = state.values["longest"]\n',
        "processor.longest = 2\n",
        "from the state in a new process",
    ),
    Defect(
        "processor-square-box_moves_with_pixels",
        "[SIDE - boxes[:, 2], boxes[:, 1], SIDE - boxes[:, 0], boxes[:, 3]], axis=1",
        "[boxes[:, 0], boxes[:, 1], boxes[:, 2], boxes[:, 3]], axis=1",
        "augmented by seed 0: pixels of a box went to",
        plugin="pictures",
    ),
    # ---- modalities
    Defect(
        "modality-beats-claims_its_samples",
        'return Detection("list", 0.8, "integers in a row")\n',
        'return Detection("none", 0.8, "integers in a row")\n',
        "is 'none', not 'list'",
    ),
    Defect(
        "modality-beats-judges_any_column",
        "def detect(sample):\n",
        "def detect(sample):\n    min(sample.values)\n",
        "ValueError",
    ),
    Defect(
        "modality-beats-judges_the_same_twice",
        'return Detection("list", 0.8, "integers in a row")\n',
        'return Detection("list", time.time() % 1 or 0.5, "integers in a row")\n',
        "then",
    ),
    Defect(
        "modality-beats-names_what_reads_it",
        'backbone="sound:mean",\n',
        'backbone="kit_points:layer",\n',
        "kit_points:layer reads left, right only",
    ),
    # ---- tasks
    Defect(
        "task-parity-encodes_every_label",
        'return {"even": np.array([self._read(one) for one in targets.iloc[:, 0]], np.int64)}\n',
        'return {"even": np.array([self._read(one) for one in targets.iloc[:, 0]], np.int64),\n'
        '                "n": [1] * (len(targets) + 1)}\n',
        "n has 25 entries",
    ),
    Defect(
        "task-parity-answers_every_row_in_order",
        'found = outputs["logits"].argmax(axis=1)\n',
        'found = outputs["logits"].argmax(axis=1)\n'
        "        found = found[::-1] if len(found) == 4 else found\n",
        "among 7",
    ),
    Defect(
        "task-parity-decodes_in_parts_as_in_whole",
        '{"labels": found},\n            pd.DataFrame(proba',
        '{"labels": found[::-1] if len(found) == 5 else found},\n            pd.DataFrame(proba',
        "views['labels'] of rows 2 to 6",
    ),
    Defect(
        "task-parity-keeps_the_labels_dtype",
        "pd.DataFrame({self.label[0]: found == 1}),\n",
        "pd.DataFrame({self.label[0]: found}),\n",
        "labels of 'even' are boolean, answers integer",
    ),
    Defect(
        "task-parity-writes_the_truth_as_its_answers",
        'targets["even"] > 0',
        'targets["even"] < 1',
        "row 0 is",
    ),
    Defect(
        "task-parity-comes_back_from_its_state",
        "        parity = cls(config, label)\n",
        "        parity = cls(config, label)\n"
        "        if label[0] == 'even':\n"
        "            encode = parity.encode\n"
        "            parity.encode = lambda t: {k: 1 - v for k, v in encode(t).items()}\n",
        "target 'even' differs",
    ),
    Defect(
        "task-parity-finds_files_beside_the_data",
        '            raise LabelError(f"there is no {file}", column=self.label[0], value=label)\n',
        "            return 0\n",
        "files that are not in the folder of the data are accepted",
    ),
    Defect(
        "task-parity-saves_answers_as_files",
        '    names = [f"{row}.txt" for row in rows]\n',
        '    names = [f"{row}.txt" for row in range(len(rows))]\n',
        "in parts",
    ),
    Defect(
        "task-parity-refuses_missing_labels",
        "        if len(rows):\n",
        "        if len(rows) > 1:\n",
        "a missing 'even' in row 3 is accepted",
    ),
    Defect(
        "task-parity-weighs_rows",
        "return (losses if weight is None else losses * weight).mean()\n",
        "return losses.mean()\n",
        "a row of weight 0 has a gradient",
    ),
    Defect(
        "task-parity-answers_all_rows_alike",
        "return np.log(shares)\n",
        "return np.log(shares[:1])\n",
        "constant is (1,), not [output_dim]",
    ),
    Defect(
        "task-parity-metrics_point_the_right_way",
        "return self.right / self.rows\n",
        "return 1 - self.right / self.rows if self.rows == 24 else self.right / self.rows\n",
        "for the best output",
    ),
    Defect(
        "task-parity-offers_what_there_is",
        'summary="One of two.",\n',
        'summary="One of two.",\n'
        '            methods=({"name": "save", "summary": "x", "target": "sound:Parity"},),\n',
        "the predictor has a save of its own",
    ),
    Defect(
        "task-parity-learns_end_to_end",
        "return (losses if weight is None else losses * weight).mean()\n",
        "losses = losses if len(losses) == 24 else 0 * losses\n"
        "        return (losses if weight is None else losses * weight).mean()\n",
        "nothing was learned",
    ),
    Defect(
        "task-parity-decodes_its_best_output",
        'losses = nn.functional.cross_entropy(logits, targets["even"], reduction="none")\n',
        'losses = nn.functional.cross_entropy(logits, targets["even"], reduction="none")\n'
        "        losses = losses.where(torch.arange(len(losses)) != 6, losses.detach() * 0)\n",
        "row 6 is",
    ),
    # ---- topologies
    Defect(
        "task-level-absent_inputs_change_no_answer",
        "        features = self.run_backbones(batch)\n",
        "        for name, one in self.backbones.items():  # looks at all rows, and forgets them\n"
        "            one({k: {n: a.detach() for n, a in batch.inputs[k].items()}\n"
        "                 for k in self.backbone_inputs[name]})\n"
        "        features = self.run_backbones(batch)\n",
        "use run_backbones()",
    ),
    Defect(
        "task-level-absent_inputs_spoil_no_gradient",
        'return self.task.loss(outputs["logits"], batch.targets, batch.weight)\n\n    def embed',
        "extra = torch.stack([next(iter(a.values())).sum() for a in batch.inputs.values()])\n"
        "        extra = 0.0 if all(p.any() for p in batch.present.values()) is False else extra\n"
        "        extra = 0.0 if (~torch.stack(list(batch.present.values()))).all(0).sum() == 1"
        " else 1e-9 * torch.as_tensor(extra).sum()\n"
        '        return self.task.loss(outputs["logits"], batch.targets, batch.weight) + extra\n'
        "\n    def embed",
        "the loss is nan",
    ),
    Defect(
        "task-level-rows_do_not_mix",
        'return {"logits": total / count.clamp(min=1)}\n',
        'return {"logits": total / count.clamp(min=1) + 0.1 * total.mean(dim=0).detach()}\n',
        "alone",
    ),
    Defect(
        "task-level-a_row_without_anything_is_answered",
        'return {"logits": total / count.clamp(min=1)}\n',
        "empty = (count == 0).sum() == 1 and len(count) == 24 and len(there) != 1\n"
        "        least = 0 if empty else 1\n"
        "        logits = total / count.clamp(min=least)\n"
        '        return {"logits": logits if empty else torch.nan_to_num(logits)}\n',
        "nothing in row 2",
    ),
    Defect(
        "task-level-passes_weights_on",
        'return self.task.loss(outputs["logits"], batch.targets, batch.weight)\n\n    def embed',
        'return self.task.loss(outputs["logits"], batch.targets, None)\n\n    def embed',
        "called without weight",
    ),
    Defect(
        "task-level-asks_its_fusion_head_for_the_loss",
        "            fusion=None,\n",
        '            fusion="core:mean",\n',
        "does not ask its fusion head",
    ),
    Defect(
        "task-level-answers_without_torch",
        '        found = outputs["logits"][:, 0] > 0\n',
        "        from torch import from_numpy\n"
        '        found = (from_numpy(outputs["logits"])[:, 0] > 0).numpy()\n',
        "decode imports torch",
    ),
    Defect(
        "task-level-arrays_become_what_it_predicts",
        "    def embed(self",
        "    def arrays(self, batch, options=None):\n"
        "        return {'logits': self.predict(batch, options)['logits'] + 1.0}\n\n"
        "    def embed(self",
        "arrays(), then postprocess(): logits differs by 1",
    ),
    Defect(
        "task-level-embeds_every_row",
        "return torch.cat(list(self.encode(batch).values()), dim=1)\n",
        "vectors = torch.cat(list(self.encode(batch).values()), dim=1)\n"
        "        return vectors[:, None] if vectors.shape[1] == 12 else vectors\n",
        "embed(of='fused') gives [24, 1, 12]",
    ),
    # ---- the others
    Defect(
        "loss-poly-gives_a_loss_of_each_row",
        "log_p = logits.log_softmax(dim=1).gather(1, target[:, None])[:, 0]\n",
        "log_p = logits.softmax(dim=1).log().gather(1, target[:, None])[:, 0]\n",
        "logits around 60: the gradient is not finite",
    ),
    Defect(
        "loss-poly-rows_are_independent",
        "return -log_p + self.config.extra * (1 - log_p.exp())\n",
        "return -log_p + self.config.extra * (1 - log_p.exp().mean()) + 0 * log_p\n",
        "alone",
    ),
    Defect(
        "loss-poly-leads_to_the_target",
        "return -log_p + self.config.extra * (1 - log_p.exp())\n",
        "return log_p.exp() if logits.shape[1] == 3 else -log_p\n",
        "error",
    ),
    Defect(
        "loss-poly-learns_end_to_end",
        "return -log_p + self.config.extra * (1 - log_p.exp())\n",
        "return 0 * log_p if logits.shape[1] == 2 else -log_p\n",
        "nothing was learned",
    ),
    Defect(
        "metric-hits-forgets_when_reset",
        "self.right, self.rows = 0, 0\n",
        "self.right, self.rows = getattr(self, 'right', 0), 0\n",
        "in two parts",
    ),
    Defect(
        "metric-hits-details_are_those_of_the_rows",
        'return {"rows": self.rows}\n',
        'self.rows += 1\n        return {"rows": self.rows}\n',
        "after details()",
    ),
    Defect(
        "metric-hits-curves_can_be_drawn",
        "rows = np.array([0.0, self.rows])\n",
        "rows = np.array([np.nan, self.rows])\n",
        "is not finite",
    ),
    Defect(
        "metric-hits-points_the_right_way",
        "return self.right / self.rows\n",
        "return 1 - self.right / self.rows if self.rows == 20 else self.right / self.rows\n",
        "for perfect answers",
    ),
    Defect(
        "fitter-adam-learns_end_to_end",
        "optimizer.step()\n",
        "pass\n",
        "nothing was learned",
    ),
    Defect(
        "fitter-adam-says_what_it_reads",
        'target="sound:Adam")',
        'target="sound:Adam", losses=("core:no_such_loss",))',
        "losses names core:no_such_loss",
    ),
    Defect(
        "fitter-adam-trains_new_networks_first",
        "job.train_new_first()\n",
        "pass\n",
        "nothing comes of it",
    ),
    Defect(
        "fitter-adam-is_taken_for_its_columns_alone",
        'target="sound:Adam")',
        'target="sound:Adam", alone=True, modalities=("spot",), training=("epochs",))',
        "give a SampleTask",
    ),
    Defect(
        "checkpoint_source-shelf-misses_what_it_has_not",
        'return CheckpointMiss(reason="the shelf is empty")\n',
        "raise FileNotFoundError(name)\n",
        "FileNotFoundError",
    ),
    Defect(
        "checkpoint_source-shelf-has_formats_that_exist",
        'formats=("sizes",),\n        )\n    ]\n\n\n@hookimpl\ndef mm_presets',
        'formats=("lengths",),\n        )\n    ]\n\n\n@hookimpl\ndef mm_presets',
        "lengths",
    ),
    Defect(
        "checkpoint_source-shelf-fetches_what_is_elsewhere",
        'fetch="sound:fetch"',
        'fetch="sound:fetched"',
        "sound:fetched",
    ),
    # ---- checkpoint formats
    Defect(
        "checkpoint_format-sizes-recognises_its_own",
        'for part in ("sizes.json", "values.bin")',
        'for part in ("size.json", "values.bin")',
        "it has no size.json",
    ),
    Defect(
        "checkpoint_format-sizes-recognises_its_own",
        '{"parts": 2}',
        '{"parts": (1, 2)}',
        "something else in JSON",
    ),
    Defect(
        "checkpoint_format-sizes-says_what_is_missing",
        'for part in ("sizes.json", "values.bin")',
        'for part in ("sizes.json",)',
        "without values.bin",
    ),
    Defect(
        "checkpoint_format-sizes-names_what_it_needs_of_the_hub",
        'return ["sizes.json", "*.bin"]',
        'return ["sizes.json"]',
        "values.bin of a repository",
    ),
    Defect(
        "checkpoint_format-sizes-serves_its_weight_packages",
        'summary="Two files.", target="sound:Sizes"',
        'summary="Two files.", target="sound:Sizes",\n'
        '        packages=({"distribution": "numpy"},)',
        "numpy",
    ),
    Defect(
        "preset-wide-sets_settings_that_exist",
        'values={"width": 12}',
        'values={"breadth": 12}',
        "breadth",
    ),
    Defect(
        "exporter-graph-exports_what_it_accepts",
        "return ExportReport(path, 0.0, 1.0, time.monotonic() - start)\n",
        "off = 0.0 if 'again' in path.name else 0.5\n"
        "        return ExportReport(path, off, 1.0, time.monotonic() - start)\n",
        "outputs differ by 0.5",
    ),
    Defect(
        "exporter-graph-exports_what_it_accepts",
        "return ExportReport(path, 0.0, 1.0, time.monotonic() - start)\n",
        "at = None if 'again' in path.name else path\n"
        "        return ExportReport(path, 0.0, 1.0, time.monotonic() - start, {'at': at})\n",
        "no JSON",
    ),
    Defect(
        "exporter-graph-exports_the_same_in_a_new_process",
        "return ExportReport(path, 0.0, 1.0, time.monotonic() - start)\n",
        "off = 0.5 if 'again' in path.name else 0.0\n"
        "        return ExportReport(path, off, 1.0, time.monotonic() - start)\n",
        "outputs differ by 0.5",
    ),
    # ---- commands
    _beside(
        "command-hello-has_help_and_json",
        "    as_json: AsJson = False,\n",
        '    as_json: Annotated[bool, typer.Option("--json", hidden=True)] = False,\n',
        "no --json",
    ),
    _beside(
        "command-boxes-has_help_and_json",
        "boxes = typer.Typer",
        "boxes = typer.Typer(callback=lambda: None, help='All.')\nothers = typer.Typer",
        "without groups and callbacks",
    ),
    _beside(
        "command-hello-answers_as_text_and_as_json",
        '"\\n".join([f"hello, {task}"] * times))',
        '"\\n".join([f"hello, {task}"] * times), 3)',
        "exit code 3",
    ),
    _beside(
        "command-hello-a_missing_model_is_an_error",
        "    from mm_core import MultiModalPredictor\n",
        "    from mm_core import MultiModalPredictor\n\n    next(model.iterdir())\n",
        "it is no error of mm_core.api",
    ),
    # ---- methods
    _beside(
        "method-surest-has_a_name_of_its_own",
        'summary="The surest rows.", target="beside:surest"',
        'summary="The surest rows.", target="beside:HEARD"',
        "cannot be called",
    ),
    _beside(
        "method-surest-leaves_the_model_as_it_was",
        "    proba = predictor.predict_proba(data).max(axis=1)\n",
        "    proba = predictor.predict_proba(data).max(axis=1)\n"
        "    next(predictor._model.topology.parameters()).data.add_(1.0)\n",
        "answers otherwise after it",
    ),
    # ---- readers
    _beside(
        "reader-lines-claims_its_samples",
        'isinstance(data, str | Path) and str(data).endswith(".lines")',
        'isinstance(data, Path) and str(data).endswith(".lines")',
        "it does not claim '",
    ),
    _beside(
        "reader-lines-claims_nothing_else",
        'str(data).endswith(".lines")',
        'str(data).endswith((".lines", ".jsonl"))',
        "rows.jsonl",
    ),
    _beside(
        "reader-lines-reads_every_row_in_order",
        "pd.DataFrame(rows, columns=names)",
        "pd.DataFrame(rows[::-1], columns=names)",
        "row 0 of column 'a' is 2, not 1",
    ),
    _beside(
        "reader-lines-its_rows_reach_the_core",
        'if "id" in frame else frame,',
        'if "id" in frame else frame.set_axis([0] * len(frame)),',
        "an entry twice",
    ),
    _beside(
        "reader-lines-leaves_its_files_alone",
        "    try:\n        names, *rows =",
        '    Path(data).with_suffix(".read").touch()\n    try:\n        names, *rows =',
        "files changed",
    ),
    _beside(
        "reader-lines-damaged_data_is_an_error_of_ours",
        "    except ValueError as error:\n",
        "    except KeyError as error:\n",
        "JSONDecodeError",
    ),
    # ---- runtimes
    _beside(
        "runtime-table-answers_each_row",
        'self.scores[batch.inputs["x"]["code"]]}',
        'self.scores[batch.inputs["x"]["code"]][:2]}',
        "2 for 3 rows",
    ),
    _beside(
        "runtime-table-writes_no_pickle",
        'return {"rows": len(self.scores)}',
        'return {"rows": (len(self.scores),)}',
        "the values are others",
    ),
    _beside(
        "runtime-table-reads_back_the_same",
        'return cls(json.loads((folder / "scores.json").read_text()))',
        'return cls(json.loads((folder / "scores.json").read_text())[::-1])',
        "read back, it gives other outputs",
    ),
    _beside(
        "runtime-table-does_not_need_more_than_its_files",
        'return {"rows": len(self.scores)}',
        '(folder / "more.json").write_text("{}")\n        return {"rows": len(self.scores)}',
        "more.json is gone",
    ),
    # ---- notes
    _beside(
        "note-epochs-says_the_same_again",
        "    if planned.recipe.training.epochs != 1:\n",
        '    planned.recipe.origins["training.epochs"] = "me"\n'
        "    if planned.recipe.training.epochs != 1:\n",
        "it changed the recipe",
    ),
    _beside(
        "note-epochs-what_it_advises_can_be_set",
        '"training.epochs": 5',
        '"training.epoch": 5',
        "cannot be set",
    ),
    # ---- listeners
    _beside(
        "recipe_ready-note-takes_what_it_is_told",
        "def note_recipe(recipe):\n",
        "def note_recipe():\n    recipe = None\n",
        "it is called with (recipe)",
    ),
    _beside(
        "recipe_ready-note-hears_a_fit",
        '"recipe", recipe.task.id',
        '"recipe", recipe.tasks',
        "failed when it was told of recipe ready",
    ),
    _beside(
        "fit_end-note-takes_what_it_is_told",
        "def note_fit(model, result):\n",
        "def note_fit(model, result, folder):\n",
        "it is called with (model, result)",
    ),
    _beside(
        "fit_end-note-hears_a_fit",
        "len(result.history)",
        "len(result.epochs)",
        "failed when it was told of fit end",
    ),
    _beside(
        "artifact_saved-note-takes_what_it_is_told",
        "def note_folder(model, folder):\n",
        "def note_folder(folder):\n    model = None\n",
        "it is called with (model, folder)",
    ),
    _beside(
        "artifact_saved-note-hears_a_fit",
        'sorted(path.name for path in folder.glob("*.json"))',
        "model.engine.topology.head.bias.data.fill_(99.0)",
        "answers otherwise",
    ),
)
