#include "registry/repair.h"

#include "registry/candidate.h"

#define LINES_MOST (1 << 30)

/* Looking. */

struct looking {
    struct buf *report;
    size_t wrong, foreign, odd;
};

static void complain_of_record(struct looking *l, const struct reg_record *r,
                               const char *what)
{
    buf_printf(l->report, "offset %lld: %s\n", (long long)r->offset, what);
    l->wrong++;
}

static void look_at_record(struct looking *l, struct reg_state *s,
                           const struct reg_record *r)
{
    struct reg_event ev = {0};
    struct arena a = {0};
    struct err e = {0};

    if (reg_event_read(&ev, r->key, r->value, &a, &e) != ERR_OK)
        complain_of_record(l, r, e.msg);
    else {
        uint64_t clashes = s->clashes;
        reg_state_apply(s, &ev);
        l->foreign += ev.kind == REG_FOREIGN;
        l->odd += ev.odd_key.n > 0;
        if (s->clashes > clashes)
            complain_of_record(l, r, "its id means another schema already");
    }
    arena_free(&a);
}

static void look_at_version(struct looking *l, const struct reg_state *s,
                            const struct reg_version *v)
{
    struct reg_candidate c;
    struct reg_refusal no = {0};
    struct arena a = {0};

    if (reg_candidate_make(&c, s, v->subject->qualified, &v->schema->what, false, &a,
                           &no))
        reg_candidate_free(&c);
    else {
        buf_put_str(l->report, "subject ");
        buf_put(l->report, v->subject->qualified);
        buf_printf(l->report, " version %d (id %d): ", (int)v->version,
                   (int)v->schema->id);
        buf_put(l->report, no.message);
        buf_put_u8(l->report, '\n');
        l->wrong++;
    }
    arena_free(&a);
}

size_t reg_fsck(struct buf *report, const struct reg_record *all, size_t n)
{
    struct looking l = {.report = report};
    struct reg_state s;
    struct arena a = {0};
    size_t subjects_n = 0, versions = 0;

    reg_state_init(&s);
    for (size_t i = 0; i < n; i++)
        look_at_record(&l, &s, &all[i]);
    const struct reg_subject **subjects =
        reg_subjects(&s, span_str(":*:"), &a, &subjects_n);
    for (size_t i = 0; i < subjects_n; i++)
        for (size_t v = 0; v < subjects[i]->n; v++, versions++)
            look_at_version(&l, &s, subjects[i]->versions[v]);
    buf_printf(report,
               "%zu records, %zu subjects, %zu versions; %zu keys in another form, %zu "
               "of types not interpreted; %zu wrong\n",
               n, subjects_n, versions, l.odd, l.foreign, l.wrong);
    arena_free(&a);
    reg_state_free(&s);
    return l.wrong;
}

/* The backup. */

/* Of each key the last record; NULL where it does not count. */
static const struct reg_record **surviving(const struct reg_record *all, size_t n,
                                           struct arena *a)
{
    const struct reg_record **kept = arena_array(a, n + 1, sizeof *kept);
    struct tab last = {0};

    for (size_t i = 0; i < n; i++)
        if (all[i].key.p != NULL)
            tab_put(&last, all[i].key, (void *)(uintptr_t)&all[i]);
    for (size_t i = 0; i < n; i++)
        if (all[i].key.p != NULL && all[i].value.p != NULL &&
            tab_get(&last, all[i].key) == &all[i])
            kept[i] = &all[i];
    tab_free(&last);
    return kept;
}

static bool can_be_read(const struct reg_record *r)
{
    struct reg_event ev = {0};
    struct arena a = {0};
    struct err e = {0};

    bool can = reg_event_read(&ev, r->key, r->value, &a, &e) == ERR_OK;
    arena_free(&a);
    return can && ev.kind != REG_NOOP;
}

static void put_acts(struct buf *out, const struct reg_act *act)
{
    if (act == NULL)
        return;
    for (const char *before = ",\"acts\":["; act != NULL; act = act->next) {
        buf_put_str(out, before);
        reg_act_put(out, act);
        before = ",";
    }
    buf_put_u8(out, ']');
}

void reg_backup_put(struct buf *out, const struct reg_record *all, size_t n)
{
    struct arena a = {0};
    const struct reg_record **kept = surviving(all, n, &a);

    for (size_t i = 0; i < n; i++) {
        if (kept[i] == NULL || !can_be_read(kept[i]))
            continue;
        buf_printf(out,
                   "{\"offset\":%lld,\"ts\":%lld,\"key\":", (long long)all[i].offset,
                   (long long)all[i].ts);
        json_put_string(out, all[i].key);
        buf_put_str(out, ",\"value\":");
        json_put_string(out, all[i].value);
        put_acts(out, all[i].acts);
        buf_put_str(out, "}\n");
    }
    arena_free(&a);
}

