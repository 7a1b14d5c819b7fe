/*
 * repair_run.h - `avrogate registry fsck|backup|restore|undelete`: repair.h on a real
 * topic.
 */
#pragma once

#include <stdbool.h>

/* False when argv[1] is none of them. */
bool reg_repair_cmd(int argc, char **argv, int *status);
