"""Listings of graphs, and what a crafted one may not do."""

import json

import numpy as np
import pytest

from e2style.errors import CheckpointError, ConfigError
from e2style.graphs.format import MAX_NODES, OPERATORS, Graph, Node, from_json, to_json
from e2style.graphs.sessions import Networks

PLAIN = Graph(
    inputs={"x": ("B", 3)},
    outputs=("1",),
    constants={"c": np.array([2.0, 3.0, 4.0], np.float32)},
    views={"v": ("weight", (3, 1))},
    nodes=(Node("Mul", ("x", "c"), ("0",)), Node("Gemm", ("0", "v"), ("1",), {"transB": 0})),
)
WEIGHT = np.array([1.0, 10.0, 100.0], np.float32)


def _listed(**changes):
    fields = json.loads(to_json({"g": PLAIN}))["g"]
    return json.dumps({"g": fields | changes})


def _networks(graph, read=lambda key: {"weight": WEIGHT}[key]):
    return Networks({"g": graph}, read, "model m")


def test_a_graph_survives_its_listing_and_runs_on_the_weights():
    (graph,) = from_json(to_json({"g": PLAIN})).values()
    assert graph.nodes == PLAIN.nodes and graph.views == PLAIN.views
    np.testing.assert_array_equal(graph.constants["c"], PLAIN.constants["c"])
    x = np.array([[1, 1, 1], [1, 0, 2]], np.float32)
    (found,) = _networks(graph).run("g", x)
    np.testing.assert_array_equal(found, [[432], [802]])


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"nodes": [["Loop", ["x"], ["1"], {}]]}, "operator 'Loop'"),
        ({"nodes": [["com.microsoft::Gelu", ["x"], ["1"], {}]]}, "not among those allowed"),
        ({"nodes": [["Mul", ["x", "x"], ["1"], {"domain": "evil"}]]}, "operator Mul: domain"),
        ({"nodes": [["Conv", ["x", "v"], ["1"], {"strides": [0, 1]}]]}, "strides"),
        ({"nodes": [["Conv", ["x", "v"], ["1"], {"pads": [-1, 0, 0, 0]}]]}, "pads"),
        ({"nodes": [["Conv", ["x", "v"], ["1"], {"group": True}]]}, "group"),
        ({"nodes": [["LeakyRelu", ["x"], ["1"], {"alpha": float("inf")}]]}, "alpha"),
        ({"nodes": [["DepthToSpace", ["x"], ["1"], {"mode": "x"}]]}, "mode"),
        ({"nodes": [["Relu", ["1"], ["0"], {}], ["Relu", ["x"], ["1"], {}]]}, "before it is"),
        ({"nodes": [["Relu", ["x"], ["x"], {}]]}, "stands for two things"),
        ({"nodes": []}, "nodes"),
        ({"nodes": [["Relu", ["x"], ["1"], {}]] * (MAX_NODES + 1)}, "nodes"),
        ({"outputs": ["x"]}, "not computed"),
        ({"outputs": []}, "names"),
        ({"inputs": {}}, "0 inputs"),
        ({"inputs": {"x": [1 << 40]}}, "axis"),
        ({"inputs": {"x": [-1]}}, "axis"),
        ({"inputs": {"a\nb": [1]}}, "printable"),
        ({"constants": {"c": ["float32", [1 << 20, 1 << 20], ""]}}, "another size"),
        ({"constants": {"c": ["float32", ["B"], ""]}}, "no certain shape"),
        ({"constants": {"c": ["float32", [1], "?"]}}, "damaged"),
        ({"constants": {"c": ["object", [1], "AAAAAA=="]}}, "damaged"),
        ({"views": {"v": ["weight", ["B", 1]]}}, "no certain shape"),
        ({"nodes": [["Relu"]]}, "damaged"),
        ({"nodes": 3}, "nodes"),
    ],
)
def test_a_crafted_listing_is_rejected(changes, match):
    with pytest.raises(CheckpointError, match=match):
        from_json(_listed(**changes))


@pytest.mark.parametrize("text", ["", "[]", "3", "{", '{"g": 1}', "[" * 100_000, '{"g": {}}'])
def test_what_is_no_listing_is_rejected(text):
    with pytest.raises(CheckpointError, match="its graphs"):
        from_json(text)


def test_no_operator_that_is_allowed_reads_files_or_holds_graphs():
    risky = {"If", "Loop", "Scan", "SequenceMap", "StringConcat", "Constant", "ConstantOfShape"}
    assert not risky & set(OPERATORS)
    assert all(name.isalnum() for name in OPERATORS)


def test_external_data_cannot_be_named():
    """A model that onnxruntime is given holds no tensor but the constants, all of them inside."""
    from e2style.graphs.encoding import onnx_model

    model = onnx_model(PLAIN, {"v": WEIGHT.reshape(3, 1)})
    assert b"location" not in model
    with pytest.raises(CheckpointError, match="damaged"):
        from_json(_listed(constants={"c": ["external", [3], "/etc/passwd"]}))


@pytest.mark.parametrize(
    "nodes",
    [
        (Node("Gemm", ("x", "v"), ("1",), {"transB": 1}),),  # shapes that do not fit
        (Node("Mul", ("x",), ("1",)),),  # an input too few
        (Node("Reshape", ("x", "c"), ("1",)),),  # a type that does not fit
        (Node("Softmax", ("x",), ("1",), {"axis": 7}),),
    ],
)
def test_what_onnxruntime_rejects_is_an_error_of_the_model(nodes):
    with pytest.raises(CheckpointError, match="model m"):
        _networks(Graph(PLAIN.inputs, ("1",), PLAIN.constants, PLAIN.views, nodes)).run(
            "g", np.ones((1, 3), np.float32)
        )


def test_views_and_tensors_that_do_not_fit_are_rejected():
    with pytest.raises(CheckpointError, match=r"'weight' as \(3, 1\)"):
        _networks(PLAIN, lambda _: np.ones(4, np.float32)).run("g", np.ones((1, 3), np.float32))
    with pytest.raises(CheckpointError, match="type uint8"):
        _networks(PLAIN, lambda _: np.ones(3, np.uint8)).run("g", np.ones((1, 3), np.float32))
    with pytest.raises(CheckpointError, match="no graph 'h'"):
        _networks(PLAIN).run("h", WEIGHT)
    with pytest.raises(ConfigError, match="device"):
        Networks({"g": PLAIN}, lambda _: WEIGHT, "model m", "cuda")
