#include "tests/transform_house.h"

#include <unistd.h>

static const char shop[] = "{\"type\":\"record\",\"name\":\"R\",\"fields\":["
                           "{\"name\":\"id\",\"type\":\"int\"},"
                           "{\"name\":\"country\",\"type\":[\"null\",\"string\"]},"
                           "{\"name\":\"tags\",\"type\":{\"type\":\"array\",\"items\":"
                           "\"int\"},\"default\":[]}]}";

/* A file of that name's end and content; steps in which FILE stands for it. */
static char file[64];

static void write_file(const char *end, const char *content)
{
    if (file[0] != '\0')
        unlink(file);
    snprintf(file, sizeof file, "/tmp/avrogate-lookup-%d%s", (int)getpid(), end);
    FILE *f = fopen(file, "wb");
    fwrite(content, 1, strlen(content), f);
    fclose(f);
}

static void put_steps(char *out, size_t n, const char *steps)
{
    const char *at = strstr(steps, "FILE");

    snprintf(out, n, "transform:\n%.*s%s%s", at == NULL ? 0 : (int)(at - steps), steps,
             at == NULL ? "" : file, at == NULL ? steps : at + 4);
}

/* What becomes of the record, or why the steps are refused, with FILE for the name. */
static const char *says(const char *steps, const char *record)
{
    static char out[600];
    struct transform_house h;
    char yaml[600];

    put_steps(yaml, sizeof yaml, steps);
    bool good = transform_house_open(&h, shop, yaml) == ERR_OK;
    const char *text = good ? transform_house_says(&h, record) : h.e.msg;
    const char *at = strstr(text, file);
    if (at == NULL)
        snprintf(out, sizeof out, "%s", text);
    else
        snprintf(out, sizeof out, "%.*sFILE%s", (int)(at - text), text,
                 at + strlen(file));
    transform_house_close(&h);
    return out;
}

#define CSV                                                           \
    "code,name,population,the area\r\nCH,Switzerland,9000000,41285\n" \
    "DE,\"Germany, all\",84000000,357588\nFR,France,,643801\n"

static void a_row_is_found_by_its_key(void)
{
    write_file(".csv", CSV);
    CHECK_STR(says("- lookup: {file: FILE, on: {country: code}, take: {name: "
                   "country_name}}\n- drop: [tags]\n",
                   "{\"id\":1,\"country\":\"DE\"}"),
              "{\"id\":1,\"country\":\"DE\",\"country_name\":\"Germany, all\"}");
    CHECK_STR(
        says("- lookup: {file: FILE, on: {country: code}, take: {population: {as: "
             "people, type: \"long?\"}, the area: {as: area, type: int}}}\n- select: "
             "[people, area]\n",
             "{\"id\":1,\"country\":\"FR\"}"),
        "{\"people\":null,\"area\":643801}");
    // a field of that name is replaced where it stands
    CHECK_STR(
        says("- lookup: {file: FILE, on: {country: code}, take: {name: country}}\n- "
             "drop: tags\n",
             "{\"id\":1,\"country\":\"CH\"}"),
        "{\"id\":1,\"country\":\"Switzerland\"}");
    write_file(".jsonl",
               "{\"id\":1,\"x\":true,\"note\":\"a\"}\n\n{\"id\":2,\"x\":null}\n");
    CHECK_STR(
        says("- lookup: {file: FILE, on: id, take: {x: {type: \"boolean?\"}, note: "
             "{type: \"string?\"}}}\n- select: [x, note]\n",
             "{\"id\":2,\"country\":null}"),
        "{\"x\":null,\"note\":null}");
    CHECK_STR(
        says("- lookup: {file: FILE, on: [id], take: {x: {type: \"boolean?\"}}}\n- "
             "filter: \"x\"\n- select: [x]\n",
             "{\"id\":1,\"country\":null}"),
        "{\"x\":true}");
    write_file(".csv", "a,b,c\n1,x,one\n1,y,two\n2,x,three\n");
    CHECK_STR(
        says("- lookup: {file: FILE, on: {id: a, country: b}, take: [c]}\n- select: "
             "[c]\n",
             "{\"id\":1,\"country\":\"y\"}"),
        "{\"c\":\"two\"}");
}

static void what_is_missing_is_done_with_as_told(void)
{
    write_file(".csv", CSV);
#define LOOK "- lookup: {file: FILE, on: {country: code}, take: [name]"
    CHECK_STR(says(LOOK "}\n", "{\"id\":1,\"country\":\"XX\"}"),
              "error: transform 1:lookup: /country: \"XX\", no such row in FILE");
    CHECK_STR(says(LOOK ", missing: reject}\n", "{\"id\":1,\"country\":null}"),
              "error: transform 1:lookup: /country: null, wanted a key of FILE");
    CHECK_STR(says(LOOK ", missing: null}\n- select: [name]\n",
                   "{\"id\":1,\"country\":\"XX\"}"),
              "{\"name\":null}");
    CHECK_STR(says(LOOK ", missing: null}\n- select: [name]\n",
                   "{\"id\":1,\"country\":\"CH\"}"),
              "{\"name\":\"Switzerland\"}");
    CHECK_STR(
        says("- lookup: {file: FILE, on: {country: code}, take: {population: {type: "
             "\"int?\"}}, missing: null}\n- select: [population]\n",
             "{\"id\":1,\"country\":\"CH\"}"),
        "{\"population\":9000000}");
    CHECK_STR(says(LOOK ", missing: filter}\n", "{\"id\":1,\"country\":\"XX\"}"),
              "filtered");
}

