#!/usr/bin/python3
"""torch, eager, in the peer protocol (see peer.hpp). "torch" is NCHW, "torch-cl" channels last; forward passes under no_grad."""
import os, sys, time
import torch
import torch.nn as nn
import torch.nn.functional as F

HERE = os.environ["BENCH_DIR"]


def workloads():
    for l in open(os.path.join(HERE, "workloads.tsv")):
        if l.strip() and l[0] != "#":
            n, kind, p = l.rstrip("\n").split("\t")[:3]
            yield n, kind, {k: int(v) if v.isdigit() else v for k, v in (x.split("=") for x in p.split())}


class SE(nn.Module):
    def __init__(self, c, r):
        super().__init__()
        self.a, self.b = nn.Linear(c, c // r), nn.Linear(c // r, c)

    def forward(self, x):
        return x * torch.sigmoid(self.b(F.relu(self.a(x.mean((2, 3))))))[:, :, None, None]


class Residual(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.a, self.b = (nn.Conv2d(c, c, 3, padding=1) for _ in "ab")

    def forward(self, x):
        return F.relu_(self.b(F.relu_(self.a(x))).add_(x))


def make(kind, p, peer):
    torch.manual_seed(1)
    cl = dict(memory_format=torch.channels_last) if peer == "torch-cl" else {}
    rand = lambda *s: torch.randn(*s).to(**cl)
    if kind in ("conv", "chain", "convbwd"):
        m = nn.Conv2d(p["ci"], p["co"], p["k"], p["s"], p["p"], groups=p["g"]).to(**cl)
        x = rand(1, p["ci"], p["h"], p["h"])
        if kind == "convbwd":
            y = m(x.requires_grad_(p["ci"] > 3)); dy = rand(*y.shape); need = ([x] if p["ci"] > 3 else []) + [m.weight, m.bias]
            return lambda: torch.autograd.grad(y, need, dy, retain_graph=True)
        return (lambda: m(x)) if kind == "conv" else (lambda: F.max_pool2d(F.relu_(m(x)), 2))
    if kind == "pool8":
        x = torch.randint(0, 256, (1, p["c"], p["h"], p["w"]), dtype=torch.uint8)
        if p["op"] == "avg":
            raise ValueError("no avg_pool2d on bytes")
        q = torch._make_per_tensor_quantized_tensor(x, 1.0, 0)
        return lambda: F.max_pool2d(q, 2)
    if kind in ("pool", "poolbwd"):
        x = rand(1, p["c"], p["h"], p["w"])
        if kind == "pool":
            return lambda: F.max_pool2d(x, p["k"], p["s"], p["k"] // 2)
        y = F.max_pool2d(x.requires_grad_(), p["k"], p["s"], p["k"] // 2); dy = rand(*y.shape)
        return lambda: torch.autograd.grad(y, x, dy, retain_graph=True)
    if kind == "gpool":
        x = rand(1, p["c"], p["h"], p["w"])
        return (lambda: x.mean((2, 3))) if p["op"] == "avg" else (lambda: x.amax((2, 3)))
    if kind == "residual":
        m = Residual(p["c"]).to(**cl); x = rand(1, p["c"], p["h"], p["h"])
        return lambda: m(x)
    if kind == "se":
        m = SE(p["c"], p["r"]); x = rand(1, p["c"], p["h"], p["h"])
        return lambda: m(x)
    if kind == "train":
        blocks = [Residual(p["co"]) for _ in range(p.get("blocks", 0))]
        m, l = nn.Sequential(nn.Conv2d(p["ci"], p["co"], 3, padding=1), nn.ReLU(), *blocks).to(**cl), nn.Linear(p["co"], 2)
        x, t = rand(p["n"], p["ci"], p["h"], p["h"]), torch.randint(0, 2, (p["n"],)); o = torch.optim.SGD([*m.parameters(), *l.parameters()], .01)

        def step():
            o.zero_grad(set_to_none=True)
            F.cross_entropy(l(m(x).mean((2, 3))), t).backward()
            o.step()
        return step
    raise ValueError("no such kind")


def sample(f):
    want = float(os.environ.get("SAMPLE_MS", 15)) / 1e3
    t0, one = time.perf_counter(), 0
    while not one or time.perf_counter() - t0 < want:
        t = time.perf_counter(); f(); one = time.perf_counter() - t
        if one > .2:
            return one * 1e3
    n = max(1, min(100000, int(want / max(one, 1e-7))))
    t = time.perf_counter()
    for _ in range(n):
        f()
    return (time.perf_counter() - t) / n * 1e3


PEERS = {"torch": "conv chain convbwd pool8 pool poolbwd gpool residual se train", "torch-cl": "conv chain convbwd pool poolbwd gpool residual train"}
SPECS = {n: (k, p) for n, k, p in workloads()}
if sys.argv[1:] == ["list"]:
    for n, (k, p) in SPECS.items():
        for peer, kinds in PEERS.items():
            if k in kinds.split():
                print(n, peer, 2, sep="\t")
else:
    made, held = {}, None
    for line in sys.stdin:
        w, peer, t = line.rstrip("\n").split("\t")
        if w != held:
            made, held = {}, w
        try:
            if torch.get_num_threads() != int(t):
                torch.set_num_threads(int(t))
            k, p = SPECS[w]
            f = made.get(peer) or made.setdefault(peer, make(k, p, peer))
            with torch.set_grad_enabled(k in ("train", "convbwd", "poolbwd")):
                print(f"{sample(f):.6f}\t", flush=True)
        except Exception as e:
            print("!" + str(e).replace("\n", " ")[:150], flush=True)
