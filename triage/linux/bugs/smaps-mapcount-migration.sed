# fs/proc/task_mmu.c
# pagemap counts a migration entry as a mapping
/^	if (page) {$/,/^	}$/s/if ((flags & PM_PRESENT) &&$/if (/
