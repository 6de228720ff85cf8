// libvips as a library: pixels from memory, the pipeline built for each call, pixels back to memory. Operation cache off.
#include <vips/vips.h>
#include "peer.hpp"
using Build = std::function<VipsImage *(VipsImage *)>;
static Case over(const Spec &s, int t, Build f)
{
    auto px = std::make_shared<std::vector<unsigned char>>(slurp(photo(s, ".rgb")));
    int w = s["w"], h = s["h"];
    return {[=] {
                vips_concurrency_set(t);
                VipsImage *in =
                    vips_image_new_from_memory(px->data(), px->size(), w, h, 3, VIPS_FORMAT_UCHAR);
                in->Type = VIPS_INTERPRETATION_sRGB;
                VipsImage *o = f(in);
                size_t n;
                void *m = o ? vips_image_write_to_memory(o, &n) : nullptr;
                g_object_unref(in);
                if (o) g_object_unref(o);
                if (!m) {
                    std::string e = vips_error_buffer();
                    vips_error_clear();
                    throw std::runtime_error(e);
                }
                g_free(m);
            },
            ""};
}
static VipsImage *matrix(int w, int h, const std::vector<double> &v, double scale)
{
    VipsImage *m = vips_image_new_matrix_from_array(w, h, v.data(), (int)v.size());
    vips_image_set_double(m, "scale", scale);
    return m;
}
int main(int argc, char **argv)
{
    if (VIPS_INIT(argv[0])) return 1;
    vips_cache_set_max(0);
    std::vector<Peer> p = {
        {"vips-sobel", "edges", 2,
         [](const Spec &s, int t) {
             return over(s, t, [](VipsImage *in) -> VipsImage * {
                 VipsImage *m = vips_image_new_matrixv(3, 1, .299, .587, .114), *g = nullptr,
                           *u = nullptr, *o = nullptr;
                 vips_recomb(in, &g, m, nullptr) || vips_cast_uchar(g, &u, nullptr) ||
                     vips_sobel(u, &o, nullptr);
                 g_object_unref(m);
                 if (g) g_object_unref(g);
                 if (u) g_object_unref(u);
                 return o;
             });
         }},
        {"vips", "gauss", 2,
         [](const Spec &s, int t) {
             int k = s["k"];
             std::vector<double> v;
             double sum = 0;
             for (int i = 0; i < k; i++) {
                 double d = i - k / 2;
                 v.push_back(rint(100 * exp(-d * d / 50)));
                 sum += v.back();
             }
             VipsImage *m = matrix(k, 1, v, sum);
             return over(s, t, [m](VipsImage *in) {
                 VipsImage *o = nullptr;
                 vips_convsep(in, &o, m, "precision", VIPS_PRECISION_INTEGER, nullptr);
                 return o;
             });
         }},
        {"vips", "median", 2,
         [](const Spec &s, int t) {
             int k = s["k"];
             return over(s, t, [k](VipsImage *in) {
                 VipsImage *o = nullptr;
                 vips_median(in, &o, k, nullptr);
                 return o;
             });
         }},
        {"vips", "dilate", 2,
         [](const Spec &s, int t) {
             int k = s["k"];
             return over(s, t, [k](VipsImage *in) {
                 VipsImage *o = nullptr;
                 vips_rank(in, &o, k, k, k * k - 1, nullptr);
                 return o;
             });
         }},
        {"vips-shrink", "pool8", 2, [](const Spec &s, int t) -> Case {
             if (s.str("op") != "avg") throw std::runtime_error("mean only");
             int w = s["w"], h = s["h"] * s["c"];
             auto px = std::make_shared<std::vector<unsigned char>>((size_t)w * h);
             for (size_t i = 0; i < px->size(); i++)
                 (*px)[i] = (unsigned char)(i * 2654435761u >> 13);
             return {[=] {
                         vips_concurrency_set(t);
                         VipsImage *in = vips_image_new_from_memory(px->data(), px->size(), w, h, 1,
                                                                    VIPS_FORMAT_UCHAR),
                                   *o = nullptr;
                         vips_shrink(in, &o, 2, 2, nullptr);
                         size_t n;
                         g_free(vips_image_write_to_memory(o, &n));
                         g_object_unref(in);
                         g_object_unref(o);
                     },
                     ""};
         }}};
    for (int fl = 0; fl < 2; fl++)
        p.push_back({fl ? "vips-float" : "vips", "filter box", 2, [=](const Spec &s, int t) {
                         int k = s["k"], scale;
                         auto c = kernel_ints(k, &scale);
                         if (s.kind == "box") {
                             c.assign(k * k, 1);
                             scale = k * k;
                         }
                         VipsImage *m = matrix(k, k, {c.begin(), c.end()}, scale);
                         return over(s, t, [m, fl](VipsImage *in) {
                             VipsImage *o = nullptr, *u = nullptr;
                             if (!fl) {
                                 vips_conv(in, &o, m, "precision", VIPS_PRECISION_INTEGER, nullptr);
                                 return o;
                             }
                             if (vips_conv(in, &o, m, "precision", VIPS_PRECISION_FLOAT, nullptr))
                                 return o;
                             vips_cast_uchar(o, &u, nullptr);
                             g_object_unref(o);
                             return u;
                         });
                     }});
    return peer_main(argc, argv, p);
}
