// OpenCV. "opencv" calls the library as its documentation does; "opencv-bands" is what a careful user adds:
// the same calls over row bands that stay in the cache, one parallel_for_ over them.
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include "peer.hpp"
using namespace cv;
static Mat rgb(const Spec &s)
{
    auto b = slurp(photo(s, ".rgb"));
    return Mat(s["h"], s["w"], CV_8UC3, b.data()).clone();
}
static void bands(int h, int rows, const std::function<void(int, int)> &f)
{
    int n = (h + rows - 1) / rows;
    parallel_for_(
        Range(0, n),
        [&](const Range &r) {
            for (int i = r.start; i < r.end; i++) f(i * rows, std::min(h, (i + 1) * rows));
        },
        n);
}
static void edges(const Mat &gray, Mat &out)
{
    thread_local Mat dx, dy, ax, ay;
    Sobel(gray, dx, CV_16S, 1, 0);
    Sobel(gray, dy, CV_16S, 0, 1);
    convertScaleAbs(dx, ax);
    convertScaleAbs(dy, ay);
    add(ax, ay, out);
}
static Case make_edges(const Spec &s, int t, int how)
{
    setNumThreads(t);
    Mat in = rgb(s), out(in.size(), CV_8U), g(in.size(), CV_8U), dx, dy, ax, ay;
    if (how == 0)
        return {[=]() mutable {
                    cvtColor(in, g, COLOR_RGB2GRAY);
                    edges(g, out);
                },
                ""};
    if (how == 1)
        return {[=]() mutable {
                    cvtColor(in, g, COLOR_RGB2GRAY);
                    spatialGradient(g, dx, dy);
                    convertScaleAbs(dx, ax);
                    convertScaleAbs(dy, ay);
                    add(ax, ay, out);
                },
                ""};
    return {[=]() mutable {
                int h = in.rows;
                bands(h, 48, [&](int a, int b) {
                    thread_local Mat gray;
                    int lo = std::max(0, a - 1), hi = std::min(h, b + 1);
                    cvtColor(in.rowRange(lo, hi), gray, COLOR_RGB2GRAY);
                    Mat o = out.rowRange(a, b);
                    if (how == 2) {
                        edges(gray.rowRange(a - lo, b - lo), o);
                        return;
                    }
                    thread_local Mat dx, dy, ax, ay;
                    spatialGradient(gray, dx, dy);
                    convertScaleAbs(dx.rowRange(a - lo, b - lo), ax);
                    convertScaleAbs(dy.rowRange(a - lo, b - lo), ay);
                    add(ax, ay, o);
                });
            },
            ""};
}
static Case banded(const Spec &s, int t, bool split, std::function<void(const Mat &, Mat &)> f)
{
    setNumThreads(t);
    Mat in = rgb(s), out(in.size(), in.type());
    if (!split) return {[=]() mutable { f(in, out); }, ""};
    return {[=]() mutable {
                bands(in.rows, std::max(32, in.rows / 16), [&](int a, int b) {
                    Mat o = out.rowRange(a, b);
                    f(in.rowRange(a, b), o);
                });
            },
            ""};
}
static Case make_filter(const Spec &s, int t, bool split)
{
    int k = s["k"], scale;
    auto v = kernel_ints(k, &scale);
    Mat m(k, k, CV_32F);
    for (int i = 0; i < k * k; i++) m.at<float>(i / k, i % k) = (float)v[i] / scale;
    return banded(s, t, split, [=](const Mat &a, Mat &b) {
        filter2D(a, b, -1, m, Point(-1, -1), 0, BORDER_REFLECT_101);
    });
}
static Case make_pool8(const Spec &s, int t)
{
    setNumThreads(t); // planar: the three planes stacked are one image of 3h rows
    int h = s["c"] * s["h"], w = s["w"];
    Mat in(h, w, CV_8U), out(h / 2, w / 2, CV_8U), rows(h / 2, w, CV_8U), pl[2];
    randu(in, 0, 256);
    if (s.str("op") == "avg")
        return {[=]() mutable { resize(in, out, out.size(), 0, 0, INTER_AREA); },
                "resize INTER_AREA"};
    Mat even(h / 2, w, CV_8U, in.data, 2 * in.step),
        odd(h / 2, w, CV_8U, in.data + in.step, 2 * in.step);
    return {[=]() mutable {
                (void)in;
                max(even, odd, rows);
                split(rows.reshape(2), pl);
                max(pl[0], pl[1], out);
            },
            "max of row views, split, max"};
}
static Case make_gpool(const Spec &s, int t)
{
    setNumThreads(t);
    int c = s["c"], n = s["h"] * s["w"];
    Mat in(c, n, CV_32F), out(c, 1, CV_32F);
    randu(in, -1, 1);
    int op = s.str("op") == "avg" ? REDUCE_AVG : REDUCE_MAX;
    if (op == REDUCE_AVG)
        return {[=]() mutable {
                    for (int i = 0; i < c; i++) out.at<float>(i) = (float)mean(in.row(i))[0];
                },
                "mean"};
    return {[=]() mutable {
                for (int i = 0; i < c; i++) {
                    double hi;
                    minMaxLoc(in.row(i), nullptr, &hi);
                    out.at<float>(i) = (float)hi;
                }
            },
            "minMaxLoc"};
}
int main(int argc, char **argv)
{
    std::vector<Peer> p = {
        {"opencv", "edges", 2, [](const Spec &s, int t) { return make_edges(s, t, 0); }},
        {"opencv-spatialGradient", "edges", 2,
         [](const Spec &s, int t) { return make_edges(s, t, 1); }},
        {"opencv-bands", "edges", 2, [](const Spec &s, int t) { return make_edges(s, t, 2); }},
        {"opencv-sg-bands", "edges", 2, [](const Spec &s, int t) { return make_edges(s, t, 3); }},
        {"opencv", "pool8", 2, make_pool8},
        {"opencv", "gpool", 2, make_gpool}};
    for (int b = 0; b < 2; b++) {
        std::string n = b ? "opencv-bands" : "opencv";
        p.push_back({n, "filter", 2, [=](const Spec &s, int t) { return make_filter(s, t, b); }});
        p.push_back({n, "gauss", 2, [=](const Spec &s, int t) {
                         int k = s["k"];
                         return banded(s, t, b, [=](const Mat &x, Mat &y) {
                             GaussianBlur(x, y, Size(k, k), 5, 5, BORDER_REFLECT_101);
                         });
                     }});
        p.push_back({n, "box", 2, [=](const Spec &s, int t) {
                         int k = s["k"];
                         return banded(s, t, b, [=](const Mat &x, Mat &y) {
                             boxFilter(x, y, -1, Size(k, k));
                         });
                     }});
        p.push_back({n, "dilate", 2, [=](const Spec &s, int t) {
                         int k = s["k"];
                         Mat e = Mat::ones(k, k, CV_8U);
                         return banded(s, t, b, [=](const Mat &x, Mat &y) { dilate(x, y, e); });
                     }});
        if (!b)
            p.push_back({n, "median", 2, [=](const Spec &s, int t) {
                             int k = s["k"];
                             return banded(s, t, b,
                                           [=](const Mat &x, Mat &y) { medianBlur(x, y, k); });
                         }});
    }
    p.push_back({"opencv-sepFilter2D", "gauss", 2, [](const Spec &s, int t) {
                     Mat g = getGaussianKernel(s["k"], 5, CV_32F);
                     return banded(s, t, false,
                                   [=](const Mat &x, Mat &y) { sepFilter2D(x, y, -1, g, g); });
                 }});
    return peer_main(argc, argv, p);
}
