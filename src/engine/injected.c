/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/injected.h"

#include <stddef.h>
#include <string.h>

/* compel/arch/ARCH/src/lib/infect.c: code_syscall, code_int_80. */
static const unsigned char injected[][BV_INJECTED_SIZE] = {
#if defined(__x86_64__)
    {0x0f, 0x05, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc}, /* syscall; int3 … */
    {0xcd, 0x80, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc}, /* int $0x80; int3 … */
#elif defined(__aarch64__)
    {0x01, 0x00, 0x00, 0xd4, 0x00, 0x00, 0x20, 0xd4}, /* svc #0; brk #0 */
#else
#error "what CRIU injects here is not known"
#endif
};

static int is_mixture(const unsigned char *now, const unsigned char *right, const unsigned char *other)
{
    for (size_t i = 0; i < BV_INJECTED_SIZE; i++)
        if (now[i] != right[i] && now[i] != other[i])
            return 0;
    return 1;
}

int bv_is_injected(const void *now, const void *right)
{
    if (memcmp(now, right, BV_INJECTED_SIZE) == 0)
        return 0;
    for (size_t i = 0; i < sizeof(injected) / sizeof(injected[0]); i++)
        if (is_mixture(now, right, injected[i]))
            return 1;
    return 0;
}
