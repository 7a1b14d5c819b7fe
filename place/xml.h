/*
 * xml.h - the little of XML that S3's answers are made of.
 *
 *      <Contents><Key>a&amp;b</Key><Size>3</Size></Contents>
 *
 * Elements are found by name at any depth; attributes, comments and declarations are
 * passed over.  That is not a parser: an element is expected not to hold another of its
 * own name, and no answer of S3's has one.  Pure; never reads past the text.
 */
#pragma once

#include "base/buf.h"

/* The next <name>...</name> of `rest`, which then goes on behind it.  False: no more.
 */
bool xml_next(struct span *rest, const char *name, struct span *inside);
/* The first one's text, undone of its entities and appended; false when there is none.
 */
bool xml_text(struct span in, const char *name, struct buf *out);
/* A number from 0 on; -1 when there is none. */
int64_t xml_number(struct span in, const char *name);
/* Appends with what XML needs escaped. */
void xml_put(struct buf *out, struct span text);
