"""Smoothing changes no answer of the float32 graph, and int8 of what it wrote is nearer to it."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from nlu_models.smoothing import smooth

WIDTH, LOUD = 64, 5  # one channel is a hundred times as loud as the others, as in BERT


def graph(path):
    random = np.random.default_rng(3)
    weights = [random.normal(size=(WIDTH, WIDTH)).astype(np.float32) / 8 for _ in range(2)]
    nodes = [
        helper.make_node("MatMul", ["x", "w0"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("MatMul", ["b", "w1"], ["y"]),
    ]
    made = helper.make_graph(
        nodes,
        "two",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", "tokens", WIDTH])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", "tokens", WIDTH])],
        [numpy_helper.from_array(each, f"w{number}") for number, each in enumerate(weights)],
    )
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))


def loud(rows, seed):
    values = np.random.default_rng(seed).normal(size=(rows, 7, WIDTH)).astype(np.float32)
    values[..., LOUD] *= 100
    return values


def run(path, values):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, {"x": values})[0]


@pytest.fixture
def files(tmp_path):
    """(as it was, smoothed)."""
    before, after = tmp_path / "before.onnx", tmp_path / "after.onnx"
    graph(before)
    graph(after)
    smooth(after, [{"x": loud(1, seed), "unknown": np.zeros(1)} for seed in range(20)])
    return before, after


def test_the_answers_stay_what_they_were(files):
    before, after = (run(each, loud(3, 77)) for each in files)
    np.testing.assert_allclose(after, before, rtol=1e-3, atol=1e-3)


def test_int8_is_nearer_to_float32_than_without(files, tmp_path):
    values = loud(50, 99)
    exact = run(files[0], values)
    errors = []
    for path in files:
        small = tmp_path / f"int8-{path.name}"
        quantize_dynamic(str(path), str(small), weight_type=QuantType.QInt8, per_channel=True)
        errors.append(float(np.abs(run(small, values) - exact).mean()))
    assert errors[1] < 0.7 * errors[0]


def test_a_graph_without_weights_is_left_alone(tmp_path):
    path = tmp_path / "none.onnx"
    shape = ["rows", WIDTH]
    made = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "none",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    was = path.read_bytes()
    smooth(path, [{"x": np.ones((1, WIDTH), np.float32)}])
    assert path.read_bytes() == was
