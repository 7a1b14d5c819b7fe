#include "tests/schema_texts.h"

/* Two definitions of one name in a union of an array and a map; are they one? */
static bool are_one(const char *x, const char *y)
{
    struct buf text = BUF_INIT(4096);
    struct av_schema *s = NULL;
    struct err e = {0};

    buf_printf(&text,
               "[{\"type\":\"array\",\"items\":%s},{\"type\":\"map\",\"values\":%s}]",
               x, y);
    enum err_kind k = av_schema_parse(&s, buf_span(&text), NULL, 0, NULL, &e);
    CHECK(k == ERR_OK || strstr(e.msg, "is defined again, and not as at") != NULL);
    if (k == ERR_OK)
        CHECK(av_schema_root(s)->branches[0]->items ==
              av_schema_root(s)->branches[1]->items);
    av_schema_release(s);
    buf_free(&text);
    return k == ERR_OK;
}

static void definitions_are_compared_as_java_does(void)
{
#define A(attr) "{\"type\":\"fixed\",\"name\":\"X\",\"size\":1,\"x\":" attr "}"
#define A2(attrs) "{\"type\":\"fixed\",\"name\":\"X\",\"size\":1," attrs "}"
#define M(more) R("{\"name\":\"f\",\"type\":\"int\"" more "}")
    static const struct {
        const char *x, *y;
        bool same;
    } t[] = {
        {A("1"), A("1"), true},
        {A("1"), A("1.0"), false},
        {A("1.0"), A("1e0"), true},
        {A("1.0"), A("1.5"), false},
        {A("1"), A("\"1\""), false},
        {A("true"), A("true"), true},
        {A("true"), A("false"), false},
        {A("\"a\""), A("\"\\u0061\""), true},
        {A("[1,2]"), A("[1,2]"), true},
        {A("[1,2]"), A("[2,1]"), false},
        {A("[1,2]"), A("[1]"), false},
        {A("{\"a\":1,\"b\":[]}"), A("{\"b\":[],\"a\":1}"), true},
        {A("{\"a\":1}"), A("{\"b\":1}"), false},
        {A("{\"a\":null}"), A("{\"a\":0}"), false},
        {A2("\"p\":1,\"q\":2"), A2("\"q\":2,\"p\":1"), true},
        {A2("\"p\":1"), A2("\"q\":1"), false},
        {A2("\"p\":1"), A2("\"p\":1,\"q\":1"), false},
        {A2("\"doc\":\"a\""), A2("\"aliases\":[\"b\"]"), true},
        {M(""), M(",\"doc\":\"d\",\"aliases\":[\"g\"]"), true},
        {M(""), M(",\"order\":\"ascending\""), true},
        {M(""), M(",\"order\":\"ignore\""), false},
        {M(",\"default\":1"), M(",\"default\":1"), true},
        {M(",\"default\":1"), M(""), false},
        {M(",\"x\":1"), M(",\"x\":2"), false},
        {M(""), R("{\"name\":\"g\",\"type\":\"int\"}"), false},
        {M(""), R("{\"name\":\"f\",\"type\":{\"type\":\"int\",\"x\":1}}"), false},
        {F("[\"int\",\"null\"]"), F("[\"int\",\"null\"]"), true},
        {F("[\"int\",\"null\"]"), F("[\"null\",\"int\"]"), false},
        {F("[\"int\",\"null\"]"), F("[\"int\"]"), false},
        {F("{\"type\":\"map\",\"values\":[\"int\"]}"),
         F("{\"type\":\"map\",\"values\":[\"int\"]}"), true},
        {F("{\"type\":\"map\",\"values\":\"int\"}"),
         F("{\"type\":\"map\",\"values\":\"long\"}"), false},
        {F("{\"type\":\"map\",\"values\":\"int\",\"x\":1}"),
         F("{\"type\":\"map\",\"values\":\"int\"}"), false},
        {F(ENUM), F(ENUM), true},
        {F(FIXED2), F(ENUM), false},
        {R(""), "{\"type\":\"error\",\"name\":\"R\",\"fields\":[]}", true},
        {R(""), "{\"type\":\"enum\",\"name\":\"R\",\"symbols\":[]}", false},
        {R(""), M(""), false},
        {ENUM, "{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"a\"]}", false},
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        bool same = are_one(t[i].x, t[i].y);
        CHECK_INT(same, t[i].same);
        if (same != t[i].same)
            printf("    %s\n    %s\n", t[i].x, t[i].y);
    }
}

int main(void)
{
    RUN(definitions_are_compared_as_java_does);
    return REPORT();
}
