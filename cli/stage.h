/*
 * stage.h - `avrogate stage merge|clean`: staged files made large, or taken away.
 */
#pragma once

/* Exit status. */
int cmd_stage(int argc, char **argv);
