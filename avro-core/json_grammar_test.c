/*
 * What is JSON is taken, what is none is refused: every text of a few tokens, against a
 * grammar written down a second time, here, straight from RFC 8259.
 *
 * AVROGATE_JSON_SUITE names a folder of files to try as well: n_*.json are no JSON,
 * y_*.json are (https://github.com/nst/JSONTestSuite, test_parsing).
 */
#include "avro-core/encode.h"
#include "base/utf8.h"
#include "tests/check.h"

#include <dirent.h>
#include <stdlib.h>

/* ---- RFC 8259 ---- */

struct reader {
    const uint8_t *p, *end;
};

static bool is(struct reader *r, uint8_t c)
{
    if (r->p == r->end || *r->p != c)
        return false;
    r->p++;
    return true;
}

static bool is_word(struct reader *r, const char *word)
{
    for (; *word != '\0'; word++)
        if (!is(r, (uint8_t)*word))
            return false;
    return true;
}

static void blanks(struct reader *r)
{
    while (is(r, ' ') || is(r, '\t') || is(r, '\n') || is(r, '\r'))
        ;
}

static size_t digits(struct reader *r)
{
    size_t n = 0;

    for (; r->p < r->end && *r->p >= '0' && *r->p <= '9'; r->p++)
        n++;
    return n;
}

static bool is_number(struct reader *r)
{
    (void)is(r, '-');
    if (!is(r, '0') && digits(r) == 0)
        return false;
    if (is(r, '.') && digits(r) == 0)
        return false;
    if (!is(r, 'e') && !is(r, 'E'))
        return true;
    if (!is(r, '+'))
        (void)is(r, '-');
    return digits(r) > 0;
}

static int hex(struct reader *r)
{
    int value = 0;

    for (int i = 0; i < 4; i++) {
        const char *at, *all = "0123456789abcdef0123456789ABCDEF";
        if (r->p == r->end || *r->p == 0 || (at = strchr(all, *r->p++)) == NULL)
            return -1;
        value = value * 16 + (int)(at - all) % 16;
    }
    return value;
}

/* Halves of a surrogate pair are text to the grammar, and none to us. */
static bool is_escape(struct reader *r)
{
    if (r->p < r->end && *r->p != 0 && strchr("\"\\/bfnrt", *r->p) != NULL) {
        r->p++;
        return true;
    }
    if (!is(r, 'u'))
        return false;
    int first = hex(r);
    if (first < 0xD800 || first > 0xDFFF)
        return first >= 0;
    if (first > 0xDBFF || !is_word(r, "\\u"))
        return false;
    int second = hex(r);
    return second >= 0xDC00 && second <= 0xDFFF;
}

static bool is_string(struct reader *r)
{
    if (!is(r, '"'))
        return false;
    while (r->p < r->end && *r->p >= 0x20) {
        uint8_t c = *r->p++;
        if (c == '"')
            return true;
        if (c == '\\' && !is_escape(r))
            return false;
    }
    return false;
}

static bool is_value(struct reader *r);

static bool is_array(struct reader *r)
{
    r->p++;
    blanks(r);
    if (is(r, ']'))
        return true;
    do
        if (!is_value(r))
            return false;
    while (is(r, ','));
    return is(r, ']');
}

static bool is_object(struct reader *r)
{
    r->p++;
    blanks(r);
    if (is(r, '}'))
        return true;
    do {
        blanks(r);
        if (!is_string(r))
            return false;
        blanks(r);
        if (!is(r, ':') || !is_value(r))
            return false;
    } while (is(r, ','));
    return is(r, '}');
}

static bool is_bare_value(struct reader *r)
{
    switch (r->p < r->end ? *r->p : 0) {
    case '[': return is_array(r);
    case '{': return is_object(r);
    case '"': return is_string(r);
    case 't': return is_word(r, "true");
    case 'f': return is_word(r, "false");
    case 'n': return is_word(r, "null");
    default: return is_number(r);
    }
}

static bool is_value(struct reader *r)
{
    blanks(r);
    if (!is_bare_value(r))
        return false;
    blanks(r);
    return true;
}

static bool is_json(struct span text)
{
    struct reader r = {text.p, text.p + text.n};

    return utf8_good(text) == text.n && is_value(&r) && r.p == r.end;
}

/* ---- what the encoder says ---- */

