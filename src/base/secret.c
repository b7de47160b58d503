/* Each secret has pages of its own from mmap, because the kernel's protections (no core dump, no
 * swap) work on whole pages, and because no neighbour on the heap can then run into it. A page for
 * forty bytes is no waste: there are as many secrets as the configuration names credentials, while
 * callers' keys are kept as hashes. */
#include "base/secret.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

struct secret {
    size_t mapped; /* bytes of the whole mapping */
    size_t length;
    char bytes[];
};

struct secret *secret_make(struct text bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (bytes.length > SIZE_MAX - sizeof(struct secret) - page)
        return NULL;
    size_t mapped = (sizeof(struct secret) + bytes.length + page - 1) / page * page;
    struct secret *secret =
        mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (secret == MAP_FAILED)
        return NULL;
    if (madvise(secret, mapped, MADV_DONTDUMP) != 0) {
        munmap(secret, mapped);
        return NULL;
    }
    /* Out of swap where the limit on locked memory allows; where not, a secret in swap is the
     * operator's decision and no reason to refuse service. */
    (void)mlock(secret, mapped);
    secret->mapped = mapped;
    secret->length = bytes.length;
    if (bytes.length > 0)
        memcpy(secret->bytes, bytes.data, bytes.length);
    return secret;
}

void secret_free(struct secret *secret)
{
    if (secret == NULL)
        return;
    size_t mapped = secret->mapped;
    secret_wipe(secret, mapped);
    munmap(secret, mapped);
}

struct text secret_expose(const struct secret *secret)
{
    return text_of(secret->bytes, secret->length);
}

bool secret_equal(const struct secret *secret, struct text candidate)
{
    if (secret->length != candidate.length)
        return false;
    /* volatile: the compiler must not leave the loop at the first difference. */
    volatile unsigned char difference = 0;
    for (size_t i = 0; i < candidate.length; i++)
        difference = (unsigned char)(difference | (secret->bytes[i] ^ candidate.data[i]));
    return difference == 0;
}

/* Out of line: inlined, GCC warns of sizes that no caller has. */
__attribute__((noinline)) void secret_wipe(void *bytes, size_t size)
{
    if (size > 0)
        explicit_bzero(bytes, size);
}
