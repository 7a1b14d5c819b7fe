#include "cel/functions.h"

/*
 * A signature has a letter for each type, arguments before '>', the result behind it;
 * several are alternatives:
 *
 *      b bool  i int  u uint  d double  s string  y bytes  n null  t timestamp
 *      r duration  m decimal  T type  * dyn  A B anything, the same everywhere
 *      [A list of A  {AB map of A to B
 *
 * Operators have the names that cel-go gives them.
 */
#define COMPARES                                                             \
    "bb>b ii>b uu>b dd>b iu>b id>b ui>b ud>b di>b du>b ss>b yy>b tt>b rr>b " \
    "mm>b mi>b mu>b md>b im>b um>b dm>b"
#define EQUALS "AA>b mi>b mu>b md>b im>b um>b dm>b"
#define GETTER "t>i ts>i"

const struct cel_function cel_functions[] = {
    {"_&&_", "", CEL_GLOBAL, OP_AND, NULL},
    {"_||_", "", CEL_GLOBAL, OP_OR, NULL},
    {"_?_:_", "bAA>A", CEL_GLOBAL, OP_IF, NULL},
    {"!_", "b>b", CEL_GLOBAL, OP_NOT, NULL},
    {"_==_", EQUALS, CEL_GLOBAL, OP_EQ, NULL},
    {"_!=_", EQUALS, CEL_GLOBAL, OP_NE, NULL},
    {"_<_", COMPARES, CEL_GLOBAL, OP_LT, NULL},
    {"_<=_", COMPARES, CEL_GLOBAL, OP_LE, NULL},
    {"_>_", COMPARES, CEL_GLOBAL, OP_GT, NULL},
    {"_>=_", COMPARES, CEL_GLOBAL, OP_GE, NULL},
    {"@in", "A[A>b A{AB>b m[i>b m[u>b m[d>b i[m>b u[m>b d[m>b", CEL_GLOBAL, OP_IN,
     NULL},
    {"_[_]", "[Ai>A {ABA>B", CEL_GLOBAL, OP_INDEX, NULL},
    {"_+_", "ii>i uu>u dd>d ss>s yy>y [A[A>[A tr>t rt>t rr>r", CEL_GLOBAL, OP_CALL,
     cel_add},
    {"_-_", "ii>i uu>u dd>d tt>r tr>t rr>r", CEL_GLOBAL, OP_CALL, cel_subtract},
    {"_*_", "ii>i uu>u dd>d", CEL_GLOBAL, OP_CALL, cel_multiply},
    {"_/_", "ii>i uu>u dd>d", CEL_GLOBAL, OP_CALL, cel_divide},
    {"_%_", "ii>i uu>u", CEL_GLOBAL, OP_CALL, cel_modulo},
    {"-_", "i>i d>d", CEL_GLOBAL, OP_CALL, cel_negate},

    {"size", "s>i y>i [A>i {AB>i", CEL_BOTH, OP_CALL, cel_size},
    {"type", "A>T", CEL_GLOBAL, OP_CALL, cel_type_fn},
    {"dyn", "A>*", CEL_GLOBAL, OP_CALL, cel_dyn},
    {"bool", "b>b s>b", CEL_GLOBAL, OP_CALL, cel_to_bool},
    {"bytes", "y>y s>y", CEL_GLOBAL, OP_CALL, cel_to_bytes},
    {"double", "d>d i>d u>d s>d m>d", CEL_GLOBAL, OP_CALL, cel_to_double},
    {"int", "i>i u>i d>i s>i t>i r>i m>i", CEL_GLOBAL, OP_CALL, cel_to_int},
    {"uint", "u>u i>u d>u s>u m>u", CEL_GLOBAL, OP_CALL, cel_to_uint},
    {"string", "s>s b>s i>s u>s d>s y>s t>s r>s m>s", CEL_GLOBAL, OP_CALL,
     cel_to_string},
    {"timestamp", "t>t s>t i>t", CEL_GLOBAL, OP_CALL, cel_to_timestamp},
    {"duration", "r>r s>r", CEL_GLOBAL, OP_CALL, cel_to_duration},

    {"contains", "ss>b", CEL_MEMBER, OP_CALL, cel_contains},
    {"startsWith", "ss>b", CEL_MEMBER, OP_CALL, cel_starts_with},
    {"endsWith", "ss>b", CEL_MEMBER, OP_CALL, cel_ends_with},
    {"matches", "ss>b", CEL_BOTH, OP_CALL, cel_matches},

    {"getFullYear", GETTER, CEL_MEMBER, OP_CALL, cel_get_full_year},
    {"getMonth", GETTER, CEL_MEMBER, OP_CALL, cel_get_month},
    {"getDate", GETTER, CEL_MEMBER, OP_CALL, cel_get_date},
    {"getDayOfMonth", GETTER, CEL_MEMBER, OP_CALL, cel_get_day_of_month},
    {"getDayOfWeek", GETTER, CEL_MEMBER, OP_CALL, cel_get_day_of_week},
    {"getDayOfYear", GETTER, CEL_MEMBER, OP_CALL, cel_get_day_of_year},
    {"getHours", GETTER " r>i", CEL_MEMBER, OP_CALL, cel_get_hours},
    {"getMinutes", GETTER " r>i", CEL_MEMBER, OP_CALL, cel_get_minutes},
    {"getSeconds", GETTER " r>i", CEL_MEMBER, OP_CALL, cel_get_seconds},
    {"getMilliseconds", GETTER " r>i", CEL_MEMBER, OP_CALL, cel_get_milliseconds},

    {"charAt", "si>s", CEL_MEMBER, OP_CALL, cel_char_at},
    {"indexOf", "ss>i ssi>i", CEL_MEMBER, OP_CALL, cel_index_of},
    {"lastIndexOf", "ss>i ssi>i", CEL_MEMBER, OP_CALL, cel_last_index_of},
    {"join", "[s>s [ss>s", CEL_MEMBER, OP_CALL, cel_join},
    {"lowerAscii", "s>s", CEL_MEMBER, OP_CALL, cel_lower_ascii},
    {"upperAscii", "s>s", CEL_MEMBER, OP_CALL, cel_upper_ascii},
    {"replace", "sss>s sssi>s", CEL_MEMBER, OP_CALL, cel_replace},
    {"split", "ss>[s ssi>[s", CEL_MEMBER, OP_CALL, cel_split},
    {"substring", "si>s sii>s", CEL_MEMBER, OP_CALL, cel_substring},
    {"trim", "s>s", CEL_MEMBER, OP_CALL, cel_trim},
    {"reverse", "s>s", CEL_MEMBER, OP_CALL, cel_reverse},
    {"format", "s[*>s", CEL_MEMBER, OP_CALL, cel_format},
    {"strings.quote", "s>s", CEL_GLOBAL, OP_CALL, cel_quote},
};
const size_t cel_n_functions = sizeof cel_functions / sizeof *cel_functions;
