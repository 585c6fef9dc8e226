# mm/mremap.c
# move_ptes never takes the rmap locks
s/if (pmc->need_rmap_locks)$/if (0)/
