/* What numba's code calls to allocate small arrays: reference counting on top of malloc.

   The layout of a block's head is that of numba/core/runtime/nrt.h, whose field `data` compiled
   code reads itself.  Counting up and down is in the compiled code too; here a block begins with
   one reference and is freed with the last.  */

#include <stdint.h>
#include <stdlib.h>

struct block {
    size_t references;
    void *destructor, *destructor_info, *data;
    size_t size;
    void *allocator;
};

void *NRT_MemInfo_alloc_aligned(size_t size, uint32_t align)
{
    struct block *made = malloc(sizeof(struct block) + size + align);

    if (made == NULL)
        return NULL;
    uintptr_t first = (uintptr_t)(made + 1);
    *made = (struct block){ .references = 1, .size = size };
    made->data = (void *)((first + align - 1) / align * align);
    return made;
}

void NRT_MemInfo_call_dtor(struct block *old)
{
    free(old);
}

void NRT_Free(void *old)
{
    free(old);
}
