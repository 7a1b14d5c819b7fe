#include "tests/schema_texts.h"

#include <pthread.h>

static void every_kind_of_type_may_be_the_root(void)
{
    static const struct {
        const char *text, *name;
        enum av_type type;
    } t[] = {
        {"\"null\"", "null", AV_NULL},
        {" \"boolean\" ", "boolean", AV_BOOLEAN},
        {"\"int\"", "int", AV_INT},
        {"{\"type\":\"long\"}", "long", AV_LONG},
        {"\"float\"", "float", AV_FLOAT},
        {"\"double\"", "double", AV_DOUBLE},
        {"\"bytes\"", "bytes", AV_BYTES},
        {"\"string\"", "string", AV_STRING},
        {"{\"type\":\"record\",\"name\":\"a.b.R\",\"fields\":[]}", "a.b.R", AV_RECORD},
        {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[]}", "E", AV_ENUM},
        {"{\"type\":\"array\",\"items\":\"int\"}", "array", AV_ARRAY},
        {"{\"type\":\"map\",\"values\":\"int\"}", "map", AV_MAP},
        {"[]", "union", AV_UNION},
        {"{\"type\":\"fixed\",\"name\":\"F\",\"namespace\":\"n\",\"size\":0}", "n.F",
         AV_FIXED},
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct av_schema *s = must(t[i].text);
        char name[AV_FULLNAME_SHOWN];
        if (s == NULL)
            continue;
        CHECK_INT(av_schema_root(s)->type, t[i].type);
        av_node_name(name, av_schema_root(s));
        CHECK_STR(name, t[i].name);
        CHECK_SPAN(av_schema_text(s), t[i].text);
        av_schema_release(s);
    }
}

