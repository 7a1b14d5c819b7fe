/*
 * stage.h - `avrogate stage merge`: small staged files into large ones.
 */
#pragma once

/* Exit status. */
int cmd_stage(int argc, char **argv);
