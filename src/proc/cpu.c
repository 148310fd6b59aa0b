/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/cpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static const char *const immaterial[] = {
    /* of every x86-64 CPU */
    "apic", "clflush", "cmov", "cx8", "de", "fpu", "fxsr", "lm", "mca", "mce", "mmx", "msr", "mtrr", "nopl", "nx",
    "pae", "pat", "pge", "pse", "pse36", "sep", "sse", "sse2", "syscall", "tsc", "vme",
    /* for kernels */
    "acpi", "amd_lbr_v2", "arat", "arch_lbr", "arch_perfmon", "bpext", "bts", "bus_lock_detect", "cid", "cpuid_fault",
    "dca", "ds_cpl", "dtes64", "dts", "extapic", "ibs", "ibt", "intel_ppin", "intel_pt", "invpcid", "monitor",
    "nodeid_msr", "osvw", "pbe", "pcid", "pdcm", "pdpe1gb", "pebs", "perfctr_core", "perfctr_llc", "perfctr_nb",
    "perfmon_v2", "ptsc", "skinit", "smap", "smep", "smx", "split_lock_detect", "ss", "tsc_adjust",
    "tsc_deadline_timer", "umip", "wbnoinvd", "wdt", "x2apic", "xtpr",
    /* for hypervisors, and of them */
    "avic", "decodeassists", "ept", "ept_ad", "flexpriority", "flushbyasid", "hypervisor", "lbrv", "npt", "nrip_save",
    "pausefilter", "pfthreshold", "sev", "sev_es", "sev_snp", "sme", "svm", "svm_lock", "tpr_shadow", "tsc_scale",
    "v_spec_ctrl", "v_vmsave_vmload", "vgif", "vmcb_clean", "vmmcall", "vmx", "vnmi", "vpid", "x2avic",
    /* frequencies, heat, shares of caches */
    "aperfmperf", "cat_l2", "cat_l3", "cdp_l2", "cdp_l3", "cpb", "cppc", "cqm", "cqm_llc", "cqm_mbm_local",
    "cqm_mbm_total", "cqm_occup_llc", "dtherm", "epb", "est", "hfi", "hw_pstate", "hwp", "hwp_act_window", "hwp_epp",
    "hwp_notify", "hwp_pkg_req", "ida", "mba", "pln", "pts", "rdt_a", "tm", "tm2",
    /* how well, not what */
    "amd_ibpb", "amd_ssbd", "amd_stibp", "arch_capabilities", "art", "cmp_legacy", "constant_tsc", "cr8_legacy", "erms",
    "flush_l1d", "fsrm", "ht", "ibpb", "ibrs", "ibrs_enhanced", "invpcid_single", "md_clear", "nonstop_tsc", "pti",
    "rep_good", "ssbd", "stibp", "topoext", "tsc_known_freq", "tsc_reliable", "xtopology"};

int bv_cpu_flag_matters(const char *flag, size_t n)
{
    for (size_t i = 0; i < sizeof(immaterial) / sizeof(immaterial[0]); i++)
        if (strncmp(immaterial[i], flag, n) == 0 && immaterial[i][n] == '\0')
            return 0;
    return 1;
}

char *bv_cpu_features(const char *machine, const char *flags)
{
    /* Each flag takes at least a byte and a blank, and gets a comma and the prefix. */
    size_t size = strlen(machine) + (strlen(flags) + 1) * (sizeof(BV_CPU_FEATURE_PREFIX) + 1) + sizeof("bv-");
    char *out = bv_alloc(size);
    size_t used = (size_t)snprintf(out, size, BV_CPU_FEATURE_PREFIX "%s", machine);
    for (const char *w = flags + strspn(flags, " "); *w;) {
        size_t n = strcspn(w, " ");
        if (bv_cpu_flag_matters(w, n))
            used += (size_t)snprintf(out + used, size - used, "," BV_CPU_FEATURE_PREFIX "%.*s", (int)n, w);
        w += n;
        w += strspn(w, " ");
    }
    return out;
}