static void a_file_that_is_wrong_is_refused_with_its_line(void)
{
    const char *r = "{\"id\":1,\"country\":null}";

    write_file(".csv", CSV);
    CHECK_STR(
        says("- lookup: {file: FILE, on: {country: code}, take: {population: {type: "
             "long}}}\n",
             r),
        "transform 1:lookup: FILE:4: /population: cell \"\", wanted long "
        "(missing-field)");
    CHECK_STR(says("- lookup: {file: FILE, on: {country: land}, take: [name]}\n", r),
              "transform 1:lookup: FILE:1: no column for field \"land\"");
    CHECK_STR(says("- lookup: {file: FILE, on: {country: code}, take: [code]}\n", r),
              "transform 1:lookup: p.yaml:2:11: column \"code\" is named twice");
    CHECK_STR(
        says("- lookup: {file: FILE, on: {tags: code}, take: [name]}\n", r),
        "transform 1:lookup: tags is of type array, which is no key: wanted string, "
        "int, long or boolean (cast it before)");
    CHECK_STR(says("- lookup: {file: FILE, on: {id: code}, take: [name]}\n", r),
              "transform 1:lookup: FILE:2: /code: cell \"CH\", wanted int (type)");
    write_file(".csv", "code,name\nCH,a\nCH,b\n");
    CHECK_STR(says(LOOK "}\n", r),
              "transform 1:lookup: FILE:3: its key stands in line 2 already");
    write_file(".csv", "code,name\nCH\n");
    CHECK_STR(says(LOOK "}\n", r),
              "transform 1:lookup: FILE:2: the value: 1, wanted 2 cells (columns)");
    write_file(".csv", "");
    CHECK_STR(says(LOOK "}\n", r), "transform 1:lookup: FILE: no header");
    write_file(".json",
               "{\"code\":\"CH\",\"name\":\"a\"}\n{\"code\":1,\"name\":\"a\"}\n");
    CHECK_STR(says(LOOK "}\n", r),
              "transform 1:lookup: FILE:2: /code: number 1, wanted string (type)");
    write_file(".json", "{\"code\":\n");
    CHECK_STR(says(LOOK "}\n", r), "transform 1:lookup: FILE:1: /code: the end of the "
                                   "text, wanted a value (json)");
    write_file(".txt", "code,name\n");
    CHECK_STR(says(LOOK "}\n", r),
              "transform 1:lookup: FILE, wanted .csv, .json, .jsonl or .ndjson");
    unlink(file);
    CHECK_STR(says(LOOK "}\n", r),
              "transform 1:lookup: p.yaml:2:11: FILE: No such file or directory");
    CHECK_STR(
        says("- lookup: {file: a.csv, on: id, take: [x], missing: drop}\n", r),
        "transform 1:lookup: p.yaml:2:11: missing: \"drop\", wanted reject, null or "
        "filter");
}

static void of_one_key_the_first_record_goes_on(void)
{
    struct transform_house h;

    CHECK_INT(transform_house_open(&h, shop,
                                   "transform:\n- dedupe: {key: [country, id], last: "
                                   "5}\n- select: [id]\n"),
              ERR_OK);
    CHECK_STR(transform_house_says(&h, "{\"id\":1,\"country\":\"a\"}"), "{\"id\":1}");
    CHECK_STR(transform_house_says(&h, "{\"id\":1,\"country\":\"a\"}"), "repeated");
    CHECK_STR(h.result.step, "1:dedupe");
    CHECK_STR(transform_house_says(&h, "{\"id\":1,\"country\":\"b\"}"), "{\"id\":1}");
    CHECK_STR(transform_house_says(&h, "{\"id\":1,\"country\":null}"), "{\"id\":1}");
    CHECK_STR(transform_house_says(&h, "{\"id\":1,\"country\":null}"), "{\"id\":1}");
    CHECK_STR(transform_house_says(&h, "{\"id\":2,\"country\":\"b\"}"), "{\"id\":2}");
    CHECK_STR(transform_house_says(&h, "{\"id\":1,\"country\":\"a\"}"), "{\"id\":1}");
    h.offset = 0; // all of it again
    CHECK_STR(transform_house_says(&h, "{\"id\":1,\"country\":\"a\"}"), "{\"id\":1}");
    CHECK_STR(transform_house_says(&h, "{\"id\":1,\"country\":\"a\"}"), "repeated");
    transform_house_close(&h);
    CHECK_STR(says("- dedupe: {key: [tags]}\n", ""),
              "transform 1:dedupe: tags is of type array, which is no key");
    CHECK_STR(says("- dedupe: {last: 5}\n", ""),
              "transform 1:dedupe: p.yaml:2:11: \"key\" is missing");
    CHECK_STR(
        says("- dedupe: {key: id, last: 0}\n", ""),
        "transform 1:dedupe: p.yaml:2:11: last: \"0\", wanted 1 to 10000000 offsets");
}

int main(void)
{
    RUN(a_row_is_found_by_its_key);
    RUN(what_is_missing_is_done_with_as_told);
    RUN(a_file_that_is_wrong_is_refused_with_its_line);
    RUN(of_one_key_the_first_record_goes_on);
    unlink(file);
    return REPORT();
}
