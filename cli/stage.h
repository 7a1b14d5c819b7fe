/*
 * stage.h - `avrogate stage merge|clean|copy-into`: staged files made large, taken away, or taken
 * on by a warehouse.
 */
#pragma once

/* Exit status. */
int cmd_stage(int argc, char **argv);
