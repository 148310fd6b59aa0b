/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/cpu.h"

#include <stdio.h>
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
