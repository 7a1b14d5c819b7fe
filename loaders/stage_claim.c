#include "loaders/stage_claim.h"

#include "avro-core/canon.h"
#include "base/json.h"
#include "loaders/stage_envelope.h"
#include "place/place.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define FILES_MOST 10000

void stage_claims_dir(char out[STAGE_NAME], const char *topic, int32_t partition)
{
    snprintf(out, STAGE_NAME, "_claims/%.255s/%05" PRId32, topic, partition);
}

int32_t stage_claims_partition(const char *name)
{
    size_t n = strspn(name, "0123456789");

    return n >= 5 && n <= 9 && name[n] == '\0' ? (int32_t)strtol(name, NULL, 10) : -1;
}

void stage_hints_dir(char out[STAGE_NAME], const char *topic, int32_t partition)
{
    snprintf(out, STAGE_NAME, "_claims/%.255s/%05" PRId32 ".from", topic, partition);
}

void stage_claim_name(char out[STAGE_NAME], const char *topic, int32_t partition,
                      int64_t first)
{
    snprintf(out, STAGE_NAME, "_claims/%.255s/%05" PRId32 "/%020" PRId64, topic,
             partition, first);
}

void stage_schema_key(char out[STAGE_SCHEMA], struct span printed)
{
    uint8_t md[32];

    av_sha256(md, printed);
    for (size_t i = 0; i < sizeof md; i++)
        snprintf(out + 2 * i, 3, "%02x", md[i]);
}

void stage_schema_name(char out[STAGE_NAME], const char *key)
{
    snprintf(out, STAGE_NAME, "_schemas/%.64s.avsc", key);
}

int64_t stage_claim_first(const char *name)
{
    return strlen(name) == 20 && strspn(name, "0123456789") == 20 && name[0] == '0'
               ? strtoll(name, NULL, 10)
               : -1;
}

int64_t stage_claim_newest(const struct place_entry *all, size_t n)
{
    int64_t newest = -1;

    while (n-- > 0 && newest < 0)
        newest = stage_claim_first(all[n].name);
    return newest;
}

/* The members that are texts or numbers, written and read by the same rows. */
static const struct {
    const char *name;
    size_t at;
    bool text;
    int64_t least;
    bool optional; // numbers: 0 when it is missing
} members[] = {
#define T(name_)                                                    \
    {                                                               \
#name_, offsetof(struct stage_claim, name_), true, 0, false \
    }
#define N(name_, least_)                                                  \
    {                                                                     \
#name_, offsetof(struct stage_claim, name_), false, least_, false \
    }
#define O(name_)                                                    \
    {                                                               \
#name_, offsetof(struct stage_claim, name_), false, 0, true \
    }
    T(job),       T(topic),     T(cluster),     N(first, 0),      N(last, 0),
    N(count, 0),  N(loaded, 0), N(rejected, 0), N(bytes, 0),      N(mark, -1),
    T(instance),  T(run),       N(epoch, 0),    N(started_ms, 0), N(us, 0),
    O(duplicate), O(filtered),  O(quarantined),
#undef T
#undef N
#undef O
};
#define N_MEMBERS (sizeof members / sizeof members[0])

static void put_file(struct buf *out, const struct stage_file *f)
{
    buf_put_str(out, "{\"final\":");
    json_put_string(out, span_str(f->final));
    buf_put_str(out, ",\"ticket\":");
    json_put_string(out, f->ticket);
    buf_printf(out, ",\"bytes\":%" PRId64 ",\"rows\":%" PRId64 ",\"sha256\":", f->bytes,
               f->rows);
    json_put_string(out, span_str(f->sha256));
    if (f->runs != NULL && f->runs[0] != '\0') {
        buf_put_str(out, ",\"runs\":");
        json_put_string(out, span_str(f->runs));
    }
    if (f->seen)
        buf_put_str(out, ",\"seen\":true");
    buf_put_str(out, f->rejects ? ",\"rejects\":true}" : "}");
}

static void put_member(struct buf *out, const char *name, const char *text)
{
    buf_printf(out, ",\"%s\":", name);
    if (text == NULL)
        buf_put_str(out, "null");
    else
        json_put_string(out, span_str(text));
}

static void put_envelope(struct buf *out, const struct stage_claim *c)
{
    if (c->envelope == 0)
        return;
    buf_put_str(out, "\"envelope\":");
    char sign = '[';
    for (unsigned part = 1; part <= ENVELOPE_DELETED; part *= 2)
        if (c->envelope & part) {
            buf_printf(out, "%c\"%s\"", sign, envelope_word(part));
            sign = ',';
        }
    buf_put_str(out, "],\"value_schema\":");
    json_put_string(out, span_str(c->value_schema));
    buf_put_u8(out, ',');
    if (c->n_keys == 0)
        return;
    buf_put_str(out, "\"key_schemas\":[");
    for (size_t i = 0; i < c->n_keys; i++) {
        buf_printf(out, "%s{\"id\":%" PRId32 ",\"schema\":", i == 0 ? "" : ",",
                   c->keys[i].id);
        json_put_string(out, span_str(c->keys[i].schema));
        buf_put_u8(out, '}');
    }
    buf_put_str(out, "],");
}

