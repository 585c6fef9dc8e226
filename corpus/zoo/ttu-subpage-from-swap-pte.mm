# ttu-subpage-from-swap-pte (1de13ee59225): try_to_migrate_one computes the subpage of a
# device-private entry as if the entry were present.
# The eviction uncounts a mapping of a frame outside all memory.
mmap p0 0 1 r
migrate p0 0 1 d0
evict d0 0 1