static void what_is_no_schema_is_refused_with_its_place(void)
{
    static const struct row t[] = {
        {"string", "JSON: 1:1: 's', wanted a value"},
        {"", "JSON: 1:1: end of text, wanted a value"},
        {"\"int\" x", "JSON: 1:7: 'x', wanted the end of the text"},
        {"5", "at 1:1: number 5, wanted a type"},
        {"null", "at 1:1: null, wanted a type"},
        {"[true]", "/0 at 1:2: true, wanted a type"},
        {"\"Order\"", "at 1:1: unknown type \"Order\""},
        {"[{\"type\":\"fixed\",\"name\":\".X\",\"size\":1},\".X\"]",
         "/1 at 1:40: unknown type \".X\""},
        {"{}", "at 1:1: \"type\" is missing, wanted the name of a type"},
        {"{\"type\":{\"type\":\"int\"}}",
         "/type at 1:9: \"type\" is an object, wanted the name of a type"},
        {"{\"type\":[\"int\"]}",
         "/type at 1:9: \"type\" is an array, wanted the name of a type"},
        {"{\"type\":null}",
         "/type at 1:9: \"type\" is null, wanted the name of a type"},
        {F("\"strin\""), "/fields/0/type at 1:58: unknown type \"strin\""},
        {"{\"type\":\"record\",\"name\":\"a.R\",\n\"fields\":[{\"name\":\"f\",\"type\":"
         "\"S\"}]}",
         "/fields/0/type at 2:30: unknown type \"a.S\""},
        {"{\"type\":\"record\",\"fields\":[]}",
         "at 1:1: \"name\" is missing, wanted a name in quotes"},
        {"{\"type\":\"record\",\"name\":7,\"fields\":[]}",
         "/name at 1:25: \"name\" is number 7, wanted a name in quotes"},
        {"{\"type\":\"record\",\"name\":\"R\"}",
         "at 1:1: \"fields\" is missing, wanted an array of fields"},
        {"{\"type\":\"record\",\"name\":\"R\",\"fields\":{}}",
         "/fields at 1:38: \"fields\" is an object, wanted an array of fields"},
        {R("7"), "/fields/0 at 1:39: field is number 7, wanted an object"},
        {R("{\"type\":\"int\"}"),
         "/fields/0 at 1:39: \"name\" is missing, wanted a name in quotes"},
        {R("{\"name\":\"f\"}"),
         "/fields/0 at 1:39: \"type\" is missing, wanted a type"},
        {R("{\"name\":\"a.b\",\"type\":\"int\"}"),
         "/fields/0/name at 1:47: name \"a.b\" has a dot"},
        {R("{\"name\":\"a\",\"type\":\"int\"},{\"name\":\"b\",\"type\":\"int\"},"
           "{\"name\":\"a\",\"type\":\"int\"}"),
         "/fields/2/name at 1:99: field \"a\" again, fields/0 is called so"},
        {R("{\"name\":\"a\",\"type\":\"int\",\"order\":\"up\"}"),
         "/fields/0/order at 1:72: \"order\" is string \"up\", wanted \"ascending\", "
         "\"descending\" or \"ignore\""},
        {R("{\"name\":\"a\",\"type\":\"int\",\"order\":null}"),
         "/fields/0/order at 1:72: \"order\" is null, wanted \"ascending\", "
         "\"descending\" or \"ignore\""},
        {R("{\"name\":\"a\",\"type\":\"int\",\"aliases\":\"b\"}"),
         "/fields/0/aliases at 1:74: \"aliases\" is string \"b\", wanted an array of "
         "names"},
        {R("{\"name\":\"a\",\"type\":\"int\",\"aliases\":[1]}"),
         "/fields/0/aliases/0 at 1:75: alias is number 1, wanted a name in quotes"},
        {"{\"type\":\"enum\",\"name\":\"E\"}",
         "at 1:1: \"symbols\" is missing, wanted an array of names"},
        {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"a\",null]}",
         "/symbols/1 at 1:42: symbol is null, wanted a name in quotes"},
        {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"a\",\"b-c\"]}",
         "/symbols/1 at 1:42: name \"b-c\" has 0x2d at 1"},
        {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"a.b\"]}",
         "/symbols/0 at 1:38: name \"a.b\" has a dot"},
        {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"a\",\"b\",\"a\"]}",
         "/symbols/2 at 1:46: symbol \"a\" again, symbols/0 is the same"},
        {"{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"a\"],\"default\":\"b\"}",
         "/default at 1:53: \"default\" is string \"b\", wanted one of the symbols"},
        {"{\"type\":\"fixed\",\"name\":\"F\"}",
         "at 1:1: \"size\" is missing, wanted a whole number from 0 to 2147483639"},
        {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":\"2\"}",
         "/size at 1:35: \"size\" is string \"2\", wanted a whole number from 0 to "
         "2147483639"},
        {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":2.0}",
         "/size at 1:35: \"size\" is number 2.0, wanted a whole number from 0 to "
         "2147483639"},
        {"{\"type\":\"fixed\",\"name\":\"F\",\"size\":-1}",
         "/size at 1:35: \"size\" is number -1, wanted a whole number from 0 to "
         "2147483639"},
        {"{\"type\":\"array\"}", "at 1:1: \"items\" is missing, wanted a type"},
        {"{\"type\":\"map\",\"values\":3}", "/values at 1:24: number 3, wanted a type"},
        {"[\"int\",[\"null\"]]", "/1 at 1:8: union directly in a union"},
        {"[\"int\",\"string\",\"int\"]", "/2 at 1:17: int twice in a union"},
        {"[\"int\",{\"type\":\"int\",\"logicalType\":\"date\"}]",
         "/1 at 1:8: int twice in a union"},
        {"[{\"type\":\"array\",\"items\":\"int\"},{\"type\":\"array\",\"items\":"
         "\"long\"}]",
         "/1 at 1:33: array twice in a union"},
        {"[{\"type\":\"map\",\"values\":\"int\"},{\"type\":\"map\",\"values\":\"long\"}"
         "]",
         "/1 at 1:32: map twice in a union"},
        {"[" ENUM ",\"E\"]", "/1 at 1:49: E twice in a union"},
        {"[\"E\"," ENUM "]", "/1 at 1:6: E twice in a union"},
        {"{\"type\":\"int\",\"type\":\"long\"}",
         "JSON: 1:15: name \"type\" again, the first is at 1:2"},
    };

    CHECK_ROWS(t);
}