/* As liberally as headers are: one that cannot be read is not there. */
static const struct reg_act *read_acts(const struct json *acts, struct span line,
                                       struct arena *a)
{
    struct reg_act *first = NULL, **end = &first;

    if (!json_is(acts, JSON_ARRAY) || acts->n > REG_ACTS_READ)
        return NULL;
    for (const struct json *j = acts->first; j != NULL; j = j->next) {
        struct reg_act *act = arena_alloc(a, sizeof *act);

        if (!reg_act_read(act, span_of(line.p + j->at, j->end - j->at), a))
            continue;
        *end = act;
        end = &act->next;
    }
    return first;
}

static enum err_kind read_line(struct reg_record *out, struct span line,
                               struct arena *a, struct err *e)
{
    const struct json *j = NULL;

    TRY(json_read(&j, line, NULL, a, e));
    const struct json *key = json_member(j, "key"), *value = json_member(j, "value");
    if (!json_is(key, JSON_STRING) || !json_is(value, JSON_STRING))
        return err_set(e, ERR_INVALID, "wanted an object with texts key and value");
    *out = (struct reg_record){.key = key->text,
                               .value = value->text,
                               .acts = read_acts(json_member(j, "acts"), line, a)};
    TRY(json_member(j, "ts") != NULL
            ? json_int(&out->ts, json_member(j, "ts"), 0, INT64_MAX, e)
            : ERR_OK);
    return ERR_OK;
}

static struct span next_line(struct span *text)
{
    const uint8_t *end = memchr(text->p, '\n', text->n);
    size_t n = end != NULL ? (size_t)(end - text->p) : text->n;
    struct span line = span_of(text->p, n);

    *text = span_skip(*text, end != NULL ? n + 1 : n);
    return line;
}

enum err_kind reg_backup_read(struct reg_record **out, size_t *n, struct span text,
                              struct arena *a, struct err *e)
{
    size_t lines = 1, count = 0, number = 0;

    for (size_t i = 0; i < text.n; i++)
        lines += text.p[i] == '\n';
    struct reg_record *all = arena_array(a, lines, sizeof *all);
    while (text.n > 0) {
        struct span line = next_line(&text);

        number++;
        if (line.n == 0)
            continue;
        if (read_line(&all[count++], line, a, e) != ERR_OK)
            return err_prefix(e, "line %zu", number);
    }
    *out = all;
    *n = count;
    return ERR_OK;
}

/* Plans. */

static void play(struct reg_state *s, const struct reg_record *all, size_t n,
                 bool undeleted)
{
    for (size_t i = 0; i < n; i++) {
        struct reg_event ev = {0};
        struct arena a = {0};
        struct err e = {0};

        bool read = reg_event_read(&ev, all[i].key, all[i].value, &a, &e) == ERR_OK;
        ev.ts = all[i].ts;
        ev.acts = all[i].acts;
        bool deletes = ev.kind == REG_DELETE_SUBJECT || ev.kind == REG_CLEAR_SUBJECT ||
                       (ev.kind == REG_SCHEMA && ev.gone);
        if (read && !(undeleted && deletes))
            reg_state_apply(s, &ev);
        arena_free(&a);
    }
}

static void plan_init(struct reg_plan *p)
{
    *p = (struct reg_plan){.lines = BUF_INIT(LINES_MOST)};
    reg_state_init(&p->was);
    reg_state_init(&p->now);
}

static struct reg_event *add(struct reg_plan *p, enum reg_event_kind kind,
                             struct span subject)
{
    if (p->n == p->cap) {
        size_t cap = p->cap * 2 + 8;
        struct reg_event *more = arena_array(&p->arena, cap, sizeof *more);
        if (p->n > 0)
            memcpy(more, p->events, p->n * sizeof *more);
        p->events = more;
        p->cap = cap;
    }
    p->events[p->n] = (struct reg_event){.kind = kind,
                                         .subject = subject,
                                         .act = {.deed = REG_RESTORED},
                                         .acts_now = true};
    return &p->events[p->n++];
}

static void say_version(struct reg_plan *p, const char *what,
                        const struct reg_version *v, const char *why)
{
    buf_printf(&p->lines, "%s: subject ", what);
    buf_put(&p->lines, v->subject->qualified);
    buf_printf(&p->lines, " version %d id %d%s\n", (int)v->version, (int)v->schema->id,
               why);
}

static void leave(struct reg_plan *p, const struct reg_version *v, const char *why)
{
    say_version(p, "left alone", v, why);
    p->left_alone++;
}

static bool same_schema(const struct reg_version *a, const struct reg_version *b)
{
    return a->schema->id == b->schema->id &&
           memcmp(a->schema->md5, b->schema->md5, 16) == 0;
}

/* `told` is the version whose history goes on. */
static void write_version(struct reg_plan *p, const struct reg_version *v, bool deleted,
                          enum reg_deed deed, const struct reg_version *told)
{
    const struct reg_schema *holder =
        reg_schema_by_id(reg_context_of(&p->now, v->subject->qualified), v->schema->id);