static const char *const schemas[] = {
    "{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"a\",\"type\":"
    "[\"null\","
    "\"double\"],\"default\":null}]}",
    "{\"type\":\"array\",\"items\":[\"null\",\"boolean\",\"double\",\"string\",{"
    "\"type\":\"array\",\"items\":[\"null\",\"double\",\"string\"]},{\"type\":\"map\","
    "\"values\":\"double\"}]}",
    "{\"type\":\"map\",\"values\":[\"null\",\"boolean\",\"double\",\"string\",{"
    "\"type\":\"array\",\"items\":\"string\"}]}",
    "[\"null\",\"boolean\",\"double\",\"string\",{\"type\":\"array\",\"items\":"
    "\"long\"},{\"type\":\"map\",\"values\":\"string\"}]",
    "\"string\"",
    "\"long\"",
};
#define SCHEMAS (sizeof schemas / sizeof *schemas)

static struct av_encoder *encoders[SCHEMAS];
static struct buf out;
static size_t tried, accepted;

static void make_encoders(void)
{
    const struct av_encode_options o = {.unknown_fields = AV_UNKNOWN_IGNORE};
    struct av_schema *s = NULL;
    struct err e = {0};

    for (size_t i = 0; i < SCHEMAS; i++) {
        CHECK_INT(av_schema_parse(&s, span_str(schemas[i]), NULL, 0, NULL, &e), ERR_OK);
        CHECK_INT(av_encoder_new(&encoders[i], s, &o, &e), ERR_OK);
        av_schema_release(s);
    }
    out = BUF_INIT(1 << 20);
}

static void free_encoders(void)
{
    for (size_t i = 0; i < SCHEMAS; i++)
        av_encoder_free(encoders[i]);
    buf_free(&out);
}

/* What one schema thinks of a text: what is no JSON fits none, and what is JSON is not
 * blamed for being none.  False when it was wrong. */
static bool is_right(const struct av_encoder *enc, struct span text, bool json)
{
    struct av_problems p = {0};

    buf_reset(&out);
    enum err_kind k = av_encode(enc, text, &out, &p);
    bool right = json ? !av_problems_blame_json(&p) : k == ERR_INVALID && p.n > 0;
    tried++;
    accepted += k == ERR_OK;
    av_problems_free(&p);
    return right;
}

static void try(struct span text, bool json)
{
    uint8_t *exact = malloc(text.n > 0 ? text.n : 1); // so that ASan sees its end

    if (text.n > 0)
        memcpy(exact, text.p, text.n);
    for (size_t i = 0; i < SCHEMAS; i++)
        if (!is_right(encoders[i], span_of(exact, text.n), json)) {
            CHECK(false);
            printf("    %s JSON: %.*s\n    schema: %s\n", json ? "is" : "no",
                   (int)text.n, (const char *)exact, schemas[i]);
        }
    free(exact);
}

/* ---- every text of up to `most` tokens, between `before` and `after` ---- */

struct words {
    const char *before, *after;
    size_t most;
    const char *const *tokens; // up to NULL
};

static void each_text(const struct words *w, char *text, size_t n, size_t left)
{
    size_t end = n + strlen(w->after);

    memcpy(text + n, w->after, strlen(w->after));
    try(span_of(text, end), is_json(span_of(text, end)));
    for (const char *const *t = w->tokens; left > 0 && *t != NULL; t++) {
        memcpy(text + n, *t, strlen(*t));
        each_text(w, text, n + strlen(*t), left - 1);
    }
}

static void try_all(const struct words *w)
{
    char text[256];
    size_t before = strlen(w->before), took = accepted;

    memcpy(text, w->before, before);
    each_text(w, text, before, w->most);
    CHECK(accepted > took); // or nothing was tried but refusals
}

static void numbers_are_the_grammars(void)
{
    static const char *const tokens[] = {"-", "+", ".", "e", "E", "0", "17", "x", NULL};

    try_all(&(struct words){"", "", 5, tokens});
    try_all(&(struct words){"[", "]", 4, tokens});
    try_all(&(struct words){"{\"a\":", "}", 4, tokens});
}

static void values_nest_as_the_grammar_says(void)
{
    static const char *const tokens[] = {"[", "]", "{",     "}",    ",", ":",
                                         "1", " ", "\"a\"", "null", NULL};

    try_all(&(struct words){"", "", 5, tokens});
    try_all(&(struct words){"{\"a\":", "}", 4, tokens});
    try_all(&(struct words){"[[\"b\",", "]]", 4, tokens});
}