static void names_follow_the_rules(void)
{
    static const struct row t[] = {
        {"{\"type\":\"fixed\",\"name\":\"\",\"size\":1}",
         "/name at 1:24: name \"\" ends where a part begins"},
        {"{\"type\":\"fixed\",\"name\":\"1a\",\"size\":1}",
         "/name at 1:24: name \"1a\" has 0x31 at 0"},
        {"{\"type\":\"fixed\",\"name\":\"a-b\",\"size\":1}",
         "/name at 1:24: name \"a-b\" has 0x2d at 1"},
        {"{\"type\":\"fixed\",\"name\":\"a..B\",\"size\":1}",
         "/name at 1:24: name \"a.\" ends where a part begins"},
        {"{\"type\":\"fixed\",\"name\":\"a.B.\",\"size\":1}",
         "/name at 1:24: name \"\" ends where a part begins"},
        {"{\"type\":\"fixed\",\"name\":\"B\",\"namespace\":\"a-b\",\"size\":1}",
         "/name at 1:24: name \"a-b\" has 0x2d at 1"},
        {"{\"type\":\"fixed\",\"name\":\"caf\xc3\xa9\",\"size\":1}",
         "/name at 1:24: name \"caf\xc3\xa9\" has 0xc3 at 3"},
        {"{\"type\":\"fixed\",\"name\":\"int\",\"size\":1}",
         "/name at 1:24: a type called \"int\", as a primitive is"},
        {"{\"type\":\"fixed\",\"name\":\"int\",\"namespace\":\"a\",\"size\":1}", "ok"},
        {"{\"type\":\"fixed\",\"name\":\"record\",\"size\":1}", "ok"},
        {"{\"type\":\"fixed\",\"name\":\".B\",\"size\":1}", "ok"},
        {"{\"type\":\"fixed\",\"name\":\"a.B\",\"namespace\":\"1-2\",\"size\":1}",
         "ok"},
        {"{\"type\":\"fixed\",\"name\":\"B\",\"namespace\":7,\"size\":1}", "ok"},
        {"{\"type\":\"fixed\",\"name\":\"B\",\"size\":1,\"aliases\":[\"x-y.C\"]}",
         "ok"},
        {"{\"type\":\"fixed\",\"name\":\"B\",\"size\":1,\"aliases\":[\"x.C-\"]}",
         "/aliases/0 at 1:48: name \"C-\" has 0x2d at 1"},
    };

    CHECK_ROWS(t);
}

static void names_are_used_and_defined_in_any_order_but_once(void)
{
    static const struct row t[] = {
        {R("{\"name\":\"a\",\"type\":" ENUM "},{\"name\":\"b\",\"type\":\"E\"}"), "ok"},
        {R("{\"name\":\"a\",\"type\":\"E\"},{\"name\":\"b\",\"type\":" ENUM "}"), "ok"},
        {R("{\"name\":\"a\",\"type\":{\"type\":\"E\"}},{\"name\":\"b\","
           "\"type\":" ENUM "}"),
         "ok"},
        {F("[\"null\",\"R\"]"), "ok"},
        // said twice alike: taken as one
        {R("{\"name\":\"a\",\"type\":" ENUM "},{\"name\":\"b\",\"type\":" ENUM "}"),
         "ok"},
        {R("{\"name\":\"a\",\"type\":" ENUM
           "},{\"name\":\"b\",\"type\":{\"type\":\"enum\","
           "\"doc\":\"d\",\"default\":\"a\",\"name\":\"E\",\"symbols\":[\"a\","
           "\"b\"]}}"),
         "ok"},
        {"[{\"type\":\"array\",\"items\":" R(
             "{\"name\":\"a\",\"type\":[\"null\",\"int\"],\"x\":{\"p\":1.0,\"q\":[]"
             "}}") "},{\"type\":\"map\",\"values\":" R("{\"name\":\"a\",\"type\":["
                                                       "\"null\",\"int\"],\"x\":{"
                                                       "\"q\":[],\"p\":1e0}}") "}]",
         "ok"},
        // and not alike
        {R("{\"name\":\"a\",\"type\":" ENUM
           "},{\"name\":\"b\",\"type\":{\"type\":\"enum\","
           "\"name\":\"E\",\"symbols\":[\"b\",\"a\"]}}"),
         "/fields/1/type at 1:125: E is defined again, and not as at 1:58"},
        {R("{\"name\":\"a\",\"type\":" ENUM
           "},{\"name\":\"b\",\"type\":{\"type\":\"enum\","
           "\"name\":\"E\",\"symbols\":[\"a\",\"b\"],\"x\":1}}"),
         "/fields/1/type at 1:125: E is defined again, and not as at 1:58"},
        {R("{\"name\":\"a\",\"type\":" FIXED2
           "},{\"name\":\"b\",\"type\":{\"type\":\"fixed\","
           "\"name\":\"X\",\"size\":3}}"),
         "/fields/1/type at 1:115: X is defined again, and not as at 1:58"},
        {F("{\"type\":\"fixed\",\"name\":\"R\",\"size\":1}"),
         "at 1:1: R is defined again, and not as at 1:58"},
        {"[{\"type\":\"array\",\"items\":" D(
             "\"int\"", "1") "},{\"type\":\"map\",\"values\":" D("\"int\"", "2") "}]",
         "/1/values at 1:128: R is defined again, and not as at 1:26"},
        {"[{\"type\":\"array\",\"items\":" F(
             "\"int\"") "},{\"type\":\"map\",\"values\":" F("\"long\"") "}]",
         "/1/values at 1:116: R is defined again, and not as at 1:26"},
        // what contains itself equals no other
        {"[{\"type\":\"array\",\"items\":" F(
             "[\"null\",\"R\"]") "},{\"type\":\"map\",\"values\":" F("[\"null\","
                                                                     "\"R\"]") "}]",
         "/1/values at 1:123: R is defined again, and not as at 1:26"},
    };

    CHECK_ROWS(t);
}

