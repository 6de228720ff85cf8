/* code_pytorch.c: pipelines as PyTorch programs. What torch says in a word stands in the op's row; helpers here are what
 * several ops share: borders of every kind, windows, weights. */
#include "code_python.h"

static const char *words(const struct convd_op *op, const struct convd_site *s,
                         struct convd_arena *mem)
{
    const char *own = op->torch_of ? op->torch_of(s, mem) : NULL;
    return own ? own : op->torch;
}

static const struct convd_helper helpers[] = {
    PYTHON_HELPERS,
    {"array", "def array(values, shape):\n"
              "    return torch.tensor(values, dtype=torch.float32).reshape(shape)"},
    {"ones", "def ones(shape):\n"
             "    return torch.ones(shape)"},
    {"init", "def init(kind, shape, seed, gain):\n"
             "    return torch.from_numpy($numbers(kind, shape, seed, gain))"},
    {"maps", "def maps(x):\n"
             "    \"\"\"An array as N x C x H x W.\"\"\"\n"
             "    return x.reshape((1,) * (4 - x.ndim) + tuple(x.shape))"},
    {"border",
     "def border(n, before, after, mode):\n"
     "    \"\"\"Which of n numbers stands at each place of a border, however wide.\"\"\"\n"
     "    i = torch.arange(-before, n + after)\n"
     "    if mode == \"replicate\":\n"
     "        return i.clamp(0, n - 1)\n"
     "    if mode == \"circular\":\n"
     "        return i % n\n"
     "    if mode == \"symmetric\":\n"
     "        i = i % (2 * n)\n"
     "        return torch.minimum(i, 2 * n - 1 - i)\n"
     "    i = i % max(2 * n - 2, 1)  # reflect\n"
     "    return torch.minimum(i, 2 * n - 2 - i) if n > 1 else i"},
    {"pad", "def pad(x, top, left, bottom, right, mode=\"zeros\", value=0.0):\n"
            "    \"\"\"A border of any width in every mode; F.pad has limits.\"\"\"\n"
            "    if mode in (\"zeros\", \"constant\"):\n"
            "        return F.pad(x, (left, right, top, bottom), value=value if mode == "
            "\"constant\" else 0.0)\n"
            "    x = x[:, :, $border(x.shape[2], top, bottom, mode)]\n"
            "    return x[:, :, :, $border(x.shape[3], left, right, mode)]"},
    {"window_sums", "def window_sums(x, kernel, stride, dilation):\n"
                    "    \"\"\"The sum of each window.\"\"\"\n"
                    "    n, c, h, w = x.shape\n"
                    "    ones = torch.ones(1, 1, *kernel, dtype=torch.float64)\n"
                    "    y = F.conv2d(x.reshape(n * c, 1, h, w).double(), ones, stride=stride, "
                    "dilation=dilation)\n"
                    "    return y.reshape(n, c, y.shape[2], y.shape[3])"},
    {"max_pool",
     "def max_pool(x, kernel, stride, dilation, before, after):\n"
     "    \"\"\"F.max_pool2d with any border: it never wins.\"\"\"\n"
     "    x = F.pad(x, (before[1], after[1], before[0], after[0]), value=float(\"-inf\"))\n"
     "    return F.max_pool2d(x, kernel, stride, 0, dilation)"},
    {"compute", "def compute(path, tensors):\n"
                "    tensors = {name: torch.from_numpy(x) for name, x in tensors.items()}\n"
                "    with torch.no_grad():\n"
                "        results = run(torch.from_numpy($load(path)), tensors)\n"
                "    return {name: y.numpy() for name, y in results.items()}"},
    {NULL, NULL},
};

const struct api_language api_pytorch = {
    .name = "pytorch",
    .library = "PyTorch",
    .imports = "import numpy as np\nimport torch\nimport torch.nn.functional as F\n",
    .helpers = helpers,
    .words = words,
    .array = "$array",
};