    if (holder != NULL && memcmp(holder->md5, v->schema->md5, 16) != 0) {
        leave(p, v, ": the id means another schema now");
        return;
    }
    struct reg_event *ev = add(p, REG_SCHEMA, v->subject->qualified);
    ev->version = v->version;
    ev->schema = v->schema->what;
    ev->schema.id = v->schema->id;
    ev->schema.deleted = deleted ? API_YES : API_NO;
    ev->acts = told->history.first;
    ev->act.deed = deed;
    say_version(p, "written", v, deleted ? " (softly deleted)" : "");
}

static void restore_version(struct reg_plan *p, const struct reg_version *v)
{
    const struct reg_version *there =
        reg_version_of(reg_subject_of(&p->now, v->subject->qualified), v->version);

    if (there == NULL)
        write_version(p, v, v->deleted, REG_RESTORED, v);
    else if (!same_schema(there, v))
        leave(p, v, ": another schema stands there now");
}

static void restore_contexts(struct reg_plan *p)
{
    const struct reg_context *c;

    for (size_t at = 0; (c = tab_each(&p->was.contexts, &at, NULL)) != NULL;)
        if (c->name.n > 1 && tab_get(&p->now.contexts, c->name) == NULL) {
            add(p, REG_CONTEXT, (struct span){0})->context = c->name;
            buf_put_str(&p->lines, "written: context ");
            buf_put(&p->lines, c->name);
            buf_put_u8(&p->lines, '\n');
        }
}

static void restore_settings(struct reg_plan *p)
{
    const struct reg_scope *scope;
    struct span key = {0};

    for (size_t at = 0; (scope = tab_each(&p->was.scopes, &at, &key)) != NULL;) {
        const struct reg_scope *now = tab_get(&p->now.scopes, key);
        bool config = scope->has_config && (now == NULL || !now->has_config);
        bool mode = scope->has_mode && (now == NULL || !now->has_mode);

        if (config)
            add(p, REG_CONFIG, key)->config = scope->config;
        if (mode)
            add(p, REG_MODE, key)->mode = scope->mode;
        if (!config && !mode)
            continue;
        buf_put_str(&p->lines, "written: settings of ");
        buf_put(&p->lines, key.n > 0 ? key : span_str("all"));
        buf_put_u8(&p->lines, '\n');
    }
}

/* Referred schemas have smaller ids nearly always; readers take any order. */
void reg_plan_restore(struct reg_plan *out, const struct reg_record *backup,
                      size_t n_backup, const struct reg_record *all, size_t n,
                      int32_t id)
{
    size_t subjects_n = 0;

    plan_init(out);
    play(&out->was, backup, n_backup, false);
    play(&out->now, all, n, false);
    if (id == 0)
        restore_contexts(out);
    const struct reg_subject **subjects =
        reg_subjects(&out->was, span_str(":*:"), &out->arena, &subjects_n);
    for (size_t i = 0; i < subjects_n; i++)
        for (size_t v = 0; v < subjects[i]->n; v++)
            if (id == 0 || subjects[i]->versions[v]->schema->id == id)
                restore_version(out, subjects[i]->versions[v]);
    if (id == 0)
        restore_settings(out);
}

/* Does the schema of `v` live in another version of its subject? */
static bool lives_elsewhere(const struct reg_subject *subject,
                            const struct reg_version *v)
{
    for (size_t i = 0; subject != NULL && i < subject->n; i++)
        if (!subject->versions[i]->deleted &&
            subject->versions[i]->version != v->version &&
            memcmp(subject->versions[i]->schema->md5, v->schema->md5, 16) == 0)
            return true;
    return false;
}

static void undelete_version(struct reg_plan *p, const struct reg_version *v,
                             bool asked)
{
    const struct reg_subject *now = reg_subject_of(&p->now, v->subject->qualified);
    const struct reg_version *there = reg_version_of(now, v->version);

    if (there != NULL && !there->deleted)
        return;
    if (there != NULL && !same_schema(there, v))
        leave(p, v, ": another schema stands there now");
    else if (!asked && lives_elsewhere(now, v))
        leave(p, v, ": its schema lives in another version");
    else
        write_version(p, v, false, REG_UNDELETED, there != NULL ? there : v);
}

void reg_plan_undelete(struct reg_plan *out, const struct reg_record *all, size_t n,
                       struct span subject, int32_t version)
{
    plan_init(out);
    play(&out->was, all, n, true);
    play(&out->now, all, n, false);

    const struct reg_subject *was = reg_subject_of(&out->was, subject);
    for (size_t i = 0; was != NULL && i < was->n; i++)
        if (version == 0 || was->versions[i]->version == version)
            undelete_version(out, was->versions[i], version != 0);
}

void reg_plan_free(struct reg_plan *p)
{
    reg_state_free(&p->was);
    reg_state_free(&p->now);
    buf_free(&p->lines);
    arena_free(&p->arena);
}