static void a_short_name_is_looked_for_here_then_in_no_namespace(void)
{
    struct av_schema *s = must(
        "[{\"type\":\"fixed\",\"name\":\"X\",\"size\":1},"
        "{\"type\":\"record\",\"name\":\"a.R\",\"fields\":["
        "{\"name\":\"f\",\"type\":\"X\"},"
        "{\"name\":\"g\",\"type\":{\"type\":\"fixed\",\"name\":\"X\",\"size\":2}},"
        "{\"name\":\"h\",\"type\":\"X\"},"
        "{\"name\":\"i\",\"type\":{\"type\":\"record\",\"name\":\"b.c.S\",\"fields\":["
        "{\"name\":\"j\",\"type\":\"X\"},{\"name\":\"k\",\"type\":\"a.X\"}]}},"
        "{\"name\":\"l\",\"type\":{\"type\":\"record\",\"name\":\"T\",\"namespace\":"
        "\"\",\"fields\":["
        "{\"name\":\"m\",\"type\":{\"type\":\"fixed\",\"name\":\"U\",\"size\":3}}]}}]}"
        "]");

    if (s == NULL)
        return;
    const struct av_field *f = av_schema_root(s)->branches[1]->fields;
    CHECK_INT(f[0].type->size, 1);
    CHECK_INT(f[1].type->size, 2);
    CHECK_SPAN(f[1].type->name.space, "a");
    CHECK_INT(f[2].type->size, 2);
    CHECK_SPAN(f[3].type->name.space, "b.c");
    CHECK_INT(f[3].type->fields[0].type->size, 1);
    CHECK_INT(f[3].type->fields[1].type->size, 2);
    CHECK_INT(f[4].type->name.space.n, 0);
    CHECK_INT(f[4].type->fields[0].type->name.space.n, 0);
    av_schema_release(s);
}

