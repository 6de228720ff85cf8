/* embed.c: a program that uses libconvd and nothing else: it finds the vertical border in a picture of its own.
 *
 *     cc embed.c $(pkg-config --cflags --libs convd) -o embed */
#include <convd.h>
#include <stdio.h>

enum { W = 64, H = 48, BORDER = 40 };

int main(void)
{
    static unsigned char rgb[H][W][3], edges[H][W];
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            for (int c = 0; c < 3; c++) rgb[y][x][c] = x < BORDER ? 20 : 50;

    /* A graph says what to do. */
    struct convd_faults *faults = convd_faults_new();
    struct convd_graph *graph = convd_graph_new(NULL, faults);
    int gray = convd_graph_add(graph, "grayscale", "", CONVD_IMAGE);
    int sobel = convd_graph_add(graph, "filter", "sobel_x", gray);
    int result = convd_graph_add(graph, "abs", "", sobel);

    /* A plan settles it for one size of picture: every error comes now. */
    struct convd_input in = {
        .pixels = CONVD_U8_HWC, .n = 1, .height = H, .width = W, .stored = 3, .channels = 3};
    struct convd_output out = {.node = result, .pixels = CONVD_U8_HWC};
    struct convd_plan *plan = convd_plan_new(graph, &in, &out, 1, NULL, 1, faults);
    for (const struct convd_fault *f = convd_faults_first(faults); f; f = f->next)
        fprintf(stderr, "%s: %s\n", f->pointer, f->detail);

    /* Then it runs, as often as one likes, on memory of the caller's. */
    struct convd_run run = {.input = rgb, .outputs = (void *[]){edges}};
    if (!plan || !convd_plan_run(plan, &run, faults)) return 1;
    int best = 0;
    for (int x = 0; x < W; x++)
        if (edges[H / 2][x] > edges[H / 2][best]) best = x;
    printf("the border is at x = %d, contrast %d\n", best + 1, edges[H / 2][best]);

    convd_plan_free(plan);
    convd_graph_free(graph);
    convd_faults_free(faults);
    return best + 1 == BORDER ? 0 : 1;
}