static void put_rules(struct buf *out, const struct stage_claim *c)
{
    if (c->n_rules == 0)
        return;
    buf_put_str(out, "\"rules\":[");
    for (size_t i = 0; i < c->n_rules; i++) {
        const struct rule_result *r = &c->rules[i];
        buf_printf(out,
                   "%s{\"checked\":%" PRId64 ",\"failed\":%" PRId64
                   ",\"errors\":%" PRId64,
                   i > 0 ? "," : "", r->checked, r->failed, r->errors);
        put_member(out, "name", r->name);
        put_member(out, "severity", r->severity);
        put_member(out, "form", r->form);
        put_member(out, "wanted", r->wanted);
        put_member(out, "last_failed", r->last_failed);
        buf_put_u8(out, '}');
    }
    buf_put_str(out, "],");
}

void stage_claim_put(struct buf *out, const struct stage_claim *c)
{
    buf_printf(out, "{\"version\":1,\"partition\":%" PRId32, c->partition);
    for (size_t i = 0; i < N_MEMBERS; i++) {
        const char *at = (const char *)c + members[i].at;
        buf_printf(out, ",\"%s\":", members[i].name);
        if (members[i].text)
            json_put_string(out, span_str(*(const char *const *)at));
        else
            json_put_int(out, *(const int64_t *)at);
    }
    buf_put_str(out, ",\"schema_ids\":[");
    for (size_t i = 0; i < c->n_ids; i++)
        buf_printf(out, "%s%" PRId32, i == 0 ? "" : ",", c->ids[i]);
    buf_put_str(out, "],");
    if (c->schema != NULL && c->schema[0] != '\0') {
        buf_put_str(out, "\"schema\":");
        json_put_string(out, span_str(c->schema));
        buf_printf(out, ",\"schema_id\":%" PRId64 ",", c->schema_id);
    }
    put_envelope(out, c);
    put_rules(out, c);
    buf_put_str(out, "\"files\":[");
    for (size_t i = 0; i < c->n_files; i++) {
        if (i > 0)
            buf_put_u8(out, ',');
        put_file(out, &c->files[i]);
    }
    buf_put_str(out, "]}\n");
}

/* --- offsets of rows -------------------------------------------------------------- */

#define RUN_DIGITS 18 // sums of two still fit

void stage_runs_put(struct buf *out, int64_t gap, int64_t rows)
{
    buf_printf(out, "%s%" PRId64 ":%" PRId64, out->n == 0 ? "" : ",", gap, rows);
}

static bool take_number(const char **at, int64_t *out)
{
    size_t n = strspn(*at, "0123456789");

    if (n == 0 || n > RUN_DIGITS)
        return false;
    *out = strtoll(*at, NULL, 10);
    *at += n;
    return true;
}

/* "3:17", with the comma behind it. */
static bool take_run(const char **at, int64_t *gap, int64_t *rows)
{
    if (!take_number(at, gap) || *(*at)++ != ':' || !take_number(at, rows))
        return false;
    if (**at == ',')
        return *++*at != '\0';
    return **at == '\0';
}

struct stage_runs stage_runs_begin(const struct stage_claim *c,
                                   const struct stage_file *f)
{
    return (struct stage_runs){.at = f->runs, .next = c->first};
}

/* False behind the last. */
static bool has_row(struct stage_runs *r)
{
    int64_t gap;

    if (r->left > 0)
        return true;
    if (*r->at == '\0' || !take_run(&r->at, &gap, &r->left))
        return false;
    r->next += gap;
    return true;
}

int64_t stage_runs_next(struct stage_runs *r)
{
    if (!has_row(r))
        return -1;
    r->left--;
    return r->next++;
}

int64_t stage_runs_skip(struct stage_runs *r, int64_t at)
{
    int64_t skipped = 0;

    while (has_row(r) && r->next < at) {
        int64_t n = r->left < at - r->next ? r->left : at - r->next;
        r->next += n;
        r->left -= n;
        skipped += n;
    }
    return skipped;
}

/* Believed from here on: as many rows as the file has, inside of the claim. */
static enum err_kind check_runs(const struct stage_claim *c, const struct stage_file *f,
                                struct err *e)
{
    const char *at = f->runs;
    int64_t next = c->first, sum = 0;

