#!/usr/bin/env python3
"""Runs the programs that `convd explain --format pytorch` and `opencv` print, and holds their numbers against convd's.

usage: CONVD=build/convd python3 tests/code/agree.py [pytorch|opencv]...

Every program runs as printed, in this process so that the libraries are loaded once; the first of each library also
runs by itself. Numbers agree to 1e-5 of the largest. What is not installed is skipped, with words."""
import importlib
import io
import contextlib
import json
import os
import runpy
import subprocess
import sys
import tempfile

try:
    import numpy as np
    from PIL import Image
except ImportError as missing:
    print("code: skipped, %s (python3-numpy and python3-pil)" % missing)
    sys.exit(0)

CONVD = os.environ.get("CONVD", "build/convd")
LIBRARY = {"pytorch": "torch", "opencv": "cv2"}
PACKAGE = {"pytorch": "python3-torch", "opencv": "python3-opencv"}


def steps(*list_, **more):
    return json.dumps({"steps": list(list_), **more})


def init(out, size, kind="he_normal", **more):
    return {"init": kind, "out_channels": out, "kernel_size": size, **more}


# (pipeline, input): photo is 3 x 29 x 37, small 3 x 3 x 4, maps an npy of 6 x 11 x 13, batch one of 3 x 6 x 11 x 13.
MODES = ("zeros", "reflect", "symmetric", "replicate", "circular", "constant")
PIPELINES = [(name, "photo") for name in (
    "edges", "edges-x", "edges-y", "edges-xy", "magnitude", "diagonal", "laplacian", "sharpen", "blur", "gaussian",
    "emboss", "outline", "maximum", "minimum", "median", "maxpool", "avgpool", "sumpool", "orientation", "features",
    "residual", "dense", "csp", "se")]
PIPELINES += [(text, "photo") for text in (
    "grayscale/sobel_x/abs/max_pool:2",
    "grayscale/kirsch_ne/clamp:0,255/invert",
    "grayscale/gaussian:7,1.5,padding_mode=circular/unsharp",
    "filter:roberts_x,flip=true,scale=0.5,delta=3/neg/relu6",
    "motion:9,30/gabor:9,2,30,6/minmax",
    "dog:9,1,1.6,padding_mode=constant,padding_value=40",
    "max_pool:3,2,1,ceil_mode=true/min_pool:3x2,2,padding=1x0x0x1",
    "min_pool:4,3,padding=same/avg_pool:3,2,1,count_include_pad=false,ceil_mode=true",
    "avg_pool:3x5,2,1x2,dilation=2x1,ceil_mode=true/sum_pool:2,ceil_mode=true",
    "avg_pool:3,1,padding=2x1x0x1,divisor_override=5/lp_pool:3,2,1,norm_type=3,ceil_mode=true",
    "max_pool:2x3,1,dilation=2x3,padding=1x2/lp_pool:2,norm_type=2,dilation=2",
    "adaptive_avg_pool:5x7/adaptive_max_pool:3x4", "global_max_pool", "global_avg_pool", "global_sum_pool",
    "dilate:4x3,padding_mode=reflect/erode:2x5", "median:5/dilate:3,padding_mode=constant,padding_value=200",
    "median:3x5,padding_mode=symmetric/erode:4,padding_mode=zeros", "median:3,padding_mode=circular",
    "scale:0.01,-1/square/sqrt/exp/log", "scale:0.02,-2/sign", "scale:0.37/round", "scale:0.01/pow:1.7",
    "scale:0.05,-6/leaky_relu:0.2", "scale:0.05,-6/elu:1.5", "scale:0.05,-6/gelu", "scale:0.05,-6/silu",
    "scale:0.05,-6/sigmoid", "scale:0.05,-6/hard_sigmoid", "scale:0.05,-6/hard_swish", "scale:0.05,-6/tanh",
    "scale:0.3,-6/softplus", "threshold:100,200,50", "clamp", "clamp:min=50", "clamp:max=90", "scale:0.02/softmax",
    "scale:0.02/softmax:height", "scale:0.02/softmax:width", "select:2x0x2", "reduce:sum", "reduce:mean,height",
    "reduce:max,width", "reduce:min", "reduce:l2,height", "pad:7x9,padding_mode=reflect",
    "pad:1x2x3x4,padding_value=9", "pad:40,padding_mode=circular", "pad:33x41,padding_mode=symmetric",
    "flip:x", "flip:y", "flip:xy", "rotate", "rotate:-1", "rotate:2", "crop:3,4,20,11", "dropout:0.3/flatten",
    "resize:17x23", "resize:60x80,mode=bicubic", "resize:17x50,align_corners=true", "resize:40x21,mode=nearest",
    "resize:scale_factor=1.7x0.6", "resize:scale_factor=0.31,mode=nearest", "resize:scale_factor=2x3,mode=bicubic",
    "resize:12x9,mode=area", "resize:50x60,mode=area", "instance_norm/lrn:3,0.5,0.75,2",
    "normalize:123.675x116.28x103.53,58.395x57.12x57.375")]
