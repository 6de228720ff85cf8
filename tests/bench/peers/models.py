#!/usr/bin/python3
"""ONNX models of the tensor workloads, for ONNX Runtime, into DIR/build/models: models.py DIR. DIR has workloads.tsv."""
import os, sys
import numpy as np
import onnx
from onnx import TensorProto as T, helper as H, numpy_helper as N

HERE = sys.argv[1]
out = os.path.join(HERE, "build", "models")
os.makedirs(out, exist_ok=True)
rng = np.random.default_rng(1)


def w(name, *s):
    return N.from_array((rng.standard_normal(s) / np.sqrt(np.prod(s[1:]))).astype(np.float32), name)


for l in open(os.path.join(HERE, "workloads.tsv")):
    if not l.strip() or l[0] == "#":
        continue
    name, kind, p = l.split("\t")[:3]
    p = {k: int(v) if v.isdigit() else v for k, v in (x.split("=") for x in p.split())}
    c, h = p.get("ci", p.get("c", 0)), p.get("h"); wd = p.get("w", h); t = T.FLOAT; shape = [1, c, h, wd]; n, i = [], []
    if kind in ("conv", "chain"):
        i = [w("w", p["co"], c // p["g"], p["k"], p["k"]), w("b", p["co"])]
        n = [H.make_node("Conv", ["x", "w", "b"], ["y"], strides=[p["s"]] * 2, pads=[p["p"]] * 4, group=p["g"])]
        ho = (h + 2 * p["p"] - p["k"]) // p["s"] + 1; y = [1, p["co"], ho, ho]
        if kind == "chain":
            n = [H.make_node("Conv", ["x", "w", "b"], ["c"], pads=[1] * 4), H.make_node("Relu", ["c"], ["r"]), H.make_node("MaxPool", ["r"], ["y"], kernel_shape=[2, 2], strides=[2, 2])]
            y = [1, p["co"], ho // 2, ho // 2]
    elif kind in ("pool", "pool8"):
        if kind == "pool8":
            t = T.UINT8
            if p["op"] == "avg":
                continue
        pad = 0 if kind == "pool8" else p["k"] // 2
        y = [1, c, (h + 2 * pad - p["k"]) // p["s"] + 1, (wd + 2 * pad - p["k"]) // p["s"] + 1]
        n = [H.make_node("MaxPool", ["x"], ["y"], kernel_shape=[p["k"]] * 2, strides=[p["s"]] * 2, pads=[pad] * 4)]
    elif kind == "gpool":
        n = [H.make_node("GlobalAveragePool" if p["op"] == "avg" else "GlobalMaxPool", ["x"], ["y"])]; y = [1, c, 1, 1]
    elif kind == "residual":
        i = [w("w1", c, c, 3, 3), w("b1", c), w("w2", c, c, 3, 3), w("b2", c)]; y = shape
        n = [H.make_node("Conv", ["x", "w1", "b1"], ["a"], pads=[1] * 4), H.make_node("Relu", ["a"], ["r"]), H.make_node("Conv", ["r", "w2", "b2"], ["d"], pads=[1] * 4), H.make_node("Add", ["d", "x"], ["s"]), H.make_node("Relu", ["s"], ["y"])]
    elif kind == "se":
        q = c // p["r"]; i = [w("w1", q, c, 1, 1), w("b1", q), w("w2", c, q, 1, 1), w("b2", c)]; y = shape
        n = [H.make_node("GlobalAveragePool", ["x"], ["g"]), H.make_node("Conv", ["g", "w1", "b1"], ["a"]), H.make_node("Relu", ["a"], ["r"]), H.make_node("Conv", ["r", "w2", "b2"], ["e"]), H.make_node("Sigmoid", ["e"], ["s"]), H.make_node("Mul", ["x", "s"], ["y"])]
    else:
        continue
    g = H.make_graph(n, name, [H.make_tensor_value_info("x", t, shape)], [H.make_tensor_value_info("y", t, y)], i)
    m = H.make_model(g, opset_imports=[H.make_opsetid("", 13)]); m.ir_version = 8
    onnx.checker.check_model(m)
    onnx.save(m, os.path.join(out, name + ".onnx"))
