#include "avro-core/number.h"
#include "base/utf8.h"
#include "cel/cel_inside.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Places */

static void place(struct span text, size_t at, size_t *line, size_t *column)
{
    *line = *column = 1;
    for (size_t i = 0; i < at && i < text.n; i++) {
        if (text.p[i] == '\n') {
            ++*line;
            *column = 1;
        } else if ((text.p[i] & 0xC0) != 0x80) {
            ++*column;
        }
    }
}

enum err_kind cel_refuse(struct span text, size_t at, enum err_kind kind, struct err *e,
                         const char *fmt, ...)
{
    char msg[sizeof e->msg];
    size_t line, column;
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(msg, sizeof msg, fmt, ap);
    va_end(ap);
    cel_tidy(msg);
    place(text, at, &line, &column);
    return err_set(e, kind, "%zu:%zu: %s", line, column, msg);
}

static enum err_kind wrong(const struct cel_lexer *l, size_t at, struct err *e,
                           const char *what)
{
    return cel_refuse(l->text, at, ERR_INVALID, e, "%s", what);
}

/* Reading bytes: 0 behind the end, which no token has. */
static uint8_t peek(const struct cel_lexer *l, size_t ahead)
{
    return l->at + ahead < l->text.n ? l->text.p[l->at + ahead] : 0;
}

static bool is_name_start(uint8_t c)
{
    return isalpha(c) || c == '_';
}

static bool is_name(uint8_t c)
{
    return isalnum(c) || c == '_';
}

static void skip_blanks(struct cel_lexer *l)
{
    while (l->at < l->text.n) {
        uint8_t c = peek(l, 0);

        if (c == '/' && peek(l, 1) == '/') {
            while (l->at < l->text.n && peek(l, 0) != '\n')
                l->at++;
        } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f') {
            l->at++;
        } else {
            return;
        }
    }
}

/* Text literals */

struct literal {
    bool bytes, raw;
    uint8_t quote;
    size_t quotes; // 1 or 3
    uint8_t *p;    // unescaped so far
    size_t n;
};

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void put_point(struct literal *lit, uint32_t point)
{
    lit->n += cel_utf8_put(lit->p + lit->n, point);
}

/* The number of an escape: `digits` digits of that base from l->at on. */
static bool take_digits(struct cel_lexer *l, size_t digits, unsigned base,
                        uint32_t *out)
{
    *out = 0;
    for (size_t i = 0; i < digits; i++) {
        int d = hex_digit(peek(l, 0));

        if (d < 0 || (unsigned)d >= base)
            return false;
        *out = *out * base + (uint32_t)d;
        l->at++;
    }
    return true;
}

static const struct {
    char c, is;
} simple_escapes[] = {
    {'a', '\a'}, {'b', '\b'}, {'f', '\f'},  {'n', '\n'}, {'r', '\r'},  {'t', '\t'},
    {'v', '\v'}, {'?', '?'},  {'\\', '\\'}, {'"', '"'},  {'\'', '\''}, {'`', '`'},
};

static bool take_simple(struct literal *lit, uint8_t c)
{
    for (size_t i = 0; i < sizeof simple_escapes / sizeof *simple_escapes; i++)
        if (c == (uint8_t)simple_escapes[i].c) {
            lit->p[lit->n++] = (uint8_t)simple_escapes[i].is;
            return true;
        }
    return false;
}

/* \x and octal are bytes in b"", code points in "". */
static bool put_number(struct literal *lit, uint32_t x, bool unicode)
{
    if (lit->bytes) {
        if (unicode || x > 0xFF)
            return false;
        lit->p[lit->n++] = (uint8_t)x;
        return true;
    }
    if (x > 0x10FFFF || (x >= 0xD800 && x <= 0xDFFF))
        return false;
    put_point(lit, x);
    return true;
}

static bool take_escape(struct cel_lexer *l, struct literal *lit)
{
    uint32_t x;
    uint8_t c = peek(l, 0);

    l->at++;
    switch (c) {
    case 'x':
    case 'X': return take_digits(l, 2, 16, &x) && put_number(lit, x, false);
    case 'u': return take_digits(l, 4, 16, &x) && put_number(lit, x, true);
    case 'U': return take_digits(l, 8, 16, &x) && put_number(lit, x, true);
    case '0':
    case '1':
    case '2':
    case '3': l->at--; return take_digits(l, 3, 8, &x) && put_number(lit, x, false);
    default: return take_simple(lit, c);
    }
}

