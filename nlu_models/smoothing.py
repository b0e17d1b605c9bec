"""Encoders made ready for int8: what is hard to round in the activations is moved into the weights.

A few channels of a BERT's activations are a hundred times larger than the others, and dynamic quantisation has one step
for all of them. Each channel is therefore divided, and its row of weights multiplied, by
`max|activation| ** strength / max|weight| ** (1 - strength)`; the product stays what it was (SmoothQuant, Xiao et al.
2023, arXiv:2211.10438).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

STRENGTH = 0.8
SMALLEST = 1e-5  # a channel that is silent in the texts is not blown up without bound

Feed = Mapping[str, NDArray[Any]]


def smooth(path: Path, feeds: Sequence[Feed], *, strength: float = STRENGTH) -> None:
    """Rewrite a float32 ONNX file; every product of activations (..., channels) and weights (channels, outputs).

    Args:
        feeds: inputs of the graph without padding, a text each: their activations are looked at.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(str(path))
    weights = {each.name: each for each in model.graph.initializer}
    products = [node for node in model.graph.node if node.op_type == "MatMul" and node.input[1] in weights]
    if not products:
        return
    largest = _largest(model, sorted({node.input[0] for node in products}), feeds)
    nodes = list(model.graph.node)
    for number, node in enumerate(products):
        rows = numpy_helper.to_array(weights[node.input[1]])
        steep = np.maximum(np.abs(rows).max(axis=1), SMALLEST)
        scales = np.maximum(largest[node.input[0]], SMALLEST) ** strength / steep ** (1 - strength)
        scales = (scales / np.exp(np.log(scales).mean())).astype(np.float32)
        name = f"smooth_{number}"
        model.graph.initializer.append(
            numpy_helper.from_array((rows * scales[:, None]).astype(np.float32), f"{name}_w")
        )
        model.graph.initializer.append(numpy_helper.from_array(1 / scales, name))
        divided = helper.make_node("Mul", [node.input[0], name], [f"{name}_x"], name=name)
        nodes.insert(nodes.index(node), divided)
        node.input[0], node.input[1] = f"{name}_x", f"{name}_w"
    used = {name for node in nodes for name in node.input}
    kept = [each for each in model.graph.initializer if each.name in used]
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(kept)
    onnx.save(model, str(path))


def _largest(model: Any, names: Sequence[str], feeds: Sequence[Feed]) -> dict[str, NDArray[np.float32]]:
    """Of each of these values the largest magnitude a channel."""
    import onnx
    import onnxruntime

    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    watched.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in names)
    session = onnxruntime.InferenceSession(watched.SerializeToString(), providers=["CPUExecutionProvider"])
    known = {given.name for given in session.get_inputs()}
    largest: dict[str, NDArray[np.float32]] = {}
    for feed in feeds:
        values = session.run(list(names), {name: value for name, value in feed.items() if name in known})
        for name, value in zip(names, values, strict=True):
            found = np.abs(value).reshape(-1, value.shape[-1]).max(axis=0)
            largest[name] = np.maximum(largest.get(name, found), found)
    return largest
