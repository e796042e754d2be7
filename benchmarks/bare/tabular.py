"""Tables: scaled numbers, one-hot categories, a plain MLP."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer
from torch import Tensor, nn


class Table:
    """Numbers mapped to a normal distribution (missing: median and a flag), categories one-hot."""

    rate = None

    def __init__(
        self, numbers: tuple[str, ...], categories: tuple[str, ...], train: pd.DataFrame
    ) -> None:
        scale = make_pipeline(
            QuantileTransformer(
                output_distribution="normal", n_quantiles=min(1000, len(train)), random_state=0
            ),
            SimpleImputer(strategy="median", add_indicator=True),
        )
        encode = OneHotEncoder(handle_unknown="ignore", min_frequency=2, sparse_output=False)
        self.columns = make_column_transformer((scale, list(numbers)), (encode, list(categories)))
        self.columns.fit(train)
        self.encoder = mlp(self.columns.transform(train.head(1)).shape[1])
        self.width = WIDTH

    def rows(self, frame: pd.DataFrame, augment: bool) -> _Features:
        """Features of each row."""
        return _Features(torch.from_numpy(self.columns.transform(frame).astype(np.float32)))


class _Features:
    lengths = None

    def __init__(self, values: Tensor) -> None:
        self.values = values

    def batch(self, rows: Tensor) -> Tensor:
        """float32 [B, D]."""
        return self.values[rows]


WIDTH = 256


def mlp(n_features: int) -> nn.Sequential:
    """[B, n_features] -> [B, 256]: two hidden layers with dropout."""
    return nn.Sequential(
        nn.Linear(n_features, WIDTH),
        nn.ReLU(),
        nn.Dropout(0.1),
        nn.Linear(WIDTH, WIDTH),
        nn.ReLU(),
        nn.Dropout(0.1),
    )