PIPELINES += [("filter:gaussian,padding_mode=%s,padding_value=7" % mode, size) for mode in MODES
              for size in ("photo", "small")]
PIPELINES += [
    (steps({"op": "conv", "weight": init(5, [3, 2], gain=0.5), "padding": [2, 1, 0, 3], "stride": [1, 2],
            "bias": [1, -2, 3, 4, 5]}), "photo"),
    (steps({"op": "conv", "weight": ["sobel_x", "sobel_y"], "across": "luma", "padding": "same", "stride": 2}), "photo"),
    (steps({"op": "conv", "weight": init(6, 5, "xavier_uniform", seed=7), "padding": "same", "padding_mode": "circular",
            "dilation": 2, "flip": True}), "photo"),
    (steps({"op": "conv", "weight": init(6, 3, "uniform"), "groups": 3, "padding": 1}), "maps"),
    (steps({"op": "conv", "weight": init(6, 1, "identity"), "groups": 1}), "batch"),
    (steps({"op": "conv", "layout": "HWIO", "weight": np.arange(24).reshape(2, 2, 6, 1).tolist(), "bias": 2,
            "padding_mode": "replicate", "padding": 1}), "maps"),
    (steps({"op": "conv_transpose", "weight": init(4, [3, 4]), "stride": [2, 3], "padding": [1, 0, 0, 2],
            "output_padding": 1, "bias": [1, 2, 3, 4]}), "maps"),
    (steps({"op": "conv_transpose", "weight": init(4, 3), "stride": 2, "padding": 1, "dilation": 2, "groups": 2,
            "flip": True}), "batch"),
    (steps({"op": "linear", "weight": {"init": "xavier_normal", "out_features": 7}, "bias": {"init": "zeros"}}), "batch"),
    (steps({"op": "batch_norm", "weight": [1, 2, 3, 4, 5, 6], "bias": 0.5, "var": 4}), "batch"),
    (steps({"op": "instance_norm", "weight": {"init": "normal"}, "bias": [1, 2, 3, 4, 5, 6]},
           {"op": "shuffle", "groups": 3}), "batch"),
    (steps({"id": "a", "op": "select", "channels": [0, 1, 2, 3]}, {"op": "pixel_shuffle", "factor": 2},
           {"op": "crop", "height": 20, "width": 24}, {"op": "pixel_unshuffle", "factor": 4}, "minmax"), "maps"),
    (steps({"id": "x", "op": "conv", "weight": init(6, 1)}, {"id": "y", "op": "relu", "input": "image"},
           {"id": "p", "op": "global_avg_pool", "input": "y"}, {"op": "multiply", "inputs": ["x", "p"]},
           {"id": "m", "op": "mean", "inputs": ["x", "y", "image"]}, {"op": "hypot", "inputs": ["m", "x", "p"]},
           {"id": "c", "op": "concat", "inputs": ["m", "s5"]}, {"op": "divide", "inputs": ["s5", "p"]},
           {"op": "sub", "inputs": ["image", "s7", "y"]}, {"op": "maximum", "inputs": ["s8", "x", "y"]},
           {"op": "minimum", "inputs": ["s9", "y"]}, output={"from": ["x", "c", "s10"]}), "batch"),
    (steps({"op": "residual", "id": "in", "steps": [{"op": "conv", "weight": init(5, 3), "stride": 2, "padding": 1},
                                                  "relu"], "projection": True},
           {"op": "csp", "split": 0.4, "steps": ["sigmoid"]}, {"op": "se", "reduction": 2},
           {"op": "dense", "layers": 2, "steps": [{"op": "conv", "weight": init(3, 3), "padding": "same"}]}), "photo"),
    (steps({"op": "conv", "weight": "@bank", "bias": "@offsets", "padding": 1}, {"op": "filter", "kernel": "@small"},
           {"op": "add", "inputs": ["s1", "@mask"]}), "photo"),
    (steps({"op": "grayscale", "id": "lambda"}, {"op": "filter", "kernel": "sobel_x", "id": "np"}, {"op": "filter", "kernel": "sobel_y",
           "input": "lambda", "id": "F"}, {"op": "hypot", "inputs": ["np", "F"], "id": "pad"},
           input={"channels": "gray"}), "photo"),
    (steps({"op": "filter", "kernel": "gaussian", "id": "filter2d"}, {"op": "conv", "weight": init(3, 3), "id": "c"},
           {"op": "abs", "id": "c_weight"}, {"op": "minmax", "id": "minmax"}, {"op": "neg", "id": "v"},
           {"op": "hypot", "inputs": ["v", "minmax"], "id": "sum"}), "photo"),
]
TENSORS = {"bank": (4, 3, 3, 3), "offsets": (4,), "small": (3, 3), "mask": (29, 37)}


