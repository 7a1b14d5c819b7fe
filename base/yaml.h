/*
 * yaml.h - a YAML file read into a tree that remembers its lines.
 *
 * libyaml does the reading; what comes out is scalars, lists and maps, keys in order.
 * Anchors, aliases and tags are refused: settings have no use for them, and they are
 * how a small file becomes a large one.  The tree lives in the arena.
 */
#pragma once

#include "base/err.h"
#include "base/mem.h"

enum yaml_kind { YAML_TEXT, YAML_LIST, YAML_MAP };

struct yaml {
    enum yaml_kind kind;
    const char *key;     // of a map's member
    const char *text;    // TEXT
    bool plain;          // TEXT written without quotes
    size_t line, column; // from 1
    struct yaml *first, *next;
    size_t n;
};

/* `name` is for messages.  *out is NULL for an empty file.  Depth at most 32, values
 * 100,000. */
enum err_kind yaml_read(const struct yaml **out, const char *name, struct span text,
                        struct arena *a, struct err *e) MUST_USE;
