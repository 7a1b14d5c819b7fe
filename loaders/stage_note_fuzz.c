/* Notes of copies: whatever lies there, no more than an error comes of it. */
#include "loaders/stage_note.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct stage_note n = {0};
    struct err e = {0};

    if (stage_note_take(&n, span_of(data, size), &e) == ERR_OK)
        for (size_t i = 0; i < n.n; i++)
            if (stage_note_meets(&n, &n.ranges[i]) == NULL)
                abort(); // each has something in common with itself
    stage_note_free(&n);
    return 0;
}