def prepare(where):
    random = np.random.default_rng(5)
    Image.fromarray(random.integers(0, 256, (29, 37, 3), dtype=np.uint8)).save(where + "/photo.png")
    Image.fromarray(random.integers(0, 256, (3, 4, 3), dtype=np.uint8)).save(where + "/small.png")
    np.save(where + "/maps.npy", random.normal(0, 2, (6, 11, 13)).astype(np.float32))
    np.save(where + "/batch.npy", random.normal(0, 2, (3, 6, 11, 13)).astype(np.float32))
    for name, shape in TENSORS.items():
        np.save(where + "/%s.npy" % name, random.normal(0, 1, shape).astype(np.float32))


def convd(*words):
    return subprocess.run([CONVD, *words], capture_output=True)


def outputs_of(path):
    found = np.load(path)
    return dict(found) if hasattr(found, "files") else {"": found}


def expected(where, pipeline, source, tensors):
    """convd's own numbers, by name; a single output has none."""
    several = pipeline.startswith("{") and "output" in json.loads(pipeline)
    out = where + ("/expected.safetensors" if several else "/expected.npy")
    done = convd("run", pipeline, source, "-o", out, *tensors)
    if done.returncode:
        return done.stderr.decode()
    if not several:
        return {"": np.load(out)}
    data = open(out, "rb").read()
    size = int.from_bytes(data[:8], "little")
    return {name: np.frombuffer(data[8 + size + entry["data_offsets"][0]:8 + size + entry["data_offsets"][1]],
                                np.float32).reshape(entry["shape"])
            for name, entry in json.loads(data[8:8 + size]).items() if name != "__metadata__"}


def run_program(program, words, alone):
    if alone:
        done = subprocess.run([sys.executable, program, *words], capture_output=True)
        return done.stderr.decode() if done.returncode else None
    sys.argv = [program, *words]
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            runpy.run_path(program, run_name="__main__")
    except BaseException as error:  # whatever it is, the program did not run
        return repr(error)
    return None


def differ(got, want):
    if got.shape != want.shape:
        return "%s in place of %s" % (got.shape, want.shape)
    largest = np.abs(want[np.isfinite(want)]).max(initial=0)
    off = np.abs(np.nan_to_num(got.astype(np.float64)) - np.nan_to_num(want.astype(np.float64))).max(initial=0)
    if not np.array_equal(np.isnan(got), np.isnan(want)) or off > 1e-5 * max(largest, 1e-30):
        return "off by %g, the largest is %g" % (off, largest)
    return off / max(largest, 1e-30)


def check(where, format_, pipeline, source, alone):
    path = where + "/" + source + (".png" if source in ("photo", "small") else ".npy")
    named = [name for name in TENSORS if "@" + name in pipeline]
    options = [word for name in named for word in ("--tensor", "%s=%s/%s.npy" % (name, where, name))]
    said = convd("explain", pipeline, path, "--format", format_, *options)
    if said.returncode and b"not-expressible" in said.stderr or b"cannot be said" in said.stderr:
        return "not expressible"
    if said.returncode:
        return "explain: " + said.stderr.decode()
    program, result = where + "/program.py", where + "/result"
    open(program, "wb").write(said.stdout)
    want = expected(where, pipeline, path, options)
    if isinstance(want, str):
        return "run: " + want
    extension = ".npz" if len(want) > 1 else ".npy"
    failed = run_program(program, [path, result + extension] + ["%s=%s/%s.npy" % (name, where, name) for name in named],
                         alone)
    if failed:
        return "the program: " + failed
    got = outputs_of(result + extension)
    if set(got) != set(want):
        return "outputs %s in place of %s" % (sorted(got), sorted(want))
    worst = 0.0
    for name in want:
        found = differ(got[name], want[name])
        if isinstance(found, str):
            return name + " " + found
        worst = max(worst, found)
    return worst


def main():
    failures = 0
    for format_ in sys.argv[1:] or list(LIBRARY):
        try:
            importlib.import_module(LIBRARY[format_])
        except ImportError:
            print("code: %s skipped, %s is not installed" % (format_, PACKAGE[format_]))
            continue
        agree, unsaid, worst = 0, [], 0.0
        with tempfile.TemporaryDirectory() as where:
            prepare(where)
            for i, (pipeline, source) in enumerate(PIPELINES):
                found = check(where, format_, pipeline, source, i == 0)
                if found == "not expressible":
                    unsaid.append(pipeline)
                elif isinstance(found, str):
                    failures += 1
                    print("FAILED %s: %s on %s: %s" % (format_, pipeline, source, found))
                else:
                    agree += 1
                    worst = max(worst, found)
        print("code: %s: %d of %d pipelines agree to 1e-5 (worst %.2g), %d cannot be said" %
              (format_, agree, len(PIPELINES), worst, len(unsaid)))
        if format_ == "pytorch" and unsaid:
            failures += 1
            print("FAILED pytorch says every operation, but not", unsaid)
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