    while (*at != '\0') {
        int64_t gap, rows;
        if (!take_run(&at, &gap, &rows) || rows == 0 || gap > c->last - next ||
            rows > c->last - next - gap + 1)
            return err_set(e, ERR_INTERNAL,
                           "claim with offsets it does not have: %.80s", f->final);
        next += gap + rows;
        sum += rows;
    }
    if (f->runs[0] != '\0' && sum != f->rows)
        return err_set(e, ERR_INTERNAL,
                       "claim with offsets of %" PRId64 " rows, %.80s has %" PRId64,
                       sum, f->final, f->rows);
    return ERR_OK;
}

/* --- reading ---------------------------------------------------------------------- */

static enum err_kind read_text(const char **out, const struct json *obj,
                               const char *name, struct arena *a, struct err *e)
{
    const struct json *j = json_member(obj, name);

    if (!json_is(j, JSON_STRING) || memchr(j->text.p, 0, j->text.n) != NULL)
        return err_set(e, ERR_INTERNAL, "claim without a text \"%s\"", name);
    *out = arena_str(a, j->text);
    return ERR_OK;
}

static enum err_kind read_number(int64_t *out, const struct json *obj, const char *name,
                                 int64_t least, struct err *e)
{
    const struct json *j = json_member(obj, name);
    struct err why = {0};

    if (j == NULL || json_int(out, j, least, INT64_MAX, &why) != ERR_OK)
        return err_set(e, ERR_INTERNAL, "claim without a number \"%s\"", name);
    return ERR_OK;
}

static enum err_kind read_file(struct stage_file *f, const struct json *j,
                               struct arena *a, struct err *e)
{
    const char *ticket = NULL;

    TRY(read_text(&f->final, j, "final", a, e));
    TRY(read_text(&ticket, j, "ticket", a, e));
    f->ticket = span_str(ticket);
    TRY(read_number(&f->bytes, j, "bytes", 1, e));
    TRY(read_number(&f->rows, j, "rows", 0, e));
    TRY(read_text(&f->sha256, j, "sha256", a, e));
    f->rejects = json_is(json_member(j, "rejects"), JSON_TRUE);
    f->seen = json_is(json_member(j, "seen"), JSON_TRUE);
    f->runs = "";
    if (json_member(j, "runs") != NULL)
        TRY(read_text(&f->runs, j, "runs", a, e));
    return ERR_OK;
}

static enum err_kind read_files(struct stage_claim *c, const struct json *files,
                                struct arena *a, struct err *e)
{
    if (!json_is(files, JSON_ARRAY) || files->n > FILES_MOST)
        return err_set(e, ERR_INTERNAL, "claim without a list \"files\"");
    c->files = arena_array(a, files->n, sizeof *c->files);
    for (const struct json *j = files->first; j != NULL; j = j->next)
        TRY(read_file(&c->files[c->n_files++], j, a, e));
    return ERR_OK;
}

static enum err_kind read_rule(struct rule_result *r, const struct json *j,
                               struct arena *a, struct err *e)
{
    TRY(read_number(&r->checked, j, "checked", 0, e));
    TRY(read_number(&r->failed, j, "failed", 0, e));
    TRY(read_number(&r->errors, j, "errors", 0, e));
    TRY(read_text(&r->name, j, "name", a, e));
    TRY(read_text(&r->severity, j, "severity", a, e));
    TRY(read_text(&r->form, j, "form", a, e));
    TRY(read_text(&r->wanted, j, "wanted", a, e));
    if (json_is(json_member(j, "last_failed"), JSON_STRING))
        TRY(read_text(&r->last_failed, j, "last_failed", a, e));
    return ERR_OK;
}

static enum err_kind read_rules(struct stage_claim *c, const struct json *rules,
                                struct arena *a, struct err *e)
{
    if (rules == NULL)
        return ERR_OK;
    if (!json_is(rules, JSON_ARRAY) || rules->n > QUALITY_RULES_MOST)
        return err_set(e, ERR_INTERNAL, "claim with \"rules\" that are no list");
    struct rule_result *read = arena_array(a, rules->n, sizeof *read);
    for (const struct json *j = rules->first; j != NULL; j = j->next)
        TRY(read_rule(&read[c->n_rules++], j, a, e));
    c->rules = read;
    return ERR_OK;
}

static enum err_kind read_ids(struct stage_claim *c, const struct json *ids,
                              struct err *e)
{
    if (!json_is(ids, JSON_ARRAY))
        return err_set(e, ERR_INTERNAL, "claim without a list \"schema_ids\"");
    for (const struct json *j = ids->first; j != NULL && c->n_ids < STAGE_IDS;
         j = j->next) {
        int64_t id;
        struct err why = {0};
        if (json_int(&id, j, 0, INT32_MAX, &why) != ERR_OK)
            return err_set(e, ERR_INTERNAL, "claim with a schema id that is none");
        c->ids[c->n_ids++] = (int32_t)id;
    }
    return ERR_OK;
}

