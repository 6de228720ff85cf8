/* known.c: what bytes are when they are nothing that is read here: a word for the fault, so that whoever sent a TIFF or a
 * page of HTML hears it. */
#include <string.h>
#include "known.h"

static const struct {
    const char *magic;
    size_t at, n;
    const char *what;
} known[] = {
    {"II*\0", 0, 4, "TIFF"},
    {"MM\0*", 0, 4, "TIFF"},
    {"II+\0", 0, 4, "BigTIFF"},
    {"ftypavif", 4, 8, "AVIF"},
    {"ftypavis", 4, 8, "AVIF"},
    {"ftyphei", 4, 7, "HEIC"},
    {"ftyphev", 4, 7, "HEIC"},
    {"ftypmif1", 4, 8, "HEIF"},
    {"ftyp", 4, 4, "MP4 or another ISO media file"},
    {"\xff\x0a", 0, 2, "JPEG XL"},
    {"\0\0\0\x0cJXL ", 0, 8, "JPEG XL"},
    {"\0\0\0\x0cjP  ", 0, 8, "JPEG 2000"},
    {"\xff\x4f\xff\x51", 0, 4, "JPEG 2000"},
    {"v/1\x01", 0, 4, "OpenEXR"},
    {"qoif", 0, 4, "QOI"},
    {"farbfeld", 0, 8, "farbfeld"},
    {"DDS ", 0, 4, "DDS"},
    {"\0\0\1\0", 0, 4, "ICO"},
    {"\0\0\2\0", 0, 4, "CUR"},
    {"\x53\x80\xf6\x34", 0, 4, "Softimage PIC"},
    {"P7\n", 0, 3, "PAM"},
    {"Pf\n", 0, 3, "PFM"},
    {"PF\n", 0, 3, "PFM"},
    {"\x1f\x8b", 0, 2, "gzip"},
    {"PK\3\4", 0, 4, "a zip archive"},
    {"%PDF", 0, 4, "PDF"},
    {"\x7f"
     "ELF",
     0, 4, "an ELF program"},
    {"MZ", 0, 2, "a Windows program"},
    {"RIFF", 0, 4, "a RIFF file other than WebP"},
    {"8BPB", 0, 4, "a large-document PSB"},
};
/* Words of text formats, after white space and whatever case. */
static const struct {
    const char *begins, *what;
} texts[] = {
    {"<svg", "SVG"},         {"<!doctype html", "HTML"}, {"<html", "HTML"},
    {"<?xml", "XML or SVG"}, {"{", "JSON text"},         {"[", "JSON text"},
    {"data:", "a data URL as text"},
};

static bool begins_with(const uint8_t *data, size_t n, const char *word)
{
    size_t k = strlen(word);
    if (k > n)
        return false;
    for (size_t i = 0; i < k; i++) {
        int c = data[i] >= 'A' && data[i] <= 'Z' ? data[i] - 'A' + 'a' : data[i];
        if (c != word[i])
            return false;
    }
    return true;
}
const char *convd_bytes_known(const uint8_t *data, size_t n)
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        size_t end = known[i].at + known[i].n;
        if (n >= end && memcmp(data + known[i].at, known[i].magic, known[i].n) == 0)
            return known[i].what;
    }
    size_t skip = n >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (skip < n && skip < 256 && strchr(" \t\r\n", data[skip]) && data[skip]) skip++;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (begins_with(data + skip, n - skip, texts[i].begins))
            return texts[i].what;
    size_t look = n < 256 ? n : 256;
    for (size_t i = 0; i < look; i++)
        if ((data[i] < 32 && !(data[i] && strchr("\t\r\n\f\v\b", data[i]))) || data[i] == 127)
            return NULL;
    return n ? "text" : NULL;
}