static void strings_are_closed_escaped_and_clean(void)
{
    static const char *const tokens[] = {"\\", "\"",   "u",    "n",    "/",
                                         "x",  "0041", "d83d", "DE00", "\x1f",
                                         "\n", "\x7f", NULL};

    try_all(&(struct words){"\"", "\"", 4, tokens});
    try_all(&(struct words){"\"\\ud83d", "\"", 3, tokens});
    try_all(&(struct words){"{\"", "\":1}", 3, tokens});
}

static void bytes_are_utf8(void)
{
    static const char *const tokens[] = {"a",    "\x80", "\xbf", "\xc0", "\xc2",
                                         "\xe0", "\xa0", "\xed", "\x9f", "\xf0",
                                         "\x90", "\xf4", "\x8f", "\xff", NULL};

    try_all(&(struct words){"\"", "\"", 4, tokens});
    try_all(&(struct words){"{\"", "\":null}", 3, tokens});
    // Within the sixteen bytes that are looked at together, and across them.
    try_all(&(struct words){"\"0123456789abcd", "0123456789abcdef\"", 3, tokens});
}

static void words_are_whole_and_small(void)
{
    static const char *const tokens[] = {
        "true", "false", "null", "tru", "e",        "True",
        "NULL", "NaN",   "nul",  "l",   "Infinity", "\xef\xbb\xbf",
        "\f",   "\v",    "/**/", "'a'", "\xc2\xa0", NULL};

    try_all(&(struct words){"", "", 3, tokens});
    try_all(&(struct words){"[", "]", 2, tokens});
    try_all(&(struct words){"{\"a\":", "}", 2, tokens});
}

static void a_text_cut_anywhere_is_none(void)
{
    static const char text[] = "{\"a\":[1.5e3,{\"b\":\"x\\u0041\\n\\ud83d\\ude00\"},"
                               "[true,false,null,\"\xc3\xa9\"]],\"c\":-0}";

    try(span_str(text), true);
    for (size_t n = 0; n < sizeof text - 1; n++)
        try(span_of(text, n), false);
    for (size_t n = 0; n < sizeof text - 1; n++) { // nor is one with a NUL in it
        char with[sizeof text];
        memcpy(with, text, sizeof text);
        with[n] = '\0';
        try(span_of(with, sizeof text - 1), false);
    }
}

static void opened_a_hundred_thousand_times(void)
{
    static uint8_t text[200000];

    memset(text, '[', sizeof text / 2);
    try(span_of(text, sizeof text / 2), false);
    for (size_t i = 0; i + 5 <= sizeof text; i += 5)
        memcpy(text + i, "{\"a\":", 5);
    try(span_of(text, sizeof text), false);
}

/* ---- a folder of other people's ---- */

static void read_file(struct buf *to, const char *folder, const char *name)
{
    char path[1000];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "rb");
    CHECK(f != NULL);
    if (f == NULL)
        return;
    buf_added(to, fread(buf_room(to, to->limit), 1, to->limit, f));
    fclose(f);
}

static void a_folder_of_others_agrees(void)
{
    const char *folder = getenv("AVROGATE_JSON_SUITE");
    DIR *dir = folder != NULL ? opendir(folder) : NULL;
    struct buf text = BUF_INIT(1 << 20);
    size_t n = 0;

    CHECK((folder == NULL) == (dir == NULL));
    if (dir == NULL)
        return;
    for (struct dirent *d = readdir(dir); d != NULL; d = readdir(dir))
        if (d->d_name[0] == 'n' || d->d_name[0] == 'y') {
            buf_reset(&text);
            read_file(&text, folder, d->d_name);
            CHECK_INT(is_json(buf_span(&text)), d->d_name[0] == 'y');
            try(buf_span(&text), d->d_name[0] == 'y');
            n++;
        }
    printf("# %zu files of %s\n", n, folder);
    CHECK(n > 0);
    closedir(dir);
    buf_free(&text);
}

int main(void)
{
    make_encoders();
    RUN(numbers_are_the_grammars);
    RUN(values_nest_as_the_grammar_says);
    RUN(strings_are_closed_escaped_and_clean);
    RUN(bytes_are_utf8);
    RUN(words_are_whole_and_small);
    RUN(a_text_cut_anywhere_is_none);
    RUN(opened_a_hundred_thousand_times);
    RUN(a_folder_of_others_agrees);
    free_encoders();
    printf("# %zu texts tried, %zu accepted\n", tried, accepted);
    return REPORT();
}
