/*
 * plain.h - numbers mean the same, whatever the program's locale is.
 *
 * strtod() and printf() read and write 1,5 where a program has asked for German.  Ours
 * never does, but the public library lives in other people's programs.  Between these
 * two the calling thread has the C locale; calls may nest.
 */
#pragma once

#include <locale.h>

locale_t plain_begin(void);
void plain_end(locale_t was); // what plain_begin() returned
