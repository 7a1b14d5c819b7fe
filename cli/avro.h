/*
 * avro.h - `avrogate avro decode|encode`: Avro binary as JSON lines, and back.
 */
#pragma once

/* argv[0] is "avro".  Exit codes as in command.h. */
int cmd_avro(int argc, char **argv);