static enum err_kind read_key(const char **out, const struct json *obj,
                              const char *name, struct arena *a, struct err *e)
{
    TRY(read_text(out, obj, name, a, e));
    if (strlen(*out) != STAGE_SCHEMA - 1 ||
        strspn(*out, "0123456789abcdef") != STAGE_SCHEMA - 1)
        return err_set(e, ERR_INTERNAL, "claim with a schema that is none: %.80s",
                       *out);
    return ERR_OK;
}

static enum err_kind read_schema(struct stage_claim *c, const struct json *root,
                                 struct arena *a, struct err *e)
{
    c->schema = "";
    if (json_member(root, "schema") == NULL) // of an older loader
        return ERR_OK;
    TRY(read_key(&c->schema, root, "schema", a, e));
    TRY(read_number(&c->schema_id, root, "schema_id", 0, e));
    if (c->schema_id > INT32_MAX)
        return err_set(e, ERR_INTERNAL, "claim with a schema id that is none");
    return ERR_OK;
}

static enum err_kind read_keys(struct stage_claim *c, const struct json *keys,
                               struct arena *a, struct err *e)
{
    if (keys == NULL)
        return ERR_OK;
    if (!json_is(keys, JSON_ARRAY) || keys->n > STAGE_KEYS)
        return err_set(e, ERR_INTERNAL, "claim with \"key_schemas\" that are no list");
    c->keys = arena_array(a, keys->n, sizeof *c->keys);
    for (const struct json *j = keys->first; j != NULL; j = j->next) {
        struct stage_key *k = &c->keys[c->n_keys++];
        int64_t id;
        TRY(read_number(&id, j, "id", 0, e));
        if (id > INT32_MAX)
            return err_set(e, ERR_INTERNAL, "claim with a schema id that is none");
        k->id = (int32_t)id;
        TRY(read_key(&k->schema, j, "schema", a, e));
    }
    return ERR_OK;
}

static enum err_kind read_envelope(struct stage_claim *c, const struct json *root,
                                   struct arena *a, struct err *e)
{
    const struct json *words = json_member(root, "envelope");

    c->value_schema = "";
    if (words == NULL)
        return ERR_OK;
    for (const struct json *j = words->first; j != NULL; j = j->next) {
        unsigned part = json_is(j, JSON_STRING) ? envelope_part(j->text) : 0;
        if (part == 0)
            return err_set(e, ERR_INTERNAL,
                           "claim with an envelope of more than we know: %s",
                           envelope_words);
        c->envelope |= part;
    }
    if (!json_is(words, JSON_ARRAY) || c->envelope == 0 || c->schema[0] == '\0')
        return err_set(e, ERR_INTERNAL, "claim with an envelope that is none");
    TRY(read_key(&c->value_schema, root, "value_schema", a, e));
    return read_keys(c, json_member(root, "key_schemas"), a, e);
}

static enum err_kind check_ranges(const struct stage_claim *c, struct err *e)
{
    if (c->last < c->first)
        return err_set(e, ERR_INTERNAL, "claim of %" PRId64 " to %" PRId64, c->first,
                       c->last);
    for (size_t i = 0; i < c->n_files; i++)
        TRY(check_runs(c, &c->files[i], e));
    return ERR_OK;
}

enum err_kind stage_claim_read(struct stage_claim *c, struct span text, struct arena *a,
                               struct err *e)
{
    const struct json *root;
    struct err why = {0};
    struct stage_claim r = {0};
    int64_t version, partition;

    if (json_read(&root, text, NULL, a, &why) != ERR_OK)
        return err_set(e, ERR_INTERNAL, "claim that is no JSON: %.150s", why.msg);
    TRY(read_number(&version, root, "version", 1, e));
    TRY(read_number(&partition, root, "partition", 0, e));
    if (version != 1 || partition > INT32_MAX)
        return err_set(e, ERR_INTERNAL, "claim of version %" PRId64 ", we know 1",
                       version);
    r.partition = (int32_t)partition;
    for (size_t i = 0; i < N_MEMBERS; i++) {
        char *at = (char *)&r + members[i].at;
        if (members[i].optional && json_member(root, members[i].name) == NULL)
            continue;
        if (members[i].text)
            TRY(read_text((const char **)at, root, members[i].name, a, e));
        else
            TRY(read_number((int64_t *)at, root, members[i].name, members[i].least, e));
    }
    TRY(read_ids(&r, json_member(root, "schema_ids"), e));
    TRY(read_rules(&r, json_member(root, "rules"), a, e));
    TRY(read_files(&r, json_member(root, "files"), a, e));
    TRY(read_schema(&r, root, a, e));
    TRY(read_envelope(&r, root, a, e));
    TRY(check_ranges(&r, e));
    *c = r;
    return ERR_OK;
}
