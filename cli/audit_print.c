#include "cli/audit_print.h"

#include "base/json.h"
#include "base/mem.h"

#include <stdlib.h>

#define CELL_LEAST 8
#define CELL_MOST 200 // of a table; JSON and CSV have all of it

/* pg_type.h: what JSON writes without quotes. */
enum { OID_BOOL = 16, OID_INT8 = 20, OID_INT2, OID_INT4 = 23, OID_JSON = 114 };
enum { OID_FLOAT4 = 700, OID_FLOAT8, OID_NUMERIC = 1700, OID_JSONB = 3802 };

static bool is_number(Oid t)
{
    return t == OID_INT8 || t == OID_INT2 || t == OID_INT4 || t == OID_FLOAT4 ||
           t == OID_FLOAT8 || t == OID_NUMERIC;
}

/* Characters, not bytes: what a table is aligned by. */
static size_t width_of(const char *text)
{
    size_t n = 0;

    for (; *text != '\0'; text++)
        n += ((uint8_t)*text & 0xc0) != 0x80;
    return n;
}

static const char *cell(const PGresult *r, int row, int column)
{
    return PQgetisnull(r, row, column) ? "" : PQgetvalue(r, row, column);
}

/* At most so many characters of it; what could speak to the terminal is '?'. */
static void put_shown(struct buf *out, const char *text, size_t most)
{
    for (size_t n = 0; *text != '\0'; text++) {
        n += ((uint8_t)*text & 0xc0) != 0x80;
        if (n > most)
            return;
        buf_put_u8(out, (uint8_t)*text < 0x20 || *text == 0x7f ? '?' : (uint8_t)*text);
    }
}

static void put_spaces(struct buf *out, size_t n)
{
    while (n-- > 0)
        buf_put_u8(out, ' ');
}

static void put_cell(struct buf *out, const char *text, size_t width, bool right,
                     bool last)
{
    size_t n = width_of(text), pad = n < width ? width - n : 0;

    put_spaces(out, right ? pad : 0);
    put_shown(out, text, n > width ? width - 1 : n);
    if (n > width)
        buf_put_u8(out, '~');
    put_spaces(out, right || last ? 0 : pad);
    buf_put_str(out, last ? "\n" : "  ");
}

static size_t widest(const PGresult *r, int column)
{
    size_t most = width_of(PQfname(r, column));

    for (int i = 0; i < PQntuples(r); i++) {
        size_t n = width_of(cell(r, i, column));
        most = n > most ? n : most;
    }
    return most < CELL_MOST ? most : CELL_MOST;
}

/* Takes from the widest column until the row fits; false when it cannot. */
static bool fit(size_t *widths, int n, size_t width)
{
    for (;;) {
        size_t sum = 2 * (size_t)(n - 1);
        int most = 0;
        for (int i = 0; i < n; i++) {
            sum += widths[i];
            most = widths[i] > widths[most] ? i : most;
        }
        if (width == 0 || sum <= width)
            return true;
        if (widths[most] <= CELL_LEAST)
            return false;
        widths[most]--;
    }
}

static void print_rows(struct buf *out, const PGresult *r, const size_t *widths)
{
    int n = PQnfields(r);

    for (int i = 0; i < n; i++)
        put_cell(out, PQfname(r, i), widths[i], is_number(PQftype(r, i)), i + 1 == n);
    for (int row = 0; row < PQntuples(r); row++)
        for (int i = 0; i < n; i++)
            put_cell(out, cell(r, row, i), widths[i], is_number(PQftype(r, i)),
                     i + 1 == n);
}

static void print_blocks(struct buf *out, const PGresult *r)
{
    size_t names = 0;

    for (int i = 0; i < PQnfields(r); i++)
        names = width_of(PQfname(r, i)) > names ? width_of(PQfname(r, i)) : names;
    for (int row = 0; row < PQntuples(r); row++) {
        buf_put_str(out, row == 0 ? "" : "\n");
        for (int i = 0; i < PQnfields(r); i++) {
            if (PQgetisnull(r, row, i))
                continue;
            put_cell(out, PQfname(r, i), names, false, false);
            put_cell(out, cell(r, row, i), CELL_MOST, false, true);
        }
    }
}

static void print_table(struct buf *out, const PGresult *r, size_t width)
{
    int n = PQnfields(r);
    size_t *widths = mem_array((size_t)n + 1, sizeof *widths);

    for (int i = 0; i < n; i++)
        widths[i] = widest(r, i);
    if (fit(widths, n, width))
        print_rows(out, r, widths);
    else
        print_blocks(out, r);
    free(widths);
}

/* NaN and Infinity are numbers in PostgreSQL, and none in JSON. */
static bool is_plain(const char *number)
{
    return number[0] == '-' ? number[1] != 'I' : number[0] != 'N' && number[0] != 'I';
}

static void put_json_value(struct buf *out, const PGresult *r, int row, int column)
{
    const char *text = PQgetvalue(r, row, column);
    Oid t = PQftype(r, column);

    if (PQgetisnull(r, row, column))
        buf_put_str(out, "null");
    else if (t == OID_BOOL)
        buf_put_str(out, text[0] == 't' ? "true" : "false");
    else if ((is_number(t) && is_plain(text)) || t == OID_JSON || t == OID_JSONB)
        buf_put_str(out, text);
    else
        json_put_string(out, span_str(text));
}

static void print_json(struct buf *out, const PGresult *r)
{
    for (int row = 0; row < PQntuples(r); row++) {
        for (int i = 0; i < PQnfields(r); i++) {
            buf_put_str(out, i == 0 ? "{" : ",");
            json_put_string(out, span_str(PQfname(r, i)));
            buf_put_u8(out, ':');
            put_json_value(out, r, row, i);
        }
        buf_put_str(out, "}\n");
    }
}

static void put_csv(struct buf *out, const char *text, bool last)
{
    bool quote = strpbrk(text, ",\"\r\n") != NULL;

    if (quote)
        buf_put_u8(out, '"');
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '"')
            buf_put_u8(out, '"');
        buf_put_u8(out, (uint8_t)*p);
    }
    if (quote)
        buf_put_u8(out, '"');
    buf_put_str(out, last ? "\r\n" : ",");
}

void audit_print_csv(struct buf *out, const char *const *cells, int n)
{
    for (int i = 0; i < n; i++)
        put_csv(out, cells[i], i + 1 == n);
}

static void print_csv(struct buf *out, const PGresult *r)
{
    int n = PQnfields(r);

    for (int i = 0; i < n; i++)
        put_csv(out, PQfname(r, i), i + 1 == n);
    for (int row = 0; row < PQntuples(r); row++)
        for (int i = 0; i < n; i++)
            put_csv(out, cell(r, row, i), i + 1 == n);
}

void audit_print(struct buf *out, const PGresult *rows, enum audit_form form,
                 size_t width)
{
    if (form == AUDIT_JSON)
        print_json(out, rows);
    else if (form == AUDIT_CSV)
        print_csv(out, rows);
    else
        print_table(out, rows, width);
}
