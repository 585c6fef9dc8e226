# mm/rmap.c
# __anon_vma_prepare does not look whether another task was first
s/if (likely(!vma->anon_vma)) {/if (1) {/
