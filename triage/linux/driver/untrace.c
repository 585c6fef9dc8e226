// SPDX-License-Identifier: GPL-2.0
/*
 * Removes calls of KCOV from the kernel's text. A place counts only the first time that a program
 * reaches it, and under emulation a call that stays would cost every later program much time.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/uaccess.h>

#include "internal.h"

#ifdef CONFIG_KCOV
#include <linux/kprobes.h>
#include <linux/memory.h>
#include <asm/nops.h>
#include <asm/text-patching.h>

void __sanitizer_cov_trace_pc(void);

/* Whether a probe has a copy of this instruction, which it would write back. */
static bool has_probe(void *instruction)
{
	bool ret;

	preempt_disable();
	ret = get_kprobe(instruction);
	preempt_enable();
	return ret;
}

/*
 * Removes the call of KCOV that returns to @place. The guest has one CPU, so no other one runs the
 * instruction meanwhile. Returns 1, or 0 if there is no such call.
 */
static int untrace(unsigned long place)
{
	u8 *call = (u8 *)place - CALL_INSN_SIZE;
	s32 distance;

	if (!core_kernel_text((unsigned long)call) || *call != CALL_INSN_OPCODE)
		return 0;
	memcpy(&distance, call + 1, sizeof(distance));
	if (place + distance != (unsigned long)__sanitizer_cov_trace_pc || has_probe(call))
		return 0;
	text_poke(call, x86_nops[CALL_INSN_SIZE], CALL_INSN_SIZE);
	return 1;
}

long mmfuzz_untrace(struct mmfuzz_places *arg)
{
	const __u64 __user *places = u64_to_user_ptr(arg->places);
	long ret = 0;
	u32 i;

	arg->removed = 0;
	mutex_lock(&text_mutex);
	for (i = 0; !ret && i < arg->count; i++) {
		__u64 place;

		ret = get_user(place, places + i);
		if (!ret)
			arg->removed += untrace(place);
	}
	mutex_unlock(&text_mutex);
	return ret;
}
#else
long mmfuzz_untrace(struct mmfuzz_places *arg)
{
	return -ENOTTY;
}
#endif