static bool at_end_of(const struct cel_lexer *l, const struct literal *lit)
{
    for (size_t i = 0; i < lit->quotes; i++)
        if (peek(l, i) != lit->quote)
            return false;
    return true;
}

static enum err_kind take_text(struct cel_lexer *l, struct literal *lit,
                               struct cel_token *out, struct err *e)
{
    while (!at_end_of(l, lit)) {
        size_t at = l->at;
        uint8_t c = peek(l, 0);

        if (at >= l->text.n || (lit->quotes == 1 && (c == '\n' || c == '\r')))
            return wrong(l, out->at, e, "a string without an end");
        l->at++;
        if (c == '\\' && !lit->raw) {
            if (!take_escape(l, lit))
                return wrong(l, at, e, "no such escape in a literal");
        } else {
            lit->p[lit->n++] = c;
        }
    }
    l->at += lit->quotes;
    out->kind = lit->bytes ? TOK_BYTES : TOK_STRING;
    out->text = span_of(lit->p, lit->n);
    return ERR_OK;
}

/* l->at stands at the quote, behind r and b. */
static enum err_kind lex_text(struct cel_lexer *l, struct literal *lit,
                              struct cel_token *out, struct err *e)
{
    lit->quote = peek(l, 0);
    lit->quotes = peek(l, 1) == lit->quote && peek(l, 2) == lit->quote ? 3 : 1;
    l->at += lit->quotes;
    // An escape is never shorter than what it stands for: "\u00ff" is two bytes.
    lit->p = arena_alloc(l->arena, l->text.n - l->at + 1);
    return take_text(l, lit, out, e);
}

/* r"", b"", rb"": true when a literal starts here; l->at is at its quote then. */
static bool take_prefix(struct cel_lexer *l, struct literal *lit)
{
    size_t i = 0;

    for (; i < 2; i++) {
        uint8_t c = peek(l, i) | 0x20;

        if (c == 'r' && !lit->raw)
            lit->raw = true;
        else if (c == 'b' && !lit->bytes)
            lit->bytes = true;
        else
            break;
    }
    if (peek(l, i) != '"' && peek(l, i) != '\'')
        return false;
    l->at += i;
    return true;
}

/* Numbers */

static enum err_kind lex_hex(struct cel_lexer *l, struct cel_token *out, struct err *e)
{
    size_t digits = 0;

    l->at += 2;
    for (int d; (d = hex_digit(peek(l, 0))) >= 0; digits++, l->at++) {
        if (out->u >> 60 != 0)
            return wrong(l, out->at, e, "a number of more than 64 bits");
        out->u = out->u << 4 | (uint64_t)d;
    }
    out->kind = TOK_INT;
    return digits > 0 ? ERR_OK : wrong(l, out->at, e, "0x without digits");
}

static void take_run_of_digits(struct cel_lexer *l)
{
    while (isdigit(peek(l, 0)))
        l->at++;
}

static bool take_exponent(struct cel_lexer *l)
{
    size_t sign = peek(l, 1) == '+' || peek(l, 1) == '-';

    if ((peek(l, 0) | 0x20) != 'e' || !isdigit(peek(l, 1 + sign)))
        return false;
    l->at += 1 + sign;
    take_run_of_digits(l);
    return true;
}

/* As JSON writes it: "007" is "7", ".5" is "0.5". */
static struct span as_json(struct cel_lexer *l, struct span s)
{
    while (s.n > 1 && s.p[0] == '0' && isdigit(s.p[1]))
        s = span_skip(s, 1);
    if (s.p[0] != '.')
        return s;
    return arena_printf(l->arena, "0%.*s", (int)s.n, (const char *)s.p);
}

static enum err_kind read_number(struct cel_lexer *l, struct cel_token *out, bool whole,
                                 struct err *e)
{
    struct span s = span_of(l->text.p + out->at, l->at - out->at);
    struct number number;

    if (whole) {
        for (size_t i = 0; i < s.n; i++)
            if (__builtin_mul_overflow(out->u, 10, &out->u) ||
                __builtin_add_overflow(out->u, (uint64_t)(s.p[i] - '0'), &out->u))
                return wrong(l, out->at, e, "a number of more than 64 bits");
        out->kind = TOK_INT;
        return ERR_OK;
    }
    s = as_json(l, s);
    if (!number_scan(&number, s) || number.text.n != s.n ||
        number_double(&out->d, &number) != NUMBER_FITS)
        return wrong(l, out->at, e, "a number that no double can hold");
    out->kind = TOK_DOUBLE;
    return ERR_OK;
}