static void everything_a_text_says_is_kept(void)
{
    struct av_schema *s = must(
        "{\"type\":\"error\",\"name\":\"R\",\"namespace\":\"n\",\"doc\":\"a\\u0062c\","
        "\"aliases\":[\"A\",\"m.B\",\"A\",\".C\",\"n.A\"],\"x\":[1,{\"y\":null}],"
        "\"order\":\"z\","
        "\"default\":3,\"fields\":[{\"name\":\"f\",\"doc\":\"\",\"aliases\":[\"o "
        "d\",\"g\",\"g\"],"
        "\"order\":\"Descending\",\"type\":\"int\",\"default\":-7,\"namespace\":"
        "\"\\u0041b\","
        "\"p\\u0071\":\"\\u00e9\"}]}");

    if (s == NULL)
        return;
    const struct av_node *r = av_schema_root(s);
    CHECK(r->is_error);
    CHECK(r->has_doc);
    CHECK_SPAN(r->doc, "abc");
    CHECK_INT(r->n_aliases, 3);
    CHECK_SPAN(r->aliases[0].space, "n");
    CHECK_SPAN(r->aliases[0].base, "A");
    CHECK_SPAN(r->aliases[1].space, "m");
    CHECK_SPAN(r->aliases[2].space, "");
    CHECK_SPAN(r->aliases[2].base, "C");
    CHECK_INT(r->n_attrs, 3);
    CHECK_SPAN(r->attrs[0].name, "x");
    CHECK_SPAN(r->attrs[1].name, "order");
    CHECK_SPAN(r->attrs[2].name, "default");
    struct buf out = BUF_INIT(100);
    json_put(&out, av_attr_get(r->attrs, r->n_attrs, "x"));
    CHECK_SPAN(buf_span(&out), "[1,{\"y\":null}]");
    buf_free(&out);
    CHECK(av_attr_get(r->attrs, r->n_attrs, "y") == NULL);

    const struct av_field *f = &r->fields[0];
    CHECK_SPAN(f->name, "f");
    CHECK(f->has_doc);
    CHECK_INT(f->doc.n, 0);
    CHECK_INT(f->order, AV_DESCENDING);
    CHECK_INT(f->n_aliases, 2);
    CHECK_SPAN(f->aliases[0], "o d");
    CHECK_SPAN(f->aliases[1], "g");
    CHECK_SPAN(f->fallback->text, "-7");
    CHECK(f->fallback->parent == NULL && f->fallback->next == NULL);
    CHECK_INT(f->n_attrs, 2);
    CHECK_SPAN(f->attrs[0].name, "namespace");
    CHECK_SPAN(f->attrs[0].value->text, "Ab");
    CHECK_SPAN(f->attrs[1].name, "pq");
    CHECK_SPAN(f->attrs[1].value->text, "\xc3\xa9");
    CHECK(av_schema_node(s, r->index) == r);
    av_schema_release(s);
}

static void enums_keep_their_symbols_and_their_default(void)
{
    struct av_schema *s =
        must("{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"a\",\"b\"],"
             "\"default\":\"b\",\"x\":1}");
    if (s == NULL)
        return;
    const struct av_node *n = av_schema_root(s);
    CHECK_INT(n->n_symbols, 2);
    CHECK_SPAN(n->symbols[1], "b");
    CHECK_INT(n->fallback, 1);
    CHECK_INT(n->n_attrs, 1);
    av_schema_release(s);

    s = must("{\"type\":\"enum\",\"name\":\"E\",\"symbols\":[\"a\"],\"default\":0}");
    CHECK(s != NULL && av_schema_root(s)->fallback == -1);
    av_schema_release(s);
}

static void comments_are_blanks(void)
{
    struct av_schema *s =
        must("/* a \" */ {\"type\" // x\n : \"string\", \"x\": \"/* \\\" // \"}");

    if (s != NULL) {
        CHECK_INT(av_schema_root(s)->type, AV_STRING);
        CHECK_SPAN(av_schema_root(s)->attrs[0].value->text, "/* \" // ");
        CHECK_SPAN(span_of(av_schema_text(s).p, 6), "/* a \"");
    }
    av_schema_release(s);
    static const struct row t[] = {
        {"\"int\" /* x", "JSON: 1:7: '/', wanted the end of the text"},
        {"/*/ \"int\"", "JSON: 1:1: '/', wanted a value"},
        {"/", "JSON: 1:1: '/', wanted a value"},
        {"// \n/**/ \"in",
         "JSON: 2:9: end of text, wanted '\"' at the end of the string"},
        {"// a\r\"int\"//", "ok"},
        {"/* \n */ \"x\"", "at 2:5: unknown type \"x\""},
    };
    CHECK_ROWS(t);
}

