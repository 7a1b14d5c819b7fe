#include "http/openapi.h"

#include "base/json.h"

#include <stdio.h>
#include <string.h>

bool openapi_lists(const char *list, const char *word)
{
    size_t n = strlen(word);

    for (const char *at = list; (at = strstr(at, word)) != NULL; at += n)
        if ((at == list || at[-1] == ' ') && (at[n] == ' ' || at[n] == 0))
            return true;
    return false;
}

void openapi_put_content(struct buf *out, const char *types, const char *schema)
{
    const char *comma = "";

    buf_put_str(out, "\"content\":{");
    while (*types != '\0') {
        size_t n = strcspn(types, " ");
        buf_printf(out, "%s\"%.*s\":{\"schema\":%s}", comma, (int)n, types, schema);
        types += n + (types[n] == ' ');
        comma = ",";
    }
    buf_put_u8(out, '}');
}

bool openapi_is_open(const struct openapi_row *row)
{
    static const char *const paths[] = {"/healthz", "/readyz", "/metrics"};

    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (strcmp(row->pattern, paths[i]) == 0)
            return true;
    return false;
}

static void put_param(struct buf *out, const struct openapi_param *p, const char *where,
                      const char **comma)
{
    buf_printf(out, "%s{\"name\":\"%s\",\"in\":\"%s\",\"required\":%s,\"description\":",
               *comma, p->name, where, strcmp(where, "path") == 0 ? "true" : "false");
    json_put_string(out, span_str(p->says));
    buf_printf(out, ",\"schema\":%s}", p->schema);
    *comma = ",";
}

static void put_params(struct buf *out, const struct openapi_book *b,
                       const struct openapi_row *row)
{
    const char *comma = "";
    char part[32];

    buf_put_str(out, ",\"parameters\":[");
    for (const struct openapi_param *p = b->parts; p->name != NULL; p++) {
        snprintf(part, sizeof part, "{%s}", p->name);
        if (strstr(row->pattern, part) != NULL)
            put_param(out, p, "path", &comma);
    }
    for (const struct openapi_param *p = b->queries; p->name != NULL; p++)
        if (openapi_lists(row->query, p->name))
            put_param(out, p, "query", &comma);
    for (const struct openapi_param *p = b->headers; p->name != NULL; p++)
        if (openapi_lists(row->header, p->name))
            put_param(out, p, "header", &comma);
    buf_put_u8(out, ']');
}

static void put_operation(struct buf *out, const struct openapi_book *b, size_t i)
{
    const struct openapi_row *row = b->row(i);

    buf_put_u8(out, '"');
    for (const char *m = http_method_name(row->method); *m != '\0'; m++)
        buf_put_u8(out, (uint8_t)(*m | 0x20));
    buf_put_str(out, "\":{\"summary\":");
    json_put_string(out, span_str(row->says));
    put_params(out, b, row);
    b->put_body(out, i);
    buf_put_str(out, ",\"responses\":{");
    b->put_answers(out, i);
    buf_put_u8(out, '}');
    if (openapi_is_open(row))
        buf_put_str(out, ",\"security\":[]");
    buf_put_u8(out, '}');
}

static bool is_first_of_path(const struct openapi_book *b, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (strcmp(b->row(i)->pattern, b->row(at)->pattern) == 0)
            return false;
    return true;
}

static void put_path(struct buf *out, const struct openapi_book *b, size_t first)
{
    const char *comma = "";

    buf_printf(out, "%s\"%s\":{", first > 0 ? "," : "", b->row(first)->pattern);
    for (size_t i = first; i < b->n; i++) {
        if (strcmp(b->row(i)->pattern, b->row(first)->pattern) != 0)
            continue;
        buf_put_str(out, comma);
        put_operation(out, b, i);
        comma = ",";
    }
    buf_put_u8(out, '}');
}

/* Which of them are asked for is a matter of settings: see docs/security.md. */
static const char security[] =
    "\"security\":[{},{\"password\":[]},{\"token\":[]},{\"certificate\":[]}],";
static const char schemes[] =
    "\"securitySchemes\":{\"password\":{\"type\":\"http\",\"scheme\":\"basic\"},"
    "\"token\":{\"type\":\"http\",\"scheme\":\"bearer\",\"bearerFormat\":\"JWT\"},"
    "\"certificate\":{\"type\":\"mutualTLS\"}}";

bool openapi_describes(const struct openapi_book *b, enum http_method method,
                       const char *pattern)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->row(i)->method == method && strcmp(b->row(i)->pattern, pattern) == 0)
            return true;
    return false;
}

void openapi_put(struct buf *out, const struct openapi_book *b)
{
    buf_put_str(out, "{\"openapi\":\"3.1.0\",\"info\":{\"title\":");
    json_put_string(out, span_str(b->title));
    buf_put_str(out, ",\"version\":\"" AVROGATE_VERSION "\",\"description\":");
    json_put_string(out, span_str(b->about));
    buf_printf(
        out,
        ",\"license\":{\"name\":\"Apache-2.0\",\"identifier\":\"Apache-2.0\"}},%s"
        "\"paths\":{",
        security);
    for (size_t i = 0; i < b->n; i++)
        if (is_first_of_path(b, i))
            put_path(out, b, i);
    buf_printf(out, "},\"components\":{%s,\"responses\":{", schemes);
    b->put_responses(out);
    buf_put_str(out, "},\"schemas\":{");
    b->put_schemas(out);
    buf_put_str(out, "}}}");
}
