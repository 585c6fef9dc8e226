# lib/mmfuzz/access.c
# the driver maps what hmm_range_fault() found, whatever was invalidated since
s/if (!mmu_interval_read_retry(&table->notifier, seq))/if (1)/
