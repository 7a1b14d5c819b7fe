#include "registry/openapi.h"

#include "base/json.h"
#include "tests/check.h"

#include <stdio.h>
#include <string.h>

static const struct json *document(struct buf *text, struct arena *a)
{
    const struct json *j = NULL;
    struct err e = {0};

    openapi_put(text, &registry_openapi);
    CHECK_INT(json_read(&j, buf_span(text), NULL, a, &e), ERR_OK);
    CHECK_STR(e.msg, "");
    return j;
}

/* Every "$ref" below `j` names a component. */
static void check_refs(const struct json *j, const struct json *components)
{
    static const char mark[] = "#/components/";

    for (const struct json *c = j->first; c != NULL; c = c->next) {
        check_refs(c, components);
        if (!span_eq(c->name, span_str("$ref")))
            continue;
        struct span path = span_skip(c->text, strlen(mark));
        const uint8_t *slash = memchr(path.p, '/', path.n);
        CHECK(slash != NULL);
        size_t n = (size_t)(slash - path.p);
        const struct json *kind = json_member_span(components, span_of(path.p, n));
        CHECK(json_member_span(kind, span_skip(path, n + 1)) != NULL);
    }
}

static void the_document_is_json_and_whole_in_itself(void)
{
    struct buf text = BUF_INIT(1 << 20);
    struct arena a = {0};
    const struct json *j = document(&text, &a);

    CHECK_SPAN(json_member(j, "openapi")->text, "3.1.0");
    CHECK(json_member(j, "paths")->n > 30);
    check_refs(j, json_member(j, "components"));
    buf_free(&text);
    arena_free(&a);
}

static void a_path_has_its_methods_parts_and_parameters(void)
{
    struct buf text = BUF_INIT(1 << 20);
    struct arena a = {0};
    const struct json *paths = json_member(document(&text, &a), "paths");
    const struct json *one =
        json_member(paths, "/subjects/{subject}/versions/{version}");

    CHECK_INT((long)one->n, 2); // GET, DELETE
    CHECK_INT((long)json_member(json_member(one, "get"), "parameters")->n, 6);
    CHECK(json_member(json_member(json_member(one, "delete"), "responses"), "404") !=
          NULL);
    CHECK(openapi_describes(&registry_openapi, HTTP_GET, "/subjects"));
    CHECK(!openapi_describes(&registry_openapi, HTTP_PUT, "/subjects"));
    buf_free(&text);
    arena_free(&a);
}

static void it_says_how_to_say_who_asks_and_what_is_answered_to_who_may_not(void)
{
    static const char *const usual[] = {"400", "401", "403", "429", "503"};
    struct buf text = BUF_INIT(1 << 20);
    struct arena a = {0};
    const struct json *j = document(&text, &a);
    const struct json *schemes =
        json_member(json_member(j, "components"), "securitySchemes");
    const struct json *paths = json_member(j, "paths");
    const struct json *open = json_member(json_member(paths, "/readyz"), "get"),
                      *shut = json_member(json_member(paths, "/subjects"), "get");

    CHECK_INT((long)schemes->n, 3);
    for (const struct json *s = json_member(j, "security")->first; s; s = s->next)
        CHECK(s->n == 0 || json_member_span(schemes, s->first->name) != NULL);
    CHECK_INT((long)json_member(open, "security")->n, 0);
    CHECK(json_member(shut, "security") == NULL);
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) {
        CHECK(json_member(json_member(shut, "responses"), usual[i]) != NULL);
        if (strcmp(usual[i], "503") != 0)
            CHECK(json_member(json_member(open, "responses"), usual[i]) == NULL);
    }
    buf_free(&text);
    arena_free(&a);
}

int main(void)
{
    RUN(the_document_is_json_and_whole_in_itself);
    RUN(a_path_has_its_methods_parts_and_parameters);
    RUN(it_says_how_to_say_who_asks_and_what_is_answered_to_who_may_not);
    return REPORT();
}