static void nullable_is_null_and_one_other(void)
{
    static const struct {
        const char *text;
        bool nullable;
        enum av_type other;
    } t[] = {
        {"[\"null\",\"int\"]", true, AV_INT},
        {"[\"string\",\"null\"]", true, AV_STRING},
        {"[\"null\"]", false, AV_NULL},
        {"[\"int\",\"string\"]", false, AV_NULL},
        {"[\"null\",\"int\",\"long\"]", false, AV_NULL},
        {"\"null\"", false, AV_NULL},
    };

    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        struct av_schema *s = must(t[i].text);
        const struct av_node *other = NULL;
        if (s == NULL)
            continue;
        CHECK_INT(av_is_nullable(av_schema_root(s), &other), t[i].nullable);
        CHECK(!t[i].nullable || other->type == t[i].other);
        av_schema_release(s);
    }
}

/* Each index once, and every edge leads to a node of this schema. */
static void check_indexes(const struct av_schema *s)
{
    for (uint32_t i = 0; i < av_schema_nodes(s); i++) {
        const struct av_node *n = av_schema_node(s, i);
        CHECK_INT(n->index, i);
        for (size_t k = 0; k < n->n_fields; k++)
            CHECK(av_schema_node(s, n->fields[k].type->index) == n->fields[k].type);
        for (size_t k = 0; k < n->n_branches; k++)
            CHECK(av_schema_node(s, n->branches[k]->index) == n->branches[k]);
        if (n->items != NULL)
            CHECK(av_schema_node(s, n->items->index) == n->items);
    }
}

static void recursion_points_back(void)
{
    struct av_schema *s =
        must(R("{\"name\":\"next\",\"type\":[\"null\",\"R\"]},"
               "{\"name\":\"all\",\"type\":{\"type\":\"array\",\"items\":\"R\"}}"));
    if (s == NULL)
        return;
    const struct av_node *r = av_schema_root(s);
    CHECK(r->fields[0].type->branches[1] == r);
    CHECK(r->fields[1].type->items == r);
    check_indexes(s);
    av_schema_release(s);
}

static void references_lend_their_types(void)
{
    struct av_schema *money =
        must("{\"type\":\"record\",\"name\":\"m.Money\",\"fields\":["
             "{\"name\":\"n\",\"type\":\"long\"},"
             "{\"name\":\"c\",\"type\":" ENUM ",\"default\":\"b\"},"
             "{\"name\":\"more\",\"type\":[\"null\",{\"type\":\"array\",\"items\":"
             "\"Money\"}]}]}");
    struct av_schema *known[] = {money, money}, *s = NULL;
    struct err e = {0};

    if (money == NULL)
        return;
    CHECK_INT(
        av_schema_parse(&s,
                        span_str(R("{\"name\":\"a\",\"type\":\"m.Money\"},"
                                   "{\"name\":\"b\",\"type\":[\"null\",\"m.Money\"]},"
                                   "{\"name\":\"c\",\"type\":\"long\"},"
                                   "{\"name\":\"d\",\"type\":\"m.Money\","
                                   "\"default\":{\"n\":1,\"more\":null}}")),
                        known, 2, NULL, &e),
        ERR_OK);
    CHECK_STR(e.msg, "");
    av_schema_release(money); // the new one holds on to it
    if (s == NULL)
        return;
    check_indexes(s);
    const struct av_field *f = av_schema_root(s)->fields;
    CHECK(f[0].type == f[1].type->branches[1]);
    CHECK_SPAN(f[0].type->borrowed_from, "m.Money");
    CHECK_SPAN(f[0].type->fields[1].type->borrowed_from, "m.E");
    CHECK_INT(f[0].type->fields[0].type->type, AV_LONG);
    CHECK(f[0].type->fields[2].type->branches[1]->items == f[0].type);
    CHECK_INT(av_schema_root(s)->borrowed_from.n, 0);
    CHECK(f[2].type == f[0].type->fields[0].type);
    CHECK(span_eq(f[3].fallback_avro, span_of("\x02\x02\x00", 3)));

    struct av_schema *again = NULL;
    CHECK_INT(av_schema_parse(&again, span_str("\"R\""), &s, 1, NULL, &e), ERR_OK);
    check_indexes(again);
    CHECK_SPAN(av_schema_root(again)->borrowed_from, "R");
    av_schema_release(s);
    av_schema_release(again);
}

