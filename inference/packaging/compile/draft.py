"""The graph under construction, in skl2onnx's hands: nodes and constants by short words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

#: The domain of the operators for trees, encoders and other classical models.
ML = "ai.onnx.ml"
#: `TreeEnsemble` came with this version of it, `Gather` of strings and `Where` with that of ONNX.
ML_VERSION = 5
ML_VERSIONS = {"TreeEnsemble": 1, "LabelEncoder": 2}
VERSION = 17


@dataclass(frozen=True)
class Draft:
    """Graph that a converter of skl2onnx adds to.

    Attributes
    ----------
    scope, container : object
        Its names, and its nodes.
    """

    scope: Any
    container: Any

    def add(
        self,
        kind: str,
        *inputs: str,
        out: str | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> str:
        """Add a node and return the name of its result, `out` if it is given."""
        result = out or str(self.scope.get_unique_variable_name(kind.lower()))
        version = ML_VERSIONS.get(kind)
        self.container.add_node(
            kind,
            list(inputs),
            result,
            op_domain=ML if version else "",
            op_version=version or VERSION,
            name=self.scope.get_unique_operator_name(kind),
            **(attributes or {}),
        )
        return result

    def constant(self, values: Any) -> str:
        """Add doubles, integers or strings and return their name."""
        from onnx import TensorProto

        array = np.asarray(values)
        kinds = {"f": TensorProto.DOUBLE, "i": TensorProto.INT64, "U": TensorProto.STRING}
        flat = array.ravel().tolist()
        held = [each.encode() for each in flat] if array.dtype.kind == "U" else flat
        name = str(self.scope.get_unique_variable_name("constant"))
        self.container.add_initializer(name, kinds[array.dtype.kind], list(array.shape), held)
        return name

    def cast(self, name: str, to: str, out: str | None = None) -> str:
        """Convert to ``"FLOAT"``, ``"DOUBLE"`` or ``"INT64"``."""
        from onnx import TensorProto

        return self.add("Cast", name, out=out, attributes={"to": getattr(TensorProto, to)})