static enum err_kind lex_number(struct cel_lexer *l, struct cel_token *out,
                                struct err *e)
{
    bool whole = true;

    if (peek(l, 0) == '0' && (peek(l, 1) | 0x20) == 'x') {
        TRY(lex_hex(l, out, e));
    } else {
        take_run_of_digits(l);
        if (peek(l, 0) == '.' && isdigit(peek(l, 1))) {
            l->at++;
            take_run_of_digits(l);
            whole = false;
        }
        if (take_exponent(l))
            whole = false;
        TRY(read_number(l, out, whole, e));
    }
    if (out->kind == TOK_INT && (peek(l, 0) | 0x20) == 'u') {
        l->at++;
        out->kind = TOK_UINT;
    }
    return ERR_OK;
}

/* Names */

static const struct {
    const char *name;
    enum cel_token_kind kind;
} words[] = {
    {"in", TOK_IN}, {"true", TOK_TRUE}, {"false", TOK_FALSE}, {"null", TOK_NULL}};

static void lex_name(struct cel_lexer *l, struct cel_token *out)
{
    while (is_name(peek(l, 0)))
        l->at++;
    out->kind = TOK_IDENT;
    out->text = span_of(l->text.p + out->at, l->at - out->at);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (span_eq(out->text, span_str(words[i].name)))
            out->kind = words[i].kind;
}

static enum err_kind lex_quoted(struct cel_lexer *l, struct cel_token *out,
                                struct err *e)
{
    size_t start = ++l->at;

    while (is_name(peek(l, 0)) || (peek(l, 0) != 0 && strchr(".-/ ", peek(l, 0))))
        l->at++;
    if (peek(l, 0) != '`' || l->at == start)
        return wrong(l, out->at, e, "no name between `");
    out->kind = TOK_QUOTED;
    out->text = span_of(l->text.p + start, l->at - start);
    l->at++;
    return ERR_OK;
}

/* Signs: the longer ones first. */
static const struct {
    const char *text;
    enum cel_token_kind kind;
} signs[] = {
    {"||", TOK_OR},        {"&&", TOK_AND},     {"==", TOK_EQ},
    {"!=", TOK_NE},        {"<=", TOK_LE},      {">=", TOK_GE},
    {"<", TOK_LT},         {">", TOK_GT},       {"+", TOK_PLUS},
    {"-", TOK_MINUS},      {"*", TOK_STAR},     {"/", TOK_SLASH},
    {"%", TOK_PERCENT},    {"!", TOK_NOT},      {"?", TOK_QUESTION},
    {":", TOK_COLON},      {",", TOK_COMMA},    {".", TOK_DOT},
    {"(", TOK_OPEN},       {")", TOK_CLOSE},    {"[", TOK_OPEN_LIST},
    {"]", TOK_CLOSE_LIST}, {"{", TOK_OPEN_MAP}, {"}", TOK_CLOSE_MAP},
    {";", TOK_SEMICOLON},
};

static enum err_kind lex_sign(struct cel_lexer *l, struct cel_token *out, struct err *e)
{
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        size_t n = strlen(signs[i].text);

        if (l->at + n <= l->text.n &&
            memcmp(l->text.p + l->at, signs[i].text, n) == 0) {
            l->at += n;
            out->kind = signs[i].kind;
            return ERR_OK;
        }
    }
    size_t n;
    struct span rest = span_skip(l->text, l->at);
    cel_code_point(rest, &n);
    return cel_refuse(l->text, l->at, ERR_INVALID, e, "\"%.*s\" begins nothing", (int)n,
                      (const char *)rest.p);
}

static enum err_kind lex_one(struct cel_lexer *l, struct cel_token *out, struct err *e)
{
    struct literal lit = {0};
    uint8_t c = peek(l, 0);

    if (l->at >= l->text.n) {
        out->kind = TOK_END;
        return ERR_OK;
    }
    if (take_prefix(l, &lit))
        return lex_text(l, &lit, out, e);
    if (isdigit(c) || (c == '.' && isdigit(peek(l, 1))))
        return lex_number(l, out, e);
    if (c == '`')
        return lex_quoted(l, out, e);
    if (!is_name_start(c))
        return lex_sign(l, out, e);
    lex_name(l, out);
    return ERR_OK;
}

enum err_kind cel_lex(struct cel_lexer *l, struct cel_token *out, struct err *e)
{
    skip_blanks(l);
    *out = (struct cel_token){.at = l->at};
    TRY(lex_one(l, out, e));
    out->end = l->at;
    return ERR_OK;
}
