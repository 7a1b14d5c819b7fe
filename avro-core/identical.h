/*
 * identical.h - are two schemas one and the same to Confluent's registry?
 *
 * As Avro Java compares parsed schemas, with docs and aliases taken into account: the
 * order of attributes and of aliases does not matter, everything else does.  This is
 * less than equal text (canon.h's printed form) and more than equal meaning (its
 * canonical form).  Pure; safe from any thread.
 */
#pragma once

#include "avro-core/schema.h"

bool av_identical(const struct av_schema *a, const struct av_schema *b);