/* --- what a job is kept to --- */

/* The kernel's names of the features of each level. The dynamic linker saves registers by XSAVE wherever it is, which
 * cannot be told otherwise; so it belongs to both. */
#define V2_FLAGS "cx16 lahf_lm pni popcnt sse4_1 sse4_2 ssse3 xsave"
#define V3_FLAGS V2_FLAGS " abm avx avx2 bmi1 bmi2 f16c fma movbe"

#define HWCAPS "glibc.cpu.hwcaps="
#define NOT_V3 "-AVX512F,-AVX512BW,-AVX512CD,-AVX512DQ,-AVX512VL,-AVX512ER,-AVX512PF,-FMA4,-RTM,-XSAVEC"
#define NOT_V2 NOT_V3 ",-AVX,-AVX2,-BMI1,-BMI2,-FMA,-LZCNT,-MOVBE"

static const struct {
    const char *name, *flags, *tunables;
} baselines[BV_CPU_BASELINES] = {
    [BV_CPU_NO_BASELINE] = {"none", "", ""},
    [BV_CPU_X86_64_V2] = {"x86-64-v2", V2_FLAGS, HWCAPS NOT_V2},
    [BV_CPU_X86_64_V3] = {"x86-64-v3", V3_FLAGS, HWCAPS NOT_V3},
};

const char *bv_cpu_baseline_name(enum bv_cpu_baseline b)
{
    return baselines[b].name;
}

int bv_cpu_baseline_parse(const char *name)
{
    for (int b = 0; b < BV_CPU_BASELINES; b++)
        if (strcmp(baselines[b].name, name) == 0)
            return b;
    return -1;
}

const char *bv_cpu_baseline_flags(enum bv_cpu_baseline b)
{
    return baselines[b].flags;
}

const char *bv_cpu_baseline_tunables(enum bv_cpu_baseline b)
{
    return baselines[b].tunables;
}

static int has_word(const char *words, const char *word, size_t n)
{
    for (const char *w = words; *w;) {
        size_t m = strcspn(w, " ");
        if (m == n && memcmp(w, word, n) == 0)
            return 1;
        w += m;
        w += strspn(w, " ");
    }
    return 0;
}

typedef int picks(const char *word, size_t n, const char *others);

static char *pick(const char *words, picks *wanted, const char *others)
{
    char *out = bv_alloc(strlen(words) + 1);
    size_t used = 0;
    for (const char *w = words + strspn(words, " "); *w;) {
        size_t n = strcspn(w, " ");
        if (wanted(w, n, others)) {
            if (used)
                out[used++] = ' ';
            memcpy(out + used, w, n);
            used += n;
        }
        w += n;
        w += strspn(w, " ");
    }
    out[used] = '\0';
    return out;
}

static char *null_if_empty(char *text)
{
    if (*text)
        return text;
    free(text);
    return NULL;
}

static int is_allowed(const char *word, size_t n, const char *level)
{
    return !bv_cpu_flag_matters(word, n) || has_word(level, word, n);
}

static int is_absent(const char *word, size_t n, const char *others)
{
    return !has_word(others, word, n);
}

static int is_missed(const char *word, size_t n, const char *have)
{
    return bv_cpu_flag_matters(word, n) && is_absent(word, n, have);
}

char *bv_cpu_limited(const char *flags, enum bv_cpu_baseline b)
{
    return b == BV_CPU_NO_BASELINE ? bv_strdup(flags) : pick(flags, is_allowed, baselines[b].flags);
}

char *bv_cpu_missing(const char *wanted, const char *have)
{
    return null_if_empty(pick(wanted, is_missed, have));
}

char *bv_cpu_without(const char *words, const char *others)
{
    return null_if_empty(pick(words, is_absent, others));
}
