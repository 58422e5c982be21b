"""The network itself, operator by operator: slow, and the reference of the other engines."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import paddle

from zoo import env
from zoo.inference.engines.base import CallPool, arrays
from zoo.inference.graph import inputs_of
from zoo.inference.static import evaluating, fields, outputs_of
from zoo.models.common.base import Model


class Eager:
    """An engine (zoo/inference/engines/base.py). Computes with the model's own dtype."""

    name = "eager"
    precision = "fp32"

    def __init__(self, model: Model) -> None:
        env.use_all_cores()
        self.model = model
        self.inputs = inputs_of(model)
        self.outputs = outputs_of(model)
        self._turns = CallPool(model)

    def __call__(self, batch: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        given = arrays(batch, self.inputs)
        with self._turns() as model, evaluating(model), paddle.no_grad():
            output = model(**{name: paddle.to_tensor(array) for name, array in given.items()})
            return {name: tensor.numpy() for name, tensor in fields(output, model.task).items()}