static void references_and_the_text_must_agree(void)
{
    struct av_schema *one = must(R("{\"name\":\"f\",\"type\":" FIXED2 "}"));
    struct av_schema *like = must(
        "{\"type\":\"array\",\"items\":" R("{\"name\":\"f\",\"type\":" FIXED2 "}") "}");
    struct av_schema *other = must(R("{\"name\":\"f\",\"type\":\"int\"}"));
    struct av_schema *both[] = {one, like}, *quarrel[] = {one, other}, *s;
    struct err e = {0};

    CHECK_INT(av_schema_parse(&s, span_str("[\"R\",\"X\"]"), both, 2, NULL, &e),
              ERR_OK);
    CHECK_STR(e.msg, "");
    check_indexes(s);
    CHECK(av_schema_root(s)->branches[0]->fields[0].type ==
          av_schema_root(s)->branches[1]);
    av_schema_release(s);

    CHECK_INT(av_schema_parse(&s, span_str("\"R\""), quarrel, 2, NULL, &e),
              ERR_INVALID);
    CHECK_STR(e.msg, "two references define R, and not alike");

    e = (struct err){0};
    CHECK_INT(av_schema_parse(&s, span_str(R("{\"name\":\"f\",\"type\":\"X\"}")), both,
                              1, NULL, &e),
              ERR_OK);
    CHECK_STR(e.msg, "");
    CHECK_SPAN(av_schema_root(s)->borrowed_from, "R");
    check_indexes(s);
    av_schema_release(s);
    CHECK_INT(av_schema_parse(&s, span_str(R("")), both, 1, NULL, &e), ERR_INVALID);
    CHECK_STR(e.msg, "at 1:1: R is defined again, and not as in the reference");
    av_schema_release(one);
    av_schema_release(like);
    av_schema_release(other);
}

static void limits_are_limits_and_not_faults(void)
{
    struct buf text = BUF_INIT(1 << 20);
    struct av_schema *s;
    struct err e = {0};

    CHECK_INT(av_schema_parse(&s, span_str("\"string\""), NULL, 0,
                              &(struct av_parse_limits){.bytes = 7}, &e),
              ERR_LIMIT);
    CHECK_STR(e.msg, "schema of 8 bytes, at most 7 are taken");
    CHECK_INT(av_schema_parse(&s, span_str("[\"int\",\"string\",\"null\"]"), NULL, 0,
                              &(struct av_parse_limits){.nodes = 2}, &e),
              ERR_LIMIT);
    CHECK_STR(e.msg, "/2 at 1:17: more than 2 types");

    nest(&text, 63, "{\"type\":\"array\",\"items\":", "\"int\"", "}");
    CHECK_INT(av_schema_parse(&s, buf_span(&text), NULL, 0, NULL, &e), ERR_OK);
    av_schema_release(s);
    buf_reset(&text);
    nest(&text, 64, "{\"type\":\"array\",\"items\":", "\"int\"", "}");
    CHECK_INT(av_schema_parse(&s, buf_span(&text), NULL, 0, NULL, &e), ERR_LIMIT);
    CHECK(strstr(e.msg, "more than 64 types inside each other") != NULL);
    buf_reset(&text);
    nest(&text, 5000, "[", "\"int\"", "]");
    CHECK_INT(av_schema_parse(&s, buf_span(&text), NULL, 0,
                              &(struct av_parse_limits){.depth = 5000}, &e),
              ERR_LIMIT);
    buf_reset(&text);
    nest(&text, 1030, "n", "", "");
    struct buf named = BUF_INIT(4096);
    buf_printf(&named, "{\"type\":\"fixed\",\"size\":1,\"name\":\"" SPAN_FMT,
               (int)text.n, (const char *)text.p);
    buf_put_str(&named, "\"}");
    CHECK_INT(av_schema_parse(&s, buf_span(&named), NULL, 0, NULL, &e), ERR_LIMIT);
    CHECK_STR(e.msg, "/name at 1:33: a name of more than 1024 bytes");
    buf_free(&named);
    buf_free(&text);
}

