/* multipart.c: the parser alone, against what RFC 2046 and 7578 say. */
#include "../t.h"
#include "server/multipart.h"

static struct multipart m;

static bool parse_n(const char *boundary, const char *body, size_t n)
{
    char *copy = malloc(n ? n : 1); /* exactly as long: a sanitizer sees every byte read too far */
    memcpy(copy, body, n);
    bool ok = multipart_parse(&m, copy, n, (struct slice){boundary, strlen(boundary)});
    for (size_t i = 0; ok && i < m.n; i++) { /* slices stay inside */
        OK((const char *)m.part[i].data >= copy &&
           (const char *)m.part[i].data + m.part[i].n <= copy + n);
        OK(m.part[i].name.data >= copy && m.part[i].name.data + m.part[i].name.n <= copy + n);
    }
    if (ok) { /* the copy goes: let slices point into what stays */
        for (size_t i = 0; i < m.n; i++) {
            m.part[i].data = (const uint8_t *)body + ((const char *)m.part[i].data - copy);
            m.part[i].name.data = body + (m.part[i].name.data - copy);
            if (m.part[i].filename.data)
                m.part[i].filename.data = body + (m.part[i].filename.data - copy);
            if (m.part[i].type.data) m.part[i].type.data = body + (m.part[i].type.data - copy);
        }
    }
    free(copy);
    return ok;
}

static bool parse(const char *boundary, const char *body)
{
    return parse_n(boundary, body, strlen(body));
}

static bool slice_is(struct slice s, const char *text)
{
    return s.n == strlen(text) && memcmp(s.data, text, s.n) == 0;
}

#define PART(DISPOSITION, DATA)                                                                    \
    "Content-Disposition: form-data; " DISPOSITION "\r\n\r\n" DATA "\r\n"

TEST(two_parts_are_slices_of_the_body)
{
    OK(parse("b", "--b\r\n" PART("name=\"img\"; filename=\"x.png\"",
                                 "one") "--b\r\n" PART("name=pipeline", "two") "--b--\r\n"));
    EQ(2, m.n);
    OK(slice_is(m.part[0].name, "img"));
    OK(slice_is(m.part[0].filename, "x.png"));
    EQ(3, m.part[0].n);
    OK(memcmp(m.part[0].data, "one", 3) == 0);
    OK(slice_is(m.part[1].name, "pipeline"));
    OK(m.part[1].filename.data == NULL);
    OK(memcmp(m.part[1].data, "two", 3) == 0);
}

TEST(preamble_epilogue_and_blanks_after_the_boundary_are_allowed)
{
    OK(parse("b", "hello\r\n--b  \t\r\n" PART("name=a", "x") "--b--  \r\nbye"));
    EQ(1, m.n);
    EQ(1, m.part[0].n);
}

TEST(data_may_hold_anything_but_the_boundary)
{
    static const char body[] = "--b\r\n" PART("name=a", "\r\n--c\0\r\n\r\n--\r\n-b") "--b--";
    OK(parse_n("b", body, sizeof body - 1));
    EQ(1, m.n);
    EQ(16, m.part[0].n);
}

TEST(empty_data_is_a_part)
{
    OK(parse("b", "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n--b--"));
    EQ(0, m.part[0].n);
    OK(parse(
        "b",
        "--b\r\nContent-Disposition: form-data; name=a\r\n\r\n--b--")); /* the header's own line end counts */
    EQ(0, m.part[0].n);
}

TEST(no_parts_at_all_is_a_body)
{
    OK(parse("b", "--b--"));
    EQ(0, m.n);
}

TEST(bodies_that_are_cut_are_refused)
{
    static const char body[] = "--b\r\n" PART("name=\"img\"", "data") "--b--";
    for (size_t n = 0; n < sizeof body - 1; n++) {
        OK(!parse_n("b", body, n));
        OK(m.fault != NULL);
    }
    OK(parse_n("b", body, sizeof body - 1));
}

