/*
 * The JSON parsing test suite that lies beside the project (../shared/data/json-suite):
 * every n_ file is refused by every schema, and a y_ file is never blamed on its JSON.
 * Exit code 77, shown as skipped, when it is not there.
 */
#include "avro-core/encode.h"
#include "tests/check.h"

#include <dirent.h>
#include <stdlib.h>

#define SUITE "../shared/data/json-suite/test_parsing"

static const char *const schemas[] = {
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[]}",
    "{\"type\":\"array\",\"items\":[\"null\",\"boolean\",\"double\",\"string\",{"
    "\"type\":\"array\","
    "\"items\":[\"null\",\"double\",\"string\"]},{\"type\":\"map\",\"values\":"
    "\"double\"}]}",
    "{\"type\":\"map\",\"values\":[\"null\",\"boolean\",\"double\",\"string\",{"
    "\"type\":\"array\","
    "\"items\":\"string\"}]}",
    "[\"null\",\"boolean\",\"double\",\"string\",{\"type\":\"array\",\"items\":"
    "\"long\"},"
    "{\"type\":\"map\",\"values\":\"string\"}]",
};
#define SCHEMAS (sizeof schemas / sizeof *schemas)

static struct span read_file(const char *name)
{
    char path[600];
    static uint8_t room[1 << 20];

    snprintf(path, sizeof path, "%s/%s", SUITE, name);
    FILE *f = fopen(path, "rb");
    size_t n = f != NULL ? fread(room, 1, sizeof room, f) : 0;
    CHECK(f != NULL && n < sizeof room);
    if (f != NULL)
        fclose(f);
    return span_of(room, n);
}

static struct av_encoder *encoder_for(const char *text)
{
    const struct av_encode_options o = {.unknown_fields = AV_UNKNOWN_IGNORE};
    struct av_encoder *enc = NULL;
    struct av_schema *s = NULL;
    struct err e = {0};

    if (av_schema_parse(&s, span_str(text), NULL, 0, NULL, &e) != ERR_OK ||
        av_encoder_new(&enc, s, &o, &e) != ERR_OK)
        printf("    %s\n", e.msg);
    av_schema_release(s);
    return enc;
}

/* What one schema thinks of one file.  Names twice are JSON, but not to us. */
static void try(const struct av_encoder *enc, const char *name, bool *accepted)
{
    struct span whole = read_file(name);
    uint8_t *exact = malloc(whole.n > 0 ? whole.n : 1); // so that ASan sees its end
    struct buf out = BUF_INIT(1 << 20);
    struct av_problems p = {0};

    if (whole.n > 0)
        memcpy(exact, whole.p, whole.n);
    enum err_kind k = av_encode(enc, span_of(exact, whole.n), &out, &p);
    bool json = !av_problems_blame_json(&p);
    bool ok = name[0] == 'n' ? k != ERR_OK : name[0] == 'y' ? json : true;
    CHECK(ok);
    if (!ok)
        printf("    %s: %s\n", name,
               p.n > 0 ? (const char *)p.first->message.p : "accepted");
    *accepted |= k == ERR_OK;
    free(exact);
    av_problems_free(&p);
    buf_free(&out);
}

int main(void)
{
    struct av_encoder *enc[SCHEMAS];
    DIR *dir = opendir(SUITE);
    int files[128] = {0}, accepted = 0;

    if (dir == NULL) {
        printf("skipped: no %s\n", SUITE);
        return 77;
    }
    for (size_t i = 0; i < SCHEMAS; i++)
        enc[i] = encoder_for(schemas[i]);
    for (struct dirent *d = readdir(dir); d != NULL; d = readdir(dir)) {
        bool some = false;
        if (d->d_name[0] == '.')
            continue;
        files[d->d_name[0] & 127]++;
        for (size_t i = 0; i < SCHEMAS; i++)
            try(enc[i], d->d_name, &some);
        accepted += d->d_name[0] == 'y' && some;
    }
    for (size_t i = 0; i < SCHEMAS; i++)
        av_encoder_free(enc[i]);
    closedir(dir);
    CHECK(files['n'] > 150 && files['y'] > 80);
    printf("# n_: %d, y_: %d, of which a schema here took %d\n", files['n'], files['y'],
           accepted);
    return REPORT();
}