/* Each is looked at once: else this test would take hours. */
static void comments_without_end_are_no_work(void)
{
    struct buf text = BUF_INIT(1 << 20);
    struct av_schema *s;
    struct err e = {0};

    nest(&text, 340000, "/* ", "", "");
    CHECK_INT(av_schema_parse(&s, buf_span(&text), NULL, 0, NULL, &e), ERR_INVALID);
    CHECK_STR(e.msg, "JSON: 1:1: '/', wanted a value");
    buf_free(&text);
}

/* A chain of definitions is no deeper in the text, and must not be on the stack. */
static void chains_of_types_may_be_long(void)
{
    struct buf text = BUF_INIT(1 << 20);
    struct av_schema *s;
    struct err e = {0};

    buf_put_str(&text, "[\"null\"");
    for (int i = 0; i < 9000; i++)
        buf_printf(&text,
                   ",{\"type\":\"record\",\"name\":\"R%d\",\"fields\":[{\"name\":\"a\","
                   "\"type\":\"R%d\"}]}",
                   i, (i + 1) % 9000);
    buf_put_str(&text, "]");
    CHECK_INT(av_schema_parse(&s, buf_span(&text), NULL, 0, NULL, &e), ERR_OK);
    CHECK_STR(e.msg, "");
    struct av_schema *t;
    CHECK_INT(av_schema_parse(&t, span_str("\"R0\""), &s, 1, NULL, &e), ERR_OK);
    CHECK_INT(av_schema_nodes(t), 9000);
    av_schema_release(s);
    av_schema_release(t);
    buf_free(&text);
}

static void *share(void *arg)
{
    for (int i = 0; i < 10000; i++)
        av_schema_release(av_schema_retain(arg));
    return NULL;
}

static void threads_share_one_schema(void)
{
    struct av_schema *s = must("\"int\"");
    pthread_t a, b;

    av_schema_release(NULL);
    CHECK_INT(pthread_create(&a, NULL, share, s), 0);
    CHECK_INT(pthread_create(&b, NULL, share, s), 0);
    pthread_join(a, NULL);
    pthread_join(b, NULL);
    CHECK_INT(av_schema_root(s)->type, AV_INT);
    av_schema_release(s);
}

static void long_names_and_pointers_are_cut(void)
{
    struct buf text = BUF_INIT(1 << 16);
    struct err e = {0};
    struct av_schema *s;
    char name[AV_FULLNAME_SHOWN];

    buf_put_str(&text, "{\"type\":\"fixed\",\"size\":1,\"name\":\"");
    nest(&text, 500, "n", "", "");
    buf_put_str(&text, "\"}");
    CHECK_INT(av_schema_parse(&s, buf_span(&text), NULL, 0, NULL, &e), ERR_OK);
    av_node_name(name, av_schema_root(s));
    CHECK_INT(strlen(name), AV_FULLNAME_SHOWN - 1);
    av_schema_release(s);

    buf_reset(&text);
    nest(&text, 40, "{\"type\":\"array\",\"items\":", "7", "}");
    CHECK_INT(av_schema_parse(&s, buf_span(&text), NULL, 0, NULL, &e), ERR_INVALID);
    CHECK(strncmp(e.msg, ".../ite", 3) == 0);
    CHECK(strstr(e.msg, "/items at 1:961: number 7, wanted a type") != NULL);
    buf_free(&text);
}

int main(void)
{
    RUN(every_kind_of_type_may_be_the_root);
    RUN(what_is_no_schema_is_refused_with_its_place);
    RUN(names_follow_the_rules);
    RUN(names_are_used_and_defined_in_any_order_but_once);
    RUN(a_short_name_is_looked_for_here_then_in_no_namespace);
    RUN(everything_a_text_says_is_kept);
    RUN(enums_keep_their_symbols_and_their_default);
    RUN(comments_are_blanks);
    RUN(nullable_is_null_and_one_other);
    RUN(recursion_points_back);
    RUN(references_lend_their_types);
    RUN(references_and_the_text_must_agree);
    RUN(limits_are_limits_and_not_faults);
    RUN(comments_without_end_are_no_work);
    RUN(chains_of_types_may_be_long);
    RUN(threads_share_one_schema);
    RUN(long_names_and_pointers_are_cut);
    return REPORT();
}