TEST(wrong_headers_are_refused)
{
    static const char *const wrong[] = {
        "Content-Disposition: form-data\r\n\r\n",                 /* no name          */
        "Content-Disposition: form-data; name=\"\"\r\n\r\n",      /* empty            */
        "Content-Disposition: attachment; name=a\r\n\r\n",        /* not form-data    */
        "Content-Disposition: form-data; name=a; name=b\r\n\r\n", /* twice            */
        "Content-Disposition: form-data; name=\"a\r\n\r\n",       /* open quote       */
        "Content-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b\r\n\r\n",
        "Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64\r\n\r\n",
        "Content-Disposition: form-data; name=a\r\nno colon\r\n\r\n",
        "Content-Disposition: form-data; name=a\r\n folded: x\r\n\r\n",
        "Content-Disposition: form-data; name=a\x01\r\n\r\n",
        "Content-Type: image/png\r\n\r\n",
        "\r\n",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char body[512];
        snprintf(body, sizeof body, "--b\r\n%sdata\r\n--b--", wrong[i]);
        if (parse("b", body)) T_FAIL("accepted: %s", wrong[i]);
        OK(m.fault != NULL && m.expected != NULL);
    }
}

TEST(plain_transfer_encodings_are_fine)
{
    static const char *const fine[] = {"binary", "8bit", "7BIT"};
    for (size_t i = 0; i < 3; i++) {
        char body[256];
        snprintf(body, sizeof body,
                 "--b\r\nContent-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: "
                 "%s\r\n\r\nx\r\n--b--",
                 fine[i]);
        OK(parse("b", body));
    }
}

TEST(limits_hold)
{
    char *body = malloc(200000), *at = body, name[80];
    for (int i = 0; i < MULTIPART_PARTS + 1; i++)
        at += sprintf(at, "--b\r\n" PART("name=p%d", "x"), i);
    strcpy(at, "--b--");
    OK(!parse("b", body));
    STR("too many parts", m.fault);
    memset(name, 'n', sizeof name);
    for (int n = 64; n <= 65; n++) {
        sprintf(body, "--b\r\nContent-Disposition: form-data; name=%.*s\r\n\r\nx\r\n--b--", n,
                name);
        EQ(n == 64, parse("b", body));
    }
    at = body + sprintf(body, "--b\r\nContent-Disposition: form-data; name=a\r\n");
    for (int i = 0; i < 500; i++) at += sprintf(at, "X-Header: something\r\n");
    sprintf(at, "\r\nx\r\n--b--");
    OK(!parse("b", body));
    STR("a part's header is too long", m.fault);
    free(body);
}

TEST(boundaries_come_from_the_content_type)
{
    struct slice b;
    const char *fault = NULL;
    OK(multipart_boundary("multipart/form-data; boundary=abc", &b, &fault) && slice_is(b, "abc"));
    OK(multipart_boundary("multipart/form-data;charset=utf-8; BOUNDARY=\"a b:c\"", &b, &fault) &&
       slice_is(b, "a b:c"));
    static const char *const wrong[] = {
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"\"",
        "multipart/form-data; boundary=\"open",
        "multipart/form-data; boundary=a; boundary=b",
        "multipart/form-data; boundary=\"a \"",
        "multipart/form-data; boundary=a\"b",
        "multipart/form-data; boundary=\xc3\xa4",
        "multipart/form-data; =a",
        ("multipart/form-data; boundary="
         "1234567890123456789012345678901234567890123456789012345678901234567890x"),
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (multipart_boundary(wrong[i], &b, &fault)) T_FAIL("accepted: %s", wrong[i]);
}

TEST(media_types_are_compared_without_parameters)
{
    OK(media_is("application/json; charset=utf-8", "application/json"));
    OK(media_is(" Application/JSON ", "application/json"));
    OK(!media_is("application/jsonx", "application/json"));
    OK(!media_is(NULL, "application/json"));
}

TEST(random_bodies_never_read_outside)
{
    static const char *const pieces[] = {"--b",
                                         "--",
                                         "\r\n",
                                         "b",
                                         "Content-Disposition: form-data; name=a",
                                         ";",
                                         "filename=\"",
                                         "\"",
                                         "\\",
                                         ":",
                                         "\r\n\r\n",
                                         "x",
                                         "\r",
                                         "\n",
                                         "--b--",
                                         "\r\n--b",
                                         "Content-Type: t"};
    struct t_rng r = t_rng(1);
    for (int i = 0; i < 20000; i++) {
        char body[1024] = "";
        for (ptrdiff_t k = t_between(&r, 0, 30); k > 0; k--)
            strcat(body, pieces[t_between(&r, 0, sizeof pieces / sizeof *pieces - 1)]);
        parse("b", body);
    }
}

T_MAIN("http/multipart")
