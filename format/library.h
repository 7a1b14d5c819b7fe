/*
 * library.h - libavrogate-parquet.so, opened when the first file asks for it.
 *
 * It lies beside the program, in ../lib/avrogate of it, or where the system looks for
 * libraries; AVROGATE_PARQUET names another.  Any thread; never closed again.
 */
#pragma once

#include "base/err.h"
#include "parquet/abi.h"

/* ERR_UNAVAILABLE: it is not there, or of another build; the message says what to do.
 */
enum err_kind library_open(const struct pq_abi **out, struct err *e) MUST_USE;
