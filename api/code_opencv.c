/* code_opencv.c: pipelines as programs of OpenCV and NumPy: pictures are H x W x C arrays. What OpenCV says in a word
 * stands in the op's row; ops of networks that have no place there have none. */
#include "code_python.h"

static const char *words(const struct convd_op *op, const struct convd_site *s,
                         struct convd_arena *mem)
{
    const char *own = op->opencv_of ? op->opencv_of(s, mem) : NULL;
    if (s->y.n > 1) return NULL; /* a picture is one */
    return own ? own : op->opencv;
}

static const struct convd_helper helpers[] = {
    PYTHON_HELPERS,
    {"array", "def array(values, shape):\n"
              "    return np.array(values, np.float32).reshape(shape)"},
    {"ones", "def ones(shape):\n"
             "    return np.ones(shape, np.float32)"},
    {"init", "def init(kind, shape, seed, gain):\n"
             "    return $numbers(kind, shape, seed, gain)"},
    {"maps", "def maps(x):\n"
             "    \"\"\"An array of C x H x W as H x W x C.\"\"\"\n"
             "    x = x.reshape((1,) * (4 - x.ndim) + x.shape)\n"
             "    if x.shape[0] != 1:\n"
             "        sys.exit(\"one picture at a time\")\n"
             "    return np.ascontiguousarray(x[0].transpose(1, 2, 0))"},
    {"hwc", "def hwc(x):\n"
            "    \"\"\"OpenCV drops the last dimension of gray pictures.\"\"\"\n"
            "    return x[:, :, None] if x.ndim == 2 else x"},
    {"border",
     "def border(n, before, after, mode):\n"
     "    \"\"\"Which of n numbers stands at each place of a border, however wide.\"\"\"\n"
     "    i = np.arange(-before, n + after)\n"
     "    if mode == \"replicate\":\n"
     "        return i.clip(0, n - 1)\n"
     "    if mode == \"circular\":\n"
     "        return i % n\n"
     "    if mode == \"symmetric\":\n"
     "        i = i % (2 * n)\n"
     "        return np.minimum(i, 2 * n - 1 - i)\n"
     "    i = i % max(2 * n - 2, 1)  # reflect\n"
     "    return np.minimum(i, 2 * n - 2 - i) if n > 1 else i"},
    {"pad", "def pad(x, top, left, bottom, right, mode=\"zeros\", value=0.0):\n"
            "    \"\"\"cv2.copyMakeBorder for any number of channels.\"\"\"\n"
            "    if mode in (\"zeros\", \"constant\"):\n"
            "        return np.pad(x, ((top, bottom), (left, right), (0, 0)),\n"
            "                      constant_values=value if mode == \"constant\" else 0)\n"
            "    x = x[$border(x.shape[0], top, bottom, mode)]\n"
            "    return np.ascontiguousarray(x[:, $border(x.shape[1], left, right, mode)])"},
    {"windows",
     "def windows(x, kernel, stride, dilation, before, cover, fill):\n"
     "    \"\"\"H x W x C x kh x kw: the numbers of each window.\"\"\"\n"
     "    x = x[:x.shape[0] + min(cover[0], 0), :x.shape[1] + min(cover[1], 0)]\n"
     "    x = np.pad(x, ((before[0], max(cover[0], 0)), (before[1], max(cover[1], 0)), (0, 0)),\n"
     "               constant_values=fill)\n"
     "    span = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation))\n"
     "    x = np.lib.stride_tricks.sliding_window_view(x, span, (0, 1))\n"
     "    return x[::stride[0], ::stride[1], :, ::dilation[0], ::dilation[1]]"},
    {"compute", "def compute(path, tensors):\n"
                "    results = run($maps($load(path)), tensors)\n"
                "    return {name: y.transpose(2, 0, 1)[None].astype(np.float32) for name, y in "
                "results.items()}"},
    {NULL, NULL},
};

const struct api_language api_opencv = {
    .name = "opencv",
    .library = "OpenCV",
    .imports = "import cv2\nimport numpy as np\n",
    .helpers = helpers,
    .words = words,
    .array = "$array",
};
